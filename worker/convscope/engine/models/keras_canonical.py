"""Keras files without what is of the moment: a training that is repeated gives the same bytes.

The name of a model's file is the digest of its bytes, and images are known by it.
"""

import io
import json
import zipfile
from typing import Any

from convscope.engine.models.keras_archive import CONFIG, METADATA

__all__ = ["canonical"]


def canonical(data: bytes) -> bytes:
    """Return a Keras file that Keras has just written, without dates and addresses of memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as written, zipfile.ZipFile(buffer, "w") as file:
        for name in sorted(written.namelist()):
            content = written.read(name)
            if name in CHANGES:
                content = json.dumps(CHANGES[name](json.loads(content))).encode()
            file.writestr(zipfile.ZipInfo(name), content)  # of 1980, with which such archives begin
    return buffer.getvalue()


def _undated(metadata: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if name != "date_saved"}


def _numbered(config: Any) -> Any:
    """Number the objects that several layers share as they come; Keras names them by their addresses."""
    numbers: dict[int, int] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(each) for each in value]
        if not isinstance(value, dict):
            return value
        found = {name: walk(each) for name, each in value.items()}
        if isinstance(address := found.get("shared_object_id"), int):
            found["shared_object_id"] = numbers.setdefault(address, len(numbers) + 1)
        return found

    return walk(config)


CHANGES = {CONFIG: _numbered, METADATA: _undated}
