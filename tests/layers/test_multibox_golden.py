"""MultiBoxLoss against sums that SSD's own code has computed, over all its settings.

``multibox_golden.json`` holds for each case its settings, its sizes, and SSD's loss of
locations, loss of scores, matches and others that count; the inputs follow from its
number.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.layers.harness import Trial, both_ops

CASES = json.loads(Path(__file__).with_name("multibox_golden.json").read_text())


def boxes(rng, count):
    """Boxes, some of them partly beyond the image."""
    center, half = rng.uniform(0, 1, (count, 2)), rng.uniform(0.04, 0.25, (count, 2))
    return np.concatenate([center - half, center + half], axis=1)


def inputs(number, batch, priors, classes, labels):
    """Codes, scores, priors and true boxes of a case, float32."""
    rng = np.random.default_rng(1000 + number)
    prior = boxes(rng, priors)
    codes = 0.7 * rng.standard_normal((batch, priors * labels * 4))
    scores = 2 * rng.standard_normal((batch, priors * classes))
    variance = rng.uniform(0.1, 0.4, (priors, 4))
    rows = []
    for image in range(batch):
        # The last image has no objects, where there is another.
        empty = image and image == batch - 1
        for instance in range(0 if empty else rng.integers(1, 5)):
            near = prior[rng.integers(priors)] + 0.02 * rng.standard_normal(4)
            box = near if rng.random() < 0.7 else boxes(rng, 1)[0]
            label, difficult = rng.integers(1, classes), rng.random() < 0.3
            rows.append([image, label, instance, *box, difficult])
    found = codes, scores, np.stack([prior.ravel(), variance.ravel()])[None], rows
    tables = [np.array(table, np.float32) for table in found]
    tables[3] = tables[3][None, None]
    return tables


@pytest.mark.parametrize("ops", both_ops(), ids=["reference", "cpu"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["number"]))
def test_loss(case, ops):
    made = Trial(
        f'type: "MultiBoxLoss" multibox_loss_param {{ {case["settings"]} }}',
        inputs(case["number"], *case["sizes"]),
        dtype=np.float32,
        ops=ops,
    )
    (loss,) = made.forward()
    location, scores, matches, _ = case["ssd"]
    expected = (location + scores) / max(1, matches)
    # SSD adds in single precision, thousands of terms.
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_the_cases_try_everything():
    text = " ".join(case["settings"] for case in CASES)
    for word in (
        "L2", "SMOOTH_L1", "SOFTMAX", "LOGISTIC", "PER_PREDICTION", "BIPARTITE",
        "CORNER ", "CENTER_SIZE", "CORNER_SIZE", "NONE", "MAX_NEGATIVE", "HARD_EXAMPLE",
        "share_location: false", "use_prior_for_matching: false",
        "encode_variance_in_target: true", "ignore_cross_boundary_bbox: true",
        "bp_inside: true", "map_object_to_agnostic: true", "use_difficult_gt: false",
        "use_prior_for_nms: true", "nms_threshold",
    ):  # fmt: skip
        assert word in text
    assert sum(case["ssd"][2] > 2 for case in CASES) > 0.7 * len(CASES)
    assert sum(case["ssd"][3] > 2 for case in CASES) > 0.4 * len(CASES)
