"""The images' own commands, run as processes: what the Dockerfile builds, starts and checks, and compose's Redis.

The service runs in an environment made by the Dockerfile's own commands, so there is no TensorFlow in it.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from convscope.client import Client
from convscope.store.embedded import find_server
from support.container_files import ROOT, command, compose, environment, healthcheck, stages

# Installing may take long where other work is under way.
pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

# Where this process's own programs are.
BIN = Path(sys.executable).parent

# The longest that a process may take to start, in seconds; docker would wait for as long as its start period.
START_TIMEOUT_S = 60


@dataclass
class Host:
    """What stands for the machine: addresses and folders that replace those inside the containers."""

    redis_port: int
    service_port: int
    folder: Path

    def adapt(self, value: str) -> str:
        value = value.replace("redis://redis:6379", f"redis://127.0.0.1:{self.redis_port}")
        value = value.replace(":50051", f":{self.service_port}")
        value = value.replace("/usr/share/convscope", str(ROOT / "data"))
        return value.replace("file:///artifacts", (self.folder / "artifacts").as_uri())

    def environment(self, image: str, path: Path) -> dict[str, str]:
        """Return the variables of a container: those of its image, then those of compose."""
        composed = compose()["services"][image]["environment"]
        inside = {**environment(image), **{name: value for name, value in composed.items() if value is not None}}
        return {
            "PATH": f"{path}{os.pathsep}{os.defpath}",
            "HOME": str(self.folder),
            **{name: self.adapt(str(value)) for name, value in inside.items()},
        }


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    folder = tmp_path_factory.mktemp("host")
    (folder / "artifacts").mkdir()
    return Host(redis_port=free_port(), service_port=free_port(), folder=folder)


@contextmanager
def running(words: list[str], variables: Mapping[str, str], ready: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process, wait until it says that it is ready; stop it as docker does, and see that it ends well."""
    program = shutil.which(words[0], path=variables["PATH"])
    assert program is not None, f"{words[0]} is not on the image's PATH"
    process = subprocess.Popen([program, *words[1:]], env=variables, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert any(ready in line for line in process.stdout), f"{words} ended with {process.wait()}"
        yield process
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(START_TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def healthy(image: str, host: Host, path: Path) -> bool:
    words = [host.adapt(word) for word in healthcheck(image)]
    words[0] = str(path / words[0])
    answer = subprocess.run(words, env=host.environment(image, path), check=False, timeout=START_TIMEOUT_S)
    assert answer.returncode in {0, 1}  # docker reserves the others
    return answer.returncode == 0


@pytest.fixture(scope="module")
def redis_container(host: Host) -> Iterator[redis.Redis]:
    """Redis as compose starts it, on another port and in another folder."""
    words = [*compose()["services"]["redis"]["command"], "--bind", "127.0.0.1"]
    words += ["--port", str(host.redis_port), "--dir", str(host.folder)]
    words[0] = find_server()
    ready = running(words, {"PATH": os.defpath}, "Ready to accept connections")
    with ready, redis.Redis(port=host.redis_port) as connection:
        yield connection


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of the service's image, made by the very commands that docker would run."""
    folder = tmp_path_factory.mktemp("image")
    subprocess.run([sys.executable, "-m", "venv", folder / "system"], check=True)
    # What is not imported need not be compiled in advance.
    variables = {**os.environ, "PIP_NO_COMPILE": "1", "PATH": f"{folder}/system/bin{os.pathsep}{os.environ['PATH']}"}
    for stage in ("wheel", "build-service"):
        workdir = folder / stage
        workdir.mkdir()
        for name, arguments in [*stages()["pins"].instructions, *stages()[stage].instructions]:
            if name == "COPY" and not arguments.startswith("--from"):
                copy(arguments.split(), workdir)
            elif name == "RUN":
                shell = arguments.replace("/opt/", f"{folder}/opt/").replace("/wheels", f"{folder}/wheels")
                subprocess.run(["sh", "-c", shell], cwd=workdir, env=variables, check=True, capture_output=True)
    return folder / "opt" / "convscope" / "bin"


def copy(words: list[str], workdir: Path) -> None:
    *sources, target = words
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, workdir / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (workdir / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, workdir / target)


@pytest.fixture(scope="module")
def service_container(host: Host, built: Path, redis_container: redis.Redis) -> Iterator[None]:
    assert redis_container.ping()
    assert not healthy("service", host, built), "nothing serves yet"
    with running(command("service"), host.environment("service", built), "convscope serves at"):
        yield


@pytest.fixture(scope="module")
def worker_container(host: Host, redis_container: redis.Redis) -> Iterator[None]:
    assert redis_container.ping()
    assert not healthy("worker", host, BIN), "no worker runs yet"
    with running(command("worker"), host.environment("worker", BIN), "is ready"):
        yield


def test_redis_keeps_everything(redis_container: redis.Redis) -> None:
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
    settings = {name: value for wish in wanted for name, value in redis_container.config_get(wish).items()}
    assert settings == wanted


def test_redis_is_healthy(host: Host, redis_container: redis.Redis) -> None:
    assert redis_container.ping()
    kind, *words = compose()["services"]["redis"]["healthcheck"]["test"]
    assert kind == "CMD"
    client = shutil.which(words[0]) or str(Path(find_server()).parent / words[0])
    if not Path(client).is_file():
        pytest.skip("no redis-cli on this machine")
    answer = subprocess.run(
        [client, "-p", str(host.redis_port), *words[1:]], capture_output=True, check=True, text=True
    )
    assert answer.stdout == "PONG\n"


@pytest.mark.parametrize("module", ["tensorflow", "keras", "sklearn", "matplotlib", "pytest"])
def test_service_image_is_light(built: Path, module: str) -> None:
    answer = subprocess.run([built / "python", "-c", f"import {module}"], capture_output=True, text=True, check=False)
    assert f"No module named '{module}'" in answer.stderr


@pytest.mark.usefixtures("service_container")
def test_service_is_healthy(host: Host, built: Path) -> None:
    assert healthy("service", host, built)


@pytest.mark.usefixtures("worker_container")
def test_worker_is_healthy(host: Host) -> None:
    assert healthy("worker", host, BIN)


@pytest.mark.usefixtures("service_container", "worker_container")
def test_containers_work_together(host: Host) -> None:
    with Client(f"localhost:{host.service_port}") as client:
        training = client.train(iterations=20)
        images = client.visualize(training, {"logits": [2]}, iterations=3)
        assert client.evaluate(training).result(timeout=120).example_count == 10_000
        assert len(images.result(timeout=120).images) == 1
