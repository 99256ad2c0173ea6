"""Passes over a stretch of a net's layers, with the calls that a program hung in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netspec.graph import Node
from netspec.layers.base import Run
from netspec.layers.dummy_data import DummyData
from netspec.net import Net as CoreNet
from netspec.pycaffe.mirror import mirrors_of
from netspec.solver.passes import PlainRunner, Runner

Call = Callable[[int], Any]
Array = Any


class Course:
    """Runs the layers of one net by number.

    Attributes:
        before_forward, after_forward, before_backward, after_backward: called with the
            number of a layer, around that layer's part of a pass.
    """

    def __init__(self, core: CoreNet) -> None:
        self.core = core
        self.before_forward: list[Call] = []
        self.after_forward: list[Call] = []
        self.before_backward: list[Call] = []
        self.after_backward: list[Call] = []
        for node, run in core.forward_steps:
            if isinstance(node.layer, DummyData):
                core.run_forward(node, run)

    def forward(
        self, first: int, last: int, runner: Runner | None = None
    ) -> Callable[[], float]:
        """Run layers *first* to *last*.

        Returns:
            What gives the weighted sum of their losses, as each was when its layer
            had run.
        """
        runner, losses = runner or PlainRunner(), []
        for i in range(first, last + 1):
            node, run = self.core.forward_steps[i]
            self._call(self.before_forward, i)
            kept = _constants(node, run)
            runner.forward_step(self.core, node, run)
            for top, values in kept:
                top[...] = values
            losses.append(_begin_loss(self.core, node, run))
            self._call(self.after_forward, i)
        return lambda: sum((loss() for loss in losses), 0.0)

    def backward(self, first: int, last: int, runner: Runner | None = None) -> None:
        """Run layers *first* down to *last* backward, those that have need of it."""
        runner = runner or PlainRunner()
        for i in range(first, last - 1, -1):
            node, run = self.core.forward_steps[i]
            self._call(self.before_backward, i)
            if node.needs_backward:
                runner.backward_step(self.core, node, run)
            self._call(self.after_backward, i)

    def _call(self, calls: list[Call], layer: int) -> None:
        if calls:
            with mirrors_of(self.core).shown():
                for call in calls:
                    call(layer)


def _begin_loss(core: CoreNet, node: Node, run: Run) -> Callable[[], float]:
    weighted = [(w, top) for w, top in zip(node.loss_weights, run.top) if w]
    parts = [(weight, core.ops.begin_download(top)) for weight, top in weighted]
    return lambda: sum(weight * float(part().sum()) for weight, part in parts)


def _constants(node: Node, run: Run) -> list[tuple[Array, Array]]:
    """Tops that a DummyData fills with constants, and copies of what they hold.

    Caffe fills such a top once, so that a program may set it.
    """
    if not isinstance(node.layer, DummyData):
        return []
    tops = zip(node.layer.fillers, run.top)
    return [(top, top.copy()) for filler, top in tops if filler.type == "constant"]
