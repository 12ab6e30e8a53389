"""Options that the commands share, and what they mean."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from convscope.client.client import Client
from convscope.client.enums import Device, Priority
from convscope.client.errors import InvalidValue

__all__ = [
    "Address",
    "Detach",
    "DeviceOption",
    "DryRun",
    "Folder",
    "Json",
    "Labels",
    "Limit",
    "Name",
    "OldestFirst",
    "PriorityOption",
    "RequestId",
    "Seed",
    "Settings",
    "Timeout",
    "file_to_write",
    "labels_of",
    "name_of",
    "one_of",
    "settings_of",
]

_STDOUT = Path("/dev/stdout")

Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="ADDRESS",
        help="The server, HOST:PORT or unix:/PATH. [dim]Default: CONVSCOPE_ADDRESS, else localhost:50051.[/]",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", metavar="", help="Print JSON for programs; one object per line where there are many.")
]
Detach = Annotated[bool, typer.Option("--detach", metavar="", help="Submit, print the job's name, and do not wait.")]
Seed = Annotated[
    int, typer.Option(min=0, metavar="N", help="The same seed gives the same bits on the same kind of machine.")
]
RequestId = Annotated[
    str | None, typer.Option(metavar="ID", help="Makes the submission safe to repeat: the same id is the same job.")
]
Limit = Annotated[int, typer.Option(min=1, metavar="N", help="At most this many.")]
OldestFirst = Annotated[
    bool, typer.Option("--oldest-first", metavar="", help="Begin with the oldest, not with the newest.")
]
PriorityOption = Annotated[
    Priority | None,
    typer.Option(
        "--priority",
        metavar="PRIORITY",
        help="How soon it is started: low, normal or high. [dim]Default: normal.[/]",
    ),
]
DeviceOption = Annotated[
    Device | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="What it is to run on: any, cpu or gpu. [dim]Default: any.[/]",
    ),
]
Name = Annotated[str, typer.Option("--name", metavar="NAME", help="What people call the job.")]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="NAME=VALUE", help="What programs find the job by; may be repeated."),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", help="How long the job may run; then it fails. [dim]Default: as long as it takes.[/]"
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", metavar="", help="Only check the job, and print an estimate of what it would take."),
]
Folder = Annotated[Path, typer.Option("--output", metavar="DIR", help="Folder for the files; created if missing.")]


def name_of(resource: str) -> Any:
    """Return the argument that names a job, model or dataset."""
    return typer.Argument(metavar=resource.upper(), help=f"Name of the {resource}, {resource}s/ID or ID.")


def file_to_write(default: str) -> Any:
    """Return the argument that names a file to save something in; ``-`` is the standard output."""
    return typer.Argument(
        metavar="FILE",
        callback=lambda path: _STDOUT if path == Path("-") else path,
        help=f"File to write; - is the standard output. [dim]Default: {default}.[/]",
    )


def labels_of(given: list[str] | None) -> dict[str, str]:
    """Return the labels of ``NAME=VALUE``; what has no ``=`` has an empty value.

    Raises:
        InvalidValue: A name is given twice.
    """
    labels: dict[str, str] = {}
    for text in given or ():
        name, _, value = text.partition("=")
        if name in labels:
            raise InvalidValue(f"labels: {name!r} is given twice")
        labels[name] = value
    return labels


def one_of(what: str, kind: type[StrEnum]) -> Any:
    """Return the option of a listing that keeps only items of the given states or kinds."""
    return typer.Option(f"--{what}", metavar=what.upper(), help=f"Only {', '.join(kind)}; may be repeated.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the server is, and whether to print JSON."""

    address: str | None
    json: bool

    def client(self) -> Client:
        """Return a client of the chosen server."""
        return Client(self.address)


def settings_of(ctx: typer.Context, address: str | None, *, json: bool) -> Settings:
    """Return the settings given after the command, else those given before it."""
    above = ctx.find_object(Settings) or Settings(address=None, json=False)
    return Settings(address=address or above.address, json=json or above.json)
