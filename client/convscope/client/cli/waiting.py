"""Waiting for a job at the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import typer

from convscope.client.cli.faults import report
from convscope.client.cli.output import print_json
from convscope.client.jobs import Job

__all__ = ["await_result", "leave", "saving"]

R = TypeVar("R")


def await_result(job: Job[R], *, detach: bool, json: bool) -> R:
    """The job's result, with a progress bar; leaves at once with the job's name if detached.

    Ctrl-C leaves the job alone, and says so.
    """
    if detach:
        print_json({"job": job.name, "model": job.model}) if json else typer.echo(job.name)
        raise typer.Exit
    try:
        return job.result(progress=not json)
    except KeyboardInterrupt:
        leave(job)
        raise


@contextmanager
def saving(job: Job[Any]) -> Iterator[None]:
    """Says, where files cannot be saved, that the images are there all the same."""
    try:
        yield
    except OSError:
        report(f"{job.name} has succeeded; save its images: convscope images export {job.name} FOLDER")
        raise


def leave(job: Job[Any]) -> None:
    """Says that the job goes on, and what can be done about it."""
    report(f"{job.name} goes on; watch it: convscope jobs watch {job.name}; stop it: convscope jobs cancel {job.name}")
