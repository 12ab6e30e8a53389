"""Costs of a store with many jobs: claims, listings, and idle processes while jobs wait."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psutil
import redis

from benchmarks.awake import awake_cores
from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round
from benchmarks.service_alone import service_alone
from benchmarks.stack import run_stack
from convscope.client import Client
from convscope.store import Claimant, JobStore, Scripts, connect_patiently, connect_promptly
from convscope.store.embedded import EmbeddedRedis
from convscope.store.redis.keys import key
from convscope.v1.device_pb2 import Device
from convscope.v1.jobs_pb2 import JobSpec
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["FAMILY"]

CLAIM = Figure(
    name="claim-cost",
    what="a claim among 10,000 ready jobs of 1,000 owners, cores awake: one call, median of 2,000",
    target=200.0,
    unit="us",
    noise=0.3,
    bound="at most",
)
LISTING = Figure(
    name="listing",
    what="ListJobs of running ones among 100,000 ended, median of 20",
    target=0.05,
    unit="s",
    noise=0.3,
    bound="at most",
)
IDLE_SERVICE = Figure(
    name="idle-service",
    what="4,000 waiting jobs, nothing to do: the service's share of a core, over 20 s",
    target=1.0,
    unit="%",
    noise=0.4,
    bound="at most",
)
IDLE_WORKER = Figure(
    name="idle-worker",
    what="the same: a worker's share, its executor included",
    target=1.0,
    unit="%",
    noise=0.4,
    bound="at most",
)

JOBS, OWNERS, CLAIMS = 10_000, 1_000, 2_000
ENDED = 100_000
WAITING, IDLE_S = 4_000, 20.0


def measure(_: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Fill a Redis, and measure."""
    if CLAIM.name in names:
        yield CLAIM.name, claim_microseconds()
    if LISTING.name in names:
        yield from ((LISTING.name, seconds) for seconds in listing_seconds())
    if names & {IDLE_SERVICE.name, IDLE_WORKER.name}:
        yield from ((name, share) for name, share in idle_shares() if name in names)


def claim_microseconds() -> float:
    """Return how long one call takes, claim by claim, while none of the attempts ends."""
    with tempfile.TemporaryDirectory(prefix="cs-") as folder, EmbeddedRedis(Path(folder)).running() as server:
        connection = connect_patiently(server.url, single=True)  # as an executor
        jobs, scripts = JobStore(connection), Scripts(connection)
        for number in range(JOBS):
            spec = JobSpec(visualize=VisualizeSpec())
            jobs.create(spec, request_digest="d", parts=20, owner=f"owner{number % OWNERS}", part_cost_s=3.0)
        with awake_cores():
            return median(seconds_to_claim(scripts, number) for number in range(CLAIMS)) * 1e6


def seconds_to_claim(scripts: Scripts, number: int) -> float:
    """Return how long a claim of one of 16 workers takes."""
    claimant = Claimant(worker=f"w{number % 16}")
    started = time.perf_counter()
    scripts.claim(claimant, nonce=f"n{number}", lease_ms=60_000, slack_s=10.0)
    return time.perf_counter() - started


def listing_seconds() -> list[float]:
    """Return, 20 times, how long the service takes for a page of running jobs."""
    with (
        tempfile.TemporaryDirectory(prefix="cs-") as folder,
        EmbeddedRedis(Path(folder) / "redis").running() as server,
        connect_promptly(server.url) as connection,
    ):
        fill_with_ended(connection)
        with service_alone(server.url, Path(folder)) as (address, _), Client(address) as client:
            return [seconds_to_list(client) for _ in range(20)]


def seconds_to_list(client: Client) -> float:
    """Return how long a listing takes."""
    started = time.perf_counter()
    assert sum(1 for _ in client.jobs(states="running")) == 1
    return time.perf_counter() - started


def fill_with_ended(connection: redis.Redis) -> None:
    """Make one job that runs and many that have ended, as the scripts would, but quicker: copies of one that did."""
    jobs, scripts = JobStore(connection), Scripts(connection)
    ended, _ = jobs.create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    jobs.request_cancel(ended.name)
    first = ended.name.removeprefix("jobs/")
    indexes = (key("jobs"), key("jobs_in_state", "cancelled"), key("jobs_of_kind", "train", "cancelled"))
    record = connection.dump(key("job", first))
    with connection.pipeline(transaction=False) as pipeline:
        for number in range(ENDED):
            copy = f"{first[:-6]}{number:06d}"
            pipeline.restore(key("job", copy), 0, record, replace=True)  # type: ignore[arg-type]  # bytes
            for index in indexes:
                pipeline.zadd(index, {copy: 0})
            if number % 5_000 == 0:
                pipeline.execute()
        pipeline.execute()
    jobs.create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    scripts.claim(Claimant(worker="w"), nonce="n", lease_ms=600_000, slack_s=0)


def idle_shares() -> Iterator[tuple[str, float]]:
    """Yield the shares of a core that service and worker take while jobs wait for a worker that is not there."""
    with run_stack() as address, Client(address) as client:
        client.train(iterations=1).result()
        home = Path(address.removeprefix("unix:")).parent / "home"
        with redis.Redis(unix_socket_path=str(home / "redis" / "redis.sock")) as connection:
            jobs = JobStore(connection)
            for _ in range(WAITING):
                spec = JobSpec(train=TrainSpec(iterations=1))
                jobs.create(spec, request_digest="d", model=Model(), device=Device.DEVICE_GPU)
        time.sleep(5.0)
        groups = {IDLE_SERVICE.name: "convscope.service", IDLE_WORKER.name: "convscope.worker"}
        running = {name: processes(module, str(home.parent)) for name, module in groups.items()}
        assert all(running.values()), "there is no service or no worker"
        before = {name: busy_seconds(group) for name, group in running.items()}
        time.sleep(IDLE_S)
        for name, group in running.items():
            yield name, (busy_seconds(group) - before[name]) / IDLE_S * 100


def processes(module: str, folder: str) -> list[psutil.Process]:
    """Return the processes of a module that belong to the system in a folder."""
    members = []
    for process in psutil.process_iter():
        try:
            if module in process.cmdline() and folder in process.environ().get("CONVSCOPE_HOME", ""):
                members.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return members


def busy_seconds(group: list[psutil.Process]) -> float:
    """Return the processor time of some processes so far."""
    return sum(sum(process.cpu_times()[:2]) for process in group)


FAMILY = Family(figures=(CLAIM, LISTING, IDLE_SERVICE, IDLE_WORKER), measure=measure)
