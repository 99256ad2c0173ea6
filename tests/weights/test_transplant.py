"""Loading by name: Caffe's rules, and every other outcome as a table."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from netspec.errors import DataError, UsageError
from netspec.spec.blobproto import StoredBlob
from netspec.weights import (
    LayerWeights,
    Report,
    TargetBlob,
    TargetLayer,
    Weights,
    plan_transplant,
    plan_transplants,
    read_weights,
)
from netspec.weights.transplant import fits
from tests.weights.samples import current, draw, loaded, small, target, v1

NET = {"conv": [(4, 3, 2, 5), (4,)], "ip": [(6, 60), (6,)]}


class Store:
    """A net's parameters, as the report sees them."""

    def __init__(self, layers: list[TargetLayer]) -> None:
        self.blobs = {
            (layer.name, i): np.zeros(blob.shape, np.float32)
            for layer in layers
            for i, blob in enumerate(layer.blobs)
        }
        self.filled: list[tuple[str, int]] = []

    def take(self, report: Report) -> None:
        report.apply(self._write, lambda *key: self.filled.append(key))

    def _write(self, layer: str, index: int, values: np.ndarray) -> None:
        blob = self.blobs[layer, index]
        assert blob.shape == values.shape
        blob[...] = values


def statuses(report: Report) -> list[str]:
    return [f"{x.layer}/{x.index} {x.status}" for x in report.lines]


# A shape as stored, in the legacy form or not, against a shape of the net.
FITS = {
    "same": ((4, 3, 2, 5), False, (4, 3, 2, 5), True),
    "1s are not dropped": ((1, 1, 1, 4), False, (4,), False),
    "same count": ((36, 5), False, (5, 36), False),
    "legacy bias": ((1, 1, 1, 4), True, (4,), True),
    "legacy matrix": ((1, 1, 6, 60), True, (6, 60), True),
    "legacy convolution": ((4, 3, 2, 5), True, (4, 3, 2, 5), True),
    "legacy scalar": ((1, 1, 1, 1), True, (), True),
    "legacy 1s behind": ((4, 1, 1, 1), True, (4,), False),
    "legacy same count": ((1, 1, 60, 6), True, (6, 60), False),
    "legacy fc as convolution": ((1, 1, 6, 60), True, (6, 5, 3, 4), True),
    "fc as convolution, other outputs": ((1, 1, 6, 60), True, (5, 6, 3, 4), False),
    "fc as convolution, today's form": ((6, 60), False, (6, 5, 3, 4), False),
    "legacy for five axes": ((1, 2, 3, 4), True, (1, 1, 2, 3, 4), False),
    "legacy five axes of 1": ((1, 1, 1, 1), True, (1, 1, 1, 1, 1), False),
}


@pytest.mark.parametrize(
    ("given", "legacy", "shape", "fit"), FITS.values(), ids=FITS.keys()
)
def test_shapes_that_fit(given, legacy: bool, shape, fit: bool) -> None:
    assert fits(StoredBlob(np.zeros(given), legacy), shape) is fit


@pytest.mark.smoke
def test_by_name_whatever_the_order() -> None:
    layers = target(ip=NET["ip"], new=[(2,)], conv=NET["conv"])
    extra = {**small(), "old": [np.ones((2, 3), np.float32)]}
    report = plan_transplant(layers, loaded(current(extra)))
    assert statuses(report) == [
        "ip/0 loaded",
        "ip/1 loaded",
        "new/0 missing",
        "conv/0 loaded",
        "conv/1 loaded",
        "old/0 unused",
    ]
    store = Store(layers)
    store.take(report)
    for name, some in small().items():
        for i, array in enumerate(some):
            np.testing.assert_array_equal(store.blobs[name, i], array)
    assert not store.blobs["new", 0].any()
    assert store.filled == []


def test_legacy_shapes_are_reported_as_reshaped() -> None:
    report = plan_transplant(target(**NET), loaded(v1(small())))
    assert statuses(report) == [
        "conv/0 loaded",
        "conv/1 reshaped",
        "ip/0 reshaped",
        "ip/1 reshaped",
    ]


