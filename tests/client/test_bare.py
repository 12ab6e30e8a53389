"""The wheel in an environment that has only what the thin client depends on."""

import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from support.stack import Stack
from support.wheels import build_wheel

SESSION = """
import importlib.util, sys
from convscope.client import Client, MissingExtra, plots

with Client(sys.argv[1]) as client:
    training = client.train(convolutions=[4], dense=[], iterations=10, report_interval=5)
    evaluation = client.evaluate(training)
    images = client.visualize(training, "conv1", iterations=3)
    counts = training.result(progress=True).step, evaluation.result().example_count
    print(*counts, len(images.result(progress=True).images))
try:
    plots.plot_image([[0]])
except MissingExtra as error:
    print(error)
for name in ("tensorflow", "keras", "redis", "rq", "sklearn", "obstore", "matplotlib"):
    assert importlib.util.find_spec(name) is None, name
"""


def dependencies(distribution: str) -> Iterator[str]:
    """Yield the names of its requirements without extras, and of theirs."""
    for text in requires(distribution) or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name
            yield from dependencies(requirement.name)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a new environment with the wheel and its core dependencies."""
    folder = tmp_path_factory.mktemp("bare")
    wheel = build_wheel(folder)
    venv.create(folder / "venv")  # without its own pip, which takes seconds to install
    pins = sorted({f"{name}=={version(name)}" for name in dependencies("convscope")})
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", folder / "venv"]
    # What is not compiled here is when it is imported.
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-compile", wheel, *pins], check=True)
    subprocess.run([*pip, "check"], check=True)
    return folder / "venv/bin"


def test_a_bare_client_drives_a_service(bare: Path, stack: Stack) -> None:
    command: list[str | Path] = [bare / "python", "-I", "-c", SESSION, stack.address]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["10 10000 4", "plots need matplotlib: pip install 'convscope[plot]'"]


def test_the_bare_command_line_works(bare: Path, stack: Stack, tmp_path: Path) -> None:
    train: list[str | Path] = [
        bare / "convscope",
        "--address",
        stack.address,
        "train",
        "-n",
        "2",
        "--convolutions",
        "2",
        "--detach",
    ]
    job = subprocess.check_output(train, text=True).strip()
    model = job.replace("jobs/", "models/")
    visualize: list[str | Path] = [
        bare / "convscope",
        "--address",
        stack.address,
        "visualize",
        model,
        "-l",
        "logits:2",
        "-n",
        "2",
    ]
    done = subprocess.run(visualize, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "for pictures: pip install 'convscope[plot]'" in done.stdout
    assert [file.name for file in (tmp_path / "visualization").iterdir()] == ["images.npz"]


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["up"], "all"),
        (["serve"], "service"),
        (["worker"], "worker"),
        (["demo"], "plot"),
        (["evaluate", "m", "--plots", "x"], "plot"),
    ],
)
def test_what_is_missing_is_named(bare: Path, tmp_path: Path, arguments: list[str], extra: str) -> None:
    done = subprocess.run([bare / "convscope", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"pip install 'convscope[{extra}]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
