"""Page tokens of listings of images: the number of a page's last image, tied to what is listed.

A token that was truncated or changed, or belongs to another listing, is refused.
"""

import hashlib

from convscope.service.errors import InvalidRequestError
from convscope.service.paging import BAD_TOKEN
from convscope.v1.feature_pb2 import Feature
from convscope.v1.images_pb2 import ImageFilter, ListImagesRequest

__all__ = ["image_token", "last_image"]

# Digits of the number, and of the hash that ties it to its listing.
MOST_DIGITS, CHECK_DIGITS = 12, 16


def image_token(last: int, request: ListImagesRequest) -> str:
    """Return the token of the page after the one that ends with image ``last``.

    The size of pages and the format of pixels may change from page to page; job and filter may not.
    """
    listing = ListImagesRequest(parent=request.parent, filter=_sorted(request.filter), page_token=str(last))
    return f"{last}-{hashlib.sha256(listing.SerializeToString(deterministic=True)).hexdigest()[:CHECK_DIGITS]}"


def last_image(request: ListImagesRequest) -> int:
    """Return the number of the last image of the page before; -1 if there was none.

    Raises:
        InvalidRequestError: if the request's token is not one of this listing.
    """
    if not request.page_token:
        return -1
    number = request.page_token.partition("-")[0]
    is_number = number.isascii() and number.isdecimal() and len(number) <= MOST_DIGITS
    if not is_number or request.page_token != image_token(int(number), request):
        raise InvalidRequestError(BAD_TOKEN)
    return int(number)


def _sorted(wanted: ImageFilter) -> ImageFilter:
    """Return a filter in canonical form: filters that name the same images are equal."""
    features = sorted({(feature.layer, feature.index) for feature in wanted.features})
    return ImageFilter(
        layers=sorted(set(wanted.layers)),
        features=[Feature(layer=layer, index=index) for layer, index in features],
        objectives=sorted(set(wanted.objectives)),
    )
