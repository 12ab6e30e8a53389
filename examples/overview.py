"""Draws the readme's picture from what the demo saved: filters of the second convolution above, the classes below.

scripts/demo && .venv/bin/python examples/overview.py convscope-demo docs/images/overview.png
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

LAYERS = {
    "conv2": "what filters of the second convolution like to see",
    "logits": "what its classes, the digits 0 to 9, like to see",
}

# Images in a row, and rows of each layer.
COLUMNS, ROWS = 10, {"conv2": 2, "logits": 1}


def draw(saved: Path) -> Figure:
    """Return the picture of a demo's `images.npz`."""
    figure = Figure(figsize=(COLUMNS, sum(ROWS.values()) + 0.8), dpi=100, layout="constrained")
    parts = figure.subfigures(len(LAYERS), 1, height_ratios=[rows + 0.4 for rows in ROWS.values()], squeeze=False)
    with np.load(saved) as arrays:
        for part, (layer, title) in zip(parts.flat, LAYERS.items(), strict=True):
            part.suptitle(title, fontsize=10, color="0.35")
            images = arrays[f"{layer}/best/pixels"]
            for axes, image in zip(part.subplots(ROWS[layer], COLUMNS, squeeze=False).flat, images, strict=False):
                axes.imshow(image[..., 0], cmap="binary", vmin=0, vmax=1, interpolation="spline16")
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_color("0.6")
    return figure


if __name__ == "__main__":
    folder, picture = map(Path, sys.argv[1:])
    draw(folder / "images.npz").savefig(picture)
    Image.open(picture).convert("L").save(picture, optimize=True)  # grey is all there is
