"""Each check can fail: it is shown a history that contradicts it, made from one that all accept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from chaos import checks
from chaos.history import JobHistory, Loss, Seen
from chaos.made_histories import (
    ASKED_TO_STOP,
    QUEUED,
    classified,
    finished,
    history,
    image,
    lost,
    planned,
    started,
    step,
)
from chaos.part_checks import PART_CHECKS
from convscope.v1.jobs_pb2 import Failure, JobEvent

# Two images in one part.
PAIR = planned(2)


def good() -> JobHistory:
    return history(QUEUED, started(1), step(1), lost(1), QUEUED, started(2), step(10), finished())


def seen(count: int, *further: JobEvent, logged: JobHistory | None = None) -> Seen:
    """Return what a watcher saw, an event a second: the first events of a log, and others that Redis has lost since."""
    events = [*(logged or good()).log[:count], *further]
    return Seen(events=events, times=[float(second) for second in range(len(events))])


def watched(last: Seen, *earlier: Seen, losses: Sequence[Loss] = ()) -> JobHistory:
    return replace(good(), watched=last.events, times=last.times, earlier=list(earlier), losses=losses)


# Redis has lost what was written after the third event.
LOSS = Loss(since=2.5, until=4.5)


def timed(second: float) -> JobHistory:
    changed_history = good()
    for event in changed_history.log:
        event.time.FromMilliseconds(round(second * 1000))
    return replace(changed_history, ran=(1000.0, 1100.0))


GOOD = [
    good(),
    history(QUEUED, started(1), QUEUED, started(2), image(0, 1), image(1, 2), finished(), parts=PAIR),
    history(QUEUED, started(1), ASKED_TO_STOP, finished(checks.CANCELLED), state=checks.CANCELLED),
    history(QUEUED, ASKED_TO_STOP, finished(checks.CANCELLED), state=checks.CANCELLED),
    replace(history(QUEUED, started(1), ASKED_TO_STOP, finished()), cancelled=True),
    watched(seen(3, step(2), finished()), losses=[LOSS]),
    watched(seen(8), seen(3, step(2)), losses=[LOSS]),
    watched(seen(8), losses=[LOSS]),
    watched(seen(8), seen(0), losses=[LOSS]),
    replace(good(), stopped_after=29.0),
    replace(good(), stopped_after=39.0, disturbed=12.0),
    timed(1050),
    replace(good(), model_deleted=True, outcome=None),
]


@pytest.mark.parametrize("accepted", GOOD, ids=range(len(GOOD)))
def test_what_may_happen_is_accepted(accepted: JobHistory) -> None:
    assert [finding for check in checks.CHECKS for finding in check(accepted)] == []


def in_vain(reason: Failure.Reason.ValueType) -> JobHistory:
    failed = history(QUEUED, finished(checks.FAILED), state=checks.FAILED)
    failed.job.failure.reason = reason
    return replace(failed, needs_state=checks.CANCELLED)


def test_a_job_fails_whose_model_was_not_made() -> None:
    assert not list(checks.ended_as_it_should(in_vain(Failure.REASON_MODEL)))
    assert list(checks.ended_as_it_should(in_vain(Failure.REASON_COMPUTATION)))


def changed(change: Callable[[JobHistory], object]) -> JobHistory:
    changed_history = good()
    change(changed_history)
    return changed_history


BAD = [
    (checks.ended_once, history(QUEUED, started(1))),
    (checks.ended_once, history(QUEUED, finished(), finished())),
    (checks.ended_once, history(finished(), QUEUED)),
    (checks.ended_once, history(QUEUED, finished(), state=checks.FAILED)),
    (checks.numbered, changed(lambda job: job.log.pop(2))),
    (checks.numbered, changed(lambda job: job.log.insert(2, job.log[2]))),
    (checks.numbered, changed(lambda job: job.log.reverse())),
    (checks.numbered, changed(lambda job: job.log.pop())),
    (checks.watched_as_logged, changed(lambda job: job.watched.pop(2))),
    (checks.watched_as_logged, changed(lambda job: job.watched.pop())),
    (checks.watched_as_logged, changed(lambda job: job.watched.insert(2, job.watched[2]))),
    (checks.watched_as_logged, changed(lambda job: job.complaints.append("a gap"))),
    (checks.watched_as_logged, watched(seen(2, step(2), finished()), losses=[LOSS])),
    (checks.watched_as_logged, watched(seen(3, step(2), finished()), losses=[Loss(since=0.0, until=-1.0)])),
    (checks.watched_as_logged, watched(seen(3), losses=[Loss(since=9.0, until=9.5)])),
    (checks.watched_as_logged, watched(seen(8), seen(2, step(2)), losses=[LOSS])),
    (checks.watched_as_logged, watched(seen(8), seen(3, step(2)))),
    (checks.watched_as_logged, watched(seen(8, finished()))),
    (checks.stopped_in_time, replace(good(), stopped_after=31.0)),
    (checks.stopped_in_time, replace(good(), stopped_after=43.0, disturbed=12.0)),
    (checks.timed_right, timed(900)),
    (checks.timed_right, timed(1200)),
    (checks.progress_rises, history(QUEUED, started(1), step(10), step(10), finished())),
    (checks.progress_rises, history(QUEUED, started(1), step(10), QUEUED, started(2), step(5), finished())),
    (checks.progress_rises, history(QUEUED, started(1), classified(256), classified(256), finished())),
    (checks.images_once, history(QUEUED, started(1), image(0, 1), image(0, 2), finished(), parts=PAIR)),
    (checks.images_once, history(QUEUED, started(1), image(0, 1), image(1, 3), finished(), parts=PAIR)),
    (checks.images_once, history(QUEUED, started(1), image(0, 1), finished(), parts=PAIR)),
    (checks.images_once, history(QUEUED, started(1), image(0, 1, 3), image(1, 2, 3), finished(), parts=PAIR)),
    (checks.ended_as_it_should, history(QUEUED, finished(checks.CANCELLED), state=checks.CANCELLED)),
    (checks.ended_as_it_should, history(QUEUED, finished(checks.FAILED), state=checks.FAILED)),
    (checks.ended_as_it_should, replace(good(), needs_state=checks.FAILED)),
    (checks.ended_as_it_should, replace(good(), cancelled=True)),
    (checks.ended_as_it_should, history(QUEUED, started(1), ASKED_TO_STOP, QUEUED, started(2), finished())),
    (checks.ended_as_it_should, history(QUEUED, started(1), ASKED_TO_STOP, ASKED_TO_STOP, finished())),
    (checks.same_outcome, replace(good(), outcome="other bits")),
    (checks.same_outcome, replace(good(), outcome=None, expected=None)),
]


@pytest.mark.parametrize(("check", "violated"), BAD, ids=[f"{n}-{case[0].__name__}" for n, case in enumerate(BAD)])
def test_what_must_not_happen_is_found(check: Callable[[JobHistory], Iterator[str]], violated: JobHistory) -> None:
    assert list(check(violated))


def test_every_check_is_shown_to_fail() -> None:
    assert {check for check, _ in BAD} == set(checks.CHECKS) - set(PART_CHECKS)
