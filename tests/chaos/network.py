"""The network between a process and Redis or the artifact store: a TCP proxy that can be cut."""

import asyncio
import contextlib
import enum
import threading
from collections.abc import Coroutine, Iterator

__all__ = ["Cut", "Link"]

HOST = "127.0.0.1"

# Bytes carried at once.
PIECE = 65_536


class Cut(enum.Enum):
    """What is wrong with a network."""

    CLOSED = "closed"
    """Connections break, new ones are refused."""
    FROZEN = "frozen"
    """Nothing gets through; all of it arrives when the cut is over."""
    MUTE = "mute"
    """Requests arrive, replies do not; connections break when the cut is over."""
    SILENT = "silent"
    """Nothing gets through, and the connections of that time never hear of it, not even when the cut is over."""
    RESET = "reset"
    """Connections are taken, and break with the first reply."""
    SLOW = "slow"
    """Everything gets through, in small pieces with pauses."""
    ERRORS = "errors"
    """Every request of HTTP is answered by status 500, without reaching the target."""


HOLDS_REQUESTS = {Cut.FROZEN, Cut.SILENT}
HOLDS_REPLIES = {*HOLDS_REQUESTS, Cut.MUTE}

# Those that begin with the end of all connections.
BREAKS = {Cut.CLOSED, Cut.RESET, Cut.ERRORS}

# Of a slow network: bytes carried at once, and the pause after them, in seconds.
SLOW_PIECE = 4_096
SLOW_PAUSE_S = 0.05

# Turns of the loop in which a connection that was just taken comes to be served, and can be ended.
LAST_TURNS = 5

# What is said instead of an answer.
SERVER_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
END_OF_HEAD = b"\r\n\r\n"


class Link:
    """A port that leads to another port of this machine; served by a separate thread.

    Args:
        target: the port that it leads to.
        host: the address at which it is served.
    """

    def __init__(self, target: int, host: str = HOST) -> None:
        self.port = 0
        self.host = host
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._cut: Cut | None = None
        self._whole = asyncio.Event()
        self._connections: set[_Connection] = set()
        self._forgotten: list[_Connection] = []  # kept open, so that their end is not noticed

    @contextlib.contextmanager
    def running(self) -> Iterator["Link"]:
        """Run it within a ``with`` block."""
        thread = threading.Thread(target=self._loop.run_forever, name="link", daemon=True)
        thread.start()
        self._do(self._open())
        try:
            yield self
        finally:
            self._do(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def cut(self, how: Cut) -> None:
        """Cut the network."""
        self._do(self._sever(how))

    def heal(self) -> None:
        """Make it whole again."""
        self._do(self._restore())

    def lead_to(self, target: int) -> None:
        """Lead to another port from now on; connections to the port before end."""
        self._do(self._redirect(target))

    def _do(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        self._whole.set()
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _sever(self, how: Cut) -> None:
        self._cut = how
        self._whole.clear()
        if how is Cut.CLOSED:
            self._server.close()
        if how in BREAKS:
            await self._end_connections()

    async def _restore(self) -> None:
        if self._cut in {Cut.MUTE, Cut.SILENT}:
            await self._end_connections(silently=self._cut is Cut.SILENT)
        how, self._cut = self._cut, None
        if how is Cut.CLOSED:
            await self._open()
        self._whole.set()

    async def _redirect(self, target: int) -> None:
        self._target = target
        await self._end_connections()

    async def _close(self) -> None:
        self._server.close()
        for _ in range(LAST_TURNS):
            await self._end_connections()
            await asyncio.sleep(0)
        for connection in self._forgotten:
            connection.near.transport.abort()
        await asyncio.sleep(0)  # in which what was aborted is closed

    async def _end_connections(self, *, silently: bool = False) -> None:
        ended = list(self._connections)
        for connection in ended:
            connection.forgotten = silently
            connection.task.cancel()
        await asyncio.gather(*(connection.over.wait() for connection in ended))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer, asyncio.ensure_future(self._carry_both(reader, writer)))
        self._connections.add(connection)
        await asyncio.wait([connection.task])
        self._connections.discard(connection)
        if connection.forgotten:
            self._forgotten.append(connection)
        else:
            writer.transport.abort()
        connection.over.set()

    async def _carry_both(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self._cut in HOLDS_REQUESTS:
            await self._whole.wait()
        if self._cut is Cut.ERRORS:
            await self._refuse(reader, writer)
            return
        with contextlib.suppress(OSError):  # Redis is away: the worker is told by the end of its connection
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
            ways = [
                asyncio.ensure_future(self._carry(reader, far_writer, HOLDS_REQUESTS)),
                asyncio.ensure_future(self._carry(far_reader, writer, HOLDS_REPLIES)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                far_writer.transport.abort()  # before any wait, in which the link may be cut
                for way in ways:
                    way.cancel()
                await asyncio.wait(ways)

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request with an error, once it has come whole as far as its head."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(END_OF_HEAD)
            writer.write(SERVER_ERROR)
            await writer.drain()
            writer.write_eof()
            while await reader.read(PIECE):  # a body that is not read would have the connection reset
                pass

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, held_by: set[Cut]) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(PIECE):
                while self._cut in held_by:
                    await self._whole.wait()
                if self._cut is Cut.RESET and held_by is HOLDS_REPLIES:
                    return
                await self._pass_on(piece, target)

    async def _pass_on(self, piece: bytes, target: asyncio.StreamWriter) -> None:
        while self._cut is Cut.SLOW and piece:
            target.write(piece[:SLOW_PIECE])
            await target.drain()
            await asyncio.sleep(SLOW_PAUSE_S)
            piece = piece[SLOW_PIECE:]
        target.write(piece)
        await target.drain()


class _Connection:
    """A connection of the worker's: its writer, and the task that carries bytes both ways."""

    def __init__(self, near: asyncio.StreamWriter, task: "asyncio.Task[None]") -> None:
        self.near = near
        self.task = task
        self.forgotten = False
        self.over = asyncio.Event()
