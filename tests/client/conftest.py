"""What the client's tests share."""

from collections.abc import Iterator

import pytest

from convscope.client import Client
from support.command_line import Run, running_in_process
from support.fake_service import FakeService, running_fake
from support.stack import Stack


@pytest.fixture
def fake() -> Iterator[FakeService]:
    """A server that says what the test tells it to."""
    with running_fake() as service:
        yield service


@pytest.fixture
def client(fake: FakeService) -> Iterator[Client]:
    """A client of the fake, which does not wait long for one that is away."""
    with Client(fake.address, timeout=20, patience=5) as connected:
        yield connected


@pytest.fixture
def run(fake: FakeService, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs convscope in this process against the fake; returns its code and what it printed."""
    return running_in_process(capsys, "--address", fake.address)


@pytest.fixture(scope="module")
def real(stack: Stack) -> Iterator[Client]:
    """A client of a real convscope."""
    with Client(stack.address) as client:
        yield client


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore the settings of the user who runs the tests."""
    for name in ("CONVSCOPE_ADDRESS", "CONVSCOPE_TOKEN", "CONVSCOPE_TLS_CA"):
        monkeypatch.delenv(name, raising=False)
