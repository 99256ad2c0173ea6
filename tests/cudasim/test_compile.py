"""NVIDIA's compilers take every kernel, and make of it what it was written for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cudasim.offline import nvrtc, occupancy, sass
from tests.cudasim.offline.budgets import budgets, overdrafts
from tests.cudasim.offline.kernels import kernel_files, source

pytestmark = pytest.mark.cudasim

FILES = kernel_files()
# sm_75 has no TF32 in its tensor cores.
FOR_OLD = [file for file in FILES if not file.endswith("_tensor")]


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    """Skips where NVIDIA's compiler or disassembler is missing."""
    if nvrtc.library_path() is None or sass.cuobjdump() is None:
        pytest.skip("no NVRTC or no cuobjdump: pip install 'netspec[cudasim]'")


def compiled(file: str, architecture: str) -> dict[str, sass.Compiled]:
    return sass.kernels(nvrtc.compile_kernels(source(file), file, architecture))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("architecture", nvrtc.ARCHITECTURES)
def test_no_spills(file: str, architecture: str) -> None:
    faults = []
    for name, kernel in compiled(file, architecture).items():
        if kernel.local or kernel.stack:
            faults.append(f"{name}: {kernel.local} local, {kernel.stack} stack bytes")
        if kernel.shared > occupancy.LIMITS[architecture].block_shared:
            faults.append(f"{name}: {kernel.shared} bytes of static shared memory")
    assert not faults


@pytest.mark.parametrize("file", FILES)
def test_budget(file: str) -> None:
    allowed = budgets().get(file, {})
    faults = []
    for architecture in nvrtc.ARCHITECTURES:
        found = compiled(file, architecture)
        assert set(found) == set(allowed), (
            "kernels and budgets differ: run 'python tools/kernel_table.py --budgets'"
        )
        for name, kernel in found.items():
            for fault in overdrafts(kernel, allowed[name]):
                faults.append(f"{name} on sm_{architecture}: {fault}")
    assert not faults


@pytest.mark.parametrize("file", FOR_OLD)
def test_old_architecture(file: str) -> None:
    compiled(file, nvrtc.OLD_ARCHITECTURE)


@pytest.mark.parametrize("file", FILES)
def test_without_the_option_that_hides_a_missing_device(file: str) -> None:
    """CuPy's option takes a function without ``__device__`` for one with it."""
    options = [o for o in nvrtc.OPTIONS if "execution-space" not in o]
    nvrtc.compile_kernels(source(file), file, "90", "ptx", options)


@pytest.mark.parametrize("file", FILES)
def test_nvcc_has_nothing_to_warn_of(file: str, tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc")
    unit = tmp_path / f"{file}.cu"
    unit.write_text(source(file))
    strict = ["-Werror", "all-warnings", "-Xptxas", "-warn-spills,-warn-lmem-usage"]
    command = [nvcc, "-std=c++17", "-cubin", "-arch=sm_90", *strict]
    command += ["-o", str(tmp_path / "out.cubin"), str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_refused_text() -> None:
    text = 'extern "C" __global__ void f(float* y) { y[0] = FLT_MAX; }'
    with pytest.raises(nvrtc.CompileError, match=r'f.cu.*"FLT_MAX" is undefined'):
        nvrtc.compile_kernels(text, "f", "90")


def test_spills_are_seen() -> None:
    text = (
        'extern "C" __global__ void f(float* y, int n) {'
        "  float a[64]; for (int i = 0; i < 64; ++i) a[i * n % 64] = y[i];"
        "  y[0] = a[n]; }"
    )
    found = sass.kernels(nvrtc.compile_kernels(text, "spill", "90"))["f"]
    assert found.local + found.stack >= 256


@pytest.mark.parametrize(
    ("architecture", "registers", "shared", "threads", "expected"),
    [
        # From NVIDIA's occupancy calculator.
        ("80", 32, 0, 256, 1.0),
        ("80", 64, 0, 256, 0.5),
        ("80", 128, 48 * 1024, 256, 0.25),
        ("86", 40, 0, 256, 1.0),
        ("90", 33, 0, 128, 0.75),
        ("90", 168, 0, 384, 0.1875),
        ("90", 32, 100 * 1024, 256, 0.25),
    ],
)
def test_occupancy(
    architecture: str, registers: int, shared: int, threads: int, expected: float
) -> None:
    found = occupancy.occupancy(architecture, registers, shared, threads)
    assert found == pytest.approx(expected)
