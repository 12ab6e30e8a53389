"""Work in several threads: results in order, errors and interruptions passed on, no thread left."""

import threading
from concurrent.futures import Future
from contextlib import closing

import pytest

from convscope.engine.runtime import parallel
from convscope.engine.runtime.pace import Pace
from convscope.engine.runtime.parallel import Stopped, in_order
from convscope.engine.runtime.pulse import no_pulse


class StopNow(Exception):  # noqa: N818 - what a pulse raises is its own affair
    pass


def stop_now() -> None:
    raise StopNow


def test_results_come_in_order_whichever_finishes_first() -> None:
    second_done = threading.Event()

    def work(item: int, _: threading.Event) -> int:
        if item == 0:
            assert second_done.wait(10)
        if item == 1:
            second_done.set()
        return item * item

    assert list(in_order(work, range(20), threads=2, pulse=no_pulse)) == [n * n for n in range(20)]


def test_a_pulse_that_raises_stops_the_work_and_leaves_no_thread() -> None:
    before, started, stopped = threading.active_count(), threading.Event(), []

    def work(item: int, stop: threading.Event) -> int:
        started.set()
        assert stop.wait(10)
        stopped.append(item)
        raise Stopped

    def pulse() -> None:
        assert started.wait(10)
        raise StopNow

    with pytest.raises(StopNow):
        list(in_order(work, range(20), threads=2, pulse=pulse))
    assert stopped
    assert len(stopped) <= 3
    assert threading.active_count() == before


def test_the_works_own_error_arrives() -> None:
    def work(item: int, _: threading.Event) -> int:
        if item == 3:
            raise TimeoutError("the work's own")
        return item

    with pytest.raises(TimeoutError, match="own"):
        list(in_order(work, range(9), threads=2, pulse=no_pulse))


def test_work_that_ends_the_moment_its_caller_looks_up_has_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "PULSE_S", 0.001)

    class Late(Future[int]):
        def result(self, timeout: float | None = None) -> int:
            try:
                return super().result(timeout)
            except TimeoutError:
                self.set_result(7)
                raise

    late, pulses = Late(), iter(range(3))

    def pulse() -> None:
        if next(pulses) == 2:
            late.set_result(7)

    assert parallel._await(late, pulse) == 7


def test_closing_early_ends_the_threads() -> None:
    before = threading.active_count()
    with closing(in_order(lambda item, _: item, range(100), threads=2, pulse=no_pulse)) as results:
        assert next(results) == 0
    assert threading.active_count() == before


def test_calls_are_short_and_equal() -> None:
    pace = Pace(limit_seconds=1e9)
    for _ in range(2):
        assert pace.next(100) == 1
        with pace.measured(1):
            pass
    assert pace.next(100) == 100
    slow = Pace(limit_seconds=1e-12)
    for _ in range(2):
        with slow.measured(1):
            pass
    assert slow.next(100) == 1


@pytest.mark.parametrize("items", [1, 2, 9])
def test_the_caller_has_something_to_do_once_while_the_first_items_are_worked_on(items: int) -> None:
    done, calls = threading.Event(), list[str]()

    def work(item: int, _: threading.Event) -> int:
        assert done.wait(10)
        return item

    def meanwhile() -> None:
        calls.append(threading.current_thread().name)
        done.set()

    results = in_order(work, range(items), threads=2, pulse=no_pulse, meanwhile=meanwhile)
    assert list(results) == list(range(items))
    assert calls == [threading.current_thread().name]
