"""A wire carries, and when it is cut it is silent until it is whole again."""

import socket
import subprocess
import sys

import pytest

from chaos.namespace import running_wire

# Nothing here takes longer, in seconds; TCP sends again after ever longer pauses.
PATIENCE_S = 30

# Sends each line that it reads to the address in its arguments.
PROGRAM = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    for line in sys.stdin:
        connection.sendall(line.encode())
"""


def test_a_wire_can_be_cut() -> None:
    with running_wire() as wire:
        if wire is None:
            pytest.skip("network namespaces are not permitted here")
        with socket.create_server((wire.host, 0)) as server:
            port = server.getsockname()[1]
            command = wire.command([sys.executable, "-c", PROGRAM, wire.host, str(port)])
            with subprocess.Popen(command, stdin=subprocess.PIPE) as sender:
                assert sender.stdin is not None
                server.settimeout(PATIENCE_S)
                connection, _ = server.accept()
                with connection:
                    sender.stdin.write(b"before\n")
                    sender.stdin.flush()
                    connection.settimeout(PATIENCE_S)
                    assert connection.recv(100) == b"before\n"
                    wire.cut()
                    sender.stdin.write(b"after\n")
                    sender.stdin.flush()
                    connection.settimeout(1)
                    with pytest.raises(TimeoutError):
                        connection.recv(100)
                    wire.heal()
                    connection.settimeout(PATIENCE_S)
                    assert connection.recv(100) == b"after\n"
