"""A change that breaks the contract is noticed, and one that only adds to it is not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contract.conftest import PROTOS, ROOT

BUF = Path(sys.executable).with_name("buf")
TENSOR, JOBS = "tensor.proto", "jobs.proto"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The contract in a separate folder, with the image of the one that was released."""
    shutil.copytree(PROTOS, tmp_path / "protos", ignore=shutil.ignore_patterns("*.py*"))
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    return tmp_path


def checked(module: Path) -> subprocess.CompletedProcess[str]:
    """Return what the check that contributors run says, in another folder."""
    check = re.search(
        r'^check "contract unbroken" "\$BIN/buf" (.*)$', (ROOT / "scripts/check").read_text(), re.MULTILINE
    )
    assert check is not None
    command = [BUF, *check[1].split()]
    return subprocess.run(command, cwd=module, capture_output=True, text=True, timeout=60, check=False)


def changed(module: Path, file: str, old: str, new: str) -> subprocess.CompletedProcess[str]:
    """Return what it says after a change."""
    path = module / "protos" / "convscope" / "v1" / file
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return checked(module)


BREAKS = {
    "another name": (TENSOR, "bytes data = 3;", "bytes elements = 3;"),
    "another number": (TENSOR, "bytes data = 3;", "bytes data = 4;"),
    "another type": (TENSOR, "bytes data = 3;", "string data = 3;"),
    "no field": (TENSOR, "bytes data = 3;", "reserved 3;"),
    "another value": (TENSOR, "ELEMENT_TYPE_UINT8 = 1;", "ELEMENT_TYPE_BYTE = 1;"),
    "no call": (JOBS, "rpc CancelJob(CancelJobRequest) returns (Job);", ""),
    "another answer": (
        JOBS,
        "rpc CancelJob(CancelJobRequest) returns (Job);",
        "rpc CancelJob(CancelJobRequest) returns (google.protobuf.Empty);",
    ),
}
ADDITIONS = {
    "nothing": (TENSOR, "bytes data = 3;", "bytes data = 3;"),
    "a field": (TENSOR, "bytes data = 3;", "bytes data = 3;\n  string unit = 4;"),
    "a value": (TENSOR, "ELEMENT_TYPE_UINT8 = 1;", "ELEMENT_TYPE_UINT8 = 1;\n  ELEMENT_TYPE_INT8 = 6;"),
    "a call": (
        JOBS,
        "rpc CancelJob(CancelJobRequest) returns (Job);",
        "rpc CancelJob(CancelJobRequest) returns (Job);\n  rpc PauseJob(CancelJobRequest) returns (Job);",
    ),
}


@pytest.mark.parametrize("change", BREAKS.values(), ids=BREAKS)
def test_what_breaks_the_contract_is_refused(module: Path, change: tuple[str, str, str]) -> None:
    answer = changed(module, *change)
    assert answer.returncode == 100
    assert f"protos/convscope/v1/{change[0]}" in answer.stdout


@pytest.mark.parametrize("change", ADDITIONS.values(), ids=ADDITIONS)
def test_what_adds_to_the_contract_is_not(module: Path, change: tuple[str, str, str]) -> None:
    answer = changed(module, *change)
    assert (answer.returncode, answer.stdout) == (0, "")
