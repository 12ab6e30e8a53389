"""What an image of the contract is of, in a form that tests compare and count by."""

from convscope.v1.feature_pb2 import Feature
from convscope.v1.visualize_pb2 import Image

__all__ = ["feature", "subject", "unnamed"]


def subject(image: Image) -> tuple[str, int]:
    """Return the layer and the feature's number; of an objective its name and 0."""
    if image.HasField("objective"):
        return image.objective.name, 0
    return image.feature.layer, image.feature.index


def unnamed(image: Image) -> Image:
    """Return the image without its name, which differs from job to job."""
    copy = Image()
    copy.CopyFrom(image)
    copy.ClearField("name")
    return copy


def feature(layer: str, index: int) -> Image:
    """Return an image of which only the feature is known."""
    return Image(feature=Feature(layer=layer, index=index))
