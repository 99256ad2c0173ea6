"""Preprocessing folded into the first convolution: the same numbers from raw pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from netspec.convert.fold import fold
from netspec.convert.model import Model
from netspec.convert.preprocessing import tensors
from netspec.convert.reference import Reference
from netspec.data.preprocess import Preprocess
from netspec.data.presets import PRESETS
from netspec.errors import SpecError, UsageError
from tests.convert.helpers import from_text

NET = """
layer {{ name: "in" type: "Input" top: "data"
  input_param {{ shape {{ dim: 2 dim: 3 dim: 7 dim: 9 }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 4 kernel_size: 3 pad: {pad} bias_term: {bias} }} }}
layer {{ name: "other" type: "Convolution" bottom: "data" top: "other"
  convolution_param {{ num_output: 4 kernel_size: 3 pad: {pad} }} }}
"""
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 3, 7, 9)).astype(np.float32)
UNEVEN = Preprocess("bgr", mean=(90.5, 110, 130.25), scale=(0.02, 0.03, 0.015))
KNOWN = {
    "uneven": UNEVEN,
    "torchvision": PRESETS["torchvision"],
    "caffe-vgg": PRESETS["caffe-vgg"],
    "tf": PRESETS["tf"],
}


def model(pad: int = 0, bias: str = "true", known: Preprocess | None = UNEVEN) -> Model:
    return replace(from_text(NET.format(pad=pad, bias=bias)), preprocess=known)


def run(of: Model) -> dict[str, np.ndarray]:
    """All blobs for the same pictures, prepared as the model wants them."""
    assert of.preprocess is not None
    blobs = Reference(of).run({"data": tensors(of.preprocess, PIXELS)})
    return {k: v.copy() for k, v in blobs.items() if k != "data"}


@pytest.mark.parametrize("known", KNOWN)
@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_the_outputs_stay(known: str, pad: int, channels: str) -> None:
    source = model(pad, known=KNOWN[known])
    folded = fold(source, channels)
    assert folded.preprocess is not None
    assert folded.preprocess.channels == channels
    assert (folded.preprocess.range, folded.preprocess.scale) == (255, (1.0,))
    assert bool(folded.preprocess.mean) == bool(pad)
    ours, theirs = run(source), run(folded)
    for name, blob in ours.items():
        scale = np.abs(blob).max()
        np.testing.assert_allclose(theirs[name], blob, rtol=0, atol=2e-5 * scale)


def test_a_bias_is_made_where_there_is_none() -> None:
    source = model(0, "false")
    folded = fold(source)
    assert len(folded.params) == len(source.params) + 1
    assert not source.net.message.layer[1].convolution_param.bias_term
    ours, theirs = run(source), run(folded)
    np.testing.assert_allclose(theirs["conv"], ours["conv"], rtol=0, atol=1e-4)


def test_a_mean_that_stays_is_said_in_the_new_order() -> None:
    folded = fold(model(1))
    assert folded.preprocess is not None
    assert folded.preprocess.mean == (130.25, 110, 90.5)
    assert folded.notes[-1] == (
        "the mean (130.25, 110, 90.5) must still be subtracted from 'data': the "
        "convolution pads, and its padding is 0 after the mean."
    )


def test_a_mean_image_stays() -> None:
    image = np.random.default_rng(1).normal(100, 9, (3, 7, 9)).astype(np.float32)
    source = model(0, known=Preprocess("bgr", mean_image=image, scale=(0.5,)))
    folded = fold(source)
    ours, theirs = run(source), run(folded)
    np.testing.assert_allclose(theirs["conv"], ours["conv"], rtol=0, atol=2e-3)
    assert "a mean image is no constant" in folded.notes[-1]


def test_grey_pictures_have_no_order() -> None:
    text = NET.format(pad=0, bias="true").replace("dim: 2 dim: 3", "dim: 2 dim: 1")
    known = Preprocess("gray", mean=(33,), scale=(1 / 256,))
    folded = fold(replace(from_text(text), preprocess=known))
    assert folded.preprocess == Preprocess("gray")


def test_nothing_is_folded_that_is_not_known() -> None:
    with pytest.raises(
        UsageError, match="nothing is known of this model's preprocessing"
    ):
        fold(model(known=None))


GROUPED = NET.replace("num_output: 4 kernel", "num_output: 6 group: 3 kernel", 1)
SHARED = NET.replace('top: "conv"', 'top: "conv" param {{ name: "w" }}').replace(
    'top: "other"', 'top: "other" param {{ name: "w" }}'
)
NO_CONVOLUTION = NET + 'layer {{ name: "r" type: "ReLU" bottom: "data" top: "r" }}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            NO_CONVOLUTION,
            "layer 'r' (ReLU): reads the image, and is no convolution over",
        ),
        (GROUPED, "layer 'conv' (Convolution): reads the image and has groups, so"),
        (SHARED, "layer 'conv' (Convolution): reads the image and shares its weights"),
    ],
)
def test_refusals(text: str, expected: str) -> None:
    net = from_text(text.format(pad=0, bias="true"))
    with pytest.raises(SpecError) as caught:
        fold(replace(net, preprocess=UNEVEN))
    assert expected in str(caught.value)
