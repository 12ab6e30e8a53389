"""The rules on the contract's fields: what they allow is right, and nothing else; defaults are filled in."""

import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.conftest import Contract
from convscope.v1.rules import Violation, allowed_text, default_text, field_rules, fill_defaults, violations
from support.ruled_messages import REAL, WHOLE, ends, fill_validly

# How deep messages are in messages at most; deeper ones are left out.
DEPTH = 5


def faults_of(message: Message) -> dict[str, str]:
    return {violation.field: violation.description for violation in violations(message)}


def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Return any value of a field's type, right or wrong."""
    if field.cpp_type in WHOLE:
        low, high = WHOLE[field.cpp_type]
        return st.one_of(st.integers(low, high), st.integers(max(low, -3), 100))
    if field.cpp_type in REAL:
        return st.floats(width=32) if REAL[field.cpp_type] == 32 else st.floats()
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return st.integers(-1, 9)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=5)
    names = st.sampled_from(
        ["models/a", "datasets/mnist", "jobs/x1", "jobs/x1/images/07", "test", "create_time", "a b"]
    )
    return st.one_of(names, st.text(max_size=80))


def fill(data: st.DataObject, message: Any, depth: int = 0) -> None:
    """Set any fields of a message to anything."""
    for field in message.DESCRIPTOR.fields:
        if data.draw(st.booleans(), label=field.full_name):
            if field.message_type is None:
                fill_scalars(data, message, field)
            elif depth < DEPTH:
                fill_messages(data, field, getattr(message, field.name), depth)


def fill_scalars(data: st.DataObject, message: Any, field: FieldDescriptor) -> None:
    if field.is_repeated:
        getattr(message, field.name).extend(data.draw(st.lists(scalars(field), max_size=3)))
    else:
        setattr(message, field.name, data.draw(scalars(field)))


def fill_messages(data: st.DataObject, field: FieldDescriptor, value: Any, depth: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value.update(data.draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)))
    elif field.is_repeated:
        fill(data, value.add(), depth + 1)
        fill(data, value.add(), depth + 1)
    else:
        value.SetInParent()
        fill(data, value, depth + 1)


def resolves(descriptor: Descriptor, path: str) -> bool:
    """Return whether a violation's path leads to a field or oneof of the message."""
    name, _, rest = path.partition(".") if not path.startswith("labels[") else (path, "", "")
    name = re.sub(r"\[.*\]$", "", name, flags=re.DOTALL)
    if not rest:
        return name in descriptor.fields_by_name or name in descriptor.oneofs_by_name
    inner = descriptor.fields_by_name[name].message_type if name in descriptor.fields_by_name else None
    return inner is not None and resolves(inner, rest)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_request_gets_paths_of_its_own_and_defaults_do_no_harm(contract: Contract, data: st.DataObject) -> None:
    request = contract.make(data.draw(st.sampled_from(["JobSpec", "ListJobsRequest", "CreateJobRequest"])))
    fill(data, request)
    before = list(violations(request))
    assert all(
        resolves(request.DESCRIPTOR, re.sub(r"labels\[.*\]", "labels", violation.field, flags=re.DOTALL))
        for violation in before
    )
    filled = type(request).FromString(request.SerializeToString())
    fill_defaults(filled)
    # What is missing may be filled in; what is there is neither mended nor made wrong, but for what is coerced.
    assert set(violations(filled)) <= set(before)
    once = filled.SerializeToString(deterministic=True)
    fill_defaults(filled)
    assert filled.SerializeToString(deterministic=True) == once


REQUESTS = [
    "CreateJobRequest",
    "JobSpec",
    "ListJobsRequest",
    "ListModelsRequest",
    "ListImagesRequest",
    "WatchJobRequest",
    "ReadFileRequest",
]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_request_that_keeps_the_rules_has_no_violation(contract: Contract, data: st.DataObject) -> None:
    request = contract.make(data.draw(st.sampled_from(REQUESTS)))
    fill_validly(data, request)
    assert faults_of(request) == {}
    fill_defaults(request)
    assert faults_of(request) == {}


def bounded(contract: Contract) -> Iterator[FieldDescriptor]:
    for message in contract.messages:
        for field in message.fields:
            if field_rules(field).WhichOneof("lower") or field_rules(field).WhichOneof("upper"):
                yield field


