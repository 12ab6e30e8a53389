"""Pages of a listing: the token is the id of the last item of the page before."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from convscope.service.errors import InvalidRequestError, Violation
from convscope.store.names import ID_PATTERN

__all__ = ["BAD_TOKEN", "MAX_PAGE_SIZE", "PAGE_BYTES", "check_page", "check_size", "cut_page"]

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000

# A page ends when its items have this many bytes, well below the largest message.
PAGE_BYTES = 16 * 2**20

BAD_TOKEN = Violation("page_token", "is not a token that this listing returned")


class Named(Protocol):
    """A message with a resource name."""

    name: str

    def ByteSize(self) -> int:  # noqa: N802 - named by protobuf
        """Return how many bytes it takes."""


Item = TypeVar("Item", bound=Named)


def check_page(page_size: int, page_token: str) -> int:
    """Return how many items a page has.

    Raises:
        InvalidRequestError: for a bad size or token.
    """
    size = check_size(page_size)
    if page_token and not ID_PATTERN.fullmatch(page_token):
        raise InvalidRequestError(BAD_TOKEN)
    return size


def check_size(page_size: int) -> int:
    """Return how many items a page has.

    Raises:
        InvalidRequestError: for a bad size.
    """
    if not 0 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidRequestError(Violation("page_size", f"must be 0 (meaning {DEFAULT_PAGE_SIZE}) to {MAX_PAGE_SIZE}"))
    return page_size or DEFAULT_PAGE_SIZE


def _id(item: Named) -> str:
    return item.name.partition("/")[2]


def cut_page(items: Iterator[Item], size: int, token: Callable[[Item], str] = _id) -> tuple[list[Item], str]:
    """Return a page's items and the token of the next page, empty if there is none.

    Args:
        items: those from the first of the page on.
        size: how many it has at most.
        token: names the place in the listing after an item.
    """
    page: list[Item] = []
    used = 0
    for item in items:
        if len(page) == size or used >= PAGE_BYTES:
            return page, token(page[-1])
        page.append(item)
        used += item.ByteSize()
    return page, ""
