"""What MultiBoxLoss asks of each prior's codes and scores: matches, codes, mining."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netspec.errors import SpecError
from netspec.layers.box_matching import (
    NOBODY,
    Mask,
    Numbers,
    Truth,
    beyond,
    codes,
    hardest,
    match,
)
from netspec.proto import MultiBoxLossParameter, PriorBoxParameter

Array = Any
Uncovered = Callable[[int, Numbers], Numbers]

PREFIX = "multibox_loss_param"


@dataclass(frozen=True)
class Rules:
    """``multibox_loss_param`` as far as it says what is asked.

    Attributes:
        labels: boxes a prior: 1, or one a class.
        several: whether a prior may be asked for several classes.
        background: the class of what stands for no object.
        unmatched: the class asked of what is not matched; no class: none of them.
        threshold: overlap from which a prior is matched beside the best; None: never.
        by_prior: match priors, not the predicted boxes.
        within, inside: ``ignore_cross_boundary_bbox``, ``bp_inside``.
        variance_in_target: the codes have the variances multiplied in.
        mines, hard_examples: whether some scores count only, and which.
        suppresses, covers_predicted: mining leaves out what is covered, by the
            predicted boxes.
    """

    labels: int
    several: bool
    background: int
    unmatched: int
    agnostic: bool
    threshold: float | None
    by_prior: bool
    within: bool
    inside: bool
    code: str
    variance_in_target: bool
    mines: bool
    hard_examples: bool
    ratio: float
    below: float
    samples: int
    suppresses: bool
    covers_predicted: bool

    @staticmethod
    def read(message: MultiBoxLossParameter) -> Rules:
        """From the message.

        Raises:
            SpecError: what does not go together.
        """
        kind = MultiBoxLossParameter
        mines = message.mining_type != kind.NONE
        _check_mining(message, mines)
        softmax = message.conf_loss_type == kind.SOFTMAX
        background = message.background_label_id
        each = message.match_type == kind.PER_PREDICTION
        nms = message.nms_param
        suppresses = message.HasField("nms_param") and nms.nms_threshold > 0
        return Rules(
            labels=1 if message.share_location else message.num_classes,
            several=not (message.share_location or softmax),
            background=background,
            unmatched=background if mines or softmax else message.num_classes,
            agnostic=message.map_object_to_agnostic,
            threshold=message.overlap_threshold if each else None,
            by_prior=message.use_prior_for_matching,
            within=message.ignore_cross_boundary_bbox,
            inside=message.bp_inside,
            code=PriorBoxParameter.CodeType.Name(message.code_type),
            variance_in_target=message.encode_variance_in_target,
            mines=mines,
            hard_examples=message.mining_type == kind.HARD_EXAMPLE,
            ratio=message.neg_pos_ratio,
            below=message.neg_overlap,
            samples=message.sample_size,
            suppresses=mines and suppresses,
            covers_predicted=mines and suppresses and not message.use_prior_for_nms,
        )


def _check_mining(message: MultiBoxLossParameter, mines: bool) -> None:
    if message.HasField("do_neg_mining") and message.do_neg_mining != mines:
        raise SpecError(
            f"do_neg_mining {str(message.do_neg_mining).lower()} contradicts "
            "mining_type.",
            "Remove it: mining_type says it all.",
            field=f"{PREFIX}.do_neg_mining",
        )
    if mines and not message.share_location:
        raise SpecError(
            "mines among priors with a box for each class.",
            "Set mining_type: NONE, or share_location: true.",
            field=f"{PREFIX}.mining_type",
        )
    hard = message.mining_type == MultiBoxLossParameter.HARD_EXAMPLE
    if hard and message.sample_size < 1:
        raise SpecError(
            f"sample_size is {message.sample_size}.",
            "Give at least 1.",
            field=f"{PREFIX}.sample_size",
        )


@dataclass
class Targets:
    """What is asked of a batch of N images, P priors, L boxes a prior.

    Attributes:
        found: (N, L, P): the true box of each, or below 0.
        most: (N, L, P): the largest overlap of each.
        codes, weights: (N, P, L, 4): codes asked for, and factors of the distances.
        classes: (N, P): classes asked for.
        others: (N, P, L): further classes asked for, where there may be several.
        counts: (N, P): whose scores count.
        present: (N,): whether an image has true boxes.
    """

    found: Numbers
    most: Array
    codes: Array
    weights: Array
    classes: Numbers
    others: Mask | None
    counts: Mask
    present: Mask

    @property
    def matches(self) -> int:
        """Boxes that are matched."""
        return int((self.found > NOBODY).sum())


def choose(
    rules: Rules, truth: Sequence[Truth], priors: Array, predicted: Array | None
) -> Targets:
    """Match, and say what follows from it; nothing is mined yet.

    Args:
        priors: (2, P, 4): boxes and variances.
        predicted: (N, L, P, 4), where they matter.
    """
    batch, number = len(truth), priors.shape[1]
    boxes = (batch, number, rules.labels, 4)
    targets = Targets(
        found=np.full((batch, rules.labels, number), NOBODY, np.int64),
        most=np.zeros((batch, rules.labels, number), priors.dtype),
        codes=np.zeros(boxes, priors.dtype),
        weights=np.zeros(boxes, priors.dtype),
        classes=np.full((batch, number), rules.unmatched, np.int64),
        others=np.zeros(boxes[:3], bool) if rules.several else None,
        counts=np.ones((batch, number), bool),
        present=np.array([len(own.labels) > 0 for own in truth]),
    )
    for image, own in enumerate(truth):
        boxes_of = None if predicted is None else predicted[image]
        _match_image(rules, targets, image, own, priors[0], boxes_of)
        _ask(rules, targets, image, own, priors, boxes_of)
    return targets


def _match_image(
    rules: Rules,
    targets: Targets,
    image: int,
    truth: Truth,
    priors: Array,
    predicted: Array | None,
) -> None:
    """Fill ``found`` and ``most`` of one image."""
    once = None
    if rules.by_prior:
        once = match(priors, truth.boxes, rules.threshold, rules.within)
    for label in range(rules.labels):
        every = rules.labels == 1
        if not every and label == rules.background:
            continue
        if once is None:
            assert predicted is not None
            numbers = np.flatnonzero(every | (truth.labels == label))
            own = truth.boxes[numbers]
            found, most = match(predicted[label], own, rules.threshold, rules.within)
            found = _renumbered(found, numbers)
        else:
            found, most = once
            if not every:
                found = np.where(_labels_at(truth, found) == label, found, NOBODY)
        targets.found[image, label], targets.most[image, label] = found, most


def _renumbered(found: Numbers, numbers: Numbers) -> Numbers:
    """Numbers within a part of the true boxes as numbers of all."""
    if not len(numbers):
        return np.full_like(found, NOBODY)
    return np.where(found > NOBODY, numbers[np.maximum(found, 0)], found)


def _labels_at(truth: Truth, found: Numbers) -> Numbers:
    """The class of the true box of each; NOBODY for none."""
    if not len(truth.labels):
        return np.full_like(found, NOBODY)
    return np.where(found > NOBODY, truth.labels[np.maximum(found, 0)], NOBODY)


def _ask(
    rules: Rules,
    targets: Targets,
    image: int,
    truth: Truth,
    priors: Array,
    predicted: Array | None,
) -> None:
    """Fill codes, weights and classes of one image from its matches."""
    for label in range(rules.labels):
        found = targets.found[image, label]
        at = np.flatnonzero(found > NOBODY)
        if not len(at):
            continue
        box, variance = priors[0][at], priors[1][at]
        code = codes(truth.boxes[found[at]], box, rules.code)
        weight = np.ones_like(code)
        if rules.variance_in_target:
            weight = weight / variance
        else:
            code = code / variance
        if rules.inside:
            own = box if rules.by_prior or predicted is None else predicted[label][at]
            weight[beyond(own)] = 0
        targets.codes[image, at, label] = code
        targets.weights[image, at, label] = weight
        agnostic = np.full(len(at), rules.background + 1)
        labels = agnostic if rules.agnostic else truth.labels[found[at]]
        targets.classes[image, at] = labels
        if targets.others is not None:
            targets.others[image, at, labels] = True


def mine(rules: Rules, targets: Targets, losses: Array, uncovered: Uncovered) -> None:
    """Choose whose scores count; hard examples may also lose their matches.

    Args:
        losses: (N, P).
        uncovered: of an image's priors, by their numbers, those that no other of a
            higher loss covers, the highest first.
    """
    for image in range(len(losses)):
        found, most = targets.found[image, 0], targets.most[image, 0]
        matched = found > NOBODY
        if not targets.present[image]:
            targets.counts[image] = False
            continue
        if rules.hard_examples:
            eligible = np.ones_like(matched)
            number = rules.samples
        else:
            eligible = (found == NOBODY) & (most < rules.below)
            number = int(np.float32(matched.sum()) * np.float32(rules.ratio))
        chosen = np.zeros_like(matched)
        if rules.suppresses:
            chosen[uncovered(image, np.flatnonzero(eligible))[:number]] = True
        else:
            chosen[hardest(losses[image], eligible, number)] = True
        if rules.hard_examples:
            found[matched & ~chosen] = NOBODY
            targets.weights[image, matched & ~chosen] = 0
            matched = matched & chosen
        targets.counts[image] = matched | (chosen & (found == NOBODY))
