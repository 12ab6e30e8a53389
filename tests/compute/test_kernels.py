"""Which kernels an ascent runs on must not differ from one compilation to the next: some take twice the time."""

import os
import subprocess
import sys

import pytest

COMPILATIONS = 8
ITERATIONS = 3
PROGRAM = f"""
from convscope.engine.models.network import build_network
from convscope.engine.settings import TUTORIAL, VisualizeSettings
from convscope.engine.visualization import Visualizer

model = build_network(TUTORIAL, image_shape=(28, 28, 1), classes=10, learning_rate=1e-3, seed=0)
for _ in range({COMPILATIONS}):
    visualizer = Visualizer(model)
    visualizer.run("conv2", range(9), VisualizeSettings(iterations={ITERATIONS}), rows=9, ready=lambda _: None)
"""


def test_every_compilation_takes_onednns_gradient_of_max_pooling() -> None:
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "ONEDNN_VERBOSE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    done = [line for line in process.stdout.splitlines() if ",exec," in line and ",pooling," in line]
    if not done:
        pytest.skip("TensorFlow does not compute with oneDNN on this machine")
    evaluations = COMPILATIONS * (ITERATIONS + 1)
    assert sum("backward_data" in line for line in done) == evaluations
