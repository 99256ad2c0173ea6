"""The parts that batch samplers draw, and which of them are taken."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import text_format

from netspec.data.boxes.sampling import Samplers, draw_parts, satisfied
from netspec.proto import BatchSampler, SampleConstraint

BOXES = np.array([(0.2, 0.2, 0.5, 0.6), (0.6, 0.1, 0.9, 0.4)], np.float32)


def sampler(text):
    return text_format.Parse(text, BatchSampler())


def words(count, seed=0):
    return np.random.default_rng(seed).integers(0, 1 << 32, count).tolist()


def test_parts_have_the_scale_and_the_form_that_were_drawn():
    message = sampler("sampler { min_scale: 0.3 max_scale: 0.9 min_aspect_ratio: 0.5 "
                      "max_aspect_ratio: 2 } max_trials: 500")  # fmt: skip
    parts = draw_parts(message, words(2000))
    assert parts.shape == (500, 4)
    assert parts.min() >= 0
    assert parts.max() <= 1 + 1e-6
    width, height = parts[:, 2] - parts[:, 0], parts[:, 3] - parts[:, 1]
    scale, form = np.sqrt(width * height), width / height
    assert 0.3 <= scale.min() < 0.32
    assert 0.88 < scale.max() <= 0.9 + 1e-6
    assert (form >= np.maximum(0.5, scale**2) - 1e-4).all()
    assert (form <= np.minimum(2, 1 / scale**2) + 1e-4).all()
    assert form.max() > 1.8


def shares(part, box):
    both = max(0, min(part[2], box[2]) - max(part[0], box[0])) * max(
        0, min(part[3], box[3]) - max(part[1], box[1])
    )
    a, b = ((c[2] - c[0]) * (c[3] - c[1]) for c in (part, box))
    return {
        "jaccard_overlap": both / (a + b - both),
        "sample_coverage": both / a,
        "object_coverage": both / b,
    }


@pytest.mark.parametrize("text", [
    "min_jaccard_overlap: 0.3", "max_jaccard_overlap: 0.1",
    "min_object_coverage: 0.8", "max_sample_coverage: 0.2",
    "min_sample_coverage: 0.25 max_object_coverage: 0.9", "",
])  # fmt: skip
def test_constraints(text):
    constraint = text_format.Parse(text, SampleConstraint())
    drawn = sampler("sampler { min_scale: 0.2 max_scale: 0.8 } max_trials: 300")
    parts = draw_parts(drawn, words(1200))
    found = satisfied(parts, BOXES, constraint)
    bounds = [(f.name.split("_", 1), value) for f, value in constraint.ListFields()]
    for part, taken in zip(parts, found):
        fits = [
            all(
                (shares(part, box)[name] >= value)
                if end == "min"
                else (shares(part, box)[name] <= value)
                for (end, name), value in bounds
            )
            for box in BOXES
        ]
        assert taken == any(fits)
    assert bool(text) == (not found.all())
    assert found.any()


def test_each_sampler_adds_its_parts_and_one_is_chosen():
    samplers = Samplers([
        sampler("max_sample: 1 max_trials: 3"),
        sampler("sampler { min_scale: 0.5 } max_sample: 2 max_trials: 9"),
        sampler("use_original_image: false max_sample: 1"),
        sampler("sample_constraint { min_jaccard_overlap: 0.99 } max_sample: 1"),
    ])  # fmt: skip
    assert samplers.words == 4 * (3 + 9 + 100)
    drawn = words(samplers.words)
    found = [samplers.part(BOXES, drawn, (c << 32) // 300) for c in range(300)]
    distinct = {tuple(part.tolist()): None for part in found}
    assert len(distinct) == 3
    assert next(iter(distinct)) == (0, 0, 1, 1)


def test_nothing_found():
    samplers = Samplers([sampler("sample_constraint { min_jaccard_overlap: 0.99 }")])
    assert samplers.part(BOXES, words(samplers.words), 7) is None
    assert Samplers([]).part(BOXES, [], 7) is None
