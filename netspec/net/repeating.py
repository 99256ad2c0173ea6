"""Running layers whose every pass does the same: asked twice, then repeated.

What such a layer asks of the backend is recorded in the second pass - the first finds
scratch memory still growing - where the backend can record.  Passes after that neither
ask the layer nor decide anything, which is a tenth of the time of a small net.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import get_ident
from typing import Any

from netspec.graph import Node
from netspec.layers.base import Layer, Run

Pass = Callable[[], None]
Step = tuple[Node, Run]
Key = tuple[int, str, int]  # run, direction, thread


class Repeater:
    """Runs the layers of one net on one backend.

    Args:
        frozen: whether parameters keep their values from the second pass on.
    """

    def __init__(self, ops: Any, frozen: bool = False) -> None:
        self._ops, self._frozen = ops, frozen
        self._asked: set[Key] = set()  # once
        self._passes: dict[Key, Pass | None] = {}  # None: is asked every time
        self._joined: dict[tuple[str, int], list[Pass]] = {}

    def run(self, layer: Layer, run: Run, direction: str) -> None:
        """Run a layer ``"forward"`` or ``"backward"``."""
        key = id(run), direction, get_ident()
        known = self._passes.get(key)
        if known:
            known()
        elif key in self._asked:
            self._asked.remove(key)
            self._passes[key] = self._record(layer, run, direction)
        else:
            getattr(layer, direction)(self._ops, run)
            if not _repeats(layer, run):
                self._passes[key] = None
            elif key not in self._passes:
                self._asked.add(key)

    def _record(self, layer: Layer, run: Run, direction: str) -> Pass | None:
        work = getattr(layer, direction)
        return self._ops.recorded(lambda ops: work(ops, run), self._frozen)  # type: ignore[no-any-return]

    def joined(
        self, direction: str, steps: Sequence[Step], one: Callable[[Node, Run], None]
    ) -> list[Pass]:
        """What runs several steps: by *one*, or as they were recorded."""
        key = direction, get_ident()
        if key in self._joined:
            return self._joined[key]
        keys = [(id(run), *key) for _, run in steps]
        passes = [
            self._passes.get(k) or partial(one, *step) for k, step in zip(keys, steps)
        ]
        if all(k in self._passes for k in keys):
            self._joined[key] = passes
        return passes

    def forget(self) -> None:
        """What layers are handed is other arrays from now on."""
        self._asked.clear()
        self._passes.clear()
        self._joined.clear()


def _repeats(layer: Layer, run: Run) -> bool:
    return layer.repeats and all(follower.repeats for follower, _ in run.followers)
