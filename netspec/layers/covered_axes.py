"""Which axes of a bottom a scale or a bias covers: shared by Scale and Bias."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Shapes
from netspec.shapes import Shape, canonical_axis, count, describe


def covered_shape(message: Any, bottom: Shapes, prefix: str) -> Shape:
    """Shape of the scale or bias: a second bottom's, or from axis and num_axes.

    Raises:
        SpecError: it does not fit the axes of the first bottom.
    """
    if len(bottom) > 1:
        return bottom[1]
    axis = canonical_axis(message.axis, len(bottom[0]), f"{prefix}.axis")
    left, wanted = len(bottom[0]) - axis, message.num_axes
    if not -1 <= wanted <= left:
        raise SpecError(
            f"num_axes {wanted} from axis {axis} on, and the bottom has shape "
            f"{describe(bottom[0])}.",
            f"Choose from 0 to {left}, or -1 for all of them.",
            field=f"{prefix}.num_axes",
        )
    return bottom[0][axis:] if wanted == -1 else bottom[0][axis : axis + wanted]


def around(message: Any, bottom: Shapes, prefix: str) -> tuple[int, int, int]:
    """The first bottom as (outer, covered, inner) counts of elements.

    Raises:
        SpecError: the second bottom's shape is not that of the axes it should cover.
    """
    x, covered = bottom[0], covered_shape(message, bottom, prefix)
    if not covered:
        return count(x, 0, 1), 1, count(x, 1)
    axis = canonical_axis(message.axis, len(x), f"{prefix}.axis")
    end = axis + len(covered)
    if x[axis:end] != covered:
        raise SpecError(
            f"bottom 1 has shape {describe(covered)}, and from axis {axis} on bottom 0 "
            f"has {describe(x[axis:])}.",
            "Bottom 1 must equal the axes of bottom 0 that it covers: change axis, "
            "or reshape it.",
            field="bottom.1",
        )
    return count(x, 0, axis), count(covered), count(x, end)
