"""Modules as child processes of an event loop: what they say when they are ready, and that they are kept."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from convscope.service.children import ChildError, ModuleProcess

# Of Python 3.12 and later: other tests have left threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

MODULE = """
import os, sys
print(os.getpid(), *sys.argv[1:], flush=True)
sys.stdin = open(os.environ["FIFO"])
sys.stdin.read()
"""


@asynccontextmanager
async def module(folder: Path, text: str = MODULE, **settings: float) -> AsyncIterator[ModuleProcess]:
    (folder / "some_module.py").write_text(text)
    os.mkfifo(folder / "fifo")
    environment = {**os.environ, "PYTHONPATH": str(folder), "FIFO": str(folder / "fifo")}
    process = ModuleProcess("the module", ["some_module", "first"], environment, **settings)
    try:
        yield process
    finally:
        await process.stop()


async def test_it_is_started_again_with_other_arguments(tmp_path: Path) -> None:
    async with module(tmp_path) as process:
        await process.start()
        first, argument = process.line.split()
        assert argument == "first"
        process.run_next(["some_module", "second"])
        keeping = asyncio.create_task(process.keep())
        os.kill(int(first), signal.SIGKILL)
        async with asyncio.timeout(30):
            while process.line.split()[1] == "first":  # noqa: ASYNC110 - it does not tell of its start
                await asyncio.sleep(0.01)
        assert process.line.split()[0] != first
        keeping.cancel()


async def test_it_is_started_again_although_the_system_refused_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with module(tmp_path) as process, asyncio.timeout(30):
        await process.start()
        with monkeypatch.context() as broken:
            broken.setattr(sys, "executable", str(tmp_path / "missing"))
            process.run_next(["some_module", "second"])
        keeping = asyncio.create_task(process.keep())
        os.kill(int(process.line.split()[0]), signal.SIGKILL)
        while not any(record.levelname == "WARNING" for record in caplog.records):
            assert not keeping.done()
            await asyncio.sleep(0.01)
        process.run_next(["some_module", "second"])
        while process.line.split()[1] == "first":  # noqa: ASYNC110 - it does not tell of its start
            await asyncio.sleep(0.01)
        keeping.cancel()


@pytest.mark.parametrize("text", ["", "raise SystemExit(2)", "raise RuntimeError"])
async def test_one_that_ends_before_it_is_ready_is_an_error(tmp_path: Path, text: str) -> None:
    async with module(tmp_path, text) as process:
        with pytest.raises(ChildError, match="the module"):
            await process.start()


async def test_one_that_stays_silent_is_an_error(tmp_path: Path) -> None:
    async with module(tmp_path, "import signal; signal.pause()", ready_timeout_s=0.2) as process:
        with pytest.raises(ChildError, match="the module"):
            await process.start()
