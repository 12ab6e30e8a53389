"""An artifact store as a separate program: moto's S3 server. Prints its port when it is ready."""

import http.client
import signal
import sys
import threading

from moto.server import ThreadedMotoServer

__all__ = ["BUCKET"]

# The bucket that it has from the start.
BUCKET = "chaos"


def main() -> None:
    """Serve until SIGTERM."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = http.client.HTTPConnection(host, int(port))
    client.request("PUT", f"/{BUCKET}")
    client.getresponse().read()
    client.close()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    stopped.wait()
    server.stop()


if __name__ == "__main__":
    main()
