"""A worker stays within its memory: sizes are read, limits are found, batches are fitted."""

import logging
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from convscope.engine.errors import ComputationError
from convscope.engine.runtime.memory import default_memory, in_units, machine_memory, parse_memory
from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization import Diversity, Feature, Image, Visualizer
from convscope.engine.visualization.ascent.chunks import halved
from convscope.engine.visualization.ascent.fitting import fit

UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
MIB = 2**20


@given(number=st.integers(2**20, 2**50), unit=st.sampled_from(list(UNITS)), space=st.sampled_from(["", " "]))
def test_whole_sizes(number: int, unit: str, space: str) -> None:
    assert parse_memory(f"{number}{space}{unit}") == number * UNITS[unit]
    assert parse_memory(f" {number}{space}{unit.lower()}\n") == number * UNITS[unit]


@given(tenths=st.integers(11, 10**6))
def test_fractions(tenths: int) -> None:
    assert parse_memory(f"{tenths / 10}GiB") == tenths * 2**30 // 10 or tenths % 10 == 0


@given(text=st.text())
def test_anything_else_is_refused(text: str) -> None:
    try:
        size = parse_memory(text)
    except ValueError as error:
        assert repr(text) in str(error)  # noqa: PT017 - most texts are refused, not all
    else:
        assert size >= MIB


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "2GB", "GiB", "1.5", "1e9", "1048575", "0.5MiB", "2 G iB", "٣GiB", "nan"]
)
def test_invalid_sizes(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an amount of memory|less than 1MiB"):
        parse_memory(text)


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/\n", {"memory.max": "33554432\n"}, 32 * MIB),
        ("0::/a/b\n", {"memory.max": "max\n", "a/memory.max": "33554432\n", "a/b/memory.max": "67108864\n"}, 32 * MIB),
        ("0::/../outside\n", {"memory.max": "33554432\n"}, 32 * MIB),
        ("4:memory:/a\n1:cpu:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "16777216\n"}, 16 * MIB),
        ("5:cpu,memory:/gone\n", {"memory/memory.limit_in_bytes": "16777216\n"}, 16 * MIB),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ("", {}, None),
    ],
)
def test_the_limits_of_groups_count(tmp_path: Path, groups: str, files: dict[str, str], limit: int | None) -> None:
    here = {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}
    whole = machine_memory(tmp_path / "nothing")
    assert whole > 2**28
    assert machine_memory(written(tmp_path, here)) == (limit or whole)


def test_half_of_the_machine_is_taken() -> None:
    assert default_memory() == machine_memory() // 2
    assert [in_units(size) for size in (1, 3 * MIB, 2**31, 24 * 2**30)] == ["1 MiB", "3 MiB", "2,048 MiB", "24.0 GiB"]


counts = st.integers(1, 20)


@given(rows=counts, chunks=counts, threads=counts, most=st.integers(0, 500), divisible=st.booleans())
def test_what_fits(rows: int, chunks: int, threads: int, most: int, divisible: bool) -> None:
    fitted = fit(rows=rows, items=rows * chunks, threads=threads, divisible=divisible, most=most)
    if fitted is None:
        assert most < (1 if divisible else rows)
        return
    assert 1 <= fitted.concurrency <= threads
    assert fitted.rows * fitted.concurrency <= most
    if most >= rows:  # whole batches, whose bits are those of any other machine
        assert fitted.rows == rows
        assert fitted.concurrency == min(threads, chunks, most // rows)
        return
    allowed = rows
    while allowed > most:
        allowed = halved(allowed)
    assert fitted.rows == allowed


def two_layers() -> keras.Model:
    keras.utils.set_random_seed(4)
    image = keras.Input((40, 40, 1))
    values = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(image)
    values = layers.Conv2D(4, 3, padding="same", name="second")(values)
    return keras.Model(image, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(values)))


def computed(memory: int | None, caplog: pytest.LogCaptureFixture) -> tuple[list[Image], list[str]]:
    images: list[Image] = []
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        visualizer = Visualizer(two_layers(), memory)
        for _ in range(2):
            images.clear()
            settings = VisualizeSettings(iterations=4, restarts=3, keep_all=True)
            visualizer.run("second", range(4), settings, rows=6, ready=images.append)
    return images, [record.getMessage() for record in caplog.records]


def test_batches_that_do_not_fit_are_cut_with_one_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.engine.visualization.visualizer.thread_count", lambda: 2)
    usual, warnings = computed(None, caplog)
    assert warnings == []
    assert len(usual) == 12
    enough, warnings = computed(8 * MIB, caplog)  # an image takes 0.8 MiB: 8 and the bounds fit, not 12
    assert warnings == [
        "2 x 6 images of second would take 11 MiB of memory, more than the 8 MiB of this worker; continuing with 1 x 6"
    ]
    pixels = [image.best.pixels.tobytes() for image in usual]
    assert [image.best.pixels.tobytes() for image in enough] == pixels, "the batches are the same"
    assert not any(image.cut for image in (*usual, *enough))
    few, warnings = computed(4 * MIB, caplog)
    assert [warning.rpartition("; ")[2] for warning in warnings] == ["continuing with 1 x 3"]
    assert all(image.cut for image in few)
    assert [image.item for image in few] == [image.item for image in usual]
    for image, other in zip(few, usual, strict=True):
        assert image.best.objective == pytest.approx(other.best.objective, rel=1e-3)


def test_an_image_that_does_not_fit_is_reported_with_the_memory_that_it_needs() -> None:
    visualizer = Visualizer(two_layers(), MIB)
    settings = VisualizeSettings(iterations=1, restarts=3)
    with pytest.raises(ComputationError) as error:
        visualizer.run("second", [0], settings, rows=3, ready=lambda _: None)
    assert str(error.value) == (
        "an image needs 2 MiB of memory for 'second', and the worker may take 1 MiB (CONVSCOPE_MEMORY)"
    )
    diverse = Feature("second", 0) + Diversity("second")
    with pytest.raises(ComputationError, match=r"^the 3 images of 'mine'.* 3 MiB"):
        Visualizer(two_layers(), 2 * MIB).run_objective("mine", diverse, settings, rows=3, ready=lambda _: None)


# An ascent takes no more than the limit, in a separate process: 32 images of 256 pixels would take ten times that.
BOUNDED = """
import sys
import keras
from keras import layers
from convscope.engine.runtime.memory import bound_tensorflow
from convscope.engine.settings import VisualizeSettings
from convscope.engine.runtime.threads import configure_threads
from convscope.engine.visualization import Visualizer

limit = int(sys.argv[1])
bound_tensorflow(limit)
configure_threads(2)
image = keras.Input((256, 256, 1))
values = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
values = layers.Conv2D(16, 3, padding="same", name="second")(values)
model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(values)))

def memory(name):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(name))

before, images = memory("VmRSS"), []
settings = VisualizeSettings(iterations=2, restarts=4, keep_all=True)
Visualizer(model, limit).run("second", range(8), settings, rows=16, ready=images.append)
print(len(images), memory("VmHWM") - before)
"""


def test_a_process_stays_within_its_limit() -> None:
    limit = 320 * MIB
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, str(limit)], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr[-3000:]
    images, grown = (int(count) for count in done.stdout.split())
    assert images == 32
    assert grown < limit + 128 * MIB  # what TensorFlow itself grows by when it first computes
