"""The worker's parent imports everything and loads the data, but only its forked children compute."""

import subprocess
import sys

PROGRAM = """
import os
import sys

from tensorflow.python.eager import context

from convscope.engine.runtime import environment, threads
from convscope.engine.evaluation import evaluation
from convscope.engine.models import keras_files, network
from convscope.engine import training, visualization
from convscope.engine.data import load_dataset
from convscope.engine.settings import EvaluateSettings, TrainSettings, VisualizeSettings

mnist = load_dataset("datasets/mnist")
untouched = context.context()._context_handle is None


def compute() -> None:
    model = training.train(mnist, TrainSettings(iterations=20)).model
    images, labels = mnist.test.images[:500], mnist.test.labels[:500]
    evaluated = evaluation.evaluate(model, images, labels, EvaluateSettings(), classes=mnist.classes)
    pixels = []
    ready = lambda image: pixels.append(image.final.pixels.sum())
    visualization.Visualizer(model).run("conv2", range(4), VisualizeSettings(iterations=3), rows=9, ready=ready)
    print(environment.environment()["threads_per_operation"], evaluated.correct, pixels, flush=True)


for _ in range(2):
    child = os.fork()
    if child == 0:
        compute()
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("a child failed")
print(untouched and context.context()._context_handle is None)
"""


def test_successive_forked_children_compute_the_same_and_the_parent_nothing() -> None:
    answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=200, check=False)
    assert answer.returncode == 0, answer.stderr
    first, second, parent_is_untouched = answer.stdout.splitlines()
    assert first == second
    assert first.startswith("1 ")
    assert parent_is_untouched == "True"