def test_fully_connected_weights_as_a_convolution() -> None:
    layers = target(conv=NET["conv"], ip=[(6, 5, 3, 4), (6,)])
    store = Store(layers)
    store.take(plan_transplant(layers, loaded(v1(small()))))
    matrix = store.blobs["ip", 0].reshape(6, 60)
    np.testing.assert_array_equal(matrix, small()["ip"][0])


def test_layers_without_parameters_are_not_mentioned() -> None:
    net = current(small())
    net.layer.add(name="relu", type="ReLU")
    net.layer.add(name="loss", type="SoftmaxWithLoss")
    layers = [*target(**NET), TargetLayer("relu", "ReLU"), TargetLayer("data", "Data")]
    assert plan_transplant(layers, loaded(net)).counts["loaded"] == 4


def test_nothing_is_touched_before_all_is_judged() -> None:
    store = Store(target(**{**NET, "ip": [(7, 60), (7,)]}))
    with pytest.raises(DataError):
        store.take(
            plan_transplant(
                target(conv=NET["conv"], ip=[(7, 60), (7,)]), loaded(current(small()))
            )
        )
    assert not any(blob.any() for blob in store.blobs.values())


FRESH = "To learn it from scratch, rename the layer or say --on-mismatch reinit."
# Shapes of the net's layer ip, against 6x60 and 6 in the file.
MISMATCHES = {
    "other classes": (
        [(7, 60), (7,)],
        "blob 0 is 6x60 in the file and 7x60 in the net.",
        "Only the number of outputs differs (num_output). ",
    ),
    "other crop size": (
        [(6, 48), (6,)],
        "blob 0 is 6x60 in the file and 6x48 in the net.",
        "Only the number of inputs differs: the file was trained with another "
        "crop_size or input size (227 and 224, for example). ",
    ),
    "transposed": (
        [(60, 6), (6,)],
        "blob 0 is 6x60 in the file and 60x6 in the net.",
        "They are each other's transpose: see inner_product_param.transpose. ",
    ),
    "same count": (
        [(12, 30), (6,)],
        "blob 0 is 6x60 in the file and 12x30 in the net.",
        "The number of values agrees, but their meaning need not. ",
    ),
    "other axes": (
        [(6, 2, 3, 5), (6,)],
        "blob 0 is 6x60 in the file and 6x2x3x5 in the net.",
        "",
    ),
    "second blob": (
        [(6, 60), (1, 6)],
        "blob 1 is 6 in the file and 1x6 in the net.",
        "The number of values agrees, but their meaning need not. ",
    ),
    "no bias": (
        [(6, 60)],
        "the file has 2 blobs for it, the net has 1.",
        "Does bias_term differ? ",
    ),
    "more blobs": (
        [(6, 60), (6,), (1,)],
        "the file has 2 blobs for it, the net has 3.",
        "",
    ),
    "no blobs": ([], "the file has 2 blobs for it, the net has 0.", ""),
}


@pytest.mark.parametrize(
    ("shapes", "problem", "hint"), MISMATCHES.values(), ids=MISMATCHES.keys()
)
def test_mismatches(shapes, problem: str, hint: str) -> None:
    layers = target(conv=NET["conv"], ip=shapes)
    with pytest.raises(DataError) as error:
        plan_transplant(layers, loaded(current(small())))
    where = "w.caffemodel: layer 'ip' (InnerProduct): "
    assert str(error.value) == f"{where}{problem}\n  {hint}{FRESH}"


def test_several_mismatches_are_all_named() -> None:
    arrays = draw(a=[(2,)], b=[(3,)], c=[(4,)])
    weights = loaded(current(arrays))
    with pytest.raises(DataError, match=r"net\. Nor does 'c' fit\."):
        plan_transplant(target(a=[(2,)], b=[(1,)], c=[(1,)]), weights)
    with pytest.raises(DataError, match=r"net\. Nor do 'b', 'c' fit\."):
        plan_transplant(target(a=[(1,)], b=[(1,)], c=[(1,)]), weights)


