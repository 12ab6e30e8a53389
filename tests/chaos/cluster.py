"""A convscope of separate processes: Redis, two services, two workers, each worker behind a separate network.

The second worker is at the far end of a wire, too, where the machine permits it.
"""

import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from chaos.artifacts import Artifacts, running_artifacts
from chaos.namespace import Wire, running_wire
from chaos.network import HOST, Link
from chaos.parts import Part, RedisPart, python
from convscope.store.failpoints import VARIABLE

__all__ = ["Cluster", "clear", "processes_of", "running_cluster"]

# Steps between two checkpoints: a training of some seconds has several.
CHECKPOINT_STEPS = "25"

# How long executors wait for more, in seconds: long enough to have several jobs, and to end before a run does.
KEEP_WARM_S = "5"

# Services sweep all the time: twice in so many seconds, what was not referred to within the other. That is longer than
# all standstills together that may come between the two.
SWEEPING = "sweep.period=return(2);sweep.spared=return(30);collect.before_delete=50%sleep(300)"


@dataclass(slots=True, kw_only=True)
class Cluster:
    """The processes, and what they share.

    Attributes:
        redis: the primary; another one after a replica was promoted.
        links: the networks between workers and Redis.
        fronts: all networks that lead to Redis.
        began: when it was made, in seconds since 1970.
        ended: parts that ended by themselves, though none may.
    """

    home: Path
    redis: RedisPart
    services: list[Part]
    workers: list[Part]
    links: list[Link]
    fronts: list[Link] = field(default_factory=list)
    artifacts: Artifacts = field(default_factory=lambda: Artifacts(url=""))
    wire: Wire | None = None
    ended: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.time)

    @property
    def addresses(self) -> list[str]:
        """Where the services listen."""
        return [f"unix:{self.home}/{service.title.replace(' ', '-')}.sock" for service in self.services]

    @property
    def artifacts_url(self) -> str:
        """Where the blobs are."""
        return self.artifacts.url

    @property
    def parts(self) -> list[Part]:
        """All processes that the run has started."""
        return [self.redis, *self.artifacts.parts, *self.services, *self.workers]

    def note_deaths(self) -> None:
        """Note parts that ended by themselves, which none may do; and start them again."""
        for part in self.parts:
            if part.died_by_itself:
                self.ended.append(f"{part.title} ended by itself with exit code {part.exit_code}")
                part.start()
            elif part.frail and not part.alive:
                part.start()

    def follow(self, primary: RedisPart) -> None:
        """Have everything find another Redis where the one before was."""
        self.redis.connection.close()
        self.redis = primary
        for link in self.fronts:
            link.lead_to(primary.port)

    def wait_until_ready(self) -> None:
        """Wait until every part works."""
        for part in self.parts:
            part.wait_until_ready()


@contextlib.contextmanager
def running_cluster(*, keep: bool = False, store: str = "file") -> Iterator[Cluster]:
    """Start everything; afterwards stop what is left of it, and remove its home unless it is to be kept.

    Args:
        keep: whether the home is to be kept.
        store: what the artifacts are kept in, one of STORES.
    """
    home = Path(tempfile.mkdtemp(prefix="cs-"))  # short: a unix socket's path has at most 107 bytes
    redis = RedisPart(home)
    with contextlib.ExitStack() as stack:
        wire = stack.enter_context(running_wire())
        hosts = [HOST, wire.host if wire else HOST]
        artifacts = stack.enter_context(running_artifacts(store, home, [*hosts, HOST]))
        fronts = [stack.enter_context(Link(redis.port, host).running()) for host in (*hosts, HOST)]
        *links, front = fronts
        near, far, services = (artifacts.environment(number) for number in range(3))
        cluster = Cluster(
            home=home,
            redis=redis,
            services=[_service(home, front, services, number) for number in (1, 2)],
            workers=[_worker(home, links[0], near, 1), _worker(home, links[1], far, 2, wire)],
            links=links,
            fronts=fronts,
            artifacts=artifacts,
            wire=wire,
        )
        stack.callback(clear, cluster, keep=keep)
        redis.start()
        redis.wait_until_ready()
        for part in (*cluster.services, *cluster.workers):
            part.start()
        cluster.wait_until_ready()
        yield cluster


def processes_of(home: Path) -> list[psutil.Process]:
    """Return every process of the cluster with this home, whatever started it; but not Redis, which hides its own."""
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("CONVSCOPE_HOME") == str(home):
                processes.append(process)
    return processes


def _environment(home: Path, link: Link, artifacts: Mapping[str, str]) -> dict[str, str]:
    return {
        "CONVSCOPE_HOME": str(home),
        "CONVSCOPE_REDIS_URL": f"redis://{link.host}:{link.port}/0",
        "CONVSCOPE_CHECKPOINT_STEPS": CHECKPOINT_STEPS,
        "CONVSCOPE_KEEP_WARM": KEEP_WARM_S,
        **artifacts,
    }


def _service(home: Path, link: Link, artifacts: Mapping[str, str], number: int) -> Part:
    script = Path(__file__).with_name("short_parts.py")
    command = [sys.executable, str(script), "--listen", f"unix:{home}/service-{number}.sock"]
    environment = {**_environment(home, link, artifacts), VARIABLE: SWEEPING}
    return Part(f"service {number}", command, environment, home)


def _worker(home: Path, link: Link, artifacts: Mapping[str, str], number: int, wire: Wire | None = None) -> Part:
    # One thread each, so that a machine with two processors has two that are equal.
    command = python("convscope.worker", "--threads", "1")
    command = wire.command(command) if wire else command
    return Part(f"worker {number}", command, _environment(home, link, artifacts), home)


def clear(cluster: Cluster, *, keep: bool) -> None:
    """Kill what is left of it and take note of its end, so that not even a zombie stays; remove its home."""
    for process in processes_of(cluster.home):
        with contextlib.suppress(psutil.Error):
            process.kill()
    for part in cluster.parts:  # among them Redis, which hides its environment
        part.kill()
    cluster.redis.connection.close()
    if not keep:
        shutil.rmtree(cluster.home, ignore_errors=True)
