"""What is done to an image before a net sees it, as a value that travels with the net.

Caffe's order: channels as the database has them (blue, green, red), the mean
subtracted, then the scale: ``x = scale * (pixel - mean)``, pixels from 0 to 255.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from netspec.errors import UsageError
from netspec.proto import TransformationParameter
from netspec.registry import suggest
from netspec.shapes import Shape
from netspec.spec.write import float32_text

KEY = "netspec.preprocessing"
ORDERS = ("BGR", "RGB", "gray")


@dataclass(frozen=True)
class Preprocessing:
    """From pixels to the net's input: ``scale * (pixel - mean)``.

    Attributes:
        order: of the channels, one of ``ORDERS``; "" where nobody said.
        mean: of each channel in that order, or one for all; () is none.
        mean_file: of a mean image, in place of *mean*.
        scale: factor after the mean is subtracted.
        crop: pixels a side of the part that is taken; 0: the whole image.
    """

    order: str = ""
    mean: tuple[float, ...] = ()
    mean_file: str = ""
    scale: float = 1.0
    crop: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, with the formula and the range in words."""
        return {
            "formula": "scale * (pixel - mean)",
            "pixels": "0 to 255",
            **asdict(self),
            "mean": list(self.mean),
        }

    def as_json(self) -> str:
        """One line for a metadata field."""
        return json.dumps(self.as_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Preprocessing | None:
        """The value in a metadata field; None where it is not ours."""
        try:
            held = json.loads(text)
            return cls(
                order=str(held["order"]),
                mean=tuple(float(m) for m in held["mean"]),
                mean_file=str(held["mean_file"]),
                scale=float(held["scale"]),
                crop=int(held["crop"]),
            )
        except (ValueError, KeyError, TypeError):
            return None

    @property
    def changes_nothing(self) -> bool:
        """Whether pixels are the net's input as they are."""
        return self.scale == 1 and not any(self.mean) and not self.mean_file

    def apply(self, pixels: Any) -> Any:
        """The input for pixels (N, C, H, W); a mean image is not applied here."""
        mean = np.asarray(self.mean or (0.0,), np.float32).reshape(-1, 1, 1)
        return ((pixels - mean) * np.float32(self.scale)).astype(np.float32)

    def reordered(self, order: str) -> Preprocessing:
        """The same for images whose channels come in another order."""
        flip = {self.order, order} == {"BGR", "RGB"}
        return replace(self, order=order, mean=self.mean[::-1] if flip else self.mean)


def from_transform(transform: TransformationParameter, image: Shape) -> Preprocessing:
    """What a data layer does to images of a shape (C, H, W)."""
    return Preprocessing(
        order={3: "BGR", 1: "gray"}.get(image[0], ""),
        mean=tuple(float(float32_text(m)) for m in transform.mean_value),
        mean_file=transform.mean_file,
        scale=float(float32_text(transform.scale)),
        crop=transform.crop_size,
    )


def given(
    known: Preprocessing | None,
    mean: tuple[float, ...] | None = None,
    scale: float | None = None,
    order: str | None = None,
) -> Preprocessing | None:
    """What is known, with what a caller says in its place.

    Raises:
        UsageError: an unknown order.
    """
    said = {"mean": mean, "scale": scale, "order": order}
    said = {k: v for k, v in said.items() if v is not None}
    if not said:
        return known
    if order is not None and order not in ORDERS:
        raise UsageError(f"unknown channel order {order!r}.", suggest(order, ORDERS))
    if mean is not None:
        said["mean_file"] = ""
    return replace(known or Preprocessing(), **said)
