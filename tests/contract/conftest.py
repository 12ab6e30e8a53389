"""The contract to come, compiled for the tests alone: its messages have the names of those that are in use."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"
DRAFT = PROTOS / "draft"


@dataclass(frozen=True, repr=False)
class Draft:
    """The draft's messages, in a pool of their own."""

    files: FileDescriptorSet

    @cached_property
    def pool(self) -> DescriptorPool:
        pool = DescriptorPool()
        for file in self.files.file:
            pool.Add(file)
        return pool

    def descriptor(self, name: str) -> Descriptor:
        return self.pool.FindMessageTypeByName(f"convscope.v1.{name}")

    def make(self, name: str, /, **fields: Any) -> Any:
        return self.message_class(name)(**fields)

    def message_class(self, name: str) -> type[Message]:
        return GetMessageClass(self.descriptor(name))

    @property
    def own_files(self) -> list[FileDescriptorProto]:
        """Those that the draft itself has."""
        return [file for file in self.files.file if (DRAFT / file.name).is_file()]

    @property
    def messages(self) -> list[Descriptor]:
        """All of the draft's own messages, those in other messages too."""
        names = [
            f"{file.package}.{name}"
            for file in self.own_files
            for message in file.message_type
            for name in _names(message)
        ]
        return [self.pool.FindMessageTypeByName(name) for name in names]


def _names(message: DescriptorProto, prefix: str = "") -> Iterator[str]:
    if not message.options.map_entry:
        yield prefix + message.name
        for nested in message.nested_type:
            yield from _names(nested, f"{prefix}{message.name}.")


def compile_protos(target: Path) -> None:
    """Write the descriptors of the draft and of all that it imports, with comments."""
    names = sorted(path.relative_to(DRAFT).as_posix() for path in DRAFT.rglob("*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={DRAFT}", f"--proto_path={PROTOS}"]
    options = ["--include_imports", "--include_source_info", f"--descriptor_set_out={target}"]
    subprocess.run([*command, *options, *names], check=True, timeout=60)


@pytest.fixture(scope="session")
def draft(tmp_path_factory: pytest.TempPathFactory) -> Draft:
    target = tmp_path_factory.mktemp("contract") / "descriptors.bin"
    compile_protos(target)
    return Draft(FileDescriptorSet.FromString(target.read_bytes()))
