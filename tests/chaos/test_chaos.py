"""A short run with a fixed seed; scripts/chaos makes long ones."""

import sys
from collections import Counter

import pytest

from chaos.artifacts import STORES
from chaos.kinds import FIRST_KINDS
from chaos.run import Plan, run
from chaos.summary import summary

SHORT = Plan(
    seed=1034,
    seconds=90,
    most_faults=11,
    pause_s=(0.5, 2.0),
    recipes=("middle",),
    open_jobs=4,
    kinds=FIRST_KINDS,
    deletes=False,
    store="file",
)


@pytest.mark.timeout(400)
def test_nothing_is_lost_repeated_or_left_behind() -> None:
    outcome = run(SHORT, lambda line: sys.stderr.write(f"{line}\n"))
    text = "\n".join(summary(outcome))
    assert outcome.violations == [], text
    assert len(outcome.faults) >= 10, text
    assert len({fault.kind for fault in outcome.faults}) >= 8, text
    ends = Counter(history.asked.kind for history in outcome.histories)
    in_parts = {"visualize in parts", "visualize restarts"}
    assert set(ends) == {"train", "continue", "evaluate", "visualize"} | in_parts, text
    assert (
        min(history.job.estimate.part_count for history in outcome.histories if history.asked.kind in in_parts) > 3
    ), text
    assert {history.asked.kind for history in outcome.histories if history.shared} == {"visualize restarts"}, text
    assert outcome.resumed_watches > 0, text


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", STORES)
def test_no_kind_of_fault_does_harm(store: str) -> None:
    """Whether every kind comes in so short a time is up to the machine; in 15 minutes, they do."""
    plan = Plan(seed=STORES.index(store), seconds=180, store=store, pause_s=(0.5, 4.0))
    outcome = run(plan, lambda line: sys.stderr.write(f"{line}\n"))
    text = "\n".join(summary(outcome))
    assert outcome.violations == [], text
    assert len({fault.kind for fault in outcome.faults}) >= 20, text
    assert all(outcome.deleted.values()), text
