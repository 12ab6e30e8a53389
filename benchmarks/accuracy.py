"""Test accuracy after the tutorial's 10,000 steps, in both precisions."""

from collections.abc import Iterator

from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round

__all__ = ["FAMILY"]

STEPS = 10_000

FIGURES = {
    precision: Figure(
        name=f"accuracy-{precision}",
        what=f"test accuracy after {STEPS:,} steps through the service, {precision}",
        target=98.5,
        unit="%",
        noise=0.003,
    )
    for precision in ("float32", "bfloat16")
}


def measure(this: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Train and evaluate through the service."""
    client = this.session.client
    for precision, figure in FIGURES.items():
        if figure.name in names:
            training = client.train(iterations=STEPS, precision=precision)
            yield figure.name, 100 * client.evaluate(training).result().accuracy


FAMILY = Family(figures=tuple(FIGURES.values()), measure=measure)
