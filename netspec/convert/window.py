"""Caffe's pooling windows in the words of runtimes that round down.

Caffe rounds the number of windows up and then, where there is padding, drops a last
one that would start at or beyond the end of the image.  Padding the far end by the
right amount makes rounding down give exactly those windows:

* rounding up is rounding down after ``stride - 1`` more elements;
* a window starts before the end of the image exactly if one of its first
  ``kernel - 1`` elements more would still be needed to hold it.

So the far end takes ``min(pad + stride - 1, kernel - 1)``, whatever the size of the
image: fewer windows of the two bounds, and none that holds padding alone.
"""

from __future__ import annotations

from netspec.backends.base import PoolingGeometry


def end_padding(geo: PoolingGeometry, axis: int, ceil: bool, free: bool) -> int | None:
    """Padding behind the image along one axis, for a runtime that rounds down.

    Args:
        ceil: the layer rounds up.
        free: the extent is not known; the answer must hold for every one.  Otherwise
            it is the least that does.

    Returns:
        None where a window lies outside of the image, which no padding can express:
        the stride exceeds the kernel, and nothing is padded.
    """
    kernel, stride, pad = geo.kernel[axis], geo.stride[axis], geo.pad[axis]
    if not ceil:
        return pad
    if free:
        unbounded = not any(geo.pad) and stride > kernel
        return None if unbounded else min(pad + stride - 1, kernel - 1)
    needed = (geo.output[axis] - 1) * stride + kernel - geo.input[axis] - pad
    if needed >= kernel:
        return None
    return max(0, needed)
