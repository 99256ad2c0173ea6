"""Protocols against a naive implementation, image by image; ensembles; refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.data.classes import ImageClass, classes_file, classes_text
from netspec.data.decode import Channels
from netspec.data.feed import Feed
from netspec.data.preprocess import Preprocess, class_hash
from netspec.data.rescale import Resize
from netspec.errors import DataError, NetspecError
from netspec.evaluate import batching
from netspec.evaluate.evaluator import evaluate
from netspec.evaluate.finding import open_images
from netspec.evaluate.images import Records, Stored
from netspec.evaluate.model import Model
from netspec.evaluate.protocols import PROTOCOLS, Protocol
from netspec.net import Net
from netspec.proto import TEST
from netspec.spec import parse_net
from netspec.weights import read_weights
from tests.evaluate import naive
from tests.evaluate.small import (
    BODY,
    PROB,
    deploy,
    encoded_lmdb,
    model,
    pictures,
    train_val,
    weights,
)

# Posteriors are at most 1: float32 scores against float64.
TOLERANCE = 2e-6


def params(folder: Path, seed: int = 0) -> dict:
    found = read_weights(folder / f"weights{seed}.caffemodel")
    return {name: [np.array(blob) for blob in blobs] for name, blobs in found.items()}


def naively(folder: Path, images: list, protocol: Protocol, seed: int = 0):
    return [
        naive.posterior(
            params(folder, seed), image, protocol.kinds, protocol.scales or (14,),
            protocol.mirror, protocol.average,
        )
        for image in images
    ]  # fmt: skip


CASES = {
    "single": PROTOCOLS["single"],
    "single at a scale": PROTOCOLS["single"].at((17,)),
    "single, mirrored": PROTOCOLS["single"].at((16,), mirror=True),
    "ten crops": PROTOCOLS["ten-crop"].at((17,)),
    "dense": PROTOCOLS["dense"].at((15,)),
    "dense, posteriors": PROTOCOLS["dense"].at((19,), average="posteriors"),
    "dense, not mirrored": PROTOCOLS["dense"].at((18,), mirror=False),
    "multi-scale": PROTOCOLS["multi-scale"].at((13, 16, 20)),
    "multi-crop": PROTOCOLS["multi-crop"].at((17,)),
    "multi-crop, three scales": PROTOCOLS["multi-crop"].at((12, 15, 18)),
    "both": PROTOCOLS["dense+multi-crop"].at((13, 18)),
}


@pytest.mark.smoke
@pytest.mark.parametrize("case", CASES)
def test_every_protocol_is_the_naive_one(tmp_path: Path, case: str) -> None:
    images, protocol = pictures(), CASES[case]
    outcome = evaluate([model(tmp_path)], Stored(images), protocol)
    expected = naively(tmp_path, images, protocol)
    np.testing.assert_allclose(outcome.posteriors, expected, atol=TOLERANCE)
    assert np.ptp(outcome.posteriors, 0).max() > 0.2  # pictures differ
    np.testing.assert_allclose(outcome.posteriors.sum(1), 1, atol=1e-12)


def test_protocols_differ(tmp_path: Path) -> None:
    """The cases above could not all hold for one and the same number."""
    images, one = Stored(pictures()), model(tmp_path)
    found = [
        evaluate([one], images, protocol).posteriors for protocol in CASES.values()
    ]
    for i, a in enumerate(found):
        for b in found[:i]:
            assert abs(a - b).max() > 100 * TOLERANCE


def test_batches_change_nothing(tmp_path: Path, monkeypatch) -> None:
    images, protocol = Stored(pictures()), CASES["both"]
    whole = evaluate([model(tmp_path)], images, protocol)
    small = model(tmp_path, memory=60_000)  # a picture or two a batch
    assert small.runner.rows(small.runner.form) < 4
    monkeypatch.setattr(batching, "WAITING", 1)
    one = evaluate([small], images, protocol)
    np.testing.assert_allclose(one.posteriors, whole.posteriors, atol=TOLERANCE)
    assert one.macs == whole.macs


def test_memory_is_bounded(tmp_path: Path) -> None:
    one = model(tmp_path, memory=100_000)
    evaluate([one], Stored(pictures()), CASES["multi-scale"])
    assert 0 < one.runner._used() <= 100_000


def test_an_ensemble_of_one_net_twice_is_that_net(tmp_path: Path) -> None:
    images, protocol = Stored(pictures()), CASES["multi-scale"]
    one = evaluate([model(tmp_path)], images, protocol)
    two = evaluate([model(tmp_path), model(tmp_path)], images, protocol)
    np.testing.assert_allclose(two.posteriors, one.posteriors, rtol=1e-12)
    assert two.conditions.models == ("small", "small")


def test_an_ensemble_averages_the_posteriors_of_its_nets(tmp_path: Path) -> None:
    """Even of nets that prepare their pictures differently."""
    images, protocol = Stored(pictures()), PROTOCOLS["dense"]
    other = Preprocess("rgb", range=1, mean=(0.4,), resize=Resize("short-side", (19,)))
    models = [model(tmp_path), model(tmp_path, seed=3, preprocess=other)]
    alone = [evaluate([m], images, protocol).posteriors for m in models]
    both = evaluate(models, images, protocol).posteriors
    np.testing.assert_allclose(both, (alone[0] + alone[1]) / 2, rtol=1e-12)
    assert abs(alone[0] - alone[1]).max() > 0.1


@pytest.mark.parametrize("own", ["", "short_side: 14"])
def test_a_single_crop_is_what_the_data_layer_makes(tmp_path: Path, own: str) -> None:
    """The net's own TEST data, through the net, gives the same posteriors."""
    images = pictures()
    text = train_val(encoded_lmdb(tmp_path / "db", images))
    text = text.replace("transform_param {", f"transform_param {{ {own}")
    net = parse_net(text, str(tmp_path / "net.prototxt"))
    file = weights(tmp_path, text)
    one = Model(net, file)
    outcome = evaluate(
        [one], open_images(one.cut.source, net.file), PROTOCOLS["single"]
    )
    data, labels = Feed(one.cut.source, TEST).read(0, len(images))
    square = deploy(BODY, end=PROB).replace("dim: 10", "dim: 12")
    plain = Net(parse_net(square.replace("dim: 4", f"dim: {len(images)}")), file)
    expected = plain.forward(data=data)["prob"]
    np.testing.assert_allclose(outcome.posteriors, expected, atol=TOLERANCE)
    np.testing.assert_array_equal(outcome.labels, labels)
    assert outcome.names[2] == "00000002"
    scale = "short-side:14:triangle" if own else "as stored"
    assert outcome.conditions.test_scale == scale
    assert outcome.conditions.trained_at == ("14" if own else "not recorded")


