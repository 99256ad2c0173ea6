"""What a launch refuses, and what it is told; the texts of kernels and signatures."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DeviceError

F32, I64 = np.float32, np.int64

# What is passed in place of good arguments of scale(x, y, n, factor), and the error.
REFUSED = {
    "wrong dtype": (
        lambda cupy, x, y: (cupy.zeros(8, "float64"), y, I64(8), F32(2)),
        "kernel 'scale': argument 'x' is a float64 array.\n  Give a float32 array.",
    ),
    "strided view": (
        lambda cupy, x, y: (cupy.zeros((8, 2), "float32")[:, 0], y, I64(8), F32(2)),
        "kernel 'scale': argument 'x' is a view of shape (8,) and strides (8,).\n"
        "  Give a C-contiguous array.",
    ),
    "NumPy array": (
        lambda cupy, x, y: (np.zeros(8, F32), y, I64(8), F32(2)),
        "kernel 'scale': argument 'x' is a NumPy array, in the host's memory.\n"
        "  Give a float32 array on the device.",
    ),
    "number for an array": (
        lambda cupy, x, y: (x, F32(1), I64(8), F32(2)),
        "kernel 'scale': argument 'y' is a numpy.float32.\n"
        "  Give a float32 array on the device.",
    ),
    "array for a number": (
        lambda cupy, x, y: (x, y, x, F32(2)),
        "kernel 'scale': argument 'n' is a ndarray.\n  Give a numpy.int64.",
    ),
    "Python float": (
        lambda cupy, x, y: (x, y, I64(8), 2.0),
        "kernel 'scale': argument 'factor' is the Python float 2.0.\n"
        "  Give a numpy.float32.",
    ),
    "Python int": (
        lambda cupy, x, y: (x, y, 8, F32(2)),
        "kernel 'scale': argument 'n' is the Python int 8.\n  Give a numpy.int64.",
    ),
    "other number": (
        lambda cupy, x, y: (x, y, np.int32(8), F32(2)),
        "kernel 'scale': argument 'n' is a numpy.int32.\n  Give a numpy.int64.",
    ),
    "float64": (
        lambda cupy, x, y: (x, y, I64(8), np.float64(2)),
        "kernel 'scale': argument 'factor' is a numpy.float64.\n"
        "  Give a numpy.float32.",
    ),
    "nothing": (
        lambda cupy, x, y: (None, y, I64(8), F32(2)),
        "kernel 'scale': argument 'x' is a NoneType.\n"
        "  Give a float32 array on the device.",
    ),
    "too few": (
        lambda cupy, x, y: (x, y, I64(8)),
        "kernel 'scale': 3 arguments for its 4 parameters.\n  Give x, y, n, factor.",
    ),
    "too many": (
        lambda cupy, x, y: (x, y, I64(8), F32(2), F32(3)),
        "kernel 'scale': 5 arguments for its 4 parameters.\n  Give x, y, n, factor.",
    ),
}

SIZES = {
    "empty grid": (
        (0,),
        (32,),
        0,
        "grid x is 0.\n  Give a number from 1 to 2147483647.",
    ),
    "grid x": (
        (2**31,),
        (32,),
        0,
        "grid x is 2147483648.\n  Give a number from 1 to 2147483647.",
    ),
    "grid y": (
        (1, 65536),
        (32,),
        0,
        "grid y is 65536.\n  Give a number from 1 to 65535.",
    ),
    "grid z": ((1, 1, 65536), (32,), 0, "grid z is 65536."),
    "four axes": ((1, 1, 1, 1), (32,), 0, "grid is (1, 1, 1, 1).\n  Give one to three"),
    "block x": ((1,), (1025,), 0, "block x is 1025.\n  Give a number from 1 to 1024."),
    "block z": ((1,), (1, 1, 65), 0, "block z is 65.\n  Give a number from 1 to 64."),
    "threads": (
        (1,),
        (64, 32),
        0,
        "block is 64 × 32 = 2048 threads.\n  Give at most 1024.",
    ),
    "shared memory": (
        (1,),
        (32,),
        227 * 1024 + 1,
        "shared memory is 232449 bytes.\n  Give at most 232448 on this device.",
    ),
}


@pytest.fixture
def kernels(standin):
    from netspec.backends.cuda.launch import KernelFile

    return KernelFile("elementwise")


def good(cupy):
    return cupy.zeros(8, "float32"), cupy.zeros(8, "float32")


@pytest.mark.smoke
@pytest.mark.parametrize("name", REFUSED)
def test_arguments_that_do_not_fit(name, kernels, standin):
    import cupy

    given, expected = REFUSED[name]
    with pytest.raises(DeviceError) as error:
        kernels.launch("scale", (1,), (32,), given(cupy, *good(cupy)))
    assert str(error.value) == expected
    assert not standin.launches


@pytest.mark.parametrize("name", SIZES)
def test_sizes_beyond_the_limits(name, kernels, standin):
    import cupy

    grid, block, shared, expected = SIZES[name]
    arguments = *good(cupy), I64(8), F32(2)
    with pytest.raises(DeviceError) as error:
        kernels.launch("scale", grid, block, arguments, shared)
    assert str(error.value).startswith(f"kernel 'scale': {expected}")
    assert not standin.launches


def test_shared_memory_beyond_what_is_given_unasked(kernels, standin):
    import cupy

    arguments = *good(cupy), I64(8), F32(2)
    kernels.launch("scale", (1,), (32,), arguments, 100_000)
    assert standin.launches[-1].shared == 100_000


def test_a_good_launch(kernels, standin):
    import cupy

    x = cupy.asarray(np.arange(8, dtype=F32))
    y = cupy.empty(8, "float32")
    kernels.launch("scale", (1,), (32,), (x, y, I64(8), F32(2)))
    assert y.get().tolist() == [0, 2, 4, 6, 8, 10, 12, 14]


def test_an_unknown_kernel(kernels):
    with pytest.raises(DeviceError, match="has no kernel 'skale'"):
        kernels.launch("skale", (1,), (32,), ())


def test_arrays_of_different_sizes(kernels, standin):
    import cupy

    from netspec.backends.cuda.maps import each

    with pytest.raises(DeviceError, match="arrays of 8, 7 elements"):
        each(kernels, "copy", (cupy.zeros(8, "float32"), cupy.zeros(7, "float32")))


def test_nothing_to_do_is_no_launch(kernels, standin):
    kernels.over("copy", 0, ())
    assert not standin.launches


def test_grids(standin):
    from netspec.backends.cuda.launch import GRID_CAP, cover

    assert [cover(n) for n in (0, 1, 256, 257)] == [(1,), (1,), (1,), (2,)]
    assert cover(10**12) == (GRID_CAP,)


def test_signatures(standin):
    from netspec.backends.cuda.source import parse_signatures

    text = """
    // extern "C" __global__ void comment(int n) {}
    extern "C" __global__ void __launch_bounds__(256)
        f(const float* __restrict__ x, /* not, this */ unsigned char *m, long long n) {}
    extern "C" __global__ void g(unsigned k) {}
    """
    found = {
        kernel: [(p.name, p.dtype.name, p.is_array) for p in parameters]
        for kernel, parameters in parse_signatures(text).items()
    }
    assert found == {
        "f": [("x", "float32", True), ("m", "uint8", True), ("n", "int64", False)],
        "g": [("k", "uint32", False)],
    }
    with pytest.raises(ValueError, match="parameter q has the type 'quux'"):
        parse_signatures('extern "C" __global__ void h(quux q) {}')


def test_every_kernel_has_a_signature(standin):
    from netspec.backends.cuda.source import kernel_files, signatures, source

    for name in kernel_files():
        assert signatures(name), name
        assert source(name).count('extern "C" __global__') == len(signatures(name))


def test_includes_are_in_place_once(standin):
    from netspec.backends.cuda.source import source

    text = source("softmax")
    assert '#include "' not in text
    assert "#pragma once" not in text
    assert text.count('#line 1 "map.cuh"') == 1
    assert text.count("inline void map(") == 1
