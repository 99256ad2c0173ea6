"""Upsample: a larger image, of two forks."""

from __future__ import annotations

from typing import Any

from netspec.errors import DataError, SpecError
from netspec.layers.base import Array, Layer, Run, Shapes, between, layer
from netspec.layers.loss import refuse_gradient
from netspec.shapes import Shape, count, describe

PREFIX = "upsample_param"
SEGNET_SCALE, YOLO_SCALE = 2, 1  # where the file gives none


@layer("Upsample")
class Upsample(Layer):
    """With one bottom YOLO's: each pixel becomes scale x scale pixels.

    With two SegNet's: each value of bottom 0 goes to the place that bottom 1, the mask
    of a MAX pooling, says, and the rest is 0.  The size is upsample_h and upsample_w,
    or the bottom's times scale, less a row or column with pad_out_h or pad_out_w.
    """

    bottoms = between(1, 2)

    def setup(self) -> None:
        """Read upsample_param; what SegNet's alone has, needs two bottoms."""
        self.message = self.proto.upsample_param
        self.has_mask = len(self.proto.bottom) == 2
        self.backward_reads_bottom = self.has_mask
        given = [f.name for f, _ in self.message.ListFields()]
        for name in given:
            if getattr(self.message, name) == 0 and not name.startswith("pad"):
                raise SpecError(
                    f"{name} is 0.", "Choose at least 1.", field=f"{PREFIX}.{name}"
                )
        if not self.has_mask and any(name != "scale" for name in given):
            name = next(name for name in given if name != "scale")
            raise SpecError(
                f"{name} is SegNet's, and there is one bottom.",
                "Give the mask of the pooling as a second bottom, or scale alone.",
                field=f"{PREFIX}.{name}",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """(N, C, OH, OW)."""
        shape = bottom[0]
        if len(shape) != 4:
            raise SpecError(
                f"bottom 0 has shape {describe(shape)}.",
                "Upsample takes four axes: N x C x H x W.",
                field="bottom.0",
            )
        if self.has_mask and bottom[1] != shape:
            raise SpecError(
                f"bottom 1, the mask, has shape {describe(bottom[1])}, bottom 0 has "
                f"{describe(shape)}.",
                "Both must have one shape.",
                field="bottom.1",
            )
        return ((*shape[:2], *self._output(shape[2:])),)

    def _output(self, image: Shape) -> Shape:
        message = self.message
        if message.HasField("upsample_h") and message.HasField("upsample_w"):
            return message.upsample_h, message.upsample_w
        if message.HasField("scale_h") != message.HasField("scale_w"):
            raise SpecError(
                "only one of scale_h and scale_w is given.",
                "Give both, or scale.",
                field=f"{PREFIX}.scale_{'h' if message.HasField('scale_h') else 'w'}",
            )
        if message.HasField("scale_h"):
            scales = message.scale_h, message.scale_w
        else:
            scales = (self._scale(),) * 2
        pads = message.pad_out_h, message.pad_out_w
        for side, scale, pad in zip("hw", scales, pads):
            if pad and scale != SEGNET_SCALE:
                raise SpecError(
                    f"pad_out_{side} with scale {scale}.",
                    f"Give upsample_h and upsample_w; scale {SEGNET_SCALE} alone is "
                    "padded.",
                    field=f"{PREFIX}.pad_out_{side}",
                )
        return tuple(n * s - pad for n, s, pad in zip(image, scales, pads))

    def _scale(self) -> int:
        default = SEGNET_SCALE if self.has_mask else YOLO_SCALE
        return self.message.scale if self.message.HasField("scale") else default

    def allows_force_backward(self, bottom: int) -> bool:
        """The mask has no gradient."""
        return bottom == 0

    def forward(self, ops: Any, run: Run) -> None:
        """Repeat pixels, or put values back.

        Raises:
            DataError: the mask names a place that the output does not have.
        """
        x, y = run.bottom[0], run.top[0]
        if self.has_mask:
            self._check_mask(ops, run.bottom[1], count(y.shape, 2))
            ops.unpool(_rows(x), _rows(run.bottom[1]), _rows(y))
        else:
            ops.repeat(_planes(x), _planes(y), self._scale())

    def _check_mask(self, ops: Any, mask: Array, places: int) -> None:
        at = ops.first_bad_label(mask, places, None)
        if at >= 0:
            value = float(mask.reshape(-1)[at])
            raise DataError(
                f"the mask holds {value:g}, and a plane of the output has {places} "
                "places.",
                "Give upsample_h and upsample_w of the blob that was pooled.",
            )

    def backward(self, ops: Any, run: Run) -> None:
        """The gradients of the pixels that each became, or of its place."""
        if self.has_mask:
            refuse_gradient(run, 1, "mask")
        dy, dx = run.top_diff[0], run.bottom_diff[0]
        if dx is None:
            return
        if self.has_mask:
            ops.unpool_backward(_rows(dy), _rows(run.bottom[1]), _rows(dx))
        else:
            ops.repeat_backward(_planes(dy), _planes(dx), self._scale())


def _rows(x: Array) -> Array:
    return x.reshape(count(x.shape, 0, 2), -1)


def _planes(x: Array) -> Array:
    return x.reshape(count(x.shape, 0, 2), *x.shape[2:])
