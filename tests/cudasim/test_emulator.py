"""Every planted fault is found, and nothing is said of correct kernels."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.cudasim.emulator import (
    SCHEDULES,
    BuildError,
    Launch,
    LaunchError,
    RawModule,
    Watching,
)

pytestmark = [pytest.mark.cudasim, pytest.mark.usefixtures("compiler")]

PLANTED = Path(__file__).parent / "kernels" / "planted.cu"
CHECKING = Watching(checks=True)


@cache
def planted(mode: str = "check") -> RawModule:
    return RawModule(PLANTED.read_text(), mode=mode)


def numbers(size: int) -> np.ndarray:
    """Floats at an address that is a multiple of 256, as CuPy's pools give."""
    raw = np.zeros(size + 64, np.float32)
    start = -raw.ctypes.data % 256 // 4
    found = raw[start : start + size]
    found[...] = np.arange(size)
    return found


def run(
    kernel: str,
    *args: object,
    watching: Watching = CHECKING,
    blocks: int = 1,
    threads: int = 64,
    shared: int = 0,
) -> Launch:
    function = planted().get_function(kernel)
    return function((blocks,), (threads,), args, shared, watching)


i32, f32, i64 = np.int32, np.float32, np.int64

# kernel, arguments after y, the fault, what it says of the place
REPORTED = [
    ("missing_barrier", (), "race, read after write", "'s'"),
    ("missing_second_barrier", (), "race, write after read", "'s'"),
    ("all_write_one_word", (), "race, write after write", "'s'"),
    ("missing_syncwarp", (), "race, read after write", "thread"),
    ("shuffle_as_syncwarp", (), "race, read after write", "thread"),
    ("missing_barrier_of_halves", (), "race, read after write", "'s'"),
    ("sum_without_atomics", (np.zeros(1, f32),), "race, read after write", "'total'"),
    ("atomic_and_plain", (np.zeros(1, i32),), "race", "'total'"),
    ("unwritten_shared", (), "read of shared memory that was never written", "'s'"),
    ("copy_without_barrier", "x", "race, read after write", "'s'"),
    ("copy_into_what_is_read", "x", "race, write after read", "'s'"),
    ("copy_without_wait", "x", "asynchronous copy that nobody waited for", "'s'"),
    ("copy_with_short_wait", "x", "asynchronous copy that nobody waited for", "'s'"),
    ("beyond_static_shared", (), "out of bounds", "planted line"),
]


def arguments(more: object) -> tuple[object, ...]:
    y = numbers(128)
    return (numbers(128), y) if more == "x" else (y, *more)  # type: ignore[misc]


@pytest.mark.parametrize(("kernel", "more", "fault", "place"), REPORTED)
def test_fault_is_reported(kernel: str, more: object, fault: str, place: str) -> None:
    for schedule in SCHEDULES:
        watching = Watching(schedule, checks=True)
        try:
            reports = run(kernel, *arguments(more), watching=watching).reports
        except LaunchError as error:  # a wild address ends the launch
            reports = error.reports
        text = "\n".join(map(str, reports))
        assert fault in text, f"{schedule}: {text or 'nothing reported'}"
        assert place in text or place == "planted line"
        assert all(r.place.startswith("kernel.cu:") for r in reports)


def test_report_names_the_line_of_the_source() -> None:
    report = run("missing_barrier", numbers(64)).reports[0]
    line = int(report.place.split(":")[1])
    assert (
        "s[blockDim.x - 1 - threadIdx.x]" in PLANTED.read_text().splitlines()[line - 1]
    )


BOUNDS = [
    ("write_beyond_array", (i32(64),), "'y' at byte 256"),
    ("pointer_beyond_shared", (), "out of bounds"),
    ("beyond_dynamic_shared", (), "'dynamic shared memory' at byte 256"),
    ("beyond_table", (), "out of bounds"),
]


