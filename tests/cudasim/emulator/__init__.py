"""CUDA kernels on the CPU: unmodified .cu files, compiled by g++.

A block's threads are fibers of one thread of the host; blocks run one after another.
In mode ``"check"`` every access is watched: bounds, alignment, races, reads of shared
memory that nobody wrote.  See docs/kernels.md.
"""

from tests.cudasim.emulator.build import BuildError, compiler
from tests.cudasim.emulator.module import SCHEDULES, Kernel, RawModule, Watching
from tests.cudasim.emulator.report import Launch, LaunchError, Report, Statistic

__all__ = [
    "SCHEDULES",
    "BuildError",
    "Kernel",
    "Launch",
    "LaunchError",
    "RawModule",
    "Report",
    "Statistic",
    "Watching",
    "compiler",
]