def test_a_net_saved_as_text_only() -> None:
    bare = loaded(current({"conv": [], "ip": []}))
    with pytest.raises(DataError, match="the file has 0 blobs for it, the net has 2"):
        plan_transplant(target(**NET), bare)


def test_batch_norm_of_nvidias_fork() -> None:
    layers = [
        TargetLayer("bn", "BatchNorm", (TargetBlob((3,)),) * 2 + (TargetBlob((1,)),))
    ]
    weights = Weights.of_arrays(draw(bn=[(3,)] * 5))
    with pytest.raises(DataError) as error:
        plan_transplant(layers, weights)
    assert error.value.remedy.startswith("NVIDIA's fork keeps scale and bias inside")
    assert error.value.place is None


FUSED = TargetLayer(
    "bn", "BatchNorm", tuple(map(TargetBlob, [(3,), (3,), (1,), (3,), (3,)]))
)


@pytest.mark.parametrize("axes", [(), (1, 1)])
def test_batch_norm_of_nvidias_older_fork(axes) -> None:
    """Scale, bias, mean, variance, factor; and four axes where Caffe has one."""
    front = (1,) if axes else ()
    vectors, one = (*front, 3, *axes), (*front, 1, *axes)
    old = draw(bn=[vectors, vectors, vectors, vectors, one])
    store = Store([FUSED])
    store.take(plan_transplant([FUSED], Weights.of_arrays(old)))
    expected = [old["bn"][i].reshape(-1) for i in (2, 3, 4, 0, 1)]
    for i, values in enumerate(expected):
        np.testing.assert_array_equal(store.blobs["bn", i], values)


def test_batch_norm_of_nvidias_fork_as_it_is_now() -> None:
    now = draw(bn=[(3,), (3,), (1,), (3,), (3,)])
    store = Store([FUSED])
    store.take(plan_transplant([FUSED], Weights.of_arrays(now)))
    for i, values in enumerate(now["bn"]):
        np.testing.assert_array_equal(store.blobs["bn", i], values)


@pytest.mark.parametrize(
    ("treat", "status", "filled"),
    [
        ("reinit", "reinitialised", [("ip", 0), ("ip", 1)]),
        ("skip", "skipped", []),
    ],
)
def test_a_layer_is_taken_whole_or_not_at_all(treat, status: str, filled) -> None:
    """Its bias would fit, and is as useless without its weights."""
    layers = target(conv=NET["conv"], ip=[(6, 48), (6,)])
    report = plan_transplant(layers, loaded(current(small())), on_mismatch=treat)
    assert statuses(report)[2:] == [f"ip/0 {status}", f"ip/1 {status}"]
    store = Store(layers)
    store.take(report)
    assert store.filled == filled
    assert not store.blobs["ip", 1].any()
    assert store.blobs["conv", 1].all()


def test_no_name_in_common() -> None:
    with pytest.raises(DataError) as error:
        plan_transplant(target(fc6=[(2,)], fc7=[(3,)]), loaded(current(small())))
    assert str(error.value) == (
        "w.caffemodel: no layer with weights has the name of a layer of the net: the "
        "file has 'conv', 'ip', the net 'fc6', 'fc7'.\n"
        "  Rename with --map old=new, or give the weights of this net."
    )
    report = plan_transplant(
        target(fc6=[(2,)]), loaded(current(small())), on_mismatch="skip"
    )
    assert report.counts["missing"] == 1
    assert plan_transplant([], loaded(current(small()))).counts["unused"] == 4


def test_unknown_treatment() -> None:
    with pytest.raises(UsageError) as error:
        plan_transplant([], loaded(current(small())), on_mismatch="reinitialise")
    assert error.value.remedy == "Did you mean 'reinit'?"


class TestRenaming:
    def test_the_report_says_where_a_blob_came_from(self) -> None:
        layers = target(conv_new=NET["conv"], ip=NET["ip"])
        weights = loaded(current(small()))
        report = plan_transplant(layers, weights, rename={"conv": "conv_new"})
        assert report.counts["loaded"] == 4
        assert report.lines[0].file_layer == "conv"
        assert report.lines[0].remarks() == "from 'conv'"

    def test_out_of_the_way(self) -> None:
        weights = loaded(current(small()))
        report = plan_transplant(target(**NET), weights, rename={"ip": "ip_old"})
        assert report.counts == {
            "loaded": 2,
            "reshaped": 0,
            "reinitialised": 0,
            "skipped": 0,
            "missing": 2,
            "unused": 2,
        }

    def test_of_nothing(self) -> None:
        with pytest.raises(UsageError, match="matches no layer of the weights"):
            plan_transplant(target(**NET), loaded(current(small())), rename={"x": "y"})


