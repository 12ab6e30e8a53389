"""Train, evaluate and visualize in this process, without a server.

    python examples/engine.py --steps 1000 --output figures

Each part that begins with `# %%` is a cell for a notebook.
"""

# %% Options
import argparse
from pathlib import Path

import numpy as np

from convscope.client import plots
from convscope.engine import (
    ROBUST,
    Feature,
    Image,
    TrainSettings,
    VisualizeSettings,
    evaluate,
    load_dataset,
    model_to_bytes,
    train,
    visualize,
)

parser = argparse.ArgumentParser(description="Train, evaluate and visualize without a server.")
parser.add_argument("--steps", type=int, default=1000, help="training steps (default: %(default)s)")
parser.add_argument("--ascent", type=int, default=30, help="steps of each image (default: %(default)s)")
parser.add_argument("--output", type=Path, default=Path("engine"), help="a folder (default: %(default)s)")
arguments = parser.parse_args()
arguments.output.mkdir(parents=True, exist_ok=True)

# %% Train
mnist = load_dataset("mnist")
outcome = train(
    mnist,
    TrainSettings(iterations=arguments.steps, report_interval=arguments.steps // 5 or 1),
    progress=lambda report: print(f"step {report.step}: loss {report.loss:.3f}"),
)
(arguments.output / "model.keras").write_bytes(model_to_bytes(outcome.model))

# %% Evaluate
evaluation = evaluate(outcome.model, mnist.test.images, mnist.test.labels, classes=mnist.classes)
print(f"{evaluation.accuracy:.1%} of {evaluation.total} correct, {len(evaluation.errors)} misclassified examples:")
for error in evaluation.errors[:3]:
    print(f"  image {error.index} is a {mnist.classes[error.true]}, taken for a {mnist.classes[error.predicted]}")


# %% Visualize
def ready(image: Image, number: int, total: int) -> None:
    """Print the progress."""
    print(f"{number} of {total}: {image.item.target} {image.item.feature}, {image.verdict.outcome}")


settings = VisualizeSettings(iterations=arguments.ascent)
images = visualize(outcome.model, {"conv1": None, "logits": [2, 7]}, settings, progress=ready)
filters = [image for image in images if image.item.target == "conv1"]
figure = plots.plot_features(
    np.stack([image.best.pixels for image in filters]), [image.item.feature for image in filters]
)
figure.savefig(arguments.output / "conv1.png")

# %% A custom objective, from several starts
mixed = visualize(
    outcome.model,
    settings=VisualizeSettings(iterations=arguments.ascent, restarts=3, render=ROBUST),
    objectives={"two-not-three": Feature("logits", 2) - Feature("logits", 3)},
)
spread = mixed[0].spread
if spread is not None:
    print(f"{mixed[0].item.target}: {mixed[0].best.objective:.1f} of {spread.mean:.1f} ± {spread.deviation:.1f}")
