"""``debug_info``: the mean absolute value of every array as it is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netspec.graph import Node
from netspec.layers.base import Run
from netspec.net import Net
from netspec.solver.events import DebugInfo

Array = Any


class TellingRunner:
    """Runs a net layer by layer and tells what each computed.

    Attributes:
        iteration: what the events are told of; its owner keeps it up to date.
    """

    def __init__(self, tell: Callable[[DebugInfo], None]) -> None:
        self._tell = tell
        self.iteration = 0

    def forward(self, net: Net) -> None:
        """Run forward."""
        for node, run in net.forward_steps:
            self.forward_step(net, node, run)

    def forward_step(self, net: Net, node: Node, run: Run) -> None:
        """Run one layer forward."""
        net.run_forward(node, run)
        for name, top in zip(node.tops, run.top):
            self._say(net, "Forward", node.name, "top blob", name, "data", top)
        for i, param in enumerate(run.param):
            self._say(net, "Forward", node.name, "param blob", str(i), "data", param)

    def backward(self, net: Net) -> None:
        """Run backward."""
        for node, run in net.backward_steps:
            self.backward_step(net, node, run)

    def backward_step(self, net: Net, node: Node, run: Run) -> None:
        """Run one layer backward."""
        net.run_backward(node, run)
        for name, diff in zip(node.bottoms, run.bottom_diff):
            self._say(net, "Backward", node.name, "bottom blob", name, "diff", diff)
        for i, diff in enumerate(run.param_diff):
            self._say(net, "Backward", node.name, "param blob", str(i), "diff", diff)

    def updated(self, net: Net) -> None:
        """Tell what an update made of the parameters."""
        arena = net.arena
        for s in arena.segments:
            for kind, values in (("data", arena.data), ("diff", arena.diff)):
                at = s.layer, "param", str(s.index), kind
                self._say(net, "Update", *at, values[s.slice])

    def _say(
        self,
        net: Net,
        pass_: str,
        layer: str,
        what: str,
        name: str,
        kind: str,
        values: Array,
    ) -> None:
        if values is not None:
            values = net.ops.download(values)
            mean = float(abs(values).mean()) if values.size else 0.0
            self._tell(DebugInfo(self.iteration, pass_, layer, what, name, kind, mean))
