"""Where the artifacts of a run are: in a folder, or in an S3 server behind networks that can be cut."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from chaos.network import HOST, Link
from chaos.parts import Part
from chaos.s3_server import BUCKET

__all__ = ["STORES", "Artifacts", "running_artifacts"]

# What the artifacts may be kept in.
STORES = ("file", "s3")

# Credentials of no account: moto takes any.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "chaos",
    "AWS_SECRET_ACCESS_KEY": "chaos",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifacts:
    """An artifact store.

    Attributes:
        url: where it is.
        links: the networks that lead to it, one for each of those that were asked for; none for a folder.
        parts: its processes.
    """

    url: str
    links: Sequence[Link] = ()
    parts: Sequence[Part] = field(default_factory=list)

    def environment(self, link: int) -> Mapping[str, str]:
        """Return the environment variables of a process at one of the links."""
        if not self.links:
            return {"CONVSCOPE_ARTIFACTS_URL": self.url}
        there = self.links[link]
        return {
            **CREDENTIALS,
            "CONVSCOPE_ARTIFACTS_URL": self.url,
            "AWS_ENDPOINT_URL": f"http://{there.host}:{there.port}",
        }


@contextmanager
def running_artifacts(store: str, home: Path, hosts: Sequence[str]) -> Iterator[Artifacts]:
    """Run a store within a ``with`` block, in which this process can open it, too.

    Args:
        store: one of STORES.
        home: where its data and output go.
        hosts: the addresses of this machine at which it is to be reached, each by a separate link.
    """
    if store == "file":
        yield Artifacts(url=(home / "artifacts").as_uri())
        return
    script = Path(__file__).with_name("s3_server.py")
    server = Part("artifact store", [sys.executable, str(script)], {**CREDENTIALS, "CONVSCOPE_HOME": str(home)}, home)
    with ExitStack() as stack:
        stack.callback(server.kill)
        server.start()
        server.wait_until_ready()
        port = int(server.greeting)
        links = [stack.enter_context(Link(port, host).running()) for host in hosts]
        near = {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://{HOST}:{port}"}
        stack.enter_context(mock.patch.dict(os.environ, near))
        yield Artifacts(url=f"s3://{BUCKET}/run", links=links, parts=[server])
