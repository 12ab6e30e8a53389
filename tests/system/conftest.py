"""A convscope to be harmed: it heals by itself, and the next test goes on with it."""

from collections.abc import Iterator

import pytest

from api import Api, connect
from stack import Stack, running_stack

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
