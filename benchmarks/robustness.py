"""Whether the images of the preset `robust` are better than those of `tutorial`: recognized by others, and smoother."""

import json
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round
from benchmarks.yardstick import ROOT

__all__ = ["FAMILY"]

RECOGNITION = Figure(
    name="robust-recognition",
    what="class images that three other networks recognize: share of robust's over share of tutorial's",
    target=1.02,
    unit="x",
    noise=0.02,
)
VARIATION = Figure(
    name="robust-variation",
    what="total variation of the class images: robust's over tutorial's",
    target=0.75,
    unit="x",
    noise=0.05,
    bound="at most",
)

# TensorFlow needs a separate process; prints the qualities as the last line.
PROGRAM = """
import json
from benchmarks.class_images import qualities
print(json.dumps(qualities()))
"""


def measure(this: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Train four networks, visualize the classes of the first with both presets, and compare; print the qualities."""
    del this
    command = [sys.executable, "-c", PROGRAM]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    qualities = json.loads(answer.stdout.splitlines()[-1])
    for preset, (recognized, variation) in qualities.items():
        print(f"{preset}: {recognized:.1%} recognized, total variation {variation:.3f}", file=sys.stderr)
    (recognized, variation), (plain_recognized, plain_variation) = qualities["robust"], qualities["tutorial"]
    values = {RECOGNITION.name: recognized / plain_recognized, VARIATION.name: variation / plain_variation}
    yield from ((name, value) for name, value in values.items() if name in names)


FAMILY = Family(figures=(RECOGNITION, VARIATION), measure=measure)
