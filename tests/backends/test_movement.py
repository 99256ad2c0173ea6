from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.backends.cpu import CpuOps
from netspec.backends.cpu.memory import copy_past_caches
from netspec.backends.numpy_ops import NumpyOps

OPS = NumpyOps()


@given(
    outer=st.integers(1, 4),
    before=st.integers(0, 5),
    length=st.integers(1, 5),
    after=st.integers(0, 5),
)
def test_a_block_is_read_and_written_at_its_place(outer, before, length, after):
    columns = before + length + after
    whole = np.arange(outer * columns, dtype=np.float32).reshape(outer, columns)
    part = np.full((outer, length), np.nan, np.float32)
    OPS.read_block(whole, part, outer, before)
    np.testing.assert_array_equal(part, whole[:, before : before + length])
    expected = whole.copy()
    expected[:, before : before + length] = -part
    OPS.write_block(-part, whole, outer, before)
    np.testing.assert_array_equal(whole, expected)


@pytest.mark.smoke
def test_blocks_of_several_axes():
    parts = [np.random.default_rng(1).standard_normal((2, c, 3, 4)) for c in (1, 5, 2)]
    whole = np.full((2, 8, 3, 4), np.nan)
    for part, start in zip(parts, (0, 12, 72)):
        OPS.write_block(part, whole, 2, start)
    np.testing.assert_array_equal(whole, np.concatenate(parts, axis=1))


@pytest.mark.parametrize("ops", [NumpyOps(), CpuOps()], ids=["numpy", "cpu"])
def test_arrays_are_made_and_moved(ops):
    x = ops.zeros((2, 3), "float32")
    assert (x.shape, x.dtype, x.any()) == ((2, 3), np.float32, False)
    assert ops.zeros(4, "uint8").nbytes == 4
    with ops.on_host(x) as values:
        values[1] = 5
    begun = ops.begin_download(x)
    ops.feed(np.full((2, 3), 7), x)
    assert begun().tolist() == [[0] * 3, [5] * 3]
    assert ops.download(x).tolist() == [[7] * 3] * 2
    assert not ops.runs_ahead
    assert (ops.algorithms(), ops.measures) == ({}, False)


def test_marks_tell_seconds():
    ops = NumpyOps()
    start = ops.mark()
    assert 0 <= ops.seconds(start, ops.mark()) < 60


@pytest.mark.parametrize("shape", [(3, 5), 7, (), (0, 3), (2, 1 << 21)])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "float64"])
def test_arrays_begin_where_a_vector_may(shape, dtype):
    found, wanted = CpuOps().zeros(shape, dtype), np.zeros(shape, dtype)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    assert found.flags.c_contiguous
    assert not found.any()
    assert not found.size or found.ctypes.data % 64 == 0


@pytest.mark.parametrize("lost", [0, 1, 15])
def test_arrays_larger_than_caches_are_filled(lost, monkeypatch):
    """From any place on, and not beyond."""
    monkeypatch.setattr("netspec.backends.cpu.elementwise.PAST_CACHES", 1000)
    whole = np.zeros((2, 300_000), np.float32)
    CpuOps().fill(whole.reshape(-1)[lost:-5], 1.5)
    assert (whole.reshape(-1)[lost:-5] == 1.5).all()
    assert not whole.reshape(-1)[:lost].any()
    assert not whole.reshape(-1)[-5:].any()


@pytest.mark.parametrize(("start", "size"), [(0, 0), (3, 5), (0, 64), (5, 700_001)])
def test_copying_past_caches_touches_nothing_else(start, size):
    x = np.random.default_rng(0).standard_normal(size + 20).astype(np.float32)
    y = np.zeros(size + 20, np.float32)
    copy_past_caches(x[7 : 7 + size], y[start : start + size])
    np.testing.assert_array_equal(y[start : start + size], x[7 : 7 + size])
    assert not y[:start].any()
    assert not y[start + size :].any()


@pytest.mark.parametrize("most", [1 << 23, 1000])
@pytest.mark.parametrize(("start", "size"), [(0, 0), (3, 5), (0, 64), (5, 70_001)])
def test_filling_copying_and_adding_touch_nothing_else(start, size, most, monkeypatch):
    """In and beyond caches, in place and not."""
    monkeypatch.setattr("netspec.backends.cpu.elementwise.PAST_CACHES", most)
    monkeypatch.setattr("netspec.backends.cpu.elementwise.LONG", 1)
    a, b = np.random.default_rng(0).standard_normal((2, size)).astype(np.float32)
    whole, ops = np.zeros(size + 20, np.float32), CpuOps()
    y = whole[start : start + size]
    for operate, expected in (
        (lambda: ops.fill(y, 1.5), np.full(size, 1.5, np.float32)),
        (lambda: ops.add(a, b, y), a + b),
        (lambda: ops.copy(a, y), a),
        (lambda: ops.add(y, b, y), a + b),
        (lambda: ops.add(b, y, y), b + (a + b)),
    ):
        operate()
        np.testing.assert_array_equal(y, expected)
    assert not whole[:start].any()
    assert not whole[start + size :].any()
