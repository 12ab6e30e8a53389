"""A caller that speaks plain HTTP/2, to do what gRPC's clients do not."""

import contextlib
import socket
import struct
from typing import Self

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, WINDOW = 0, 1, 3, 4, 6, 8
END_STREAM = ACK = 1
END_HEADERS = 4
INITIAL_WINDOW = 4
FRAME = 16_384


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def headers(path: str) -> bytes:
    """Return the headers of a call, without compression."""
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost", "te": "trailers"}
    fields["content-type"] = "application/grpc"
    return b"".join(
        bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in fields.items()
    )


class Caller:
    """One connection, whose streams send as much as the server lets them.

    Args:
        address: ``HOST:PORT``.
        window: bytes of each stream's response that the server may send.
    """

    def __init__(self, address: str, *, window: int = 65_535) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10)
        settings = struct.pack(">HI", INITIAL_WINDOW, window)
        self._socket.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))
        self._received = b""
        self._initial = 65_535
        self._window = 65_535
        self._windows: dict[int, int] = {}
        self._left: dict[int, bytes] = {}
        self.receive(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    def call(self, stream: int, path: str, body: bytes) -> None:
        """Begin a call on a stream, which stays open; clients' streams have odd numbers."""
        self._socket.sendall(frame(HEADERS, END_HEADERS, stream, headers(path)))
        self._windows[stream], self._left[stream] = self._initial, body

    def send(self) -> int:
        """Send what the windows allow, and return how many bytes."""
        sent = 0
        for stream, left in list(self._left.items()):
            size = min(len(left), self._window, self._windows.get(stream, 0), FRAME)
            if size > 0:
                with contextlib.suppress(OSError):
                    self._socket.sendall(frame(DATA, 0, stream, left[:size]))
                self._left[stream] = left[size:]
                self._window -= size
                self._windows[stream] -= size
                sent += size
        return sent

    def receive(self, timeout_s: float) -> None:
        """Receive what has arrived, or wait for it, ``timeout_s`` seconds at most."""
        self._socket.settimeout(timeout_s)
        try:
            self._received += self._socket.recv(65_536)
        except OSError:
            return
        finally:
            self._socket.settimeout(10)
        while len(self._received) >= 9 and len(self._received) >= 9 + (size := int.from_bytes(self._received[:3])):
            kind, flags, stream = struct.unpack(">BBI", self._received[3:9])
            payload, self._received = self._received[9 : 9 + size], self._received[9 + size :]
            self._take(kind, flags, stream, payload)

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == INITIAL_WINDOW:
                    self._windows = {number: size + value - self._initial for number, size in self._windows.items()}
                    self._initial = value
            self._socket.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self._socket.sendall(frame(PING, ACK, 0, payload))
        elif kind == WINDOW and stream == 0:
            self._window += int.from_bytes(payload)
        elif kind == WINDOW and stream in self._windows:
            self._windows[stream] += int.from_bytes(payload)
        elif kind == RESET or (kind == HEADERS and flags & END_STREAM):
            self._windows.pop(stream, None)
            self._left.pop(stream, None)
