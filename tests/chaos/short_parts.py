"""A service as users run it, but for the length of parts: a visualization of seconds has many."""

import sys
from typing import Final

from convscope.service.__main__ import main
from convscope.service.validation import estimates

__all__ = ["PART_S"]

# Seconds of a part, by estimate; where all of its images are known already it takes milliseconds.
PART_S: Final = 0.6

if __name__ == "__main__":
    estimates.PART_SECONDS = PART_S
    sys.exit(main())
