"""Nets drawn at random: whatever a plan shares, fuses or computes again, the bits are
those of the observed net."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netspec.net import Net
from netspec.spec import parse_net

HEAD = """
layer { name: "x" type: "Input" top: "x"
  input_param { shape { dim: 2 dim: 8 dim: 20 dim: 16 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }
"""
TAIL = """
layer { name: "out" type: "InnerProduct" bottom: "%s" top: "out"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "out" bottom: "label" top: "loss" }
"""
SAME = {
    "ReLU": (
        "",
        "relu_param { negative_slope: 0.3 }",
        "relu_param { negative_slope: -1 }",
    ),
    "Dropout": ("dropout_param { dropout_ratio: 0.4 }",),
    "BatchNorm": ("", "batch_norm_param { use_global_stats: true }"),
    "Scale": ("scale_param { bias_term: true filler { value: 0.7 } }", ""),
    "Sigmoid": ("",),
    "TanH": ("",),
    "ELU": ("",),
    "Power": ("power_param { power: 2 scale: 0.5 shift: 0.1 }",),
    "Softmax": ("",),
    "LRN": ("lrn_param { local_size: 3 }",),
    "PReLU": ("",),
}
IN_PLACE = {"ReLU", "Dropout", "BatchNorm", "Scale", "Sigmoid", "TanH", "ELU", "Power"}
CONVOLUTION = """convolution_param { num_output: 8 kernel_size: 3 pad: 1
  weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.1 } }"""
POINTWISE = """convolution_param { num_output: 8 kernel_size: 1 bias_term: false
  weight_filler { type: "xavier" } }"""
POOL = "pooling_param { pool: %s kernel_size: %d stride: %d }"


@dataclass
class Text:
    """A net in the making.

    Attributes:
        ends: blobs that may still be read, by how often they have been halved.
    """

    parts: list[str] = field(default_factory=lambda: [HEAD])
    ends: list[tuple[str, int]] = field(default_factory=lambda: [("x", 0)])

    def add(self, kind: str, bottoms: list[str], body: str, top: str = "") -> str:
        name = f"l{len(self.parts)}"
        bottom = " ".join(f'bottom: "{b}"' for b in bottoms)
        head = f'layer {{ name: "{name}" type: "{kind}" {bottom} '
        self.parts.append(f'{head} top: "{top or name}" {body} }}\n')
        return top or name


@st.composite
def nets(draw) -> str:
    text = Text()
    for _ in range(draw(st.integers(2, 12))):
        _add_layer(draw, text)
    forced = "force_backward: true\n" * draw(st.booleans())
    return forced + "".join(text.parts) + TAIL % text.ends[-1][0]


def _add_layer(draw, text: Text) -> None:
    """One layer, or a block that may be fused, mostly behind the last one."""
    earlier = draw(st.integers(0, 3)) == 0
    at = draw(st.integers(0, len(text.ends) - 1)) if earlier else -1
    blob, halved = text.ends[at]
    kinds = ["block", "block", "same", "same", "pool", "join", "residual", "concat"]
    kind = draw(st.sampled_from(kinds))
    if kind == "residual":
        _add_residual(draw, text, blob, halved)
    elif kind == "concat":
        _add_concat(draw, text, blob, halved)
    elif kind == "block":
        _add_block(draw, text, blob, halved)
    elif kind == "pool" and halved < 2:
        which = draw(st.sampled_from(["MAX", "AVE"]))
        body = POOL % (which, draw(st.sampled_from([2, 3])), 2)
        text.ends.append((text.add("Pooling", [blob], body), halved + 1))
    elif kind == "join":
        _add_join(draw, text, blob, halved)
    else:
        _add_same(draw, text, draw(st.sampled_from(sorted(SAME))), blob, halved)


def _add_block(draw, text: Text, blob: str, halved: int, pools: bool = True) -> None:
    """A convolution, and layers that a plan may make part of it."""
    body = draw(st.sampled_from([CONVOLUTION, POINTWISE]))
    text.ends.append((text.add("Convolution", [blob], body), halved))
    for kind in ("BatchNorm", "Scale", "ReLU"):
        if draw(st.booleans()):
            _add_same(draw, text, kind, *text.ends[-1])
    if pools and halved < 2 and draw(st.booleans()):
        last, _ = text.ends[-1]
        text.ends.append(
            (text.add("Pooling", [last], POOL % ("MAX", 2, 2)), halved + 1)
        )


def _add_residual(draw, text: Text, blob: str, halved: int) -> None:
    """A block, and its sum with what it reads or with another of that shape."""
    _add_block(draw, text, blob, halved, pools=False)
    last, _ = text.ends[-1]
    others = [b for b, h in text.ends if h == halved and b != last]
    bottoms = draw(st.permutations([last, draw(st.sampled_from(others))]))
    text.ends.append((text.add("Eltwise", bottoms, ""), halved))
    if draw(st.booleans()):
        _add_same(draw, text, "ReLU", *text.ends[-1])


def _add_concat(draw, text: Text, blob: str, halved: int) -> None:
    """Blocks and another blob side by side, and the channels brought back to 8."""
    for _ in range(draw(st.integers(1, 2))):
        _add_block(draw, text, blob, halved, pools=False)
    others = [b for b, h in text.ends if h == halved]
    bottoms = [text.ends[-1][0], *draw(st.lists(st.sampled_from(others), max_size=3))]
    whole = text.add("Concat", draw(st.permutations(bottoms)), "")
    text.ends.append((text.add("Convolution", [whole], POINTWISE), halved))


def _add_join(draw, text: Text, blob: str, halved: int) -> None:
    others = [b for b, h in text.ends if h == halved and b != blob]
    if others:
        other = draw(st.sampled_from(others))
        operation = draw(st.sampled_from(["SUM", "SUM", "PROD", "MAX"]))
        body = f"eltwise_param {{ operation: {operation} }}"
        text.ends.append((text.add("Eltwise", [blob, other], body), halved))
        if draw(st.booleans()):
            _add_same(draw, text, "ReLU", *text.ends[-1])


def _add_same(draw, text: Text, kind: str, blob: str, halved: int) -> None:
    """A layer whose top has the bottom's shape; in place only on a blob nobody read."""
    body = draw(st.sampled_from(SAME[kind]))
    read = any(
        f'bottom: "{blob}"' in part and f'top: "{blob}"' not in part
        for part in text.parts
    )
    in_place = kind in IN_PLACE and not read and blob != "x" and draw(st.booleans())
    top = text.add(kind, [blob], body, blob if in_place else "")
    if not in_place:
        text.ends.append((top, halved))


X = np.random.default_rng(3).normal(size=(2, 8, 20, 16)).astype(np.float32)


def results(text: str, phase: str, **options) -> dict[str, bytes]:
    net = Net(parse_net(text, "random.prototxt"), phase=phase, seed=4, **options)
    net.feed("x", X)
    net.feed("label", [3, 1])
    found = {}
    for number in range(2):
        net.begin_pass(iteration=number)
        found |= {f"{n} {number}": a.tobytes() for n, a in net.forward().items()}
        if phase == "train":
            grads = net.backward()
            found |= {f"d{n} {number}": a.tobytes() for n, a in grads.items()}
    if phase == "train":
        found |= {"gradient": net.arena.diff.tobytes()}
    return found | {"parameters": net.arena.data.tobytes()}


@settings(max_examples=60, deadline=None)
@given(text=nets(), device=st.sampled_from(["cpu", "numpy"]))
def test_lean_equals_observed(text: str, device: str) -> None:
    for phase in ("train", "test"):
        lean = results(text, phase, device=device, lean=True)
        assert lean == results(text, phase, device=device), text


# The softmax works in place on what is normalised once more, for its statistics' sake.
OVERWRITTEN = """
  layer { name: "x" type: "Input" top: "x"
    input_param { shape { dim: 2 dim: 8 dim: 20 dim: 16 } } }
  layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }
  layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
    convolution_param { num_output: 8 kernel_size: 3 pad: 1
      weight_filler { type: "xavier" } } }
  layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "norm" }
  layer { name: "soft" type: "Softmax" bottom: "norm" top: "soft" }
  layer { name: "out" type: "InnerProduct" bottom: "soft" top: "out"
    inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "out" bottom: "label" top: "l" }
"""


@settings(max_examples=60, deadline=None)
@given(text=nets())
@example(OVERWRITTEN)
def test_recomputing_changes_nothing(text: str) -> None:
    again = results(text, "train", lean=True, recompute=True)
    assert again == results(text, "train"), text
