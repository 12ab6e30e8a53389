"""An executor that hangs in a part whose claim Redis has lost is killed."""

from pathlib import Path

import pytest
import redis

from convscope.store.embedded import EmbeddedRedis
from support.worker_alone import worker_alone

# Since the repair it is killed after 40 reports, one a second; a busy machine takes its time.
PATIENCE_S = 50


@pytest.mark.slow
def test_one_that_hangs_when_redis_has_lost_its_claim_is_killed(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path
) -> None:
    with worker_alone(redis_server.url, tmp_path, CONVSCOPE_FAILPOINTS="executor.pulse=hang(gil)") as worker:
        worker.await_event(worker.create(1_000_000), "attempt_started")
        executor = worker.executor
        connection.flushdb()
        try:
            executor.wait(PATIENCE_S)
        finally:
            if executor.is_running():
                executor.kill()
