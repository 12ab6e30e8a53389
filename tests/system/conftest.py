"""A convscope to be harmed: it heals by itself, and the next test uses it."""

import signal
from collections.abc import Iterator

import pytest

from support.api import Api, connect
from support.stack import Stack, running_stack

# Threads: two workers that compute at once shall not be slower than one. Checkpoints: a training has several.
ENVIRONMENT = {"CONVSCOPE_THREADS": "1", "CONVSCOPE_CHECKPOINT_STEPS": "25"}


@pytest.fixture(scope="session")
def pair() -> Iterator[Stack]:
    """A convscope with two workers. Whatever a test does to it, its jobs have ended afterwards."""
    with running_stack(workers=2, environment=ENVIRONMENT) as running:
        yield running


@pytest.fixture(scope="session")
def pair_api(pair: Stack) -> Iterator[Api]:
    """The stubs of that convscope."""
    with connect(pair.address) as api:
        yield api


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Gives signals back that a worker has taken for itself."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
