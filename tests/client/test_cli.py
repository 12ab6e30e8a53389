"""The command line as a user types it, against a real convscope."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope.client import Client, Job, TrainResult
from support.stack import Stack

PROGRAM = str(Path(sys.executable).with_name("convscope"))
Run = Callable[..., subprocess.CompletedProcess[str]]


def call(*arguments: str | Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=120, check=False, **settings)


@pytest.fixture
def run(stack: Stack, tmp_path: Path) -> Run:
    """Runs convscope in an empty folder against the stack."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "CONVSCOPE_ADDRESS": stack.address, "COLUMNS": "100"}
        return call(*arguments, cwd=tmp_path, env=environ)

    return run


@pytest.fixture(scope="module")
def training(real: Client) -> Job[TrainResult]:
    job = real.train(convolutions=[3], dense=[], iterations=10, report_interval=5)
    job.result(timeout=120)
    return job


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_help_names_every_command() -> None:
    text = done(call("--help"))
    for name in ["demo", "train", "evaluate", "visualize", "jobs", "images", "models", "up", "serve", "worker"]:
        assert re.search(rf"│ {name} ", text), name
    for group in ("", "jobs", "images", "models", "datasets"):
        assert re.search(r"--help +-h +Show this message", done(call(*group.split(), "--help")))