def test_conditions_say_everything(tmp_path: Path) -> None:
    given = model(tmp_path).preprocess.with_(
        train_scale=(14, 20), classes=tuple("abcdefg")
    )
    one = model(tmp_path, preprocess=given)
    outcome = evaluate([one], Stored(pictures()), PROTOCOLS["multi-scale"])
    assert outcome.conditions.as_dict() == {
        "net": "small",
        "protocol": "multi-scale",
        "S": "14-20",
        "Q": "14,17,20",  # the paper's, for that S
        "crops": "whole image",
        "mirrors": 2,
        "map average": "scores",
        "images": 7,
        "classes": 7,
        "class order": "76c3d8038f0d",
    }
    unknown = evaluate([model(tmp_path)], Stored(pictures()), PROTOCOLS["single"])
    assert unknown.conditions.trained_at == "not recorded"
    assert unknown.conditions.class_order == "not recorded"
    assert unknown.conditions.test_scale == "short-side:14:opencv-bilinear"


def test_a_mean_image_is_reduced_where_sizes_differ_and_that_is_said(
    tmp_path: Path,
) -> None:
    image = np.random.default_rng(0).uniform(90, 130, (3, 16, 21)).astype(np.float32)
    base = model(tmp_path).preprocess
    with_image = base.with_(mean=(), mean_image=image, resize=Resize("none"))
    pixel = base.with_(mean=tuple(image.mean((1, 2)).tolist()), resize=Resize("none"))
    stored = pictures()
    found = evaluate(
        [model(tmp_path, preprocess=with_image)], Stored(stored), PROTOCOLS["single"]
    )
    reduced = evaluate(
        [model(tmp_path, preprocess=pixel)], Stored(stored), PROTOCOLS["single"]
    )
    same = abs(found.posteriors - reduced.posteriors).max(1) < TOLERANCE
    assert same.tolist() == [x.shape != (3, 16, 21) for x in stored]
    assert found.notes == (
        "the mean image is reduced to its mean pixel: pictures are of other sizes",
    )
    assert reduced.notes == ()


NAMES = tuple(f"n0{i} {name}" for i, name in enumerate("abcdefg"))


def named_records(folder: Path, names) -> Records:
    """A database with its classes beside it."""
    encoded_lmdb(folder / "db", pictures())
    classes = [ImageClass(*name.split(" ", 1)) for name in names]
    classes_file(folder / "db").write_text(classes_text(classes))
    return Records(folder / "db", Channels.NATIVE)


def test_a_database_names_the_classes(tmp_path: Path) -> None:
    images = named_records(tmp_path, NAMES)
    one = model(tmp_path)
    assert evaluate([one], images, PROTOCOLS["single"]).conditions.classes == NAMES
    ids = tuple(name.split()[0] for name in NAMES)
    known = model(tmp_path, preprocess=one.preprocess.with_(classes=ids))
    assert evaluate([known], images, PROTOCOLS["single"]).conditions.classes == ids


def test_classes_in_another_order_are_refused(tmp_path: Path) -> None:
    """The devkit's order of ImageNet's classes is not that of Caffe's models."""
    images = named_records(tmp_path, NAMES)
    other = (*NAMES[:2], NAMES[3], NAMES[2], *NAMES[4:])
    one = model(tmp_path, adjust={"classes": other})
    with pytest.raises(DataError) as caught:
        evaluate([one], images, PROTOCOLS["single"])
    assert str(caught.value) == (
        f"the model's classes are in another order ({class_hash(other)}) than the "
        f"labels of the pictures ({class_hash(NAMES)}): class 2 is 'n03 d', and label "
        "2 is 'n02 c'.\n"
        "  Test with a database that was made in the order of the model."
    )


