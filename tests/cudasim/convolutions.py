"""What the tests of convolution share: forced algorithms, and rounded references."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import ConvolutionGeometry as Geometry
from netspec.backends.base import Epilogue
from tests.backends.convolution_cases import Arrays
from tests.cudasim.harness import HostOps

# A sum of n float32 products is good to about n * 6e-8 of the sum of their sizes.
TOLERANCE = 5e-6


def only(name: str, **settings: Any) -> HostOps:
    """Operations of which every convolution takes the algorithm of that name."""
    from netspec.backends.cuda.choice import Choices

    class Only(Choices):
        def pick(self, question, names, default, trial):
            assert name in names, question
            return name

    return HostOps(choices=Only(), **settings)


def rounded(x: np.ndarray, precision: str) -> np.ndarray:
    """What the multipliers are fed, in float64."""
    if precision == "fp16":
        return x.astype(np.float16).astype(np.float64)
    if precision == "tf32":
        bits = (x.view(np.uint32) + 0x1000) & ~np.uint32(0x1FFF)
        return bits.view(np.float32).astype(np.float64)
    return x.astype(np.float64)


def everything(ops: Any, geo: Geometry, precision: str = "fp32") -> list[np.ndarray]:
    """y with a ReLU, dx, dw and db; the reference's of what was rounded, in float64."""
    a = Arrays(geo, np.float32)
    if ops.name == "numpy":
        db = a.db + a.dy.astype(np.float64).sum(axis=(0, *range(2, a.dy.ndim)))
        for key, value in vars(a).items():
            is_fed = key in ("x", "w", "dy")
            wide = rounded(value, precision) if is_fed else value.astype(np.float64)
            setattr(a, key, wide)
    ops.convolution_forward(a.x, a.w, a.b, a.y, geo, Epilogue(relu=True))
    ops.convolution_backward(a.x, a.w, a.dy, a.dx, a.dw, a.db, geo)
    return [a.y, a.dx, a.dw, db if ops.name == "numpy" else a.db]


def suitable_cases(
    cases: dict[str, Geometry], *names: str
) -> list[tuple[str, Geometry, str]]:
    """(case, geometry, algorithm) for all that go together by the number of axes."""
    return [
        (case, geo, name)
        for name in names
        for case, geo in cases.items()
        if name == "columns" or len(geo.input) <= 2
    ]