def test_choosing() -> None:
    weights = loaded(current(small()))
    report = plan_transplant(target(**NET), weights, only=["conv*"])
    assert statuses(report)[2:] == ["ip/0 skipped", "ip/1 skipped"]
    assert report.lines[2].remarks() == "not chosen"
    with pytest.raises(UsageError, match="matches no layer of the net"):
        plan_transplant(target(**NET), weights, only=["cnv"])


def test_what_is_not_chosen_need_not_fit() -> None:
    layers = target(conv=NET["conv"], ip=[(6, 48), (6,)])
    plan_transplant(layers, loaded(current(small())), only=["conv"])


class TestSharing:
    """A blob owned by another layer, in both formats."""

    layers = (
        *target(a=[(2, 3), (2,)]),
        TargetLayer(
            "b", "InnerProduct", (TargetBlob((2, 3), shared=True), TargetBlob((2,)))
        ),
    )
    arrays = draw(a=[(2, 3), (2,)], b=[(2, 3), (2,)])

    def sparse(self, *blobs: np.ndarray | None) -> Weights:
        stored = tuple(None if b is None else StoredBlob(b) for b in blobs)
        whole = tuple(map(StoredBlob, self.arrays["a"]))
        layers = [LayerWeights("a", "", whole), LayerWeights("b", "", stored)]
        return Weights([replace(layer, sparse=True) for layer in layers])

    def test_hdf5_leaves_it_out(self) -> None:
        report = plan_transplant(self.layers, self.sparse(None, self.arrays["b"][1]))
        assert statuses(report) == ["a/0 loaded", "a/1 loaded", "b/1 loaded"]

    def test_a_caffemodel_has_it_twice(self) -> None:
        report = plan_transplant(self.layers, loaded(current(self.arrays)))
        assert report.counts["loaded"] == 4

    def test_it_is_not_missing_when_its_owner_is_there(self) -> None:
        weights = loaded(current({"a": self.arrays["a"]}))
        report = plan_transplant(self.layers, weights)
        assert statuses(report) == ["a/0 loaded", "a/1 loaded", "b/1 missing"]

    def test_a_blob_of_its_own_may_not_be_left_out(self) -> None:
        with pytest.raises(
            DataError, match="the file has 1 blob for it, the net has 2"
        ):
            plan_transplant(self.layers, self.sparse(self.arrays["b"][0]))


def test_of_two_layers_with_one_name_the_first_is_filled() -> None:
    layers = [*target(**NET), *target(ip=[(9,)])]
    report = plan_transplant(layers, loaded(current(small())))
    assert report.counts["loaded"] == 4


def test_several_files_in_order() -> None:
    first = loaded(current(small()), "a.caffemodel")
    later = {"ip": [a + 1 for a in small()["ip"]]}
    second = loaded(current({"old": later["ip"]}), "b.caffemodel")
    layers = target(**NET)
    reports = plan_transplants(layers, [first, second], rename={"old": "ip"})
    store = Store(layers)
    for report in reports:
        store.take(report)
    np.testing.assert_array_equal(store.blobs["ip", 0], later["ip"][0])
    np.testing.assert_array_equal(store.blobs["conv", 0], small()["conv"][0])


