"""What to say of a loss that is not finite, and of the one that nearly is not."""

from __future__ import annotations

from typing import Any

from netspec.errors import DivergedError
from netspec.graph import Node
from netspec.net import Net
from netspec.solver.events import Warned

# -log(FLT_MIN): SoftmaxWithLoss's answer when every true class has probability 0.
SATURATED = 87.3365

_HINT = (
    "Lower base_lr, check the scale and the labels of the data and the fillers, or set "
    "clip_gradients."
)


def saturated(loss: float, iteration: int) -> Warned | None:
    """A warning where a loss is SoftmaxWithLoss's largest."""
    if abs(loss - SATURATED) > 1e-3:
        return None
    return Warned(
        f"the loss of iteration {iteration} is {loss:.4f}, which is -log of the "
        "smallest float32: every true class has probability 0.",
        "Training has most likely diverged: lower base_lr, check the data.",
    )


def diverged(net: Net, iteration: int, loss: float, kept: str) -> DivergedError:
    """The error for a loss that is not finite; runs the net again to find its cause.

    Args:
        net: holds the inputs and parameters that made the loss.
        kept: the last good snapshot, or "".
    """
    found = first_bad(net)
    cause = f"the first bad value is in {found}" if found else "every blob is finite"
    snapshot = f" The last good snapshot is {kept}." if kept else ""
    return DivergedError(
        f"the loss of iteration {iteration} is {loss}; {cause}.", _HINT + snapshot
    )


def bad_weights(net: Net, iteration: int) -> DivergedError | None:
    """The error where a parameter is not finite: such a snapshot helps nobody."""
    for segment in net.arena.segments:
        if not net.ops.all_finite(net.arena.data[segment.slice]):
            return DivergedError(
                f"after {iteration} iterations parameter {segment.index} of layer "
                f"{segment.layer!r} is not finite; no snapshot is written.",
                _HINT,
            )
    return None


def first_bad(net: Net) -> str:
    """The first array with a value that is not finite, in order of computation."""
    for node, run in net.forward_steps:
        found = _bad_of(net, "parameter", run.param, range(len(run.param)), node)
        if found:
            return found
        node.layer.forward(net.ops, run)
        found = _bad_of(net, "blob", run.top, node.tops, node)
        if found:
            return found
    return ""


def _bad_of(net: Net, what: str, arrays: Any, names: Any, node: Node) -> str:
    for name, array in zip(names, arrays):
        if not net.ops.all_finite(array):
            return f"{what} {name!r} of layer '{node.name}' ({node.type})"
    return ""
