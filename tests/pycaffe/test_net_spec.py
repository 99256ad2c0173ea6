"""Nets written in Python."""

from __future__ import annotations

import numpy as np
import pytest

import netspec.pycaffe as caffe
from netspec.errors import NetspecError
from netspec.pycaffe import layers as L
from netspec.pycaffe import params as P
from netspec.pycaffe.proto import caffe_pb2
from netspec.spec import parse_net

from .small import write


def lenet(batch=3):
    n = caffe.NetSpec()
    n.data, n.label = L.DummyData(
        shape=[{"dim": [batch, 1, 28, 28]}, {"dim": [batch]}], ntop=2
    )
    n.conv1 = L.Convolution(
        n.data, kernel_size=5, num_output=20, weight_filler={"type": "xavier"}
    )
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool1, num_output=7, weight_filler={"type": "xavier"})
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.loss = L.SoftmaxWithLoss(n.relu1, n.label)
    return n


LENET = """\
layer {
  name: "data"
  type: "DummyData"
  top: "data"
  top: "label"
  dummy_data_param {
    shape {
      dim: 3
      dim: 1
      dim: 28
      dim: 28
    }
    shape {
      dim: 3
    }
  }
}
layer {
  name: "conv1"
  type: "Convolution"
  bottom: "data"
  top: "conv1"
  convolution_param {
    num_output: 20
    kernel_size: 5
    weight_filler {
      type: "xavier"
    }
  }
}
layer {
  name: "pool1"
  type: "Pooling"
  bottom: "conv1"
  top: "pool1"
  pooling_param {
    pool: MAX
    kernel_size: 2
    stride: 2
  }
}
layer {
  name: "ip1"
  type: "InnerProduct"
  bottom: "pool1"
  top: "ip1"
  inner_product_param {
    num_output: 7
    weight_filler {
      type: "xavier"
    }
  }
}
layer {
  name: "relu1"
  type: "ReLU"
  bottom: "ip1"
  top: "ip1"
}
layer {
  name: "loss"
  type: "SoftmaxWithLoss"
  bottom: "ip1"
  bottom: "label"
  top: "loss"
}
"""


def names(net):
    return [(layer.name, list(layer.bottom), list(layer.top)) for layer in net.layer]


@pytest.mark.smoke
def test_the_text_of_a_net_is_caffes():
    assert str(lenet().to_proto()) == LENET


def test_a_net_goes_round_through_text_and_runs(tmp_path):
    proto = lenet().to_proto()
    assert parse_net(str(proto)).message == proto
    net = caffe.Net(write(tmp_path, str(proto)), caffe.TRAIN)
    assert [layer.type for layer in net.layers][-1] == "SoftmaxWithLoss"
    assert net.forward()["loss"] == pytest.approx(np.log(7))


def test_names_are_made_up_where_none_are_given():
    data = L.Input(shape={"dim": [2, 3, 8, 8]})
    one = L.Convolution(data, num_output=2, kernel_size=3)
    two = L.Convolution(L.ReLU(one, in_place=True), num_output=4, kernel_size=3)
    left, right = L.Slice(two, slice_dim=1, ntop=2)
    both = caffe.to_proto(L.Eltwise(left, right), L.Silence(right, ntop=0))
    assert names(both) == [
        ("Input1", [], ["Input1"]),
        ("Convolution1", ["Input1"], ["Convolution1"]),
        ("ReLU1", ["Convolution1"], ["Convolution1"]),
        ("Convolution2", ["Convolution1"], ["Convolution2"]),
        ("Slice1", ["Convolution2"], ["Slice1", "Slice2"]),
        ("Eltwise1", ["Slice1", "Slice2"], ["Eltwise1"]),
        ("Silence1", ["Slice2"], []),
    ]
    assert names(right.to_proto()) == names(both)[:5]


def test_layers_without_tops_are_named_too():
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3]})
    n["quiet"] = L.Silence(n["data"], ntop=0)
    assert names(n.to_proto()) == [("data", [], ["data"]), ("quiet", ["data"], [])]
    assert isinstance(n.quiet, caffe.net_spec.Function)


def test_a_deep_net_needs_no_deep_stack():
    top = L.Input(shape={"dim": [1, 1]})
    for _ in range(3000):
        top = L.ReLU(top)
    assert len(top.to_proto().layer) == 3001


def test_values_of_every_kind():
    data = L.Input(shape={"dim": [1, 1, 8, 8]})
    top = L.Convolution(
        data,
        num_output=np.int64(6),
        kernel_size=[3, 2],
        pad=np.array([1, 0]),
        stride=(2, 1),
        bias_term=False,
        param=[{"lr_mult": 0.5, "name": "w"}],
        weight_filler={"type": "gaussian", "std": np.float32(0.25)},
        engine=P.Convolution.CAFFE,
        loss_weight=3,
        exclude={"stage": "deploy"},
    )
    layer = top.to_proto().layer[1]
    conv = layer.convolution_param
    assert (conv.num_output, list(conv.kernel_size)) == (6, [3, 2])
    assert (list(conv.pad), list(conv.stride)) == ([1, 0], [2, 1])
    assert conv.bias_term is False
    assert conv.engine == caffe_pb2.ConvolutionParameter.CAFFE
    assert conv.weight_filler.std == 0.25
    assert (layer.param[0].lr_mult, layer.param[0].name) == (0.5, "w")
    assert list(layer.loss_weight) == [3]
    assert list(layer.exclude[0].stage) == ["deploy"]


