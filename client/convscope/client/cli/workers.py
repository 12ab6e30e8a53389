"""``convscope workers`` and ``convscope status``."""

from collections import Counter
from typing import Annotated

import typer

from convscope.client.cli.options import Address, Json, one_of, settings_of
from convscope.client.cli.output import console, details, print_json, table, when
from convscope.client.client import Client
from convscope.client.enums import Device, JobState, WorkerState
from convscope.client.resources import Worker

__all__ = ["status", "workers"]

# Jobs that are counted at most: an exact count could take long.
_MAX_JOBS = 1_000


def workers(
    ctx: typer.Context,
    *,
    devices: Annotated[list[Device] | None, one_of("device", Device)] = None,
    states: Annotated[list[WorkerState] | None, one_of("state", WorkerState)] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """List the workers that are alive, and what each of them does."""
    settings = settings_of(ctx, address, json=json)
    rows = table("worker", "host", "device", "state", "job", ">part", "version", "heard of")
    with settings.client() as client:
        for worker in client.workers(devices=devices or (), states=states or ()):
            if settings.json:
                print_json(worker)
            part = str(worker.part) if worker.job else ""
            state = f"{worker.state}, warm" if worker.warm else str(worker.state)
            name = worker.name.removeprefix("workers/")
            cells = (worker.job, part, worker.version, when(worker.heartbeat_time))
            rows.add_row(name, worker.host, worker.device, state, *cells)
    if not settings.json:
        filtered = devices or states
        console().print(
            rows if rows.row_count else "no such workers" if filtered else "no workers; start one: convscope worker"
        )


def status(ctx: typer.Context, *, address: Address = None, json: Json = False) -> None:
    """Show what the server does: its workers, and the jobs that wait or run."""
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        info = client.info()
        versions = {"version": info.version, "contract": str(info.contract)}
        summary = {**versions, **_worker_counts(list(client.workers())), **_job_counts(client)}
    if settings.json:
        print_json({"server": client.address, **summary})
        return
    rows = details("server", client.address)
    for name, value in summary.items():
        rows.add_row(name.replace("_", " "), value if isinstance(value, str) else f"{value:,}")
    console().print(rows)


def _worker_counts(workers: list[Worker]) -> dict[str, int | str]:
    states = Counter(worker.state for worker in workers)
    devices = Counter(worker.device for worker in workers if worker.state is not WorkerState.SILENT)
    by_device = ", ".join(f"{count} {device}" for device, count in sorted(devices.items()))
    busy, silent = states[WorkerState.BUSY], states[WorkerState.SILENT]
    return {"workers": by_device or "none", "workers_busy": busy, "workers_silent": silent}


def _job_counts(client: Client) -> dict[str, int | str]:
    counts: dict[str, int | str] = {}
    for state in (JobState.RUNNING, JobState.QUEUED, JobState.WAITING):
        count = sum(1 for _, _job in zip(range(_MAX_JOBS), client.jobs(states=state), strict=False))
        counts[f"jobs_{state}"] = f"{_MAX_JOBS:,} or more" if count == _MAX_JOBS else count
    return counts
