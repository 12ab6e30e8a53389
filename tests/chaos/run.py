"""A run: an undisturbed round of jobs, then faults while jobs run, then healing, then every check."""

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from chaos import leftovers, results
from chaos.artifacts import STORES
from chaos.calls import Calls, open_connections
from chaos.checks import CHECKS
from chaos.cluster import Cluster, running_cluster
from chaos.faults import Blow, Fault, Faults
from chaos.history import JobHistory, Loss
from chaos.judging import Evidence
from chaos.kinds import KINDS
from chaos.load import RECIPES, Load
from convscope.store import BlobStore
from convscope.store.redis.keys import KEYS
from convscope.v1.jobs_pb2 import Job

__all__ = ["Outcome", "Plan", "run", "uninvited"]

# How long jobs may take to end once nothing disturbs them any more, in seconds.
SETTLE_S = 180.0

# The two rounds of jobs, by which their random choices differ.
ROUNDS = ("undisturbed", "jobs")

# Checks that are not of one job: requests, five of what is left, and how the processes end.
OTHER_CHECKS = 7

# How often the driver looks up, in seconds.
TICK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is to happen.

    Attributes:
        seed: decides faults and jobs; when exactly they meet is up to the machine.
        seconds: how long faults are made.
        most_faults: after so many there are no more.
        pause_s: shortest and longest time between two faults.
        recipes: which trainings there are.
        open_jobs: so many jobs are under way at a time.
        kinds: of faults.
        deletes: whether jobs and models are deleted.
        store: what the artifacts are kept in, "file" or "s3"; default: the seed decides.
    """

    seed: int
    seconds: float
    most_faults: int = 1_000_000
    pause_s: tuple[float, float] = (1.0, 7.0)
    recipes: Sequence[str] = tuple(RECIPES)
    open_jobs: int = 6
    kinds: Sequence[str] = tuple(KINDS)
    deletes: bool = True
    store: str = ""

    @property
    def artifacts(self) -> str:
        """What the artifacts are kept in."""
        return self.store or STORES[self.seed % len(STORES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened, and what contradicts the rules."""

    plan: Plan
    faults: list[Fault]
    blows: list[Blow]
    losses: list[Loss]
    deleted: Mapping[str, int]
    histories: list[JobHistory]
    resumed_watches: int
    checks: int
    violations: list[str]


def run(plan: Plan, tell: Callable[[str], object], *, keep: bool = False) -> Outcome:
    """Run everything; ``tell`` is called with a line for each event of the run."""
    with ExitStack() as stack:
        cluster = stack.enter_context(running_cluster(keep=keep, store=plan.artifacts))
        started = time.monotonic()

        def report(text: str) -> None:
            tell(f"{time.monotonic() - started:7.1f} s  {text}")

        report(f"seed {plan.seed}; everything runs in {cluster.home}, with artifacts at {cluster.artifacts_url}")
        report("worker 2 is at the end of a wire" if cluster.wire else "no wire: network namespaces are not permitted")
        loads = [
            Load(
                cluster.addresses,
                random.Random(f"{plan.seed} {name}"),
                plan.recipes,
                plan.open_jobs,
                deletes=plan.deletes and name == ROUNDS[1],
            )
            for name in ROUNDS
        ]
        undisturbed, load = (stack.enter_context(closing(round_load)) for round_load in loads)
        undisturbed.submit_each()
        report(f"{len(undisturbed.submitted)} jobs undisturbed")
        faults = Faults(
            cluster,
            random.Random(f"{plan.seed} faults"),
            lambda fault: report(f"{fault.kind}: {fault.target}" + (f", {fault.seconds} s" if fault.seconds else "")),
            load.cancel,
            {name: KINDS[name] for name in plan.kinds},
        )
        load.start()
        _disturb(plan, cluster, faults)
        faults.repair_all()  # first: what the load has under way may wait for it
        load.stop()
        report(f"healed; {sum(submitted.watcher.is_alive() for submitted in load.submitted)} jobs have not ended")
        _settle(cluster, [undisturbed, load], lost=bool(faults.losses))
        report("settled")
        return _judge(plan, cluster, undisturbed, load, faults)


def _disturb(plan: Plan, cluster: Cluster, faults: Faults) -> None:
    pauses = random.Random(f"{plan.seed} pauses")
    end = time.monotonic() + plan.seconds
    next_fault = time.monotonic() + pauses.uniform(*plan.pause_s)
    while time.monotonic() < end and len(faults.made) < plan.most_faults:
        faults.repair_due()
        cluster.note_deaths()
        if time.monotonic() >= next_fault:
            faults.make()
            next_fault = time.monotonic() + pauses.uniform(*plan.pause_s)
        time.sleep(TICK_S)


