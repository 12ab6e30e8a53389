"""What is kept between computations: the least recently used goes first."""

from dataclasses import dataclass

import pytest

from convscope.engine.runtime.caches import Caches


@dataclass
class Value:
    size_bytes: int


@pytest.fixture
def caches() -> Caches:
    filled = Caches()
    for key, size in {"a": 1, "b": 2, "c": 4}.items():
        filled.get(key, lambda size=size: Value(size))  # type: ignore[misc]
    return filled


def kept(caches: Caches) -> set[str]:
    """Return which of the keys are kept; uses none of them."""
    return {str(key) for key in caches._kept}


def test_a_value_is_made_once(caches: Caches) -> None:
    first = caches.get("d", lambda: Value(8))
    assert caches.get("d", lambda: Value(9)) is first
    assert caches.size_bytes == 15


def test_the_least_recently_used_goes_first(caches: Caches) -> None:
    caches.get("a", lambda: Value(0))
    caches.trim(5)
    assert kept(caches) == {"a", "c"}
    caches.trim(4)
    assert kept(caches) == {"a"}


def test_what_fits_stays(caches: Caches) -> None:
    caches.trim(7)
    assert kept(caches) == {"a", "b", "c"}


def test_growth_counts(caches: Caches) -> None:
    caches.get("a", lambda: Value(0)).size_bytes = 100
    caches.trim(102)
    assert kept(caches) == {"a"}


def test_everything_can_go(caches: Caches) -> None:
    caches.clear()
    assert caches.size_bytes == 0
    assert caches.get("a", lambda: Value(3)).size_bytes == 3
    caches.trim(0)
    assert kept(caches) == set()


def test_what_fails_is_not_kept(caches: Caches) -> None:
    def fail() -> Value:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        caches.get("d", fail)
    assert caches.get("d", lambda: Value(1)).size_bytes == 1
