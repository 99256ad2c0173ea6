"""Nets of layers that Caffe has no recorded cases of, on the device and on the host."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from netspec.net import Net
from netspec.spec import parse_net
from tests.cudasim.harness import Machine
from tests.layers.test_detection_output import bottoms as detections
from tests.layers.test_multibox_loss import PRIOR_BLOB, rows_by_image
from tests.layers.test_region_pooling import MAPS, REGIONS, TEXTS

RNG = np.random.default_rng(81)
IMAGES = (2, 4, 6, 5)


def draw(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@dataclass
class Case:
    """A layer's text, and the values of its bottoms.

    Attributes:
        tops: how many it has.
        gradient: how many bottoms get a gradient.
        waits: for the device, since the host has to know what it computed.
    """

    text: str
    bottoms: list[np.ndarray]
    tops: int = 1
    gradient: int = 1
    waits: bool = False

    def net(self, device: Any) -> Net:
        shapes = [" ".join(f"dim: {n}" for n in b.shape) for b in self.bottoms]
        inputs = "".join(
            f'layer {{ name: "x{i}" type: "Input" top: "x{i}" input_param {{ shape {{ '
            f"{shape} }} }} }} "
            for i, shape in enumerate(shapes)
        )
        ends = "".join(
            f'bottom: "x{i}" propagate_down: {str(i < self.gradient).lower()} '
            for i in range(len(shapes))
        ) + "".join(f'top: "y{i}" ' for i in range(self.tops))
        layer = f'layer {{ name: "probe" {ends} {self.text} }}'
        text = f"force_backward: {str(self.gradient > 0).lower()} {inputs} {layer}"
        return Net(
            parse_net(text, "case.prototxt"), phase="train", device=device, seed=3
        )

    def run(self, device: Any, quiet: Any) -> dict[str, np.ndarray]:
        """All tops, and the gradients of bottoms and of parameters."""
        net = self.net(device)
        for i, bottom in enumerate(self.bottoms):
            net.feed(f"x{i}", bottom)
        with quiet():
            for step in net.forward_steps:
                net.run_forward(*step)
        found = {f"y{i}": net.blobs[f"y{i}"].data for i in range(self.tops)}
        if self.gradient:
            for i in range(self.tops):
                diff = net.blobs[f"y{i}"].diff
                net.ops.upload(np.linspace(-1, 1, diff.size).reshape(diff.shape), diff)
            net.clear_param_diffs()
            with quiet():
                net.backward_pass()
        found |= {f"dx{i}": net.blobs[f"x{i}"].diff for i in range(self.gradient)}
        found |= {f"dp{i}": blob.diff for i, blob in enumerate(net.param_blobs)}
        return {
            name: np.array(net.ops.download(array))
            for name, array in found.items()
            if array is not None
        }


def boxes_of(kind: str) -> list[np.ndarray]:
    return [RNG.normal(size=MAPS).astype(np.float32), REGIONS.reshape(-1, 5, 1, 1)]


CASES = {
    "Axpy": Case(
        'type: "Axpy"', [draw(2, 4), draw(*IMAGES), draw(*IMAGES)], gradient=3
    ),
    "BN of SegNet": Case(
        'type: "BN" bn_param { scale_filler { value: 1.3 } '
        "shift_filler { value: 0.2 } }",
        [draw(*IMAGES)],
    ),
    "BN of PSPNet": Case(
        'type: "BN" bn_param { slope_filler { value: 1.3 } bias_filler { value: 0.1 } '
        "momentum: 0.8 eps: 0.03 }",
        [draw(*IMAGES)],
    ),
    "BatchNorm of NVIDIA": Case(
        'type: "BatchNorm" batch_norm_param { scale_bias: true eps: 0.02 '
        "scale_filler { value: 1.3 } bias_filler { value: 0.1 } }",
        [draw(*IMAGES)],
    ),
    "DepthwiseConvolution": Case(
        'type: "DepthwiseConvolution" convolution_param { num_output: 4 kernel_size: 3 '
        'pad: 1 group: 4 weight_filler { type: "xavier" } }',
        [draw(*IMAGES)],
    ),
    "DetectionOutput": Case(
        'type: "DetectionOutput" detection_output_param { num_classes: 4 '
        "nms_param { nms_threshold: 0.4 top_k: 8 } keep_top_k: 9 }",
        [b.astype(np.float32) for b in detections()],
        gradient=0,
        waits=True,
    ),
    "Interp": Case('type: "Interp" interp_param { zoom_factor: 2 }', [draw(*IMAGES)]),
    "MultiBoxLoss": Case(
        'type: "MultiBoxLoss" multibox_loss_param { num_classes: 4 }',
        [draw(3, 14 * 4), draw(3, 14 * 4), PRIOR_BLOB, rows_by_image()],
        gradient=2,
        waits=True,
    ),
    "Normalize": Case(
        'type: "Normalize" norm_param { across_spatial: false channel_shared: false '
        "scale_filler { value: 20 } }",
        [draw(*IMAGES)],
    ),
    "Permute": Case(
        'type: "Permute" permute_param { order: 0 order: 2 order: 3 order: 1 }',
        [draw(*IMAGES)],
    ),
    "PriorBox": Case(
        'type: "PriorBox" prior_box_param { min_size: 3 max_size: 5 aspect_ratio: 2 '
        "variance: 0.1 }",
        [draw(*IMAGES), draw(2, 3, 30, 40)],
        gradient=0,
        waits=True,
    ),
    "PSROIPooling": Case(TEXTS["mean"], boxes_of("mean"), waits=True),
    "ROIPooling": Case(TEXTS["max"], boxes_of("max"), waits=True),
    "ReLU6": Case('type: "ReLU6"', [4 * draw(*IMAGES)]),
    "ShuffleChannel": Case(
        'type: "ShuffleChannel" shuffle_channel_param { group: 2 }', [draw(*IMAGES)]
    ),
    "SmoothL1Loss": Case(
        'type: "SmoothL1Loss" smooth_l1_loss_param { sigma: 1.3 }',
        [draw(3, 8), draw(3, 8), draw(3, 8), draw(3, 8)],
        gradient=2,
    ),
    "Upsample": Case('type: "Upsample" upsample_param { scale: 3 }', [draw(*IMAGES)]),
    "Upsample by a mask": Case(
        'type: "Upsample" upsample_param { scale: 2 }',
        [draw(*IMAGES), RNG.permuted(np.arange(120).reshape(1, 1, 120), axis=2)
         [..., :30].reshape(1, 1, 6, 5).repeat(2, 0).repeat(4, 1)],
        waits=True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_hosts_numbers(name: str, machine: Machine) -> None:
    case = CASES[name]
    world = machine.world
    quiet = nullcontext if world is None or case.waits else world.forbid_syncs
    with nullcontext() if world is None else world.changed(mode="check"):
        found = case.run(machine.ops.ops, quiet)
    expected = case.run("numpy", nullcontext)
    assert found.keys() == expected.keys()
    for what, array in expected.items():
        scale = np.abs(array).max(initial=0.1)
        np.testing.assert_allclose(found[what], array, 1e-5, 1e-5 * scale, err_msg=what)
