"""The stage of the unfolding has room for whatever a stretch of positions sees."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu import unfold
from netspec.backends.cpu.frame import frame

pairs = st.tuples(st.integers(1, 40), st.integers(1, 400))
small = st.tuples(st.integers(1, 4), st.integers(1, 4))
pads = st.tuples(st.integers(0, 3), st.integers(0, 3))


def staged(geo: ConvolutionGeometry, channels: int, start: int, stop: int) -> int:
    """Values that the kernels write for one stretch of one depth."""
    *_, rows, phases, length = unfold._view.py_func(start, stop, frame(geo))
    return channels * rows * phases * length


def test_a_short_stretch_over_two_wide_lines() -> None:
    geo = ConvolutionGeometry(1, 3, 64, (256, 336), (3, 3), (1, 1), (1, 1), (1, 1))
    assert staged(geo, 3, 300, 492) <= unfold.stage_size(geo, 3, 192)


@given(pairs, small, small, pads, small, st.integers(1, 900), st.data())
def test_room_for_any_stretch(size, kernel, stride, pad, dilation, stretch, data):
    geo = ConvolutionGeometry(1, 2, 3, size, kernel, stride, pad, dilation)
    positions = geo.output[0] * geo.output[1]
    assume(min(geo.output) > 0)
    start = data.draw(st.integers(0, positions - 1))
    stop = min(positions, start + stretch)
    assert staged(geo, 2, start, stop) <= unfold.stage_size(geo, 2, stretch)
