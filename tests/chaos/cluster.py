"""A convscope of separate processes: Redis, two services, two workers, each worker behind a network of its own.

The second worker is at the far end of a wire besides, where the machine permits it."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from chaos.namespace import Wire, running_wire
from chaos.network import HOST, Link
from chaos.parts import Part, RedisPart, python

__all__ = ["Cluster", "clear", "processes_of", "running_cluster"]

# Steps between two checkpoints: a training of some seconds has several.
CHECKPOINT_STEPS = "25"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The processes, and what they share."""

    home: Path
    redis: RedisPart
    services: list[Part]
    workers: list[Part]
    links: list[Link]
    wire: Wire | None = None
    ended: list[str] = field(default_factory=list)

    @property
    def addresses(self) -> list[str]:
        """Where the services listen."""
        return [f"unix:{self.home}/{service.title.replace(' ', '-')}.sock" for service in self.services]

    @property
    def artifacts_url(self) -> str:
        """Where the blobs are."""
        return (self.home / "artifacts").as_uri()

    @property
    def parts(self) -> list[Part]:
        """All processes that the run has started."""
        return [self.redis, *self.services, *self.workers]

    def note_deaths(self) -> None:
        """Note parts that ended by themselves, which none may do; and start them again."""
        for part in self.parts:
            if part.died_by_itself:
                self.ended.append(f"{part.title} ended by itself with exit code {part.exit_code}")
                part.start()

    def wait_until_ready(self) -> None:
        """Wait until every part works."""
        for part in self.parts:
            part.wait_until_ready()


@contextlib.contextmanager
def running_cluster(*, keep: bool = False) -> Iterator[Cluster]:
    """Start everything; afterwards stop what is left of it, and remove its home unless it is to be kept."""
    home = Path(tempfile.mkdtemp(prefix="cs-"))  # short: a unix socket's path has at most 107 bytes
    redis = RedisPart(home)
    with contextlib.ExitStack() as stack:
        wire = stack.enter_context(running_wire())
        hosts = [HOST, wire.host if wire else HOST]
        links = [stack.enter_context(Link(redis.port, host).running()) for host in hosts]
        cluster = Cluster(
            home=home,
            redis=redis,
            services=[_service(home, redis.url, number) for number in (1, 2)],
            workers=[_worker(home, links[0], 1), _worker(home, links[1], 2, wire)],
            links=links,
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
    """Return every process of the cluster with this home, whoever started it; but not Redis, which hides its own."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("CONVSCOPE_HOME") == str(home):
                found.append(process)
    return found


def _environment(home: Path, redis_url: str) -> dict[str, str]:
    return {
        "CONVSCOPE_HOME": str(home),
        "CONVSCOPE_REDIS_URL": redis_url,
        "CONVSCOPE_ARTIFACTS_URL": (home / "artifacts").as_uri(),
        "CONVSCOPE_CHECKPOINT_STEPS": CHECKPOINT_STEPS,
    }


def _service(home: Path, redis_url: str, number: int) -> Part:
    script = Path(__file__).with_name("short_parts.py")
    command = [sys.executable, str(script), "--listen", f"unix:{home}/service-{number}.sock"]
    return Part(f"service {number}", command, _environment(home, redis_url), home)


def _worker(home: Path, link: Link, number: int, wire: Wire | None = None) -> Part:
    url = f"redis://{link.host}:{link.port}/0"
    # One thread each, so that a machine with two processors has two that are equal.
    command = python("convscope.worker", "--threads", "1")
    return Part(f"worker {number}", wire.command(command) if wire else command, _environment(home, url), home)


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
