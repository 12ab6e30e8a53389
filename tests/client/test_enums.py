"""The client's enumerations are the contract's, so that it knows every answer of a server."""

from enum import StrEnum
from typing import Any

import pytest

from convscope.client import (
    Activation,
    Client,
    Device,
    ExportFormat,
    FailureReason,
    HeadKind,
    ImageFormat,
    JobKind,
    JobState,
    LayerKind,
    ModelState,
    Outcome,
    Precision,
    Preset,
    Priority,
    Restarts,
    Tap,
    WorkerState,
    enums,
)
from convscope.v1 import (
    device_pb2,
    image_format_pb2,
    images_pb2,
    jobs_pb2,
    models_pb2,
    objective_pb2,
    render_pb2,
    train_pb2,
    visualize_pb2,
    workers_pb2,
)
from support.fake_service import FakeService

CONTRACT: list[tuple[type[StrEnum], Any]] = [
    (Activation, train_pb2.Activation),
    (Device, device_pb2.Device),
    (ExportFormat, images_pb2.ExportFormat),
    (FailureReason, jobs_pb2.Failure.Reason),
    (HeadKind, models_pb2.ModelHead.Kind),
    (ImageFormat, image_format_pb2.ImageFormat),
    (JobKind, jobs_pb2.JobKind),
    (JobState, jobs_pb2.JobState),
    (LayerKind, models_pb2.LayerKind),
    (ModelState, models_pb2.ModelState),
    (Outcome, visualize_pb2.Verdict.Outcome),
    (Precision, train_pb2.Precision),
    (Preset, render_pb2.Preset),
    (Priority, jobs_pb2.Priority),
    (Restarts, visualize_pb2.Restarts),
    (Tap, objective_pb2.Tap),
    (WorkerState, workers_pb2.WorkerState),
]


def test_every_enumeration_is_compared() -> None:
    of_names = {"Split"}  # is sent as a name
    assert {kind.__name__ for kind, _ in CONTRACT} == set(enums.__all__) - of_names


@pytest.mark.parametrize(("kind", "contract"), CONTRACT, ids=[kind.__name__ for kind, _ in CONTRACT])
def test_an_enumeration_has_the_members_of_the_contract(kind: type[StrEnum], contract: Any) -> None:
    numbers = [number for number in contract.values() if number]
    assert [enums.from_wire(kind, contract.Name, number) for number in numbers] == list(kind)


def test_a_model_with_layers_of_any_kind_can_be_looked_at(fake: FakeService, client: Client) -> None:
    layers = [models_pb2.Layer(name=f"layer{number}", kind=number) for number in models_pb2.LayerKind.values()[1:]]
    model = models_pb2.Model(name="models/m", state=models_pb2.MODEL_STATE_READY, layers=layers)
    fake.handlers["GetModel"] = lambda *_: model
    fake.handlers["ListModels"] = lambda *_: models_pb2.ListModelsResponse(models=[model])
    assert client.model("m").layers[-1].kind == "other"
    assert [len(model.layers) for model in client.models()] == [len(layers)]
