"""Doing again what a backend has done before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class RepetitionOps:
    """Every time anew; a backend that can remember what it does overrides this."""

    def recorded(
        self, work: Callable[[Any], None], frozen: bool = False
    ) -> Callable[[], None] | None:
        """Do some *work*, which takes operations, and remember what they did.

        Args:
            frozen: parameters will hold what they hold now: what depends on them
                alone need not be done again.

        Returns:
            What does the same again, in the thread that calls this, with the same
            arrays, whatever they hold then; None: it cannot be told.
        """
        work(self)
        return None
