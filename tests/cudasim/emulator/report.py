"""What the checker found, and what it counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """A fault of a kernel: the first at its place."""

    fault: str
    access: str  # read, write, atomic
    size: int  # bytes
    array: str  # the argument or shared array, or the one nearest to the address
    offset: int  # bytes from its start
    block: tuple[int, ...]
    thread: int  # linear, in its block
    other: int  # the thread that it raced with; -1: none
    place: str  # file:line

    def __str__(self) -> str:
        where = f" of {self.array!r} at byte {self.offset}" if self.array else ""
        what = f": {self.access} of {self.size} bytes{where}" if self.access else ""
        other = f" (the other: thread {self.other})" if self.other >= 0 else ""
        return (
            f"{self.place}: {self.fault}{what}, by thread {self.thread} of block "
            f"{self.block}{other}"
        )


@dataclass(frozen=True)
class Statistic:
    """How one instruction touched memory: totals over a launch."""

    place: str
    space: str  # global, shared
    is_store: bool
    size: int  # bytes a lane
    requests: int  # by a warp
    lanes: int
    sectors: int  # of 32 bytes, of global memory
    ideal_sectors: int
    wavefronts: int  # passes over the banks of shared memory
    ideal_wavefronts: int

    @property
    def conflicts(self) -> int:
        """Passes that bank conflicts cost."""
        return self.wavefronts - self.ideal_wavefronts


@dataclass(frozen=True)
class Launch:
    """What one launch left to tell."""

    reports: tuple[Report, ...] = ()
    statistics: tuple[Statistic, ...] = ()
    accesses: int = 0
    barriers: int = 0


class LaunchError(RuntimeError):
    """A launch that a device would have refused, or that ended with an error."""

    def __init__(self, message: str, reports: tuple[Report, ...] = ()) -> None:
        super().__init__("\n  ".join([message, *map(str, reports)]))
        self.reports = reports
