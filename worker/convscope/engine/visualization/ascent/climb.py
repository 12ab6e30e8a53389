"""The way of one batch of items from their starting images to their final ones."""

import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.engine.runtime.parallel import Stopped
from convscope.engine.visualization.ascent.ascent import UNBROKEN, Ascent, Batch, State
from convscope.engine.visualization.random_keys import RandomKey

__all__ = ["Climb", "Climbed", "Look"]

# Takes the state after each evaluation, in order.
Look: TypeAlias = Callable[[State], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Climbed:
    """What became of a batch of images.

    `start_objective` (float32 [rows]) are the objectives at the start, `rescued` (bool [rows]) tells whose gradients
    were redirected, `state` is the last. `dead` (bool [rows]) tells which objectives never had a gradient of their own.
    """

    start_objective: npt.NDArray[np.float32]
    rescued: npt.NDArray[np.bool_]
    dead: npt.NDArray[np.bool_]
    state: State

    @property
    def broken(self) -> npt.NDArray[np.int32]:
        """The iteration at which each ascent broke off, [rows]; UNBROKEN for those that did not."""
        return np.asarray(self.state.broken)

    @property
    def final_iteration(self) -> npt.NDArray[np.int32]:
        """The updates that each final image has seen, [rows]."""
        return np.where(self.broken == UNBROKEN, self.state.iteration, self.broken)


class Climb:
    """Climbs with one batch, a bounded time per call.

    Args:
        ascent: of as many rows as there are keys.
        keys: of the randomness of each image that climbs.
        stop: once set, the climb raises Stopped.
        looks: the state is shown to each at the iterations `at`, and perhaps at others.
        at: rising; None for every iteration.
    """

    def __init__(
        self,
        ascent: Ascent,
        keys: Sequence[RandomKey],
        stop: threading.Event,
        looks: Sequence[Look] = (),
        at: Sequence[int] | None = None,
    ) -> None:
        self._ascent = ascent
        self._keys = keys
        self._batch = ascent.batch(keys)
        self._stop = stop
        self._looks = looks
        self._at = at

    def run(self, iterations: int, *, rescue: int) -> Climbed:
        """Make `iterations` updates; where a start has no gradient, the first `rescue` are with redirected ones."""
        first = state = self._go(self._ascent.start(self._keys), 1, self._ascent.climb, self._looks)
        dead = np.asarray(first.dead)
        redirected = min(rescue, iterations) if dead.any() else 0
        if redirected:
            state = self._go(self._ascent.start(self._keys), 1, self._redirecting(dead), ())
            state = self._go(state, redirected, self._redirecting(dead), self._looks)
        state = self._go(state, iterations - redirected, self._ascent.climb, self._looks)
        return Climbed(
            start_objective=np.asarray(first.objective),
            rescued=dead & (redirected > 0),
            dead=dead & ~np.asarray(state.alive),
            state=state,
        )

    def _redirecting(self, dead: npt.NDArray[np.bool_]) -> Callable[[State, Batch, int], State]:
        return lambda state, batch, count: self._ascent.rescue(state, batch, count, dead)

    def _go(
        self, state: State, count: int, climb: Callable[[State, Batch, int], State], looks: Sequence[Look]
    ) -> State:
        iteration = int(state.iteration)
        last = iteration + count
        while iteration < last:
            if self._stop.is_set():
                raise Stopped
            calls = self._ascent.pace.next(min(last, self._next_look(iteration, last) if looks else last) - iteration)
            with self._ascent.pace.measured(calls):
                state = climb(state, self._batch, calls)
            iteration += calls
            for look in looks:
                look(state)
        return state

    def _next_look(self, iteration: int, last: int) -> int:
        """Return the next iteration that is to be looked at; `last` if there is none."""
        if self._at is None:
            return iteration + 1
        return next(iter(self._at[bisect_right(self._at, iteration) :]), last)
