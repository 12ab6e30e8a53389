"""A service as users run it, but for the length of parts: a visualization of seconds has many."""

import sys
from functools import partial
from typing import Final

from convscope.planning import plan_visualization
from convscope.service import jobs
from convscope.service.__main__ import main

__all__ = ["PART_S"]

# Seconds of a part, by estimate; where all of its images are known already it takes milliseconds.
PART_S: Final = 0.6

if __name__ == "__main__":
    jobs.plan_visualization = partial(plan_visualization, part_seconds=PART_S)  # type: ignore[attr-defined]  # imported
    sys.exit(main())
