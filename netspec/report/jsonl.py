"""A log of one JSON object a line: ``{"event": "Iteration", "time": ..., ...}``."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, is_dataclass
from typing import Any, TextIO

from netspec.solver.events import Event


class JsonLinesReporter:
    """Writes every event with all of its fields, and the seconds since 1970."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        """Listen."""
        fields: dict[str, Any] = asdict(event) if is_dataclass(event) else {}
        record = {
            "event": type(event).__name__,
            "time": round(time.time(), 6),
            **fields,
        }
        self._stream.write(json.dumps(_finite(record)) + "\n")
        self._stream.flush()


def _finite(value: Any) -> Any:
    """The same with NaN and infinity as text: JSON has no numbers for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
