"""The ascent of one batch, from its start images to its final ones, in calls of bounded time."""

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

__all__ = ["AscentOutcome", "BatchAscent", "Observer"]

# Takes the state after each evaluation, in order.
Observer: TypeAlias = Callable[[State], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AscentOutcome:
    """Outcome of the ascent of a batch.

    Attributes:
        start_objective: float32 [rows], objectives of the start images.
        rescued: bool [rows], whose gradients were redirected.
        dead: bool [rows], whose plain gradient was zero at every image.
        state: the last state.
    """

    start_objective: npt.NDArray[np.float32]
    rescued: npt.NDArray[np.bool_]
    dead: npt.NDArray[np.bool_]
    state: State

    @property
    def broken(self) -> npt.NDArray[np.int32]:
        """Iterations at which ascents broke off, int32 [rows]; ``UNBROKEN`` for the others."""
        return np.asarray(self.state.broken)

    @property
    def final_iteration(self) -> npt.NDArray[np.int32]:
        """Updates of the final images, int32 [rows]."""
        return np.where(self.broken == UNBROKEN, self.state.iteration, self.broken)


class BatchAscent:
    """The ascent of one batch; a call takes a bounded time.

    Args:
        ascent: of as many rows as there are keys.
        keys: of the randomness of the images.
        stop: makes the ascent raise ``Stopped`` once set.
        observers: called with the state at the iterations ``at``, and perhaps at others.
        at: in rising order; None for every iteration.
    """

    def __init__(
        self,
        ascent: Ascent,
        keys: Sequence[RandomKey],
        stop: threading.Event,
        observers: Sequence[Observer] = (),
        at: Sequence[int] | None = None,
    ) -> None:
        self._ascent = ascent
        self._keys = keys
        self._batch = ascent.batch(keys)
        self._stop = stop
        self._observers = observers
        self._at = at

    def run(self, iterations: int, *, rescue: int) -> AscentOutcome:
        """Make ``iterations`` updates; the first ``rescue`` of images without gradient use redirected ones."""
        first = state = self._go(self._ascent.start(self._keys), 1, self._ascent.advance, self._observers)
        dead = np.asarray(first.dead)
        redirected = min(rescue, iterations) if dead.any() else 0
        if redirected:
            state = self._go(self._ascent.start(self._keys), 1, self._redirecting(dead), ())
            state = self._go(state, redirected, self._redirecting(dead), self._observers)
        state = self._go(state, iterations - redirected, self._ascent.advance, self._observers)
        return AscentOutcome(
            start_objective=np.asarray(first.objective),
            rescued=dead & (redirected > 0),
            dead=dead & ~np.asarray(state.alive),
            state=state,
        )

    def _redirecting(self, dead: npt.NDArray[np.bool_]) -> Callable[[State, Batch, int], State]:
        return lambda state, batch, count: self._ascent.rescue(state, batch, count, dead)

    def _go(
        self, state: State, count: int, advance: Callable[[State, Batch, int], State], observers: Sequence[Observer]
    ) -> State:
        iteration = int(state.iteration)
        last = iteration + count
        while iteration < last:
            if self._stop.is_set():
                raise Stopped
            calls = self._ascent.pace.next(
                min(last, self._next_observation(iteration, last) if observers else last) - iteration
            )
            with self._ascent.pace.measured(calls):
                state = advance(state, self._batch, calls)
            iteration += calls
            for observe in observers:
                observe(state)
        return state

    def _next_observation(self, iteration: int, last: int) -> int:
        """Return the next iteration with an observation; ``last`` if there is none."""
        if self._at is None:
            return iteration + 1
        return next(iter(self._at[bisect_right(self._at, iteration) :]), last)
