"""Images listed page by page."""

from collections.abc import Iterator

from convscope.client.connection import Connection
from convscope.client.images import Image
from convscope.client.paging import pages
from convscope.v1 import images_pb2

__all__ = ["listed_images"]


def listed_images(connection: Connection, request: images_pb2.ListImagesRequest) -> Iterator[Image]:
    """The images that answer a request, page after page."""
    found = pages(connection, connection.images.ListImages, request)
    return (Image.from_wire(message) for page in found for message in page.images)
