"""Pages of a listing: the token is the id of the last item of the page before."""

from collections.abc import Iterator
from itertools import islice
from typing import Protocol, TypeVar

from convscope.service.errors import InvalidRequestError, Violation
from convscope.store.names import ID_PATTERN

__all__ = ["BAD_TOKEN", "check_page", "check_size", "cut_page"]

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000

BAD_TOKEN = Violation("page_token", "is not a token that a listing returned")


class Named(Protocol):
    """Anything with a resource name."""

    name: str


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


def cut_page(items: Iterator[Item], size: int) -> tuple[list[Item], str]:
    """Return a page's items and the token of the next page, empty if there is none."""
    page = list(islice(items, size + 1))
    if len(page) <= size:
        return page, ""
    return page[:size], page[size - 1].name.partition("/")[2]
