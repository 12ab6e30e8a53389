"""An artifact store as a program of its own: moto's S3 server. Says its port when it is ready."""

import signal
import sys
import threading

import boto3
from moto.server import ThreadedMotoServer

__all__ = ["BUCKET"]

# The bucket that it has from the start.
BUCKET = "chaos"


def main() -> None:
    """Serve until SIGTERM."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    told.wait()
    server.stop()


if __name__ == "__main__":
    main()
