"""A field that the contract does not have is refused wherever it stands, and never ignored."""

from collections.abc import Iterator

import pytest
import redis
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from convscope.service.errors import InvalidRequestError
from convscope.service.validation import plan_job
from convscope.service.validation.unknown import unknown_fields
from convscope.store import ModelStore
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import CreateJobRequest, JobSpec
from convscope.v1.models_pb2 import Lineage
from convscope.v1.train_pb2 import Adam, Convolution, Dense, Network, TrainSpec
from convscope.v1.visualize_pb2 import FeatureList, FeatureRange, LayerSelection, VisualizeSpec
from support.api import creating

NETWORK = Network(convolutions=[Convolution(filters=1), Convolution(filters=2)], dense=[Dense(units=3)])
SELECTIONS = [
    LayerSelection(name="conv1", range=FeatureRange(start=1, stop=2)),
    LayerSelection(convolution=1, list=FeatureList(indices=[1])),
]
SPECS = (
    JobSpec(train=TrainSpec(network=NETWORK, adam=Adam(learning_rate=0.5))),
    JobSpec(evaluate=EvaluateSpec(model="models/m", batch_size=7)),
    JobSpec(visualize=VisualizeSpec(model="models/m", selections=SELECTIONS)),
)


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value % 128 + 128]) + varint(value // 128)


def field(number: int, kind: int) -> bytes:
    """Return a field on the wire: a varint, eight bytes, a string or four bytes."""
    return varint(number * 8 + kind) + {0: b"\x01", 1: bytes(8), 2: b"\x02hi", 5: bytes(4)}[kind]


def messages(message: Message, path: str = "") -> Iterator[tuple[str, Message]]:
    """Yield a message and all in it, by path."""
    yield path or "request", message
    for descriptor, value in message.ListFields():
        inner = f"{path}.{descriptor.name}" if path else descriptor.name
        if isinstance(value, Message):
            yield from messages(value, inner)
        elif descriptor.message_type:
            for index, element in enumerate(value):
                yield from messages(element, f"{inner}[{index}]")


@given(
    data=st.data(), spec=st.sampled_from(SPECS), number=st.integers(1, 2**29 - 1), kind=st.sampled_from([0, 1, 2, 5])
)
def test_an_unknown_field_is_found_anywhere(data: st.DataObject, spec: JobSpec, number: int, kind: int) -> None:
    request = creating(spec, "r")
    path, message = data.draw(st.sampled_from(list(messages(request))))
    if number in message.DESCRIPTOR.fields_by_number:
        number += 1000
    message.MergeFromString(field(number, kind))
    (violation,) = unknown_fields(CreateJobRequest.FromString(request.SerializeToString()))
    assert violation.field == path
    assert f"has the unknown field {number}; allowed: {message.DESCRIPTOR.fields[0].name} (1)" in violation.description


@pytest.mark.parametrize("spec", SPECS)
def test_known_fields_are_not_reported(spec: JobSpec) -> None:
    assert not list(unknown_fields(creating(spec, "r")))


def test_what_is_too_much_is_not_looked_through() -> None:
    """Millions of elements fit in a request, and their number alone is reason enough to refuse it."""
    spec = VisualizeSpec(selections=[LayerSelection(name="conv1")] * 10_001)
    spec.selections[10_000].MergeFromString(field(99, 0))
    assert not list(unknown_fields(spec))
    spec.selections[9_999].MergeFromString(field(99, 0))
    assert [violation.field for violation in unknown_fields(spec)] == ["selections[9999]"]


def test_a_map_is_passed_over() -> None:
    assert not list(unknown_fields(Lineage(environment={"python": "3.13"})))


def test_a_spec_with_unknown_fields_is_refused(connection: redis.Redis) -> None:
    request = creating(TrainSpec(network=NETWORK))
    request.job.spec.train.MergeFromString(field(99, 0))
    request.job.spec.train.network.dense[0].MergeFromString(field(7, 2))
    with pytest.raises(InvalidRequestError) as caught:
        plan_job(request, ModelStore(connection))
    assert {violation.field: violation.description for violation in caught.value.violations} == {
        "job.spec.train": "has the unknown field 99; allowed: dataset (1), model_id (2), network (3), continue_from "
        "(4), adam (10), precision (20), batch_size (21), iterations (22), report_interval (23), "
        "validation_interval (24), seed (25)",
        "job.spec.train.network.dense[0]": "has the unknown field 7; allowed: units (1), activation (2)",
    }


def test_a_kind_of_job_that_is_unknown_is_refused(connection: redis.Redis) -> None:
    request = creating(JobSpec.FromString(field(4, 2)))
    with pytest.raises(InvalidRequestError, match=r"spec: .*field 4; allowed: train \(1\)"):
        plan_job(request, ModelStore(connection))


def test_a_field_of_another_type_is_refused(connection: redis.Redis) -> None:
    request = creating(TrainSpec.FromString(field(21, 2)))
    with pytest.raises(InvalidRequestError, match=r"job.spec.train: .*21 \(batch_size\)"):
        plan_job(request, ModelStore(connection))
