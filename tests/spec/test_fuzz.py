"""Garbage in: a SpecError or a message, never anything else."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest

from netspec.errors import SpecError
from netspec.proto import TEST, NetParameter
from netspec.spec import (
    filter_net,
    lint_net,
    lint_solver,
    parse_net,
    parse_solver,
    read_net,
    to_text,
)

ROOT = Path(__file__).resolve().parents[2]

OLD = """
name: "old" input: "data" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 8
layers { layer { name: "p" type: "padding" pad: 1 } bottom: "data" top: "p" }
layers { layer { name: "c" type: "conv" num_output: 4 kernelsize: 3 blobs_lr: 1.
  weight_filler { type: "gaussian" std: 1e-2 } } bottom: "p" top: "c" }
"""
V1 = """
name: "v1" layers { name: "d" type: DATA top: "data" data_param { source: "s"
  scale: 0.5 mirror: true batch_size: 0x10 } include: { phase: TRAIN } }
layers { name: "i" type: INNER_PRODUCT bottom: "data" top: "i" blobs_lr: 1
  blobs_lr: 2 weight_decay: 0 param: "w" blob_share_mode: PERMISSIVE
  inner_product_param < num_output: 3, bias_term: f; > }
"""
PIECES = [
    *"{}<>[]:;,-\"'#\\ \n\t\0é",
    "layer {", "layers {", 'name: "x"', "type: 3", "1e999", "-", "0x", "08", "99" * 20,
    "state { phase: TEST }", "include { stage: 'a' }", "exclude { min_level: 2 }",
    "inf", "nan", "true", '"\\xff"', "\udcff", "{" * 70, "[" * 9, "input: 'q'",
]  # fmt: skip


def seeds() -> list[str]:
    names = ["lenet_train_val", "lenet_solver", "cifar10_quick_train_val"]
    files = [
        path for name in names for path in ROOT.rglob(f"models/**/{name}.prototxt")
    ]
    assert files
    return [OLD, V1, *(path.read_text() for path in files)]


def mutated(draw: random.Random, text: str) -> str:
    for _ in range(draw.randint(1, 4)):
        a, b = sorted(draw.randrange(len(text) + 1) for _ in range(2))
        b = min(b, a + draw.choice([1, 4, 40, 400]))
        kind = draw.randrange(5)
        if kind == 0:
            text = text[:a] + text[b:]
        elif kind == 1:
            text = text[:a] + draw.choice(PIECES) + text[a:]
        elif kind == 2:
            text = text[:a] + draw.choice(PIECES) + text[b:]
        elif kind == 3:
            text = text[:b] + text[a:b] + text[b:]
        else:
            text = text[:a] if draw.random() < 0.3 else text[:a] + text[a:b][::-1]
    return text


def test_mutated_prototxts():
    draw = random.Random(20210)
    texts = seeds()
    outcomes, unplaced = {"error": 0, "fine": 0}, 0
    for _ in range(6000):
        text = mutated(draw, draw.choice(texts))
        for parse in (parse_net, parse_solver):
            try:
                located = parse(text, "fuzz")
                again = to_text(located.message)
                assert parse(again).message == located.message or "nan" in again
                if parse is parse_net:
                    filter_net(located, TEST)
                    lint_net(located)
                else:
                    lint_solver(located)
            except SpecError as error:
                unplaced += not str(error).startswith("fuzz")
                outcomes["error"] += 1
            else:
                outcomes["fine"] += 1
    assert min(outcomes.values()) > 600
    assert unplaced == 0


@pytest.mark.parametrize("weights", [False, True])
def test_broken_binaries(tmp_path, weights):
    draw = random.Random(7)
    net = NetParameter(name="b", input=["x"], input_dim=[1, 2, 3, 4])
    layer = net.layers.add(name="ip", top=["y"], type=14, blobs_lr=[1, 2])
    layer.blobs.add(data=[1, 2, 3]).shape.dim.append(3)
    whole = net.SerializeToString()
    path = tmp_path / "fuzz"
    for _ in range(300):
        data = bytearray(whole[: draw.randint(1, len(whole))])
        for _ in range(draw.randint(0, 3)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data)
        with suppress(SpecError):
            lint_net(read_net(path, weights))