def fault_of(field: FieldDescriptor, contract: Contract, value: float) -> str:
    """Return the fault of one field that has a value, whatever else its message lacks; empty if there is none."""
    message = contract.make(field.full_name.removeprefix("convscope.v1.").rpartition(".")[0])
    if field.is_repeated:
        getattr(message, field.name).append(value)
        return faults_of(message).get(f"{field.name}[0]", "")
    if field.message_type is not None:
        getattr(message, field.name).seconds = int(value)
    else:
        setattr(message, field.name, value)
    return faults_of(message).get(field.name, "")


def test_every_bound_is_allowed_and_nothing_beyond(contract: Contract) -> None:
    fields = list(bounded(contract))
    assert len(fields) >= 50
    for field in fields:
        coerced = field_rules(field).strictness != 0
        for allowed, refused in ends(field):
            assert fault_of(field, contract, allowed) == "", field.full_name
            if not coerced and field.message_type is None:
                assert allowed_text(field).split(";")[0] in fault_of(field, contract, refused)
        if field.cpp_type in REAL:
            assert "not nan" in fault_of(field, contract, math.nan), field.full_name


@pytest.mark.parametrize(
    ("seconds", "nanos", "fault"),
    [
        (1, 0, ""),
        (31_536_000, 0, ""),
        (0, 999_999_999, "1 to 31,536,000 seconds"),
        (31_536_000, 1, "1 to 31,536,000 seconds"),
        (-5, 0, "1 to 31,536,000 seconds"),
        (5, -1, "not a duration"),
        (5, 10**9, "not a duration"),
        (10**12, 0, "not a duration"),
    ],
)
def test_durations(contract: Contract, seconds: int, nanos: int, fault: str) -> None:
    job = contract.make("Job", spec={"train": {}})
    job.timeout.seconds, job.timeout.nanos = seconds, nanos
    assert fault in faults_of(job).get("timeout", "")
    assert bool(fault) == bool(faults_of(job))


@pytest.mark.parametrize(
    ("fields", "path", "reported"),
    [
        ({}, "job", "is required"),
        ({"job": {"spec": {}}}, "job.spec.kind", "train, evaluate, visualize"),
        ({"job": {"spec": {"evaluate": {}}}}, "job.spec.evaluate.model", "models/MODEL"),
        ({"job": {"spec": {"evaluate": {"model": "models/A"}}}}, "job.spec.evaluate.model", "models/MODEL"),
        ({"job": {"spec": {"train": {"precision": 9}}}}, "job.spec.train.precision", "PRECISION_BFLOAT16"),
        ({"job": {"spec": {"train": {"model_id": "a/b"}}}}, "job.spec.train.model_id", "MODEL"),
        ({"job": {"name": "jobs/a", "spec": {"train": {}}}}, "job.name", "set by the server"),
        ({"job": {"spec": {"train": {}}, "failure": {}}}, "job.failure", "set by the server"),
        ({"job": {"spec": {"train": {}}, "labels": {"A": ""}}}, "job.labels[A]", "a-z"),
        ({"job": {"spec": {"train": {}}, "labels": {"a": "x" * 256}}}, "job.labels[a]", "255 characters"),
        ({"job": {"spec": {"train": {}}}, "request_id": "ü"}, "request_id", "printable ASCII"),
        ({"job": {"spec": {"train": {}}}, "request_id": "a\n"}, "request_id", "printable ASCII"),
        ({"job": {"spec": {"train": {}}}, "request_id": "a" * 129}, "request_id", "128 characters"),
        (
            {"job": {"spec": {"train": {"network": {"convolutions": [{"filters": 1}, {}]}}}}},
            "job.spec.train.network.convolutions[1].filters",
            "1 to 4,096",
        ),
        (
            {"job": {"spec": {"train": {"network": {"convolutions": [{"filters": 1}] * 65}}}}},
            "job.spec.train.network.convolutions",
            "64 items, not 65",
        ),
        (
            {"job": {"spec": {"visualize": {"model": "models/a", "objectives": [{}]}}}},
            "job.spec.visualize.objectives[0].terms",
            "1 to 16 items",
        ),
        (
            {
                "job": {
                    "spec": {
                        "visualize": {"model": "models/a", "selections": [{"name": "a", "list": {"indices": [0, -1]}}]}
                    }
                }
            },
            "job.spec.visualize.selections[0].list.indices[1]",
            "at least 0, not -1",
        ),
    ],
)
def test_faults_are_found_where_they_are(contract: Contract, fields: dict[str, Any], path: str, reported: str) -> None:
    faults = faults_of(contract.make("CreateJobRequest", **fields))
    assert list(faults) == [path]
    assert reported in faults[path]


