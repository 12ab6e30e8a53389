"""Cache keys of images: the digest of everything that decides an image's bits on one kind of machine."""

import hashlib
from collections.abc import Sequence
from typing import Final

from convscope.planning.items import Item
from convscope.planning.requests import VisualizationRequest

__all__ = ["ENGINE_VERSION", "CacheKeys"]

# Raise it whenever the engine computes other bits for the same request: images stored before are not reused then.
ENGINE_VERSION: Final = 3


class CacheKeys:
    """Computes the cache keys of one visualization.

    Args:
        request: the visualization.
        model_sha256: SHA-256 of the model's file, in hexadecimal.
        rows: ascents in one chunk, by target: see ``VisualizationPlan``.
        interpretation: the part of the model's interpretation that images depend on, serialized.
    """

    def __init__(
        self, request: VisualizationRequest, model_sha256: str, rows: Sequence[int], *, interpretation: bytes
    ) -> None:
        self._rows = {target.name: count for target, count in zip(request.targets, rows, strict=True)}
        self._objectives = {objective.name: objective.content for objective in request.objectives}
        numbers = f"{request.iterations}.{request.restarts}.{int(request.keep_all)}"
        model = _joined(model_sha256.encode(), interpretation)
        self._shared = _joined(str(ENGINE_VERSION).encode(), model, numbers.encode(), request.settings)

    def of(self, item: Item) -> str:
        """Return the key of an image: SHA-256 in hexadecimal."""
        numbers = f"{item.feature}.{item.restart} of {self._rows[item.target]}".encode()
        kind = b"objective" if item.target in self._objectives else b"layer"
        named = _joined(kind, item.target.encode(), self._objectives.get(item.target, b""), numbers)
        return hashlib.sha256(self._shared + named).hexdigest()


def _joined(*values: bytes) -> bytes:
    """Join values so that different lists give different bytes."""
    return b"".join(len(value).to_bytes(8, "little") + value for value in values)
