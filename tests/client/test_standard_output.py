"""Files that commands save in the standard output: what comes out is the file and nothing else."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import IO

import pytest

from convscope.v1 import files_pb2, models_pb2
from support.fake_service import FakeService

PROGRAM = str(Path(sys.executable).with_name("convscope"))
DATA = bytes(range(256)) * 100
COMMANDS = [["jobs", "download", "j", "a"], ["models", "export", "m"]]


@pytest.fixture(autouse=True)
def served(fake: FakeService) -> None:
    """A job's file and a model's, of the same bytes."""
    file = files_pb2.File(name="jobs/j/files/a")
    model = models_pb2.Model(name="models/m", state=models_pb2.MODEL_STATE_READY)
    for digest in (file.digest, model.digest):
        digest.sha256, digest.size_bytes = sha256(DATA).hexdigest(), len(DATA)
    fake.handlers["ListFiles"] = lambda *_: files_pb2.ListFilesResponse(files=[file])
    fake.handlers["ReadFile"] = lambda *_: iter([files_pb2.ReadFileResponse(data=DATA)])
    fake.handlers["GetModel"] = lambda *_: model
    fake.handlers["ExportModel"] = lambda *_: iter([models_pb2.ExportModelResponse(data=DATA)])


def save(fake: FakeService, *arguments: str, stdout: int | IO[bytes] = subprocess.PIPE) -> bytes:
    command = [PROGRAM, "--address", fake.address, *arguments]
    done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=True)
    assert done.stderr == b""
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("target", [["-"], ["/dev/stdout", "--json"], ["/dev/fd/1"]], ids=lambda target: target[0])
def test_a_pipe_gets_the_file_alone(fake: FakeService, command: list[str], target: list[str]) -> None:
    assert save(fake, *command, *target) == DATA


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_in_a_file_already_stays(fake: FakeService, command: list[str], tmp_path: Path) -> None:
    path = tmp_path / "all"
    path.write_bytes(b"before")
    with path.open("ab") as file:
        save(fake, *command, "-", stdout=file)
        file.write(b"after")
    assert path.read_bytes() == b"before" + DATA + b"after"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_name_of_another_file_is_printed(fake: FakeService, command: list[str], tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert save(fake, *command, str(path)) == f"{path}\n".encode()
    assert path.read_bytes() == DATA


def test_a_named_pipe_is_written_once_and_not_read(fake: FakeService, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(pipe.read_bytes)
        told = json.loads(save(fake, "models", "export", "m", str(pipe), "--json"))
        assert received.result(10) == DATA
    assert told == {
        "model": "models/m",
        "file": str(pipe),
        "sha256": sha256(DATA).hexdigest(),
        "size_bytes": len(DATA),
    }
