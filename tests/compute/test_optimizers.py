"""Steps go uphill, as the papers say, for each image by itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.engine.visualization.ascent.optimizers import make_optimizer
from convscope.planning import AdamSettings, NormalizedStepSettings, OptimizerSettings
from support.ascents import Pixels

KINDS: list[OptimizerSettings] = [
    NormalizedStepSettings(),
    NormalizedStepSettings(size=0.1, decay=0.9),
    AdamSettings(learning_rate=0.03),
]


def steps(kind: OptimizerSettings, start: Pixels, gradient: Callable[[Any], Any], count: int) -> list[Pixels]:
    optimizer = make_optimizer(kind)
    parameters = tf.constant(start)
    slots = optimizer.slots(parameters)
    way = []
    for iteration in range(count):
        parameters, slots = optimizer.update(
            parameters, tf.convert_to_tensor(gradient(parameters)), slots, tf.constant(iteration)
        )
        way.append(parameters.numpy())
    return way


def random(*shape: int) -> Pixels:
    return np.random.default_rng(2).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_three_steps_raise_a_concave_objective(kind: OptimizerSettings) -> None:
    start, goal = random(2, 5, 4, 1), 3 * random(2, 5, 4, 1)[::-1]
    before = np.square(start - goal).sum()
    for after in steps(kind, start, lambda values: goal - values, 3):
        assert np.square(after - goal).sum() < before
        before = np.square(after - goal).sum()


def test_a_normalized_step_is_the_gradient_over_its_deviation_in_each_image() -> None:
    start, gradient = random(3, 4, 4, 2), np.array([1, 10, 0.01], np.float32)[:, None, None, None] * random(3, 4, 4, 2)
    way = steps(NormalizedStepSettings(size=0.5, decay=0.9), start, lambda _: gradient, 3)
    unit = gradient / (gradient.std(axis=(1, 2, 3), keepdims=True) + 1e-8)
    for number, after in enumerate(way):
        expected = start + 0.5 * sum(0.9**step for step in range(number + 1)) * unit
        np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)


def test_adam_by_its_own_formulas() -> None:
    start, gradients = random(2, 3, 3, 1), [random(2, 3, 3, 1) * scale for scale in (1, -0.3, 2)]
    pending = iter(gradients)
    way = steps(AdamSettings(learning_rate=0.1), start, lambda _: next(pending), 3)
    mean = square = np.zeros_like(start)
    expected = start
    for number, (after, gradient) in enumerate(zip(way, gradients, strict=True), 1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        expected = expected + 0.1 * (mean / (1 - 0.9**number)) / (np.sqrt(square / (1 - 0.999**number)) + 1e-8)
        np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-20, 1e-12, 1e6])
def test_adam_does_not_mind_the_scale_of_the_objective(scale: float) -> None:
    start, goal = random(2, 5, 4, 1), 3 * random(2, 5, 4, 1)[::-1]
    expected = steps(AdamSettings(), start, lambda values: goal - values, 5)[-1]
    moved = steps(AdamSettings(), start, lambda values: np.float32(scale) * (goal - values), 5)[-1]
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-5)


def test_adam_starts_when_there_is_a_gradient() -> None:
    start = random(2, 3, 3, 1)
    pending = iter([np.zeros_like(start), np.zeros_like(start), start])
    _, before, after = steps(AdamSettings(), start, lambda _: next(pending), 3)
    assert np.array_equal(before, start)
    assert np.array_equal(after > start, start > 0)


@given(kind=st.sampled_from(KINDS), row=st.integers(0, 3), broken=st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_an_image_does_not_depend_on_the_others(kind: OptimizerSettings, row: int, broken: int) -> None:
    start, gradient = random(4, 3, 5, 2), 5 * random(4, 3, 5, 2)
    together = steps(kind, start, lambda values: gradient - values, 3)[-1]
    own = slice(row, row + 1)
    alone = steps(kind, start[own], lambda values: gradient[own] - values, 3)[-1]
    np.testing.assert_allclose(alone[0], together[row], rtol=1e-4, atol=1e-5)
    if broken != row:
        gradient[broken] = np.nan
        assert np.array_equal(steps(kind, start, lambda values: gradient - values, 3)[-1][row], together[row])


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_without_a_gradient_nothing_moves(kind: OptimizerSettings) -> None:
    start = random(2, 3, 3, 1)
    assert np.array_equal(steps(kind, start, tf.zeros_like, 3)[-1], start)
