"""Progress where no bar can be drawn: in files, pipes and logs of other programs."""

import pytest

from convscope.client import Client, JobFailed
from convscope.v1 import evaluate_pb2, jobs_pb2
from fake_service import FakeService, event, finished, job


def test_lines_come_now_and_then_but_for_what_is_rare(
    fake: FakeService, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    started = jobs_pb2.AttemptStarted(attempt=1, worker="w")
    log = [
        event(1),
        event(2, attempt_started=started),
        *(event(2 + done, evaluate_progress=_evaluating(done)) for done in range(1, 5)),
        event(7, attempt_lost=jobs_pb2.AttemptLost(attempt=1, cause="SIGKILL")),
        *(event(7 + done, evaluate_progress=_evaluating(4 + done)) for done in range(1, 5)),
    ]
    fake.handlers["GetJob"] = lambda *_: job("evaluate")
    fake.handlers["WatchJob"] = lambda *_: iter([*log, finished(12, "FAILED")])
    with pytest.raises(JobFailed):
        client.job("j").result(progress=True)
    assert capsys.readouterr().err.splitlines() == [
        "evaluating: queued",
        "evaluating: 1/8 images",
        "evaluating: attempt 1 was lost: SIGKILL",
        "evaluating: failed 8/8 images",
    ]


def _evaluating(done: int) -> evaluate_pb2.EvaluateProgress:
    return evaluate_pb2.EvaluateProgress(completed=done, total=8)
