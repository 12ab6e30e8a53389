"""Options that every command has, and what they mean to a command."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from convscope.client.client import Client
from convscope.client.enums import Device, Priority

__all__ = [
    "Address",
    "Detach",
    "DeviceOption",
    "Folder",
    "Json",
    "Limit",
    "OldestFirst",
    "PriorityOption",
    "RequestId",
    "Seed",
    "Settings",
    "name_of",
    "one_of",
    "settings_of",
]

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
        help="How soon it is taken up: low, normal or high. [dim]Default: normal.[/]",
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
Folder = Annotated[Path, typer.Option("--output", metavar="DIR", help="Folder for the files; made if need be.")]


def name_of(resource: str) -> Any:
    """The argument that names a job, model or dataset."""
    return typer.Argument(metavar=resource.upper(), help=f"Name of the {resource}, {resource}s/ID or ID.")


def one_of(what: str, kind: type[StrEnum]) -> Any:
    """The option of a listing that leaves out what has another state or kind."""
    return typer.Option(f"--{what}", metavar=what.upper(), help=f"Only {', '.join(kind)}; may be repeated.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the server is, and whether to print JSON."""

    address: str | None
    json: bool

    def client(self) -> Client:
        """A client of the chosen server."""
        return Client(self.address)


def settings_of(ctx: typer.Context, address: str | None, *, json: bool) -> Settings:
    """What was said after the command, else what was said before it."""
    above = ctx.find_object(Settings) or Settings(address=None, json=False)
    return Settings(address=address or above.address, json=json or above.json)
