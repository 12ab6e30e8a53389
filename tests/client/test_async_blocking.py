"""Work on files in threads, and tasks that are cancelled at any moment of it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from convscope.client.aio.runtime import blocking_context, run_blocking

PATIENCE_S = 20.0


class Gate:
    """Work in a thread that lasts until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go, self.ended = asyncio.Event(), threading.Event(), False
        self._loop = asyncio.get_running_loop()

    def work(self) -> None:
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self.go.wait(PATIENCE_S)
        self.ended = True


async def cancel_repeatedly() -> None:
    """Cancel all other tasks as a program does that is impatient: at a timeout, Ctrl-C, and the end of the loop."""
    for _ in range(3):
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        for _ in range(3):
            await asyncio.sleep(0)


async def test_a_task_that_is_cancelled_repeatedly_outlasts_its_thread() -> None:
    gate = Gate()
    task = asyncio.create_task(run_blocking(gate.work))
    await gate.begun.wait()
    await cancel_repeatedly()
    assert not task.done()
    gate.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.ended


@pytest.mark.parametrize("moment", ["entering", "leaving"])
async def test_a_context_that_is_cancelled_repeatedly_is_left(moment: str) -> None:
    gate, made = Gate(), set[str]()

    @contextmanager
    def temporary() -> Iterator[None]:
        if moment == "entering":
            gate.work()
        made.add("file")
        try:
            yield
        finally:
            if moment == "leaving":
                gate.work()
            made.discard("file")

    async def write() -> None:
        async with blocking_context(temporary()):
            pass

    task = asyncio.create_task(write())
    await gate.begun.wait()
    await cancel_repeatedly()
    gate.go.set()
    with suppress(asyncio.CancelledError):
        await task
    assert gate.ended
    assert not made
