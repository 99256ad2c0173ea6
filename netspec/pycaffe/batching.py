"""Any number of inputs through a net whose batch has a fixed size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from netspec.pycaffe.faults import BadValueError

if TYPE_CHECKING:
    from netspec.pycaffe.net_passes import NetPasses

Array = Any
Arrays = dict[str, Array]


def batches(rows: Mapping[str, Array], size: int) -> Iterator[Arrays]:
    """Batches of *size* rows of every array; the last is filled up with zeros."""
    if not rows:
        return
    for first in range(0, _number(rows), size):
        part = {name: each[first : first + size] for name, each in rows.items()}
        yield {name: _filled(np.asarray(each), size) for name, each in part.items()}


def _number(rows: Mapping[str, Array]) -> int:
    """How many rows each array has."""
    numbers = {len(array) for array in rows.values()}
    if len(numbers) > 1:
        each = ", ".join(f"{name} {len(array)}" for name, array in rows.items())
        raise BadValueError(
            f"the arrays have different numbers of rows: {each}.",
            "Give one row of each for every item.",
        )
    return numbers.pop()


def _filled(part: Array, size: int) -> Array:
    missing = size - len(part)
    if not missing:
        return part
    return np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)])


def forward_all(
    net: NetPasses, blobs: Sequence[str], inputs: Mapping[str, Array]
) -> Arrays:
    """See :meth:`Net.forward_all`."""
    _refuse_nothing(inputs)
    parts = batches(inputs, net.batch_size)
    found = [net.forward(blobs=list(blobs), **part) for part in parts]
    return _joined(found, net.batch_size, _number(inputs))


def forward_backward_all(
    net: NetPasses,
    blobs: Sequence[str],
    diffs: Sequence[str],
    given: Mapping[str, Array],
) -> tuple[Arrays, Arrays]:
    """See :meth:`Net.forward_backward_all`."""
    _refuse_nothing(given)
    inputs = {name: given[name] for name in net.inputs if name in given}
    tops = {name: given[name] for name in net.outputs if name in given}
    sides = (batches(rows, net.batch_size) for rows in (inputs, tops))
    data: list[Arrays] = []
    gradients: list[Arrays] = []
    for part, top in zip_longest(*sides, fillvalue={}):
        data.append(net.forward(blobs=list(blobs), **part))
        gradients.append(net.backward(diffs=list(diffs), **top))
    size, rows = net.batch_size, _number(given)
    return _joined(data, size, rows), _joined(gradients, size, rows)


def _refuse_nothing(given: Mapping[str, Array]) -> None:
    if not given:
        raise BadValueError(
            "no arrays are given, so that it is not known how many batches to run.",
            "Give the net's inputs as keywords; a net with a data layer: forward().",
        )


def _joined(found: list[Arrays], size: int, rows: int) -> Arrays:
    """The batches one after another, without what the last was filled up with.

    A blob that has no axis gives one value a batch.
    """
    joined = {}
    for name in found[0]:
        parts = [np.atleast_1d(part[name]) for part in found]
        per_item = len(parts[0]) == size
        joined[name] = np.concatenate(parts)[: rows if per_item else None]
    return joined
