"""Convolution on the CPU: one operation, several algorithms, chosen by geometry alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu import direct
from netspec.backends.cpu.direct import Cut, cut
from netspec.backends.cpu.threads import share
from netspec.backends.cpu.unfold import AXES, frame, lifted
from netspec.backends.reference.convolution import ConvolutionOps
from netspec.shapes import count

Array = Any


class CpuConvolutionOps(ConvolutionOps):
    """float32 of up to three spatial axes is compiled; the rest is the reference's."""

    exact = False  # whether only sums of products as the definition has them are allowed

    def convolution_forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        y: Array,
        geo: ConvolutionGeometry,
        relu: bool = False,
    ) -> None:
        if not _compiled(geo, x, w, y):
            return super().convolution_forward(x, w, b, y, geo, relu)
        b = np.zeros(geo.filters, np.float32) if b is None else b
        stretch = cut(geo).stretch
        share(
            direct.forward,
            geo.batch * geo.group * -(-count(geo.output) // stretch),
            _image(x, geo),
            _weights(w, geo),
            b,
            _positions(y, geo),
            relu,
            stretch,
            _pointwise(geo),
            frame(geo),
            workspace=0 if _pointwise(geo) else geo.taps * stretch,
            work=_macs(geo),
        )
        return None

    def convolution_backward_data(
        self, dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry
    ) -> None:
        if not _compiled(geo, dy, w, dx):
            return super().convolution_backward_data(dy, w, dx, geo)
        plan = cut(geo)
        share(
            direct.backward_data,
            geo.batch * _blocks(geo, plan),
            _positions(dy, geo),
            _weights(w, geo),
            _image(dx, geo),
            plan.channels,
            plan.gradient_stretch,
            _pointwise(geo),
            frame(geo),
            workspace=_gradient_workspace(geo, plan),
            work=_macs(geo),
        )
        return None

    def convolution_backward_weights(
        self, x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry
    ) -> None:
        if not _compiled(geo, x, dy, dw):
            return super().convolution_backward_weights(x, dy, dw, geo)
        plan = cut(geo)
        sums = _weights(dw, geo)[None]
        if plan.parts > 1:
            sums = np.zeros((plan.parts, *sums.shape[1:]), np.float32)
        share(
            direct.backward_weights,
            plan.parts * _blocks(geo, plan),
            _image(x, geo),
            _positions(dy, geo),
            sums,
            plan.channels,
            plan.gradient_stretch,
            _pointwise(geo),
            frame(geo),
            workspace=_gradient_workspace(geo, plan),
            work=_macs(geo),
        )
        if plan.parts > 1:
            for part in sums:
                dw += part.reshape(dw.shape)
        return None

    def channel_sums(self, dy: Array, db: Array) -> None:
        if not _plain(dy, db):
            return super().channel_sums(dy, db)
        values = dy.reshape(dy.shape[0], dy.shape[1], -1)
        share(direct.channel_sums, db.size, values, db, work=dy.size)
        return None


def _plain(*arrays: Array) -> bool:
    """Whether compiled code, made for contiguous float32, may take them."""
    return all(a.dtype == np.float32 and a.flags.c_contiguous for a in arrays)


def _compiled(geo: ConvolutionGeometry, *arrays: Array) -> bool:
    return len(geo.input) <= AXES and _plain(*arrays)


def _pointwise(geo: ConvolutionGeometry) -> bool:
    """Whether the image itself is the matrix that unfolding would make."""
    return geo.output == geo.input and count(geo.kernel) == 1 and not any(geo.pad)


def _image(x: Array, geo: ConvolutionGeometry) -> Array:
    each = geo.channels // geo.group
    return x.reshape(geo.batch, geo.group, each, *lifted(geo.input))


def _weights(w: Array, geo: ConvolutionGeometry) -> Array:
    return w.reshape(geo.group, geo.filters // geo.group, geo.taps)


def _positions(y: Array, geo: ConvolutionGeometry) -> Array:
    each = geo.filters // geo.group
    return y.reshape(geo.batch, geo.group, each, count(geo.output))


def _blocks(geo: ConvolutionGeometry, plan: Cut) -> int:
    return geo.group * -(-(geo.channels // geo.group) // plan.channels)


def _gradient_workspace(geo: ConvolutionGeometry, plan: Cut) -> int:
    if _pointwise(geo):
        return 0
    return plan.channels * count(geo.kernel) * plan.gradient_stretch


def _macs(geo: ConvolutionGeometry) -> int:
    return geo.batch * geo.filters * count(geo.output) * geo.taps
