"""Every ascent is judged by its outcome."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.engine.visualization.verdicts import judge
from support.ascents import Pixels

PATTERN: Pixels = np.arange(12, dtype=np.float32).reshape(2, 2, 3) / np.float32(12)
RED = np.broadcast_to(np.array([1, 0, 0.2], np.float32), (4, 4, 3))


@pytest.mark.parametrize(
    ("start", "best", "pixels", "outcome"),
    [
        (1.0, 2.0, PATTERN, "normal"),
        (-2.0, -1.0, PATTERN, "normal"),
        (1.0, 2.0, RED, "constant"),
        (1.0, 2.0, RED + np.float32(1 / 300) * np.eye(4, dtype=np.float32)[..., None], "constant"),
        (1.0, 2.0, RED + np.float32(1 / 200) * np.eye(4, dtype=np.float32)[..., None], "normal"),
        (1.0, 1.0, PATTERN, "unreachable"),
        (1.0, 1.0, RED, "unreachable"),
        (nan, -inf, PATTERN, "not_a_number"),
    ],
)
def test_outcomes(start: float, best: float, pixels: Pixels, outcome: str) -> None:
    assert judge(start=start, best=best, pixels=pixels).outcome == outcome


def test_a_break_is_reported_with_its_iteration() -> None:
    verdict = judge(start=1.0, best=2.0, pixels=PATTERN, broken_at=7)
    assert (verdict.outcome, verdict.iteration) == ("not_a_number", 7)
    assert judge(start=nan, best=-inf, pixels=PATTERN).iteration == 0
    assert judge(start=1.0, best=2.0, pixels=PATTERN).iteration is None


def test_a_rescue_is_reported() -> None:
    assert judge(start=1.0, best=2.0, pixels=PATTERN, rescued=True).rescued
    assert not judge(start=1.0, best=2.0, pixels=PATTERN).rescued


def test_the_way_to_the_bound() -> None:
    assert judge(start=1.0, best=2.0, pixels=PATTERN, upper_bound=5.0).reached == 0.25
    assert judge(start=1.0, best=5.000001, pixels=PATTERN, upper_bound=5.0).reached == 1
    assert judge(start=5.0, best=5.0, pixels=PATTERN, upper_bound=5.0).reached == 1
    assert judge(start=1.0, best=2.0, pixels=PATTERN).reached is None
    assert judge(start=nan, best=-inf, pixels=PATTERN, upper_bound=5.0).reached is None


@given(start=st.floats(-1e6, 1e6), rise=st.floats(0, 1e6), beyond=st.floats(0, 1e6))
def test_the_share_is_a_share(start: float, rise: float, beyond: float) -> None:
    bound = start + rise + beyond
    verdict = judge(start=start, best=start + rise, pixels=PATTERN, upper_bound=bound)
    assert verdict.upper_bound == bound
    assert verdict.reached is not None
    assert 0 <= verdict.reached <= 1
