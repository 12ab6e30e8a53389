"""The command line's commands and groups."""

from importlib.metadata import version
from typing import Annotated

import typer

from convscope.client.cli import datasets, demo, evaluate, images, jobs, launch, models, train, visualize, workers
from convscope.client.cli.faults import Commands
from convscope.client.cli.help import Command
from convscope.client.cli.options import Address, Json, Settings

__all__ = ["app"]

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:  # noqa: FBT001  typer passes it so
    if value:
        typer.echo(f"convscope {version('convscope')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", metavar="", callback=_print_version, is_eager=True, help="Print the version.")
]


@app.callback()
def convscope(
    ctx: typer.Context,
    *,
    address: Address = None,
    json: Json = False,
    version: Version = False,
) -> None:
    """A microscope for convolutional networks: train, evaluate, and see what every feature likes to see.

    [bold]convscope demo[/] shows it all in a few minutes.

    [bold]convscope up[/] runs a server on this machine; the other commands talk to the one at --address.
    """
    ctx.obj = Settings(address=address, json=json)


app.command(cls=Command, rich_help_panel="Start here")(demo.demo)
for _command in (train.train, evaluate.evaluate, visualize.visualize):
    app.command(cls=Command, rich_help_panel="Work")(_command)
_groups = {"jobs": jobs.app, "images": images.app, "models": models.app, "datasets": datasets.app}
for _name, _group in _groups.items():
    app.add_typer(_group, name=_name, rich_help_panel="Look")
app.command(cls=Command, rich_help_panel="Look")(workers.workers)
app.command(cls=Command, rich_help_panel="Look")(workers.status)
launch.register(app, panel="Run servers")
