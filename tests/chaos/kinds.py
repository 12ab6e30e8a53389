"""Kinds of faults: what each is done to, how, for how long, and how often."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chaos import strikes
from chaos.network import Cut

__all__ = ["FIRST_KINDS", "KINDS", "Kind"]

# How long what was stopped or cut stays so, what was killed stays away, and what was started in another way is left so
# (a worker takes some of that time to start), in seconds.
STANDSTILL_S = (1.0, 8.0)
ABSENCE_S = (0.0, 5.0)
LIFE_S = (10.0, 25.0)

# Of how many seconds writes are lost: fewer than those for which blobs without references are kept. How long
# connections are broken again and again.
LOST_S = (0.5, 4.0)
STORM_S = (1.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind.

    Attributes:
        on: what it is done to: "executor", "busy executor", "worker", "service", "redis", "link", "store" or "wire".
        strike: does it, given scene, target and seconds.
        seconds: shortest and longest time.
        weight: how often it is chosen in comparison to the others.
        harmless: whether it costs no attempt.
    """

    on: str
    strike: Callable[[Any, Any, float], None]
    seconds: tuple[float, float] = STANDSTILL_S
    weight: int = 1
    harmless: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "kill executor": Kind(on="executor", strike=strikes.kill_process, seconds=ABSENCE_S, weight=4),
    "kill worker": Kind(on="worker", strike=strikes.kill_part, seconds=ABSENCE_S, weight=3),
    "kill service": Kind(on="service", strike=strikes.kill_part, seconds=ABSENCE_S, weight=3, harmless=True),
    "kill redis": Kind(on="redis", strike=strikes.kill_part, seconds=ABSENCE_S, weight=2),
    "stop executor": Kind(on="executor", strike=strikes.stop_process, weight=2),
    "stop worker": Kind(on="worker", strike=strikes.stop_part, weight=2),
    "stop service": Kind(on="service", strike=strikes.stop_part, weight=2, harmless=True),
    "stop redis": Kind(on="redis", strike=strikes.stop_part),
    "cut closed": Kind(on="link", strike=strikes.cut(Cut.CLOSED)),
    "cut frozen": Kind(on="link", strike=strikes.cut(Cut.FROZEN)),
    "cut mute": Kind(on="link", strike=strikes.cut(Cut.MUTE), weight=2),
    "cut silent": Kind(on="link", strike=strikes.cut(Cut.SILENT)),
    "cut wire": Kind(on="wire", strike=strikes.cut_wire, weight=2),
    "drain worker": Kind(on="worker", strike=strikes.drain, seconds=ABSENCE_S, weight=2, harmless=True),
    "cut slow": Kind(on="link", strike=strikes.cut(Cut.SLOW), harmless=True),
    "redis back": Kind(on="redis", strike=strikes.bring_back, seconds=LOST_S, weight=3),
    "promote replica": Kind(on="redis", strike=strikes.promote, seconds=LOST_S, weight=2),
    "storm on connections": Kind(on="redis", strike=strikes.storm("normal"), seconds=STORM_S, weight=2, harmless=True),
    "storm on subscriptions": Kind(on="redis", strike=strikes.storm("pubsub"), seconds=STORM_S, harmless=True),
    "clock of worker": Kind(on="worker", strike=strikes.put_clock_wrong, seconds=LIFE_S),
    "clock of service": Kind(on="service", strike=strikes.put_clock_wrong, seconds=LIFE_S, harmless=True),
    "crash in gap": Kind(
        on="worker", strike=strikes.with_failpoints(strikes.CRASHES, deadly=True), seconds=LIFE_S, weight=2
    ),
    "slow in gap": Kind(on="worker", strike=strikes.with_failpoints(strikes.SLOW_GAPS), seconds=LIFE_S, weight=2),
    "crash in sweep": Kind(
        on="service", strike=strikes.with_failpoints(strikes.SWEEP_CRASHES, frail=True), seconds=LIFE_S, harmless=True
    ),
    "cancel stopped": Kind(on="busy executor", strike=strikes.cancel_stopped),
    "cancel hanging": Kind(on="worker", strike=strikes.cancel_hanging("hang")),
    "cancel hanging with GIL": Kind(on="worker", strike=strikes.cancel_hanging("hang(gil)")),
    **{
        f"store {how.value}": Kind(on="store", strike=strikes.cut(how), harmless=True)
        for how in (Cut.CLOSED, Cut.RESET, Cut.FROZEN, Cut.SILENT, Cut.SLOW, Cut.ERRORS)
    },
}

# Those of the short run in the ordinary tests.
FIRST_KINDS: Final = tuple(KINDS)[: tuple(KINDS).index("cut slow")]
