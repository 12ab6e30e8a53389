"""Paths of fields, as people who call this package know them."""

import re

__all__ = ["argument_path"]

# The part of a request's field path before the name of the Python argument.
_AROUND = re.compile(r"filter\.|job\.(spec\.(train\.(network\.(?=convolutions|dense))?|evaluate\.|visualize\.)?)?")


def argument_path(path: str) -> str:
    """Return the Python argument of a request's field: ``batch_size`` for ``job.spec.train.batch_size``."""
    match = _AROUND.match(path)
    return (
        re.sub("^selections", "layers", path[match.end() :].removeprefix("adam."))
        if match
        else re.sub("^parent$", "job", path)
    )
