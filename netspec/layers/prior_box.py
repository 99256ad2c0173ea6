"""PriorBox: the boxes that a detector's predictions are relative to."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.errors import SpecError
from netspec.layers.base import Layer, Run, Shapes, exactly, layer
from netspec.shapes import describe

PREFIX = "prior_box_param"
SAME = 1e-6  # aspect ratios closer than this are one


@layer("PriorBox")
class PriorBox(Layer):
    """SSD's PriorBox: for each place of a map (bottom 0) boxes on the image (bottom 1).

    Only the bottoms' shapes count. The top is 1 x 2 x (H · W · boxes · 4): corners
    (left, top, right, bottom) as parts of the image, then their variances. Sizes are
    cut to whole pixels, as SSD does it.
    """

    bottoms = exactly(2)
    backward_reads_bottom = False

    def setup(self) -> None:
        """Read prior_box_param."""
        self.message = self.proto.prior_box_param
        self._check_sizes()
        self.image = self._pair("img", "img_size")  # height and width, or None
        self.step = self._pair("step", "step")
        self.variance = list(self.message.variance) or [0.1]
        if len(self.variance) not in (1, 4) or min(self.variance) <= 0:
            raise SpecError(
                f"variance is {', '.join(f'{v:g}' for v in self.variance)}.",
                "Give one number above 0, or four, or none for 0.1.",
                field=f"{PREFIX}.variance",
            )

    def _check_sizes(self) -> None:
        least, most = list(self.message.min_size), list(self.message.max_size)
        if not least or min(least) <= 0:
            raise SpecError(
                "min_size is missing or not above 0.",
                "Give one side in pixels or several.",
                field=f"{PREFIX}.min_size",
            )
        if most and len(most) != len(least):
            raise SpecError(
                f"max_size is given {len(most)} times and min_size {len(least)} times.",
                "Give a max_size for each min_size, or none.",
                field=f"{PREFIX}.max_size",
            )
        for i, (low, high) in enumerate(zip(least, most)):
            if high <= low:
                raise SpecError(
                    f"max_size {high:g} is not above its min_size, {low:g}.",
                    "Choose a larger one.",
                    field=f"{PREFIX}.max_size.{i}",
                )

    def _pair(self, stem: str, both: str) -> tuple[float, float] | None:
        """A setting for (H, W), given once for both or for each; None: not given."""
        message, names = self.message, (f"{stem}_h", f"{stem}_w")
        found = [name for name in names if message.HasField(name)]
        if found and (message.HasField(both) or len(found) == 1):
            raise SpecError(
                f"{found[0]} is given beside {both}, or without its other half.",
                f"Give {both}, or {stem}_h and {stem}_w.",
                field=f"{PREFIX}.{found[0]}",
            )
        if not found and not message.HasField(both):
            return None
        height, width = (getattr(message, n) for n in (found or (both, both)))
        if height <= 0 or width <= 0:
            raise SpecError(
                f"{(found or [both])[0]} is {height:g}.",
                "Give a number of pixels above 0.",
                field=f"{PREFIX}.{(found or [both])[0]}",
            )
        return height, width

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """Corners and variances of every box."""
        for i, shape in enumerate(bottom):
            if len(shape) != 4:
                raise SpecError(
                    f"bottom {i} has shape {describe(shape)}.",
                    "PriorBox takes four axes: N x C x H x W.",
                    field=f"bottom.{i}",
                )
        height, width = bottom[0][2:]
        return ((1, 2, height * width * len(self._sizes()) * 4),)

    def _sizes(self) -> list[tuple[float, float]]:
        """Width and height of the boxes of one place, in pixels, in SSD's order."""
        sizes: list[tuple[float, float]] = []
        most = self.message.max_size
        for i, low in enumerate(self.message.min_size):
            side = int(low)
            sizes.append((side, side))
            if most:
                between = sqrt(side * int(most[i]))
                sizes.append((between, between))
            sizes += [(side * sqrt(r), side / sqrt(r)) for r in self._ratios()]
        return sizes

    def _ratios(self) -> list[float]:
        """Aspect ratios beside 1."""
        ratios = [1.0]
        for ratio in self.message.aspect_ratio:
            if all(abs(ratio - known) >= SAME for known in ratios):
                ratios += [ratio, 1 / ratio] if self.message.flip else [ratio]
        return [ratio for ratio in ratios if abs(ratio - 1) >= SAME]

    def geometry(self, bottom: Shapes) -> NDArray[np.float64]:
        """The top's values."""
        maps, images = bottom[0][2:], bottom[1][2:]
        image = images if self.image is None else self.image
        step = self.step or tuple(i / m for i, m in zip(image, maps))
        rows, columns = (
            (np.arange(n) + self.message.offset) * s for n, s in zip(maps, step)
        )
        centers = np.stack(np.meshgrid(columns, rows), axis=-1)[:, :, None, :]
        half = np.array(self._sizes()) / 2
        boxes = np.concatenate([centers - half, centers + half], axis=-1)
        boxes /= np.array([image[1], image[0]] * 2)
        if self.message.clip:
            np.clip(boxes, 0, 1, out=boxes)
        variances = np.broadcast_to(self.variance, boxes.shape)
        return np.stack([boxes.reshape(-1), variances.reshape(-1)])[None]

    def couples_batch(self, bottom: Shapes) -> bool:
        """Its top has no rows of images."""
        return True

    def forward(self, ops: Any, run: Run) -> None:
        """Copy the boxes."""
        ops.upload(run.geometry, run.top[0])

    def backward(self, ops: Any, run: Run) -> None:
        """The bottoms' values do not matter."""
        for dx in run.bottom_diff:
            if dx is not None:
                ops.fill(dx, 0.0)
