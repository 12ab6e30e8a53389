"""Paths of fields, as people who call this package know them."""

__all__ = ["argument_path"]


def argument_path(field: str) -> str:
    """The path without what all of a submission begin with: `train.batch_size` for `job.spec.train.batch_size`."""
    return field.removeprefix("job.").removeprefix("spec.")
