"""What comes of sums before they are stored, in vector instructions.

Operations and their order are those of the layers that an epilogue stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.backends.cpu.epilogue import BIAS, INVERSE, MEAN, SCALE, SHIFT
from netspec.backends.cpu.vectors import Emitter, Value, Vector

Term = Callable[[int], Vector]  # emits the load of one of the TERMS


def finished(
    emit: Emitter, sums: Sequence[Vector], term: Term, scaled: Value, floor: Value
) -> list[Vector]:
    """Sums of filters, finished.

    Args:
        term: those of the filters that the lanes belong to.
        scaled, floor: of :class:`~netspec.backends.cpu.epilogue.Finish`.
    """
    bias, least = term(BIAS), emit.splat(floor)
    cells = [emit.register(total.exactly() + bias) for total in sums]
    with emit.builder.if_then(scaled):
        mean, inverse, scale, shift = map(term, (MEAN, INVERSE, SCALE, SHIFT))
        for cell in cells:
            centred = emit.get(cell).exactly() - mean
            emit.set(cell, centred.times(inverse).times(scale) + shift)
    return [emit.get(cell).at_least(least) for cell in cells]
