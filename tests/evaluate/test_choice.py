"""Which preprocessing: told, beside the model, in its net; and otherwise refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.data.preprocess import Preprocess
from netspec.data.preprocess_file import write_preprocess, write_sidecar
from netspec.data.presets import PRESETS
from netspec.data.rescale import Resize
from netspec.errors import NetspecError
from netspec.evaluate.choice import choose_preprocess, resize_of
from netspec.evaluate.cut import in_test_phase
from netspec.evaluate.scores import score_cut
from netspec.spec import parse_net
from tests.evaluate.small import MEAN, deploy, encoded_lmdb, pictures, train_val

CROP = {"crop": (12, 10)}
OWN = Preprocess("bgr", mean=MEAN, scale=(0.0125,), crop=(12, 12))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    encoded_lmdb(tmp_path / "db", pictures())
    return tmp_path


def chosen(folder: Path, text: str, choice: str = "", **adjust) -> Preprocess:
    spec = parse_net(text, str(folder / "net.prototxt"))
    cut = score_cut(in_test_phase(spec))
    return choose_preprocess(cut, spec, folder / "w.caffemodel", choice, adjust)


def test_the_nets_own(folder: Path) -> None:
    assert chosen(folder, train_val(folder / "db")) == OWN
    assert chosen(folder, train_val(folder / "db"), "net") == OWN


def test_beside_the_weights_or_the_net(folder: Path) -> None:
    given = PRESETS["tf"].with_(crop=None)
    write_sidecar(folder / "net.prototxt", given)
    assert chosen(folder, deploy()) == given.with_(**CROP)
    other = given.with_(scale=(3,))
    write_sidecar(folder / "w.caffemodel", other)
    assert chosen(folder, deploy()) == other.with_(**CROP)


def test_what_is_told_counts_before_what_is_found(folder: Path) -> None:
    write_sidecar(folder / "w.caffemodel", PRESETS["tf"])
    named = chosen(folder, deploy(), "torchvision", **CROP)
    assert named == PRESETS["torchvision"].with_(**CROP)
    write_preprocess(folder / "other.json", OWN)
    told = chosen(folder, train_val(folder / "db"), str(folder / "other.json"))
    assert told == OWN


def test_a_value_and_what_is_adjusted(folder: Path) -> None:
    resize = Resize("none")
    found = chosen(folder, train_val(folder / "db"), OWN, resize=resize, classes=("a",))
    assert found == OWN.with_(resize=resize, classes=("a",))


def test_a_sidecar_that_agrees_adds_what_the_net_does_not_know(folder: Path) -> None:
    classes = tuple("abcdefg")
    beside = OWN.with_(mean=tuple(m + 1e-6 for m in MEAN), classes=classes)
    write_sidecar(folder / "w.caffemodel", beside)
    found = chosen(folder, train_val(folder / "db"))
    assert found.classes == classes
    scaled = train_val(folder / "db").replace(
        "transform_param {", "transform_param { short_side: 13"
    )
    assert chosen(folder, scaled).resize == Resize("short-side", (13,), "triangle")
    assert chosen(folder, scaled).train_scale == (13, 13)


def refusals(folder: Path) -> dict:
    return {
        "unknown": (
            deploy(), "", {},
            "how pictures are prepared for this model is not known.\n  Give "
            "--preprocess: one of caffe-vgg, keras-caffe, tf, torchvision, or a file "
            "that netspec wrote.",
        ),
        "no data layer": (
            deploy(), "net", {},
            "the net has no data layer that says how pictures are prepared.\n  Give "
            "--preprocess: one of caffe-vgg, keras-caffe, tf, torchvision, or a file "
            "that netspec wrote.",
        ),
        "misspelt": (
            deploy(), "caffe_vgg", {},
            "unknown preprocessing 'caffe_vgg'.\n  Did you mean 'caffe-vgg'?",
        ),
        "another crop": (
            deploy(), "caffe-vgg", {},
            "the net takes 12x10 pixels, and the preprocessing crops 224x224.\n"
            "  Give --crop 12x10 and the --resize that goes with it.",
        ),
        "another number of channels": (
            deploy().replace("dim: 3", "dim: 1"), "caffe-vgg", CROP,
            "the net takes 1 channels, and the preprocessing makes 3 (bgr).\n"
            "  Choose another preprocessing.",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("case", refusals(Path()))
def test_refusals(folder: Path, case: str) -> None:
    text, choice, adjust, expected = refusals(folder)[case]
    with pytest.raises(NetspecError) as caught:
        chosen(folder, text, choice, **adjust)
    assert str(caught.value) == expected


@pytest.mark.smoke
def test_a_sidecar_that_contradicts_the_net_is_refused(folder: Path) -> None:
    path = write_sidecar(folder / "w.caffemodel", OWN.with_(channels="rgb"))
    with pytest.raises(NetspecError) as caught:
        chosen(folder, train_val(folder / "db"))
    assert str(caught.value) == (
        f"'{path}' says rgb 0-255, mean 103.5 117.25 124, scale 0.0125, resize not "
        "known, crop 12x12; the net's data layer says bgr 0-255, mean 103.5 117.25 "
        "124, scale 0.0125, resize not known, crop 12x12.\n"
        f"  Choose: --preprocess net, or --preprocess '{path}'."
    )
    assert chosen(folder, train_val(folder / "db"), "net") == OWN


def test_whole_pictures_are_not_resized_by_a_guess() -> None:
    assert resize_of(OWN, as_stored=True) == Resize("none")
    with pytest.raises(NetspecError) as caught:
        resize_of(OWN, as_stored=False)
    assert str(caught.value) == (
        "how whole pictures are resized for this model is not known.\n"
        "  Give --resize short-side:256, squash:224 or none; or --scales 256."
    )
