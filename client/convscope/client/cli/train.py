"""``convscope train``."""

from typing import Annotated

import typer

from convscope.client.cli.layers import parse_convolutions, parse_dense
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
    Seed,
    Timeout,
    labels_of,
    settings_of,
)
from convscope.client.cli.output import console, print_json
from convscope.client.cli.waiting import await_result
from convscope.client.enums import Precision
from convscope.client.results import TrainResult

__all__ = ["train"]


def train(
    ctx: typer.Context,
    *,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to train on. [dim]Default: mnist.[/]")
    ] = None,
    convolutions: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="FILTERS\\[@KERNEL]\\[:ACTIVATION]\\[/POOL] for each convolution, or none. "
            "[dim]Default: 16@5:relu/2,36@5:relu/2.[/]",
        ),
    ] = None,
    dense: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="UNITS\\[:ACTIVATION] for each hidden layer, or none. [dim]Default: 128:relu.[/]"
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="Adam's. [dim]Default: 0.0001.[/]")
    ] = None,
    precision: Annotated[Precision | None, typer.Option(help="Of the computation. [dim]Default: float32.[/]")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="Images per step. [dim]Default: 64.[/]")] = None,
    iterations: Annotated[
        int | None, typer.Option("--iterations", "-n", metavar="N", help="Steps. [dim]Default: 10000.[/]")
    ] = None,
    report_interval: Annotated[
        int | None, typer.Option(metavar="N", help="Steps between reports. [dim]Default: 100.[/]")
    ] = None,
    validation_interval: Annotated[
        int | None,
        typer.Option(metavar="N", help="Steps between measurements on the validation split. [dim]Default: never.[/]"),
    ] = None,
    seed: Seed = 0,
    continue_from: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Resume from this model, with its optimizer and step count.")
    ] = None,
    model_id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Id of the model that it makes. [dim]Default: the server's choice.[/]"),
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
    """Train a network; by default the tutorial's, on MNIST."""
    settings = settings_of(ctx, address, json=json)
    with settings.client() as client:
        job = client.train(
            dataset=dataset,
            convolutions=parse_convolutions(convolutions),
            dense=parse_dense(dense),
            learning_rate=learning_rate,
            precision=precision,
            batch_size=batch_size,
            iterations=iterations,
            report_interval=report_interval,
            validation_interval=validation_interval,
            seed=seed,
            continue_from=continue_from,
            model_id=model_id,
            request_id=request_id,
            priority=priority,
            device=device,
            display_name=name,
            labels=labels_of(labels),
            timeout=timeout,
            validate_only=dry_run,
        )
        result = await_result(job, detach=detach, json=settings.json)
    print_json({"job": job.name, "result": result}) if settings.json else _print(result)


def _print(result: TrainResult) -> None:
    out = console()
    speed = f", {result.steps_per_second:.0f} steps/s" if result.steps_per_second else ""
    out.print(f"[bold]{result.model}[/]: {result.step} steps in {result.train_seconds:.1f} s{speed}")
    out.print(f"[dim]next: convscope evaluate {result.model}, convscope visualize {result.model}[/]")
