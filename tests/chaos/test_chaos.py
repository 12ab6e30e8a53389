"""A short run with a fixed seed; scripts/chaos makes long ones."""

import sys
from collections import Counter

import pytest

from chaos.run import Plan, run
from chaos.summary import summary

SHORT = Plan(seed=1015, seconds=90, most_faults=11, pause_s=(1.0, 4.0), recipes=("middle",))


@pytest.mark.timeout(400)
def test_nothing_is_lost_repeated_or_left_behind() -> None:
    outcome = run(SHORT, lambda line: sys.stderr.write(f"{line}\n"))
    told = "\n".join(summary(outcome))
    assert outcome.violations == [], told
    assert len(outcome.faults) >= 10, told
    assert len({fault.kind for fault in outcome.faults}) >= 8, told
    ends = Counter(history.asked.kind for history in outcome.histories)
    assert set(ends) == {"train", "continue", "evaluate", "visualize", "visualize in parts"}, told
    assert {history.job.parts > 3 for history in outcome.histories if history.asked.kind == "visualize in parts"} == {
        True
    }, told
    assert outcome.resumed_watches > 0, told