@pytest.mark.parametrize(("kernel", "more", "text"), BOUNDS)
def test_out_of_bounds_ends_the_launch(
    kernel: str, more: tuple[object, ...], text: str
) -> None:
    shared = 256 if kernel == "beyond_dynamic_shared" else 0
    with pytest.raises(LaunchError, match="out of bounds") as caught:
        run(kernel, numbers(64), *more, blocks=2, shared=shared)
    assert text in str(caught.value)


def test_reading_out_of_bounds() -> None:
    with pytest.raises(LaunchError, match="'x' at byte 256"):
        run("read_beyond_array", numbers(64), numbers(64), i32(64))
    with pytest.raises(LaunchError, match="'x' at byte -4"):
        run("read_before_array", numbers(64), numbers(64))


@pytest.mark.parametrize(
    ("kernel", "fault"),
    [
        ("blocks_write_one_element", "race, write after write"),
        ("block_reads_of_another", "race"),
        ("shared_of_block_before", "never written"),
    ],
)
def test_fault_between_blocks(kernel: str, fault: str) -> None:
    for schedule in SCHEDULES:
        watching = Watching(schedule, checks=True)
        reports = run(kernel, numbers(128), blocks=2, watching=watching).reports
        assert fault in "\n".join(map(str, reports)), schedule


@pytest.mark.parametrize(
    ("kernel", "error"),
    [
        ("divergent_barriers", "different barriers: kernel.cu:"),
        ("shuffle_with_absent_lanes", "deadlock"),
        ("lane_outside_its_mask", "not in its mask"),
        ("different_primitives", "different warp primitives"),
        ("failed_assertion", r"assert\(y\[threadIdx.x\] > 0.0f\) failed at kernel.cu:"),
    ],
)
@pytest.mark.parametrize("mode", ["fast", "check"])
def test_fault_ends_the_launch_in_every_mode(
    kernel: str, error: str, mode: str
) -> None:
    function = planted(mode).get_function(kernel)
    with pytest.raises(LaunchError, match=error):
        function((1,), (64,), (np.zeros(64, f32),))


def test_barrier_that_some_threads_have_left_behind() -> None:
    with pytest.raises(LaunchError, match="not reached by threads that have returned"):
        run("barrier_after_return", numbers(64), i32(40))


def test_misalignment() -> None:
    x, y = numbers(260), numbers(64)
    reports = run("misaligned_vector", x, y).reports
    assert "misaligned" in str(reports[0])


def test_division_by_zero() -> None:
    # A device would return something; the host would end the process.
    watching = Watching(checks=True)
    with pytest.raises(LaunchError, match="division by zero"):
        run("zero_divisor", np.zeros(64, i32), i32(0), watching=watching)


CORRECT = [
    ("correct_barrier", 1),
    ("correct_syncwarp", 1),
    ("correct_shuffle", 1),
    ("correct_votes", 1),
    ("correct_table", 1),
]


@pytest.mark.parametrize(("kernel", "blocks"), CORRECT)
def test_nothing_is_said_of_correct_kernels(kernel: str, blocks: int) -> None:
    results = []
    for schedule in SCHEDULES:
        y = numbers(64)
        watching = Watching(schedule, checks=True)
        assert not run(kernel, y, blocks=blocks, watching=watching).reports
        results.append(y)
    assert all(np.array_equal(results[0], other) for other in results)


def test_nothing_is_said_of_correct_kernels_with_more_arguments() -> None:
    x, y, total = numbers(256), numbers(64), np.zeros(1, i32)
    assert not run("correct_atomics", numbers(128), total, blocks=2).reports
    assert total[0] == 128
    assert not run("correct_copy", x, y).reports
    np.testing.assert_array_equal(y, 2 * (63 - np.arange(64)) + 64)
    assert not run("correct_vector", x, y).reports
    np.testing.assert_array_equal(y, 8 * np.arange(64) + 3)
    assert not run("correct_bytes", np.zeros(64, np.uint8)).reports


def test_values_of_warp_and_block_primitives() -> None:
    y = numbers(64)
    run("correct_shuffle", y)
    sums = np.repeat([np.arange(32).sum(), np.arange(32, 64).sum()], 32)
    np.testing.assert_array_equal(y, sums + 16)
    run("correct_votes", y)
    np.testing.assert_array_equal(y, 22 + 100 + 1000)


