"""What is built is whole: every portion, the contract's sources and stubs, data files, nothing else."""

import subprocess
import zipfile

import pytest

from support.wheels import ROOT, build_wheel

PORTIONS = ("protos", "client", "store", "service", "worker")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("dist")))


def tracked(portion: str) -> set[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", f"{portion}/convscope"]
    names = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    return {name.removeprefix(f"{portion}/") for name in names if name and (ROOT / name).exists()}


@pytest.mark.parametrize("portion", PORTIONS)
def test_every_file_of_the_portion_is_in(wheel: zipfile.ZipFile, portion: str) -> None:
    files = tracked(portion)
    assert files
    assert files - set(wheel.namelist()) == set()


@pytest.mark.parametrize(
    "name", ["convscope/v1/jobs.proto", "convscope/v1/jobs_pb2.pyi", "convscope/v1/jobs_pb2_grpc.py"]
)
def test_contract_is_in(wheel: zipfile.ZipFile, name: str) -> None:
    assert name in wheel.namelist()


def test_lua_scripts_are_in(wheel: zipfile.ZipFile) -> None:
    assert [
        name for name in wheel.namelist() if name.startswith("convscope/store/redis/lua/") and name.endswith(".lua")
    ]


def test_nothing_else_is_in(wheel: zipfile.ZipFile) -> None:
    expected = set().union(*(tracked(portion) for portion in PORTIONS))
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} - expected == set()
    assert "convscope/__init__.py" not in wheel.namelist()


def test_command_and_licence_are_in(wheel: zipfile.ZipFile) -> None:
    names = {name.partition(".dist-info/")[2] for name in wheel.namelist()}
    assert {"entry_points.txt", "licenses/LICENSE", "METADATA"} <= names
