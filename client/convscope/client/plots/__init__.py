"""The tutorial's figures, drawn with matplotlib (``pip install 'convscope[plot]'``).

Each function returns a ``matplotlib.figure.Figure``; save it with ``figure.savefig("name.png")``. None touches pyplot
or a display, so they work on a server. Pixel values always span 0 to 1: 0 is white and 1 is black, for every
image. A figure has 160 pixels per inch, or as many as keep it at 20 million pixels and its sides at 32,000.
"""

from convscope.client.plots.confusion import plot_confusion_matrix
from convscope.client.plots.curve import plot_training_curve
from convscope.client.plots.features import plot_features
from convscope.client.plots.images import plot_image, plot_images
from convscope.client.plots.overview import plot_overview
from convscope.client.plots.restarts import plot_restarts

__all__ = [
    "plot_confusion_matrix",
    "plot_features",
    "plot_image",
    "plot_images",
    "plot_overview",
    "plot_restarts",
    "plot_training_curve",
]
