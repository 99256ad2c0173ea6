"""Telling a net from a solver when a command takes either."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from netspec.errors import SpecError
from netspec.proto import NetParameter, SolverParameter
from netspec.spec.locate import Located
from netspec.spec.read import read_net, read_solver

Spec = Located[NetParameter] | Located[SolverParameter]


def read_spec(
    path: str | os.PathLike[str], weights: bool = False, lenient: bool = False
) -> Spec:
    """Read a net or a solver, whichever the file is.

    Args:
        path: text or binary.
        weights, lenient: see :func:`read_net`; weights is for nets alone.

    Raises:
        SpecError: it is neither; of the two readings' errors, that of the one which
            understood more of the file.
    """
    solver_first = "solver" in Path(path).name.lower()
    net = partial(read_net, weights=weights, lenient=lenient)
    solver = partial(read_solver, lenient=lenient)
    readers = (solver, net) if solver_first else (net, solver)
    faults = []
    for reader in readers:
        try:
            return reader(path)
        except SpecError as fault:
            faults.append(fault)
    raise max(faults, key=_depth)


def _depth(fault: SpecError) -> tuple[int, int]:
    return (fault.place.line, fault.place.column) if fault.place else (0, 0)
