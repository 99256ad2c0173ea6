"""The interpreter of PTX: the tensor cores' instructions, and faults that it sees."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cudasim.emulator import RawModule, Watching
from tests.cudasim.offline import nvrtc
from tests.cudasim.ptx import Kernel, Program, PtxError, parse
from tests.cudasim.test_emulator import numbers

pytestmark = pytest.mark.cudasim

KERNELS = Path(__file__).parent / "kernels"
RNG = np.random.default_rng(8)
Launch = Callable[..., Any]


@pytest.fixture(autouse=True)
def compiler_of_ptx() -> None:
    if nvrtc.library_path() is None:
        pytest.skip("no NVRTC: pip install 'netspec[cudasim]'")


@cache
def programs(name: str) -> dict[str, Program]:
    text = (KERNELS / f"{name}.cu").read_text()
    return parse(nvrtc.compile_kernels(text, name, "90", "ptx").read_text())


def as_ptx(name: str, kernel: str) -> Launch:
    return Kernel(programs(name)[kernel])


def emulated(name: str, kernel: str) -> Launch:
    module = RawModule((KERNELS / f"{name}.cu").read_text(), mode="check")
    function = module.get_function(kernel)

    def launch(*args: Any) -> None:
        assert not function(*args, watching=Watching(checks=True)).reports

    return launch


@pytest.fixture(params=[as_ptx, emulated])
def tensor(request: pytest.FixtureRequest) -> Callable[[str], Launch]:
    """A kernel of tensor.cu, in both ways to run it."""
    if request.param is emulated:
        request.getfixturevalue("compiler")
    return lambda kernel: request.param("tensor", kernel)


def test_multiplication_of_halves(tensor: Callable[[str], Launch]) -> None:
    a, b = (RNG.standard_normal((n, 16)).astype(np.float16) for n in (16, 8))
    c = RNG.standard_normal((16, 8)).astype(np.float32)
    expected = c + a.astype(float) @ b.astype(float).T
    tensor("multiply_f16")((1,), (32,), (a, b, c))
    np.testing.assert_allclose(c, expected, rtol=1e-6, atol=1e-6)


def test_multiplication_of_tf32(tensor: Callable[[str], Launch]) -> None:
    a, b = (RNG.standard_normal((n, 8)).astype(np.float32) for n in (16, 8))
    c = RNG.standard_normal((16, 8)).astype(np.float32)

    def tf32(x: np.ndarray) -> np.ndarray:
        bits = (x.view(np.uint32) + 0x1000) & np.uint32(0xFFFFE000)
        return bits.view(np.float32).astype(float)

    expected = c + tf32(a) @ tf32(b).T
    tensor("multiply_tf32")((1,), (32,), (a, b, c))
    np.testing.assert_allclose(c, expected, rtol=1e-6, atol=1e-6)


def test_matrices_from_shared_memory(tensor: Callable[[str], Launch]) -> None:
    x = np.arange(256, dtype=np.float16).reshape(4, 8, 8)
    rows, columns = np.zeros((2, 32, 4), np.uint32)
    tensor("load_matrices")((1,), (32,), (x, rows, columns))
    for found, matrices in ((rows, x), (columns, x.transpose(0, 2, 1))):
        # Lane 4 r + p holds elements 2 p and 2 p + 1 of row r.
        pairs = found.view(np.float16).reshape(8, 4, 4, 2)
        for m in range(4):
            np.testing.assert_array_equal(pairs[:, :, m].reshape(8, 8), matrices[m])


@pytest.mark.parametrize("read", [16, 8, 0])
def test_asynchronous_copies(tensor: Callable[[str], Launch], read: int) -> None:
    x, y = numbers(256), numbers(256)
    tensor("copy_in_groups")((1,), (32,), (x, y, np.int32(read)))
    second = x[128:].reshape(32, 4).copy()
    second[:, read // 4 :] = 0
    np.testing.assert_array_equal(y[:128], x[127::-1])
    np.testing.assert_array_equal(y[128:], second.reshape(-1)[::-1])


i32, f32 = np.int32, np.float32
PLANTED = [
    ("write_beyond_array", lambda: (numbers(64), i32(64)), r"\+256 from the start"),
    ("read_beyond_array", lambda: (numbers(64), numbers(64), i32(64)), r"\+256"),
    ("read_before_array", lambda: (numbers(64), numbers(64)), "-4 from the start"),
    ("pointer_beyond_shared", lambda: (numbers(64),), "shared address 4000"),
    ("beyond_dynamic_shared", lambda: (numbers(64),), "shared address 256 beyond 256"),
    ("divergent_barriers", lambda: (numbers(64),), "different barriers"),
    ("shuffle_with_absent_lanes", lambda: (numbers(64),), "lanes of its mask|barrier"),
    ("misaligned_vector", lambda: (numbers(260), numbers(64)), "misaligned"),
    ("zero_divisor", lambda: (np.zeros(64, i32), i32(0)), "divided by zero"),
]


@pytest.mark.parametrize(("kernel", "arguments", "error"), PLANTED)
def test_planted_faults(
    kernel: str, arguments: Callable[[], tuple[Any, ...]], error: str
) -> None:
    shared = 256 if "dynamic" in kernel else 0
    with pytest.raises(PtxError, match=error):
        as_ptx("planted", kernel)((2,), (64,), arguments(), shared)


@pytest.mark.parametrize(
    "kernel", ["correct_barrier", "correct_syncwarp", "correct_shuffle"]
)
def test_correct_kernels(kernel: str, compiler: None) -> None:
    ours, theirs = numbers(64), numbers(64)
    as_ptx("planted", kernel)((1,), (64,), (ours,))
    emulated("planted", kernel)((1,), (64,), (theirs,))
    np.testing.assert_array_equal(ours, theirs)


ARITHMETIC = r"""
extern "C" __global__ void integers(const int* a, const int* b, int* y, int n) {
  int i = threadIdx.x;
  if (i >= n) return;
  int p = a[i], q = b[i] == 0 ? 1 : b[i];
  unsigned u = (unsigned)p, v = (unsigned)q;
  int* o = y + i * 14;
  o[0] = p / q;
  o[1] = p % q;
  o[2] = (int)(u / v);
  o[3] = p >> (q & 31);
  o[4] = (int)(u >> (v & 31));
  o[5] = __mulhi(p, q);
  o[6] = (int)__umulhi(u, v);
  o[7] = __clz(p);
  o[8] = __popc(u);
  o[9] = (int)__brev(u);
  o[10] = (int)((long long)p * q >> 7);
  o[11] = (int)__funnelshift_l(u, v, 11);
  o[12] = min(p, q) ^ max(p, q) + abs(p / 2);
  o[13] = (int)((u << 5 & 0xff00u) | (v >> 3 & 0x3fu));
}
extern "C" __global__ void floats(const float* a, const float* b, float* y, int n) {
  int i = threadIdx.x;
  if (i >= n) return;
  float p = a[i], q = b[i];
  float* o = y + i * 12;
  o[0] = p / q;
  o[1] = sqrtf(fabsf(p));
  o[2] = expf(p);
  o[3] = logf(fabsf(q));
  o[4] = powf(fabsf(p), 0.75f);
  o[5] = tanhf(q);
  o[6] = (float)(int)p + floorf(q) + ceilf(p) + rintf(q);
  o[7] = fmaxf(p, q) - fminf(p, q);
  o[8] = p < q ? 1.0f : p != p ? 2.0f : 3.0f;
  o[9] = (float)((double)p * q + 1.0);
  o[10] = erff(p) + log1pf(fabsf(q));
  o[11] = copysignf(p, q) + (isfinite(q) ? 0.5f : 0.25f);
}
"""


@pytest.mark.parametrize(("kernel", "outputs"), [("integers", 14), ("floats", 12)])
def test_arithmetic(kernel: str, outputs: int, compiler: None) -> None:
    text = nvrtc.compile_kernels(ARITHMETIC, "arithmetic", "90", "ptx").read_text()
    if kernel == "integers":
        limits = np.iinfo(i32)
        a, b = RNG.integers(limits.min, limits.max, (2, 60)).astype(i32)
        b[:30] = RNG.integers(-40, 40, 30)
    else:
        a, b = (RNG.standard_normal((2, 60)) * 4).astype(f32)
        a[:4] = np.inf, -np.inf, np.nan, 0
        b[2:6] = 1, -1, np.nan, np.inf
    y, expected = np.zeros((2, 60, outputs), a.dtype)
    args = ((1,), (64,))
    Kernel(parse(text)[kernel])(*args, (a, b, y, i32(60)))
    RawModule(ARITHMETIC).get_function(kernel)(*args, (a, b, expected, i32(60)))
    if kernel == "integers":
        np.testing.assert_array_equal(y, expected)
    else:
        np.testing.assert_allclose(y, expected, rtol=2e-6, atol=1e-6)
