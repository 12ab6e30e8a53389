"""Each check can fail: it is shown a history that contradicts it, made from one that all accept."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from chaos import checks
from chaos.history import Asked, JobHistory
from convscope.v1.evaluate_pb2 import EvaluateProgress
from convscope.v1.jobs_pb2 import (
    AttemptLost,
    AttemptStarted,
    CancelRequested,
    Failure,
    Job,
    JobEvent,
    JobFinished,
    JobQueued,
    JobState,
)
from convscope.v1.train_pb2 import TrainProgress
from convscope.v1.visualize_pb2 import FeatureImage, ImageReady


def started(attempt: int) -> JobEvent:
    return JobEvent(attempt_started=AttemptStarted(attempt=attempt))


def lost(attempt: int) -> JobEvent:
    return JobEvent(attempt_lost=AttemptLost(attempt=attempt))


def step(number: int) -> JobEvent:
    return JobEvent(train_progress=TrainProgress(step=number))


def classified(number: int) -> JobEvent:
    return JobEvent(evaluate_progress=EvaluateProgress(completed=number))


def image(feature: int, completed: int, total: int = 2) -> JobEvent:
    named = FeatureImage(layer="conv1", feature=feature)
    return JobEvent(image_ready=ImageReady(image=named, completed=completed, total=total))


def finished(state: int = checks.SUCCEEDED) -> JobEvent:
    return JobEvent(finished=JobFinished(state=JobState.ValueType(state)))


QUEUED = JobEvent(queued=JobQueued())
ASKED_TO_STOP = JobEvent(cancel_requested=CancelRequested())


def history(*events: JobEvent, state: int = checks.SUCCEEDED) -> JobHistory:
    """A job with these events, numbered, and watched without a gap."""
    log = [copy.deepcopy(event) for event in events]
    for sequence, event in enumerate(log, 1):
        event.sequence = sequence
    return JobHistory(
        asked=Asked(request_id="r", recipe="a", kind="train"),
        job=Job(state=JobState.ValueType(state), sequence=len(log)),
        log=log,
        watched=list(log),
        found="bits",
        expected="bits",
    )


def good() -> JobHistory:
    return history(QUEUED, started(1), step(1), lost(1), QUEUED, started(2), step(10), finished())


GOOD = [
    good(),
    history(QUEUED, started(1), QUEUED, started(2), image(0, 1), image(1, 2), finished()),
    history(QUEUED, started(1), ASKED_TO_STOP, finished(checks.CANCELLED), state=checks.CANCELLED),
    history(QUEUED, ASKED_TO_STOP, finished(checks.CANCELLED), state=checks.CANCELLED),
    replace(history(QUEUED, started(1), ASKED_TO_STOP, finished()), cancelled=True),
]


@pytest.mark.parametrize("accepted", GOOD, ids=range(len(GOOD)))
def test_what_may_happen_is_accepted(accepted: JobHistory) -> None:
    assert [finding for check in checks.CHECKS for finding in check(accepted)] == []


def in_vain(reason: Failure.Reason.ValueType) -> JobHistory:
    made = history(QUEUED, finished(checks.FAILED), state=checks.FAILED)
    made.job.failure.reason = reason
    return replace(made, needs_state=checks.CANCELLED)


def test_a_job_fails_whose_model_was_not_made() -> None:
    assert not list(checks.ended_as_it_should(in_vain(Failure.REASON_MODEL)))
    assert list(checks.ended_as_it_should(in_vain(Failure.REASON_COMPUTATION)))


def changed(change: Callable[[JobHistory], object]) -> JobHistory:
    made = good()
    change(made)
    return made


BAD = [
    (checks.ended_once, history(QUEUED, started(1))),
    (checks.ended_once, history(QUEUED, finished(), finished())),
    (checks.ended_once, history(finished(), QUEUED)),
    (checks.ended_once, history(QUEUED, finished(), state=checks.FAILED)),
    (checks.numbered, changed(lambda made: made.log.pop(2))),
    (checks.numbered, changed(lambda made: made.log.insert(2, made.log[2]))),
    (checks.numbered, changed(lambda made: made.log.reverse())),
    (checks.numbered, changed(lambda made: made.log.pop())),
    (checks.watched_as_logged, changed(lambda made: made.watched.pop(2))),
    (checks.watched_as_logged, changed(lambda made: made.watched.pop())),
    (checks.watched_as_logged, changed(lambda made: made.watched.insert(2, made.watched[2]))),
    (checks.watched_as_logged, changed(lambda made: made.complaints.append("a gap"))),
    (checks.attempts_in_turn, history(QUEUED, started(2), finished())),
    (checks.attempts_in_turn, history(QUEUED, started(1), QUEUED, started(1), finished())),
    (checks.attempts_in_turn, history(QUEUED, started(1), started(2), finished())),
    (checks.written_by_who_runs, history(QUEUED, started(1), lost(1), step(1), finished())),
    (checks.written_by_who_runs, history(QUEUED, started(1), QUEUED, image(0, 1), finished())),
    (checks.attempts_in_turn, history(QUEUED, started(1), lost(1), QUEUED, started(2), lost(1), finished())),
    (checks.queued_before_started, history(started(1), finished())),
    (checks.queued_before_started, history(QUEUED, started(1), lost(1), started(2), finished())),
    (checks.progress_rises, history(QUEUED, started(1), step(10), step(10), finished())),
    (checks.progress_rises, history(QUEUED, started(1), step(10), QUEUED, started(2), step(5), finished())),
    (checks.progress_rises, history(QUEUED, started(1), classified(256), classified(256), finished())),
    (checks.images_once, history(QUEUED, started(1), image(0, 1), image(0, 2), finished())),
    (checks.images_once, history(QUEUED, started(1), image(0, 1), image(1, 3), finished())),
    (checks.images_once, history(QUEUED, started(1), image(0, 1), finished())),
    (checks.ended_as_it_should, history(QUEUED, finished(checks.CANCELLED), state=checks.CANCELLED)),
    (checks.ended_as_it_should, history(QUEUED, finished(checks.FAILED), state=checks.FAILED)),
    (checks.ended_as_it_should, replace(good(), needs_state=checks.FAILED)),
    (checks.ended_as_it_should, replace(good(), cancelled=True)),
    (checks.ended_as_it_should, history(QUEUED, started(1), ASKED_TO_STOP, QUEUED, started(2), finished())),
    (checks.ended_as_it_should, history(QUEUED, started(1), ASKED_TO_STOP, ASKED_TO_STOP, finished())),
    (checks.found_the_same, replace(good(), found="other bits")),
    (checks.found_the_same, replace(good(), found=None, expected=None)),
]


@pytest.mark.parametrize(("check", "violated"), BAD, ids=[f"{n}-{case[0].__name__}" for n, case in enumerate(BAD)])
def test_what_must_not_happen_is_found(check: Callable[[JobHistory], Iterator[str]], violated: JobHistory) -> None:
    assert list(check(violated))


def test_every_check_is_shown_to_fail() -> None:
    assert {check for check, _ in BAD} == set(checks.CHECKS)
