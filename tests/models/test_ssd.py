"""SSD from end to end: boxes in a database, training, detections."""

from __future__ import annotations

import numpy as np

from netspec.data.feeds import Feeds
from netspec.graph import Feeding
from netspec.layers.box_matching import overlaps
from netspec.net import Net
from netspec.proto import TEST
from netspec.solver import Solver
from netspec.solver.testing import Test
from netspec.spec import filter_net, parse_net, parse_solver
from tests.data.boxes.making import annotated, annotated_lmdb, rectangles
from tests.models.ssd import BODY, DETECTION, net, test_net

INPUT = (
    'layer { name: "data" type: "Input" top: "data" '
    "input_param { shape { dim: 20 dim: 3 dim: 32 dim: 32 } } }"
)


def train(folder, iterations):
    made = rectangles(64, 32, seed=1)
    annotated_lmdb(folder / "db", [annotated(picture, own) for picture, own in made])
    text = net(str(folder / "db"), 8, transform="mirror: true")
    spec = parse_solver(
        'type: "Adam" base_lr: 0.004 lr_policy: "fixed" momentum: 0.9 '
        f"random_seed: 3 max_iter: {iterations} net_param {{ {text} }}",
        str(folder / "solver.prototxt"),
    )
    solver = Solver(spec, device="cpu")
    losses = solver.step(iterations)
    return solver, np.array(losses)


def found_boxes(rows, image, label):
    kept = rows[(rows[:, 0] == image) & (rows[:, 1] == label)]
    return kept[kept[:, 2] > 0.5][:, 3:7]


def test_a_small_ssd_learns_to_find_rectangles(tmp_path):
    solver, losses = train(tmp_path, 200)
    assert losses[-20:].mean() < 0.25 * losses[:5].mean()
    deploy = Net(parse_net(INPUT + BODY + DETECTION, "deploy.prototxt"), phase="test",
                 device="cpu", share_with=solver.net)  # fmt: skip
    unseen = rectangles(20, 32, seed=77)
    pictures = np.stack([p.transpose(2, 0, 1) for p, _ in unseen]).astype(np.float32)
    rows = deploy.forward(data=(pictures - 60) * 0.0078125)["detections"].reshape(-1, 7)
    right = true = reported = 0
    for image, (_, own) in enumerate(unseen):
        for label in (1, 2):
            boxes = found_boxes(rows, image, label)
            objects = np.array([o[1] for o in own if o[0] == label]).reshape(-1, 4)
            reported, true = reported + len(boxes), true + len(objects)
            if len(boxes) and len(objects):
                right += int((overlaps(objects, boxes).max(axis=1) > 0.5).sum())
    assert true > 25
    assert right > 0.85 * true
    assert reported < 1.3 * true
    precision = mean_average_precision(tmp_path, solver, unseen)
    assert precision[0] == (precision[1] + precision[2]) / 2
    assert min(precision) > 0.8


def mean_average_precision(folder, solver, unseen):
    """Of 20 pictures in batches of 8, the last of 4."""
    annotated_lmdb(folder / "test", [annotated(*each) for each in unseen])
    spec = parse_net(test_net(str(folder / "test"), 8), "test.prototxt")
    feeds = Feeds(filter_net(spec, TEST), seed=0)
    feeding = Feeding(sources=feeds.shapes)
    net = Net(spec, phase="test", device="cpu", feeding=feeding, share_with=solver.net)
    scores = Test(net, feeds, None, solver.net).run()
    assert scores.images == 20
    (output,) = scores.outputs
    assert output.name == "precision"
    return output.values


def test_training_is_a_function_of_the_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, losses = train(tmp_path / "a", 3)
    other, again = train(tmp_path / "b", 3)
    assert losses.tolist() == again.tolist()
    np.testing.assert_array_equal(one.net.arena.data, other.net.arena.data)
