"""What may be missing when Redis has lost writes is accepted, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chaos.calls import Calls
from chaos.faults import Fault
from chaos.history import Asked, Loss, Seen
from chaos.judging import Evidence, disturbed, may_be_lost
from chaos.load import Load, Request, Submitted
from chaos.watching import Watcher
from convscope.v1.jobs_pb2 import Job

LOSS = Loss(since=10.0, until=20.0)
BEFORE, WITHIN, AFTER = (Request(began=began, acknowledged=began + 1) for began in (8.0, 15.0, 20.5))
ACROSS = Request(began=9.5, acknowledged=10.5)


@pytest.mark.parametrize(
    ("request_made", "may"),
    [(None, False), (BEFORE, False), (WITHIN, True), (AFTER, False), (ACROSS, True), (Request(began=19.0), True)],
)
def test_requests_that_may_be_lost(request_made: Request | None, may: bool) -> None:
    assert may_be_lost(request_made, [LOSS]) is may
    assert not may_be_lost(request_made, [])


def fault(at: float, seconds: float) -> Fault:
    return Fault("kill worker", "worker 1", seconds, at)


def test_disturbed_seconds_are_counted_by_fault() -> None:
    assert disturbed(100, 110, []) == 0
    assert disturbed(100, 110, [fault(50, 2)]) == 0
    assert disturbed(100, 110, [fault(99, 2)]) == 9  # and what comes of it
    assert disturbed(100, 110, [fault(104, 90), fault(90, 90)]) == 6 + 10
    assert disturbed(100, 110, [fault(120, 2)]) == 0


def submitted(creation: Request = BEFORE, **more: object) -> Submitted:
    watcher = Watcher([], "jobs/j", None)  # type: ignore[arg-type]  # it is not started
    watcher.seen = Seen()
    job = Submitted(
        asked=Asked(request_id="r", recipe="a", kind="train"),
        job=Job(name="jobs/j", request_id="r", model="models/j"),
        watcher=watcher,
        creation=creation,
    )
    return replace(job, **more)  # type: ignore[arg-type]  # mypy does not look into it


def violations(job: Submitted, jobs: Sequence[Job], losses: Sequence[Loss] = (LOSS,)) -> list[str]:
    evidence = Evidence(calls=Calls([]), jobs=jobs, faults=[], losses=losses, began=0.0, layers=[])
    return list(evidence._contradictions(job, next(iter(jobs), None)))


JOB = Job(name="jobs/j", request_id="r")


def told_of_loss(at: float) -> Submitted:
    job = submitted()
    job.watcher.told_of_loss.append(at)
    return job


def unknown(creation: Request) -> Submitted:
    job = submitted(creation)
    job.watcher.unknown_since = 30.0
    return job


@pytest.mark.parametrize(
    ("job", "jobs"),
    [
        (submitted(), [JOB]),
        (submitted(WITHIN), []),
        (submitted(deletion=WITHIN), [JOB]),
        (submitted(deletion=BEFORE), []),
        (submitted(deletion=Request(began=30.0)), [JOB]),
        (told_of_loss(25.0), [JOB]),
        (unknown(WITHIN), []),
    ],
)
def test_possible_losses_are_accepted(job: Submitted, jobs: list[Job]) -> None:
    assert violations(job, jobs) == []


@pytest.mark.parametrize(
    ("job", "jobs", "losses"),
    [
        (submitted(), [], [LOSS]),
        (submitted(WITHIN), [], []),
        (submitted(AFTER), [], [LOSS]),
        (submitted(), [Job(name="jobs/k", request_id="r")], [LOSS]),
        (submitted(deletion=BEFORE), [JOB], [LOSS]),
        (submitted(deletion=WITHIN), [JOB], []),
        (told_of_loss(15.0), [JOB], [LOSS]),
        (told_of_loss(25.0), [JOB], []),
        (unknown(BEFORE), [JOB], [LOSS]),
        (unknown(WITHIN), [JOB], []),
    ],
)
def test_contradictions_are_found(job: Submitted, jobs: list[Job], losses: list[Loss]) -> None:
    assert violations(job, jobs, losses)


@pytest.mark.parametrize(
    ("training", "count"),
    [
        (submitted(), 1),
        (submitted(WITHIN), 0),
        (submitted(model_deletion=BEFORE), 0),
        (submitted(deletion=BEFORE), 1),
    ],
)
def test_a_model_that_is_unknown(training: Submitted, count: int) -> None:
    load = Load([], None)  # type: ignore[arg-type]  # it does not run
    load.refused.append(training)
    evidence = Evidence(calls=Calls([]), jobs=[], faults=[], losses=[LOSS], began=0.0, layers=[])
    evidence._check_refusals(load)
    assert len(evidence.violations) == count
