"""Faults are chosen by the seed, spare what has died often, and end."""

import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis

from chaos.artifacts import Artifacts
from chaos.cluster import Cluster
from chaos.faults import Faults, _title
from chaos.history import Loss
from chaos.kinds import FIRST_KINDS, KINDS, Kind
from chaos.network import Link
from chaos.parts import Part, RedisPart
from chaos.strikes import CRASHES, SLOW_GAPS, SWEEP_CRASHES, Busy, Scene, await_gone
from convscope.store.failpoints import parse
from convscope.store.redis.keys import key


@pytest.fixture
def cluster(server: RedisPart, link: Link, tmp_path: Path) -> Cluster:
    server.connection.flushall()
    return Cluster(home=tmp_path, redis=server, services=[], workers=[], links=[link], fronts=[link])


class Strikes:
    """Strikes that do nothing but note it."""

    def __init__(self, *, deadly: bool = False) -> None:
        self.done: list[float] = []
        self.ended = 0
        self._deadly = deadly

    def __call__(self, scene: Scene, target: object, seconds: float) -> None:
        self.done.append(seconds)
        scene.later(60.0, target, self.end, deadly=self._deadly)

    def end(self) -> None:
        self.ended += 1


def kinds(*strikes: Callable[[Scene, object, float], None], harmless: bool = False) -> dict[str, Kind]:
    return {f"kind {n}": Kind(on="redis", strike=strike, harmless=harmless) for n, strike in enumerate(strikes)}


def made(cluster: Cluster, seed: int) -> list[tuple[str, float]]:
    faults = Faults(cluster, random.Random(seed), lambda _: None, kinds=kinds(*(lambda *_: None for _ in range(5))))
    for _ in range(12):
        faults.make()
    return [(fault.kind, fault.seconds) for fault in faults.made]


def test_the_seed_decides(cluster: Cluster) -> None:
    assert made(cluster, 1) == made(cluster, 1) != made(cluster, 2)
    assert len({kind for kind, _ in made(cluster, 1)[:5]}) == 5, "kinds that were not made yet come first"


def test_what_is_harmed_is_left_alone_until_it_is_whole(cluster: Cluster) -> None:
    strikes = Strikes()
    faults = Faults(cluster, random.Random(1), lambda _: None, kinds=kinds(strikes))
    faults.make()
    faults.make()
    faults.repair_due()
    assert (len(faults.made), strikes.ended) == (1, 0)
    faults.repair_all()
    assert strikes.ended == 1
    faults.make()
    assert len(faults.made) == 2


def let_die(connection: redis.Redis, times: int) -> None:
    connection.zadd(key("jobs_in_state", "queued"), {"j": 0})
    connection.hset(key("parts", "j"), "deaths:3", times)


@pytest.mark.parametrize(("deaths", "harmless", "count"), [(1, False, 1), (2, False, 0), (2, True, 1)])
def test_a_part_that_has_died_often_is_spared(cluster: Cluster, deaths: int, harmless: bool, count: int) -> None:
    let_die(cluster.redis.connection, deaths)
    faults = Faults(cluster, random.Random(1), lambda _: None, kinds=kinds(Strikes(), harmless=harmless))
    faults.make()
    assert len(faults.made) == count


@pytest.mark.parametrize(("deadly", "ended"), [(True, 1), (False, 0)])
def test_what_kills_again_and_again_ends_early(cluster: Cluster, deadly: bool, ended: int) -> None:
    strikes = Strikes(deadly=deadly)
    faults = Faults(cluster, random.Random(1), lambda _: None, kinds=kinds(strikes))
    faults.make()
    faults.repair_due()
    assert strikes.ended == 0
    let_die(cluster.redis.connection, 2)
    faults.repair_due()
    assert strikes.ended == ended


@pytest.mark.parametrize("error", [redis.ConnectionError("it is away"), psutil.NoSuchProcess(1)])
def test_what_cannot_be_done_is_not_counted(cluster: Cluster, error: Exception) -> None:
    def fail(*_: object) -> None:
        raise error

    reported: list[object] = []
    faults = Faults(cluster, random.Random(1), reported.append, kinds=kinds(fail))
    faults.make()
    assert (faults.made, reported) == ([], [])


