"""Convolutions that store where a Concat joins their outputs: the bits of copies."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.cpu import CpuOps
from netspec.net import Net
from netspec.spec import parse_net

SHAPE = (3, 9, 17, 14)
HEAD = """
layer { name: "x" type: "Input" top: "x"
  input_param { shape { dim: 3 dim: 9 dim: 17 dim: 14 } } }
"""


def convolution(
    bottom: str, top: str, filters: int, kernel: int, more: str = ""
) -> str:
    return f"""
layer {{ name: "{top}" type: "Convolution" bottom: "{bottom}" top: "{top}"
  convolution_param {{ num_output: {filters} kernel_size: {kernel} pad: {kernel // 2}
    weight_filler {{ type: "xavier" }}
    bias_filler {{ type: "constant" value: 0.1 }} {more} }} }}
"""


def simple(kind: str, bottom: str, top: str, more: str = "") -> str:
    return (
        f'layer {{ name: "{kind} of {bottom}" type: "{kind}" bottom: "{bottom}" '
        f'top: "{top}" {more} }}\n'
    )


def joined(*bottoms: str, top: str = "joined", axis: int = 1) -> str:
    names = " ".join(f'bottom: "{b}"' for b in bottoms)
    return (
        f'layer {{ name: "{top}" type: "Concat" {names} top: "{top}" '
        f"concat_param {{ axis: {axis} }} }}\n"
    )


BIG = convolution("x", "a", 11, 1) + simple("ReLU", "a", "a")
TILED = convolution("x", "b", 13, 3) + simple("ReLU", "b", "b")
WIDE = convolution("x", "c", 32, 5) + simple("ReLU", "c", "c")
POOLED = simple(
    "Pooling", "x", "p", "pooling_param { kernel_size: 3 stride: 1 pad: 1 }"
)
NORMAL = simple("BatchNorm", "a", "a") + simple(
    "Scale", "a", "a", "scale_param { bias_term: true }"
)
LAST = convolution("joined", "last", 9, 1)
USUAL = HEAD + BIG + TILED + WIDE + joined("a", "b", "c") + LAST
# What lies in the top of a Concat.
CASES = {
    "usual": (USUAL, {"a", "b", "c"}),
    "another order": (USUAL.replace(joined("a", "b", "c"), joined("b", "c", "a")),
                      {"a", "b", "c"}),
    "normalised": (HEAD + BIG.replace(simple("ReLU", "a", "a"), NORMAL) + TILED
                   + joined("b", "a") + LAST, {"a", "b"}),
    "a ReLU with a top of its own": (
        HEAD + convolution("x", "a", 11, 1) + simple("ReLU", "a", "d") + TILED
        + joined("d", "b"), {"a", "d", "b"}),
    "some are copied": (HEAD + BIG + POOLED + TILED + joined("a", "p", "b") + LAST,
                        {"a", "b"}),
    "rectified afterwards": (
        HEAD + BIG + TILED + joined("a", "b") + simple("ReLU", "joined", "joined"),
        {"a", "b"}),
    "one after another": (
        USUAL + convolution("joined", "e", 9, 3)
        + joined("last", "e", top="more"), {"a", "b", "c", "last", "e"}),
    "joined again": (
        HEAD + BIG + TILED + joined("a", "b") + WIDE + joined("c", "joined", top="more")
        + LAST.replace('"joined"', '"more"'), {"a", "b", "c"}),
    "a sum is added to it": (
        HEAD + BIG + TILED + joined("a", "b") + convolution("x", "s", 24, 1)
        + """layer { name: "sum" type: "Eltwise" bottom: "joined" bottom: "s"
               top: "sum" }""", {"a", "b"}),
    "a sum is joined": (
        HEAD + TILED + convolution("x", "d", 11, 1) + BIG
        + """layer { name: "sum" type: "Eltwise" bottom: "d" bottom: "a"
               top: "sum" }""" + joined("sum", "b") + LAST, {"b"}),
    "read by others": (USUAL + convolution("b", "beside", 8, 1), {"a", "c"}),
    "read twice": (HEAD + BIG + TILED + joined("a", "b", "a"), {"b"}),
    "flattened before": (
        HEAD + BIG + TILED + simple("Flatten", "a", "f") + simple("Flatten", "b", "g")
        + joined("f", "g"), set()),
    "an input": (HEAD + TILED + joined("x", "b"), {"b"}),
    "few filters": (HEAD + convolution("x", "a", 3, 1) + TILED + joined("a", "b"),
                    {"b"}),
    "groups": (HEAD + convolution("x", "a", 18, 3, "group: 3") + TILED
               + joined("a", "b"), {"b"}),
    "along another axis": (USUAL.replace("11 kernel", "13 kernel").replace(
        joined("a", "b", "c"), joined("a", "b", axis=2)), set()),
    "along images": (USUAL.replace("11 kernel", "13 kernel").replace(
        joined("a", "b", "c"), joined("a", "b", axis=0)), set()),
    "deconvolved": (
        HEAD + convolution("x", "a", 11, 1).replace("Convol", "Deconvol") + TILED
        + joined("a", "b"), {"b"}),
}  # fmt: skip


@np.errstate(all="ignore")
def net_of(text: str, batch: int = SHAPE[0], **options) -> Net:
    net = Net(parse_net(text, "net.prototxt"), phase="test", seed=4, **options)
    if batch != SHAPE[0]:
        net.reshape(x=(batch, *SHAPE[1:]))
    return net


def outputs(net: Net) -> dict[str, bytes]:
    found = {}
    for turn in range(2):
        x = np.random.default_rng(turn).normal(size=net.blobs["x"].shape)
        found |= {f"{n} {turn}": y.tobytes() for n, y in net.forward(x=x).items()}
    return found


@pytest.mark.parametrize("batch", [3, 1])
@pytest.mark.parametrize("case", CASES)
def test_the_same_bits(case, batch):
    text, parts = CASES[case]
    lean = net_of(text, batch, lean=True)
    assert set(lean.plan.memory.parts) == parts
    assert outputs(lean) == outputs(net_of(text, batch))


@pytest.mark.parametrize("options", [{"device": "numpy"}, {"dtype": "float64"}])
@pytest.mark.parametrize("case", ["usual", "normalised", "some are copied", "groups"])
def test_the_reference(case, options):
    text, _ = CASES[case]
    lean = net_of(text, lean=True, **options)
    assert {"b"} <= set(lean.plan.memory.parts)
    assert outputs(lean) == outputs(net_of(text, **options))


def test_other_batches():
    lean, observed = net_of(USUAL, lean=True), net_of(USUAL)
    for batch in (1, 5, 3):
        for net in (lean, observed):
            net.reshape(x=(batch, *SHAPE[1:]))
        assert outputs(lean) == outputs(observed)


def test_parts_have_no_memory_of_their_own():
    lean, observed = net_of(USUAL, lean=True), net_of(USUAL)
    slots = {name for kind, name in lean.plan.slots if kind == "data"}
    assert slots == {"x", "joined", "last"}
    assert lean.plan.bytes < observed.plan.bytes
    runs = {node.name: run for node, run in lean.forward_steps}
    assert runs["joined"].bottom == [None] * 3
    assert np.shares_memory(runs["b"].top[0], runs["joined"].top[0])


def test_a_net_that_goes_backward_copies():
    text = "force_backward: true" + USUAL
    assert not net_of(text, lean=True).plan.memory.parts
    assert not net_of(USUAL).plan.memory.parts


def test_a_backend_that_stores_no_parts_copies(monkeypatch):
    expected = outputs(net_of(USUAL, lean=True))
    monkeypatch.setattr(CpuOps, "parts_convolution", lambda ops, geo, dtype: False)
    net = net_of(USUAL, lean=True)
    assert not net.plan.memory.parts
    assert outputs(net) == expected
