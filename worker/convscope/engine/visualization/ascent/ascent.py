"""The ascent of a batch of images, as one compiled loop."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from convscope.engine.runtime.pace import Pace
from convscope.engine.runtime.pulse import PULSE_S
from convscope.engine.visualization.along import along
from convscope.engine.visualization.ascent.optimizers import make_optimizer
from convscope.engine.visualization.image.parameterization import make_parameterization
from convscope.engine.visualization.image.regularizers import penalty
from convscope.engine.visualization.image.transforms import transform_seeds, transformed
from convscope.engine.visualization.objective.gradients import ObjectiveGradient, ObjectiveGradients
from convscope.engine.visualization.random_keys import RandomKey
from convscope.planning import RenderSettings

__all__ = ["Ascent", "State"]

# The iteration of a failure of images that have not failed.
UNBROKEN = -1


class State(NamedTuple):
    """State of the ascent of n images; tensors, float32 unless said otherwise.

    Attributes:
        iteration: int32, updates made so far; -1 before the first evaluation.
        parameters: [n, ...], what is optimized.
        slots: [n, ...], the optimizer's variables.
        image: [n, h, w, c].
        gradient: [n, h, w, c], of the objective through the transforms, less the penalties, at the image.
        objective: [n], at the image itself.
        best_image: [n, h, w, c], the best image so far.
        best_objective: [n], its objective.
        best_iteration: int32 [n], its updates.
        broken: int32 [n], the iteration at which gradient or objective was not finite, or ``UNBROKEN``; such an image
            is not updated any more.
        dead: bool [n], whether the objective's gradient is zero at all pixels of the image.
        alive: bool [n], whether it was not zero at an earlier image, redirected gradients not counted.
    """

    iteration: Any
    parameters: Any
    slots: tuple[Any, ...]
    image: Any
    gradient: Any
    objective: Any
    best_image: Any
    best_objective: Any
    best_iteration: Any
    broken: Any
    dead: Any
    alive: Any


class Batch(NamedTuple):
    """A batch of n images: their features, int32 [n], and the seeds of their transforms, int32 [n, 2]."""

    features: Any
    seeds: Any


class Ascent:
    """The ascent of one target in batches of one size; may be used from many threads at once.

    Attributes:
        pace: number of iterations in a call; shared, since a first short call costs some milliseconds.
    """

    def __init__(
        self, gradients: ObjectiveGradients, render: RenderSettings, image_shape: Sequence[int], rows: int
    ) -> None:
        self._gradients = gradients
        self._render = render
        self._parameterization = make_parameterization(
            render.parameterization, image_shape, decorrelate=render.decorrelate
        )
        self._optimizer = make_optimizer(render.optimizer)
        self._image_shape = tuple(image_shape)
        self._rows = rows
        self._compiling = threading.Lock()
        self.pace = Pace(PULSE_S)

    def batch(self, keys: Sequence[RandomKey]) -> Batch:
        """Return the batch of images with these keys, one for each row."""
        seeds = transform_seeds(keys) if _any_set(self._render.transforms) else np.zeros([len(keys), 2], np.int32)
        return Batch(tf.constant([key.feature for key in keys]), tf.constant(seeds))

    def start(self, keys: Sequence[RandomKey]) -> State:
        """Return the state of images with these keys before their first evaluation."""
        parameters = tf.constant(self._parameterization.start(keys))
        zeros, image = tf.zeros(self._rows), tf.zeros([self._rows, *self._image_shape])
        return State(
            iteration=tf.constant(-1),
            parameters=parameters,
            slots=self._optimizer.slots(parameters),
            image=image,
            gradient=image,
            objective=zeros,
            best_image=self._parameterization.images(parameters),
            best_objective=zeros - np.inf,
            best_iteration=tf.zeros(self._rows, tf.int32),
            broken=tf.fill([self._rows], UNBROKEN),
            dead=tf.fill([self._rows], value=False),
            alive=tf.fill([self._rows], value=False),
        )

    def advance(self, state: State, batch: Batch, count: int) -> State:
        """Return the state ``count`` iterations later.

        An iteration updates the images, then evaluates them: n updates of a new state take n + 1 iterations, the first
        of which only evaluates. The bits do not depend on how many iterations a call does.
        """
        return State(*self._plain(state, batch, tf.constant(count)))

    def rescue(self, state: State, batch: Batch, count: int, dead: Any) -> State:
        """Advance with redirected gradients for the images in ``dead``, bool [n]."""
        with self._compiling:
            redirecting = self._redirecting
        return State(*redirecting(state, batch, tf.constant(count), tf.convert_to_tensor(dead)))

    def compile(self) -> None:
        """Make the compiled function; ``advance`` would also make it, but not safely in two threads at once."""
        with self._compiling:
            _ = self._plain

    @cached_property
    def _plain(self) -> Any:
        return tf.function(self._advance_plainly, autograph=False).get_concrete_function(*self._signature())

    @cached_property
    def _redirecting(self) -> Any:
        dead = tf.TensorSpec([self._rows], tf.bool)
        return tf.function(self._advance, autograph=False).get_concrete_function(*self._signature(), dead)

    def _signature(self) -> list[Any]:
        keys = [RandomKey(seed=0, target="", feature=0)] * self._rows
        state, batch = self.start(keys), self.batch(keys)
        given = [state, batch, tf.constant(0)]
        return [tf.nest.map_structure(tf.TensorSpec.from_tensor, argument) for argument in given]

    def _advance_plainly(self, state: State, batch: Batch, count: Any) -> State:
        return self._advance(state, batch, count, None)

    def _advance(self, state: State, batch: Batch, count: Any, dead: Any) -> State:
        objective = self._gradients.of(batch.features, dead)
        own = True if dead is None else tf.logical_not(dead)
        iterated = _apart(lambda state: self._iterated(state, objective, batch.seeds, own))

        def body(done: Any, state: State) -> tuple[Any, State]:
            return done + 1, iterated(state)

        advanced: State
        _, advanced = tf.while_loop(lambda done, _: done < count, body, (tf.constant(0), state), parallel_iterations=1)
        return advanced

    def _iterated(self, state: State, objective: ObjectiveGradient, seeds: Any, own: Any) -> State:
        """Return the state an iteration later.

        Args:
            state: the state.
            objective: of the batch.
            seeds: of the transforms, int32 [n, 2].
            own: whose gradients are not redirected, bool [n] or True.
        """
        iteration = state.iteration + 1
        parameters, slots = self._updated(state)
        image = self._parameterization.images(parameters)
        gradient, value = self._evaluated(image, objective, seeds, iteration)
        dead = _all(tf.equal(gradient, 0.0))
        if _any_set(self._render.regularizers):
            gradient -= self._penalty(image)
        sound = tf.math.is_finite(value) & _all(tf.math.is_finite(gradient))
        better = (value > state.best_objective) & (value < np.inf)  # false for NaN
        return State(
            iteration=iteration,
            parameters=parameters,
            slots=slots,
            image=image,
            gradient=gradient,
            objective=value,
            best_image=tf.where(along(better, image), image, state.best_image),
            best_objective=tf.where(better, value, state.best_objective),
            best_iteration=tf.where(better, iteration, state.best_iteration),
            broken=tf.where(sound | (state.broken != UNBROKEN), state.broken, iteration),
            dead=dead,
            alive=state.alive | (own & ~dead),
        )

    def _updated(self, state: State) -> tuple[Any, tuple[Any, ...]]:
        """Return parameters and slots after an update; broken images, and all before the first evaluation, stay."""
        gradient = self._by_parameters(state)
        moved, slots = self._optimizer.update(state.parameters, gradient, state.slots, state.iteration)
        moving = (state.broken == UNBROKEN) & (state.iteration >= 0)
        moved = self._parameterization.constrained(moved)
        return tf.where(along(moving, moved), moved, state.parameters), slots

    def _by_parameters(self, state: State) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(state.parameters)
            image = self._parameterization.images(state.parameters)
        if image is state.parameters:
            return state.gradient
        return tape.gradient(image, state.parameters, output_gradients=state.gradient)

    def _evaluated(self, image: Any, objective: ObjectiveGradient, seeds: Any, iteration: Any) -> tuple[Any, Any]:
        """Return the gradient of the objective through the transforms, and the objective of the images as they are."""
        if not _any_set(self._render.transforms):
            return objective.gradient(image)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(image)
            shown = transformed(image, self._render.transforms, seeds, iteration)
        return tape.gradient(shown, image, output_gradients=objective.gradient(shown)[0]), objective.value(image)

    def _penalty(self, image: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(image)
            value = penalty(image, self._render.regularizers)
        return tape.gradient(value, image)


def _apart(iterate: Callable[[State], State]) -> Any:
    """Return a function that stays a separate graph inside a loop.

    Loops are flattened into graphs with cycles. TensorFlow visits those in an order that differs from process to
    process, and chooses oneDNN's gradient of a max-pooling only if it visited the pooling before: an ascent of the
    tutorial's conv2 took once or twice the time, by chance. The call costs about 50 microseconds of an iteration.
    """
    return tf.function(iterate, autograph=False, experimental_attributes={"_noinline": True})


def _any_set(settings: Any) -> bool:
    """Return whether any number of the settings is not 0."""
    return any(astuple(settings))


def _all(flags: Any) -> Any:
    return tf.reduce_all(flags, axis=list(range(1, flags.shape.rank)))
