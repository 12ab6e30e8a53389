"""Each cut does what its name says, to a real Redis."""

import time
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chaos.network import Cut, Link
from chaos.parts import RedisPart

SHORT_S = 0.3


def connect(port: int) -> redis.Redis:
    return redis.Redis(port=port, socket_timeout=SHORT_S, retry=Retry(NoBackoff(), 0))


def read(connection: redis.Redis, key: str) -> bytes | None:
    value = connection.get(key)
    assert value is None or isinstance(value, bytes)
    return value


@pytest.mark.parametrize("how", [how for how in Cut if how is not Cut.SLOW])
def test_a_cut_is_noticed_and_ends(server: RedisPart, link: Link, how: Cut) -> None:
    direct, through = connect(server.port), connect(link.port)
    assert through.set("a", 1)
    link.cut(how)
    for _ in range(2):
        with pytest.raises((redis.ConnectionError, redis.TimeoutError)):
            through.set("b", how.value)
    assert (read(direct, "b") == how.value.encode()) == (how is Cut.MUTE), "only the replies are lost"
    link.heal()
    assert through.set("c", how.value)
    assert read(direct, "c") == how.value.encode()
    direct.flushall()
    through.close()
    direct.close()


def test_what_was_frozen_arrives_later(server: RedisPart, link: Link) -> None:
    with redis.Redis(port=link.port) as patient:
        sender = patient.connection_pool.get_connection()
        link.cut(Cut.FROZEN)
        sender.send_command("SET", "late", "1")
        with connect(server.port) as direct:
            assert read(direct, "late") is None
            link.heal()
            assert sender.read_response() == b"OK"
            assert read(direct, "late") == b"1"
        patient.connection_pool.release(sender)


def test_a_silenced_connection_never_hears_of_it(server: RedisPart, link: Link) -> None:
    with redis.Redis(port=link.port, socket_timeout=SHORT_S) as patient:
        sender = patient.connection_pool.get_connection()
        link.cut(Cut.SILENT)
        sender.send_command("SET", "never", "1")
        link.heal()
        with pytest.raises(redis.TimeoutError):
            sender.read_response()
        with connect(server.port) as direct:
            assert read(direct, "never") is None
        sender.disconnect()
        patient.connection_pool.release(sender)


def test_a_slow_network_carries_everything(link: Link) -> None:
    with redis.Redis(port=link.port) as patient:
        link.cut(Cut.SLOW)
        started = time.monotonic()
        assert patient.set("large", b"x" * 20_000)
        assert time.monotonic() - started > 0.1
        link.heal()
        assert patient.strlen("large") == 20_000


def test_a_link_leads_elsewhere(server: RedisPart, link: Link, tmp_path: Path) -> None:
    other = RedisPart(tmp_path)
    other.start()
    try:
        other.wait_until_ready()
        with redis.Redis(port=link.port) as through:
            assert through.set("where", "there")
            link.lead_to(other.port)
            assert through.get("where") is None
            assert through.set("where", "here")
        assert read(server.connection, "where") == b"there"
        assert read(other.connection, "where") == b"here"
    finally:
        other.end()
