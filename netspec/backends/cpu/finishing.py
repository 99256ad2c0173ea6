"""What comes of sums before they are stored, in vector instructions.

Operations and their order are those of the layers that an epilogue stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.backends.cpu.epilogue import BIAS, INVERSE, MEAN, SCALE, SHIFT
from netspec.backends.cpu.vectors import Emitter, Value, Vector

Load = Callable[[int], Vector]  # emits the load of one of several vectors


def scaled_sums(
    emit: Emitter, sums: Sequence[Vector], term: Load, scaled: Value
) -> list[Vector]:
    """Sums of filters with their biases, normalised and scaled.

    Args:
        term: one of the TERMS, of the filters that the lanes belong to.
        scaled: of :class:`~netspec.backends.cpu.epilogue.Finish`.
    """
    bias = term(BIAS)
    cells = [emit.register(total.exactly() + bias) for total in sums]
    with emit.builder.if_then(scaled):
        mean, inverse, scale, shift = map(term, (MEAN, INVERSE, SCALE, SHIFT))
        for cell in cells:
            centred = emit.get(cell).exactly() - mean
            emit.set(cell, centred.times(inverse).times(scale) + shift)
    return [emit.get(cell) for cell in cells]


def completed(
    emit: Emitter, values: Sequence[Vector], other: Load, adds: Value, floor: Value
) -> list[Vector]:
    """What :func:`scaled_sums` gives, with what else is added, and rectified.

    Args:
        other: what is added to one of the values.
        adds, floor: of :class:`~netspec.backends.cpu.epilogue.Finish`.
    """
    cells, least = [emit.register(value) for value in values], emit.splat(floor)
    with emit.builder.if_then(adds):
        for i, cell in enumerate(cells):
            emit.set(cell, emit.get(cell).exactly() + other(i))
    return [emit.get(cell).at_least(least) for cell in cells]
