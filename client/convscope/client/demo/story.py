"""What the demo does, in the order of the tutorial."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from convscope.client import plots
from convscope.client.cli.evaluate import print_evaluation
from convscope.client.cli.files import save_evaluation, save_grids, save_images
from convscope.client.cli.output import table
from convscope.client.client import Client
from convscope.client.errors import FailedPrecondition, NotFound, Unavailable
from convscope.client.evaluation import EvaluateResult
from convscope.client.images import Image
from convscope.client.jobs import Job
from convscope.client.progress import ProgressBar
from convscope.client.results import TrainResult, VisualizeResult

__all__ = ["Demo", "DemoResult"]

R = TypeVar("R")

# The class whose ascent the demo prints, and its iterations.
_CLASS, _CLASS_ITERATIONS = 2, 10
# What the overview shows of the network, by layer.
_OVERVIEW = {
    "conv2": "what filters of the second convolution like to see",
    "logits": "what its classes, the digits 0 to 9, like to see",
}
# Pixels per inch of the overview: a thousand pixels wide, for a page.
_OVERVIEW_DPI = 100
# Steps between reports, as in the tutorial; fewer in a short run, so that the curve has enough points.
_REPORT_INTERVAL = 100
# Measurements on the validation split over the whole training.
_VALIDATIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo found: accuracy before and after training, and the files that it wrote."""

    untrained: EvaluateResult
    training: TrainResult
    trained: EvaluateResult
    features: VisualizeResult
    files: list[Path]


class Demo:
    """The tutorial on one server; ``jobs`` are those it has submitted so far."""

    def __init__(self, client: Client, console: Console, folder: Path) -> None:
        self._client = client
        self._console = console
        self._folder = folder
        self.jobs: list[Job[Any]] = []

    def run(self, iterations: int) -> DemoResult:
        """Submit the jobs in two rounds, each with those that wait for a model of the same round, and follow them."""
        client = self._client
        start = self._submit(client.train(iterations=0))
        before = self._submit(client.evaluate(start, max_errors=0))
        untrained = self._follow(before, "untrained network")
        self._console.print(f"  accuracy on the test split before training: [bold]{untrained}[/]\n")

        training = self._submit(
            client.train(
                continue_from=start,
                iterations=iterations,
                report_interval=max(1, min(_REPORT_INTERVAL, iterations // 20)),
                validation_interval=max(_REPORT_INTERVAL, iterations // _VALIDATIONS),
            )
        )
        after = self._submit(client.evaluate(training))
        features = self._submit(client.visualize(training))
        single = self._submit(client.visualize(training, {"logits": _CLASS}, iterations=_CLASS_ITERATIONS, trace=True))

        trained = self._follow(training, "training")
        evaluation = self._follow(after, "evaluating")
        print_evaluation(self._console, evaluation)
        images = self._follow(features, "what every feature likes to see")
        closer = self._follow(single, f"class {_CLASS}, step by step").images[0]
        self._print_ascent(closer)
        files = self._save(evaluation, trained, images, closer)
        return DemoResult(untrained=untrained, training=trained, trained=evaluation, features=images, files=files)

    def cancel(self) -> None:
        """Ask every job that was submitted to stop, the last one first, as far as the server can be reached."""
        with suppress(Unavailable):
            for job in reversed(self.jobs):
                with suppress(NotFound, FailedPrecondition):
                    job.cancel()

    def _submit(self, job: Job[R]) -> Job[R]:
        self.jobs.append(job)
        return job

    def _follow(self, job: Job[R], title: str) -> R:
        with ProgressBar(job.info, console=self._console, title=title) as bar:
            return job.result(progress=bar)

    def _print_ascent(self, image: Image) -> None:
        trace = image.trace
        if trace is None or trace.predicted_class is None or trace.probability is None:
            return
        classes, shares = trace.predicted_class, trace.probability
        rows = table(">iteration", ">class", ">score", ">gradient", ">to", ">step size", ">logit")
        for i in range(len(trace.objective)):
            figures = (trace.gradient_min[i], trace.gradient_max[i], trace.step_size[i], trace.objective[i])
            rows.add_row(str(i), str(classes[i]), f"{shares[i]:.2%}", *(f"{f:z.3f}" for f in figures))
        self._console.print(rows)

    def _save(
        self, evaluation: EvaluateResult, training: TrainResult, images: VisualizeResult, closer: Image
    ) -> list[Path]:
        folder = self._folder
        with self._console.status("drawing"):
            files = save_evaluation(evaluation, folder) + save_grids(images, folder)
            curve, single = folder / "training-curve.png", folder / f"digit-{_CLASS}.png"
            plots.plot_training_curve(training.history).savefig(curve)
            title = f"class {_CLASS}: logit {closer.final.objective:.1f} after {closer.final.iteration} steps"
            plots.plot_image(closer.final.pixels, title=title).savefig(single)
            overview = self._save_overview(images)
            return [*files, curve, single, overview, save_images(images, folder / "images.npz")]

    def _save_overview(self, images: VisualizeResult) -> Path:
        file = self._folder / "overview.png"
        bands = {title: images.layer(name).best.pixels for name, title in _OVERVIEW.items()}
        plots.plot_overview(bands).savefig(file, dpi=_OVERVIEW_DPI)
        return file
