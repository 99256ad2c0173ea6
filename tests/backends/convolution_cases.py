"""Geometries that can fail: no symmetric sizes, every field away from its default."""

from __future__ import annotations

from itertools import product

import numpy as np

from netspec.backends.base import ConvolutionGeometry as Geometry

# batch, channels, filters, input, kernel, stride, pad, dilation, group
CASES = {
    "plain": Geometry(2, 3, 5, (7, 9), (3, 2), (1, 1), (0, 0), (1, 1)),
    "pad": Geometry(3, 4, 2, (5, 8), (3, 4), (1, 1), (1, 3), (1, 1)),
    "stride": Geometry(2, 3, 4, (11, 8), (3, 2), (3, 2), (2, 1), (1, 1)),
    "dilation": Geometry(2, 2, 3, (9, 13), (3, 4), (1, 2), (2, 0), (2, 3)),
    "group": Geometry(2, 6, 9, (5, 7), (2, 3), (2, 1), (1, 1), (1, 2), 3),
    "depthwise": Geometry(3, 4, 4, (9, 6), (3, 2), (1, 2), (1, 0), (2, 1), 4),
    "depthwise_twice": Geometry(2, 3, 6, (6, 9), (3, 3), (1, 1), (1, 1), (1, 1), 3),
    "pairs": Geometry(2, 6, 6, (6, 9), (2, 3), (2, 1), (1, 2), (1, 1), 3),
    "one_by_one": Geometry(2, 5, 3, (4, 7), (1, 1), (1, 1), (0, 0), (1, 1)),
    "one_by_one_group": Geometry(3, 6, 4, (4, 7), (1, 1), (1, 1), (0, 0), (1, 1), 2),
    "one_by_one_depthwise": Geometry(
        2, 3, 3, (4, 7), (1, 1), (1, 1), (0, 0), (1, 1), 3
    ),
    "one_by_one_stride": Geometry(2, 5, 3, (7, 4), (1, 1), (2, 3), (0, 0), (1, 1)),
    "stride_over_one_column": Geometry(
        2, 3, 3, (5, 1), (1, 1), (1, 2), (0, 0), (1, 1), 3
    ),
    "stride_over_one_row": Geometry(2, 6, 5, (1, 7), (1, 1), (3, 1), (0, 0), (1, 1)),
    "one_by_one_pad": Geometry(2, 5, 3, (4, 7), (1, 1), (1, 1), (1, 2), (1, 1)),
    "padded_beyond_kernel": Geometry(1, 2, 3, (3, 4), (2, 2), (1, 2), (4, 3), (1, 1)),
    "sticks_out": Geometry(2, 3, 2, (4, 9), (5, 3), (3, 2), (0, 0), (1, 1)),
    "no_axes": Geometry(4, 5, 3, (), (), (), (), ()),
    "line": Geometry(2, 3, 4, (17,), (4,), (3,), (2,), (2,)),
    "volume": Geometry(2, 3, 4, (4, 5, 6), (2, 3, 1), (1, 2, 1), (0, 1, 2), (2, 1, 1)),
    "four_axes": Geometry(
        1, 2, 3, (3, 2, 4, 5), (2, 1, 2, 3), (1, 1, 2, 1), (0, 1, 0, 1), (1, 1, 1, 2)
    ),
    "many_tasks": Geometry(1, 70, 3, (19, 23), (3, 3), (1, 1), (1, 0), (1, 1)),
}


class Arrays:
    """Everything one convolution takes, drawn with *seed*; outputs begin as NaN."""

    def __init__(self, geo: Geometry, dtype: type, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        weights = (geo.filters, geo.channels // geo.group, *geo.kernel)
        shapes = {
            "x": (geo.batch, geo.channels, *geo.input),
            "w": weights,
            "b": (geo.filters,),
            "dy": (geo.batch, geo.filters, *geo.output),
            "dw": weights,
            "db": (geo.filters,),
        }
        drawn = {k: rng.standard_normal(s).astype(dtype) for k, s in shapes.items()}
        self.x, self.w, self.b, self.dy, self.dw, self.db = drawn.values()
        self.y = np.full_like(self.dy, np.nan)
        self.dx = np.full_like(self.x, np.nan)


def naive(a: Arrays, geo: Geometry) -> dict[str, np.ndarray]:
    """All results in float64, one product at a time."""
    x, w, dy = (v.astype(np.float64) for v in (a.x, a.w, a.dy))
    y = np.zeros_like(dy) + a.b.reshape(-1, *(1,) * len(geo.input))
    dx, dw = np.zeros_like(x), a.dw.astype(np.float64)
    per_group = geo.filters // geo.group, geo.channels // geo.group
    for n, k, c in product(range(geo.batch), range(geo.filters), range(per_group[1])):
        plane = k // per_group[0] * per_group[1] + c
        for out in np.ndindex(*geo.output):
            for tap in np.ndindex(*geo.kernel):
                at = tuple(
                    o * s - p + t * d
                    for o, s, p, t, d in zip(
                        out, geo.stride, geo.pad, tap, geo.dilation, strict=True
                    )
                )
                if all(0 <= i < size for i, size in zip(at, geo.input, strict=True)):
                    y[(n, k, *out)] += w[(k, c, *tap)] * x[(n, plane, *at)]
                    dx[(n, plane, *at)] += w[(k, c, *tap)] * dy[(n, k, *out)]
                    dw[(k, c, *tap)] += dy[(n, k, *out)] * x[(n, plane, *at)]
    db = a.db + dy.sum(axis=(0, *range(2, dy.ndim)))
    return {"y": y, "dx": dx, "dw": dw, "db": db}
