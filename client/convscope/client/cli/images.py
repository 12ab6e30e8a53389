"""``convscope images``."""

from pathlib import Path
from typing import Annotated

import typer

from convscope.client.cli.files import check_folder
from convscope.client.cli.help import Command, Group
from convscope.client.cli.layers import parse_layer
from convscope.client.cli.options import Address, Json, settings_of
from convscope.client.cli.output import console, details, print_json, table
from convscope.client.enums import ExportFormat
from convscope.client.errors import InvalidValue
from convscope.client.images import Image, OptimizedImage
from convscope.client.saving import atomic_write
from convscope.client.verdicts import Verdict

__all__ = ["app"]

app = typer.Typer(
    cls=Group, no_args_is_help=True, help="List, show and export the images of a visualization, also while it runs."
)

Name = Annotated[str, typer.Argument(metavar="JOB", help="Name of the visualization, jobs/ID or ID.")]


@app.command("list", cls=Command)
def list_images(
    ctx: typer.Context,
    *,
    name: Name,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            "-l",
            metavar="LAYER[:FEATURES]",
            help="Only images of this layer or objective, and features as in 0-7,9.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most this many.")] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """List the images that are ready, in the order in which they were asked for."""
    settings = settings_of(ctx, address, json=json)
    chosen, features = (None, None) if layer is None else parse_layer(layer)
    rows = table("layer", ">feature", ">restart", ">objective", ">class", ">probability", "verdict")
    with settings.client() as client:
        images = client.visualizations.list(name, chosen, features, format="none")
        for count, image in enumerate(images, start=1):
            print_json(_described(image)) if settings.json else rows.add_row(*_row(image))
            if count == limit:
                break
    if not settings.json:
        console().print(rows if rows.row_count else "no images are ready")


@app.command(cls=Command)
def show(
    ctx: typer.Context,
    *,
    name: Name,
    image: Annotated[
        str, typer.Argument(metavar="LAYER:FEATURE", help="Which image; the name of an objective needs no number.")
    ],
    restart: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Which restart. [dim]Default: the first that is kept.[/]")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Save the image as this PNG file.")] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Show what is known of an image, and save it as a PNG if a file is named."""
    settings = settings_of(ctx, address, json=json)
    layer, feature = _image_name(image)
    with settings.client() as client:
        chosen = "png" if output else "none"
        picture = client.visualizations.get(name, layer, feature, restart=restart, format=chosen)
    if output:
        with atomic_write(output) as file:
            file.write(picture.png)
    print_json({**_described(picture), "file": output}) if settings.json else _print(picture, output)


@app.command(cls=Command)
def export(
    ctx: typer.Context,
    *,
    name: Name,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help="New folder to write, with those above it. [dim]Default: the job's ID here.[/]"
        ),
    ] = None,
    format: Annotated[  # noqa: A002  the option's name
        ExportFormat,
        typer.Option(metavar="FORMAT", help="npz (one archive of arrays) or png (a picture for each image)."),
    ] = ExportFormat.NPZ,
    address: Address = None,
    json: Json = False,
) -> None:
    """Save all images that are ready in a new folder, with index.json that describes each."""
    settings = settings_of(ctx, address, json=json)
    if folder is not None:
        _check_new(folder)
    with settings.client() as client:
        target = client.visualizations.export(name, folder or Path(name.rpartition("/")[2]), format=format)
    print_json({"folder": target}) if settings.json else typer.echo(target)


def _image_name(text: str) -> tuple[str, int]:
    layer, colon, feature = text.rpartition(":")
    if colon and feature.isdecimal():
        return layer, int(feature)
    if colon:
        raise InvalidValue(f"image: {text!r} is not of the form LAYER:FEATURE")
    return text, 0


def _check_new(folder: Path) -> None:
    """Check, before anything is fetched, that the folder can be created."""
    if not folder.name:
        raise InvalidValue("folder: a new folder needs a name; '', '.' and '/' are none")
    check_folder(folder.parent)


def _row(image: Image) -> tuple[str, ...]:
    best = image.best
    figures = (f"{best.objective:z.3f}", *_format_prediction(best))
    return image.layer, str(image.feature), str(image.restart), *figures, _format_verdict(image.verdict)


def _format_prediction(image: OptimizedImage) -> tuple[str, str]:
    """Return the class that the model predicts for an image and how sure it is; empty where it has no classes."""
    if image.predicted_class is None or image.probability is None:
        return "", ""
    return str(image.predicted_class), f"{image.probability:.1%}"


def _format_verdict(verdict: Verdict | None) -> str:
    """Return a verdict in a line, as ``unreachable, without a gradient (rescued)``."""
    if verdict is None:
        return ""
    broken = "" if verdict.iteration is None else f", at iteration {verdict.iteration}"
    return f"{verdict}{broken}{' (rescued)' if verdict.rescued else ''}"


def _described(image: Image) -> dict[str, object]:
    """Return what is known of an image, without its pixels."""
    shown = ("name", "layer", "feature", "restart", "final", "best", "verdict", "spread", "cache_key")
    return {name: getattr(image, name) for name in shown}


def _print(image: Image, file: Path | None) -> None:
    rows = details("image", f"{image.layer}:{image.feature}")
    rows.add_row("restart", str(image.restart))
    rows.add_row("objective", f"{image.best.objective:z.4f} after {image.best.iteration} steps")
    if image.best.predicted_class is not None:
        rows.add_row("taken for", "class {} at {}".format(*_format_prediction(image.best)))
    if verdict := image.verdict:
        rows.add_row("verdict", _format_verdict(verdict))
        if verdict.upper_bound is not None:
            share = "" if verdict.reached is None else f"; {verdict.reached:.1%} of the way there from the start"
            rows.add_row("upper bound", f"{verdict.upper_bound:z.4f}{share}")
    if spread := image.spread:
        count = len(spread.objectives)
        rows.add_row("restarts", f"{count}: objective {spread.mean:z.4f} ± {spread.deviation:.4f}")
    rows.add_row("cache key", image.cache_key)
    if file:
        rows.add_row("file", str(file))
    console().print(rows)
