"""Preprocessing as JSON text.

::

    {"format": "netspec preprocess", "version": 1,
     "channels": "bgr", "range": 255, "mean": [103.939, 116.779, 123.68], "scale": [1],
     "resize": {"rule": "short-side", "size": [256], "filter": "opencv-bilinear"},
     "crop": [224, 224], "train_scale": [256, 512], "classes": ["tench", ...]}

A mean image is ``{"shape": [C, H, W], "float32": BASE64}``, little-endian.  Every key
but ``channels`` may be left out or null.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import numpy as np

from netspec.data.preprocess import Preprocess
from netspec.data.protocols import Floats
from netspec.data.rescale import Resize
from netspec.errors import DataError, NetspecError, Place
from netspec.registry import suggest

FORMAT, VERSION = "netspec preprocess", 1
_KEYS = (
    "channels", "range", "mean", "scale", "resize", "crop", "train_scale", "classes"
)  # fmt: skip
WHOLE = "It is no preprocessing, or damaged."


def parse_preprocess(text: str, file: str = "<preprocess>") -> Preprocess:
    """Read JSON text; *file* is what errors call it.

    Raises:
        DataError: damaged, or with a key or value that has no meaning.
    """
    place = Place(file)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"it is not JSON: {error}.", WHOLE, place=place) from None
    try:
        return _preprocess(value)
    except NetspecError as error:
        raise DataError(error.problem, error.remedy, place=place) from None


def _preprocess(value: Any) -> Preprocess:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise DataError(f'it has no "format": "{FORMAT}".', WHOLE)
    if value.get("version") != VERSION:
        raise DataError(
            f"it is of version {value.get('version')!r}.",
            f"This netspec reads version {VERSION}.",
        )
    given = {k: v for k, v in value.items() if k not in ("format", "version")}
    for key in given:
        if key not in _KEYS:
            raise DataError(f"unknown key {key!r}.", suggest(key, _KEYS))
    found: dict[str, Any] = {
        k: _READERS[k](k, v) for k, v in given.items() if v is not None
    }
    if "channels" not in found:
        raise DataError("channels is missing.", "Give bgr, rgb or gray.")
    if isinstance(found.get("mean"), np.ndarray):
        found["mean_image"] = found.pop("mean")
    return Preprocess(**found)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(key, value, "text")
    return value


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(key, value, "a number")
    return float(value)


def _number_list(key: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise _wrong(key, value, "a list of numbers")
    return tuple(_number(key, v) for v in value)


def _integers(key: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(v) is int for v in value):
        raise _wrong(key, value, "a list of whole numbers")
    return tuple(value)


def _names(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise _wrong(key, value, "a list of names")
    return tuple(value)


def _mean(key: str, value: Any) -> tuple[float, ...] | Floats:
    if not isinstance(value, dict):
        return _number_list(key, value)
    shape = _integers("mean.shape", value.get("shape"))
    try:
        data = base64.b64decode(
            _text("mean.float32", value.get("float32")), validate=True
        )
    except binascii.Error:
        raise _wrong("mean.float32", "...", "base64") from None
    size = int(np.prod(shape, dtype=object))
    if len(shape) != 3 or min(shape) < 1 or len(data) != 4 * size:
        raise DataError(
            f"mean has {len(data)} bytes for the shape {list(shape)}.", WHOLE
        )
    image = np.frombuffer(data, "<f4").astype(np.float32).reshape(shape)
    if not np.isfinite(image).all():
        raise DataError("the mean image has values that are no numbers.", WHOLE)
    return image


def _resize(key: str, value: Any) -> Resize:
    if not isinstance(value, dict):
        raise _wrong(key, value, "rule, size and filter")
    for inner in value:
        if inner not in ("rule", "size", "filter"):
            raise DataError(
                f"unknown key 'resize.{inner}'.", suggest(inner, ("rule", "size"))
            )
    rule, filter_ = value.get("rule"), value.get("filter", Resize("none").filter)
    size = _integers("resize.size", value.get("size", []))
    return Resize(_text("resize.rule", rule), size, _text("resize.filter", filter_))


_READERS = {
    "channels": _text,
    "range": _number,
    "mean": _mean,
    "scale": _number_list,
    "resize": _resize,
    "crop": _integers,
    "train_scale": _integers,
    "classes": _names,
}


def _wrong(key: str, value: Any, wanted: str) -> DataError:
    shown = json.dumps(value)
    shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
    return DataError(f"{key} is {shown}.", f"Give {wanted}.")


def to_json(preprocess: Preprocess) -> str:
    """As JSON text, a line a key, which :func:`parse_preprocess` reads back."""
    p = preprocess
    resize = p.resize and {
        "rule": p.resize.rule, "size": p.resize.size, "filter": p.resize.filter
    }  # fmt: skip
    value = {
        "format": FORMAT,
        "version": VERSION,
        "channels": p.channels,
        "range": _plain(p.range),
        "mean": [*map(_plain, p.mean)]
        if p.mean_image is None
        else _coded(p.mean_image),
        "scale": [*map(_plain, p.scale)],
        "resize": resize,
        "crop": p.crop,
        "train_scale": p.train_scale,
        "classes": p.classes,
    }
    lines = (f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _plain(number: float) -> float:
    """255 rather than 255.0."""
    return int(number) if float(number).is_integer() else float(number)


def _coded(image: Floats) -> dict[str, Any]:
    data = base64.b64encode(image.astype("<f4").tobytes()).decode()
    return {"shape": list(image.shape), "float32": data}
