"""What every filter, unit and class of a network likes to see the most: gradient ascent on images.

`graph` opens a model, `objectives` says what is to rise, `parameterization` what is optimized, `transforms` how it is
looked at, `regularizers` what is held against it and `optimizers` how it moves; `ascent` climbs with these, `chunks`
says what climbs together, `verdicts` judges, and `visualizer` brings them together.
"""

from convscope.engine.visualization.images import FeatureImage, OptimizedImage, Spread, Trace
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
    "FeatureImage",
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
