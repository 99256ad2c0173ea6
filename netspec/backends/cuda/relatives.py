"""Arithmetic of layers that Caffe's forks added: ReLU6, Normalize, SmoothL1Loss."""

from __future__ import annotations

from typing import Any

import cupy

from netspec.backends.cuda.launch import KernelFile, f32, f64, i32, i64
from netspec.backends.cuda.maps import each, each_in_channels
from netspec.backends.cuda.sums import KERNELS as SUMS
from netspec.backends.cuda.sums import Parts

Array = Any

KERNELS = KernelFile("relatives")
ACTIVATIONS = KernelFile("activations")
AFFINE = KernelFile("affine")


class CudaRelativesOps:
    """Images are (N, C, S)."""

    def relu6(self, x: Array, y: Array, slope: float = 0.0) -> None:
        """See :meth:`RelativesOps.relu6`."""
        each(ACTIVATIONS, "relu6", (x, y), f32(slope))

    def relu6_backward(
        self, x: Array, y: Array, dy: Array, dx: Array, slope: float = 0.0
    ) -> None:
        """See :meth:`RelativesOps.relu6_backward`."""
        each(ACTIVATIONS, "relu6_backward", (x, y, dy, dx), f32(slope))

    def smooth_l1(self, x: Array, y: Array, sigma: float) -> None:
        """See :meth:`RelativesOps.smooth_l1`."""
        each(ACTIVATIONS, "smooth_l1", (x, y), f32(1 / sigma**2), f32(sigma**2 / 2))

    def smooth_l1_backward(self, x: Array, dy: Array, dx: Array, sigma: float) -> None:
        """See :meth:`RelativesOps.smooth_l1_backward`."""
        each(ACTIVATIONS, "smooth_l1_backward", (x, dy, dx), f32(sigma**2))

    def l2_normalize(
        self, x: Array, scale: Array, norm: Array, y: Array, eps: float
    ) -> None:
        """See :meth:`RelativesOps.l2_normalize`."""
        _, channels, inner = x.shape
        if _is_whole(x, norm):
            parts = Parts(SUMS, "square_sum", (x,), _images(x))
            parts.finish(KERNELS, "image_norms", (norm,), f64(eps))
        else:
            arguments = x, norm, i64(norm.size), i32(channels), i64(inner), f32(eps)
            KERNELS.over("place_norms", norm.size, arguments)
        _by_norm(x, norm, y)
        each_in_channels(AFFINE, "scale_channels", (y, scale, y), _scaled(x, scale))

    def l2_normalize_backward(
        self,
        x: Array,
        scale: Array,
        norm: Array,
        dy: Array,
        dx: Array | None,
        dscale: Array | None,
    ) -> None:
        """See :meth:`RelativesOps.l2_normalize_backward`."""
        z = cupy.empty_like(x)
        _by_norm(x, norm, z)
        if dscale is not None:
            parts = Parts(AFFINE, "product_sums", (z, dy), _scaled(x, dscale))
            parts.finish(AFFINE, "add_sums", (dscale,), i32(0))
        if dx is not None:
            slope, along = cupy.empty_like(x), cupy.empty_like(norm)
            arrays = dy, scale, slope
            each_in_channels(AFFINE, "scale_channels", arrays, _scaled(x, scale))
            _products(z, slope, along)
            numbers = i64(x.size), *_sizes(x, norm)
            KERNELS.over("tilt", x.size, (z, slope, along, norm, dx, *numbers))


def _is_whole(x: Array, norm: Array) -> bool:
    """Whether a norm is one of a whole image."""
    return norm.shape[1] != x.shape[2]


def _images(x: Array) -> tuple[int, int, int]:
    """The shape of which images are the channels."""
    return 1, x.shape[0], x.size // max(1, x.shape[0])


def _scaled(x: Array, scale: Array) -> tuple[int, int, int]:
    """The shape of which a channel has a scale of its own, or all have one."""
    return x.shape if scale.size > 1 else (1, 1, x.size)


def _sizes(x: Array, norm: Array) -> tuple[Any, Any, Any]:
    return i32(x.shape[1]), i64(x.shape[2]), i32(_is_whole(x, norm))


def _by_norm(x: Array, norm: Array, z: Array) -> None:
    KERNELS.over("by_norm", x.size, (x, norm, z, i64(x.size), *_sizes(x, norm)))


def _products(z: Array, slope: Array, along: Array) -> None:
    """along = Σ z · slope over what each norm was summed over."""
    if _is_whole(z, along):
        parts = Parts(AFFINE, "product_sums", (z, slope), _images(z))
        parts.finish(SUMS, "finish", (along,), f64(1))
    else:
        sizes = i64(along.size), i32(z.shape[1]), i64(z.shape[2])
        KERNELS.over("place_products", along.size, (z, slope, along, *sizes))
