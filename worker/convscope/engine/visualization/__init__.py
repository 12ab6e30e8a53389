"""Feature visualization: gradient ascent on images that maximizes features and objectives.

``objective`` says what is maximized, ``image`` what is optimized, ``ascent`` how; ``verdicts`` judges the images, and
``visualizer`` brings these together.
"""

from convscope.engine.visualization.images import Image, OptimizedImage, Spread, Trace
from convscope.engine.visualization.objective.objectives import (
    Direction,
    Diversity,
    Feature,
    Layer,
    Neuron,
    Objective,
)
from convscope.engine.visualization.restarts import best_of_runs
from convscope.engine.visualization.verdicts import Verdict
from convscope.engine.visualization.visualizer import Visualizer

__all__ = [
    "Direction",
    "Diversity",
    "Feature",
    "Image",
    "Layer",
    "Neuron",
    "Objective",
    "OptimizedImage",
    "Spread",
    "Trace",
    "Verdict",
    "Visualizer",
    "best_of_runs",
]
