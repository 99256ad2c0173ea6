"""How a training net is run, and how its time is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from netspec.graph import Node
from netspec.layers.base import Run
from netspec.net import Net


class Callback(Protocol):
    """What else is to happen in an iteration; Caffe's Solver::Callback."""

    def on_start(self) -> None:
        """Before the first forward pass of an iteration."""

    def on_gradients_ready(self) -> None:
        """When the gradients of the whole iteration stand in the net's arena."""


class Runner(Protocol):
    """How a net is run; debugging listens in here."""

    def forward(self, net: Net) -> Any:
        """Run forward; whoever wants the loss asks the net for it."""

    def backward(self, net: Net) -> None:
        """Run backward."""

    def forward_step(self, net: Net, node: Node, run: Run) -> None:
        """Run one step of :meth:`forward`."""

    def backward_step(self, net: Net, node: Node, run: Run) -> None:
        """Run one step of :meth:`backward`."""


class PlainRunner:
    """The net's own passes."""

    def forward_step(self, net: Net, node: Node, run: Run) -> None:
        """See :meth:`Net.run_forward`."""
        net.run_forward(node, run)

    def backward_step(self, net: Net, node: Node, run: Run) -> None:
        """See :meth:`Net.run_backward`."""
        net.run_backward(node, run)

    def forward(self, net: Net) -> None:
        """See :meth:`Net.run_all_forward`."""
        net.run_all_forward()

    def backward(self, net: Net) -> None:
        """See :meth:`Net.backward_pass`."""
        net.backward_pass()


class Clock:
    """Seconds by what they were spent on.

    Args:
        ops: of the device whose time counts; None: the host's.
        note: told what comes next.
    """

    def __init__(self, ops: Any = None, note: Callable[[str], None] | None = None):
        self._mark = ops.mark if ops else time.perf_counter
        self._between = ops.seconds if ops else lambda start, end: end - start
        self._note = note
        self._spans: list[tuple[str, Any, Any]] = []
        self._added: dict[str, float] = {}

    def time(self, what: str, call: Callable[..., Any], *args: Any) -> Any:
        """Call and note how long it took."""
        if self._note:
            self._note(what)
        start = self._mark()
        result = call(*args)
        self._spans.append((what, start, self._mark()))
        return result

    def add(self, what: str, seconds: float) -> None:
        """Count seconds that were spent."""
        self._added[what] = self._added.get(what, 0.0) + seconds

    @property
    def seconds(self) -> dict[str, float]:
        """What was spent so far; waits for a device that runs ahead."""
        found = dict(self._added)
        for what, start, end in self._spans:
            found[what] = found.get(what, 0.0) + self._between(start, end)
        return found
