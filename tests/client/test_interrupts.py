"""Interrupts of the demo: held back where a block asks for it, and only the first one counts."""

import os
import signal
from collections.abc import Iterator

import pytest

from convscope.client.demo import Interrupts

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Undo whatever a test leaves behind."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_signal_interrupts(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts():
        os.kill(os.getpid(), number)


def test_a_held_signal_waits_for_the_outermost_block() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts, interrupts.held():  # noqa: PT012
        with interrupts.held():
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append("inner")
        reached.append("outer")
    assert reached == ["inner", "outer"]


def test_after_an_interrupt_others_are_ignored() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts():
        os.kill(os.getpid(), signal.SIGINT)
    for number in NUMBERS:
        os.kill(os.getpid(), number)  # would end the tests


def test_after_a_quiet_block_everything_is_as_before() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with Interrupts():
        pass
    assert [signal.getsignal(number) for number in NUMBERS] == before
