"""MultiBoxLoss against loops that follow the SSD paper box by box."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.errors import LabelError, SpecError
from tests.layers.harness import Trial, both_ops, check_gradients, infer

BATCH, PRIORS, CLASSES = 3, 14, 4
RNG = np.random.default_rng(21)


def boxes(count, low=0.15, high=0.5, rng=RNG):
    """Boxes about the image, some of them partly beyond it."""
    center = rng.uniform(0.05, 0.95, (count, 2))
    half = rng.uniform(low, high, (count, 2)) / 2
    return np.concatenate([center - half, center + half], axis=1)


PRIOR = boxes(PRIORS)
VARIANCE = RNG.uniform(0.1, 0.4, (PRIORS, 4))
PRIOR_BLOB = np.stack([PRIOR.ravel(), VARIANCE.ravel()])[None]
# Two objects near priors and one elsewhere, none, and one that is difficult.
TRUE = [
    [(1, PRIOR[2] + 0.03, 0), (3, PRIOR[9] - 0.02, 0), (1, boxes(1)[0], 0)],
    [],
    [(2, PRIOR[5] + 0.01, 1), (3, PRIOR[11] + 0.02, 0)],
]


def rows_by_image(most=4):
    """(N, 1, most, 8), filled up by -1."""
    rows = np.full((BATCH, 1, most, 8), -1.0)
    for image, own in enumerate(TRUE):
        for i, (label, box, difficult) in enumerate(own):
            rows[image, 0, i] = [image, label, 7, *box, difficult]
    return rows


def rows_as_ssd():
    """(1, 1, all, 8)."""
    rows = rows_by_image().reshape(-1, 8)
    return rows[rows[:, 0] >= 0][None, None]


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    area = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return both / (sum(area) - both)


def encode(box, prior, variance, code, in_target):
    if code == "CENTER_SIZE":
        size = prior[2:] - prior[:2]
        center = ((box[:2] + box[2:]) - (prior[:2] + prior[2:])) / 2 / size
        found = np.concatenate([center, np.log((box[2:] - box[:2]) / size)])
    elif code == "CORNER_SIZE":
        found = (box - prior) / np.tile(prior[2:] - prior[:2], 2)
    else:
        found = box - prior
    return found if in_target else found / variance


def decode(loc, prior, variance, code, in_target):
    loc = loc if in_target else loc * variance
    if code == "CENTER_SIZE":
        size = prior[2:] - prior[:2]
        center = (prior[:2] + prior[2:]) / 2 + loc[:2] * size
        half = np.exp(loc[2:]) * size / 2
        return np.concatenate([center - half, center + half])
    if code == "CORNER_SIZE":
        return prior + loc * np.tile(prior[2:] - prior[:2], 2)
    return prior + loc


def match(candidates, objects, threshold, within):
    """For each candidate the number of its object, -1 or -2."""
    found, pairs = [-1] * len(candidates), []
    if not objects:
        return found, [0.0] * len(candidates)
    for p, box in enumerate(candidates):
        if within and (min(box) < 0 or max(box) > 1):
            found[p] = -2
            continue
        pairs += [(iou(box, o[1]), -p, -g) for g, o in enumerate(objects)]
    best = [max([v for v, q, _ in pairs if q == -p] + [0]) for p in range(len(found))]
    taken = set()
    for value, p, g in sorted(pairs, reverse=True):
        if value > 1e-6 and found[-p] == -1 and -g not in taken:
            found[-p] = -g
            taken.add(-g)
    if threshold is not None:
        for p in range(len(found)):
            own = [(v, g) for v, q, g in pairs if q == -p and v >= threshold]
            if found[p] == -1 and own:
                found[p] = -max(own)[1]
    return found, best


class Settings:
    """multibox_loss_param with its defaults."""

    loc_loss_type, conf_loss_type = "SMOOTH_L1", "SOFTMAX"
    loc_weight, share_location = 1.0, True
    match_type, overlap_threshold = "PER_PREDICTION", 0.5
    use_prior_for_matching, background_label_id = True, 0
    use_difficult_gt, neg_pos_ratio, neg_overlap = True, 3.0, 0.5
    code_type, encode_variance_in_target = "CORNER", False
    map_object_to_agnostic = ignore_cross_boundary_bbox = bp_inside = False
    mining_type, sample_size, nms_param = "MAX_NEGATIVE", 64, None
    use_prior_for_nms = False
    num_classes = CLASSES

    def __init__(self, **given):
        self.given = {"num_classes": CLASSES, **given}
        self.__dict__.update(self.given)

    def text(self, rest=""):
        parts = []
        for name, value in self.given.items():
            if name == "nms_param":
                parts.append(f"nms_param {{ {value} }}")
            else:
                shown = str(value).lower() if isinstance(value, bool) else value
                parts.append(f"{name}: {shown}")
        body = " ".join(parts)
        return f'type: "MultiBoxLoss" multibox_loss_param {{ {body} }} {rest}'


def smooth(d):
    return np.where(np.abs(d) < 1, d * d / 2, np.abs(d) - 0.5)


def score_loss(scores, label, logistic, others=()):
    if logistic:
        t = np.isin(np.arange(len(scores)), [label, *others])
        s = 1 / (1 + np.exp(-scores))
        return -np.log(np.where(t, s, 1 - s)).sum()
    return -math.log(np.exp(scores[label]) / np.exp(scores).sum())


def naive(s, loc, conf):
    """The two sums and the number of matches."""
    threshold = s.overlap_threshold if s.match_type == "PER_PREDICTION" else None
    code = (s.code_type, s.encode_variance_in_target)
    labels = 1 if s.share_location else s.num_classes
    logistic = s.conf_loss_type == "LOGISTIC"
    mines = s.mining_type != "NONE"
    nothing = s.background_label_id if mines or not logistic else -1
    total_loc = total_conf = matches = 0
    for image, objects in enumerate(TRUE):
        objects = [o for o in objects if s.use_difficult_gt or not o[2]]
        place = loc[image].reshape(PRIORS, labels, 4)
        scores = conf[image].reshape(PRIORS, s.num_classes)
        asked, others = [nothing] * PRIORS, [[] for _ in range(PRIORS)]
        location = np.zeros(PRIORS)
        matched, pairs = [False] * PRIORS, 0
        for c in range(labels):
            if labels > 1 and c == s.background_label_id:
                continue
            decoded = [
                decode(place[p, c], PRIOR[p], VARIANCE[p], *code) for p in range(PRIORS)
            ]
            if s.use_prior_for_matching:
                found, best = match(
                    PRIOR, objects, threshold, s.ignore_cross_boundary_bbox
                )
                if labels > 1:
                    found = [f if f >= 0 and objects[f][0] == c else -1 for f in found]
            else:
                own = [g for g, o in enumerate(objects) if labels == 1 or o[0] == c]
                found, best = match(
                    decoded, [objects[g] for g in own], threshold,
                    s.ignore_cross_boundary_bbox,
                )  # fmt: skip
                found = [own[f] if f >= 0 else f for f in found]
            for p, f in enumerate(found):
                if f < 0:
                    continue
                matched[p], pairs = True, pairs + 1
                others[p].append(objects[f][0])
                asked[p] = (
                    s.background_label_id + 1
                    if s.map_object_to_agnostic
                    else objects[f][0]
                )
                d = place[p, c] - encode(objects[f][1], PRIOR[p], VARIANCE[p], *code)
                d = d / VARIANCE[p] if s.encode_variance_in_target else d
                if s.bp_inside:
                    edge = PRIOR[p] if s.use_prior_for_matching else decoded[p]
                    d = np.where((edge < 0) | (edge > 1), 0, d)
                loss = (d * d / 2) if s.loc_loss_type == "L2" else smooth(d)
                location[p] += loss.sum()
        each = np.array(
            [
                score_loss(scores[p], asked[p], logistic, others[p][:-1])
                for p in range(PRIORS)
            ]
        )
        counted = range(PRIORS)
        if mines:
            counted = []
            losses = each + (location if s.mining_type == "HARD_EXAMPLE" else 0)
            if s.mining_type == "HARD_EXAMPLE":
                ready = list(range(PRIORS))
                number = s.sample_size
            else:
                ready = [
                    p
                    for p in range(PRIORS)
                    if found[p] == -1 and best[p] < s.neg_overlap
                ]
                number = int(sum(matched) * s.neg_pos_ratio)
            ready.sort(key=lambda p: -losses[p])
            if s.nms_param:
                own = PRIOR if s.use_prior_for_nms else decoded
                kept = []
                for p in ready:
                    width, height = own[p][2:] - own[p][:2]
                    large = width > 0 and height > 0 and width * height >= 1e-5
                    if large and all(iou(own[p], own[q]) <= 0.25 for q in kept):
                        kept.append(p)
                ready = kept
            chosen = set(ready[:number]) if objects else set()
            if s.mining_type == "HARD_EXAMPLE":
                matched = [m and p in chosen for p, m in enumerate(matched)]
            counted = [
                p
                for p in range(PRIORS)
                if matched[p] or (p in chosen and found[p] == -1)
            ]
        matches += sum(matched) if labels == 1 else pairs
        total_loc += sum(location[p] for p in range(PRIORS) if matched[p])
        total_conf += sum(each[p] for p in counted)
    return total_loc, total_conf, matches


CASES = {
    "paper": Settings(code_type="CENTER_SIZE"),
    "yufacedetect": Settings(
        loc_loss_type="L2", code_type="CENTER_SIZE", overlap_threshold=0.35,
        neg_overlap=0.35, loc_weight=0.75, neg_pos_ratio=1.5,
    ),
    "logistic": Settings(conf_loss_type="LOGISTIC", code_type="CORNER_SIZE"),
    "logistic, all": Settings(conf_loss_type="LOGISTIC", mining_type="NONE"),
    "all": Settings(mining_type="NONE", code_type="CENTER_SIZE"),
    "a box a class": Settings(
        share_location=False, mining_type="NONE", overlap_threshold=0.3
    ),
    "a box a class, predicted": Settings(
        share_location=False, mining_type="NONE", use_prior_for_matching=False,
        overlap_threshold=0.2, code_type="CENTER_SIZE",
    ),
    "several classes": Settings(
        share_location=False, mining_type="NONE", use_prior_for_matching=False,
        overlap_threshold=0.05, code_type="CENTER_SIZE", conf_loss_type="LOGISTIC",
    ),
    "bipartite": Settings(match_type="BIPARTITE", neg_overlap=0.9),
    "predicted": Settings(use_prior_for_matching=False, code_type="CENTER_SIZE",
                          overlap_threshold=0.3, bp_inside=True),
    "variances in targets": Settings(
        encode_variance_in_target=True, code_type="CENTER_SIZE"
    ),
    "within": Settings(ignore_cross_boundary_bbox=True, mining_type="MAX_NEGATIVE"),
    "inside": Settings(bp_inside=True, overlap_threshold=0.2),
    "not difficult": Settings(use_difficult_gt=False),
    "agnostic": Settings(map_object_to_agnostic=True, num_classes=2),
    "background last": Settings(
        background_label_id=4, num_classes=5, code_type="CORNER_SIZE"
    ),
    "hard examples": Settings(mining_type="HARD_EXAMPLE", sample_size=5),
    "hard examples, L2": Settings(
        mining_type="HARD_EXAMPLE", sample_size=4, loc_loss_type="L2"
    ),
    "covered priors": Settings(
        nms_param="nms_threshold: 0.25", use_prior_for_nms=True, neg_pos_ratio=2.0
    ),
    "covered boxes": Settings(
        nms_param="nms_threshold: 0.25", neg_pos_ratio=2.0, code_type="CENTER_SIZE"
    ),
    "hard examples, covered": Settings(
        mining_type="HARD_EXAMPLE", sample_size=6, nms_param="nms_threshold: 0.25"
    ),
}  # fmt: skip


def trial(s, rows=None, rest="", ops=None, seed=5, **run):
    rng = np.random.default_rng(seed)
    labels = 1 if s.share_location else s.num_classes
    loc = rng.normal(size=(BATCH, PRIORS * labels * 4), scale=0.8)
    conf = rng.normal(size=(BATCH, PRIORS * s.num_classes), scale=1.5)
    rows = rows_by_image() if rows is None else rows
    made = Trial(s.text(rest), [loc, conf, PRIOR_BLOB, rows], ops=ops, **run)
    return made, loc, conf


@pytest.mark.smoke
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("ops", both_ops(), ids=["reference", "cpu"])
def test_loss_and_gradients(name, ops):
    s = CASES[name]
    made, loc, conf = trial(s, ops=ops)
    location, scores, matches = naive(s, loc, conf)
    (loss,) = made.forward()
    assert matches > 2
    expected = (s.loc_weight * location + scores) / matches
    assert float(loss) == pytest.approx(expected, rel=1e-9)
    check_gradients(made)
    assert np.count_nonzero(made.bottom_diff[0]) >= 4


@pytest.mark.parametrize("ops", both_ops(), ids=["reference", "cpu"])
def test_single_precision(ops):
    s = CASES["paper"]
    made, loc, conf = trial(s, ops=ops, dtype=np.float32)
    location, scores, matches = naive(s, loc, conf)
    (loss,) = made.forward()
    assert float(loss) == pytest.approx((location + scores) / matches, rel=1e-5)
    made.backward([1.0])
    double, *_ = trial(s)
    double.forward()
    double.backward([1.0])
    for found, wanted in zip(made.bottom_diff[:2], double.bottom_diff[:2]):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)


def test_one_object_and_a_box_a_class_within_the_image():
    """Boxes that reach beyond it stand for nobody, whatever numbers there are."""
    s = Settings(share_location=False, mining_type="NONE",
                 ignore_cross_boundary_bbox=True, overlap_threshold=0.2)  # fmt: skip
    inside = np.flatnonzero((PRIOR >= 0).all(1) & (PRIOR <= 1).all(1))
    rows = np.full((BATCH, 1, 1, 8), -1.0)
    rows[1, 0, 0] = [1, 2, 0, *PRIOR[inside[0]], 0]
    made, *_ = trial(s, rows)
    made.forward()
    made.backward([1.0])
    asked = made.bottom_diff[0].reshape(BATCH, PRIORS, CLASSES, 4)
    where = np.argwhere(np.abs(asked).sum(axis=3))
    assert {tuple(at) for at in where[:, [0, 2]].tolist()} == {(1, 2)}
    assert set(where[:, 1]) <= set(inside.tolist())
    assert len(inside) < PRIORS


def test_rows_of_ssd_say_their_image():
    made, *_ = trial(CASES["paper"])
    other, *_ = trial(CASES["paper"], rows_as_ssd())
    assert float(made.forward()[0]) == float(other.forward()[0])


DIVISORS = {
    "normalization: FULL": BATCH * PRIORS,
    "normalization: BATCH_SIZE": BATCH,
    "normalization: NONE": 1,
    "normalize: false": BATCH,
}


@pytest.mark.parametrize("param", DIVISORS)
def test_divisors(param):
    s = CASES["paper"]
    made, loc, conf = trial(s, rest=f"loss_param {{ {param} }}")
    location, scores, _ = naive(s, loc, conf)
    found = float(made.forward()[0])
    assert found == pytest.approx((location + scores) / DIVISORS[param])


@pytest.mark.parametrize("counts", [(True, False), (False, True)])
def test_propagate_down_chooses_the_losses(counts):
    s = CASES["paper"]
    told = "".join(
        f"propagate_down: {str(c).lower()} " for c in (*counts, False, False)
    )
    made, loc, conf = trial(s, rest=told)
    location, scores, matches = naive(s, loc, conf)
    expected = (counts[0] * location + counts[1] * scores) / matches
    assert float(made.forward()[0]) == pytest.approx(expected)
    check_gradients(made)


def test_a_batch_without_objects():
    for s, counts in ((CASES["paper"], 0), (CASES["all"], BATCH * PRIORS)):
        made, _, conf = trial(s, np.full((BATCH, 1, 1, 8), -1.0))
        scores = conf.reshape(-1, CLASSES)
        wanted = sum(score_loss(row, 0, False) for row in scores) if counts else 0
        assert float(made.forward()[0]) == pytest.approx(wanted)
        made.backward([1.0])
        assert not made.bottom_diff[0].any()
        assert bool(made.bottom_diff[1].any()) == bool(counts)


def test_priors_and_boxes_have_no_gradient():
    for bottom, what in ((2, "priors"), (3, "true boxes")):
        gradient = [True, True, bottom == 2, bottom == 3]
        made, *_ = trial(CASES["paper"], gradient=gradient)
        made.forward()
        with pytest.raises(SpecError, match=f"no gradient for its {what}"):
            made.backward([1.0])


@pytest.mark.parametrize("label", [0, 4, -2])
def test_a_label_that_is_no_class(label):
    rows = rows_by_image()
    rows[2, 0, 1, 1] = label
    made, *_ = trial(CASES["paper"], rows, first_sample=30)
    with pytest.raises(LabelError, match=f"image 32 of the batch has label {label}"):
        made.forward()


SHAPES = ((3, 56), (3, 56), (1, 2, 56), (3, 1, 2, 8))


@pytest.mark.parametrize(("body", "shapes", "message"), [
    ("", SHAPES, "num_classes is missing or 0."),
    ("num_classes: 4", ((3, 52), *SHAPES[1:]), "bottom 0 has shape 3x52 for 14 priors"),
    ("num_classes: 3", SHAPES, "bottom 1 has shape 3x56 for 14 priors and 3 numbers"),
    ("num_classes: 4", (*SHAPES[:2], (1, 56), SHAPES[3]), "bottom 2, the priors, has"),
    ("num_classes: 4", (*SHAPES[:3], (3, 8)), "bottom 3, the true boxes, has"),
    ("num_classes: 4", (*SHAPES[:3], (2, 1, 2, 8)), "holds boxes of 2 images"),
    ("num_classes: 4 do_neg_mining: false", SHAPES, "do_neg_mining false contradicts"),
    ("num_classes: 4 share_location: false", SHAPES, "a box for each class."),
    ("num_classes: 4 background_label_id: 4", SHAPES, "background_label_id 4 is none"),
    ("num_classes: 1 map_object_to_agnostic: true", SHAPES, "makes all objects class"),
    ("num_classes: 4 mining_type: HARD_EXAMPLE sample_size: 0", SHAPES,
     "sample_size is 0."),
])  # fmt: skip
def test_refusals(body, shapes, message):
    with pytest.raises(SpecError) as refused:
        infer(f'type: "MultiBoxLoss" multibox_loss_param {{ {body} }}', shapes)
    assert message in refused.value.problem
    assert refused.value.remedy
