"""Options of the command line that describe a job: its name, labels and timeout."""

import json
from pathlib import Path

import pytest

from support.command_line import Run
from support.fake_service import FakeService, job


@pytest.mark.parametrize("command", [["train"], ["evaluate", "m"], ["visualize", "m"]], ids=lambda words: words[0])
def test_descriptions_of_a_job_arrive(run: Run, fake: FakeService, command: list[str]) -> None:
    fake.handlers["CreateJob"] = lambda *_: job(command[0])
    options = ["--name", "first try", "--label", "a=1=2", "--label", "b", "--timeout", "90.5", "--detach"]
    assert run(*command, *options) == (0, "jobs/j\n", "")
    sent = fake.requests[-1].job
    assert (sent.display_name, dict(sent.labels)) == ("first try", {"a": "1=2", "b": ""})
    assert sent.timeout.ToMilliseconds() == 90_500


def test_a_label_has_one_value(run: Run, fake: FakeService) -> None:
    code, _, error = run("train", "--label", "a=1", "--label", "a=2")
    assert (code != 0, fake.requests) == (True, [])
    assert "labels: 'a' is given twice" in error


def test_a_job_is_shown_with_its_description(run: Run, fake: FakeService) -> None:
    fake.handlers["GetJob"] = lambda *_: job(display_name="first try", labels={"a": "1"}, timeout={"seconds": 90})
    _, lines, _ = run("jobs", "show", "j")
    shown = {line.split()[0]: " ".join(line.split()[1:]) for line in lines.splitlines() if line.strip()}
    assert (shown["name"], shown["labels"], shown["timeout"]) == ("first try", "a=1", "90 s")
    assert "ended" not in shown


@pytest.mark.parametrize("command", [["train"], ["evaluate", "m"], ["visualize", "m"]], ids=lambda words: words[0])
def test_a_job_can_be_tried(run: Run, fake: FakeService, tmp_path: Path, command: list[str]) -> None:
    described = job(command[0], "QUEUED", estimate={"part_count": 3, "compute_duration": {"seconds": 90}})
    described.name, described.estimate.stored_bytes = "", 4_000_000
    fake.handlers["CreateJob"] = lambda *_: described
    output = ["--output", str(tmp_path / "images")] if command[0] == "visualize" else []
    estimate = "would take 3 parts, about 90 s of one worker, and store 4.0 MB\n"
    assert run(*command, *output, "--dry-run") == (0, estimate, "")
    assert fake.requests[-1].validate_only
    code, lines, _ = run(*command, *output, "--dry-run", "--json")
    assert (code, json.loads(lines)["estimate"]["part_count"]) == (0, 3)
    assert len(fake.requests) == 2
