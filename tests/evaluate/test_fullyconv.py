"""Fully convolutional nets: the same numbers, sliding; against torch; refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.evaluate.cut import in_test_phase
from netspec.evaluate.fullyconv import fully_convolutional
from netspec.evaluate.runner import Form, Runner
from netspec.evaluate.scores import score_cut
from netspec.files import find
from netspec.graph import Feeding, build_graph
from netspec.net import Net
from netspec.net.save import save_weights
from netspec.proto import TEST
from netspec.spec import Located, parse_net, read_net
from netspec.weights import plan_transplant, read_weights, target_of
from tests.evaluate.small import BODY, CROP, deploy, weights

RNG = np.random.default_rng(11)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}  # float32 sums in another order

FLAT = BODY.replace(
    'layer { name: "fc1"',
    'layer { name: "flat" type: "Flatten" bottom: "pool" top: "flat" }\n'
    'layer { name: "drop0" type: "Dropout" bottom: "flat" top: "drop0" }\n'
    'layer { name: "fc1"',
).replace('bottom: "pool" top: "fc1"', 'bottom: "drop0" top: "fc1"')
RESHAPED = BODY.replace(
    'layer { name: "fc1"',
    'layer { name: "flat" type: "Reshape" bottom: "pool" top: "flat" '
    "reshape_param { shape { dim: 0 dim: -1 } } }\n"
    'layer { name: "fc1"',
).replace('bottom: "pool" top: "fc1"', 'bottom: "flat" top: "fc1"')
TRANSPOSED = BODY.replace("num_output: 9", "num_output: 9 transpose: true").replace(
    "num_output: 7", "num_output: 7 bias_term: false"
)
NORMALISED = BODY.replace(
    'layer { name: "relu1"',
    'layer { name: "bn" type: "BatchNorm" bottom: "fc1" top: "fc1" }\n'
    'layer { name: "scale" type: "Scale" bottom: "fc1" top: "fc1"\n'
    "  scale_param { bias_term: true } }\n"
    'layer { name: "relu1"',
)
JOINED = BODY.replace(
    'layer { name: "fc2" type: "InnerProduct" bottom: "fc1"',
    'layer { name: "twin" type: "InnerProduct" bottom: "pool" top: "twin"\n'
    "  inner_product_param { num_output: 4 } }\n"
    'layer { name: "both" type: "Concat" bottom: "fc1" bottom: "twin" top: "both" }\n'
    'layer { name: "fc2" type: "InnerProduct" bottom: "both"',
)
BODIES = {
    "plain": BODY,
    "flattened": FLAT,
    "reshaped": RESHAPED,
    "transposed": TRANSPOSED,
    "normalised": NORMALISED,
    "joined": JOINED,
}


def runner(folder: Path, body: str, pad: int = 1) -> Runner:
    text = deploy(body, pad)
    return Runner(score_cut(in_test_phase(parse_net(text))), weights(folder, text))


@pytest.mark.parametrize("body", BODIES)
def test_at_its_own_size_it_computes_the_same(tmp_path: Path, body: str) -> None:
    net = runner(tmp_path, BODIES[body])
    x = RNG.normal(0, 1, (3, 3, *CROP)).astype(np.float32)
    (plain,) = net.run(net.form, x).values()
    (dense,) = net.run(Form(*CROP, dense=True), x).values()
    assert plain.shape == (3, 7)
    assert plain.std(0).min() > 0.05  # the pictures do make a difference
    np.testing.assert_allclose(dense, plain[:, :, None, None], **CLOSE)


@pytest.mark.smoke
@pytest.mark.parametrize("body", BODIES)
def test_without_padding_it_is_the_plain_net_at_every_stride(
    tmp_path: Path, body: str
) -> None:
    net = runner(tmp_path, BODIES[body], pad=0)
    x = RNG.normal(0, 1, (2, 3, 18, 22)).astype(np.float32)
    (dense,) = net.run(Form(18, 22, dense=True), x).values()
    assert dense.shape == (2, 7, 4, 7)
    for i in range(4):
        for j in range(7):
            crop = x[:, :, 2 * i : 2 * i + 12, 2 * j : 2 * j + 10]
            (plain,) = net.run(net.form, np.ascontiguousarray(crop)).values()
            np.testing.assert_allclose(dense[:, :, i, j], plain, **CLOSE)


def test_equals_torch_on_larger_pictures(tmp_path: Path) -> None:
    """With padding, whose zeros a sliding window would not see, and ceil pooling."""
    torch = pytest.importorskip("torch")
    net = runner(tmp_path, BODY)
    x = RNG.normal(0, 1, (2, 3, 17, 23)).astype(np.float32)
    (dense,) = net.run(Form(17, 23, dense=True), x).values()
    p = {
        name: [torch.from_numpy(np.array(blob)) for blob in blobs]
        for name, blobs in read_weights(tmp_path / "weights0.caffemodel").items()
    }
    f = torch.nn.functional
    y = f.relu(f.conv2d(torch.from_numpy(x), *p["conv"], padding=1))
    y = f.max_pool2d(y, 2, 2, ceil_mode=True)
    y = f.relu(f.conv2d(y, p["fc1"][0].reshape(9, 5, 6, 5), p["fc1"][1]))
    y = f.conv2d(y, p["fc2"][0].reshape(7, 9, 1, 1), p["fc2"][1])
    assert dense.shape == (2, 7, 4, 8)
    np.testing.assert_allclose(dense, y.numpy(), **CLOSE)


def test_all_forms_share_the_parameters(tmp_path: Path) -> None:
    net = runner(tmp_path, BODY)
    for form in (net.form, Form(*CROP, dense=True), Form(20, 31, dense=True)):
        net.run(form, np.zeros((2, 3, form.height, form.width), np.float32))
    owner = net._owner.arena.data
    for held in net._nets.values():
        for blob in held.param_blobs:
            assert np.shares_memory(blob.data, owner)


@pytest.mark.parametrize("body", BODIES)
def test_weights_can_be_carried_to_the_net_by_themselves(
    tmp_path: Path, body: str
) -> None:
    """What a conversion needs: the new net, and the old weights in its shapes."""
    text = deploy(BODIES[body])
    file = weights(tmp_path, text)
    net = in_test_phase(parse_net(text))
    made = fully_convolutional(net, build_graph(net, TEST))
    assert "InnerProduct" not in {layer.type for layer in made.net.message.layer}
    whole, plain = Net(made.net, device="numpy"), Net(net, file, device="numpy")
    carried = plan_transplant(target_of(whole.graph), made.weights(read_weights(file)))

    def write(layer: str, index: int, values: np.ndarray) -> None:
        whole.params[layer][index].data[...] = values

    carried.apply(write, lambda layer, index: pytest.fail(f"{layer}/{index}"))
    assert carried.counts["loaded"] == len(whole.param_blobs)
    x = RNG.normal(0, 1, (4, 3, *CROP)).astype(np.float32)
    expected = plain.forward(data=x)["prob"]
    np.testing.assert_allclose(
        whole.forward(data=x)["prob"][:, :, 0, 0], expected, **CLOSE
    )


def test_old_shapes_of_weights_fit_too(tmp_path: Path) -> None:
    """A V1 blob is 1 x 1 x M x N."""
    text = deploy()
    net = in_test_phase(parse_net(text))
    made = fully_convolutional(net, build_graph(net, TEST))
    old = np.arange(9 * 150, dtype=np.float32).reshape(1, 1, 9, 150)
    new = made.kernels["fc1"].filters(old)
    np.testing.assert_array_equal(new.reshape(9, 150), old[0, 0])
    assert new.shape == (9, 5, 6, 5)
    assert np.shares_memory(new, old)


def test_weights_of_another_count_are_left_for_the_loader_to_refuse() -> None:
    net = in_test_phase(parse_net(deploy()))
    kernel = fully_convolutional(net, build_graph(net, TEST)).kernels["fc1"]
    wrong = np.zeros((9, 149), np.float32)
    assert kernel.filters(wrong) is wrong


def test_a_net_without_fully_connected_layers_stays_as_it_is() -> None:
    text = deploy(
        """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
             convolution_param { num_output: 7 kernel_size: 5 stride: 2 } }
           layer { name: "fc2" type: "Pooling" bottom: "conv" top: "fc2"
             pooling_param { pool: AVE global_pooling: true } }"""
    )
    net = in_test_phase(parse_net(text))
    made = fully_convolutional(net, build_graph(net, TEST))
    assert made.net.message == net.message
    assert not made.kernels


BEHIND = 'layer { name: "fc2" type: "InnerProduct" bottom: "fc1"'
REFUSED = {
    "a convolution of vectors": (
        BODY.replace(
            BEHIND,
            'layer { name: "odd" type: "Reshape" bottom: "fc1" top: "odd" '
            "reshape_param { shape { dim: 0 dim: 3 dim: 3 dim: 1 } } }\n"
            + BEHIND.replace('bottom: "fc1"', 'bottom: "odd"'),
        ),
        "layer 'odd' (Reshape): cannot become fully convolutional: reads 'fc1', a "
        "vector, which in a larger picture is one at every place.\n"
        "  Behind fully connected layers there may be layers that treat all channels "
        "or elements alike.",
    ),
    "another axis": (
        BODY.replace("num_output: 9", "num_output: 9 axis: 2"),
        "layer 'fc1' (InnerProduct): cannot become fully convolutional: sums from axis "
        "2 on over a bottom of 4x5x6x5.\n"
        "  Only an InnerProduct over whole pictures (C x H x W) becomes a convolution.",
    ),
    "joined pictures of another size": (
        BODY.replace(
            'layer { name: "fc1" type: "InnerProduct" bottom: "pool"',
            'layer { name: "a" type: "Flatten" bottom: "pool" top: "a" }\n'
            'layer { name: "b" type: "Flatten" bottom: "conv" top: "b" }\n'
            'layer { name: "c" type: "Concat" bottom: "a" bottom: "b" top: "c" }\n'
            'layer { name: "fc1" type: "InnerProduct" bottom: "c"',
        ),
        "layer 'c' (Concat): cannot become fully convolutional: reads 'a', a vector, "
        "which in a larger picture is one at every place.\n"
        "  Behind fully connected layers there may be layers that treat all channels "
        "or elements alike.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_layer(case: str) -> None:
    body, expected = REFUSED[case]
    text = deploy(body).split('layer { name: "fc2"')[0] if "axis" in case else ""
    net = in_test_phase(parse_net(text or deploy(body), "net.prototxt"))
    with pytest.raises(SpecError) as caught:
        fully_convolutional(net, build_graph(net, TEST))
    place, _, message = str(caught.value).partition(": ")
    assert place.startswith("net.prototxt:")
    assert message == expected


def test_saved_weights_of_the_converted_net_load_again(tmp_path: Path) -> None:
    net = in_test_phase(parse_net(deploy()))
    made = fully_convolutional(net, build_graph(net, TEST))
    whole = Net(made.net, device="numpy")
    save_weights(whole, tmp_path / "whole.caffemodel")
    assert Net(made.net, tmp_path / "whole.caffemodel", device="numpy")


def test_a_dense_test_of_vgg_computes_less_than_crops() -> None:
    """Each pixel once, and once mirrored, against fifty crops: shapes alone tell."""
    made = score_cut(in_test_phase(read_net(find("models/vgg16_deploy.prototxt"))))
    plain = build_graph(made.net, TEST)
    whole = fully_convolutional(made.net, plain).net

    def macs(net: Located, height: int, width: int) -> int:
        feeding = Feeding(inputs={"data": (1, 3, height, width)})
        nodes = build_graph(net, TEST, feeding=feeding).nodes
        return sum(n.layer.macs(n.bottom_shapes, n.top_shapes) for n in nodes)

    crop = macs(made.net, 224, 224)
    assert crop == macs(whole, 224, 224)
    ratios = [50 * crop / (2 * macs(whole, q, 4 * q // 3)) for q in (256, 384, 512)]
    assert [round(r, 1) for r in ratios] == [13.7, 5.7, 3.0]
