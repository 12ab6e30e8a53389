"""``convscope demo``."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from convscope.client.cli.launch import require
from convscope.client.cli.options import Address, Folder, Json, settings_of
from convscope.client.cli.output import print_json
from convscope.client.client import Client
from convscope.client.demo import Demo, DemoResult, Interrupts, LocalServer
from convscope.client.errors import StartupError, Unavailable
from convscope.client.plots.canvas import require_matplotlib

__all__ = ["demo"]

# Seconds to wait for the demo's own server once it is lost.
_PATIENCE = 10.0


def demo(
    ctx: typer.Context,
    *,
    iterations: Annotated[int, typer.Option("--iterations", "-n", min=1, metavar="N", help="Training steps.")] = 10_000,
    output: Folder = Path("convscope-demo"),
    address: Address = None,
    json: Json = False,
) -> None:
    """Run the whole tutorial on MNIST: train, evaluate, and draw what every feature likes to see.

    Without --address it starts its own server and stops it at the end; only the pictures stay.
    """
    settings = settings_of(ctx, address, json=json)
    console = Console(stderr=settings.json, highlight=False)
    require_matplotlib()
    if settings.address is None:
        require("up")
    output.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with Interrupts() as interrupts:
        result = _run(interrupts, console, settings.address, output, iterations)
    if settings.json:
        print_json(_summary(result))
    else:
        _print_files(console, result, output, time.monotonic() - started)


def _run(interrupts: Interrupts, console: Console, address: str | None, output: Path, iterations: int) -> DemoResult:
    """Run the demo, on its own server unless one is named; what was started is always stopped."""
    stack = ExitStack()
    try:
        server = None if address else _start(interrupts, stack, console)
        client = stack.enter_context(_client(server, address))
        story = Demo(client, console, output)
        return _play(story, server, interrupts, iterations)
    finally:
        with interrupts.held():
            stack.close()


def _start(interrupts: Interrupts, stack: ExitStack, console: Console) -> LocalServer:
    with interrupts.held():
        server = LocalServer()
        stack.callback(server.stop)
    started = time.monotonic()
    with console.status("starting Redis, the service and a worker ..."):
        if not console.is_terminal:
            console.print("starting Redis, the service and a worker ...")
        try:
            server.wait_until_ready()
        except StartupError:
            _show_log(server)
            raise
    console.print(f"[green]✓[/] Redis, the service and a worker are ready [dim]({time.monotonic() - started:.1f} s)[/]")
    return server


def _play(story: Demo, server: LocalServer | None, interrupts: Interrupts, iterations: int) -> DemoResult:
    try:
        return story.run(iterations)
    except BaseException as error:
        with interrupts.held():
            if isinstance(error, Unavailable) and server:
                _show_log(server)
            story.cancel()
        raise


def _client(server: LocalServer | None, address: str | None) -> Client:
    if server is None:
        return Client(address)
    return Client(server.address, token="", root_certificates="", patience=_PATIENCE)


def _show_log(server: LocalServer) -> None:
    typer.echo(server.log_tail(), err=True)


def _summary(result: DemoResult) -> dict[str, object]:
    scores = {"untrained": result.untrained, "trained": result.trained}
    accuracies = {
        name: {"accuracy": s.accuracy, "correct_count": s.correct_count, "example_count": s.example_count}
        for name, s in scores.items()
    }
    training = result.training
    return {
        **accuracies,
        "model": training.model,
        "steps": training.step,
        "train_seconds": training.train_seconds,
        "steps_per_second": training.steps_per_second,
        "images": len(result.features.images),
        "visualize_seconds": result.features.seconds,
        "files": result.files,
    }


def _print_files(console: Console, result: DemoResult, output: Path, seconds: float) -> None:
    console.print(f"\n[bold]{result.trained}[/] on the test split; in {seconds:.0f} s altogether. The pictures:")
    console.print(f"[bold cyan]{escape(str(output.resolve()))}[/]", soft_wrap=True)
    for file in result.files:
        console.print(
            f"  {file.name:<22} [dim]{_CONTENTS.get(file.name, 'what each feature of the layer likes to see')}[/]"
        )


_CONTENTS = {
    "confusion-matrix.png": "which digit is taken for which",
    "example-errors.png": "the first nine mistakes on the test split",
    "training-curve.png": "accuracy and loss over the steps",
    "digit-2.png": "one image, ten steps towards class 2",
    "overview.png": "filters of conv2 and the ten classes, at a glance",
    "images.npz": "every image and figure, for NumPy",
}