class TestReport:
    def report(self) -> Report:
        layers = target(conv=NET["conv"], new=[(2,)], ip=[(7, 60), (7,)])
        arrays = {**small(), "old": [np.ones(3, np.float32)]}
        weights = loaded(v1(arrays))
        return plan_transplant(layers, weights, on_mismatch="reinit")

    def test_text(self) -> None:
        assert self.report().text() == (
            "layer  blob  status         shape\n"
            "conv   0     loaded         4x3x2x5\n"
            "conv   1     reshaped       4        1x1x1x4 in the file\n"
            "new    0     missing        2\n"
            "ip     0     reinitialised  7x60     1x1x6x60 in the file; "
            "blob 0 does not fit\n"
            "ip     1     reinitialised  7        1x1x1x6 in the file; "
            "blob 0 does not fit\n"
            "old    0     unused         1x1x1x3\n"
            "w.caffemodel: 1 loaded, 1 reshaped, 2 reinitialised (ip), "
            "1 missing (new), 1 unused (old)"
        )

    def test_json(self) -> None:
        told = json.loads(json.dumps(self.report().as_dict()))
        assert told["file"] == "w.caffemodel"
        assert told["counts"]["reinitialised"] == 2
        assert told["blobs"][1] == {
            "layer": "conv",
            "type": "Convolution",
            "blob": 1,
            "status": "reshaped",
            "shape": [4],
            "file_shape": [1, 1, 1, 4],
            "file_layer": None,
            "note": None,
        }

    def test_many_layers_are_shortened(self) -> None:
        layers = target(**{f"n{i}": [(1,)] for i in range(8)}, ip=NET["ip"])
        report = plan_transplant(layers, loaded(current({"ip": small()["ip"]})))
        assert report.summary() == (
            "w.caffemodel: 2 loaded, 8 missing (n0, n1, n2, n3, n4, n5 and 2 more)"
        )


# What the golden nets hold, where Caffe refused to load and left no parameters.
REFUSED = {
    "wrong_shape": ("blob 0 is 36x5 in the file and 5x36 in the net.", (5, 36)),
    "one_blob": ("the file has 1 blob for it, the net has 2.", (5, 36)),
}
TYPES = {
    "conv": "Convolution",
    "slope": "PReLU",
    "ip": "InnerProduct",
    "scale": "Scale",
}


class TestGolden:
    """Files that Caffe wrote, and what Caffe had after loading them."""

    @pytest.fixture
    def folder(self, shared_data):
        return shared_data / "caffe_golden" / "weights"

    def expected(self, folder, name: str) -> dict[tuple[str, int], np.ndarray]:
        with np.load(folder / "expected.npz") as archive:
            keys = [k for k in archive if k.startswith(f"{name}:param:")]
            names = {k: k.split(":")[2:] for k in keys}
            return {(n, int(i)): archive[k] for k, (n, i) in names.items()}

    @pytest.mark.parametrize(
        "name",
        ["new", "v1", "v0", "double", "missing", "legacy_ip_4d", "hdf5", "resaved"],
    )
    def test_loads_what_caffe_loads(self, folder, name: str) -> None:
        if name == "hdf5":
            pytest.importorskip("h5py")
        expected = self.expected(folder, name)
        shapes: dict[str, list[TargetBlob]] = {}
        for (layer, _), array in expected.items():
            shapes.setdefault(layer, []).append(TargetBlob(array.shape))
        layers = [TargetLayer(n, TYPES[n], tuple(b)) for n, b in shapes.items()]
        suffix = ".caffemodel.h5" if name == "hdf5" else ".caffemodel"
        report = plan_transplant(layers, read_weights(folder / (name + suffix)))
        store = Store(layers)
        store.take(report)
        left = report.layers("missing")
        for (layer, i), array in expected.items():
            if layer not in left:
                np.testing.assert_array_equal(store.blobs[layer, i], array)
        # Caffe left these as their fillers made them: constants.
        assert all(np.ptp(a) == 0 for (n, _), a in expected.items() if n in left)
        assert {
            "missing": ["scale"],
            "v0": ["slope", "scale"],
            "v1": ["slope", "scale"],
        }.get(name, []) == left

    @pytest.mark.parametrize("name", REFUSED)
    def test_refuses_what_caffe_refuses(self, folder, name: str) -> None:
        problem, shape = REFUSED[name]
        layers = target(ip=[shape, shape[:1]])
        with pytest.raises(DataError) as error:
            plan_transplant(layers, read_weights(folder / f"{name}.caffemodel"))
        assert error.value.problem == problem
