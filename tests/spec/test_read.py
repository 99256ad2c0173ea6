"""Reading files: text and binary, and files that are neither."""

from __future__ import annotations

import pytest

from netspec.errors import SpecError
from netspec.proto import NetParameter, SolverParameter, V1LayerParameter
from netspec.spec import inline_net, parse_solver, read_net, read_solver, upgraded_from

NET = 'layer { name: "a" type: "ReLU" bottom: "x" top: "y" }\n'


@pytest.fixture
def binary_net():
    net = NetParameter(name="bin")
    layer = net.layers.add(name="ip", type=V1LayerParameter.INNER_PRODUCT, top=["ip"])
    layer.blobs.add(data=[0.25] * 5000).shape.dim.extend([50, 100])
    layer.inner_product_param.num_output = 50
    return net


@pytest.mark.smoke
@pytest.mark.parametrize("name", ["w.caffemodel", "w.prototxt", "w"])
def test_binary_is_told_by_content(tmp_path, binary_net, name):
    path = tmp_path / name
    path.write_bytes(binary_net.SerializeToString())
    net = read_net(path)
    assert net.message.layer[0].type == "InnerProduct"
    assert net.message.layer[0].inner_product_param.num_output == 50
    assert not net.message.layer[0].blobs
    assert len(upgraded_from(net)) == 1
    assert str(net.place("layer", 0)) == str(path)


def test_weights_come_along_when_asked_for(tmp_path, binary_net):
    (tmp_path / "w.caffemodel").write_bytes(binary_net.SerializeToString())
    blob = read_net(tmp_path / "w.caffemodel", weights=True).message.layer[0].blobs[0]
    assert list(blob.shape.dim) == [50, 100]
    assert len(blob.data) == 5000


def test_v0_weights_are_stepped_over(tmp_path):
    net = NetParameter()
    inner = net.layers.add(top=["y"]).layer
    inner.name, inner.type = "c", "conv"
    inner.blobs.add(data=[1.0] * 3000)
    (tmp_path / "v0").write_bytes(net.SerializeToString())
    found = read_net(tmp_path / "v0").message.layer[0]
    assert (found.name, found.type, list(found.top)) == ("c", "Convolution", ["y"])
    assert not found.blobs


def test_old_encodings_in_a_binary_file(tmp_path):
    net = NetParameter(name="AB")
    net.layer.add(name="a", bottom=["CD", "e"])
    data = net.SerializeToString().replace(b"AB", b"\xb0\xa1").replace(b"CD", b"\xe9D")
    (tmp_path / "old").write_bytes(data)
    found = read_net(tmp_path / "old")
    assert found.message.name == r"\xb0\xa1"
    assert list(found.message.layer[0].bottom) == [r"\xe9D", "e"]
    assert "UTF-8" in upgraded_from(found)[0]


def test_binary_solver(tmp_path):
    solver = SolverParameter(net="n", base_lr=0.5, solver_type=SolverParameter.ADAM)
    (tmp_path / "s").write_bytes(solver.SerializeToString())
    assert read_solver(tmp_path / "s").message.type == "Adam"


def test_windows_files(tmp_path):
    path = tmp_path / "n.prototxt"
    path.write_bytes(b"\xef\xbb\xbf# from Notepad\r\n" + NET.encode() + b"\r\nx: 1")
    with pytest.raises(SpecError) as caught:
        read_net(path)
    assert (caught.value.place.line, caught.value.place.column) == (4, 1)


def test_a_comment_may_be_in_another_encoding(tmp_path):
    (tmp_path / "n.prototxt").write_bytes("# 网络\n".encode("gb18030") + NET.encode())
    assert read_net(tmp_path / "n.prototxt").message.layer[0].name == "a"


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
FILES = {
    "empty": (b"", "the file is empty.\n  A net was expected."),
    "blank": (b" \n# only a comment\n", "the file is empty.\n  A net was expected."),
    "hdf5": (
        b"\x89HDF\r\n\x1a\n\0\0\0\0",
        "this is an HDF5 file.\n  It holds weights; a net was expected.",
    ),
    "picture": (
        PNG,
        "this is neither text nor a binary net.\n"
        "  The file is damaged, cut short, or of another kind.",
    ),
    "latin-1": (b'name: "caf\xe9"', "the byte 0xe9 is not UTF-8."),
    "solver": (b"base_lr: 1\n", "this looks like a solver"),
    "mean": (
        b"\x08\x01\x10\x03\x18\x07\x20\x09",
        "this binary file has no layers, so it is no net.\n"
        "  A mean image, a record or a solver state may look like this.",
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_that_are_no_nets(tmp_path, kind):
    data, text = FILES[kind]
    path = tmp_path / kind
    path.write_bytes(data)
    with pytest.raises(SpecError) as caught:
        read_net(path)
    assert str(caught.value).startswith(str(path))
    assert text in str(caught.value)


def test_files_that_are_not_there(tmp_path):
    (tmp_path / "lenet.prototxt").write_text(NET)
    table = {
        tmp_path / "lenett.prototxt": "there is no such file.\n  Did you mean "
        f"'{tmp_path / 'lenet.prototxt'}'?",
        tmp_path / "no" / "net": "there is no such file.\n  There is no folder "
        f"'{tmp_path / 'no'}' either.",
        tmp_path: "this is a folder, not a file.\n  Name the file inside it.",
    }
    for path, text in table.items():
        with pytest.raises(SpecError) as caught:
            read_net(path)
        assert str(caught.value) == f"{path}: {text}"


def test_a_name_that_cannot_be_a_file():
    with pytest.raises(SpecError, match="cannot be read"):
        read_net("a\0b")


def test_nets_inside_a_solver():
    solver = parse_solver(
        "net_param {\n"
        '  layers { name: "a" type: RELU }\n'
        "}\n"
        'test_net_param { name: "t0" }\n'
        'test_net_param { name: "t1"\n'
        '  layer { name: "b" } }\n',
        "s.prototxt",
    )
    net = inline_net(solver, "net_param")
    assert net.message.layer[0].type == "ReLU"
    assert str(net.place("layer", 0)) == "s.prototxt:2:3"
    assert solver.message.net_param.layers
    test = inline_net(solver, "test_net_param", 1)
    assert test.message.name == "t1"
    assert str(test.place("layer", 0)) == "s.prototxt:6:3"


def test_every_caffemodel_reads_the_same_without_its_weights(shared_data):
    for path in sorted((shared_data / "caffe_golden").rglob("*.caffemodel")):
        whole = read_net(path, weights=True).message
        assert any(layer.blobs for layer in whole.layer)
        for layer in whole.layer:
            layer.ClearField("blobs")
        assert read_net(path).message == whole, path
