"""Pages of a listing: the token is the id of the last item of the page before."""

from collections.abc import Iterator
from typing import Protocol, TypeVar

from convscope.service.errors import InvalidRequestError, Violation
from convscope.store.names import ID_PATTERN

__all__ = ["BAD_TOKEN", "PAGE_BYTES", "check_token", "cut_page"]

# A page ends when its items have this many bytes, well below the largest message.
PAGE_BYTES = 16 * 2**20

BAD_TOKEN = Violation("page_token", "is not a token that this listing returned")


class Named(Protocol):
    """A message with a resource name."""

    name: str

    def ByteSize(self) -> int:  # noqa: N802 - named by protobuf
        """Return how many bytes it takes."""


Item = TypeVar("Item", bound=Named)


def check_token(page_token: str) -> None:
    """Refuse a token that is no item's id.

    Raises:
        InvalidRequestError: if it is none.
    """
    if page_token and not ID_PATTERN.fullmatch(page_token):
        raise InvalidRequestError(BAD_TOKEN)


def cut_page(items: Iterator[Item], size: int) -> tuple[list[Item], str]:
    """Return a page's items and the token of the next page, empty if there is none."""
    page: list[Item] = []
    used = 0
    for item in items:
        if len(page) == size or used >= PAGE_BYTES:
            return page, page[-1].name.partition("/")[2]
        page.append(item)
        used += item.ByteSize()
    return page, ""