def _settle(cluster: Cluster, loads: list[Load], *, lost: bool) -> None:
    """Wait until all jobs have ended and all parts work, within bounds; what has not ended then is reported later."""
    deadline = time.monotonic() + SETTLE_S
    for load in loads:
        for submitted in load.submitted:
            while submitted.watcher.is_alive() and time.monotonic() < deadline:
                cluster.note_deaths()
                submitted.watcher.join(0.5)
    cluster.wait_until_ready()
    if lost:  # jobs whose end Redis has forgotten run again, and their watchers have gone
        _wait_until_all_have_ended(cluster, deadline)


def _wait_until_all_have_ended(cluster: Cluster, deadline: float) -> None:
    connections = open_connections(cluster.addresses)
    calls = Calls(connections)
    while not all(job.HasField("end_time") for job in results.list_jobs(calls)) and time.monotonic() < deadline:
        cluster.note_deaths()
        time.sleep(0.5)
    for connection in connections:
        connection.close()


def _judge(plan: Plan, cluster: Cluster, undisturbed: Load, load: Load, faults: Faults) -> Outcome:
    violations = [*cluster.ended, *faults.complaints]
    connections = open_connections(cluster.addresses)
    calls = Calls(connections)
    jobs = results.list_jobs(calls)
    evidence = Evidence(
        calls=calls,
        jobs=jobs,
        faults=faults.made,
        losses=faults.losses,
        began=cluster.began,
        layers=results.layers(calls, undisturbed.submitted[0].job.model),
        violations=violations,
    )
    histories = _histories(evidence, undisturbed, load)
    violations += _broken_rules(histories)
    violations += uninvited(jobs, {**undisturbed.tried, **load.tried})
    violations += _leftovers(cluster, jobs)
    for round_load in (undisturbed, load):
        round_load.close()
    for connection in connections:
        connection.close()
    violations += _after_the_end(cluster)
    return Outcome(
        plan=plan,
        faults=faults.made,
        blows=faults.blows,
        losses=faults.losses,
        deleted={
            "jobs": sum(bool(submitted.deletion) for submitted in load.submitted),
            "models": sum(bool(submitted.model_deletion) for submitted in load.submitted),
        },
        histories=histories,
        resumed_watches=sum(submitted.watcher.resumed for submitted in load.submitted),
        checks=len(histories) * len(CHECKS) + OTHER_CHECKS,
        violations=violations,
    )


def _histories(evidence: Evidence, undisturbed: Load, load: Load) -> list[JobHistory]:
    """Return the history of every job, with the outcome of the undisturbed job like it."""
    histories = [history for round_load in (load, undisturbed) for history in evidence.histories(round_load)]
    expected = {
        history.asked.likeness: history.outcome
        for history in histories
        if history.asked.request_id in undisturbed.tried
    }
    return [replace(history, expected=expected[history.asked.likeness]) for history in histories]


def _broken_rules(histories: Sequence[JobHistory]) -> list[str]:
    return [
        f"{history.job.name} ({history.asked.kind}): {violation}"
        for history in histories
        for check in CHECKS
        for violation in check(history)
    ]


def uninvited(jobs: Sequence[Job], asked: Collection[str]) -> list[str]:
    """Return a line for each job that was not requested, and for each request that made two."""
    requests = [job.request_id for job in jobs]
    return [f"{job.name} was not requested" for job in jobs if job.request_id not in asked] + [
        f"request {request} made {requests.count(request)} jobs"
        for request in set(requests)
        if requests.count(request) > 1
    ]


def _leftovers(cluster: Cluster, jobs: list[Job]) -> list[str]:
    connection = cluster.redis.connection
    return [
        *leftovers.left_in_redis(connection),
        *leftovers.unseen(connection, [worker.name for worker in cluster.workers]),
        *leftovers.needless_blobs(connection, jobs),
        *leftovers.left_in_blobs(connection, BlobStore(cluster.artifacts_url)),
        *leftovers.left_of_processes(cluster.home, expected=[part.pid for part in cluster.parts]),
    ]


def _after_the_end(cluster: Cluster) -> list[str]:
    """Stop everything in order; return what remains, and which parts end badly."""
    stopped = [*cluster.services, *cluster.workers]
    for part in stopped:
        part.terminate()
    for part in stopped:
        part.wait_until_gone()
    codes = [f"{part.title} ended with exit code {part.exit_code} when told to" for part in stopped if part.exit_code]
    leader = [] if cluster.redis.connection.get(KEYS["leader"]) is None else ["there is a leader, and no process"]
    cluster.redis.end()
    for part in cluster.artifacts.parts:
        part.kill()
    return [*codes, *leader, *leftovers.left_of_processes(cluster.home, expected=[])]