@pytest.mark.parametrize("kind", ["redis back", "promote replica"])
def test_redis_forgets_and_all_find_it_again(tmp_path: Path, kind: str) -> None:
    server = RedisPart(tmp_path)
    server.start()
    server.wait_until_ready()
    with Link(server.port).running() as link, redis.Redis(port=link.port) as client:
        cluster = Cluster(home=tmp_path, redis=server, services=[], workers=[], links=[link], fronts=[link])
        faults = Faults(cluster, random.Random(1), lambda _: None, kinds={kind: KINDS[kind]})
        client.set("kept", 1)
        faults.make()
        client.set("lost", 1)
        faults.repair_all()
        cluster.redis.wait_until_ready()
        assert [client.exists(name) for name in ("kept", "lost")] == [1, 0]
        assert [fault.kind for fault in faults.made] == [kind]
        assert len(faults.losses) == 1
        cluster.redis.end()


def test_a_storm_breaks_connections(cluster: Cluster) -> None:
    with redis.Redis(port=cluster.redis.port, single_connection_client=True) as client:
        before = client.client_id()
        faults = Faults(cluster, random.Random(1), lambda _: None, kinds={"storm": KINDS["storm on connections"]})
        faults.make()
        assert client.client_id() != before
        assert faults.complaints == []


def test_nothing_counts_as_running_while_redis_is_away(tmp_path: Path) -> None:
    server = RedisPart(tmp_path)
    worker = Part("worker 1", ["true"], {}, tmp_path)
    cluster = Cluster(home=tmp_path, redis=server, services=[], workers=[worker], links=[])
    assert Faults(cluster, random.Random(1), lambda _: None).running(worker) == []


@pytest.fixture
def busy() -> Iterator[Busy]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield Busy(psutil.Process(process.pid), "j")
        process.kill()


def test_a_process_that_stays_though_its_job_was_cancelled_is_complained_of(cluster: Cluster, busy: Busy) -> None:
    faults = Faults(cluster, random.Random(1), lambda _: None)
    await_gone(faults, busy, busy.process, within_s=0.1)
    faults.repair_all()
    assert len(faults.complaints) == 1
    assert not busy.process.is_running() or busy.process.status() == psutil.STATUS_ZOMBIE


def test_a_process_that_goes_or_obeys_is_not_complained_of(cluster: Cluster, busy: Busy) -> None:
    ends: list[str] = []
    faults = Faults(cluster, random.Random(1), lambda _: None)
    await_gone(faults, busy, cluster.redis, within_s=0.1, obeyed=lambda: True, then=lambda: ends.append("obeyed"))
    faults.repair_all()
    busy.process.kill()
    await_gone(faults, busy, cluster.redis, then=lambda: ends.append("gone"))
    faults.repair_all()
    assert ends == ["obeyed", "gone"]
    assert faults.complaints == []


def test_what_redis_forgets_is_cancelled_once_more(cluster: Cluster, busy: Busy) -> None:
    cancelled: list[str] = []
    faults = Faults(cluster, random.Random(1), lambda _: None, cancelled.append)
    await_gone(faults, busy, cluster.redis)
    faults.losses.append(Loss(since=0, until=1))
    while not cancelled:
        faults.repair_due()
    busy.process.kill()
    faults.repair_all()
    assert cancelled == ["j"]
    assert faults.complaints == []


def test_failpoints_of_kinds_are_understood() -> None:
    for points in (*CRASHES, *SLOW_GAPS, *SWEEP_CRASHES, "executor.pulse=1*hang", "executor.pulse=1*hang(gil)"):
        assert parse(points)


def test_there_are_kinds_enough() -> None:
    assert len(KINDS) - len([kind for kind in KINDS.values() if kind.on == "store"]) >= 20
    assert len(FIRST_KINDS) == 14


def test_links_are_named(cluster: Cluster, server: RedisPart, link: Link) -> None:
    assert _title(cluster, link) == "the network of worker 1"
    with Link(server.port).running() as other:
        cluster.artifacts = Artifacts(url="", links=[link, link, other])
        assert _title(cluster, other) == "the way of the services to the artifacts"
