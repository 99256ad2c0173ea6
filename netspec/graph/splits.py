"""Split layers: one copy of a blob for each layer that reads it.

Caffe's rule and Caffe's names: a blob read *n* > 1 times (a loss weight counts as one
reader) is followed by a Split with tops ``BLOB_LAYER_TOP_split_0`` ... and its diff is
the sum of the readers' diffs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netspec.errors import SpecError
from netspec.graph.draft import Draft
from netspec.proto import LayerParameter
from netspec.registry import suggest


@dataclass(frozen=True)
class Made:
    """One version of a blob: the layer and top that made it."""

    layer: int
    top: int


def insert_splits(drafts: list[Draft], is_loss: Iterable[bool]) -> list[Draft]:
    """The same layers with Splits between, bottoms renamed to read from them.

    Raises:
        SpecError: a bottom that no earlier layer makes.
    """
    reads = _find_makers(drafts)
    readers = Counter(reads.values())
    for i, (draft, loss) in enumerate(zip(drafts, is_loss)):
        readers.update(Made(i, t) for t in _weighted_tops(draft.proto, loss))
    return list(_with_splits(drafts, reads, readers))


def _find_makers(drafts: list[Draft]) -> dict[tuple[int, int], Made]:
    """For every (layer, bottom) the version of the blob that it reads."""
    latest: dict[str, Made] = {}
    reads: dict[tuple[int, int], Made] = {}
    for i, draft in enumerate(drafts):
        for b, name in enumerate(draft.proto.bottom):
            if name not in latest:
                raise _unknown_bottom(draft, b, latest)
            reads[i, b] = latest[name]
        for t, name in enumerate(draft.proto.top):
            latest[name] = Made(i, t)
    return reads


def _unknown_bottom(draft: Draft, b: int, known: Iterable[str]) -> SpecError:
    return SpecError(
        f"bottom {b} is blob {draft.proto.bottom[b]!r}, which no layer before it "
        "makes.",
        suggest(draft.proto.bottom[b], known),
        place=draft.place_of("bottom", b),
        layer=draft.title,
    )


def _weighted_tops(proto: LayerParameter, is_loss: bool) -> list[int]:
    """Tops with a loss weight, which read the blob once more for the net's loss."""
    if proto.loss_weight:
        return [t for t, w in enumerate(proto.loss_weight[: len(proto.top)]) if w]
    return [0] if is_loss and proto.top else []


def _with_splits(
    drafts: list[Draft],
    reads: dict[tuple[int, int], Made],
    readers: Counter[Made],
) -> Iterator[Draft]:
    taken: Counter[Made] = Counter()
    for i, draft in enumerate(drafts):
        draft = draft.copy()
        for b in range(len(draft.proto.bottom)):
            made = reads[i, b]
            if readers[made] > 1:
                base = _split_name(drafts, made)
                draft.proto.bottom[b] = f"{base}_{taken[made]}"
                taken[made] += 1
        splits = [
            (t, Made(i, t))
            for t in range(len(draft.proto.top))
            if readers[Made(i, t)] > 1
        ]
        weights = {t: _take_weight(draft.proto, t, taken, made) for t, made in splits}
        yield draft
        for t, made in splits:
            yield _split(draft, t, _split_name(drafts, made), readers[made], weights[t])


def _split_name(drafts: list[Draft], made: Made) -> str:
    maker = drafts[made.layer].proto
    return f"{maker.top[made.top]}_{maker.name}_{made.top}_split"


def _take_weight(
    proto: LayerParameter, top: int, taken: Counter[Made], made: Made
) -> float:
    """Move a weight from a top that is split to the Split's first top."""
    if top >= len(proto.loss_weight) or not proto.loss_weight[top]:
        return 0.0
    weight = proto.loss_weight[top]
    proto.loss_weight[top] = 0.0
    taken[made] += 1
    return weight


def _split(draft: Draft, top: int, base: str, copies: int, weight: float) -> Draft:
    proto = LayerParameter(name=base, type="Split", bottom=[draft.proto.top[top]])
    proto.top.extend(f"{base}_{k}" for k in range(copies))
    if weight:
        proto.loss_weight.extend([weight] + [0.0] * (copies - 1))
    return Draft(proto, draft.place, inserted=True)
