"""The scripts inside Redis: sent once, and again when it has forgotten them."""

import pytest
import redis

from convscope.store import Claimant, Scripts, load_scripts
from convscope.store.redis import lua
from support.part_jobs import create, take


def test_a_redis_that_forgot_its_scripts_gets_them_again(connection: redis.Redis) -> None:
    create(connection, 2)
    assert take(connection, "w") is not None
    connection.script_flush()
    again = take(connection, "w")
    assert again is not None
    assert again.part == 1


def test_a_script_is_sent_to_redis_only_once(connection: redis.Redis) -> None:
    create(connection, 10)
    take(connection, "w")
    connection.config_resetstat()
    for _ in range(5):
        take(connection, "w")
    calls = connection.info("commandstats")
    assert calls["cmdstat_evalsha"]["calls"] == 5
    assert not {"cmdstat_eval", "cmdstat_script"} & set(calls)


def test_a_script_brings_the_shared_functions_and_keys_that_it_uses_and_no_others() -> None:
    text = lua.source("job", "renew")
    for used in ("function holds(", "function open_job(", "function key(", "  leases = ", "  written = "):
        assert used in text
    for unused in ("function append(", "function add_ref(", "  condemned = "):
        assert unused not in text


def test_scripts_that_were_loaded_are_not_read_again(connection: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    load_scripts()
    monkeypatch.setattr(lua, "source", lambda *_: pytest.fail("a file is read"))
    assert Scripts(connection).claim(Claimant(worker="w"), nonce="n", lease_ms=1000, slack_s=0) is None
    Scripts(connection).run("leave", "w", "cpu")
