"""Which gradients a backward pass computes: Caffe's rules, on names alone.

A gradient flows where something below learns and something above is a loss; where
``propagate_down`` does not say otherwise; and everywhere under ``force_backward``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Flow:
    """What one layer brings to the analysis, and its outcome.

    Attributes:
        allowed: for each bottom, whether ``force_backward`` may ask for its gradient.
        propagate_down: the file's say for each bottom, or empty.
        open: how many of the first bottoms get a gradient where the file says nothing;
            None: all.
        learns: for each parameter, whether it is trained (lr_mult is not 0).
        trainable: for each parameter, whether it has a gradient at all.
        bottom, param: the outcome.
    """

    bottoms: Sequence[str]
    tops: Sequence[str]
    allowed: Sequence[bool]
    propagate_down: Sequence[bool]
    learns: Sequence[bool]
    trainable: Sequence[bool]
    loss: bool
    open: int | None = None
    bottom: list[bool] = field(default_factory=list)
    param: list[bool] = field(default_factory=list)
    active: bool = False


def mark_gradients(flows: Sequence[Flow], force: bool) -> None:
    """Fill in every flow's ``bottom`` and ``param``."""
    _up_from_what_learns(flows)
    _down_from_losses(flows)
    for flow in flows:
        if force:
            flow.bottom = [w or a for w, a in zip(flow.bottom, flow.allowed)]
            flow.param = list(flow.trainable)
        else:
            flow.param = [flow.active and learns for learns in flow.learns]


def _up_from_what_learns(flows: Sequence[Flow]) -> None:
    wanted: set[str] = set()
    for flow in flows:
        needs = [name in wanted for name in flow.bottoms[: flow.open]]
        needs += [False] * (len(flow.bottoms) - len(needs))
        flow.bottom = list(flow.propagate_down) or needs
        flow.active = any(needs) or any(flow.learns)
        if flow.active:
            wanted.update(flow.tops)


def _down_from_losses(flows: Sequence[Flow]) -> None:
    under_loss: set[str] = set()
    stopped: set[str] = set()
    for flow in reversed(flows):
        counts = flow.loss or any(name in under_loss for name in flow.tops)
        if not counts or all(name in stopped for name in flow.tops):
            flow.active = False
            flow.bottom = [False] * len(flow.bottoms)
        for name, wants in zip(flow.bottoms, flow.bottom):
            if counts:
                under_loss.add(name)
            if not wants:
                stopped.add(name)
