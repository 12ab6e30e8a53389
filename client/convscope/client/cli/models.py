"""`convscope models`."""

from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from convscope.client.cli.help import Command, Group
from convscope.client.cli.options import Address, Json, Limit, name_of, one_of, settings_of
from convscope.client.cli.output import console, plain, print_deleted, print_json, table, when
from convscope.client.enums import ModelState
from convscope.client.naming import model_name
from convscope.client.resources import Model

__all__ = ["app"]

app = typer.Typer(cls=Group, no_args_is_help=True, help="List, show, export and delete models.")

Name = Annotated[str, name_of("model")]


@app.command("list", cls=Command)
def list_models(
    ctx: typer.Context,
    *,
    states: Annotated[list[ModelState] | None, one_of("state", ModelState)] = None,
    limit: Limit = 50,
    address: Address = None,
    json: Json = False,
) -> None:
    """List models, newest first."""
    settings = settings_of(ctx, address, json=json)
    rows = table("model", "state", "dataset", ">steps", ">weights", "created")
    with settings.client() as client:
        for _, model in zip(range(limit), client.models(states=states or ()), strict=False):
            if settings.json:
                print_json(_without_history(model))
            figures = (f"{model.step:,}", f"{model.parameter_count:,}", when(model.create_time))
            rows.add_row(model.name, model.state, model.dataset, *figures)
    if not settings.json:
        console().print(rows if rows.row_count else "no models")


@app.command(cls=Command)
def show(ctx: typer.Context, *, name: Name, address: Address = None, json: Json = False) -> None:
    """Show a model and its layers."""
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        model = client.model(name)
    print_json(model) if settings.json else _print(model)


@app.command(cls=Command)
def export(
    ctx: typer.Context,
    *,
    name: Name,
    path: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="File to write. [dim]Default: ID.keras here.[/]")
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Save a model as a Keras file, checked against its SHA-256."""
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        model = model_name("model", name)
        file = client.export_model(model, path or Path(f"{model.removeprefix('models/')}.keras"))
    if settings.json:
        data = file.read_bytes()
        print_json({"model": model, "file": file, "sha256": sha256(data).hexdigest(), "size_bytes": len(data)})
    else:
        typer.echo(file)


@app.command(cls=Command)
def delete(ctx: typer.Context, *, name: Name, address: Address = None, json: Json = False) -> None:
    """Delete a model."""
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        model = model_name("model", name)
        client.delete_model(model)
    print_deleted(model, json=settings.json)


def _without_history(model: Model) -> dict[str, object]:
    return {name: value for name, value in plain(model).items() if name != "history"}


def _print(model: Model) -> None:
    out = console()
    out.print(f"[bold]{model.name}[/]  {model.state}, {model.step:,} steps on {model.dataset}")
    origin = f"made by {model.lineage.job}" + (f" from {model.lineage.parent}" if model.lineage.parent else "")
    out.print(f"{origin}, {when(model.create_time)}")
    if len(model.history):
        out.print(f"last report: loss {model.history.loss[-1]:.4f}, accuracy {model.history.batch_accuracy[-1]:.1%}")
    rows = table("layer", "kind", "output", ">features", ">weights")
    for layer in model.layers:
        shape = "x".join(map(str, layer.output_shape))
        rows.add_row(layer.name, layer.kind, shape, str(layer.feature_count or ""), f"{layer.parameter_count:,}")
    out.print(rows)
