"""The datasets that workers know, described without reading them."""

from convscope.store import LOCAL_OWNER, NotFoundError
from convscope.v1.datasets_pb2 import Dataset, Split

__all__ = ["DATASETS", "find_dataset"]

MNIST = Dataset(
    name="datasets/mnist",
    owner=LOCAL_OWNER,
    title="MNIST: 70,000 hand-written digits, grey, 28x28 pixels",
    image_shape=[28, 28, 1],
    classes=[str(digit) for digit in range(10)],
    splits=[
        Split(name="train", example_count=55_000),
        Split(name="validation", example_count=5_000),
        Split(name="test", example_count=10_000),
    ],
    source="Yann LeCun, Corinna Cortes, Christopher J. C. Burges: The MNIST database; CC BY-SA 3.0",
)

DATASETS = {MNIST.name: MNIST}


def find_dataset(name: str) -> Dataset:
    """Return a dataset's description.

    Raises:
        NotFoundError: if there is no dataset of this name.
    """
    if name not in DATASETS:
        raise NotFoundError(f"{name} does not exist; there is {', '.join(sorted(DATASETS))}")
    return DATASETS[name]
