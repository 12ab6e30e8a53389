"""What a run has started is stopped with it, also if the run is ended early."""

import contextlib
import os
import tempfile
from pathlib import Path

import psutil
import pytest

from chaos.cluster import Cluster, clear, processes_of
from chaos.parts import Part, RedisPart


@pytest.fixture
def cluster() -> Cluster:
    """A Redis, and a part that has a child and that has not been asked to end."""
    home = Path(tempfile.mkdtemp(prefix="cs-"))
    stubborn = Part(
        "stubborn", ["sh", "-c", "trap '' TERM; sleep 1001 & echo up; wait"], {"CONVSCOPE_HOME": str(home)}, home
    )
    never_started = Part("never started", ["true"], {}, home)
    redis = RedisPart(home)
    for part in (redis, stubborn):
        part.start()
        part.wait_until_ready()
    return Cluster(home=home, redis=redis, services=[never_started], workers=[stubborn], links=[])


def test_neither_process_nor_zombie_stays(cluster: Cluster) -> None:
    started = {cluster.redis.pid, *(process.pid for process in processes_of(cluster.home))}
    assert len(started) == 3
    clear(cluster, keep=False)
    assert processes_of(cluster.home) == []
    assert not cluster.home.exists()
    children = {child.pid for child in psutil.Process(os.getpid()).children()}
    assert not children & started, "a zombie is a child still"


def test_a_part_that_is_stopped_goes_too(cluster: Cluster) -> None:
    with contextlib.ExitStack() as stack:
        stack.callback(clear, cluster, keep=False)
        psutil.Process(cluster.workers[0].pid).suspend()
    assert processes_of(cluster.home) == []
