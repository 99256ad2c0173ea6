"""The deeper nets' start from net A."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError
from netspec.weights import Weights, plan_paper_transplant
from netspec.weights.paper import paper_layers
from tests.weights.samples import current, draw, loaded, target

# Nets A and D with an eighth of a sixty-fourth of their size: names and order are
# the paper's, and so is what fits: A's conv2_1 is D's conv2_1, not D's second.
A = {
    "conv1_1": [(4, 3, 3, 3), (4,)],
    "conv2_1": [(8, 4, 3, 3), (8,)],
    "conv3_1": [(16, 8, 3, 3), (16,)],
    "conv3_2": [(16, 16, 3, 3), (16,)],
    "conv4_1": [(32, 16, 3, 3), (32,)],
    "fc6": [(10, 32), (10,)],
    "fc7": [(9, 10), (9,)],
    "fc8": [(5, 9), (5,)],
}
D = {
    "conv1_1": A["conv1_1"],
    "conv1_2": [(4, 4, 3, 3), (4,)],
    "conv2_1": A["conv2_1"],
    "conv2_2": [(8, 8, 3, 3), (8,)],
    **{name: A[name] for name in ("conv3_1", "conv3_2")},
    "conv3_3": A["conv3_2"],
    **{name: A[name] for name in ("conv4_1", "fc6", "fc7", "fc8")},
}
TYPES = {name: "Convolution" for name in A if name.startswith("conv")}
TAKEN = ["conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8"]


def net_a() -> Weights:
    return loaded(current(draw(**A), TYPES), "a.caffemodel")


def test_first_four_convolutions_and_all_dense_layers() -> None:
    assert paper_layers(net_a()) == TAKEN


def test_they_go_where_they_fit() -> None:
    report = plan_paper_transplant(target(**D), net_a())
    assert report.layers("loaded") == TAKEN
    assert report.layers("skipped") == ["conv1_2", "conv2_2", "conv3_3", "conv4_1"]
    written = {}
    report.apply(lambda *where: written.setdefault(where[:2], where[2]), None)
    np.testing.assert_array_equal(written["conv3_2", 0], draw(**A)["conv3_2"][0])
    assert len(written) == 14


def test_names_are_no_patterns() -> None:
    rename = {name: f"[{name}]" for name in A}
    arrays = {rename[name]: some for name, some in draw(**A).items()}
    types = {rename[name]: kind for name, kind in TYPES.items()}
    layers = target(**{rename[name]: shapes for name, shapes in D.items() if name in A})
    report = plan_paper_transplant(layers, loaded(current(arrays, types)))
    assert report.counts["loaded"] == 14


def test_a_layer_that_the_net_lacks() -> None:
    layers = target(**{n.replace("fc8", "fc8b"): s for n, s in D.items()})
    with pytest.raises(DataError) as error:
        plan_paper_transplant(layers, net_a())
    assert str(error.value) == (
        "a.caffemodel: the net has no layer 'fc8' to take the weights of net A.\n"
        "  Did you mean 'fc8b'?"
    )


def test_a_layer_of_another_shape() -> None:
    with pytest.raises(DataError, match="blob 0 is 5x9 in the file and 7x9 in the net"):
        plan_paper_transplant(target(**{**D, "fc8": [(7, 9), (7,)]}), net_a())


def test_a_file_that_is_not_net_a() -> None:
    few = {name: A[name] for name in ("conv1_1", "conv2_1", "fc6", "fc7", "fc8")}
    with pytest.raises(DataError) as error:
        paper_layers(loaded(current(draw(**few), TYPES)))
    assert (
        error.value.problem == "the file has 2 Convolution and 3 InnerProduct layers."
    )


def test_hdf5_tells_no_types() -> None:
    with pytest.raises(DataError, match="does not tell the types of its layers"):
        paper_layers(Weights.of_arrays(draw(**A), "a.h5"))
