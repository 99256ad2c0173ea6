"""What layers that are fed from outside have in common."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Layer, Run, exactly
from netspec.proto import TransformationParameter


class Source(Layer):
    """A layer without bottoms whose tops somebody else fills before forward.

    Shapes come from the prototxt where it tells enough; otherwise whoever builds the
    graph takes them from the data (:class:`netspec.graph.Feeding`).
    """

    bottoms = exactly(0)
    is_source = True
    backward_reads_bottom = False
    repeats = True

    def forward(self, ops: Any, run: Run) -> None:
        """Nothing: the tops are filled already."""

    def backward(self, ops: Any, run: Run) -> None:
        """Nothing: there is no bottom."""


def one_for_all(values: list[Any], tops: int, field: str, missing: Any = None) -> list:
    """A repeated field that is given once for all tops or once for each.

    *missing* is what an absent field means; None: it must be given.

    Raises:
        SpecError: another number of values.
    """
    if not values and missing is not None:
        return [missing] * tops
    if len(values) not in (1, tops):
        raise SpecError(
            f"{field} is given {len(values)} times for {tops} tops.",
            "Give it once, or once for each top.",
            field=field,
        )
    return list(values) if len(values) == tops else [values[0]] * tops


def positive(value: int, field: str) -> int:
    """*value*, refused when it is not above 0."""
    if value < 1:
        name = field.rsplit(".", 1)[-1]
        raise SpecError(f"{name} is {value}.", "Give a number above 0.", field=field)
    return value


_SSD = (
    "distort_param",
    "expand_param",
    "resize_param",
    "crop_h",
    "crop_w",
    "emit_constraint",
)


def refuse_ssd(transform: TransformationParameter) -> None:
    """Refuse what only AnnotatedData does to pictures.

    Raises:
        SpecError: names the field.
    """
    for name in _SSD:
        if transform.HasField(name):
            raise SpecError(
                f"{name} is obeyed by AnnotatedData alone.",
                "Remove it; short_side, area_min, rotation, brightness and their like "
                "do the same here.",
                field=f"transform_param.{name}",
            )
