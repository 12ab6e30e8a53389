"""``convscope visualize``."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from convscope.client.cli.files import check_folder, has_grids, save_grids, save_images
from convscope.client.cli.layers import parse_layers
from convscope.client.cli.objective_text import parse_objectives, parse_settings
from convscope.client.cli.options import (
    Address,
    Detach,
    DeviceOption,
    DryRun,
    Folder,
    Json,
    Labels,
    Name,
    PriorityOption,
    RequestId,
    Seed,
    Timeout,
    labels_of,
    settings_of,
)
from convscope.client.cli.output import console, print_json, table
from convscope.client.cli.waiting import await_result, saving, steps
from convscope.client.enums import Outcome, Preset, Restarts
from convscope.client.images import Image
from convscope.client.results import VisualizeResult

__all__ = ["visualize"]

_WHAT, _HOW = "What to visualize", "How"
_FOR_PICTURES = "[dim]for pictures: pip install 'convscope\\[plot]'[/]"


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
            "[dim]Default: every feature of every layer, unless there is an --objective.[/]",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    objectives: Annotated[
        list[str] | None,
        typer.Option(
            "--objective",
            "-o",
            metavar="OBJECTIVE",
            help="A weighted sum to maximize, as in conv2:3 or edges=conv2:3 - 0.5*conv1 (edges names its images; a "
            "name has letters, digits, _, - and .); "
            "may be repeated. Terms: conv2:3 (a feature), conv2:3@5,6 (at a row and column; conv2:3@ in the middle), "
            "conv1 (a whole layer), logits:\\[1,0,-1] (a direction), diversity(conv2), and post(TERM) for after the "
            "activation.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    preset: Annotated[
        Preset | None,
        typer.Option(metavar="PRESET", help="tutorial or robust. [dim]Default: tutorial.[/]", rich_help_panel=_HOW),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="SETTING=VALUE",
            help="A setting that differs from the preset's, as in transforms.jitter=0.1, adam.learning_rate=0.02, "
            "fourier; may be repeated.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option(
            "--iterations",
            "-n",
            metavar="N",
            help="Ascent steps per image. [dim]Default: the preset's; 30 for the tutorial.[/]",
            rich_help_panel=_HOW,
        ),
    ] = None,
    restarts: Annotated[
        int | None,
        typer.Option(metavar="N", help="Ascents of each feature. [dim]Default: 1.[/]", rich_help_panel=_HOW),
    ] = None,
    keep: Annotated[
        Restarts | None,
        typer.Option(
            metavar="WHICH", help="Restarts to return: best or all. [dim]Default: best.[/]", rich_help_panel=_HOW
        ),
    ] = None,
    seed: Seed = 0,
    trace: Annotated[
        bool,
        typer.Option("--trace", metavar="", help="Record what happens at each iteration.", rich_help_panel=_HOW),
    ] = False,
    frames: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Intermediate images to keep with each image, evenly spaced from the start to the last update. "
            "[dim]Default: 0.[/]",
            rich_help_panel=_HOW,
        ),
    ] = 0,
    recompute: Annotated[
        bool,
        typer.Option(
            "--recompute", metavar="", help="Compute images also where the same are stored.", rich_help_panel=_HOW
        ),
    ] = False,
    output: Folder = Path("visualization"),
    priority: PriorityOption = None,
    device: DeviceOption = None,
    name: Name = "",
    labels: Labels = None,
    timeout: Timeout = None,
    request_id: RequestId = None,
    dry_run: DryRun = False,
    detach: Detach = False,
    address: Address = None,
    json: Json = False,
) -> None:
    """Find the image that activates each feature the most.

    Saves images.npz and, with matplotlib, one grid of images for each layer and objective.

    Thousands of large images fill this machine's memory: --detach, then [bold]convscope images export[/].
    """
    chosen = settings_of(ctx, address, json=json)
    check_folder(output)
    with chosen.client() as client:
        job = client.visualize(
            model,
            parse_layers(layers or []),
            objectives=parse_objectives(objectives or []),
            preset=preset,
            render=parse_settings(settings or []),
            iterations=iterations,
            restarts=restarts,
            keep=keep,
            seed=seed,
            trace=trace,
            frames=frames,
            recompute=recompute,
            request_id=request_id,
            priority=priority,
            device=device,
            display_name=name,
            labels=labels_of(labels),
            timeout=timeout,
            validate_only=dry_run,
        )
        result = await_result(job, detach=detach, json=chosen.json)
    with saving(job):
        files = _save(result, output, silent=chosen.json)
    if chosen.json:
        print_json({"job": job.name, "result": result, "files": files})
    else:
        _print(result, files)


def _save(result: VisualizeResult, folder: Path, *, silent: bool) -> list[Path]:
    with steps("saving", silent=silent) as step:
        files = [save_images(result, folder / "images.npz", step)]
    if find_spec("matplotlib") and has_grids(result):
        with steps("drawing", silent=silent) as step:
            files += save_grids(result, folder, step)
    return files


def _print(result: VisualizeResult, files: list[Path]) -> None:
    rows = table("layer", ">images", ">lowest objective", ">highest objective", "not normal")
    for name in result.layers:
        images = [image for image in result.images if image.layer == name]
        best = np.array([image.best.objective for image in images])
        rows.add_row(name, str(len(images)), f"{best.min():z.3f}", f"{best.max():z.3f}", _unusual(images))
    out = console()
    out.print(rows)
    count = len(result.images)
    counted = f"{count} {'image' if count == 1 else 'images'}"
    cached = result.cached_image_count
    stored = f"; {cached} of {counted} {'was' if cached == 1 else 'were'} stored already" if cached else ""
    out.print(f"[dim]{counted} in {result.seconds:.1f} s{stored}[/]")
    for file in files:
        typer.echo(file)
    if len(files) == 1:
        out.print("[dim]images with these channels are not drawn[/]" if find_spec("matplotlib") else _FOR_PICTURES)


def _unusual(images: list[Image]) -> str:
    """Count the images with each verdict that is a warning, as ``2 constant; 1 unreachable, without a gradient``."""
    verdicts = [image.verdict for image in images]
    outcomes = [str(verdict) for verdict in verdicts if verdict and verdict.outcome is not Outcome.NORMAL]
    return "; ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in dict.fromkeys(outcomes))
