"""``convscope jobs``."""

from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from convscope.client.cli.help import Command, Group
from convscope.client.cli.layers import features_text
from convscope.client.cli.options import (
    Address,
    Json,
    Limit,
    OldestFirst,
    file_to_write,
    labels_of,
    name_of,
    one_of,
    settings_of,
)
from convscope.client.cli.output import console, details, print_deleted, print_json, table, when
from convscope.client.cli.waiting import leave
from convscope.client.enums import JobKind, JobState
from convscope.client.errors import JobCancelled, JobFailed
from convscope.client.events import Event, Finished
from convscope.client.examples import Example
from convscope.client.job_info import JobInfo
from convscope.client.jobs import Job
from convscope.client.progress import describe
from convscope.client.saving import is_stdout

__all__ = ["app"]

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="List, show, watch, cancel and delete jobs; list an evaluation's mistakes; save files.",
)

Name = Annotated[str, name_of("job")]


@app.command("list", cls=Command)
def list_jobs(
    ctx: typer.Context,
    *,
    states: Annotated[list[JobState] | None, one_of("state", JobState)] = None,
    kinds: Annotated[list[JobKind] | None, one_of("kind", JobKind)] = None,
    labels: Annotated[
        list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="Only with this; may be repeated.")
    ] = None,
    oldest_first: OldestFirst = False,
    limit: Limit = 50,
    address: Address = None,
    json: Json = False,
) -> None:
    """List jobs."""
    settings = settings_of(ctx, address, json=json)
    rows = table("job", "kind", "state", ">parts", "makes", "created")
    with settings.client() as client:
        jobs = client.jobs(
            states=states or (), kinds=kinds or (), labels=labels_of(labels), newest_first=not oldest_first
        )
        for job in islice(jobs, limit):
            info = job.info
            if settings.json:
                print_json(info)
            parts = info.estimate.part_count if info.estimate else 1
            ended = f"{info.ended_part_count}/{parts}" if parts > 1 else ""
            rows.add_row(info.name, info.kind, info.state, ended, info.model, when(info.create_time))
    if not settings.json:
        console().print(rows if rows.row_count else "no jobs")


@app.command(cls=Command)
def show(ctx: typer.Context, *, name: Name, address: Address = None, json: Json = False) -> None:
    """Show how a job stands."""
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        info = client.job(name).info
    print_json(info) if settings.json else _print(info)


@app.command(cls=Command)
def watch(
    ctx: typer.Context,
    *,
    name: Name,
    after: Annotated[int, typer.Option(min=0, metavar="N", help="Only events after this sequence number.")] = 0,
    after_token: Annotated[
        str,
        typer.Option(
            metavar="TOKEN",
            help="The log_token of that event in --json: fails if the server has lost it since. "
            "[dim]Default: not checked.[/]",
        ),
    ] = "",
    address: Address = None,
    json: Json = False,
) -> None:
    """Print a job's events as they happen, until it ends."""
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        job = client.job(name)
        try:
            for event in job.watch(after, after_token=after_token):
                _print_event(event, json=settings.json)
                if isinstance(event, Finished):
                    _raise_failure(job, event)
        except KeyboardInterrupt:
            leave(job)
            raise


@app.command(cls=Command)
def files(ctx: typer.Context, *, name: Name, address: Address = None, json: Json = False) -> None:
    """List a job's files."""
    settings = settings_of(ctx, address, json=json)
    rows = table("file", "type", ">bytes", "created")
    with settings.client() as client:
        for file in client.job(name).files():
            if settings.json:
                print_json(file)
            rows.add_row(file.basename, file.media_type, f"{file.digest.size_bytes:,}", when(file.create_time))
    if not settings.json:
        console().print(rows if rows.row_count else "no files")


@app.command(cls=Command)
def examples(ctx: typer.Context, *, name: Name, limit: Limit = 50, address: Address = None, json: Json = False) -> None:
    """List the examples that an evaluation got wrong, of those that it kept."""
    settings = settings_of(ctx, address, json=json)
    rows = table(">example", ">true class", ">taken for", ">probability")
    with settings.client() as client:
        for example in islice(client.job(name).examples(image_format="none"), limit):
            if settings.json:
                print_json(_plain_example(example))
            rows.add_row(*_example_row(example))
    if not settings.json:
        console().print(rows if rows.row_count else "no examples")


