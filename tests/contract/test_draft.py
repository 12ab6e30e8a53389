"""The contract to come: well formed, commented, in the names that it promises, with today's ranges and defaults."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from contract.conftest import DRAFT, PROTOS, ROOT, Draft
from convscope.service.validation.presets import DEFAULTS
from convscope.service.validation.render import LIMITS, MAX_RESCUE
from convscope.v1.rules import field_rules, oneof_rules

# Numbers of fields in messages, of messages in files and so on, as descriptors count them.
MESSAGE, SERVICE, FIELD, NESTED, METHOD = 4, 6, 2, 3, 2

COUNT = re.compile(r"(Number of (?!the |its |that )|How many )")


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The draft as a module of its own, beside the settings of buf."""
    root = tmp_path_factory.mktemp("module")
    shutil.copytree(DRAFT, root / "protos")
    shutil.copy(PROTOS / "convscope" / "v1" / "field_options.proto", root / "protos" / "convscope" / "v1")
    settings = (ROOT / "buf.yaml").read_text()
    kept = [
        line for line in settings.splitlines() if not re.match(r"\s+(excludes:|# The contract|- protos/draft)", line)
    ]
    (root / "buf.yaml").write_text("\n".join(kept))
    return root


@pytest.mark.parametrize("command", [["lint"], ["format", "--diff", "--exit-code"]], ids=lambda command: command[0])
def test_buf(module: Path, command: list[str]) -> None:
    buf = Path(sys.executable).with_name("buf")
    answer = subprocess.run([buf, *command], cwd=module, capture_output=True, text=True, timeout=60, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    return {tuple(place.path): place.leading_comments for place in file.source_code_info.location}


def fields(file: FileDescriptorProto, draft: Draft) -> Iterator[tuple[FieldDescriptor, str]]:
    """Every field of a file's messages, with its comment."""
    told = comments(file)

    def of(message: DescriptorProto, path: tuple[int, ...], name: str) -> Iterator[tuple[FieldDescriptor, str]]:
        descriptor = draft.pool.FindMessageTypeByName(name)
        for index, field in enumerate(message.field):
            yield descriptor.fields_by_name[field.name], told.get((*path, FIELD, index), "")
        for index, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                yield from of(nested, (*path, NESTED, index), f"{name}.{nested.name}")

    for index, message in enumerate(file.message_type):
        yield from of(message, (MESSAGE, index), f"{file.package}.{message.name}")


def all_fields(draft: Draft) -> list[tuple[FieldDescriptor, str]]:
    return [pair for file in draft.own_files for pair in fields(file, draft)]


def test_counts_end_in_count_and_sizes_in_bytes(draft: Draft) -> None:
    # Settings have the field's own words: filters, units, iterations, restarts, frames. They have rules.
    wrong = [
        field.full_name
        for field, comment in all_fields(draft)
        if field.message_type is None
        and COUNT.match(comment.strip())
        and not re.search(r"_(count|bytes)$", field.name)
        and not field_rules(field).ByteSize()
        and "from 1" not in comment
    ]
    assert wrong == []


def test_comments_leave_ranges_and_defaults_to_the_rules(draft: Draft) -> None:
    twice = [
        field.full_name
        for field, comment in all_fields(draft)
        if field_rules(field).ByteSize() and re.search(r"\bDefault\b|\bRequired\b|\d to [\d,]*\d\d\d", comment)
    ]
    assert twice == []


def test_times_are_well_known_types(draft: Draft) -> None:
    for field, _ in all_fields(draft):
        kind = field.message_type.full_name if field.message_type is not None else ""
        assert not re.search(r"(^|_)(seconds|milliseconds|millis|ms)$", field.name), field.full_name
        assert field.name.endswith("_time") or field.name == "time" or kind != "google.protobuf.Timestamp"
        assert re.search(r"(^|_)(duration|timeout)$", field.name) or kind != "google.protobuf.Duration"


def test_every_method_lists_its_errors(draft: Draft) -> None:
    for file in draft.own_files:
        told = comments(file)
        for index, service in enumerate(file.service):
            assert "Errors of every call:" in told[SERVICE, index]
            for number, method in enumerate(service.method):
                assert "Errors:" in told[SERVICE, index, METHOD, number], method.name


def requests(draft: Draft) -> set[Descriptor]:
    """The messages that clients send, and those in them that the server does not set."""
    pending = [
        draft.pool.FindMessageTypeByName(method.input_type.lstrip("."))
        for file in draft.own_files
        for service in file.service
        for method in service.method
    ]
    found: set[Descriptor] = set()
    while pending:
        message = pending.pop()
        if message not in found and message.full_name.startswith("convscope."):
            found.add(message)
            inner = [field.message_type for field in message.fields if not field_rules(field).output_only]
            pending += [kind for kind in inner if kind is not None and not kind.GetOptions().map_entry]
    return found


def test_every_text_and_list_of_a_request_has_an_end(draft: Draft) -> None:
    endless = []
    for message in requests(draft):
        for field in message.fields:
            rules = field_rules(field)
            texts = field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}
            ended = rules.resource or rules.allowed or rules.HasField("max_length") or not texts
            counted = rules.HasField("max_items") or not field.is_repeated
            if not (ended and counted) and not rules.output_only:
                endless.append(field.full_name)
    assert endless == []


