"""What every filter, unit and class of a network likes to see the most: gradient ascent on images.

`starts` makes the images to start from, `objectives` says what is to rise, `chunks` which features ascend together,
`ascent` climbs, and `visualizer` brings them together.
"""

from convscope.worker.visualization.images import FeatureImage, OptimizedImage, Trace
from convscope.worker.visualization.visualizer import Visualizer

__all__ = ["FeatureImage", "OptimizedImage", "Trace", "Visualizer"]
