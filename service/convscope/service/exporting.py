"""A job's images as files, written and sent in pieces: memory holds a few images and one piece."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from convscope.service.archive import ARCHIVE, archive
from convscope.service.export_names import INDEX, folder_name
from convscope.service.image_formats import as_png
from convscope.service.image_index import ImageIndex
from convscope.service.job_images import JobImages
from convscope.store import StateError
from convscope.v1.visualize_pb2 import Image

__all__ = ["Piece", "export_files"]

# Pieces of this many bytes stream fastest.
PIECE = 2**20


@dataclass(frozen=True, slots=True)
class Piece:
    """The next bytes of a file."""

    path: str
    data: bytes


def export_files(images: JobImages, *, as_pictures: bool) -> Iterator[Piece]:
    """Yield the images that are ready as one archive, or each as a PNG file, and then the index.

    Raises:
        StateError: if no image is ready.
        BlobDamagedError: if an image is missing or damaged.
        NotFoundError: if the job is deleted meanwhile.
        InvalidRequestError: if PNG files cannot hold the images.
    """
    ready = array("q", (number for number, _ in images.ready(range(images.order.total))))
    if not ready:
        raise StateError(f"no image of {images.name} is ready")
    with ImageIndex(images) as index:
        if as_pictures:
            yield from _pictures(images, ready, index)
        else:
            yield from _pieces(ARCHIVE, archive(images, ready, index))
        yield from _pieces(INDEX, index.read())


def _pictures(images: JobImages, ready: "array[int]", index: ImageIndex) -> Iterator[Piece]:
    for image in images.kept(ready):
        path = _path(image, restart=images.all_restarts)
        index.add(image, file=path)
        yield from _pieces(path, iter([as_png(image, field="format")]))


def _path(image: Image, *, restart: bool) -> str:
    subject, number = image.feature.layer, image.feature.index
    if image.HasField("objective"):
        subject, number = image.objective.name, 0
    return f"{folder_name(subject)}/{number}{f'-{image.restart}' if restart else ''}.png"


def _pieces(path: str, chunks: Iterator[bytes]) -> Iterator[Piece]:
    """Cut a file into pieces."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) > PIECE:
            yield Piece(path, bytes(waiting[:PIECE]))
            del waiting[:PIECE]
    yield Piece(path, bytes(waiting))
