"""A program in another language: Node drives a training and a visualization from the .proto files alone."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from contract.conftest import PROTOS
from support.stack import Stack

HERE = Path(__file__).parent / "node"

# What npm says where no registry can be reached; anything else is a fault of ours.
AWAY = (
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "ENETUNREACH",
    "ENOTCACHED",
    "EHOSTUNREACH",
)

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None, reason="needs Node.js: node and npm"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, with the packages of its lock file beside it."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "drive.mjs"):
        shutil.copy(HERE / name, folder)
    options = ["--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--prefer-offline"]
    command = ["npm", "ci", *options, "--fetch-retries=0", "--fetch-timeout=20000"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    if answer.returncode and any(code in answer.stderr for code in AWAY):
        pytest.skip("needs a registry of npm packages, or npm's cache")
    assert answer.returncode == 0, answer.stderr
    return folder / "drive.mjs"


def drive(program: Path, address: str) -> Any:
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    command: list[str | Path] = ["node", program, address, PROTOS]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=environment)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def check(seen: Any) -> None:
    """Check what a training of three steps and a visualization of three images looked like."""
    assert seen["contract"]["major"] == 1
    for job in (seen["training"], seen["showing"]):
        assert job["same"]
        assert job["estimated_name"] == ""
        assert job["part_count"] >= 1
        assert (job["state"], job["outcome"]) == ("JOB_STATE_SUCCEEDED", "result")
        assert job["sequences"] == list(range(1, len(job["sequences"]) + 1))
        assert job["kinds"][-1] == "finished"
        assert "attempt_started" in job["kinds"]
    assert seen["training"]["labels"] == {"by": "node"}
    assert "train_progress" in seen["training"]["kinds"]
    assert (seen["training"]["effective"]["batch_size"], seen["training"]["effective"]["iterations"]) == (64, 3)
    assert len(seen["losses"]) == 3
    assert seen["showing"]["result"]["image_count"] == 3
    assert "image_ready" in seen["showing"]["kinds"]
    # A number that is 0 is not in the message, and not in what Node makes of it.
    features = [(image["feature"]["layer"], image["feature"].get("index", 0)) for image in seen["images"]]
    assert features == [("conv1", 0), ("conv1", 1)]
    assert all(image["shape"] == [28, 28, 1] and image["bytes"] == 28 * 28 * 4 for image in seen["images"])
    assert [image["name"] for image in seen["images"]] == [f"{seen['showing']['name']}/images/{n}" for n in (0, 1)]
    assert seen["png"] == {"name": f"{seen['showing']['name']}/images/1", "magic": "PNG", "pixels": False}
    assert seen["refused"]["code"] == 3
    assert "batch_size" in seen["refused"]["details"]
    assert "convolutions[0].filters" in seen["refused"]["details"]


def test_the_program_runs_against_convscope(program: Path, stack: Stack) -> None:
    check(drive(program, stack.address))


def test_the_lock_file_pins_every_package_and_names_no_registry() -> None:
    text = (HERE / "package-lock.json").read_text()
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert "://" not in text
    assert all(entry["integrity"].startswith("sha512-") and entry["version"] for entry in packages.values())
