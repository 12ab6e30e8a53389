"""A caller without token cannot make the service hold what it sends."""

import re
from pathlib import Path

from convscope.store.embedded import EmbeddedRedis
from convscope.v1.jobs_pb2 import CreateJobRequest
from support.api import connect, refused
from support.service_alone import service_alone

MIB = 2**20

# What one call without token may make the service hold, in bytes. Before the repair it was any message of 128 MiB, of
# any number of callers: a dozen are more than a gigabyte.
BOUND = 50 * MIB


def most_memory(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def test_a_large_request_without_token_is_not_held(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    request = CreateJobRequest(request_id="x" * (100 * MIB))
    with service_alone(redis_server.url, tmp_path, CONVSCOPE_TOKEN="t") as (address, process), connect(address) as api:
        before = most_memory(process.pid)
        refused(lambda: api.jobs.CreateJob(request, timeout=30))
        assert most_memory(process.pid) - before < BOUND
