"""The counts behind the predicted speed, and the arithmetic that is made of them."""

from __future__ import annotations

import pytest

from tests.cudasim.offline import loops, nvrtc, sass
from tools import access_census
from tools.roofline_model.devices import DEPTH, DEVICES, SECTOR
from tools.roofline_model.predict import counted, predict
from tools.roofline_model.tasks import (
    KINDS,
    Convolution,
    InnerProduct,
    gradient_columns,
    tile_columns,
)

pytestmark = pytest.mark.usefixtures("compiler")

A100, H100 = DEVICES
# 64 channels to 128 filters: the least that fills a tile of 128 rows.
TASK = Convolution("conv2_1", "forward", 64, 64, 128, 112)


@pytest.fixture(autouse=True)
def tools() -> None:
    if nvrtc.library_path() is None or sass.cuobjdump() is None:
        pytest.skip("no NVRTC or no cuobjdump: pip install 'netspec[cudasim]'")


def test_peaks_are_those_of_the_data_sheets() -> None:
    for device, peaks in ((A100, (19.5, 156, 312)), (H100, (61.8, 494.7, 989.4))):
        found = [2e-12 * device.peak(p) for p in ("fp32", "tf32", "fp16")]
        assert found == pytest.approx(peaks, rel=0.005)


def test_products_and_bytes_of_a_layer() -> None:
    assert 2 * TASK.products == 2 * 64 * 112 * 112 * 64 * 128 * 9
    assert TASK.bytes == 4 * (64 * 112 * 112 * (64 + 128) + 9 * 64 * 128)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16"])
def test_a_tile_has_no_bank_conflicts_and_wastes_little(precision: str) -> None:
    own = counted(TASK, precision)
    assert own.kernel == f"convolve_{precision}_128"
    assert own.conflicts / own.wavefronts < 0.02
    assert own.efficiency > 0.85


def test_prediction_of_a_layer_in_tf32() -> None:
    found = predict(TASK, "tf32", A100)
    assert TASK.tile("tf32") == (128, 128)
    assert TASK.blocks("tf32") == (64 * 112 * 112 // 128, 36)
    assert found.needs["products"] == pytest.approx(found.bound)
    assert 0.6 < found.part <= 1.0
    assert predict(TASK, "tf32", H100).part_reached > 0.6


# Those of VGG-16 with 64 rows, whose tiles use again the least of what they fetch.
LOWEST = [
    Convolution("conv1_2", "forward", 64, 64, 64, 224),
    Convolution("conv1_2", "weights", 64, 64, 64, 224),
    Convolution("conv2_1", "data", 64, 64, 128, 112),
]


@pytest.mark.parametrize("task", LOWEST, ids=lambda task: task.operation)
def test_no_layer_in_tf32_is_below_three_fifths_of_the_bound(task: Convolution) -> None:
    assert predict(task, "tf32", A100).part >= 0.6
    assert predict(task, "tf32", H100).part_reached >= 0.6


@pytest.mark.parametrize("task", LOWEST, ids=lambda task: task.operation)
def test_a_slab_is_fetched_once(task: Convolution) -> None:
    """Words of both operands; what lies across the border of a sector costs two."""
    rows, columns = task.tile("tf32")
    sectors = DEPTH["tf32"] * (rows + columns) * 4 / SECTOR
    assert 0.95 * sectors < counted(task, "tf32").sectors < 1.2 * sectors


def test_a_gradients_tile_leaves_few_columns_empty() -> None:
    found = {
        (rows, elements): gradient_columns(KINDS["tf32"], rows, elements)
        for rows, elements in ((64, 576), (64, 384), (64, 27), (64, 256), (128, 576))
    }
    assert list(found.values()) == [288, 128, 128, 128, 128]
    assert gradient_columns(KINDS["fp32"], 64, 576) == 128


def test_tiles_are_wide_where_blocks_are_many() -> None:
    kind = KINDS["tf32"]
    assert tile_columns(kind, 64, 1, 512 * 256) == 256
    assert tile_columns(kind, 64, 1, 511 * 256) == 128
    assert tile_columns(kind, 64, 2, 256 * 256) == 256
    assert tile_columns(kind, 128, 9, 512 * 256) == 128
    assert tile_columns(KINDS["fp32"], 64, 1, 512 * 256) == 128


def test_fully_connected_layers_are_bound_by_their_weights() -> None:
    task = InnerProduct("fc7", "forward", 64, 4096, 4096)
    found = predict(task, "tf32", A100)
    assert found.bound == pytest.approx(task.bytes / A100.dram)
    assert task.bytes == 4 * (4096 * 4096 + 2 * 64 * 4096)
    assert 0.3 < found.part <= 1.0


LOOPS = r"""
extern "C" __global__ void f(const float* x, float* y, int n) {
  float sum = 0.0f;
#pragma unroll 1
  for (int i = 0; i < n; ++i) y[i] = i;
#pragma unroll 1
  for (int i = 0; i < n; ++i) sum = fmaf(x[i], sum, x[i + n]);
  y[n] = sum;
}
"""


def test_the_main_loop_is_the_one_with_the_products() -> None:
    cubin = nvrtc.compile_kernels(LOOPS, "loops", "80")
    loop = loops.main_loop(cubin, "f")
    assert (loop["FFMA"], loop["LDG.32"], loop["STG.32"]) == (1, 2, 0)


def test_other_kernels_use_what_they_fetch() -> None:
    for kernel, launched in access_census.launches().items():
        statistics = launched.launch.statistics
        assert access_census.conflicts(statistics) in ("", "0"), kernel
        stores = access_census.used(statistics, stores=True)
        assert stores in ("", "100"), kernel
