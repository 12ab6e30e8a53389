"""Services whose Redis and artifact store do not belong together delete nothing, say so, and continue with jobs."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import grpc
import pytest
import redis

from convscope.service.admin import main
from convscope.store import BlobStore, Deployment, ModelManifests
from convscope.store.embedded import EmbeddedRedis
from convscope.store.redis.keys import KEYS, key
from convscope.v1.models_pb2 import DeleteModelRequest, GetModelRequest, ListModelsRequest
from convscope.v1.train_pb2 import TrainSpec
from support.api import connect
from support.service_alone import service_alone
from support.trained_models import train_model

PATIENCE_S = 30.0
DAY_S = 86_400


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path, for sockets."""
    folder = Path(mkdtemp(prefix="cs-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def blobs(home: Path) -> BlobStore:
    """The artifact store of services in this home."""
    return BlobStore((home / "artifacts").as_uri())


@contextlib.contextmanager
def connected(server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with contextlib.closing(redis.Redis.from_url(server.url)) as connection:
        yield connection


def files(home: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (home / "artifacts").rglob("*") if path.is_file()}


def age(home: Path) -> None:
    for path in (home / "artifacts").rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - DAY_S,) * 2)


class Admin:
    """``convscope admin``, for the services in a home."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._environment, self._capsys = monkeypatch, capsys
        monkeypatch.setenv("CONVSCOPE_HOME", str(home))
        monkeypatch.setattr("builtins.input", self._no_answer)

    def use(self, server: EmbeddedRedis) -> None:
        self._environment.setenv("CONVSCOPE_REDIS_URL", server.url)

    def __call__(self, *words: str) -> tuple[int, str]:
        """Run a command and return its exit code and what it printed."""
        self._capsys.readouterr()
        code = main(words)
        printed = self._capsys.readouterr()
        return code, printed.out + printed.err

    def status(self) -> Any:
        return json.loads(self("status", "--json")[1])

    def _no_answer(self, _: str) -> str:
        raise EOFError


@pytest.fixture
def admin(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Admin:
    return Admin(home, monkeypatch, capsys)


@contextlib.contextmanager
def logging_service(server: EmbeddedRedis, home: Path) -> Iterator[tuple[str, list[str]]]:
    """Run a service; afterwards the lines of its log are there."""
    lines: list[str] = []
    with service_alone(server.url, home) as (address, process):
        yield address, lines
        process.terminate()
        lines += process.communicate(timeout=PATIENCE_S)[1].splitlines()


def test_a_service_on_an_empty_redis_deletes_nothing_of_a_full_store(
    home: Path, blobs: BlobStore, admin: Admin
) -> None:
    with EmbeddedRedis(home / "before").running() as server, connected(server) as connection:
        Deployment(connection, blobs.objects).join()
        model, deleted = train_model(connection, blobs), train_model(connection, blobs)
        ModelManifests(connection, blobs).delete(deleted.name)
        orphan = blobs.put(b"an orphan")
    age(home)
    before = files(home)
    with EmbeddedRedis(home / "after").running() as server, connected(server) as connection:
        admin.use(server)
        with logging_service(server, home) as (address, lines), connect(address) as api:
            api.create(TrainSpec(dataset="datasets/mnist"))
            status = admin.status()
            assert (status["deletes"], status["code"]) == (False, "redis_new")
            assert status["store"]["files"] == len([path for path in before if "blobs" in path.parts])
            assert status["manifests_without_record"] == [model.name]
            assert [admin(*words)[0] for words in (["sweep", "--force"], ["adopt"], ["adopt", "--dry-run"])] == [
                1,
                1,
                0,
            ]
        warnings = [line for line in lines if status["reason"] in line]
        assert len(warnings) == 1
        assert status["advice"] in warnings[0]
        assert before.items() <= files(home).items()
        code, text = admin("adopt", "--yes")
        assert code == 0
        assert model.name in text
        with logging_service(server, home) as (address, _), connect(address) as api:
            listed = {model.name for model in api.models.ListModels(ListModelsRequest()).models}
            assert model.name in listed
            assert deleted.name not in listed
            assert api.models.GetModel(GetModelRequest(name=model.name)).digest.sha256 == model.digest.sha256
        assert "Deletion: on" in admin("status")[1]
        assert "removed 0 files" in admin("sweep")[1]
        assert blobs.written(orphan)
        assert blobs.written(deleted.digest.sha256)
        assert "would remove 5 of 7" in admin("sweep", "--dry-run", "--all")[1]
        assert "removed 5" in admin("sweep", "--all")[1]
        assert blobs.get(model.digest.sha256)


def test_the_command_reaches_admin(redis_server: EmbeddedRedis, home: Path) -> None:
    command = [sys.executable, "-c", "from convscope.client.cli import main; main()", "admin", "status"]
    environment = {**os.environ, "CONVSCOPE_REDIS_URL": redis_server.url, "CONVSCOPE_HOME": str(home)}
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "Artifact store" in process.stdout
    for variable, url in (("CONVSCOPE_REDIS_URL", "http://x"), ("CONVSCOPE_ARTIFACTS_URL", "ftp://x")):
        failed = subprocess.run(
            command, env={**environment, variable: url}, capture_output=True, text=True, check=False
        )
        assert failed.returncode == 2
        assert variable in failed.stderr


def test_admin_says_what_is_away(home: Path, admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_REDIS_URL", f"unix://{home}/none.sock")
    code, text = admin("status")
    assert code == 1
    assert "Redis cannot be used" in text


def test_a_restored_redis_sweeps_nothing_that_is_newer(home: Path, blobs: BlobStore, admin: Admin) -> None:
    with EmbeddedRedis(home / "redis").running() as server, connected(server) as connection:
        with service_alone(server.url, home):
            await_epoch(connection, 1)
        old = train_model(connection, blobs)
    shutil.copytree(home / "redis", home / "backup", ignore=shutil.ignore_patterns("*.sock"))
    with EmbeddedRedis(home / "redis").running() as server, connected(server) as connection:
        with service_alone(server.url, home):
            await_epoch(connection, 2)
        train_model(connection, blobs, manifest=False)
    age(home)
    before = files(home)
    with EmbeddedRedis(home / "backup").running() as server, connected(server) as connection:
        connection.delete(KEYS["swept"])
        admin.use(server)
        with logging_service(server, home) as (address, lines), connect(address) as api:
            assert admin.status()["code"] == "redis_behind"
            with pytest.raises(grpc.RpcError) as caught:
                api.models.DeleteModel(DeleteModelRequest(name=old.name))
            assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert any("convscope admin adopt" in line for line in lines)
        assert files(home) == before


def await_epoch(connection: redis.Redis, epoch: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while int(connection.hget(KEYS["deployment"], "epoch") or 0) < epoch:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("program", ["convscope.service", "convscope.service.up", "convscope.worker"])
def test_records_of_the_first_version_are_refused_in_a_sentence(
    connection: redis.Redis, redis_server: EmbeddedRedis, tmp_path: Path, program: str
) -> None:
    connection.delete(KEYS["deployment"])
    connection.zadd(KEYS["jobs"], {"some": 0})
    connection.hset(key("job", "some"), "state", "queued")
    process = subprocess.run(
        [sys.executable, "-m", program],
        env={
            **os.environ,
            "CONVSCOPE_REDIS_URL": redis_server.url,
            "CONVSCOPE_HOME": str(tmp_path),
            "CONVSCOPE_LISTEN": "localhost:0",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 2
    (line,) = [line for line in process.stderr.splitlines() if line.startswith("convscope ")]
    assert "0.1" in line
    assert "flushdb" in line
    assert "Traceback" not in process.stderr
    assert not connection.exists(KEYS["deployment"])
