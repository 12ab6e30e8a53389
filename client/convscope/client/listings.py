# Made by scripts/sync_client.py from aio/listings.py: change that one, and run the script.

"""Lists that come in pages."""

from __future__ import annotations  # gRPC's callables are generic in its stubs only

from typing import TYPE_CHECKING, Protocol, TypeVar

from convscope.client.enums import ImageFormat, to_wire
from convscope.client.examples import Example
from convscope.client.files import File
from convscope.client.history import History
from convscope.client.images import Image
from convscope.client.runtime import compute, in_pieces
from convscope.v1 import evaluations_pb2, files_pb2, image_format_pb2, models_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import grpc

    from convscope.client.connection import Connection
    from convscope.v1 import images_pb2, train_pb2

__all__ = ["listed", "listed_examples", "listed_files", "listed_images", "model_history"]

# Examples on one page; the server sends fewer where they are large.
_EXAMPLES = 1000
# Reports on one page: a smaller page would need too many requests where there are very many reports.
_REPORTS = 10_000


class _Request(Protocol):
    page_token: str


class _Page(Protocol):
    next_page_token: str


_R = TypeVar("_R", bound=_Request)
_P = TypeVar("_P", bound=_Page)
_T = TypeVar("_T")


def listed(
    connection: Connection,
    method: grpc.UnaryUnaryMultiCallable[_R, _P],
    request: _R,
    items: Callable[[_P], Iterable[_T]],
) -> Iterator[_T]:
    """Yield the items of all pages that answer a request; a page is fetched when its first item is asked for.

    Args:
        connection: To the server.
        method: What to call.
        request: For the first page.
        items: Returns the items of a page.
    """
    for page in _pages(connection, method, request):
        yield from compute(list, in_pieces(items(page)))


def listed_examples(connection: Connection, job: str, image_format: str = "float32") -> Iterator[Example]:
    """List the examples that the evaluation of this name kept.

    Raises:
        InvalidValue: An unknown format.
    """
    request = evaluations_pb2.ListExamplesRequest(
        parent=job,
        page_size=_EXAMPLES,
        image_format=to_wire(ImageFormat, image_format_pb2.ImageFormat.Value, "image_format", image_format),
    )
    method = connection.evaluations.ListExamples
    return listed(connection, method, request, lambda page: map(Example.from_wire, page.examples))


def listed_files(connection: Connection, job: str) -> Iterator[File]:
    """List the files of the job of this name that are complete, by name."""
    request = files_pb2.ListFilesRequest(parent=job)
    return listed(connection, connection.files.ListFiles, request, lambda page: map(File.from_wire, page.files))


def listed_images(connection: Connection, request: images_pb2.ListImagesRequest) -> Iterator[Image]:
    """List the images that answer a request."""
    return listed(connection, connection.images.ListImages, request, lambda page: map(Image.from_wire, page.images))


def model_history(connection: Connection, model: str) -> History:
    """Ask the server for the training curve of the model of this name, all of its pages."""
    request = models_pb2.ListTrainReportsRequest(parent=model, page_size=_REPORTS)
    pages = list(_pages(connection, connection.models.ListTrainReports, request))
    return compute(History.from_wire, in_pieces(_reports(pages)))


def _reports(pages: list[models_pb2.ListTrainReportsResponse]) -> Iterator[train_pb2.TrainProgress]:
    """Yield the reports of all pages, each of which is freed on the way: to free it later would take milliseconds."""
    while pages:
        yield from pages.pop(0).reports


def _pages(connection: Connection, method: grpc.UnaryUnaryMultiCallable[_R, _P], request: _R) -> Iterator[_P]:
    while True:
        page = connection.call(method, request)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