ARGUMENTS = [
    ((i32(1), f32(2)), "3 arguments for 4 parameters"),
    ((1, f32(2), i64(3)), "'n' is int64, the parameter is 4 bytes of kind integer"),
    ((i32(1), 2.0, i64(3)), "'a' is float64, the parameter is 4 bytes of kind float"),
    ((i32(1), i32(2), i64(3)), "'a' is int32"),
    ((i32(1), f32(2), i32(3)), "'m' is int32"),
    ((i32(1), np.zeros(4, f32), i64(3)), "'a' is an array"),
]


@pytest.mark.parametrize(("more", "error"), ARGUMENTS)
def test_wrong_arguments(more: tuple[object, ...], error: str) -> None:
    with pytest.raises(TypeError, match=error):
        run("takes_numbers", numbers(64), *more)


def test_number_for_an_array() -> None:
    with pytest.raises(TypeError, match="'y' is float32"):
        run("takes_numbers", f32(1), i32(1), f32(2), i64(3))


@pytest.mark.parametrize(
    ("grid", "block", "shared", "error"),
    [
        ((1,), (33,), 0, "33 threads a block, at most 32"),
        ((1, 65536), (32,), 0, "grid y is 65536"),
        ((0,), (32,), 0, "grid x is 0"),
        ((1,), (1, 1, 65), 0, "block z is 65"),
        ((1,), (32,), 1 << 20, "bytes shared"),
    ],
)
def test_sizes_that_no_device_launches(
    grid: tuple[int, ...], block: tuple[int, ...], shared: int, error: str
) -> None:
    function = planted().get_function("few_threads")
    with pytest.raises(LaunchError, match=error):
        function(grid, block, (numbers(64),), shared)


def test_restrict_and_overlap() -> None:
    x = numbers(128)
    with pytest.raises(LaunchError, match="'x' and 'y' overlap"):
        run("takes_restrict", x[:64], x[32:96])
    assert not run("takes_restrict", x[:64], x[64:]).reports


def test_a_launch_after_a_failed_one() -> None:
    for _ in range(50):
        with pytest.raises(LaunchError):
            run("shuffle_with_absent_lanes", numbers(64))
    assert not run("correct_barrier", numbers(64)).reports


def test_unknown_kernel_and_broken_text() -> None:
    with pytest.raises(KeyError, match="no kernel 'nothing'"):
        planted().get_function("nothing")
    with pytest.raises(BuildError, match=r"kernel.cu:1:.*undeclared"):
        RawModule('extern "C" __global__ void f(float* y) { y[0] = undeclared; }')


COUNTED = r"""
extern "C" __global__ void transpose(const float* x, float* y) {
  __shared__ float s[32][WIDTH];
  int i = threadIdx.x, j = threadIdx.y;
  s[j][i] = x[j * 32 + i];
  __syncthreads();
  y[j * STRIDE + i] = s[i][j];
}
"""


@pytest.mark.parametrize(
    ("width", "stride", "conflicts", "sectors"),
    [(32, 32, 31 * 32, 4 * 32), (33, 32, 0, 4 * 32), (33, 33, 0, 4 * 32 + 28)],
)
def test_bank_conflicts_and_sectors(
    width: int, stride: int, conflicts: int, sectors: int
) -> None:
    options = (f"-DWIDTH={width}", f"-DSTRIDE={stride}")
    kernel = RawModule(COUNTED, options, "check").get_function("transpose")
    x, y = numbers(1024), numbers(2048)
    counted = kernel((1,), (32, 32), (x, y), 0, Watching(counts=True)).statistics
    load = next(s for s in counted if s.space == "shared" and not s.is_store)
    store = next(s for s in counted if s.space == "global" and s.is_store)
    assert (load.requests, load.lanes, load.conflicts) == (32, 1024, conflicts)
    assert (store.sectors, store.ideal_sectors) == (sectors, 4 * 32)
