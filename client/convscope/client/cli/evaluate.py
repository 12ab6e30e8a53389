"""``convscope evaluate``."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from convscope.client.cli.files import check_folder, save_evaluation
from convscope.client.cli.options import (
    Address,
    Detach,
    DeviceOption,
    DryRun,
    Json,
    Labels,
    Name,
    PriorityOption,
    RequestId,
    Timeout,
    labels_of,
    settings_of,
)
from convscope.client.cli.output import console, print_json, table
from convscope.client.cli.waiting import await_result
from convscope.client.evaluation import EvaluateResult
from convscope.client.plots.canvas import require_matplotlib

__all__ = ["evaluate", "print_evaluation"]


def evaluate(
    ctx: typer.Context,
    *,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model; it may still be in training.")],
    split: Annotated[
        str, typer.Option(metavar="NAME", help="Which part of the dataset: test, validation, train.")
    ] = "test",
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="Images per batch. [dim]Default: 256.[/]")] = None,
    max_errors: Annotated[
        int | None, typer.Option(metavar="N", help="Wrong examples to return. [dim]Default: 9.[/]")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Save confusion-matrix.png and example-errors.png there.")
    ] = None,
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
    """Measure a model on a whole split: accuracy, confusion matrix, scores of each class."""
    settings = settings_of(ctx, address, json=json)
    if plots:
        require_matplotlib()
        check_folder(plots)
    with settings.client() as client:
        job = client.evaluate(
            model,
            split=split,
            batch_size=batch_size,
            max_errors=max_errors,
            request_id=request_id,
            priority=priority,
            device=device,
            display_name=name,
            labels=labels_of(labels),
            timeout=timeout,
            validate_only=dry_run,
        )
        result = await_result(job, detach=detach, json=settings.json)
    files = save_evaluation(result, plots) if plots else []
    if settings.json:
        print_json({"job": job.name, "result": result, "files": files})
        return
    print_evaluation(console(), result)
    for file in files:
        typer.echo(file)


def print_evaluation(out: Console, result: EvaluateResult) -> None:
    """Print the accuracy, the confusion matrix and the scores of each class."""
    out.print(f"Accuracy on {result.split} split: [bold]{result}[/]")
    out.print("\nConfusion matrix [dim](rows: true, columns: predicted)[/]:")
    out.print(np.array2string(result.confusion_matrix, max_line_width=10_000, threshold=2**31), markup=False)
    scores = table("class", ">precision", ">recall", ">f1", ">support")
    classes = result.classes
    for i, name in enumerate(classes.names):
        figures = (classes.precision[i], classes.recall[i], classes.f1[i])
        scores.add_row(name, *map(_share, figures), str(classes.example_count[i]))
    out.print(scores)


def _share(figure: float) -> str:
    """Return a score as a percentage; a dash where it is not defined."""
    return "-" if np.isnan(figure) else f"{figure:.1%}"
