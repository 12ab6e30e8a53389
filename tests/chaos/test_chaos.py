"""A short run with a fixed seed; scripts/chaos makes long ones."""

import sys
from collections import Counter

import pytest

from chaos.kinds import FIRST_KINDS
from chaos.run import Plan, run
from chaos.summary import summary

SHORT = Plan(
    seed=1034,
    seconds=90,
    most_faults=11,
    pause_s=(1.0, 3.0),
    recipes=("middle",),
    open_jobs=4,
    kinds=FIRST_KINDS,
    deletes=False,
    store="file",
)


@pytest.mark.timeout(400)
def test_nothing_is_lost_repeated_or_left_behind() -> None:
    outcome = run(SHORT, lambda line: sys.stderr.write(f"{line}\n"))
    told = "\n".join(summary(outcome))
    assert outcome.violations == [], told
    assert len(outcome.faults) >= 10, told
    assert len({fault.kind for fault in outcome.faults}) >= 8, told
    ends = Counter(history.asked.kind for history in outcome.histories)
    in_parts = {"visualize in parts", "visualize restarts"}
    assert set(ends) == {"train", "continue", "evaluate", "visualize"} | in_parts, told
    assert min(history.job.parts for history in outcome.histories if history.asked.kind in in_parts) > 3, told
    assert {history.asked.kind for history in outcome.histories if history.shared} == {"visualize restarts"}, told
    assert outcome.resumed_watches > 0, told
