"""Training speed: through the service, beside the yardstick and beside the same loop without the service."""

from collections.abc import Iterator

from benchmarks.figures import Family, Figure
from benchmarks.in_process_times import train_in_process
from benchmarks.rounds import TRAIN_STEPS, Round

__all__ = ["FAMILY"]

FLOAT32 = Figure(
    name="train-float32",
    what="training through the service: steps/s over the yardstick's",
    target=1.15,
    unit="x",
    noise=0.15,
)
BFLOAT16 = Figure(
    name="train-bfloat16", what="the same in bfloat16: steps/s over the yardstick's", target=1.6, unit="x", noise=0.15
)
OVERHEAD = Figure(
    name="train-overhead",
    what="training time through the service over the same loop in process",
    target=1.03,
    unit="x",
    noise=0.08,
    bound="at most",
)


# Order of the runs of the overhead: a machine that gets slower or faster favours neither side. A few percent can only
# be distinguished from noise where runs that are compared follow each other closely.
TURNS = ("service", "alone", "alone", "service")


def measure(this: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Train as long as the yardstick does, alternating with it."""
    if FLOAT32.name in names:
        yield FLOAT32.name, through_service(this, "float32") / this.yardstick.train_steps_per_s
    if BFLOAT16.name in names:
        yield BFLOAT16.name, through_service(this, "bfloat16") / this.yardstick.train_steps_per_s
    if OVERHEAD.name in names:
        yield OVERHEAD.name, overhead(this)


def overhead(this: Round) -> float:
    """Return the time of training through the service over that of the same loop alone, in turns."""
    seconds = dict.fromkeys(TURNS, 0.0)
    for turn in TURNS:
        alone = turn == "alone"
        speed = train_in_process(TRAIN_STEPS) if alone else through_service(this, "float32")
        seconds[turn] += 1 / speed
    return seconds["service"] / seconds["alone"]


def through_service(this: Round, precision: str) -> float:
    """Return the steps per second of a run, from its first step to its last, compilation included."""
    result = this.session.client.train(iterations=TRAIN_STEPS, precision=precision).result()
    return TRAIN_STEPS / result.train_seconds


FAMILY = Family(figures=(FLOAT32, BFLOAT16, OVERHEAD), measure=measure, rounds=3)
