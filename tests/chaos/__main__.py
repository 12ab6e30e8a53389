"""Command line of the chaos run."""

import argparse
import random
import signal
import sys
from collections.abc import Sequence

from chaos.artifacts import STORES
from chaos.kinds import KINDS
from chaos.run import Plan, run
from chaos.summary import summary

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, tell what happens, and return 1 if a rule was violated."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started is stopped
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    outcome = run(_plan(options, seed), _tell, keep=options.keep)
    for line in summary(outcome):
        _tell(line)
    return int(bool(outcome.violations))


def _plan(options: argparse.Namespace, seed: int) -> Plan:
    kinds = tuple(options.only.split(",")) if options.only else tuple(KINDS)
    return Plan(
        seed=seed, seconds=options.minutes * 60, kinds=kinds, store=options.store, deletes=not options.no_deletes
    )


def _kinds(text: str) -> str:
    for kind in text.split(","):
        if kind not in KINDS:
            raise argparse.ArgumentTypeError(f"{kind!r} is not a kind of fault; there are {', '.join(KINDS)}")
    return text


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Runs jobs while processes are killed and stopped and networks are cut, then checks that nothing "
        "was lost, repeated or left behind.",
    )
    parser.add_argument("--minutes", type=float, default=15.0, help="how long faults are made (default: 15)")
    parser.add_argument("--seed", type=int, help="decides faults and jobs (default: another one each time)")
    parser.add_argument("--store", choices=STORES, default="", help="where artifacts are kept (default: by the seed)")
    parser.add_argument("--only", type=_kinds, help="kinds of faults, parted by commas (default: all)")
    parser.add_argument("--no-deletes", action="store_true", help="delete neither jobs nor models")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs of all processes")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # everything that was started has been stopped on the way here
        sys.exit(128 + signal.SIGINT)
