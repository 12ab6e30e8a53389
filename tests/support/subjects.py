"""What an image of the contract is of, in a form that tests compare and count by."""

from convscope.v1.feature_pb2 import Feature
from convscope.v1.visualize_pb2 import Image

__all__ = ["feature", "subject", "unnamed"]


def subject(image: Image) -> tuple[str, int]:
    """The layer and the feature's number; of an objective its name and 0."""
    if image.HasField("objective"):
        return image.objective.name, 0
    return image.feature.layer, image.feature.index


def unnamed(image: Image) -> Image:
    """The image without its name, which that of another job has not."""
    made = Image()
    made.CopyFrom(image)
    made.ClearField("name")
    return made


def feature(layer: str, index: int) -> Image:
    """An image of which only the feature is known."""
    return Image(feature=Feature(layer=layer, index=index))
