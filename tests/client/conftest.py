"""What the client's tests share."""

from collections.abc import Iterator

import pytest

from convscope.client import Client
from support.fake_service import FakeService, running_fake


@pytest.fixture
def fake() -> Iterator[FakeService]:
    """A server that says what the test tells it to."""
    with running_fake() as service:
        yield service


@pytest.fixture
def client(fake: FakeService) -> Iterator[Client]:
    """A client of the fake, which does not wait long for one that is away."""
    with Client(fake.address, timeout=20, patience=5) as found:
        yield found


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have a server of their own."""
    for name in ("CONVSCOPE_ADDRESS", "CONVSCOPE_TOKEN", "CONVSCOPE_TLS_CA"):
        monkeypatch.delenv(name, raising=False)
