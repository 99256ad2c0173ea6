"""How a training net is run, and how its time is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
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

    def forward(self, net: Net) -> float:
        """Run forward; returns the loss."""

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

    def forward(self, net: Net) -> float:
        """See :meth:`Net.forward_pass`."""
        return net.forward_pass()

    def backward(self, net: Net) -> None:
        """See :meth:`Net.backward_pass`."""
        net.backward_pass()


@dataclass
class Clock:
    """Seconds by what they were spent on.

    Attributes:
        note: told what comes next.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    note: Callable[[str], None] | None = None

    def time(self, what: str, call: Callable[..., Any], *args: Any) -> Any:
        """Call and note how long it took."""
        if self.note:
            self.note(what)
        start = time.perf_counter()
        result = call(*args)
        self.add(what, time.perf_counter() - start)
        return result

    def add(self, what: str, seconds: float) -> None:
        """Count seconds that were spent."""
        self.seconds[what] = self.seconds.get(what, 0.0) + seconds
