"""Redis forgets its last writes: it comes back with an earlier copy of its files, or a lagging replica is promoted."""

import shutil
import time
from contextlib import ExitStack
from pathlib import Path

import redis

from chaos.history import Loss
from chaos.network import HOST, Cut, Link
from chaos.parts import RedisPart

__all__ = ["Backup", "Replica"]

# How long a replica may take to catch up, in seconds.
CATCH_UP_S = 15.0


class Backup:
    """A copy of a Redis' append-only files as they are now.

    Args:
        server: the Redis.
        folder: where the copy goes; it must not exist.
    """

    def __init__(self, server: RedisPart, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._since = time.time()
        folder.mkdir()
        for file in _files(server.directory):
            copy = shutil.copytree if file.is_dir() else shutil.copy
            copy(file, folder / file.name)

    def bring_back(self) -> Loss:
        """Kill Redis and start it with the copy; return what is lost by that."""
        self._server.kill()
        loss = Loss(since=self._since, until=time.time())
        for file in _files(self._server.directory):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        for file in _files(self._folder):
            shutil.move(file, self._server.directory / file.name)
        self._folder.rmdir()
        self._server.start()
        return loss


def _files(folder: Path) -> list[Path]:
    """Return append-only files: one, or a folder of several, as the version of Redis has it."""
    return [path for path in folder.iterdir() if path.name.startswith("appendonly")]


class Replica:
    """A Redis that has all writes of another up to the moment when it is made, and none after that.

    Args:
        primary: whose replica it is.
        home: where its data and output go.
        name: of its folder.

    Raises:
        redis.RedisError: if it does not catch up.
    """

    def __init__(self, primary: RedisPart, home: Path, name: str) -> None:
        self._primary = primary
        with ExitStack() as stack:
            link = stack.enter_context(Link(primary.port).running())
            self.server = RedisPart(home, name)
            stack.callback(self.end)
            self.server.start()
            self.server.wait_until_ready()
            self.server.connection.replicaof(HOST, str(link.port))
            self._since = self._catch_up()
            link.cut(Cut.FROZEN)
            self._promoted = False
            self._stack = stack.pop_all()

    def promote(self) -> tuple[RedisPart, Loss]:
        """Kill the primary and have this one take writes; return it, and what is lost by that."""
        self._primary.kill()
        loss = Loss(since=self._since, until=time.time())
        self.server.connection.replicaof("NO", "ONE")
        self._promoted = True
        self.end()
        return self.server, loss

    def end(self) -> None:
        """End what is not needed any more: the link, and the server unless it was promoted."""
        if not getattr(self, "_promoted", False):
            self.server.kill()
        if hasattr(self, "_stack"):
            stack, self._stack = self._stack, ExitStack()
            stack.close()

    def _catch_up(self) -> float:
        """Wait until it has everything that the primary had; return when that was."""
        deadline = time.monotonic() + CATCH_UP_S
        while not self._is_in_step():
            if time.monotonic() > deadline:
                raise redis.ConnectionError("the replica does not get in step")
            time.sleep(0.02)  # Redis does not tell
        since, wanted = time.time(), int(self._primary.connection.info("replication")["master_repl_offset"])
        while int(self.server.connection.info("replication")["slave_repl_offset"]) < wanted:
            if time.monotonic() > deadline:
                raise redis.ConnectionError("the replica does not catch up")
            time.sleep(0.02)
        return since

    def _is_in_step(self) -> bool:
        """Return whether it has its first copy, and has written it down."""
        info = self.server.connection.info("everything")
        writes = info["aof_enabled"] and not info["aof_rewrite_in_progress"] and not info["aof_rewrite_scheduled"]
        return info.get("master_link_status") == "up" and bool(writes)
