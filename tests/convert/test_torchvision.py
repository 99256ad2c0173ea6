"""torchvision's VGG weights in nets of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.convert.converting import convert
from netspec.convert.request import Request
from netspec.convert.safetensors import write_safetensors
from netspec.convert.torchvision import for_net, is_torchvision_vgg
from netspec.data.preprocess_file import read_sidecar
from netspec.errors import DataError
from netspec.net import Net
from netspec.spec import to_text
from tests.convert.helpers import needs, thinned

WIDTHS = (4, "M", 8, "M", 16, 16, "M", 32, 32, "M", 32, 32, "M")  # vgg11 by 16
MEAN = np.float32([0.406, 0.456, 0.485]) * 255


def vgg11(torch: Any) -> Any:
    nn = torch.nn
    torch.manual_seed(1)
    layers: list[Any] = []
    channels = 3
    for width in WIDTHS:
        if width == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width

    class Vgg(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(*layers)
            self.classifier = nn.Sequential(
                nn.Linear(32 * 4, 256), nn.ReLU(), nn.Dropout(),
                nn.Linear(256, 256), nn.ReLU(), nn.Dropout(), nn.Linear(256, 62),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            return self.classifier(torch.flatten(self.features(x), 1))

    return Vgg().eval()


@pytest.mark.filterwarnings("ignore")
def test_the_net_computes_what_torch_computes_from_the_same_pixels(
    tmp_path: Path,
) -> None:
    torch = needs("torch")
    theirs = vgg11(torch)
    state = {k: v.numpy() for k, v in theirs.state_dict().items()}
    write_safetensors(tmp_path / "tv.safetensors", state, {})
    (tmp_path / "net.prototxt").write_text(to_text(thinned("vgg11", 16, 64).message))
    request = Request(
        str(tmp_path / "net.prototxt"),
        tmp_path / "out.prototxt",
        str(tmp_path / "tv.safetensors"),
    )
    outcome = convert(request, "caffe")
    assert outcome.certificate is not None
    assert outcome.certificate.verdict == "pass"
    known = read_sidecar(tmp_path / "out.prototxt")
    assert known is not None
    assert (known.channels, known.range, known.scale) == ("bgr", 255, (1.0,))
    np.testing.assert_allclose(known.mean, MEAN, rtol=1e-6)

    pixels = (
        np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64)).astype(np.float32)
    )
    net = Net(tmp_path / "out.prototxt", tmp_path / "out.caffemodel")
    net.reshape(data=pixels.shape)
    ours = net.forward(data=pixels - MEAN[:, None, None])["prob"]
    x = torch.from_numpy(pixels[:, ::-1].copy()) / 255
    mean, std = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    x = (x - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    with torch.no_grad():
        expected = torch.softmax(theirs(x), 1).numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-7)


def test_the_layout_is_told_by_the_names() -> None:
    assert is_torchvision_vgg(["features.0.weight", "classifier.6.bias"])
    assert not is_torchvision_vgg(["features.0.weight", "fc.weight"])
    assert not is_torchvision_vgg(["conv1_1.weight"])


def test_batch_norm_goes_to_batch_norm_and_scale() -> None:
    from netspec.proto import NetParameter

    net = NetParameter()
    for name, kind in (("c", "Convolution"), ("b", "BatchNorm"), ("s", "Scale")):
        net.layer.add(name=name, type=kind)
    a = np.arange(5, dtype=np.float32)
    tensors = {
        "features.1.running_mean": a + 2, "features.1.running_var": a + 3,
        "features.1.weight": a + 4, "features.1.bias": a + 5,
        "features.1.num_batches_tracked": np.array(7),
        "features.0.weight": np.ones((5, 3, 3, 3), np.float32), "features.0.bias": a,
    }  # fmt: skip
    held = for_net(tensors, net, "x")
    assert {k: len(v) for k, v in held.items()} == {"c": 2, "b": 3, "s": 2}
    np.testing.assert_array_equal(held["b"][1], a + 3)
    np.testing.assert_array_equal(held["s"][0], a + 4)


def test_a_net_of_another_depth_is_refused(tmp_path: Path) -> None:
    tensors = {"features.0.weight": np.ones((4, 3, 3, 3), np.float32)}
    with pytest.raises(DataError) as caught:
        for_net(tensors, thinned("vgg11", 16, 64).message, "tv.safetensors")
    assert str(caught.value) == (
        "tv.safetensors: the file has 1 Convolution, in that order; the net has 8 "
        "Convolution, 3 InnerProduct.\n  Name the net of the same depth; models with "
        "BatchNorm need BatchNorm and Scale layers behind each convolution."
    )
