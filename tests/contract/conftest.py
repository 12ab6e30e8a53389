"""The contract as its own ``.proto`` files have it: its descriptors, with their comments."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import Default, DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"
PACKAGE = "convscope.v1"


@dataclass(frozen=True, repr=False)
class Contract:
    """The contract's messages, and its files with their comments."""

    files: list[FileDescriptorProto]

    @property
    def pool(self) -> DescriptorPool:
        return Default()

    def descriptor(self, name: str) -> Descriptor:
        return self.pool.FindMessageTypeByName(f"{PACKAGE}.{name}")

    def make(self, name: str, /, **fields: Any) -> Any:
        return self.message_class(name)(**fields)

    def message_class(self, name: str) -> type[Message]:
        return GetMessageClass(self.descriptor(name))

    @property
    def messages(self) -> list[Descriptor]:
        """All of the contract's messages, those in other messages too."""
        return [
            self.descriptor(name) for file in self.files for message in file.message_type for name in _names(message)
        ]


def _names(message: DescriptorProto, prefix: str = "") -> Iterator[str]:
    if not message.options.map_entry:
        yield prefix + message.name
        for nested in message.nested_type:
            yield from _names(nested, f"{prefix}{message.name}.")


def compile_protos(target: Path) -> None:
    """Write the descriptors of the contract, with comments."""
    names = sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.rglob("*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTOS}"]
    options = ["--include_source_info", f"--descriptor_set_out={target}"]
    subprocess.run([*command, *options, *names], check=True, timeout=60)


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    for file in (PROTOS / "convscope" / "v1").glob("*_pb2.py"):
        importlib.import_module(f"{PACKAGE}.{file.stem}")  # now the pool has its messages
    target = tmp_path_factory.mktemp("contract") / "descriptors.bin"
    compile_protos(target)
    return Contract(list(FileDescriptorSet.FromString(target.read_bytes()).file))