@app.command(cls=Command)
def download(
    ctx: typer.Context,
    *,
    name: Name,
    file: Annotated[str, typer.Argument(metavar="NAME", help="Name of the file, as `files` lists it.")],
    path: Annotated[Path | None, file_to_write("of this name, here")] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Save one of a job's files, checked against its SHA-256."""
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        job = client.job(name)
        saved = job.save_file(file, path)
    if is_stdout(saved):
        return
    if settings.json:
        print_json({"job": job.name, "file": saved})
    else:
        typer.echo(saved)


@app.command(cls=Command)
def cancel(ctx: typer.Context, *, name: Name, address: Address = None, json: Json = False) -> None:
    """Ask a job to stop."""
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        info = client.job(name).cancel()
    if settings.json:
        print_json(info)
    else:
        typer.echo(f"{info.name}: {info.state if info.state.is_terminal else 'asked to stop'}")


@app.command(cls=Command)
def delete(ctx: typer.Context, *, name: Name, address: Address = None, json: Json = False) -> None:
    """Delete a job that has ended; the model that it created stays."""
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        job = client.job(name)
        job.delete()
    print_deleted(job.name, json=settings.json)


def _example_row(example: Example) -> tuple[str, ...]:
    return (
        str(example.index),
        str(example.true_class),
        str(example.predicted_class),
        f"{example.probability:.1%}",
    )


def _plain_example(example: Example) -> dict[str, object]:
    """Return what is known of an example, without its image."""
    return {name: getattr(example, name) for name in ("index", "true_class", "predicted_class", "probability")}


def _print_event(event: Event, *, json: bool) -> None:
    if json:
        print_json({"event": type(event).__name__, **_plain_event(event)})
    else:
        time = event.time.astimezone().strftime("%H:%M:%S")
        typer.echo(f"{event.sequence:>5}  {time}  {describe(event)}")


def _plain_event(event: Event) -> dict[str, object]:
    return {name: getattr(event, name) for name in event.__dataclass_fields__}


def _raise_failure(job: Job[object], event: Finished) -> None:
    """Raise the error of a watch that ended badly, so that it fails like any other command."""
    message = event.failure.message if event.failure else ""
    if event.state is JobState.CANCELLED:
        raise JobCancelled(job.name, message)
    if event.state is JobState.FAILED:
        raise JobFailed(job.name, (event.failure and event.failure.reason) or "unknown", message)


def _print(info: JobInfo) -> None:
    rows = details("job", info.name)
    for fact, value in _facts(info).items():
        if value:
            rows.add_row(fact, value)
    for field, setting in info.spec.items():
        if field == "model":  # already shown above
            continue
        rows.add_row(field, _chosen(setting) if field == "selections" else str(setting))
    console().print(rows)


def _facts(info: JobInfo) -> dict[str, str]:
    """Return the facts shown of a job beside its spec; an empty one is left out."""
    parts = info.estimate.part_count if info.estimate else 1
    return {
        "name": info.display_name,
        "kind": info.kind,
        "state": info.state + (" (asked to stop)" if info.cancel_requested else ""),
        "waiting": str(info.waiting or ""),
        "model": info.model,
        "priority": info.priority,
        "device": info.device,
        "labels": " ".join(f"{name}={value}" for name, value in info.labels.items()),
        "timeout": "" if info.timeout is None else f"{info.timeout:g} s",
        "parts": f"{info.ended_part_count} of {parts} done" if parts > 1 else "",
        "created": when(info.create_time),
        "started": when(info.start_time),
        "ended": when(info.end_time),
        "failure": info.failure.message if info.failure else "",
    }


def _chosen(selections: list[dict[str, Any]]) -> str:
    """Return the layers and features of a visualization as ``visualize`` takes them: a model may have thousands."""
    chosen = [(layer.get("name", ""), layer.get("list", {}).get("indices", ())) for layer in selections]
    return " ".join(f"{layer}:{features_text(features)}" for layer, features in chosen)
