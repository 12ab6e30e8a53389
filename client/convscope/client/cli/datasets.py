"""``convscope datasets``."""

from typing import Annotated

import typer

from convscope.client.cli.help import Command, Group
from convscope.client.cli.options import Address, Json, name_of, settings_of
from convscope.client.cli.output import console, print_json, table

__all__ = ["app"]

app = typer.Typer(cls=Group, no_args_is_help=True, help="List and show datasets.")


@app.command("list", cls=Command)
def list_datasets(ctx: typer.Context, *, address: Address = None, json: Json = False) -> None:
    """List datasets."""
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        datasets = list(client.datasets())
    rows = table("dataset", "images", ">classes", ">examples", "title")
    for dataset in datasets:
        if settings.json:
            print_json(dataset)
        shape, examples = "x".join(map(str, dataset.image_shape)), f"{sum(dataset.splits.values()):,}"
        rows.add_row(dataset.name, shape, str(len(dataset.classes)), examples, dataset.title)
    if not settings.json:
        console().print(rows)


@app.command(cls=Command)
def show(
    ctx: typer.Context,
    *,
    name: Annotated[str, name_of("dataset")],
    address: Address = None,
    json: Json = False,
) -> None:
    """Show a dataset."""
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        dataset = client.dataset(name)
    if settings.json:
        print_json(dataset)
        return
    out = console()
    out.print(f"[bold]{dataset.name}[/]  {dataset.title}")
    out.print(f"images: {'x'.join(map(str, dataset.image_shape))}; classes: {', '.join(dataset.classes)}")
    out.print("; ".join(f"{split}: {examples:,}" for split, examples in dataset.splits.items()))
    out.print(f"source: {dataset.source}", markup=False)
