"""Which part of a picture is seen: SSD's batch samplers.

All parts that a sampler may draw are drawn at once, and judged by all objects at once.
Source: ``sampler.cpp`` of SSD; Liu et al. 2016, section 2.2 on data augmentation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netspec.data.boxes.draws import EACH_TRIAL
from netspec.data.boxes.objects import Boxes, Mask, areas, shared
from netspec.data.draws import Row, whole
from netspec.errors import SpecError
from netspec.proto import BatchSampler, SampleConstraint

FIELD = "annotated_data_param.batch_sampler"
_WORD = 1 << 32
_BOUNDS = ("jaccard_overlap", "sample_coverage", "object_coverage")
_MOST_TRIALS = 10_000  # beyond, a sample would cost more than its picture


class Samplers:
    """The batch samplers of a layer.

    Raises:
        SpecError: a sampler that can draw nothing.
    """

    def __init__(self, messages: Sequence[BatchSampler]) -> None:
        for i, message in enumerate(messages):
            _check(message, f"{FIELD}.{i}")
        self._messages = [m for m in messages if m.use_original_image]

    @property
    def words(self) -> int:
        """Random words a sample."""
        return EACH_TRIAL * sum(m.max_trials for m in self._messages)

    def part(self, boxes: Boxes, words: Row, choice: int) -> Boxes | None:
        """One of the parts that are found, cut to the picture; None: none is.

        Args:
            boxes: (G, 4), of the objects.
            words: as many as :attr:`words`.
            choice: the word that chooses among them.
        """
        found, at = [], 0
        for message in self._messages:
            end = at + EACH_TRIAL * message.max_trials
            found.append(_sample(message, boxes, words[at:end]))
            at = end
        parts = np.concatenate(found) if found else np.empty((0, 4), np.float32)
        if not len(parts):
            return None
        return parts[whole(choice, len(parts))].clip(0, 1)


def _check(message: BatchSampler, field: str) -> None:
    sampler = message.sampler
    if not 0 < sampler.min_scale <= sampler.max_scale <= 1:
        raise SpecError(
            f"scales from {sampler.min_scale:g} to {sampler.max_scale:g}.",
            "Give min_scale above 0, and max_scale from there to 1.",
            field=f"{field}.sampler",
        )
    if not 0 < sampler.min_aspect_ratio <= sampler.max_aspect_ratio < np.inf:
        raise SpecError(
            f"aspect ratios from {sampler.min_aspect_ratio:g} to "
            f"{sampler.max_aspect_ratio:g}.",
            "Give min_aspect_ratio above 0, and max_aspect_ratio from there on.",
            field=f"{field}.sampler",
        )
    if message.max_trials > _MOST_TRIALS:
        raise SpecError(
            f"max_trials is {message.max_trials}.",
            f"Give at most {_MOST_TRIALS}.",
            field=f"{field}.max_trials",
        )


def _sample(message: BatchSampler, boxes: Boxes, words: Row) -> Boxes:
    parts = draw_parts(message, words)
    taken = np.flatnonzero(satisfied(parts, boxes, message.sample_constraint))
    most = message.max_sample if message.HasField("max_sample") else len(taken)
    return parts[taken[:most]]


def draw_parts(message: BatchSampler, words: Row) -> Boxes:
    """The parts (T, 4) that a sampler draws, whether they fit or not."""
    unit = np.array(words, np.float64).reshape(-1, EACH_TRIAL) / _WORD
    sampler = message.sampler
    scale = _between(unit[:, 0], sampler.min_scale, sampler.max_scale)
    form = _between(unit[:, 1], sampler.min_aspect_ratio, sampler.max_aspect_ratio)
    form = np.clip(form, scale**2, 1 / scale**2)
    size = np.stack([scale * np.sqrt(form), scale / np.sqrt(form)], axis=1)
    start = unit[:, 2:] * np.maximum(1 - size, 0)
    return np.concatenate([start, start + size], axis=1).astype(np.float32)


def _between(unit: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    return low + (high - low) * unit


def satisfied(parts: Boxes, boxes: Boxes, constraint: SampleConstraint) -> Mask:
    """Whether for each part (T, 4) an object (G, 4) is within all bounds: (T,)."""
    given = [(b, f"{end}_{b}") for b in _BOUNDS for end in ("min", "max")]
    given = [(b, name) for b, name in given if constraint.HasField(name)]
    if not given:
        return np.ones(len(parts), bool)
    both = shared(boxes, parts)
    part, box = areas(parts)[:, None], areas(boxes)[None]
    by = {
        "jaccard_overlap": part + box - both,
        "sample_coverage": np.broadcast_to(part, both.shape),
        "object_coverage": np.broadcast_to(box, both.shape),
    }
    fits = np.ones(both.shape, bool)
    for bound, name in given:
        share = np.where(both > 0, both / np.where(by[bound] > 0, by[bound], 1), 0)
        limit = np.float32(getattr(constraint, name))
        fits &= share >= limit if name.startswith("min") else share <= limit
    return fits.any(axis=1)