COMMANDS = [
    "train",
    "evaluate",
    "visualize",
    "demo",
    "jobs list",
    "jobs show",
    "jobs watch",
    "jobs cancel",
    "jobs delete",
]
COMMANDS += ["images list", "images show", "images export"]
COMMANDS += ["models list", "models show", "models export", "models delete", "datasets list", "datasets show"]
COMMANDS += ["workers", "status"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_address_and_json(command: str) -> None:
    text = done(call(*command.split(), "--help"))
    assert "--address" in text
    assert "--json" in text
    assert re.search(r"--help +-h +Show this message", text)


def test_version() -> None:
    from importlib.metadata import version

    assert done(call("--version")) == f"convscope {version('convscope')}\n"


@pytest.mark.parametrize("name", ["up", "serve", "worker"])
def test_servers_have_their_own_help(name: str) -> None:
    assert done(call(name, "--help")).startswith(f"usage: convscope {name}")
    wrong = call(name, "--no-such-option")
    assert wrong.returncode == 2
    assert "--no-such-option" in wrong.stderr


def test_training_waits_and_says_what_is_next(run: Run) -> None:
    result = run("train", "-n", "6", "--convolutions", "2@3:tanh/4", "--dense", "none", "--report-interval", "3")
    assert re.match(r"models/\w+: 6 steps in [\d.]+ s.*\nnext: convscope evaluate models/", done(result))
    assert "training: succeeded step 6/6" in result.stderr


def test_training_speaks_json(run: Run) -> None:
    result = run("train", "-n", "4", "--convolutions", "2", "--dense", "none", "--id", "spoken", "--json")
    printed = json.loads(done(result))
    assert printed["result"]["step"] == 4
    assert printed["result"]["model"] == "models/spoken"
    assert printed["result"]["history"]["validation_accuracy"] == [None, None]
    assert result.stderr == ""


def test_a_detached_job_can_be_watched(run: Run) -> None:
    name = done(run("train", "-n", "3", "--convolutions", "2", "--detach")).strip()
    lines = done(run("jobs", "watch", name)).splitlines()
    assert "queued" in lines[0]
    assert "succeeded" in lines[-1]
    events = [json.loads(line) for line in done(run("jobs", "watch", name, "--json")).splitlines()]
    assert [event["sequence"] for event in events] == list(range(1, len(lines) + 1))
    assert events[-1]["event"] == "Finished"
    assert events[-1]["state"] == "succeeded"
    assert len(done(run("jobs", "watch", name, "--after", str(len(lines) - 1))).splitlines()) == 1


def test_evaluation_prints_what_the_tutorial_prints(run: Run, training: Job[TrainResult], tmp_path: Path) -> None:
    text = done(run("evaluate", training.model, "--plots", tmp_path / "plots"))
    assert re.match(r"Accuracy on test split: \d+\.\d% \(\d+ / 10000\)\n\nConfusion matrix", text)
    matrix = np.array([[int(n) for n in re.findall(r"\d+", row)] for row in re.findall(r"\[+([\d\s]+)\]", text)])
    assert matrix.shape == (10, 10)
    assert matrix.sum() == 10_000
    assert re.search(r"class\s+precision\s+recall\s+f1\s+support", text)
    assert {file.name for file in (tmp_path / "plots").iterdir()} == {"confusion-matrix.png", "example-errors.png"}


def test_evaluation_speaks_json_without_images(run: Run, training: Job[TrainResult]) -> None:
    result = json.loads(done(run("--json", "evaluate", training.model, "--split", "validation")))["result"]
    assert (result["example_count"], np.sum(result["confusion_matrix"])) == (5_000, 5_000)
    assert set(result["errors"]) == {"index", "true", "predicted", "probability"}


def test_files_of_a_job_are_listed_and_saved(run: Run, training: Job[TrainResult], tmp_path: Path) -> None:
    job = json.loads(done(run("--json", "evaluate", training.model, "--max-errors", "0")))["job"]
    assert re.search(r"confusion-matrix\.npy +application/x-npy +928 ", done(run("jobs", "files", job)))
    (file,) = (json.loads(line) for line in done(run("--json", "jobs", "files", job)).splitlines())
    path = tmp_path / "m.npy"
    assert done(run("jobs", "download", job, "confusion-matrix.npy", path)) == f"{path}\n"
    assert sha256(path.read_bytes()).hexdigest() == file["digest"]["sha256"]
    assert np.load(path).sum() == 10_000
    assert done(run("jobs", "files", training.name)) == "no files\n"


def test_mistakes_of_an_evaluation_are_listed(run: Run, training: Job[TrainResult]) -> None:
    job = json.loads(done(run("--json", "evaluate", training.model, "--max-errors", "5")))["job"]
    lines = done(run("--json", "jobs", "examples", job)).splitlines()
    examples = [json.loads(line) for line in lines]
    assert len(examples) == 5
    assert all(example["true_class"] != example["predicted_class"] for example in examples)
    assert set(examples[0]) == {"index", "true_class", "predicted_class", "probability"}
    first = examples[0]
    text = done(run("jobs", "examples", job, "--limit", "1"))
    assert re.search(rf"^ *{first['index']} +{first['true_class']} +{first['predicted_class']} ", text, re.MULTILINE)
    assert done(run("--json", "jobs", "examples", job, "--limit", "2")).splitlines() == lines[:2]
    assert "is not an evaluation" in run("jobs", "examples", training.name).stderr


def test_visualization_saves_files(run: Run, training: Job[TrainResult], tmp_path: Path) -> None:
    arguments = ["visualize", training.model, "-l", "0:0-1", "-l", "logits:2,4", "-n", "3", "--trace"]
    text = done(run(*arguments, "--output", tmp_path / "found"))
    assert {file.name for file in (tmp_path / "found").iterdir()} == {"images.npz", "conv1.png", "logits.png"}
    assert str(tmp_path / "found" / "conv1.png") in text
    with np.load(tmp_path / "found" / "images.npz") as arrays:
        assert arrays["logits/features"].tolist() == [2, 4]
        assert arrays["conv1/best/pixels"].shape == (2, 28, 28, 1)
        assert arrays["conv1/trace/objective"].shape == (2, 3)
    printed = json.loads(done(run(*arguments, "--json")))
    assert [Path(file).name for file in printed["files"]] == ["images.npz", "conv1.png", "logits.png"]
    assert "pixels" not in json.dumps(printed)
    assert "png" not in printed["result"]["images"][0]
    assert printed["result"]["images"][0]["verdict"]["outcome"] in {"normal", "constant", "unreachable"}
    assert len(printed["result"]["images"]) == 4


def test_jobs_are_listed_shown_cancelled_and_deleted(run: Run, training: Job[TrainResult]) -> None:
    assert training.name in done(run("jobs", "list", "--state", "succeeded", "--kind", "train"))
    listed = [json.loads(line) for line in done(run("jobs", "list", "--json", "--limit", "1")).splitlines()]
    assert len(listed) == 1
    assert listed[0]["name"] not in done(run("jobs", "list", "--oldest-first", "--limit", "1"))
    assert "succeeded" in done(run("jobs", "show", training.name))
    assert json.loads(done(run("jobs", "show", training.name, "--json")))["model"] == training.model
    name = done(run("train", "-n", "1000000", "--detach")).strip()
    assert name in done(run("jobs", "cancel", name))
    cancelled = run("jobs", "watch", name)
    assert (cancelled.returncode, cancelled.stderr) == (1, f"convscope: {name} was cancelled\n")
    assert done(run("jobs", "delete", name)) == f"deleted {name}\n"


def test_models_are_listed_shown_exported_and_deleted(run: Run, real: Client, tmp_path: Path) -> None:
    model = real.train(convolutions=[2], dense=[3], iterations=0).result(timeout=120).model
    assert model in done(run("models", "list", "--dataset", "mnist"))
    assert model not in done(run("models", "list", "--oldest-first", "--limit", "1"))
    assert re.search(r"conv1\s+convolution\s+28x28x2\s+2\s+52", done(run("models", "show", model)))
    assert json.loads(done(run("models", "show", model, "--json")))["layers"][0]["name"] == "conv1"
    exported = tmp_path / done(run("models", "export", model)).strip()
    assert exported.name == model.removeprefix("models/") + ".keras"
    digest = real.model(model).digest
    assert digest is not None
    assert exported.stat().st_size == digest.size_bytes
    assert done(run("models", "delete", model)) == f"deleted {model}\n"
    assert run("models", "show", model).returncode == 1


def test_datasets_are_listed_and_shown(run: Run) -> None:
    assert re.search(r"datasets/mnist\s+28x28x1\s+10\s+70,000", done(run("datasets", "list")))
    assert "train: 55,000; validation: 5,000; test: 10,000" in done(run("datasets", "show", "mnist"))
    assert json.loads(done(run("datasets", "show", "mnist", "--json")))["splits"]["test"] == 10_000


def test_the_server_and_its_workers_are_shown(run: Run) -> None:
    status = json.loads(done(run("status", "--json")))
    assert (status["contract"], status["workers"]) == ("1.0", "1 cpu")
    (line,) = done(run("workers", "--device", "cpu", "--json")).splitlines()
    assert json.loads(line)["thread_count"] >= 1
    assert done(run("workers", "--state", "draining")) == "no such workers\n"


FAULTS = [
    (["--no-such"], 2, "No such option"),
    (["nonsense"], 2, "nonsense"),
    (["train", "--iterations", "many"], 2, "--iterations"),
    (["evaluate"], 2, "see convscope evaluate --help"),
    (["train", "--convolutions", "16x5"], 2, "convolutions: '16x5' is not of the form FILTERS"),
    (["train", "--learning-rate", "-1"], 2, "learning_rate"),
    (["evaluate", "models/nowhere"], 1, "models/nowhere"),
    (["evaluate", "m", "--split", ""], 2, "split: must not be empty"),
    (["visualize", "m", "-l", "conv1:9-3"], 2, "counts backwards"),
    (["visualize", "m", "-o", "2*"], 2, "objectives: '2*' is none of LAYER:FEATURE"),
    (["visualize", "m", "--output", "/dev/null"], 1, "/dev/null: not a folder"),
    (["visualize", "m", "--output", "/dev/null/new"], 1, "/dev/null: not a folder"),
    (["evaluate", "m", "--plots", "/dev/null/new"], 1, "/dev/null: not a folder"),
    (["visualize", "m", "--set", "jitter=1"], 2, "render: unknown 'jitter'; allowed are pixels"),
    (["visualize", "m", "--preset", "best"], 2, "'best' is not one of 'tutorial', 'robust'"),
    (["images", "list", "nothing"], 1, "jobs/nothing"),
    (["jobs", "show", "nothing"], 1, "jobs/nothing"),
    (["--address", "nowhere", "jobs", "list"], 2, "neither HOST:PORT nor unix"),
    (["jobs", "list", "--address", "unix:/no/such"], 1, "no convscope server at unix:/no/such"),
]


@pytest.mark.parametrize(("arguments", "code", "expected"), FAULTS)
def test_faults_are_one_line_and_a_code(run: Run, arguments: list[str], code: int, expected: str) -> None:
    result = run(*arguments)
    assert result.returncode == code
    assert expected in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("convscope: ")
    assert result.stderr.count("\n") == 1


def test_interrupting_a_wait_leaves_the_job_alone(stack: Stack, real: Client) -> None:
    """In a separate terminal, where the bar is drawn."""
    job = real.train(iterations=1_000_000, request_id="interrupted")
    leader, follower = pty.openpty()
    command = [PROGRAM, "--address", stack.address, "train", "-n", "1000000", "--request-id", "interrupted"]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    try:
        with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environ) as process:
            os.close(follower)
            try:
                terminal = _read_until(leader, " steps/s ")
                process.send_signal(signal.SIGINT)
                assert process.wait(20) == 130
            finally:
                process.kill()
        rest = _read_until(leader, None)
        assert "━" in terminal
        assert "loss " in terminal
        assert f"convscope jobs watch {job.name}" in rest.replace("\r\n", " ")
        assert "Traceback" not in rest
        assert job.state() == "running"
    finally:
        os.close(leader)
        job.cancel()


def _read_until(descriptor: int, word: str | None) -> str:
    """Return what a terminal shows until a word appears, or until its program ends."""
    text = ""
    while word is None or word not in text:
        if not select.select([descriptor], [], [], 30)[0]:
            raise TimeoutError(text)
        try:
            text += os.read(descriptor, 65536).decode(errors="replace")
        except OSError:  # EIO: the other side is closed
            break
    return text


def test_a_closed_pipe_is_no_fault(stack: Stack) -> None:
    command = f"{PROGRAM} --address {stack.address} --json jobs list | head -c 1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr
