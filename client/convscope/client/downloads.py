"""Files that are read from the server, through broken connections."""

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Protocol

from convscope.client.connection import Connection
from convscope.client.errors import DataLoss, Unavailable
from convscope.client.watching import Outage

__all__ = ["checked", "downloaded"]


class _Piece(Protocol):
    data: bytes


def downloaded(
    connection: Connection, start: Callable[[int], Generator[_Piece]], title: str, sha256: str
) -> Iterator[bytes]:
    """The pieces of a file; a connection that breaks is taken up again where it broke.

    Args:
        connection: To the server.
        start: Begins to read at an offset.
        title: What the file is called in messages.
        sha256: Its SHA-256.

    Raises:
        DataLoss: The bytes do not have this SHA-256.
        Unavailable: The server could not be reached, once something had arrived for as long as the configured patience.
        ServiceError: Any other refusal.
    """
    return checked(_resumed(connection, start), title, sha256)


def checked(pieces: Iterable[bytes], title: str, sha256: str) -> Iterator[bytes]:
    """The pieces, after the last of which their SHA-256 is compared.

    Raises:
        DataLoss: It is another.
    """
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != sha256:
        raise DataLoss(f"{title}: the bytes received have SHA-256 {digest.hexdigest()}, not {sha256}")


def _resumed(connection: Connection, start: Callable[[int], Generator[_Piece]]) -> Iterator[bytes]:
    outage = Outage(connection.config.patience)
    received = 0
    while True:
        try:
            with closing(start(received)) as pieces:
                for piece in pieces:
                    outage.over()
                    received += len(piece.data)
                    yield piece.data
        except Unavailable as error:
            if not received:
                raise
            outage.wait(error)
        else:
            return
