"""Lists that come in pages."""

from __future__ import annotations  # gRPC's callables are generic in its stubs only

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    import grpc

    from convscope.client.connection import Connection

__all__ = ["order", "pages"]


class _Request(Protocol):
    page_token: str


class _Page(Protocol):
    next_page_token: str


_R = TypeVar("_R", bound=_Request)
_P = TypeVar("_P", bound=_Page)


def order(*, newest_first: bool) -> str:
    """The order of a listing, as the contract writes it."""
    return "create_time desc" if newest_first else "create_time"


def pages(connection: Connection, method: grpc.UnaryUnaryMultiCallable[_R, _P], request: _R) -> Iterator[_P]:
    """The pages that answer a request, each fetched when it is asked for."""
    while True:
        page = connection.call(method, request)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