def test_classes_of_another_number_name_nothing(tmp_path: Path) -> None:
    images = named_records(tmp_path, NAMES[:6])
    outcome = evaluate([model(tmp_path)], images, PROTOCOLS["single"])
    assert outcome.conditions.class_order == "not recorded"


def refusals(folder: Path) -> dict:
    images = Stored(pictures())
    small, seven = model(folder), model(folder)
    nine = model(
        folder, seed=5, text=deploy().replace("num_output: 7", "num_output: 8")
    )
    named = model(folder, preprocess=seven.preprocess.with_(classes=tuple("abcdefg")))
    other = model(folder, preprocess=seven.preprocess.with_(classes=tuple("bacdefg")))
    nan = model(folder, seed=6)
    nan.runner._owner.params["fc2"][1].data[2] = np.nan
    return {
        "scale below the net's input": (
            [small], images, PROTOCOLS["dense"].at((9, 20)),
            "scale 9 is smaller than the input of the net, 12 x 10.\n"
            "  Choose scales from 10 on.",
        ),
        "no scales": (
            [small], images, PROTOCOLS["multi-scale"],
            "protocol multi-scale averages over several scales; none is given.\n"
            "  Give them: --scales 256,384,512.",
        ),
        "label": (
            [small], Stored(pictures(), [0, 7, 0, 0, 0, 0, 0]), PROTOCOLS["single"],
            "image '1' has label 7; the net has 7 classes, from 0.\n"
            "  Correct the labels, or test the net that they belong to.",
        ),
        "classes": (
            [seven, nine], images, PROTOCOLS["single"],
            "'small' has 7 classes and 'small' 8.\n"
            "  An ensemble averages over the same classes.",
        ),
        "order of classes": (
            [named, other], images, PROTOCOLS["single"],
            "the models of the ensemble name their classes differently.\n  Their order "
            "must be one; compare the class names in their preprocessing.",
        ),
        "no numbers": (
            [nan], images, PROTOCOLS["single"],
            "the scores of image '0' and of 6 others are no numbers.\n"
            "  The weights have diverged, or are of another net.",
        ),
        "channels": (
            [small], Stored([np.zeros((2, 20, 20), np.uint8)]), PROTOCOLS["single"],
            "image '0' has 2 channels, and the net takes 3.\n"
            "  Store the pictures as the net takes them.",
        ),
        "floats": (
            [small], Stored([np.zeros((3, 20, 20), np.float32)]), PROTOCOLS["single"],
            "image '0' holds values that are no bytes, which are not resized.\n"
            "  Leave --scales and --resize out.",
        ),
        "a panorama": (
            [model(folder, memory=200_000)], Stored([np.zeros((3, 9, 900), np.uint8)]),
            PROTOCOLS["dense"],
            "image '0' is 14 x 1400 pixels here, for which the net takes 0.692 MB.\n"
            "  At most 0.191 MB are allowed: see --memory.",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("case", [
    "scale below the net's input", "no scales", "label", "classes", "order of classes",
    "no numbers", "channels", "floats", "a panorama",
])  # fmt: skip
def test_refusals(tmp_path: Path, case: str) -> None:
    models, images, protocol, expected = refusals(tmp_path)[case]
    with pytest.raises(NetspecError) as caught:
        evaluate(models, images, protocol)
    assert str(caught.value) == expected


def test_what_cannot_be_seen_is_skipped_if_told(tmp_path: Path) -> None:
    stored = pictures()
    stored[3] = np.zeros((3, 1, 200), np.uint8)  # 14 x 2800 once rescaled
    one = model(tmp_path, memory=200_000)
    outcome = evaluate([one], Stored(stored), PROTOCOLS["dense"], on_error="skip")
    assert outcome.numbers.tolist() == [0, 1, 2, 4, 5, 6]
    assert len(outcome.skipped) == 1
    assert "image '3' is 14 x 2800 pixels" in outcome.skipped[0]
    assert outcome.conditions.images == 6
    with pytest.raises(DataError, match="none of 1 images could be used"):
        evaluate([one], Stored(stored[3:4]), PROTOCOLS["dense"], on_error="skip")


def test_weights_must_cover_the_net(tmp_path: Path) -> None:
    file = weights(tmp_path, deploy())
    text = deploy().replace('"fc2"', '"fc9"')
    with pytest.raises(NetspecError, match="it has no weights for 'fc9'"):
        Model(parse_net(text), file, "caffe-vgg", {"crop": (12, 10)})


def test_progress_is_told(tmp_path: Path) -> None:
    told = []
    evaluate([model(tmp_path)], Stored(pictures()), PROTOCOLS["single"],
             progress=lambda done, total: told.append((done, total)))  # fmt: skip
    assert told == [(i, 7) for i in range(1, 8)]