def test_every_rule_is_one_that_its_field_can_keep(draft: Draft) -> None:
    for message in draft.messages:
        for field in message.fields:
            rules = field_rules(field)
            number = field.cpp_type in {1, 2, 3, 4, 5, 6} or (
                field.message_type is not None and field.message_type.full_name == "google.protobuf.Duration"
            )
            assert number or not (rules.WhichOneof("lower") or rules.WhichOneof("upper")), field.full_name
            if field.enum_type is not None and rules.default_text:
                assert rules.default_text in field.enum_type.values_by_name
            if rules.pattern:
                re.compile(rules.pattern)
                assert rules.pattern_note
            assert not (rules.required and rules.WhichOneof("default")), field.full_name
        for oneof in message.oneofs:
            if chosen := oneof_rules(oneof).default_field:
                assert message.fields_by_name[chosen].message_type is not None


def test_numbers_of_kinds_agree(draft: Draft) -> None:
    kinds = draft.pool.FindEnumTypeByName("convscope.v1.JobKind").values
    expected = {value.name.removeprefix("JOB_KIND_").lower(): value.number for value in kinds if value.number}
    for name in ("JobSpec", "JobResult"):
        assert {field.name: field.number for field in draft.descriptor(name).fields} == expected


# Ranges of whole numbers, and their defaults where a field has one of its own, as the service's checks have them.
WHOLE = {
    "TrainSpec.batch_size": (1, 8192, 64),
    "TrainSpec.iterations": (0, 10_000_000, 10_000),
    "TrainSpec.report_interval": (1, 1_000_000, 100),
    "TrainSpec.validation_interval": (0, 1_000_000, 0),
    "Convolution.filters": (1, 4096, None),
    "Convolution.kernel_size": (1, 64, 5),
    "Convolution.pool_size": (1, 64, 2),
    "Dense.units": (1, 65_536, None),
    "EvaluateSpec.batch_size": (1, 8192, 256),
    "EvaluateSpec.max_errors": (0, 1000, 9),
    "VisualizeSpec.iterations": (1, 10_000, None),
    "VisualizeSpec.restarts": (1, 1000, 1),
    "Render.rescue": (0, MAX_RESCUE, None),
}
ITEMS = {
    "Network.convolutions": 64,
    "Network.dense": 64,
    "VisualizeSpec.selections": 10_000,
    "VisualizeSpec.objectives": 1_000,
    "Objective.terms": 16,
}
NAMES = {
    "fourier": "Fourier",
    "transforms": "Transforms",
    "regularizers": "Regularizers",
    "normalized": "NormalizedStep",
    "adam": "AdamStep",
}


def field_of(draft: Draft, path: str) -> FieldDescriptor:
    message, _, name = path.partition(".")
    return draft.descriptor(message).fields_by_name[name]


@pytest.mark.parametrize("path", WHOLE)
def test_ranges_of_whole_numbers_are_carried_over(draft: Draft, path: str) -> None:
    rules = field_rules(field_of(draft, path))
    low, high, default = WHOLE[path]
    assert (rules.minimum, rules.maximum) == (low, high)
    assert (rules.default_number if rules.HasField("default_number") else None) == default


@pytest.mark.parametrize("path", ITEMS)
def test_lengths_of_lists_are_carried_over(draft: Draft, path: str) -> None:
    assert field_rules(field_of(draft, path)).max_items == ITEMS[path]


@pytest.mark.parametrize("message", LIMITS)
def test_ranges_of_settings_are_carried_over(draft: Draft, message: str) -> None:
    default = DEFAULTS.get(message)
    assert {field.name for field in draft.descriptor(NAMES[message]).fields} == set(LIMITS[message])
    for name, limits in LIMITS[message].items():
        rules = field_rules(field_of(draft, f"{NAMES[message]}.{name}"))
        assert (rules.above if limits.above else rules.minimum, rules.maximum) == (limits.low, limits.high)
        assert rules.HasField("above") == limits.above
        assert not rules.default_number or rules.default_number == getattr(default, name)