def test_one_dict_in_place_of_a_list_and_messages_by_name():
    data = L.Input(input_param={"shape": {"dim": [4, 2]}})
    top = L.Python(data, python_param={"module": "m", "layer": "l"}, name="mine")
    proto = top.to_proto()
    assert list(proto.layer[0].input_param.shape[0].dim) == [4, 2]
    assert (proto.layer[1].name, proto.layer[1].python_param.module) == ("mine", "m")


def test_layers_that_use_anothers_message():
    data = L.Input(shape={"dim": [1, 1, 4, 4]})
    top = L.Deconvolution(data, num_output=2, kernel_size=4)
    assert top.to_proto().layer[1].convolution_param.num_output == 2


def test_messages_of_the_schema_are_values_too():
    filler = caffe_pb2.FillerParameter(type="msra")
    blocks = [caffe_pb2.ParamSpec(lr_mult=3)]
    top = L.InnerProduct(L.Input(), num_output=1, weight_filler=filler, param=blocks)
    layer = top.to_proto().layer[1]
    assert layer.inner_product_param.weight_filler.type == "msra"
    assert layer.param[0].lr_mult == 3


PHASES = {"include": {"phase": caffe.TRAIN}}, {"include": [{"phase": caffe.TEST}]}


def two_phases():
    n = caffe.NetSpec()
    for batch, rule in zip((4, 2), PHASES):
        n.data, n.label = L.DummyData(
            shape=[{"dim": [batch, 3]}, {"dim": [batch]}], ntop=2, **rule
        )
    n.score = L.InnerProduct(n.data, num_output=5)
    n.accuracy = L.Accuracy(n.score, n.label, include={"phase": caffe.TEST})
    n.loss = L.SoftmaxWithLoss(n.score, n.label)
    return n


@pytest.mark.smoke
def test_one_net_for_both_phases(tmp_path):
    proto = two_phases().to_proto()
    assert [layer.name for layer in proto.layer][:3] == ["data", "data", "score"]
    assert parse_net(str(proto)).message == proto
    path = write(tmp_path, str(proto))
    train, test = caffe.Net(path, caffe.TRAIN), caffe.Net(path, caffe.TEST)
    assert (train.blobs["data"].shape, test.blobs["data"].shape) == ((4, 3), (2, 3))
    assert (train.outputs, test.outputs) == (["loss"], ["accuracy", "loss"])


def test_a_name_assigned_again_for_the_same_phase_replaces():
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [4, 3]}, **PHASES[0])
    n.data = L.Input(shape={"dim": [2, 3]})
    assert [list(x.input_param.shape[0].dim) for x in n.to_proto().layer] == [[2, 3]]


def test_constants():
    assert P.Pooling.AVE == caffe_pb2.PoolingParameter.AVE == 1
    assert P.Eltwise.MAX == 2
    assert P.Loss.VALID == caffe_pb2.LossParameter.VALID
    assert (caffe.TRAIN, caffe.TEST) == (caffe_pb2.TRAIN, caffe_pb2.TEST) == (0, 1)


REFUSED = {
    "unknown field": (
        lambda: L.Convolution(L.Input(), num_ouptut=3).to_proto(),
        "layer 'Convolution1' (Convolution): no field 'num_ouptut' in "
        "LayerParameter.\n  Known are: ",
    ),
    "unknown field inside": (
        lambda: L.Convolution(L.Input(), weight_filler={"typ": "x"}).to_proto(),
        "layer 'Convolution1' (Convolution): no field 'typ' in FillerParameter.\n"
        "  Did you mean 'type'?",
    ),
    "wrong kind": (
        lambda: L.InnerProduct(L.Input(), num_output="four").to_proto(),
        "layer 'InnerProduct1' (InnerProduct): num_output cannot be 'four': ",
    ),
    "no top": (
        lambda: L.Silence(L.DummyData(ntop=2), ntop=0),
        "Silence input 0 is not a Top (type is <class 'tuple'>)",
    ),
    "nothing assigned": (
        lambda: lenet().pol1,
        "nothing is assigned to 'pol1'.\n  Did you mean 'pool1'?",
    ),
    "unknown parameter": (
        lambda: P.Poling.MAX,
        "no parameter 'Poling'.\n  Did you mean 'Pooling'?",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_mistakes_are_told(case):
    act, text = REFUSED[case]
    with pytest.raises(NetspecError) as caught:
        act()
    assert str(caught.value).startswith(text)


def test_mistakes_are_the_exceptions_that_python_expects():
    assert not hasattr(lenet(), "pool9")
    with pytest.raises(TypeError):
        L.ReLU("data")
    with pytest.raises(KeyError):
        lenet()["pool9"]
