"""Pages of a listing.

A page's token is the place of its last item, tied to what is listed: a token that was truncated or changed, or belongs
to a listing with another filter or order, is refused.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from google.protobuf.message import Message

from convscope.service.errors import InvalidRequestError, Violation

__all__ = ["NUMBER", "PAGE_BYTES", "cut_page", "is_newest_first", "place_before"]

# Bytes that the items of a page have at most, unless there is only one: half of what every gRPC client accepts.
PAGE_BYTES = 2 * 2**20

BAD_TOKEN = Violation("page_token", "is not a token that this listing returned")

# The form of places that are numbers.
NUMBER = "[0-9]{1,19}"

# The default of ``order_by``.
NEWEST_FIRST = "create_time desc"

# Digits of the hash that ties a token to its listing.
CHECK_DIGITS = 16

# Fields that may differ from page to page of a listing.
FREE = ("page_size", "page_token", "view", "image_format")


class Listed(Protocol):
    """A message of a listing."""

    def ByteSize(self) -> int:  # noqa: N802 - named by protobuf
        """Return its size in bytes."""


Item = TypeVar("Item", bound=Listed)


def is_newest_first(order_by: str) -> bool:
    """Return whether a listing begins with what was created last."""
    return order_by == NEWEST_FIRST


def place_before(request: Message, form: str = ".*") -> str:
    """Return the place of the last item of the page before, ``""`` if there was none.

    Args:
        request: which page is asked for; its defaults are filled in.
        form: regular expression of a place: a client can make a token of any.

    Raises:
        InvalidRequestError: if the request's token is not one of this listing.
    """
    token: str = request.page_token  # type: ignore[attr-defined]  # every listing has it
    place = token.rpartition("-")[0]
    if token and (token != _token(request, place) or not re.fullmatch(form, place, re.DOTALL)):
        raise InvalidRequestError(BAD_TOKEN)
    return place


def id_of(item: Any) -> str:
    """Return the id of a message with a resource name."""
    identifier: str = item.name.partition("/")[2]
    return identifier


def cut_page(request: Message, items: Iterator[Item], place: Callable[[Item], str] = id_of) -> tuple[list[Item], str]:
    """Return a page's items and the token of the next page, empty if there is none.

    Args:
        request: the request for the page, with defaults filled in.
        items: the items from the first of the page on.
        place: names the place of an item in the listing; default: its id.
    """
    page: list[Item] = []
    size, used = request.page_size, 0  # type: ignore[attr-defined]  # every listing has it
    for item in items:
        used += item.ByteSize()
        if page and (len(page) == size or used > PAGE_BYTES):
            return page, _token(request, place(page[-1]))
        page.append(item)
    return page, ""


def _token(request: Message, place: str) -> str:
    """Return the token of the page that follows a place."""
    listed = type(request)()
    listed.CopyFrom(request)
    for field in FREE:
        if field in listed.DESCRIPTOR.fields_by_name:
            listed.ClearField(field)
    check = hashlib.sha256(place.encode() + b"\0" + listed.SerializeToString(deterministic=True)).hexdigest()
    return f"{place}-{check[:CHECK_DIGITS]}"
