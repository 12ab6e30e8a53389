"""The index of an export: JSON that lists every image, written while the images are written."""

import json
import math
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from google.protobuf import json_format

from convscope.service.job_images import JobImages
from convscope.v1.visualize_pb2 import Image, Verdict

__all__ = ["ImageIndex"]

# Bytes kept in memory; a larger index goes to a temporary file.
IN_MEMORY = 2**20


class ImageIndex:
    """Collects lines, one for each image, within a ``with`` block."""

    def __init__(self, images: JobImages) -> None:
        self._images = images
        self._lines = tempfile.SpooledTemporaryFile(IN_MEMORY, "w+", encoding="utf-8")  # noqa: SIM115 - see __exit__
        self._separator = "\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    def add(self, image: Image, **where: str | int) -> None:
        """Add an image, and where it is."""
        self._lines.write(self._separator + _json({**where, **_entry(image)}))
        self._separator = ",\n"

    def read(self) -> Iterator[bytes]:
        """Yield the whole index."""
        spec = json_format.MessageToDict(self._images.spec, preserving_proto_field_name=True)
        yield f'{{"job": {_json(self._images.name)},\n"spec": {_json(spec)},\n"images": ['.encode()
        self._lines.seek(0)
        while text := self._lines.read(IN_MEMORY):
            yield text.encode()
        yield b"\n]}\n"


def _entry(image: Image) -> dict[str, Any]:
    return {
        "name": image.name,
        **_subject(image),
        "restart": image.restart,
        "value": _number(image.best.objective),
        "predicted_class": image.best.predicted_class if image.best.HasField("predicted_class") else None,
        "probability": _number(image.best.probability) if image.best.HasField("probability") else None,
        "iteration": image.best.iteration,
        "verdict": _verdict(image.verdict),
        "cache_key": image.cache_key,
    }


def _subject(image: Image) -> dict[str, Any]:
    if image.HasField("objective"):
        return {"objective": image.objective.name}
    return {"layer": image.feature.layer, "feature": image.feature.index}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    optional = {
        name: _number(getattr(verdict, name))
        for name in ("iteration", "upper_bound", "reached")
        if verdict.HasField(name)
    }
    outcome = Verdict.Outcome.Name(verdict.outcome).removeprefix("OUTCOME_").lower()
    return {"outcome": outcome, "rescued": verdict.rescued, "without_gradient": verdict.without_gradient, **optional}


def _number(value: float) -> float | None:
    """Return a number, or None for NaN and infinities, which JSON does not have."""
    return value if math.isfinite(value) else None


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
