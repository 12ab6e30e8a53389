"""Each check of a job's parts can fail: it is shown a history that contradicts it, made from one that all accept."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from chaos import part_checks
from chaos.checks import CANCELLED, CHECKS
from chaos.history import JobHistory, Loss
from chaos.made_histories import ASKED_TO_STOP, QUEUED, finished, history, image, lost, planned, started, step
from convscope.v1.jobs_pb2 import JobEvent

# Two parts of two images each: features 0 and 1, features 2 and 3.
PARTS = planned(2, 2)


def parted(*events: JobEvent, done: int | None = None) -> JobHistory:
    return history(*events, finished(), parts=PARTS, done=done)


def at(second: float, event: JobEvent) -> JobEvent:
    event.time.FromMilliseconds(round(second * 1000))
    return event


# Three images, of which the middle one has restarts in both parts.
SHARING = [planned(2)[0], frozenset({("conv1", 1), ("conv1", 2)})]


def sharing(*events: JobEvent) -> JobHistory:
    return history(*events, finished(), parts=SHARING)


# The images of each part, in the order in which they come when nothing happens.
FIRST = [image(0, 1, 4), image(1, 2, 4)]
SECOND = [image(2, 3, 4), image(3, 4, 4)]

GOOD = {
    "one worker": parted(QUEUED, started(1, worker="v"), *FIRST, started(1, part=1, worker="v"), *SECOND),
    "two workers": parted(
        QUEUED, started(1), started(1, part=1), image(2, 1, 4), image(0, 2, 4), image(1, 3, 4), image(3, 4, 4)
    ),
    "one is lost while the other runs": parted(
        QUEUED, started(1), started(1, part=1), FIRST[0], lost(1), started(2, resumed=1), FIRST[1], *SECOND
    ),
    "both are lost": parted(
        QUEUED,
        started(1),
        started(1, part=1),
        lost(1, part=1),
        lost(1),
        QUEUED,
        started(2, part=1, worker="v"),
        started(2),
        *FIRST,
        *SECOND,
    ),
    "one is given back without a word": parted(
        QUEUED, started(1), started(1, part=1), started(2, worker="v"), *FIRST, *SECOND
    ),
    "cached images are not what is kept": parted(
        QUEUED,
        started(1),
        image(0, 1, 4, cached=True),
        lost(1),
        QUEUED,
        started(2),
        image(1, 2, 4),
        lost(2),
        QUEUED,
        started(3, resumed=2),
        started(1, part=1),
        *SECOND,
    ),
    "an image comes from whichever of its parts is last": sharing(
        QUEUED,
        started(1),
        started(1, part=1),
        image(2, 1, 3),
        image(0, 2, 3),
        lost(1),
        image(1, 3, 3),
        started(2, resumed=2),
    ),
    "candidates are kept": sharing(
        QUEUED,
        started(1),
        image(0, 1, 3),
        lost(1),
        QUEUED,
        started(2, resumed=2),
        started(1, part=1),
        lost(1, part=1),
        started(2, part=1, resumed=1),
        image(1, 2, 3),
        image(2, 3, 3),
    ),
    "the end of one is lost, of which its worker does not know": replace(
        parted(
            QUEUED,
            at(100, started(1, worker="v")),
            FIRST[0],
            at(104, started(1, part=1, worker="v")),
            lost(1),
            started(2, resumed=1),
            FIRST[1],
            *SECOND,
        ),
        losses=[Loss(since=101, until=103)],
    ),
    "one of them is cancelled": history(
        QUEUED, started(1), FIRST[0], ASKED_TO_STOP, finished(CANCELLED), state=CANCELLED, parts=PARTS
    ),
}


@pytest.mark.parametrize("accepted", GOOD.values(), ids=GOOD)
def test_what_may_happen_is_accepted(accepted: JobHistory) -> None:
    assert [finding for check in CHECKS for finding in check(accepted)] == []


ONE_LOST = [QUEUED, started(1), started(1, part=1), lost(1)]
FIRST_LOST = [QUEUED, started(1), FIRST[0], lost(1), QUEUED]

BAD = [
    (part_checks.attempts_in_turn, history(QUEUED, started(2), finished())),
    (part_checks.attempts_in_turn, history(QUEUED, started(1), QUEUED, started(1), finished())),
    (part_checks.attempts_in_turn, history(QUEUED, started(1), started(2), finished())),
    (part_checks.attempts_in_turn, history(QUEUED, started(1), lost(1), QUEUED, started(2), lost(1), finished())),
    (part_checks.attempts_in_turn, parted(QUEUED, started(1), started(2, part=1))),
    (part_checks.attempts_in_turn, parted(*ONE_LOST, started(3))),
    (part_checks.attempts_in_turn, parted(*ONE_LOST, started(1))),
    (part_checks.attempts_in_turn, parted(*ONE_LOST, lost(1))),
    (part_checks.attempts_in_turn, parted(QUEUED, started(1), lost(1, part=1))),
    (part_checks.attempts_in_turn, parted(*ONE_LOST, started(2, part=1))),
    (part_checks.written_by_running_attempts, history(QUEUED, started(1), lost(1), step(1), finished())),
    (part_checks.written_by_running_attempts, history(QUEUED, started(1), QUEUED, step(1), finished())),
    (part_checks.written_by_running_attempts, parted(*ONE_LOST, FIRST[0])),
    (part_checks.written_by_running_attempts, parted(QUEUED, started(1), SECOND[0])),
    (part_checks.written_by_running_attempts, parted(QUEUED, started(1), started(1, part=1), image(4, 1, 4))),
    (part_checks.one_part_a_worker, parted(QUEUED, started(1, worker="v"), FIRST[0], started(1, part=1, worker="v"))),
    (
        part_checks.one_part_a_worker,
        replace(
            parted(QUEUED, at(100, started(1, worker="v")), FIRST[0], at(104, started(1, part=1, worker="v")), *SECOND),
            losses=[Loss(since=90, until=99), Loss(since=105, until=107)],
        ),
    ),
    (part_checks.queued_before_started, history(started(1), finished())),
    (part_checks.queued_before_started, history(QUEUED, started(1), lost(1), started(2), finished())),
    (part_checks.queued_before_started, parted(QUEUED, started(1), lost(1), started(1, part=1))),
    (part_checks.resumes_with_what_is_stored, parted(*FIRST_LOST, started(2))),
    (part_checks.resumes_with_what_is_stored, parted(*FIRST_LOST, started(2, resumed=2))),
    (part_checks.resumes_with_what_is_stored, parted(QUEUED, started(1), *FIRST, started(1, part=1, resumed=2))),
    (part_checks.written_by_running_attempts, sharing(QUEUED, started(1), image(0, 1, 3), lost(1), image(1, 2, 3))),
    (part_checks.one_part_a_worker, sharing(QUEUED, started(1, worker="v"), started(1, part=1, worker="v"))),
    (part_checks.resumes_with_what_is_stored, sharing(QUEUED, started(1), image(0, 1, 3), lost(1), started(2))),
    (part_checks.resumes_with_what_is_stored, sharing(QUEUED, started(1), lost(1), started(2, resumed=2))),
    (part_checks.parts_done, parted(QUEUED, started(1), *FIRST, started(1, part=1), *SECOND, done=1)),
    (part_checks.parts_done, parted(QUEUED, started(1), *FIRST, *SECOND)),
    (part_checks.parts_done, history(QUEUED, started(1), state=CANCELLED, parts=PARTS, done=3)),
]


@pytest.mark.parametrize(("check", "violated"), BAD, ids=[f"{n}-{case[0].__name__}" for n, case in enumerate(BAD)])
def test_what_must_not_happen_is_found(check: Callable[[JobHistory], Iterator[str]], violated: JobHistory) -> None:
    assert list(check(violated))


def test_another_number_of_parts_than_planned_is_found() -> None:
    history = parted(QUEUED, started(1), *FIRST, started(1, part=1), *SECOND)
    history.job.estimate.part_count = history.job.ended_part_count = 1
    assert list(part_checks.parts_done(history))


def test_every_check_is_shown_to_fail() -> None:
    assert {check for check, _ in BAD} == set(part_checks.PART_CHECKS)
