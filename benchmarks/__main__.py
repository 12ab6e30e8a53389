"""Command line of the benchmarks."""

import argparse
import signal
import sys
from collections.abc import Sequence

from rich.console import Console

from benchmarks.quiet import Watch
from benchmarks.registry import QUICK, figures
from benchmarks.report import as_json, show
from benchmarks.running import Run

__all__ = ["main"]

# Columns of the table where no terminal limits them.
FILE_WIDTH = 160


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the figures named, or all; return 1 if one could not be measured."""
    options = _parser().parse_args(arguments)
    names = options.names or list(figures())
    if unknown := sorted(set(names) - set(figures())):
        print(f"no figure {', '.join(unknown)}; there are: {', '.join(figures())}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started is stopped
    watch = Watch()
    outcomes = Run(frozenset(names), quick=options.quick, console=Console(stderr=True)).measure()
    share = watch.foreign_share()
    console = Console() if sys.stdout.isatty() else Console(width=FILE_WIDTH)
    show(outcomes, console, foreign_share=share)
    if options.json:
        print(as_json(outcomes))
    return int(any(outcome.note == "failed" for outcome in outcomes))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures the project beside the tutorial's own way of working, in turn, and shows the medians.",
        epilog=f"Figures: {', '.join(figures())}. With --quick: {', '.join(QUICK)}.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to measure (default: all)")
    parser.add_argument(
        "--quick", action="store_true", help="a fixed set of figures in one round, in four minutes at most"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # everything that was started has been stopped on the way here
        sys.exit(128 + signal.SIGINT)
