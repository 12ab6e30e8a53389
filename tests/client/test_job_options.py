"""What is said of a job at the command line, beside what it is to do."""

from collections.abc import Callable
from typing import Any

import pytest

from convscope.client.cli import main
from support.fake_service import FakeService, job

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(fake: FakeService, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command against the fake; returns its code and what it wrote to both outputs."""

    def call(*arguments: Any) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([*map(str, arguments), "--address", fake.address])
        told = capsys.readouterr()
        return int(caught.value.code or 0), told.out, told.err

    return call


@pytest.mark.parametrize("command", [["train"], ["evaluate", "m"], ["visualize", "m"]], ids=lambda words: words[0])
def test_what_is_said_of_a_job_arrives(run: Run, fake: FakeService, command: list[str]) -> None:
    fake.handlers["CreateJob"] = lambda *_: job(command[0])
    said = ["--name", "first try", "--label", "a=1=2", "--label", "b", "--timeout", "90.5", "--detach"]
    assert run(*command, *said) == (0, "jobs/j\n", "")
    sent = fake.requests[-1].job
    assert (sent.display_name, dict(sent.labels)) == ("first try", {"a": "1=2", "b": ""})
    assert sent.timeout.ToMilliseconds() == 90_500


def test_a_label_has_one_value(run: Run, fake: FakeService) -> None:
    code, _, told = run("train", "--label", "a=1", "--label", "a=2")
    assert (code != 0, fake.requests) == (True, [])
    assert "labels: 'a' is given twice" in told


def test_a_job_is_shown_with_what_was_said_of_it(run: Run, fake: FakeService) -> None:
    fake.handlers["GetJob"] = lambda *_: job(display_name="first try", labels={"a": "1"}, timeout={"seconds": 90})
    _, lines, _ = run("jobs", "show", "j")
    told = {line.split()[0]: " ".join(line.split()[1:]) for line in lines.splitlines() if line.strip()}
    assert (told["name"], told["labels"], told["timeout"]) == ("first try", "a=1", "90 s")
    assert "ended" not in told
