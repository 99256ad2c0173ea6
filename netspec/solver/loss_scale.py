"""Precision, and the scale that keeps small gradients from vanishing in FP16.

Gradients are computed times S and updates divide by it: Micikevicius et al. 2018,
"Mixed precision training", section 3.2, with S found as training goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from netspec.proto import BlobProto, NetParameter, SolverParameter

GREATEST = 2.0**24
LEAST = 1.0
_TYPES = ("default_forward_type", "default_backward_type")
_MATHS = ("default_forward_math", "default_backward_math")


@dataclass
class LossScale:
    """S, and what has become of the steps.

    Attributes:
        value: S.
        window: steps without overflow after which S is doubled; 0: it stays.
        good: such steps since S last changed.
        skipped: steps that overflowed, in all.
    """

    value: float
    window: int = field(compare=False)
    good: int = 0
    skipped: int = 0

    def take(self, finite: bool) -> bool:
        """Learn whether a step's gradient is finite; the step is skipped where not.

        Returns:
            Whether S has changed.
        """
        before = self.value
        self.good += 1
        if not finite:
            self.skipped += 1
            self._become(self.value / 2)
        elif self.window and self.good >= self.window:
            self._become(self.value * 2)
        return self.value != before

    def _become(self, value: float) -> None:
        self.value = min(GREATEST, max(LEAST, value))
        self.good = 0


def precision_of(solver: SolverParameter, net: NetParameter) -> str:
    """``"fp32"``, ``"tf32"`` or ``"fp16"``: what a solver or NVIDIA's net asks for."""
    if not solver.HasField("precision") and _is_half(net):
        return "fp16"
    return SolverParameter.Precision.Name(solver.precision).lower()


def _is_half(net: NetParameter) -> bool:
    half = BlobProto.FLOAT16
    names = (*_TYPES, *_MATHS)
    return any(net.HasField(n) and getattr(net, n) == half for n in names)


def loss_scale_of(solver: SolverParameter, net: NetParameter) -> LossScale:
    """The scale that training in FP16 starts with."""
    value, window = solver.loss_scale, solver.loss_scale_window
    if not solver.HasField("loss_scale") and net.HasField("global_grad_scale"):
        value = net.global_grad_scale
    adaptive = not net.HasField("global_grad_scale_adaptive")
    if not solver.HasField("loss_scale_window") and not adaptive:
        window = window if net.global_grad_scale_adaptive else 0
    return LossScale(value, window)
