"""Maps between positions of blobs."""

from __future__ import annotations

import numpy as np
import pytest

import netspec.pycaffe as caffe
from netspec.pycaffe import layers as L
from netspec.pycaffe.coord_map import (
    AxisMismatchException,
    UndefinedMapException,
    compose,
    coord_map,
    coord_map_from_to,
    crop,
    inverse,
)

from .small import write

DATA = L.Input(shape={"dim": [1, 1, 31, 26]})


def chain(kernel=3, stride=1, pad=0, pool=2, up=2):
    conv = L.Convolution(DATA, num_output=1, kernel_size=kernel, stride=stride, pad=pad)
    pooled = L.Pooling(conv, kernel_size=pool, stride=pool)
    return L.Deconvolution(pooled, num_output=1, kernel_size=2 * up, stride=up)


def test_the_map_of_a_layer_is_where_its_windows_are_centred():
    conv = L.Convolution(DATA, kernel_size=5, stride=2, pad=1, dilation=2)
    axis, scale, shift = coord_map(conv.fn)
    # Output 0 is centred on input 9 // 2 - 1 = 3, output 1 on input 5.
    assert axis == 1
    assert scale * 3 + shift == 0
    assert scale * 5 + shift == 1
    _, up, moved = coord_map(L.Deconvolution(DATA, kernel_size=4, stride=3).fn)
    assert (up[0], moved[0]) == (3, 1.5)


def test_maps_compose_and_invert():
    one, two = (1, 2.0, 3.0), (None, 5.0, -1.0)
    assert compose(one, two) == (1, 10.0, 1.0)
    assert compose(one, inverse(one)) == (1, 1.0, 0.0)
    with pytest.raises(AxisMismatchException, match="axis 1 meets one of axis 2"):
        compose(one, (2, 1.0, 0.0))


def test_a_net_down_and_up_maps_to_its_input():
    for top in (chain(), L.ReLU(chain()), L.Eltwise(chain(), chain())):
        axis, scale, shift = coord_map_from_to(top, DATA)
        assert (axis, scale[0], shift[0]) == (1, 1, 0)
    assert coord_map_from_to(chain(pad=7), DATA)[2] == -7
    assert coord_map_from_to(chain(kernel=[3, 5], pad=[0, 2]), DATA)[2].tolist() == [
        0,
        -1,
    ]


def test_the_crop_really_aligns(tmp_path):
    """Up and down by averages, a slope comes out as the slope, where it is cut."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [1, 1, 31, 26]})
    n.padded = L.Convolution(
        n.data, num_output=1, kernel_size=1, pad=6, weight_filler={"type": "constant"}
    )
    n.cut = crop(n.padded, n.data)
    assert n.cut.fn.params["crop_param"] == {"axis": 2, "offset": [6]}
    net = caffe.Net(write(tmp_path, str(n.to_proto())), caffe.TEST)
    net.params["padded"][0].data[...] = 1
    slope = np.arange(31 * 26, dtype=np.float32).reshape(1, 1, 31, 26)
    np.testing.assert_array_equal(net.forward(data=slope)["cut"], slope)


def test_a_crop_is_itself_mapped_and_its_reference_is_not():
    cropped = L.Crop(chain(), DATA, axis=2, offset=3)
    assert coord_map_from_to(cropped, DATA)[2] == 3
    other = L.Input(shape={"dim": [1, 1, 9, 9]})
    with pytest.raises(RuntimeError):
        coord_map_from_to(L.Crop(DATA, other), other)


def test_blobs_that_cannot_be_aligned():
    with pytest.raises(AssertionError, match="differ in scale"):
        crop(chain(pool=3), DATA)
    with pytest.raises(AssertionError, match="would be negative"):
        crop(DATA, chain(pad=4))
    with pytest.raises(AssertionError, match="no whole number"):
        crop(chain(kernel=4, pad=3), DATA)
    with pytest.raises(RuntimeError, match="no blob leads to both"):
        coord_map_from_to(L.InnerProduct(chain(), num_output=1), DATA)
    with pytest.raises(AssertionError, match="gives kernel_h"):
        coord_map(L.Pooling(DATA, kernel_h=2, kernel_w=3).fn)
    with pytest.raises(AssertionError, match="has no kernel_size"):
        coord_map(L.Pooling(DATA, global_pooling=True).fn)
    with pytest.raises(UndefinedMapException, match="InnerProduct"):
        coord_map(L.InnerProduct(DATA).fn)
