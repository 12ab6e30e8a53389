"""The formats in which the pixels of an image are sent."""

from convscope.service.errors import InvalidRequestError, Violation
from convscope.service.pixels import PNG_CHANNELS, pixels_of, png
from convscope.v1.image_format_pb2 import ImageFormat
from convscope.v1.tensor_pb2 import Tensor
from convscope.v1.visualize_pb2 import Image

__all__ = ["as_png", "send_as", "tensor_as_png"]


def send_as(image_format: ImageFormat.ValueType, image: Image) -> None:
    """Reduce a whole image to what is sent in a format.

    Raises:
        InvalidRequestError: if this format cannot hold it.
    """
    if image_format == ImageFormat.IMAGE_FORMAT_FLOAT32:
        return
    if image_format == ImageFormat.IMAGE_FORMAT_PNG:
        image.png = as_png(image, field="image_format")
    for optimized in (image.final, image.best):
        optimized.ClearField("pixels")
    image.ClearField("trace")
    image.ClearField("frames")


def as_png(image: Image, *, field: str) -> bytes:
    """Return the best image as a PNG file.

    Raises:
        InvalidRequestError: naming the request's ``field``, if the image has other than 1, 3 or 4 channels.
    """
    return tensor_as_png(image.best.pixels, field=field)


def tensor_as_png(tensor: Tensor, *, field: str) -> bytes:
    """Return pixels as a PNG file.

    Raises:
        InvalidRequestError: naming the request's ``field``, if there are other than 1, 3 or 4 channels.
    """
    pixels = pixels_of(tensor)
    if pixels.shape[-1] not in PNG_CHANNELS:
        description = f"a PNG holds images with 1, 3 or 4 channels, not {pixels.shape[-1]}; ask for float32 or npz"
        raise InvalidRequestError(Violation(field, description))
    return png(pixels)
