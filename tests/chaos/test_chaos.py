"""A short run with a fixed seed; scripts/chaos makes long ones."""

import sys
from collections import Counter

import pytest

from chaos.run import Plan, run
from chaos.summary import summary

SHORT = Plan(seed=1034, seconds=90, most_faults=11, pause_s=(1.0, 3.0), recipes=("middle",), open_jobs=4)


@pytest.mark.timeout(400)
def test_nothing_is_lost_repeated_or_left_behind() -> None:
    outcome = run(SHORT, lambda line: sys.stderr.write(f"{line}\n"))
    told = "\n".join(summary(outcome))
    assert outcome.violations == [], told
    assert len(outcome.faults) >= 10, told
    assert len({fault.kind for fault in outcome.faults}) >= 8, told
    ends = Counter(history.asked.kind for history in outcome.histories)
    assert set(ends) == {"train", "continue", "evaluate", "visualize", "visualize in parts"}, told
    in_parts = [history.job for history in outcome.histories if history.asked.kind == "visualize in parts"]
    assert min(job.parts for job in in_parts) > 3, told
    assert outcome.resumed_watches > 0, told
