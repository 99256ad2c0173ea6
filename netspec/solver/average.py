"""The running mean of the weights that ``ema_decay`` asks for (Polyak averaging)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from netspec.net import Net
from netspec.proto import SolverParameter


class Average:
    """A = decay · A + (1 - decay) · W after each update, from A = W at the start.

    All of the arena takes part: the sums that BatchNorm stores and the number that it
    divides them by are averaged alike, so that what it makes of them is a mean too.

    Args:
        net: the training net.

    Attributes:
        values: the mean, in the arena's layout.
    """

    def __init__(self, net: Net, decay: float) -> None:
        self._net, self._decay = net, decay
        self.values = net.arena.data.copy()
        self._begun = False

    def begin(self) -> None:
        """Before an update: start from the weights as they are, unless under way."""
        if not self._begun:
            self.restart()

    def restart(self) -> None:
        """Start from the weights as they are."""
        self.values[...] = self._net.arena.data
        self._begun = True

    def forget(self) -> None:
        """The weights are others: start from them at the next update."""
        self._begun = False

    def update(self) -> None:
        """After an update: take in the weights."""
        self._net.ops.average_update(self.values, self._net.arena.data, self._decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The net, and those that share its parameters, compute with the mean."""
        if not self._begun:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def load(self, path: str | PathLike[str]) -> None:
        """Go on from a mean that was stored; the net's own weights are lost.

        Raises:
            DataError: what is wrong with the file.
        """
        self._net.load(path)
        self.restart()

    def _swap(self) -> None:
        data = self._net.arena.data
        weights = data.copy()
        data[...] = self.values
        self.values[...] = weights


def average_of(net: Net, solver: SolverParameter) -> Average | None:
    """The mean that a solver asks for, if it does."""
    return Average(net, solver.ema_decay) if solver.ema_decay else None
