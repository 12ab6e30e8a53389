"""Each check can fail: it is shown a history that contradicts it, made from one that all accept."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from chaos import checks
from chaos.history import JobHistory
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
from convscope.v1.jobs_pb2 import Failure

# Two images in one part.
PAIR = planned(2)


def good() -> JobHistory:
    return history(QUEUED, started(1), step(1), lost(1), QUEUED, started(2), step(10), finished())


GOOD = [
    good(),
    history(QUEUED, started(1), QUEUED, started(2), image(0, 1), image(1, 2), finished(), parts=PAIR),
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
    (checks.found_the_same, replace(good(), found="other bits")),
    (checks.found_the_same, replace(good(), found=None, expected=None)),
]


@pytest.mark.parametrize(("check", "violated"), BAD, ids=[f"{n}-{case[0].__name__}" for n, case in enumerate(BAD)])
def test_what_must_not_happen_is_found(check: Callable[[JobHistory], Iterator[str]], violated: JobHistory) -> None:
    assert list(check(violated))


def test_every_check_is_shown_to_fail() -> None:
    assert {check for check, _ in BAD} == set(checks.CHECKS) - set(PART_CHECKS)
