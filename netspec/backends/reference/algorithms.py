"""Which algorithms a backend has chosen by measuring them."""

from __future__ import annotations

from collections.abc import Mapping


class AlgorithmOps:
    """Nothing is measured: the geometry alone decides.

    A backend that measures overrides these, so that a run can be repeated bit by bit.
    """

    @property
    def measures(self) -> bool:
        """Whether the first of a kind of operation is measured."""
        return False

    def algorithms(self) -> dict[str, str]:
        """What was chosen so far, by problem."""
        return {}

    def fix_algorithms(self, chosen: Mapping[str, str]) -> None:
        """Choose these from now on, by geometry for any other problem; measure nothing
        more."""
