"""Padding the far end so that rounding down gives Caffe's windows, for every size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netspec.backends.base import PoolingGeometry
from netspec.convert.window import end_padding
from netspec.shapes import pooling_size


def geometry(size: int, kernel: int, stride: int, pad: int, other_pad: int):
    padded = bool(pad or other_pad)
    out = pooling_size(size, kernel, stride, pad, padded=padded)
    return PoolingGeometry(
        1, 1, (size, 9), (out, 1), (kernel, 9), (stride, 1), (pad, other_pad)
    )


@given(st.data())
def test_every_padding_gives_caffes_number_of_windows(data) -> None:
    kernel = data.draw(st.integers(1, 7))
    stride = data.draw(st.integers(1, 8))
    pad = data.draw(st.integers(0, kernel - 1))
    other = data.draw(st.integers(0, 1))
    size = data.draw(st.integers(1, 40))
    geo = geometry(size, kernel, stride, pad, other)
    if geo.output[0] < 1:
        return
    for free in (False, True):
        end = end_padding(geo, 0, ceil=True, free=free)
        if end is None:
            assert stride > kernel
            continue
        assert end < kernel
        assert (size + pad + end - kernel) // stride + 1 == geo.output[0]


def test_googlenets_pooling() -> None:
    geo = geometry(112, 3, 2, 1, 1)
    assert geo.output[0] == 57
    assert end_padding(geo, 0, ceil=True, free=False) == 2


def test_rounding_down_needs_what_the_file_pads() -> None:
    assert end_padding(geometry(11, 3, 2, 1, 1), 0, ceil=False, free=True) == 1
