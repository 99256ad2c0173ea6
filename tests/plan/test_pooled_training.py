"""Convolutions that a training net pools at once: the bits of separate layers."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends import open_device
from netspec.net import Net
from netspec.plan.budget import need_of
from netspec.report.plan import memory_text
from netspec.spec import parse_net

SHAPE = (2, 8, 22, 17)
HEAD = """
force_backward: true
layer { name: "x" type: "Input" top: "x"
  input_param { shape { dim: 2 dim: 8 dim: 22 dim: 17 } } }
"""
CONVOLUTION = """
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
  convolution_param { num_output: 11 kernel_size: 3 pad: 1
    weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.1 } } }
"""
RELU = 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }\n'
APART = RELU.replace('top: "conv"', 'top: "relu"')
POOL = """
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 round_mode: FLOOR } }
"""
LAST = """
layer { name: "last" type: "Convolution" bottom: "pool" top: "last"
  convolution_param { num_output: 3 kernel_size: 3
    weight_filler { type: "xavier" } } }
"""
USUAL = HEAD + CONVOLUTION + RELU + POOL + LAST
FUSED = {
    "usual": USUAL,
    "without ReLU": HEAD + CONVOLUTION + POOL + LAST,
    "ReLU in place by the plan": USUAL.replace(RELU, APART).replace(
        'bottom: "conv" top: "pool"', 'bottom: "relu" top: "pool"'
    ),
    "flattened": USUAL.replace(
        LAST, 'layer { name: "flat" type: "Flatten" bottom: "pool" top: "flat" }'
    )
    + """layer { name: "out" type: "InnerProduct" bottom: "flat" top: "last"
      inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }""",
    "several readers of the maxima": USUAL
    + LAST.replace('"last"', '"other"').replace("num_output: 3", "num_output: 5"),
    "ReLU behind": HEAD + CONVOLUTION + POOL + RELU.replace("conv", "pool") + LAST,
    "maxima an output, without ReLU": HEAD + CONVOLUTION + POOL,
    "no gradient beyond the pooling": USUAL.replace(
        'bottom: "conv" top: "pool"', 'bottom: "conv" top: "pool" propagate_down: false'
    ),
}
BESIDE = 'layer { name: "beside" type: "Power" bottom: "conv" top: "beside" }\n'
SEPARATE = {
    "another reader": HEAD + CONVOLUTION + RELU + BESIDE + POOL + LAST,
    "maxima changed in place": USUAL.replace(
        LAST,
        'layer { name: "power" type: "Power" bottom: "pool" top: "pool" '
        "power_param { scale: -2 } }" + LAST,
    ),
    "maxima an output": HEAD + CONVOLUTION + RELU + POOL,
    "maxima an output, flattened": HEAD
    + CONVOLUTION
    + RELU
    + POOL
    + 'layer { name: "flat" type: "Flatten" bottom: "pool" top: "last" }',
    "maxima a loss": USUAL.replace('top: "pool"', 'top: "pool" loss_weight: 0.5'),
    "a mask": USUAL.replace('top: "pool"', 'top: "pool" top: "mask"'),
    "a slope": USUAL.replace(
        'top: "conv" }', 'top: "conv" relu_param { negative_slope: 0.1 } }'
    ),
    "rows left over, rounded up": USUAL.replace("round_mode: FLOOR", ""),
}


@np.errstate(all="ignore")
def results(text: str, **options) -> tuple[Net, dict[str, np.ndarray]]:
    """Outputs, gradients of inputs and parameters; of an image that is partly NaN."""
    net = Net(parse_net(text, "net.prototxt"), phase="train", seed=4, **options)
    rng = np.random.default_rng(8)
    x = rng.normal(size=SHAPE).astype(np.float32)
    x[1, 2, :5, :6] = np.nan
    x[0, :, 10:14, 3:9] = -50  # ties: all 0 behind the ReLU
    net.feed("x", x)
    found = {}
    for turn in range(2):
        found |= {f"{k} {turn}": v for k, v in net.forward().items()}
        above = {
            k: rng.normal(size=v.shape).astype(np.float32)
            for k, v in found.items()
            if k.endswith(f" {turn}") and net.blobs[k.split()[0]].diff is not None
        }
        for diff in above.values():
            diff[..., -1] = np.inf
        rng.shuffle(next(iter(above.values())).reshape(-1)[:50])
        grads = net.backward(**{k.split()[0]: v for k, v in above.items()})
        found |= {f"d{k} {turn}": v for k, v in grads.items()}
    return net, found | {"gradient": net.arena.diff.copy()}


def bits(values: np.ndarray) -> np.ndarray:
    """Zeros with their signs; all NaN alike."""
    return np.where(np.isnan(values), 1, values.view(np.uint32))


def is_pooled(net: Net) -> bool:
    chains = net.plan.chains.values()
    return any(net.graph.nodes[c[-1]].type == "Pooling" for c in chains)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("case", [*FUSED, *SEPARATE])
def test_the_same_bits(case, recompute):
    text = (FUSED | SEPARATE)[case]
    _, wanted = results(text)
    net, found = results(text, lean=True, recompute=recompute)
    assert is_pooled(net) == (case in FUSED)
    assert wanted.keys() == found.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(bits(values), bits(found[name]), name)
    assert any(np.isnan(values).any() for values in wanted.values())


def test_what_is_pooled_has_no_memory():
    """Only its diff has; and the plan tells it."""
    lean, observed = (results(USUAL, lean=lean)[0] for lean in (True, False))
    assert ("data", "conv") in observed.plan.slots
    assert ("data", "conv") not in lean.plan.slots
    assert ("diff", "conv") in lean.plan.slots
    lines = memory_text(lean.plan, need_of(lean.plan)).splitlines()
    told = {line.split()[1]: line for line in lines if line[:2].strip().isdigit()}
    assert "in conv" in told["pool"]
    assert "in conv" in told["relu"]
    assert f"{4 * 2 * 11 * 22 * 17:,}"[:3] in told["conv"]


def test_gradients_come_to_the_relu_before_the_pooling():
    net, _ = results(USUAL, lean=True)
    names = [node.name for node, _ in net.backward_steps]
    assert names == ["last", "relu", "pool", "conv"]
    observed, _ = results(USUAL)
    names = [node.name for node, _ in observed.backward_steps]
    assert names == ["last", "pool", "relu", "conv"]


@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_a_backend_that_cannot_pool_at_once_does_it_apart(device):
    net, _ = results(USUAL, lean=True, device=device)
    assert is_pooled(net) == (device == "cpu")
    exact = open_device("cpu")
    exact.exact = True
    assert not is_pooled(results(USUAL, lean=True, device=exact)[0])


def test_frozen_layers_are_pooled_without_places():
    frozen = USUAL.replace("force_backward: true", "").replace(
        'top: "conv"\n  convolution_param',
        'top: "conv" param { lr_mult: 0 } param { lr_mult: 0 }\n  convolution_param',
    )
    frozen = frozen.replace('top: "last"', 'top: "last" loss_weight: 1')
    net = Net(parse_net(frozen, "net.prototxt"), phase="train", lean=True)
    assert is_pooled(net)
    assert not [key for key in net.plan.slots if key[0] == "scratch"]
    assert [node.name for node, _ in net.backward_steps] == ["last"]
