"""The datasets that workers know, described without reading them."""

from convscope.store.errors import NotFoundError
from convscope.v1.datasets_pb2 import Dataset, Split, SplitSize

__all__ = ["DATASETS", "find_dataset"]

MNIST = Dataset(
    name="datasets/mnist",
    title="MNIST: 70,000 hand-written digits, grey, 28x28 pixels",
    image_shape=[28, 28, 1],
    classes=[str(digit) for digit in range(10)],
    splits=[
        SplitSize(split=Split.SPLIT_TRAIN, examples=55_000),
        SplitSize(split=Split.SPLIT_VALIDATION, examples=5_000),
        SplitSize(split=Split.SPLIT_TEST, examples=10_000),
    ],
    source="Yann LeCun, Corinna Cortes, Christopher J. C. Burges: The MNIST database; CC BY-SA 3.0",
)

DATASETS = {MNIST.name: MNIST}


def find_dataset(name: str) -> Dataset:
    """Return a dataset's description.

    Raises:
        NotFoundError: if there is none of this name.
    """
    if name not in DATASETS:
        raise NotFoundError(f"{name} does not exist; there is {', '.join(sorted(DATASETS))}")
    return DATASETS[name]
