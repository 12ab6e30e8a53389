"""Progress where no bar can be drawn: in files, pipes and logs of other programs."""

import io
import re

import pytest
from rich.console import Console

from convscope.client import Client, JobFailed, events
from convscope.client.bars import Bar
from convscope.client.cli.waiting import steps
from convscope.client.progress import ProgressBar
from convscope.v1 import evaluate_pb2, jobs_pb2
from support.fake_service import FakeService, event, finished, job


def test_lines_come_now_and_then_but_for_what_is_rare(
    fake: FakeService, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    started = jobs_pb2.AttemptStarted(attempt=1, worker="w")
    log = [
        event(1),
        event(2, attempt_started=started),
        *(event(2 + done, evaluate_progress=_evaluating(done)) for done in range(1, 5)),
        event(7, attempt_lost=jobs_pb2.AttemptLost(attempt=1, cause="SIGKILL")),
        event(8),
        event(9, attempt_started=started),
        *(event(9 + done, evaluate_progress=_evaluating(4 + done)) for done in range(1, 5)),
    ]
    fake.handlers["GetJob"] = lambda *_: job("evaluate")
    fake.handlers["WatchJob"] = lambda *_: iter([*log, finished(14, "FAILED")])
    with pytest.raises(JobFailed):
        client.job("j").result(progress=True)
    assert capsys.readouterr().err.splitlines() == [
        "evaluating: queued",
        "evaluating: 1/8 images",
        "evaluating: 4/8 images; attempt 1 was lost: SIGKILL",
        "evaluating: 4/8 images; queued again",
        "evaluating: failed 8/8 images",
    ]


def test_a_bar_keeps_its_count_when_a_job_is_queued_again(fake: FakeService, client: Client) -> None:
    fake.handlers["GetJob"] = lambda *_: job("evaluate")
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    with ProgressBar(client.job("j").info, console=console) as bar:
        for happened in (event(1), event(2, evaluate_progress=_evaluating(3)), event(3)):
            bar(events.event_from_wire(happened))
    assert re.search(r"evaluating: queued again .* 3/8 images", out.getvalue())


class Counting(ProgressBar):
    """A bar that remembers how far it was."""

    def count(self, done: int, total: int, figures: str, line: str = "") -> None:
        self.counted = (done, total)
        super().count(done, total, figures, line)


@pytest.mark.parametrize(("iterations", "counted"), [(60, (20, 60)), (None, (160, 200))])
def test_a_training_is_counted_though_its_spec_is_not_complete(
    fake: FakeService, client: Client, iterations: int | None, counted: tuple[int, int]
) -> None:
    described = job("train")
    if iterations is not None:
        described.effective_spec.train.iterations = iterations
    fake.handlers["GetJob"] = lambda *_: described
    with Counting(client.job("j").info, console=Console(file=io.StringIO())) as bar:
        bar(events.event_from_wire(event(1, train_progress={"step": 160, "last_step": 200})))
    assert bar.counted == counted


def test_each_step_of_a_long_work_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.client.bars._LINE_INTERVAL", 0.0)
    for silent in (False, True):
        with steps("drawing", silent=silent) as step:
            assert (step is None) == silent
            for number, name in enumerate(["conv1", "a [/] b"], start=1):
                if step:
                    step(number, 2, name)
    assert capsys.readouterr().err.splitlines() == ["drawing: 1/2 conv1", "drawing: 2/2 a [/] b"]


def test_a_bar_is_full_when_its_work_is_done() -> None:
    out = io.StringIO()
    with Bar("drawing", Console(file=out, width=100, force_terminal=True, color_system=None)) as bar:
        bar.count(1, 2, "2/2 conv2")
        bar.end()
    assert re.search(r"✓ drawing .* 2/2 conv2", out.getvalue())


def _evaluating(done: int) -> evaluate_pb2.EvaluateProgress:
    return evaluate_pb2.EvaluateProgress(completed_count=done, total_count=8)
