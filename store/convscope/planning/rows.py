"""How many images ascend together.

An image's last bits depend on the number of images in its batch and on its place among them (other kernels, other
vector lanes), never on what these images show. So both are fixed: a target has chunks of one size, and item i is always
row i % size of chunk i // size. The size is part of an image's cache key.
"""

from typing import Final

__all__ = ["chunk_rows"]

# Most images in a chunk: a batch of this many small images keeps a core's caches warm; more does not help, fewer cost
# overhead.
MAX_ROWS: Final = 16
# Fewest images in a chunk: a batch of one uses other, slower kernels.
MIN_ROWS: Final = 2
# Bounds the activations of one chunk, in float32 values (256 MiB); the gradient takes as much again.
MAX_VALUES: Final = 64 * 2**20
# Bounds the operations of one chunk, which cannot be divided: about three seconds, the length of a part.
MAX_FLOPS: Final = 3e11
# Fewest images in a chunk that ``MAX_FLOPS`` bounds: with fewer, an image takes longer.
MIN_LONG_ROWS: Final = 4


def chunk_rows(values: int, items: int, flops: float = 0.0) -> int:
    """Return the number of ascents in a chunk of a target, at least 2.

    Chunks are equal up to rounding, and even in number if there are many, so that they fill two threads or four.

    Args:
        values: number of activations of all layers for one image.
        items: ascents of all features of the target, requested or not.
        flops: floating-point operations of one ascent.
    """
    in_memory = max(MIN_ROWS, MAX_VALUES // max(values, 1))
    in_time = max(MIN_LONG_ROWS, int(MAX_FLOPS // max(flops, 1.0)))
    count = -(-items // min(MAX_ROWS, in_memory, in_time))
    even = count + count % 2
    return max(MIN_ROWS, -(-items // even))
