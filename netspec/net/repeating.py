"""Running layers whose every pass does the same: asked twice, then repeated.

What such a layer asks of the backend is recorded in the second pass - the first finds
scratch memory still growing - where the backend can record.  Passes after that neither
ask the layer nor decide anything, which is a tenth of the time of a small net.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import Any

from netspec.layers.base import Layer, Run

Pass = Callable[[], None]
Key = tuple[int, str, int]  # run, direction, thread


class Repeater:
    """Runs the layers of one net on one backend.

    Args:
        frozen: whether parameters keep their values from the second pass on.
    """

    def __init__(self, ops: Any, frozen: bool = False) -> None:
        self._ops, self._frozen = ops, frozen
        self._passes: dict[Key, Pass] = {}

    def run(self, layer: Layer, run: Run, direction: str) -> None:
        """Run a layer ``"forward"`` or ``"backward"``."""
        key = id(run), direction, get_ident()
        known = self._passes.get(key)
        if known:
            known()
            return
        work = getattr(layer, direction)
        work(self._ops, run)
        plain = partial(work, self._ops, run)
        record = partial(self._record, key, lambda ops: work(ops, run), plain)
        self._passes[key] = record if _repeats(layer, run) else plain

    def _record(self, key: Key, work: Callable[[Any], None], plain: Pass) -> None:
        self._passes[key] = self._ops.recorded(work, self._frozen) or plain

    def forget(self) -> None:
        """What layers are handed is other arrays from now on."""
        self._passes.clear()


def _repeats(layer: Layer, run: Run) -> bool:
    return layer.repeats and all(follower.repeats for follower, _ in run.followers)
