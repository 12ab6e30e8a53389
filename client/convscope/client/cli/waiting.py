"""Waiting for a job, and for files of its result, at the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import typer

from convscope.client.bars import Bar
from convscope.client.cli.faults import report
from convscope.client.cli.files import Step
from convscope.client.cli.output import print_json
from convscope.client.job_info import JobInfo
from convscope.client.jobs import Job

__all__ = ["await_result", "leave", "saving", "steps"]

R = TypeVar("R")


def await_result(job: Job[R], *, detach: bool, json: bool) -> R:
    """Return the job's result, with its name and a progress bar on stderr; exit at once with the name if detached.

    Of a job that was only validated, the estimate is printed instead. Ctrl-C leaves the job running, and says so.
    """
    if not job.name:
        print_json(job.info) if json else typer.echo(_preview(job.info))
        raise typer.Exit
    if detach:
        print_json({"job": job.name, "model": job.model}) if json else typer.echo(job.name)
        raise typer.Exit
    if not json:
        typer.echo(f"submitted {job.name}", err=True)
    try:
        return job.result(progress=not json)
    except KeyboardInterrupt:
        leave(job)
        raise


def _preview(info: JobInfo) -> str:
    """Return what a job would take, as ``would take 3 parts, about 12 s of one worker and 4 MB``."""
    if info.estimate is None:
        return f"would wait for {info.model}; what it takes can be said when that is made"
    parts = "1 part" if info.estimate.part_count == 1 else f"{info.estimate.part_count} parts"
    size = f"{info.estimate.stored_bytes / 1e6:,.1f} MB"
    return f"would take {parts}, about {info.estimate.compute_seconds:,.0f} s of one worker, and store {size}"


@contextmanager
def saving(job: Job[Any]) -> Iterator[None]:
    """Say, where files cannot be saved, that the server still has the images."""
    try:
        yield
    except OSError:
        report(f"{job.name} has succeeded; save its images: convscope images export {job.name} FOLDER")
        raise


@contextmanager
def steps(title: str, *, silent: bool) -> Iterator[Step | None]:
    """Yield a function to call as each step of some work begins, which moves a bar on stderr; None if silent."""
    if silent:
        yield None
        return
    with Bar(title) as bar:
        yield lambda number, total, name: bar.count(number - 1, total, f"{number}/{total} {name}")
        bar.end()


def leave(job: Job[Any]) -> None:
    """Say that the job keeps running, and what can be done about it."""
    watch, cancel = (f"convscope jobs {verb} {job.name}" for verb in ("watch", "cancel"))
    report(f"{job.name} keeps running; watch it: {watch}; stop it: {cancel}")
