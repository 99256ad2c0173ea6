"""Sums that a convolution makes as it stores its outputs: the bits of separate layers,
and less memory."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.cpu import CpuOps
from netspec.net import Net
from netspec.plan.budget import need_of
from netspec.report.plan import memory_text
from netspec.spec import parse_net

SHAPE = (2, 8, 11, 9)
HEAD = """
layer { name: "x" type: "Input" top: "x"
  input_param { shape { dim: 2 dim: 8 dim: 11 dim: 9 } } }
"""


def convolution(bottom: str, top: str, more: str = "") -> str:
    return f"""
layer {{ name: "{top}" type: "Convolution" bottom: "{bottom}" top: "{top}"
  convolution_param {{ num_output: 8 kernel_size: 1 {more}
    weight_filler {{ type: "xavier" }}
    bias_filler {{ type: "constant" value: 0.1 }} }} }}
"""


def scaled(blob: str) -> str:
    return f"""
layer {{ name: "norm_{blob}" type: "BatchNorm" bottom: "{blob}" top: "{blob}" }}
layer {{ name: "scale_{blob}" type: "Scale" bottom: "{blob}" top: "{blob}"
  scale_param {{ bias_term: true filler {{ value: 0.7 }} }} }}
"""


def summed(*bottoms: str, top: str = "sum", more: str = "") -> str:
    names = " ".join(f'bottom: "{b}"' for b in bottoms)
    return f'layer {{ name: "{top}" type: "Eltwise" {names} top: "{top}" {more} }}\n'


def relu(bottom: str, top: str = "") -> str:
    top = top or bottom
    return (
        f'layer {{ name: "relu_{top}" type: "ReLU" bottom: "{bottom}" top: "{top}" }}\n'
    )


STEM = HEAD + convolution("x", "stem") + relu("stem")
BRANCH = convolution("stem", "inner") + relu("inner") + convolution("inner", "branch")
USUAL = STEM + BRANCH + scaled("branch") + summed("stem", "branch") + relu("sum")
LAST = convolution("sum", "last")
POOL = """
layer { name: "pool" type: "Pooling" bottom: "sum" top: "pool"
  pooling_param { kernel_size: 2 stride: 2 } }
