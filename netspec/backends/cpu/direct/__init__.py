"""Convolution as products of weights and images, straight from the definition.

``products`` is the convolution: ``cut`` says how its work is divided, ``packing``
brings arrays into the form that products take.  Its adjoints are ``data_gradient`` and
``weight_gradient``; most of them are sums of ``outer``, with channels side by side in
the lanes of vectors, as ``beside`` packs them.
"""

from __future__ import annotations

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct.data_gradient import backward_data
from netspec.backends.cpu.direct.packing import natural
from netspec.backends.cpu.direct.products import convolve
from netspec.backends.cpu.direct.weight_gradient import backward_weights
from netspec.backends.cpu.epilogue import Finish
from netspec.backends.cpu.frame import Array, image, positions

__all__ = ["backward_data", "backward_weights", "forward"]


def forward(
    x: Array, w: Array, y: Array, geo: ConvolutionGeometry, last: Finish
) -> None:
    """y = w * x, finished."""
    convolve(image(x, geo), natural(w, geo), positions(y, geo), last, geo)
