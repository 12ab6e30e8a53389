"""Settings in environment variables: each is read in one place, and refused by name where it has a wrong value."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.client.config import Config
from convscope.client.errors import InvalidValue
from convscope.engine.data.settings import DataSettings
from convscope.service.settings import ServiceSettings
from convscope.store import StoreSettings
from convscope.store.environment import Variables
from convscope.worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
SECRET = "s3cr3t"

Reader = Callable[[Mapping[str, str]], object]


def service(environment: Mapping[str, str]) -> ServiceSettings:
    return ServiceSettings.from_environment(environment=environment)


def client(environment: Mapping[str, str]) -> Config:
    return Config.from_environment(environ=environment)


# What reads a variable, and values that it refuses.
WRONG: dict[str, tuple[Reader, list[str]]] = {
    "CONVSCOPE_ADDRESS": (client, ["localhost:http", "host:0x1"]),
    "CONVSCOPE_ARTIFACTS_URL": (StoreSettings.from_environment, ["/tmp/x", f"s3://key:{SECRET}@bucket"]),
    "CONVSCOPE_CHECKPOINT_STEPS": (WorkerSettings.from_environment, ["0", "-1", "1.5", "many", "99999999999"]),
    "CONVSCOPE_DATA": (DataSettings.from_environment, ["/none", __file__, "~nobody-of-this-name/x"]),
    "CONVSCOPE_DEVICE": (WorkerSettings.from_environment, ["tpu", "CPU"]),
    "CONVSCOPE_FAILPOINTS": (StoreSettings.from_environment, ["nowhere=kill", "claim.after=panic"]),
    "CONVSCOPE_HOME": (StoreSettings.from_environment, ["~nobody-of-this-name/x"]),
    "CONVSCOPE_INSECURE": (service, ["yes", "true", "2"]),
    "CONVSCOPE_KEEP_WARM": (WorkerSettings.from_environment, ["-1", "nan", "inf", "long"]),
    "CONVSCOPE_LISTEN": (service, ["localhost", "localhost:http", "localhost:70000"]),
    "CONVSCOPE_MAX_COST": (service, ["0", "-1", "nan", "inf", "much"]),
    "CONVSCOPE_MEMORY": (WorkerSettings.from_environment, ["much", "12", "2GB"]),
    "CONVSCOPE_MNIST_URL": (
        DataSettings.from_environment,
        ["file:///x", "host/path", f"http://ann:{SECRET}@host/", f"https://host/?key={SECRET}", "http://host:port/"],
    ),
    "CONVSCOPE_REDIS_URL": (StoreSettings.from_environment, ["redis", f"http://:{SECRET}@x"]),
    "CONVSCOPE_THREADS": (WorkerSettings.from_environment, ["0", "-1", "1_000", "two", "99999999999"]),
    "CONVSCOPE_TLS_CERT": (service, ["/none"]),
    "CONVSCOPE_TLS_KEY": (service, ["/none"]),
    "CONVSCOPE_TOKEN": (service, [f"{SECRET}\n", f"{SECRET}ä"]),
}

# Those that no Python here reads, or only when the file is opened.
ELSEWHERE = {"CONVSCOPE_PYTHON", "CONVSCOPE_TLS_CA"}

# The modules that read the environment for settings; anything else asks these.
READERS = {
    "client/convscope/client/config.py",
    "store/convscope/store/environment.py",
    "worker/convscope/engine/data/settings.py",
}

# What else has to do with the environment and a variable's name: it writes for child processes, or describes.
READS = re.compile(
    r"""(?:environ(?:ment)?(?:\.get\(|\[)|getenv\()\s*["']?(?P<what>(?:CONVSCOPE_\w+|\w*VARIABLE)\b)"""
    r"""(?!["']?\]\s*=[^=])"""
)


def test_every_setting_is_tried() -> None:
    readme = (ROOT / "README.md").read_text()
    rows = [line.split("|")[1] for line in readme.splitlines() if line.startswith("| `CONVSCOPE_")]
    documented = {name for row in rows for name in re.findall(r"CONVSCOPE_[A-Z_]+", row)}
    assert documented == set(WRONG) | ELSEWHERE


@pytest.mark.parametrize(("variable", "value"), [(name, value) for name in WRONG for value in WRONG[name][1]])
def test_a_wrong_value_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises((ValueError, InvalidValue)) as caught:
        WRONG[variable][0]({variable: value})
    assert variable in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("variable", WRONG)
def test_an_empty_variable_is_as_one_that_is_not_set(variable: str) -> None:
    read = WRONG[variable][0]
    assert read({variable: ""}) == read({})


def test_settings_show_no_token() -> None:
    environment = {"CONVSCOPE_TOKEN": SECRET}
    assert service(environment).token == client(environment).token == SECRET
    assert SECRET not in f"{service(environment)!r}{client(environment)!r}"


@pytest.mark.parametrize("portion", ["client", "store", "service", "worker"])
def test_no_other_module_reads_settings(portion: str) -> None:
    paths = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / portion / "convscope").rglob("*.py")}
    reads = {name: [match["what"] for match in READS.finditer(text)] for name, text in paths.items()}
    allowed = {"client/convscope/client/demo/server.py": ["CONVSCOPE_HOME"]}  # which lends a server its datasets
    assert {name: what for name, what in reads.items() if what and name not in READERS} == {
        name: what for name, what in allowed.items() if name.startswith(portion)
    }


@pytest.mark.parametrize(
    ("line", "reads"),
    [
        ('os.environ.get("CONVSCOPE_HOME")', True),
        ('environment["CONVSCOPE_HOME"] or None', True),
        ("os.getenv('CONVSCOPE_HOME')", True),
        ("os.environ.get(VARIABLE, '')", True),
        ('os.environ["CONVSCOPE_HOME"] == "x"', True),
        ('os.environ["CONVSCOPE_HOME"] = "x"', False),
        ("os.environ[DEVICE_VARIABLE] = 'cpu'", False),
        ('os.environ.get("TF_NUM_INTEROP_THREADS", "")', False),
    ],
)
def test_a_module_that_reads_a_setting_is_noticed(line: str, *, reads: bool) -> None:
    assert bool(READS.search(line)) is reads


@given(number=st.integers(-5, 2**32))
def test_whole_numbers(number: int) -> None:
    variables = Variables({"X": str(number)})
    if 1 <= number < 2**31:
        assert variables.count("X", None) == number
    else:
        with pytest.raises(ValueError, match=r"^X is "):
            variables.count("X", None)


@given(number=st.floats(allow_nan=True), zero=st.booleans())
def test_seconds(number: float, *, zero: bool) -> None:
    variables = Variables({"X": repr(number)})
    if 0 < number < float("inf") or (zero and number == 0):
        assert variables.seconds("X", 7.0, zero=zero) == number
    else:
        with pytest.raises(ValueError, match=r"^X is "):
            variables.seconds("X", 7.0, zero=zero)


def test_what_is_not_set_is_the_default(tmp_path: Path) -> None:
    variables = Variables({"EMPTY": "", "HOME": str(tmp_path)})
    for name in ("EMPTY", "UNSET"):
        assert (variables.text(name), variables.secret(name), variables.path(name)) == (None, None, None)
        assert variables.choice(name, ("a", "b"), "b") == "b"
        assert not variables.is_on(name)
        assert (variables.count(name, 3), variables.seconds(name, 0.5)) == (3, 0.5)


def test_homes_are_expanded_by_all_alike(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for environment in ({"CONVSCOPE_HOME": "~/x"}, {}):
        expected = tmp_path / ("x" if environment else ".convscope")
        assert StoreSettings.from_environment(environment).home == expected
        assert DataSettings.from_environment(environment).home == expected
