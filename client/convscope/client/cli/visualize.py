"""`convscope visualize`."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from convscope.client.cli.files import save_grids, save_images
from convscope.client.cli.layers import parse_layers
from convscope.client.cli.options import Address, Detach, Folder, Json, RequestId, Seed, settings_of
from convscope.client.cli.output import console, print_json, table
from convscope.client.cli.waiting import await_result
from convscope.client.results import VisualizeResult

__all__ = ["visualize"]


def visualize(
    ctx: typer.Context,
    *,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model; it may still be in training.")],
    layers: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            "-l",
            metavar="LAYER[:FEATURES]",
            help="A layer's name or index among the convolutions, and features as in 0-7,9; may be repeated. "
            "[dim]Default: every feature of every layer.[/]",
        ),
    ] = None,
    iterations: Annotated[
        int | None, typer.Option("--iterations", "-n", metavar="N", help="Ascent steps per image. [dim]Default: 30.[/]")
    ] = None,
    seed: Seed = 0,
    trace: Annotated[bool, typer.Option("--trace", metavar="", help="Record what happens at each iteration.")] = False,
    output: Folder = Path("visualization"),
    request_id: RequestId = None,
    detach: Detach = False,
    address: Address = None,
    json: Json = False,
) -> None:
    """Find the image that each feature likes to see the most.

    Saves images.npz and, with matplotlib, one grid of images for each layer.
    """
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        job = client.visualize(
            model, parse_layers(layers or []), iterations=iterations, seed=seed, trace=trace, request_id=request_id
        )
        result = await_result(job, detach=detach, json=settings.json)
    files = [save_images(result, output / "images.npz")]
    files += save_grids(result, output) if find_spec("matplotlib") else []
    if settings.json:
        print_json({"job": job.name, "result": result, "files": files})
    else:
        _print(result, files)


def _print(result: VisualizeResult, files: list[Path]) -> None:
    rows = table("layer", ">features", ">lowest objective", ">highest objective")
    for name in result.layers:
        layer = result.layer(name)
        best = layer.best.objective
        rows.add_row(name, str(len(layer.features)), f"{best.min():.3f}", f"{best.max():.3f}")
    out = console()
    out.print(rows)
    for file in files:
        typer.echo(file)
    if len(files) == 1:
        out.print("[dim]for pictures: pip install 'convscope\\[plot]'[/]")
