"""Objectives are values; settings have names; both arrive as they were given."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.client import (
    AdamStep,
    Client,
    Fourier,
    InvalidType,
    InvalidValue,
    NormalizedStep,
    Pixels,
    Regularizers,
    Render,
    Transforms,
    objectives,
)
from convscope.client.cli.objective_text import parse_objectives, parse_settings
from convscope.client.render import render_message, setting_names
from convscope.v1 import device_pb2, jobs_pb2, objective_pb2, render_pb2, visualize_pb2
from support.fake_service import FakeService, job

CHANNEL, LAYER = objectives.channel("conv2", 3), objectives.layer("conv1")


@pytest.fixture
def sent(fake: FakeService, client: Client) -> Callable[..., jobs_pb2.CreateJobRequest]:
    """Call ``visualize`` and return the request that reached the server."""

    def call(**kwargs: Any) -> jobs_pb2.CreateJobRequest:
        fake.handlers["CreateJob"] = lambda *_: job("visualize")
        client.visualize("models/m", **kwargs)
        request: jobs_pb2.CreateJobRequest = fake.requests[-1]
        return request

    return call


def weights(objective: objectives.Objective) -> list[float]:
    return [term.weight for term in objective.terms]


def test_arithmetic() -> None:
    assert weights(CHANNEL - 0.5 * LAYER) == [1, -0.5]
    assert weights(-(2 * CHANNEL + LAYER / 4)) == [-2, -0.25]
    assert weights(CHANNEL * np.float32(0.5)) == weights(np.float32(0.5) * CHANNEL) == [0.5]
    assert weights(sum([CHANNEL, LAYER, CHANNEL])) == [1, 1, 1]  # type: ignore[arg-type]  # sum's 0 is taken


@given(st.lists(st.floats(0.125, 8), min_size=1, max_size=5))
def test_operands_stay_as_they_are(factors: list[float]) -> None:
    """What is built of an objective leaves it alone, however often it is used: weights do not compound."""
    before = repr(CHANNEL)
    total = sum((factor * CHANNEL for factor in factors[1:]), factors[0] * CHANNEL)
    assert weights(total) == factors
    assert repr(CHANNEL) == before
    assert hash(CHANNEL) == hash(objectives.channel("conv2", 3))
    assert objectives.channel("conv2", 3) == CHANNEL != LAYER


@pytest.mark.parametrize(
    ("make", "error", "expected"),
    [
        (lambda: 0 * CHANNEL, InvalidValue, "weight: 0 is not a finite number other than 0"),
        (lambda: float("nan") * CHANNEL, InvalidValue, "weight: nan"),
        (lambda: CHANNEL / 0, InvalidValue, "divided by 0"),
        (lambda: CHANNEL * "2", InvalidType, "weight: '2' is not a number"),
        (lambda: CHANNEL * LAYER, TypeError, "unsupported operand"),
        (lambda: CHANNEL + 1, TypeError, "unsupported operand"),
        (lambda: objectives.channel("", 1), InvalidValue, "layer: must not be empty"),
        (lambda: objectives.channel("conv1", 1.5), InvalidType, "index: 1.5"),  # type: ignore[arg-type]
        (lambda: objectives.channel("conv1", 1, tap="after"), InvalidValue, "tap: unknown 'after'; allowed are pre_"),
        (lambda: objectives.direction("conv1", "12"), InvalidType, "vector: '12'"),  # type: ignore[arg-type]
        (lambda: objectives.direction("conv1", ["1"]), InvalidType, "vector: '1'"),  # type: ignore[list-item]
        (lambda: objectives.direction("conv1", []), InvalidValue, "vector: must not be empty"),
        (
            lambda: objectives.direction("conv1", [1, 1e300]),
            InvalidValue,
            r"vector: 1e\+300 is not a finite number",
        ),
        (lambda: objectives.direction("conv1", [-3.5e38]), InvalidValue, r"vector: -3\.5e\+38 is not a finite"),
        (lambda: objectives.direction("conv1", [float("nan")]), InvalidValue, "vector: nan is not a finite number"),
    ],
)
def test_invalid_objectives(make: Callable[[], Any], error: type[Exception], expected: str) -> None:
    with pytest.raises(error, match=expected):
        make()


def test_every_kind_arrives(sent: Callable[..., jobs_pb2.CreateJobRequest]) -> None:
    given = [
        objectives.unit("dense1", 7, tap="post_activation"),
        objectives.neuron("conv2", 3, 5),
        objectives.direction("logits", np.array([1, 0, -1], np.float32)) + objectives.diversity("conv2"),
        objectives.logit(2),
    ]
    arrived = sent(objectives=given).job.spec.visualize.objectives
    assert [objective.name for objective in arrived] == [""] * 4
    unit, neuron = arrived[0].terms[0], arrived[1].terms[0].neuron
    assert (unit.feature.layer, unit.feature.index) == ("dense1", 7)
    assert unit.tap == objective_pb2.TAP_POST_ACTIVATION
    assert (neuron.feature.index, neuron.row, neuron.HasField("column")) == (3, 5, False)
    assert list(arrived[2].terms[0].direction.vector) == [1, 0, -1]
    assert arrived[2].terms[1].diversity.layer == "conv2"
    assert (arrived[3].terms[0].feature.layer, arrived[3].terms[0].weight) == ("logits", 1)


def test_the_largest_component_arrives(sent: Callable[..., jobs_pb2.CreateJobRequest]) -> None:
    (arrived,) = sent(objectives=objectives.direction("logits", [1e6, -1e6])).job.spec.visualize.objectives
    assert list(arrived.terms[0].direction.vector) == [1e6, -1e6]
    with pytest.raises(InvalidValue) as caught:
        sent(objectives=objectives.direction("logits", [0, float(np.finfo(np.float32).max)]))
    assert list(caught.value.fields) == ["objectives[0].terms[0].direction.vector[1]"]


def test_objectives_can_have_names(sent: Callable[..., jobs_pb2.CreateJobRequest]) -> None:
    arrived = sent(objectives={"edges": CHANNEL - LAYER, "two": objectives.logit(2)}).job.spec.visualize.objectives
    assert [(objective.name, len(objective.terms)) for objective in arrived] == [("edges", 2), ("two", 1)]
    assert len(sent(objectives=CHANNEL).job.spec.visualize.objectives) == 1


def test_every_setting_of_a_visualization_arrives(sent: Callable[..., jobs_pb2.CreateJobRequest]) -> None:
    request = sent(
        preset="robust", restarts=50, keep="all", recompute=True, priority="high", device="gpu", iterations=7, seed=3
    )
    spec = request.job.spec.visualize
    assert spec.preset == render_pb2.PRESET_ROBUST
    assert (spec.restarts, spec.keep, spec.recompute) == (50, visualize_pb2.RESTARTS_ALL, True)
    assert (request.job.priority, request.job.device) == (jobs_pb2.PRIORITY_HIGH, device_pb2.DEVICE_GPU)
    assert not spec.HasField("render")


@pytest.mark.parametrize(
    ("arguments", "error", "expected"),
    [
        ({"preset": "best"}, InvalidValue, "preset: unknown 'best'; allowed are tutorial, robust"),
        ({"keep": "none"}, InvalidValue, "keep: unknown 'none'; allowed are best, all"),
        ({"priority": 3}, InvalidType, "priority: 3 is not a string"),
        ({"device": "tpu"}, InvalidValue, "device: unknown 'tpu'; allowed are any, cpu, gpu"),
        ({"restarts": 2.0}, InvalidType, "restarts: 2.0"),
        ({"recompute": 1}, InvalidType, "recompute: 1 is neither True nor False"),
        ({"objectives": []}, InvalidValue, "objectives: none is given"),
        ({"objectives": "conv1"}, InvalidType, "objectives: 'conv1' is neither"),
        ({"objectives": ["conv1"]}, InvalidType, "objectives: 'conv1' is not an objective"),
        ({"objectives": {"": CHANNEL}}, InvalidValue, "objectives: must not be empty"),
        ({"render": 3}, InvalidType, "render: 3 is neither a Render nor a mapping"),
        ({"render": {"jitter": 1}}, InvalidValue, "render: unknown 'jitter'; allowed are pixels, fourier.decay"),
        ({"render": {"transforms.jiter": 1}}, InvalidValue, "render: unknown 'transforms.jiter'"),
        ({"render": {"rescue.x": 1}}, InvalidValue, "render: unknown 'rescue.x'"),
        ({"render": {"rescue": 1.5}}, InvalidType, "render.rescue: 1.5 is not a whole number"),
        ({"render": {"rescue": None}}, InvalidType, "render.rescue: a value is missing"),
        ({"render": {"decorrelate": 1}}, InvalidType, "render.decorrelate: 1 is neither True nor False"),
        ({"render": {"transforms.pad": "0.1"}}, InvalidType, "render.transforms.pad: '0.1' is not a number"),
        ({"render": {"transforms": 0.1}}, InvalidType, "render.transforms: 0.1 is not a value of it"),
        ({"render": {"pixels": None, "fourier.decay": 1}}, InvalidValue, "pixels and fourier exclude each other"),
        ({"render": {"fourier": None, "pixels": None}}, InvalidValue, "fourier and pixels exclude each other"),
    ],
)
def test_what_cannot_be_right_is_not_sent(
    *, client: Client, fake: FakeService, arguments: dict[str, Any], error: type[Exception], expected: str
) -> None:
    with pytest.raises(error, match=expected):
        client.visualize("m", **arguments)
    assert not fake.requests


def test_settings_as_values_and_by_name_are_the_same() -> None:
    values = Render(
        parameterization=Fourier(decay=0.85),
        decorrelate=True,
        transforms=Transforms(jitter=0.1, rotate=5),
        regularizers=Regularizers(l2=0),
        optimizer=AdamStep(),
        rescue=16,
    )
    names = {
        "fourier.decay": 0.85,
        "decorrelate": True,
        "transforms.jitter": 0.1,
        "transforms.rotate": 5,
        "regularizers.l2": 0,
        "adam": None,
        "rescue": 16,
    }
    message = render_message(values)
    assert message == render_message(names)
    assert message is not None
    assert message.WhichOneof("optimizer") == "adam"
    assert message.regularizers.HasField("l2")
    assert not message.regularizers.HasField("l1")
    assert not message.adam.HasField("learning_rate")
    steps = render_message(Render(parameterization=Pixels(), optimizer=NormalizedStep(decay=0.99)))
    assert steps == render_pb2.Render(pixels=render_pb2.Pixels(), normalized=render_pb2.NormalizedStep(decay=0.99))
    assert render_message(None) is None
    assert render_message(Render()) == render_pb2.Render()


def test_every_setting_can_be_named() -> None:
    for name in setting_names():
        value: Any = None if name == "pixels" else (name == "decorrelate") or 1
        message = render_message({name: value})
        assert message is not None
        assert message.ByteSize()


SUMS = [
    ("conv2:3", CHANNEL),
    (" conv2:3 - 0.5*conv1", CHANNEL - 0.5 * LAYER),
    ("-conv2:3 + 2e-1*conv1", -CHANNEL + 0.2 * LAYER),
    ("-3*conv2:3", -3 * CHANNEL),
    ("conv2:3@5,6", objectives.neuron("conv2", 3, 5, 6)),
    ("conv2:3@", objectives.neuron("conv2", 3)),
    ("post(conv1)", objectives.layer("conv1", tap="post_activation")),
    ("0.5*post(conv2:3@1,2)", 0.5 * objectives.neuron("conv2", 3, 1, 2, tap="post_activation")),
    ("logits:[1, -0.5,2e1]", objectives.direction("logits", [1, -0.5, 20])),
    ("conv2:3 + diversity(conv2)", CHANNEL + objectives.diversity("conv2")),
    ("block-1/conv_2:0", objectives.channel("block-1/conv_2", 0)),
]


@pytest.mark.parametrize(("text", "meant"), SUMS)
def test_objectives_on_the_command_line(text: str, meant: objectives.Objective) -> None:
    assert parse_objectives([text]) == [meant]
    assert parse_objectives([f"my-name.1={text}"]) == {"my-name.1": meant}


NO_SUMS = ["", "conv2:", "conv2:x", "conv2:3@5", "2*", "conv1+conv2:3:4", "post(post(conv1))", "post(diversity(conv1))"]
NO_SUMS += ["sum(conv1)", "logits:[1,x]", "conv1 conv2", "conv2:-1", "0*conv1"]


@pytest.mark.parametrize("text", NO_SUMS)
def test_invalid_objectives_on_the_command_line(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_objectives([text])


@pytest.mark.parametrize(
    ("vector", "expected"),
    [
        ("", "must not be empty"),
        (" ", "must not be empty"),
        ("1,,2", "'' is not a number"),
        ("1e300", r"1e\+300 is not"),
    ],
)
def test_invalid_directions_are_reported(vector: str, expected: str) -> None:
    with pytest.raises(InvalidValue, match=f"vector: {expected}"):
        parse_objectives([f"logits:[{vector}]"])


def test_objectives_with_and_without_names_can_be_mixed() -> None:
    assert parse_objectives([]) is None
    mixed = parse_objectives(["a=conv1", "conv2:3", "b = conv1"])
    assert mixed == {"a": LAYER, "objectives[1]": CHANNEL, "b": LAYER}
    with pytest.raises(InvalidValue, match=r"two .*'a'"):
        parse_objectives(["a=conv1", "a=conv2"])


@pytest.mark.parametrize("name", ["ü", "", "a b", "..", "objectives[0]", "a/b", "x" * 65])
def test_invalid_names_of_objectives_are_reported(name: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(repr(name))):
        parse_objectives([f"{name}=logits:2"])


def test_settings_on_the_command_line() -> None:
    assert parse_settings(["transforms.jitter=0.1", "rescue = 16", "decorrelate=False", "fourier"]) == {
        "transforms.jitter": 0.1,
        "rescue": 16,
        "decorrelate": False,
        "fourier": None,
    }
    assert parse_settings([]) is None
    with pytest.raises(InvalidValue, match=r"render\.rescue: 'many'"):
        parse_settings(["rescue=many"])
