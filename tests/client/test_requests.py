"""What the client sends, and what it refuses to send."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.client import (
    Backlog,
    Client,
    Convolution,
    Dense,
    Device,
    Estimate,
    InvalidType,
    InvalidValue,
    Layers,
    NoWorker,
    WaitingReason,
)
from convscope.client.selections import selections
from convscope.v1 import device_pb2, jobs_pb2, models_pb2, train_pb2, visualize_pb2
from support.fake_service import FakeService, job


@pytest.fixture
def sent(fake: FakeService, client: Client) -> Callable[..., jobs_pb2.JobSpec]:
    """Call a method of the client and return the spec that reached the server."""

    def call(kind: str, *args: Any, **kwargs: Any) -> jobs_pb2.JobSpec:
        fake.handlers["CreateJob"] = lambda *_: job(kind)
        getattr(client, kind)(*args, **kwargs)
        spec: jobs_pb2.JobSpec = fake.requests[-1].job.spec
        return spec

    return call


def test_what_is_left_out_is_left_to_the_server(sent: Callable[..., jobs_pb2.JobSpec]) -> None:
    assert sent("train").train == train_pb2.TrainSpec()
    assert sent("visualize", "models/m").visualize == visualize_pb2.VisualizeSpec(model="models/m")
    evaluate = sent("evaluate", "m").evaluate
    assert evaluate.model == "models/m"
    assert not evaluate.HasField("batch_size")


def test_zero_is_not_the_same_as_left_out(sent: Callable[..., jobs_pb2.JobSpec]) -> None:
    spec = sent("train", iterations=0, validation_interval=0).train
    assert spec.HasField("iterations")
    assert spec.HasField("validation_interval")
    assert not spec.HasField("report_interval")


def test_every_setting_arrives(sent: Callable[..., jobs_pb2.JobSpec]) -> None:
    spec = sent(
        "train",
        dataset="mnist",
        convolutions=[8, Convolution(filters=4, kernel_size=3, activation="tanh", pool_size=1), {"filters": 2}],
        dense=[Dense(units=7, activation="elu"), np.int64(5)],
        learning_rate=0.5,
        precision="bfloat16",
        batch_size=32,
        iterations=10**7,
        report_interval=9,
        validation_interval=8,
        seed=2**64 - 1,
        model_id="mine",
    ).train
    layers = [(c.filters, c.kernel_size, c.activation, c.pool_size) for c in spec.network.convolutions]
    assert layers == [(8, 0, 0, 0), (4, 3, 3, 1), (2, 0, 0, 0)]  # 0 is what the server fills in
    assert not spec.network.convolutions[0].HasField("kernel_size")
    assert [(d.units, d.activation) for d in spec.network.dense] == [(7, 2), (5, 0)]
    assert (spec.dataset, spec.model_id) == ("datasets/mnist", "mine")
    assert (spec.adam.learning_rate, spec.precision, spec.seed) == (0.5, train_pb2.PRECISION_BFLOAT16, 2**64 - 1)
    assert (spec.batch_size, spec.iterations, spec.report_interval, spec.validation_interval) == (32, 10**7, 9, 8)


def test_a_training_resumes_from_a_model(sent: Callable[..., jobs_pb2.JobSpec]) -> None:
    assert sent("train", continue_from="old").train == train_pb2.TrainSpec(continue_from="models/old")


def test_half_a_network_is_completed_with_the_tutorials(sent: Callable[..., jobs_pb2.JobSpec]) -> None:
    network = sent("train", dense=[]).train.network
    assert [c.filters for c in network.convolutions] == [16, 36]
    assert not network.dense
    network = sent("train", convolutions=()).train.network
    assert not network.convolutions
    assert [d.units for d in network.dense] == [128]


def test_a_submission_can_always_be_repeated(sent: Callable[..., Any], fake: FakeService) -> None:
    sent("train")
    sent("train")
    sent("train", request_id="mine")
    ids = [request.request_id for request in fake.requests]
    assert ids[2] == "mine"
    assert len(set(ids)) == 3
    assert all(ids)


@pytest.mark.parametrize(("kind", "arguments"), [("train", ()), ("evaluate", ("m",)), ("visualize", ("m",))])
def test_descriptions_of_a_job_arrive(
    sent: Callable[..., Any], fake: FakeService, kind: str, arguments: tuple[str, ...]
) -> None:
    sent(kind, *arguments)
    assert not fake.requests[-1].job.HasField("timeout")
    sent(kind, *arguments, display_name="first", labels={"a": "1", "b": ""}, timeout=np.float32(1.5))
    created = fake.requests[-1].job
    assert (created.display_name, dict(created.labels)) == ("first", {"a": "1", "b": ""})
    assert created.timeout.ToMilliseconds() == 1500


def test_a_job_tells_its_description(fake: FakeService, client: Client) -> None:
    described = job(display_name="first", labels={"a": "1"}, owner="local", timeout={"seconds": 90})
    fake.handlers["GetJob"] = lambda *_: described
    info = client.job("j").info
    assert (info.display_name, dict(info.labels), info.owner, info.timeout) == ("first", {"a": "1"}, "local", 90.0)
    fake.handlers["GetJob"] = lambda *_: job()
    info = client.job("j").info
    assert (info.display_name, dict(info.labels), info.timeout) == ("", {}, None)


@pytest.mark.parametrize(("kind", "arguments"), [("train", ()), ("evaluate", ("m",)), ("visualize", ("m",))])
def test_a_job_can_be_validated_alone(fake: FakeService, client: Client, kind: str, arguments: tuple[str, ...]) -> None:
    described = job(kind, "QUEUED", estimate={"part_count": 3, "compute_duration": {"seconds": 2}, "stored_bytes": 5})
    described.ClearField("name")
    fake.handlers["CreateJob"] = lambda *_: described
    validated = getattr(client, kind)(*arguments, validate_only=True)
    assert fake.requests[-1].validate_only
    assert (validated.name, validated.info.create_time) == ("", None)
    assert validated.info.estimate == Estimate(part_count=3, compute_seconds=2.0, stored_bytes=5)
    for use in (validated.result, validated.refresh, validated.cancel, validated.delete, validated.watch):
        with pytest.raises(InvalidValue, match="validate_only"):
            use()
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        ({"resource": "models/m"}, WaitingReason(message="why", resource="models/m")),
        (
            {"no_worker": {"device": device_pb2.DEVICE_GPU, "cpu_worker_count": 2}},
            WaitingReason(message="why", no_worker=NoWorker(device=Device.GPU, cpu_worker_count=2, gpu_worker_count=0)),
        ),
        (
            {"backlog": {"part_count": 3, "duration": {"seconds": 90}}},
            WaitingReason(message="why", backlog=Backlog(part_count=3, seconds=90.0)),
        ),
        ({}, WaitingReason(message="why")),  # a reason that this client does not know
    ],
)
def test_a_job_tells_why_it_waits(
    fake: FakeService, client: Client, waiting: dict[str, Any], reason: WaitingReason
) -> None:
    fake.handlers["GetJob"] = lambda *_: job(state="QUEUED", waiting={"message": "why", **waiting})
    info = client.job("j").info
    assert (info.waiting, str(info.waiting)) == (reason, "why")
    fake.handlers["GetJob"] = lambda *_: job()
    assert client.job("j").info.waiting is None


def test_a_job_or_model_names_a_model(fake: FakeService, client: Client) -> None:
    fake.handlers["CreateJob"] = lambda request, _: job(
        str(request.job.spec.WhichOneof("kind")), model="models/new" if request.job.spec.HasField("train") else ""
    )
    training = client.train()
    assert training.model == "models/new"
    client.evaluate(training)
    assert fake.requests[-1].job.spec.evaluate.model == "models/new"
    evaluation = client.evaluate("models/new")
    with pytest.raises(InvalidType, match=r"Model nor a training job"):
        client.visualize(evaluation)  # type: ignore[arg-type]


BAD = [
    ("train", {"iterations": 1.5}, InvalidType, "iterations: 1.5 is not a whole number"),
    ("train", {"iterations": True}, InvalidType, "iterations: True is not a whole number"),
    ("train", {"batch_size": 2**31}, InvalidValue, "batch_size: 2147483648 is not within"),
    ("train", {"learning_rate": "fast"}, InvalidType, "learning_rate: 'fast' is not a number"),
    ("train", {"learning_rate": 10**400}, InvalidValue, "learning_rate: the number is too large"),
    ("train", {"precision": "float16"}, InvalidValue, "precision: unknown 'float16'; allowed are float32, bfloat16"),
    ("train", {"precision": 16}, InvalidType, "precision: 16 is not a string"),
    ("train", {"seed": -1}, InvalidValue, "seed: -1 is not within 0 to"),
    ("train", {"convolutions": "16"}, InvalidType, "convolutions: '16' is not a list"),
    ("train", {"convolutions": 16}, InvalidType, "convolutions: 16 is not a list"),
    ("train", {"convolutions": [16, "x"]}, InvalidType, r"convolutions\[1\].filters: 'x'"),
    (
        "train",
        {"convolutions": [{"filter": 1}]},
        InvalidValue,
        r"convolutions\[0\]: unknown 'filter'; allowed are filters",
    ),
    ("train", {"convolutions": [{}]}, InvalidValue, r"convolutions\[0\]: filters is missing"),
    ("train", {"dense": [Dense(units=1, activation="swish")]}, InvalidValue, r"dense\[0\].activation: unknown 'swish'"),
    ("train", {"dataset": 5}, InvalidType, "dataset: 5 is not a string"),
    ("train", {"continue_from": "m", "dense": []}, InvalidValue, "continue_from: not with convolutions or dense"),
    ("train", {"model_id": ""}, InvalidValue, "model_id: must not be empty"),
    ("train", {"model_id": 5}, InvalidType, "model_id: 5 is not a string"),
    ("train", {"continue_from": 5}, InvalidType, "continue_from: 5 is neither"),
    ("train", {"request_id": ""}, InvalidValue, "request_id: must not be empty"),
    ("train", {"validate_only": 1}, InvalidType, "validate_only: 1 is neither True nor False"),
    ("train", {"timeout": "1h"}, InvalidType, "timeout: '1h' is not a number"),
    ("train", {"timeout": float("nan")}, InvalidValue, "timeout: nan is not a number of seconds"),
    ("train", {"timeout": float("inf")}, InvalidValue, "timeout: inf is not a number of seconds"),
    ("train", {"labels": "a=1"}, InvalidType, "labels: 'a=1' is not a mapping"),
    ("train", {"labels": {"a": 1}}, InvalidType, "labels: 'a': 1 is not a name and a value"),
    ("train", {"display_name": 1}, InvalidType, "display_name: 1 is not a string"),
    (
        "evaluate",
        {"model": "m", "split": ""},
        InvalidValue,
        "split: must not be empty",
    ),
    ("evaluate", {"model": "m", "max_errors": None, "batch_size": "x"}, InvalidType, "batch_size"),
    ("visualize", {"model": "m", "trace": 1}, InvalidType, "trace: 1 is neither"),
    ("visualize", {"model": "m", "iterations": 1e3}, InvalidType, "iterations: 1000.0"),
    ("visualize", {"model": "m", "layers": []}, InvalidValue, "layers: none is chosen"),
    ("visualize", {"model": "m", "layers": 1.0}, InvalidType, "layers: 1.0 is neither a name nor an index"),
    ("visualize", {"model": "m", "layers": ""}, InvalidValue, "layers: must not be empty"),
    ("visualize", {"model": "m", "layers": {"conv1": []}}, InvalidValue, "no feature is chosen"),
    ("visualize", {"model": "m", "layers": {"conv1": range(0)}}, InvalidValue, "no feature is chosen"),
    ("visualize", {"model": "m", "layers": {"conv1": "all"}}, InvalidType, "'all' is neither a number nor"),
    ("visualize", {"model": "m", "layers": {"conv1": slice(3, None)}}, InvalidValue, "needs an end"),
    ("visualize", {"model": "m", "layers": {"conv1": slice(-3, 5)}}, InvalidValue, "needs an end"),
    ("visualize", {"model": "m", "layers": {"conv1": [1, 2.5]}}, InvalidType, "2.5 is not a whole number"),
]


@pytest.mark.parametrize(("kind", "arguments", "error", "expected"), BAD)
def test_what_cannot_be_right_is_not_sent(
    *, client: Client, fake: FakeService, kind: str, arguments: dict[str, Any], error: type[Exception], expected: str
) -> None:
    with pytest.raises(error, match=expected):
        getattr(client, kind)(**arguments)
    assert not fake.requests


def broken(client: Client, kind: str, **arguments: Any) -> list[str]:
    """Return the arguments that are named as those that break a rule of the contract."""
    with pytest.raises(InvalidValue) as caught:
        getattr(client, kind)(**arguments)
    assert all(f"{field}: {allowed}" in str(caught.value) for field, allowed in caught.value.fields.items())
    return list(caught.value.fields)


def test_all_broken_rules_are_reported_at_once_and_nothing_is_sent(client: Client, fake: FakeService) -> None:
    training = {"convolutions": [{"filters": 0, "pool_size": 65}], "dense": [1] * 65, "learning_rate": float("nan")}
    assert broken(client, "train", batch_size=0, model_id="M", request_id="ü", **training) == [
        "model_id",
        "convolutions[0].filters",
        "convolutions[0].pool_size",
        "dense",
        "learning_rate",
        "batch_size",
        "request_id",
    ]
    assert broken(client, "train", continue_from="M") == ["continue_from"]
    assert broken(client, "evaluate", model="m", max_errors=1_001) == ["max_errors"]
    drawing = {"layers": {"conv1": [-1]}, "render": {"transforms.pad": 0.6}}
    assert broken(client, "visualize", model="m", restarts=0, **drawing) == [
        "layers[0].list.indices[0]",
        "render.transforms.pad",
        "restarts",
    ]
    assert not fake.requests


def test_names_that_no_resource_can_have_are_not_sent(client: Client, fake: FakeService) -> None:
    for call in (client.job("No").refresh, lambda: next(client.job("j").watch(-1)), lambda: client.delete_model("é")):
        with pytest.raises(InvalidValue):
            call()
    assert not fake.requests


def test_of_many_faults_the_first_are_reported(client: Client) -> None:
    with pytest.raises(InvalidValue, match="and 88 more") as caught:
        client.visualize("m", dict.fromkeys(range(-100, 0)))
    assert len(caught.value.fields) == 100


@pytest.mark.parametrize("name", ["", "jobs/", "/j", "models/j", "jobs/a/b"])
def test_a_name_of_another_form_is_not_sent(client: Client, name: str) -> None:
    with pytest.raises(InvalidValue, match="job: "):
        client.job(name)


def test_a_handle_by_name_asks_only_what_it_must(fake: FakeService, client: Client) -> None:
    handle = client.job("j")
    assert (handle.name, repr(handle)) == ("jobs/j", "<job jobs/j>")
    assert not fake.requests
    assert handle.kind == handle.info.kind == "train"
    assert len(fake.requests) == 1


def test_a_listed_job_asks_for_its_spec_when_that_is_wanted(client: Client, fake: FakeService) -> None:
    short, whole = job("evaluate"), job("evaluate")
    short.ClearField("effective_spec")
    whole.effective_spec.evaluate.model = "models/m"
    fake.handlers["ListJobs"] = lambda *_: jobs_pb2.ListJobsResponse(jobs=[short])
    fake.handlers["GetJob"] = lambda *_: whole
    fake.handlers["CancelJob"] = lambda *_: short
    (handle,) = client.jobs(kinds="evaluate", states=["running"], newest_first=False)
    wanted = jobs_pb2.JobFilter(kinds=[jobs_pb2.JOB_KIND_EVALUATE], states=[jobs_pb2.JOB_STATE_RUNNING])
    assert fake.requests == [jobs_pb2.ListJobsRequest(filter=wanted, order_by="create_time")]
    assert (handle.kind, handle.info.spec, handle.info.model) == ("evaluate", {}, "")
    assert len(fake.requests) == 1
    assert handle.model == "models/m"
    assert handle.spec == {"model": "models/m"}
    assert handle.cancel().spec == handle.spec
    assert [type(request).__name__ for request in fake.requests[1:]] == ["GetJobRequest", "CancelJobRequest"]


def test_models_are_asked_for_in_short_unless_all_is_wanted(client: Client, fake: FakeService) -> None:
    fake.handlers["ListModels"] = lambda *_: models_pb2.ListModelsResponse()
    assert not list(client.models())
    assert not list(client.models(states="ready", datasets="mnist", newest_first=False, full=True))
    wanted = models_pb2.ModelFilter(states=[models_pb2.MODEL_STATE_READY], datasets=["datasets/mnist"])
    full = models_pb2.MODEL_VIEW_FULL
    assert fake.requests == [
        models_pb2.ListModelsRequest(
            view=models_pb2.MODEL_VIEW_BASIC, filter=models_pb2.ModelFilter(), order_by="create_time desc"
        ),
        models_pb2.ListModelsRequest(view=full, filter=wanted, order_by="create_time"),
    ]


def test_unknown_states_are_not_sent(client: Client, fake: FakeService) -> None:
    with pytest.raises(InvalidValue, match=r"states: .*'done'.* waiting"):
        client.jobs(states=["done"])
    with pytest.raises(InvalidType, match="kinds: 3"):
        client.jobs(kinds=3)  # type: ignore[arg-type]
    assert not fake.requests


CHOICES: list[tuple[Layers, list[str]]] = [
    (None, []),
    ("conv1", ["conv1: all"]),
    (0, ["#0: all"]),
    (["conv2", 1, "logits"], ["conv2: all", "#1: all", "logits: all"]),
    ({"conv1": None}, ["conv1: all"]),
    ({"conv1": slice(None)}, ["conv1: all"]),
    ({"logits": 2}, ["logits: [2]"]),
    ({"logits": np.array([2, 3])}, ["logits: [2, 3]"]),
    ({1: [3, 1]}, ["#1: [3, 1]"]),
    ({"conv1": range(2, 5)}, ["conv1: 2-5"]),
    ({"conv1": slice(5)}, ["conv1: 0-5"]),
    ({"conv1": slice(1, 6, 2)}, ["conv1: [1, 3, 5]"]),
    ({"conv1": range(4, 0, -2)}, ["conv1: [4, 2]"]),
    ({"conv1": (i for i in range(2)), "dense1": None}, ["conv1: [0, 1]", "dense1: all"]),
]


@pytest.mark.parametrize(("layers", "meant"), CHOICES)
def test_layers_can_be_chosen_in_many_ways(layers: Layers, meant: list[str]) -> None:
    assert [_format_selection(selection) for selection in selections(layers)] == meant


@given(st.integers(0, 50), st.integers(1, 50), st.integers(1, 5))
def test_slices_and_ranges_mean_the_same_features_as_in_python(start: int, length: int, step: int) -> None:
    wanted = list(range(start, start + length, step))
    for features in (slice(start, start + length, step), range(start, start + length, step)):
        (selection,) = selections({"conv1": features})
        chosen = selection.range if selection.HasField("range") else None
        assert (list(range(chosen.start, chosen.stop)) if chosen else list(selection.list.indices)) == wanted


def _format_selection(selection: visualize_pb2.LayerSelection) -> str:
    layer = selection.name or f"#{selection.convolution}"
    match selection.WhichOneof("features"):
        case "list":
            return f"{layer}: {list(selection.list.indices)}"
        case "range":
            return f"{layer}: {selection.range.start}-{selection.range.stop}"
    return f"{layer}: all"
