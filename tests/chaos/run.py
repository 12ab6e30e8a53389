"""A run: an undisturbed round of jobs, then faults while jobs go on, then healing, then every check."""

import random
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from chaos import leftovers, results
from chaos.calls import Calls, open_connections
from chaos.checks import CHECKS
from chaos.cluster import Cluster, running_cluster
from chaos.faults import Blow, Fault, Faults
from chaos.history import JobHistory
from chaos.load import RECIPES, Load
from convscope.store import BlobStore
from convscope.store.redis.keys import KEYS
from convscope.v1.jobs_pb2 import Job

__all__ = ["Outcome", "Plan", "run", "uninvited"]

# How long jobs may take to end once nothing disturbs them any more, in seconds.
SETTLE_S = 180.0

# The two rounds of jobs, by which their random choices differ.
ROUNDS = ("undisturbed", "jobs")

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
    """

    seed: int
    seconds: float
    most_faults: int = 1_000_000
    pause_s: tuple[float, float] = (1.0, 7.0)
    recipes: Sequence[str] = tuple(RECIPES)
    open_jobs: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened, and what contradicts the rules."""

    plan: Plan
    faults: list[Fault]
    blows: list[Blow]
    histories: list[JobHistory]
    resumed_watches: int
    checks: int
    violations: list[str]


def run(plan: Plan, tell: Callable[[str], object], *, keep: bool = False) -> Outcome:
    """Do it all; ``tell`` is called with a line for each thing that happens."""
    with ExitStack() as stack:
        cluster = stack.enter_context(running_cluster(keep=keep))
        started = time.monotonic()

        def told(text: str) -> None:
            tell(f"{time.monotonic() - started:7.1f} s  {text}")

        told(f"seed {plan.seed}; everything runs in {cluster.home}")
        told("worker 2 is at the end of a wire" if cluster.wire else "no wire: network namespaces are not permitted")
        loads = [
            Load(cluster.addresses, random.Random(f"{plan.seed} {name}"), plan.recipes, plan.open_jobs)
            for name in ROUNDS
        ]
        undisturbed, load = (stack.enter_context(closing(each)) for each in loads)
        undisturbed.submit_each()
        told(f"{len(undisturbed.submitted)} jobs undisturbed")
        faults = Faults(
            cluster,
            random.Random(f"{plan.seed} faults"),
            lambda fault: told(f"{fault.kind}: {fault.target}" + (f", {fault.seconds} s" if fault.seconds else "")),
        )
        load.start()
        _disturb(plan, cluster, faults)
        faults.repair_all()  # first: what the load has under way may wait for it
        load.stop()
        told(f"healed; {sum(each.watcher.is_alive() for each in load.submitted)} jobs have not ended")
        _settle(cluster, [undisturbed, load])
        told("settled")
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


def _settle(cluster: Cluster, loads: list[Load]) -> None:
    """Wait until all jobs have ended and all parts work, within bounds; who has not ended by then is told later."""
    deadline = time.monotonic() + SETTLE_S
    for load in loads:
        for each in load.submitted:
            while each.watcher.is_alive() and time.monotonic() < deadline:
                cluster.note_deaths()
                each.watcher.join(0.5)
    cluster.wait_until_ready()


def _judge(plan: Plan, cluster: Cluster, undisturbed: Load, load: Load, faults: Faults) -> Outcome:
    violations = list(cluster.ended)
    connections = open_connections(cluster.addresses)
    calls = Calls(connections)
    jobs = results.list_jobs(calls)
    histories = [*_histories(calls, jobs, load, violations), *_histories(calls, jobs, undisturbed, violations)]
    expected = {each.asked.likeness: each.found for each in histories if each.asked.request_id in undisturbed.tried}
    histories = [replace(each, expected=expected[each.asked.likeness]) for each in histories]
    checks = 0
    for history in histories:
        for check in CHECKS:
            checks += 1
            violations += [f"{history.job.name} ({history.asked.kind}): {each}" for each in check(history)]
    violations += uninvited(jobs, {**undisturbed.tried, **load.tried})
    violations += _leftovers(cluster, jobs)
    for each in (undisturbed, load):
        each.close()
    for connection in connections:
        connection.close()
    violations += _after_the_end(cluster)
    return Outcome(
        plan=plan,
        faults=faults.made,
        blows=faults.blows,
        histories=histories,
        resumed_watches=sum(each.watcher.resumed for each in load.submitted),
        checks=checks + 7,
        violations=violations,
    )


def _histories(calls: Calls, jobs: list[Job], load: Load, violations: list[str]) -> list[JobHistory]:
    """Read everything back: jobs that were acknowledged, and those that were made without the client hearing of it."""
    by_request = {job.request_id: job for job in jobs}
    acknowledged = {each.asked.request_id: each for each in load.submitted}
    found = []
    for request_id, asked in load.tried.items():
        submitted = acknowledged.get(request_id)
        listed = by_request.get(request_id)
        if listed is None:
            if submitted:
                violations.append(f"{submitted.job.name} was acknowledged and does not exist")
            continue
        if submitted and submitted.job.name != listed.name:
            violations.append(f"{submitted.job.name} was acknowledged, but its request made {listed.name}")
        job = results.read_job(calls, listed.name)
        if not job.HasField("end_time"):
            violations.append(f"{job.name} ({asked.kind}) has not ended: {str(listed)[:300]}")
            continue
        log = results.read_log(calls, job)
        needed = by_request.get(asked.needs)
        found.append(
            JobHistory(
                asked=asked,
                job=job,
                log=log,
                watched=submitted.watcher.events if submitted else log,
                complaints=submitted.watcher.complaints if submitted else [],
                cancelled=bool(submitted and submitted.cancelled),
                found=results.found_by(calls, job, log),
                parts=results.parts_of(calls, job),
                needs_state=needed.state if needed else 0,
            )
        )
    return found


def uninvited(jobs: Sequence[Job], asked: Collection[str]) -> list[str]:
    """Jobs that nobody asked for, and requests that made two."""
    requests = [job.request_id for job in jobs]
    return [f"nobody asked for {job.name}" for job in jobs if job.request_id not in asked] + [
        f"request {request} made {requests.count(request)} jobs"
        for request in set(requests)
        if requests.count(request) > 1
    ]


def _leftovers(cluster: Cluster, jobs: list[Job]) -> list[str]:
    connection = cluster.redis.connection
    return [
        *leftovers.left_in_redis(connection),
        *leftovers.deaf(connection, [worker.name for worker in cluster.workers]),
        *leftovers.needless_blobs(connection, jobs),
        *leftovers.left_in_blobs(connection, BlobStore(cluster.artifacts_url)),
        *leftovers.left_of_processes(cluster.home, expected=[part.pid for part in cluster.parts]),
    ]


def _after_the_end(cluster: Cluster) -> list[str]:
    """Stop everything in order; nothing remains, and every part ends well."""
    stopped = [*cluster.services, *cluster.workers]
    for part in stopped:
        part.terminate()
    for part in stopped:
        part.wait_until_gone()
    codes = [f"{part.title} ended with exit code {part.exit_code} when told to" for part in stopped if part.exit_code]
    leader = [] if cluster.redis.connection.get(KEYS["leader"]) is None else ["there is a leader, and no process"]
    cluster.redis.end()
    return [*codes, *leader, *leftovers.left_of_processes(cluster.home, expected=[])]