"""
# Whether the sum lies where what is added lay.
IN_PLACE = {
    "usual": USUAL + LAST,
    "sum first": USUAL.replace(summed("stem", "branch"), summed("branch", "stem")),
    "without ReLU": STEM + BRANCH + summed("stem", "branch") + LAST,
    "ReLU apart": STEM + BRANCH + summed("stem", "branch") + relu("sum", "y"),
    "coefficients of 1": STEM
    + BRANCH
    + summed("stem", "branch", more="eltwise_param { coeff: 1 coeff: 1 }"),
    "projected": STEM
    + convolution("stem", "other")
    + scaled("other")
    + BRANCH
    + summed("other", "branch")
    + relu("sum"),
    "one after another": USUAL
    + convolution("sum", "inner2")
    + convolution("inner2", "branch2")
    + summed("sum", "branch2", top="sum2")
    + relu("sum2")
    + LAST.replace('"sum"', '"sum2"'),
    "3 x 3": USUAL.replace(
        convolution("inner", "branch"),
        convolution("inner", "branch", "pad: 1").replace("size: 1", "size: 3"),
    ),
    "depthwise": USUAL.replace(
        convolution("inner", "branch"), convolution("inner", "branch", "group: 8")
    ),
    "pooled afterwards": USUAL + POOL,
}
ELSEWHERE = {
    "an input is added": HEAD + convolution("x", "branch") + summed("x", "branch"),
    "what is convolved is added": STEM
    + convolution("stem", "branch")
    + summed("stem", "branch"),
    "read afterwards": USUAL + convolution("stem", "beside"),
    "an output through another name": STEM
    + BRANCH
    + 'layer { name: "flat" type: "Flatten" bottom: "stem" top: "flat" }'
    + summed("stem", "branch"),
}
SEPARATE = {
    "a coefficient": STEM
    + BRANCH
    + summed("stem", "branch", more="eltwise_param { coeff: 1 coeff: -1 }"),
    "a product": STEM
    + BRANCH
    + summed("stem", "branch", more="eltwise_param { operation: PROD }"),
    "three bottoms": STEM
    + BRANCH
    + convolution("x", "third")
    + summed("stem", "branch", "third"),
    "rectified before": STEM + BRANCH + relu("branch") + summed("stem", "branch"),
    "with itself": STEM + BRANCH + summed("branch", "branch"),
    "another reader": USUAL + convolution("branch", "beside"),
    "a loss": STEM
    + BRANCH.replace('top: "branch"', 'top: "branch" loss_weight: 0.5')
    + summed("stem", "branch"),
    "what is added is made later": STEM
    + BRANCH
    + 'layer { name: "late" type: "Power" bottom: "stem" top: "late" }'
    + summed("late", "branch"),
}
CASES = IN_PLACE | ELSEWHERE | SEPARATE
# Where a backward pass follows, a BatchNorm is a layer apart.
NORMALISED = {name for name, text in CASES.items() if "norm_branch" in text}
NORMALISED.remove("one after another")  # the second sum is of a plain convolution


@np.errstate(all="ignore")
def results(text: str, phase: str, **options) -> tuple[Net, dict[str, np.ndarray]]:
    """Outputs, and gradients of parameters; of an image that is partly NaN."""
    text = "force_backward: true" * (phase == "train") + text
    net = Net(parse_net(text, "net.prototxt"), phase=phase, seed=4, **options)
    rng = np.random.default_rng(8)
    x = rng.normal(size=SHAPE).astype(np.float32)
    x[1, 2, :3, :4] = np.nan
    x[0, :, 5:8, 3:9] = 0
    net.feed("x", x)
    found = {}
    for turn in range(2):
        found |= {f"{name} {turn}": y for name, y in net.forward().items()}
        if phase == "train":
            for name in net.outputs:
                net.blobs[name].diff[...] = rng.normal(size=net.blobs[name].shape)
            net.backward_pass()
            found |= {f"gradient {turn}": net.arena.diff.copy()}
    return net, found


def bits(values: np.ndarray) -> np.ndarray:
    """Zeros with their signs; all NaN alike."""
    return np.where(np.isnan(values), 1, values.view(f"u{values.itemsize}"))


def assert_same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(bits(found[name]), bits(values), name)


def fused(net: Net) -> set[str]:
    """Names of the sums that a convolution makes."""
    nodes, chains = net.graph.nodes, net.plan.chains
    inner = (nodes[i] for those in chains.values() for i in those)
    return {node.name for node in inner if node.type == "Eltwise"}


@pytest.mark.parametrize("device", ["cpu", "numpy"])
@pytest.mark.parametrize("case", CASES)
def test_the_same_bits(case, device):
    _, wanted = results(CASES[case], "test", device=device)
    net, found = results(CASES[case], "test", device=device, lean=True)
    assert_same(found, wanted)
    has_nan = any(np.isnan(values).any() for values in wanted.values())
    assert has_nan or case == "pooled afterwards"  # a maximum is a number
    assert bool(fused(net)) == (case not in SEPARATE)
    data = net.plan.memory.data
    for name in fused(net):
        places = {data[b] for n in net.graph.nodes if n.name == name for b in n.bottoms}
        assert (data[name] in places) == (case in IN_PLACE)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_the_same_gradients(case, recompute):
    _, wanted = results(CASES[case], "train")
    options = {"lean": True, "recompute": recompute}
    net, found = results(CASES[case], "train", **options)
    assert_same(found, wanted)
    assert bool(fused(net)) == (case not in SEPARATE and case not in NORMALISED)


@pytest.mark.parametrize("case", ["usual", "projected", "3 x 3"])
def test_other_float_types(case):
    _, wanted = results(CASES[case], "test", dtype="float64")
    net, found = results(CASES[case], "test", dtype="float64", lean=True)
    assert_same(found, wanted)
    assert fused(net)


def test_a_sum_has_no_memory_of_its_own():
    """And the plan tells where it is computed."""
    text = IN_PLACE["one after another"]
    lean, _ = results(text, "test", lean=True)
    assert fused(lean) == {"sum", "sum2"}
    kept = {name for kind, name in lean.plan.slots if kind == "data"}
    assert kept == {"x", "stem", "inner", "inner2", "last"}
    lines = memory_text(lean.plan, need_of(lean.plan)).splitlines()
    told = {line.split()[1]: line for line in lines if line[:2].strip().isdigit()}
    assert "in branch" in told["sum"]
    assert "in branch2" in told["relu_sum2"]
    names = [node.name for node, _ in lean.forward_steps]
    assert not {"sum", "sum2", "relu_sum"} & set(names)


def test_a_backend_that_cannot_add_does_it_apart(monkeypatch):
    _, wanted = results(USUAL, "test", lean=True)
    monkeypatch.setattr(CpuOps, "adds_to_convolution", lambda ops: False)
    net, found = results(USUAL, "test", lean=True)
    assert not fused(net)
    assert_same(found, wanted)


def test_other_batches():
    """Arrays are shown anew, and what is added with them."""
    for case in ("usual", "an input is added"):
        observed, _ = results(CASES[case], "test")
        lean, _ = results(CASES[case], "test", lean=True)
        for batch in (3, 1):
            x = np.random.default_rng(batch).normal(size=(batch, *SHAPE[1:]))
            for net in (observed, lean):
                net.reshape(x=x.shape)
            assert_same(lean.forward(x=x), observed.forward(x=x))
