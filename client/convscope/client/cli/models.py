"""``convscope models``."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from convscope.client.cli.help import Command, Group
from convscope.client.cli.options import Address, Json, Limit, OldestFirst, file_to_write, name_of, one_of, settings_of
from convscope.client.cli.output import console, plain, print_deleted, print_json, table, when
from convscope.client.client import Client
from convscope.client.enums import ModelState
from convscope.client.errors import DataLoss
from convscope.client.history import History
from convscope.client.naming import model_name
from convscope.client.resources import Model
from convscope.client.saving import is_stdout

__all__ = ["app"]

app = typer.Typer(cls=Group, no_args_is_help=True, help="List, show, export and delete models.")

Name = Annotated[str, name_of("model")]

# Facts that only ``show`` prints.
_NOT_LISTED = {"layers", "lineage"}


@app.command("list", cls=Command)
def list_models(
    ctx: typer.Context,
    *,
    states: Annotated[list[ModelState] | None, one_of("state", ModelState)] = None,
    datasets: Annotated[
        list[str] | None, typer.Option("--dataset", metavar="NAME", help="Only trained on this; may be repeated.")
    ] = None,
    oldest_first: OldestFirst = False,
    limit: Limit = 50,
    address: Address = None,
    json: Json = False,
) -> None:
    """List models."""
    settings = settings_of(ctx, address, json=json)
    rows = table("model", "state", "dataset", ">steps", ">weights", "created")
    with settings.client() as client:
        models = client.models(states=states or (), datasets=datasets or (), newest_first=not oldest_first)
        for model in islice(models, limit):
            if settings.json:
                print_json(_listed(model))
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
        history = _history(client, name)
    print_json({**plain(model), "history": history}) if settings.json else _print(model, history)


@app.command(cls=Command)
def export(
    ctx: typer.Context,
    *,
    name: Name,
    path: Annotated[Path | None, file_to_write("ID.keras here")] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Save a model as a Keras file, checked against its SHA-256."""
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        model = model_name("model", name)
        digest = client.model(model).digest if settings.json else None
        file = client.export_model(model, path or Path(f"{model.removeprefix('models/')}.keras"))
    if is_stdout(file):
        return
    if digest:
        print_json({"model": model, "file": file, "sha256": digest.sha256, "size_bytes": digest.size_bytes})
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


def _listed(model: Model) -> dict[str, object]:
    """Return the facts of a model that a listing has."""
    return {name: value for name, value in plain(model).items() if name not in _NOT_LISTED}


def _history(client: Client, name: str) -> History | None:
    """Return the training curve of a model; None where it is damaged, which does not affect the model."""
    try:
        return client.history(name)
    except DataLoss:
        return None


def _print(model: Model, history: History | None) -> None:
    out = console()
    out.print(f"[bold]{model.name}[/]  {model.state}, {model.step:,} steps on {model.dataset}")
    origin = f"made by {model.lineage.job}" + (f" from {model.lineage.parent}" if model.lineage.parent else "")
    out.print(f"{origin}, {when(model.create_time)}")
    if history is None:
        out.print("its training curve is damaged")
    elif len(history):
        out.print(f"last report: loss {history.loss[-1]:.4f}, accuracy {history.batch_accuracy[-1]:.1%}")
    rows = table("layer", "kind", "output", ">features", ">weights")
    for layer in model.layers:
        shape = "x".join(map(str, layer.output_shape))
        rows.add_row(layer.name, layer.kind, shape, str(layer.feature_count or ""), f"{layer.parameter_count:,}")
    out.print(rows)
