"""Training: schedules, update rules, snapshots, and the loop that uses them.

``Solver`` is loaded at first use, so that reporters can import the events alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.solver.solver import Solver

__all__ = ["Solver"]


def __getattr__(name: str) -> Any:
    """Load the solver when it is first asked for."""
    if name != "Solver":
        raise AttributeError(f"module 'netspec.solver' has no attribute {name!r}")
    from netspec.solver.solver import Solver

    return Solver
