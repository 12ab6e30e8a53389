"""A Redis and a link to it that can be cut."""

from collections.abc import Iterator

import pytest

from chaos.network import Link
from chaos.parts import RedisPart


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisPart]:
    server = RedisPart(tmp_path_factory.mktemp("r"))
    server.start()
    server.wait_until_ready()
    yield server
    server.end()


@pytest.fixture
def link(server: RedisPart) -> Iterator[Link]:
    with Link(server.port).running() as link:
        yield link