@pytest.mark.parametrize("name", ["...", ".", "a b", "a" * 65, "ä"])
def test_names_of_objectives(contract: Contract, name: str) -> None:
    terms = [{"feature": {"layer": "conv1"}}]
    assert list(faults_of(contract.make("Objective", name=name, terms=terms))) == ["name"]
    assert faults_of(contract.make("Objective", name="..a.", terms=terms)) == {}
    assert faults_of(contract.make("Objective", terms=terms)) == {}


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("jobs/a/images/0", True),
        ("jobs/a/images/12", True),
        ("jobs/a/images/012", False),
        ("jobs/a/images/-1", False),
        ("jobs/a/images/", False),
        ("jobs/a/images/0\n", False),
        ("jobs/A/images/0", False),
        ("xjobs/a/images/0", False),
    ],
)
def test_names_of_images(contract: Contract, name: str, *, right: bool) -> None:
    assert (faults_of(contract.make("GetImageRequest", name=name)) == {}) == right


@pytest.mark.parametrize(
    ("name", "right"), [("confusion-matrix.npy", True), ("a%2Fb", True), ("a/b", False), ("a%2", False), ("a b", False)]
)
def test_names_of_files(contract: Contract, name: str, *, right: bool) -> None:
    assert (faults_of(contract.make("ReadFileRequest", name=f"jobs/a/files/{name}")) == {}) == right


@pytest.mark.parametrize(("given_size", "taken"), [(0, 50), (-7, 1), (1, 1), (1000, 1000), (2**31 - 1, 1000)])
def test_page_sizes_are_coerced(contract: Contract, given_size: int, taken: int) -> None:
    request = contract.make("ListJobsRequest", page_size=given_size)
    assert faults_of(request) == {}
    fill_defaults(request)
    assert request.page_size == taken
    assert request.order_by == "create_time desc"


def test_defaults_are_filled_in(contract: Contract) -> None:
    request = contract.make(
        "CreateJobRequest", job={"spec": {"train": {"network": {"convolutions": [{"filters": 8}]}}}}
    )
    fill_defaults(request)
    train = request.job.spec.train
    assert train.adam.learning_rate == 1e-4
    assert (train.batch_size, train.iterations, train.report_interval) == (64, 10_000, 100)
    assert train.HasField("validation_interval")
    assert (train.network.convolutions[0].kernel_size, train.network.convolutions[0].activation) == (5, 1)
    assert (request.job.priority, request.job.device) == (2, 1)
    assert not request.job.HasField("timeout")


def test_lists_that_are_too_long_are_left_alone(contract: Contract) -> None:
    network = contract.make("Network", convolutions=[{"filters": 1}] * 65, dense=[{"units": 1}] * 64)
    fill_defaults(network)
    assert not network.convolutions[0].HasField("kernel_size")
    assert network.dense[63].activation


def test_what_is_set_stays(contract: Contract) -> None:
    spec = contract.make(
        "TrainSpec", validation_interval=0, batch_size=7, continue_from="models/a", adam={"learning_rate": 1}
    )
    fill_defaults(spec)
    assert (spec.batch_size, spec.adam.learning_rate, spec.WhichOneof("architecture")) == (7, 1, "continue_from")


def test_descriptions(contract: Contract) -> None:
    fields = contract.descriptor("TrainSpec").fields_by_name
    assert (allowed_text(fields["batch_size"]), default_text(fields["batch_size"])) == ("1 to 8,192", "64")
    assert default_text(fields["dataset"]).startswith("`datasets/mnist`")
    term = contract.descriptor("Term").fields_by_name
    assert allowed_text(term["weight"]) == "1e-06 to 1,000,000, or the same below 0"
    assert default_text(contract.descriptor("EvaluateSpec").fields_by_name["split"]) == "test"


def test_a_violation_is_a_value() -> None:
    assert Violation("a", "b") == Violation("a", "b")
