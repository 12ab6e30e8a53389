"""The contract keeps its conventions: well formed, commented, one kind of names, rules on all that clients send."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from contract.conftest import ROOT, Contract
from convscope.v1.rules import field_rules, oneof_rules

# Numbers of fields in messages, of messages in files and so on, as descriptors count them.
MESSAGE, SERVICE, FIELD, NESTED, METHOD = 4, 6, 2, 3, 2

COUNT = re.compile(r"(Number of (?!the |its |that )|How many )")


@pytest.mark.parametrize("command", [["lint"], ["format", "--diff", "--exit-code"]], ids=lambda command: command[0])
def test_buf(command: list[str]) -> None:
    buf = Path(sys.executable).with_name("buf")
    answer = subprocess.run([buf, *command], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    return {tuple(place.path): place.leading_comments for place in file.source_code_info.location}


def fields(file: FileDescriptorProto, contract: Contract) -> Iterator[tuple[FieldDescriptor, str]]:
    """Yield every field of a file's messages, with its comment."""
    by_path = comments(file)

    def of(message: DescriptorProto, path: tuple[int, ...], name: str) -> Iterator[tuple[FieldDescriptor, str]]:
        descriptor = contract.pool.FindMessageTypeByName(name)
        for index, field in enumerate(message.field):
            yield descriptor.fields_by_name[field.name], by_path.get((*path, FIELD, index), "")
        for index, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                yield from of(nested, (*path, NESTED, index), f"{name}.{nested.name}")

    for index, message in enumerate(file.message_type):
        yield from of(message, (MESSAGE, index), f"{file.package}.{message.name}")


def all_fields(contract: Contract) -> list[tuple[FieldDescriptor, str]]:
    return [pair for file in contract.files for pair in fields(file, contract)]


def test_counts_end_in_count_and_sizes_in_bytes(contract: Contract) -> None:
    # Settings have the field's own words: filters, units, iterations, restarts, frames. They have rules.
    wrong = [
        field.full_name
        for field, comment in all_fields(contract)
        if field.message_type is None
        and COUNT.match(comment.strip())
        and not re.search(r"_(count|bytes)$", field.name)
        and not field_rules(field).ByteSize()
        and "from 1" not in comment
    ]
    assert wrong == []


def test_comments_leave_ranges_and_defaults_to_the_rules(contract: Contract) -> None:
    twice = [
        field.full_name
        for field, comment in all_fields(contract)
        if field_rules(field).ByteSize() and re.search(r"\bDefault\b|\bRequired\b|\d to [\d,]*\d\d\d", comment)
    ]
    assert twice == []


def test_times_are_well_known_types(contract: Contract) -> None:
    for field, _ in all_fields(contract):
        kind = field.message_type.full_name if field.message_type is not None else ""
        assert not re.search(r"(^|_)(seconds|milliseconds|millis|ms)$", field.name), field.full_name
        assert field.name.endswith("_time") or field.name == "time" or kind != "google.protobuf.Timestamp"
        assert re.search(r"(^|_)(duration|timeout)$", field.name) or kind != "google.protobuf.Duration"


def test_every_method_lists_its_errors(contract: Contract) -> None:
    for file in contract.files:
        by_path = comments(file)
        for index, service in enumerate(file.service):
            assert "Errors of every call:" in by_path[SERVICE, index]
            for number, method in enumerate(service.method):
                assert "Errors:" in by_path[SERVICE, index, METHOD, number], method.name


def requests(contract: Contract) -> set[Descriptor]:
    """Return the messages that clients send, and those in them that the server does not set."""
    pending = [
        contract.pool.FindMessageTypeByName(method.input_type.lstrip("."))
        for file in contract.files
        for service in file.service
        for method in service.method
    ]
    sent: set[Descriptor] = set()
    while pending:
        message = pending.pop()
        if message not in sent and message.full_name.startswith("convscope."):
            sent.add(message)
            inner = [field.message_type for field in message.fields if not field_rules(field).output_only]
            pending += [kind for kind in inner if kind is not None and not kind.GetOptions().map_entry]
    return sent


def test_every_text_and_list_of_a_request_has_an_end(contract: Contract) -> None:
    endless = []
    for message in requests(contract):
        for field in message.fields:
            rules = field_rules(field)
            texts = field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}
            ended = rules.resource or rules.allowed or rules.HasField("max_length") or not texts
            counted = rules.HasField("max_items") or not field.is_repeated
            if not (ended and counted) and not rules.output_only:
                endless.append(field.full_name)
    assert endless == []


def test_every_rule_is_one_that_its_field_can_keep(contract: Contract) -> None:
    for message in contract.messages:
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


def test_numbers_of_kinds_agree(contract: Contract) -> None:
    kinds = contract.pool.FindEnumTypeByName("convscope.v1.JobKind").values
    expected = {value.name.removeprefix("JOB_KIND_").lower(): value.number for value in kinds if value.number}
    for name in ("JobSpec", "JobResult"):
        assert {field.name: field.number for field in contract.descriptor(name).fields} == expected
