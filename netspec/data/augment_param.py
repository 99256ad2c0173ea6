"""Reading netspec's own fields of ``transform_param``; nonsense is refused."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netspec.data.colour import Colours
from netspec.data.view import Windows
from netspec.errors import SpecError
from netspec.proto import TransformationParameter


class _Range(NamedTuple):
    """What a field may be, and how an error says so."""

    least: float
    most: float
    said: str


_SHARE = _Range(0, 1, "from 0 to 1")
_DEGREES = _Range(0, 180, "from 0 to 180 degrees")
_SIDE = _Range(1, 1 << 16, f"from 1 to {1 << 16} pixels")
_RANGES = {
    "short_side": _SIDE,
    "short_side_min": _SIDE,
    "short_side_max": _SIDE,
    "area_min": _Range(1e-6, 1, "above 0 and at most 1"),
    "area_max": _Range(1e-6, 1, "above 0 and at most 1"),
    "aspect_max": _Range(1, 100, "from 1 to 100"),
    "rotation": _DEGREES,
    "brightness": _SHARE,
    "contrast": _SHARE,
    "saturation": _SHARE,
    "hue": _DEGREES,
    "color_shift_std": _Range(0, 100, "from 0 to 100"),
}
_PAIRS = (("short_side_min", "short_side_max"), ("area_min", "area_max"))
_NEEDS = {  # a field, and those without which it says nothing
    "short_side_min": ("short_side_max", "crop_size"),
    "short_side_max": ("short_side_min", "crop_size"),
    "area_min": ("crop_size",),
    "area_max": ("area_min",),
    "aspect_max": ("area_min",),
    "color_shift_axis": ("color_shift_std",),
}
_EXCLUDES = (
    ("short_side", "short_side_min"),
    ("area_min", "short_side"),
    ("area_min", "short_side_min"),
)
_AXES = 9  # numbers of three axes


def read_windows(param: TransformationParameter, training: bool) -> Windows:
    """Which parts of pictures are seen.

    Raises:
        SpecError: a value out of its range, or fields that do not go together.
    """
    _check(param)
    area = (param.area_min, param.area_max) if param.HasField("area_min") else None
    return Windows(
        param.crop_size,
        _sides(param),
        area,
        param.aspect_max,
        param.rotation,
        param.mirror,
        training,
    )


def read_colours(param: TransformationParameter, training: bool) -> Colours:
    """How colours are changed: in TRAIN alone.

    Raises:
        SpecError: a value out of its range, or axes that are not three.
    """
    _check(param)
    if not training:
        return Colours()
    axes = None
    if param.color_shift_axis:
        axes = np.array(param.color_shift_axis, np.float64).reshape(3, 3)
    return Colours(
        param.brightness,
        param.contrast,
        param.saturation,
        param.hue,
        param.color_shift_std,
        axes,
    )


def _sides(param: TransformationParameter) -> tuple[int, int] | None:
    if param.HasField("short_side"):
        return param.short_side, param.short_side
    if param.HasField("short_side_min"):
        return param.short_side_min, param.short_side_max
    return None


def _check(param: TransformationParameter) -> None:
    given = {field.name: value for field, value in param.ListFields()}
    for name, range_ in _RANGES.items():
        value = given.get(name)
        # So written that it refuses NaN.
        if value is not None and not range_.least <= value <= range_.most:
            raise _fault(name, f"has {name} {value:g}.", f"Set it {range_.said}.")
    for name, needed in _NEEDS.items():
        for other in needed:
            if name in given and not given.get(other):
                raise _fault(name, f"has {name} and no {other}.", f"Set {other} too.")
    for name, other in _EXCLUDES:
        if name in given and other in given:
            raise _fault(name, f"has both {name} and {other}.", "Keep one.")
    _check_together(param)


def _check_together(param: TransformationParameter) -> None:
    for low, high in _PAIRS:
        least, most = getattr(param, low), getattr(param, high)
        if param.HasField(low) and least > most:
            raise _fault(
                low,
                f"has {low} {least:g} above {high} {most:g}.",
                "Give the lesser first.",
            )
    sides = _sides(param)
    if sides and sides[0] < param.crop_size:
        name = "short_side" if param.HasField("short_side") else "short_side_min"
        raise _fault(
            name,
            f"has {name} {sides[0]}, less than crop_size {param.crop_size}.",
            f"Set {name} to crop_size or more.",
        )
    axes = param.color_shift_axis
    if axes and (len(axes) != _AXES or not np.isfinite(axes).all()):
        raise _fault(
            "color_shift_axis",
            f"has color_shift_axis {[*axes]}.",
            "Give three axes of three numbers: netspec data mean --pca prints them.",
        )


def _fault(field: str, problem: str, remedy: str) -> SpecError:
    return SpecError(problem, remedy, field=f"transform_param.{field}")
