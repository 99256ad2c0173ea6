"""Caffe's own cases, run the way a pycaffe program runs them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import netspec.pycaffe as caffe

PHASES = {"TRAIN": caffe.TRAIN, "TEST": caffe.TEST}


class Case:
    """One recorded case and the net that it was recorded of."""

    def __init__(self, folder, about):
        self.about = about
        self.recorded = dict(np.load(folder / f"{about['name']}.npz"))
        self.net = caffe.Net(
            str(folder / f"{about['name']}.prototxt"),
            PHASES[about["phase"]],
            level=about["level"],
            stages=about["stages"],
        )

    def named(self, kind):
        start = f"{kind}:"
        return {
            key.removeprefix(start): value
            for key, value in self.recorded.items()
            if key.startswith(start)
        }

    def params(self, kind):
        for key, value in self.named(kind).items():
            layer, index = key.rsplit(":", 1)
            yield key, self.net.params[layer][int(index)], value

    def run(self):
        for _, param, value in self.params("param"):
            param.data[...] = value
        for kind in ("in", "in2", "in3")[: self.about["passes"]]:
            self.net.forward(**self.named(kind))
        for name, value in self.named("out").items():
            self.close(name, self.net.blobs[name].data, value)
        if not self.about["forward_only"]:
            self.backward()

    def backward(self):
        for name, value in self.named("topdiff").items():
            self.net.blobs[name].diff[...] = value
        self.net.clear_param_diffs()
        self.net.backward()
        for name, value in self.named("indiff").items():
            self.close(name, self.net.blobs[name].diff, value)
        for key, param, value in self.params("paramdiff"):
            self.close(key, param.diff, value)

    def close(self, what, found, expected):
        # The golden data's README: 1e-4 where sums are long.
        assert found.shape == expected.shape, (self.about["name"], what)
        scale = 1e-4 * float(np.abs(expected).max(initial=0.1))
        np.testing.assert_allclose(
            found, expected, 1e-4, scale, err_msg=f"{self.about['name']}: {what}"
        )


# netspec gives gradients to initial states where Caffe drops them: docs/differences.md.
OTHERS = ("expose_hidden",)
TYPES = (
    *(
        "Convolution",
        "InnerProduct",
        "Pooling",
        "BatchNorm",
        "Eltwise",
        "LSTM",
        "Slice",
    ),
    *("SoftmaxWithLoss", "Accuracy", "Reshape", "Filter", "Net"),
)


@pytest.mark.parametrize("kind", TYPES)
def test_cases_of_caffe(kind, shared_data, monkeypatch):
    folder = shared_data / "caffe_golden" / "layers"
    monkeypatch.chdir(folder)
    index = json.loads((folder / "index.json").read_text())["cases"]
    cases = [
        case
        for case in index
        if case["type"] == kind and not any(o in case["name"] for o in OTHERS)
    ]
    assert cases
    for case in cases:
        Case(folder, case).run()


def test_a_detectors_first_stage_on_images_of_any_size(shared_data):
    """MTCNN's proposal net, against another reader of Caffe's models."""
    folder = shared_data / "models" / "mtcnn_v1"
    net = caffe.Net(
        str(folder / "det1.prototxt"), str(folder / "det1.caffemodel"), caffe.TEST
    )
    known = np.load(shared_data / "reference_outputs" / "mtcnn_v1_det1.npz")
    net.blobs["data"].reshape(*known["input"].shape)
    out = net.forward(data=known["input"])
    assert out
    for name, found in out.items():
        expected = known[f"out:{name}"]
        bound = 1e-4 * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=bound)
