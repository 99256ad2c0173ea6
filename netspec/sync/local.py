"""One rank: nobody to talk to."""

from __future__ import annotations

from collections.abc import Callable

from netspec.sync.base import Array


class Local:
    """The synchronizer of a single process: its sums are complete already."""

    rank = 0
    size = 1
    shared = None

    @property
    def busy(self) -> float:
        """No time."""
        return 0.0

    def reduce(self, bucket: Array) -> None:
        """The sum over one rank."""

    def begin(
        self, bucket: Array, then: Callable[[slice], None], result: Array | None = None
    ) -> None:
        """The sum over one rank, complete at once."""
        then(slice(0, len(bucket)))

    def complete(self, values: Array) -> None:
        """They are complete."""

    def finish(self) -> None:
        """Nothing is under way."""

    def broadcast(self, bucket: Array, root: int = 0) -> None:
        """Everybody has it."""

    def barrier(self) -> None:
        """Everybody is here."""

    def note(self, activity: str) -> None:
        """Nobody asks."""
