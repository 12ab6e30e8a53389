"""A process that has computed other things gives the bits of one that has not, and compiles nothing again."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from convscope.engine.runtime.caches import Caches
from convscope.engine.visualization import Image, Visualizer
from convscope.engine.visualization.ascent.ascent import Ascent, State
from convscope.engine.visualization.ascent.batch_ascent import BatchAscent
from support.warm_jobs import KINDS, LOOK, TRAINING, opened, small_file, train_digest

PROGRAM = """
import json

from support.warm_jobs import every_kind_cold, every_kind_warm, in_a_child

cold = every_kind_cold()
print(json.dumps(in_a_child(every_kind_warm)))
print(json.dumps(cold))
"""


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all graphs that TensorFlow makes."""
    names: list[str] = []
    make = FuncGraph.__init__

    def noted(self: Any, name: str, *args: Any, **kwargs: Any) -> None:
        names.append(name)
        make(self, name, *args, **kwargs)

    monkeypatch.setattr(FuncGraph, "__init__", noted)
    return names


@pytest.mark.slow
def test_warm_and_cold_give_the_same_bits_for_every_kind_of_job() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    warm, cold = (json.loads(line) for line in answer.stdout.splitlines()[-2:])
    assert set(cold) == set(KINDS)
    for kind, bits in cold.items():
        assert warm[kind] == [bits] * len(warm[kind]), kind
    assert len(set(cold.values())) == len(KINDS), "each kind is told from the others by its bits"


def _train(seed: int, caches: Caches) -> str:
    """Train so long and so fast, as the seed has it; a validation's model is not kept."""
    settings = replace(TRAINING, validation_interval=0, iterations=5 + seed, learning_rate=0.001 * (1 + seed))
    return train_digest(seed, caches, settings=settings)


@pytest.mark.parametrize("kind", [_train, *(KINDS[name] for name in ("evaluate", "visualize logits"))])
def test_other_seeds_and_models_trace_nothing(traces: list[str], kind: Callable[[int, Caches], str]) -> None:
    caches = Caches()
    kind(2, caches)
    assert traces
    traces.clear()
    warm = kind(1, caches)
    assert traces == []
    assert kind(1, Caches()) == warm
    assert traces


def test_an_ascent_that_is_warm_knows_how_much_to_do_in_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convscope.engine.visualization.ascent.ascent.PULSE_S", 1e9)
    advance, counts = Ascent.advance, list[int]()

    def counted(self: Ascent, state: State, batch: Any, count: int) -> State:
        counts.append(count)
        return advance(self, state, batch, count)

    monkeypatch.setattr(Ascent, "advance", counted)
    visualizer = Visualizer(opened(small_file(), Caches()))
    visualizer.run("conv1", [0], LOOK, rows=2, ready=lambda _: None)
    assert len(counts) > 2
    counts.clear()
    visualizer.run("conv1", [0], replace(LOOK, seed=1), rows=2, ready=lambda _: None)
    assert counts == [1, LOOK.iterations]


def test_a_model_whose_weights_changed_places_with_anothers_has_its_own_images_and_bounds() -> None:
    caches, by_seed = Caches(), dict[int, list[Image]]()
    visualizers = {seed: Visualizer(opened(small_file(seed), caches)) for seed in (1, 2)}
    for seed in (1, 2, 1, 2):
        visualizers[seed].run("conv1", [0], LOOK, rows=2, ready=by_seed.setdefault(seed, []).append)
    for first, again in by_seed.values():
        assert first.best.pixels.tobytes() == again.best.pixels.tobytes()
        assert first.verdict == again.verdict
    assert by_seed[1][0].verdict.upper_bound != by_seed[2][0].verdict.upper_bound


def test_caches_are_emptied_before_a_chunk_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    caches, images = Caches(), list[Image]()
    visualizer = Visualizer(opened(small_file(), caches))
    run_ascent, tries = BatchAscent.run, list[int]()

    def run(self: BatchAscent, iterations: int, *, rescue: int) -> Any:
        tries.append(caches.size_bytes)
        if caches.size_bytes:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM")
        return run_ascent(self, iterations, rescue=rescue)

    monkeypatch.setattr(BatchAscent, "run", run)
    visualizer.run("logits", range(4), LOOK, rows=4, ready=images.append)
    assert tries[0] > tries[-1] == 0
    assert len(tries) == 2
    assert [image.cut for image in images] == [False] * 4
