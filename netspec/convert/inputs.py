"""What both sides of a comparison are given: seeded inputs of several sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netspec.convert.model import Model
from netspec.convert.preprocessing import tensors
from netspec.shapes import Shape, describe

Array = Any

BATCHES = (1, 3)
# Small values, and values as large as pixels: a net answers both, and an option that
# is misread (a constant added, a window of LRN) shows in one or the other.
_SPREADS = (1.0, 20.0)
_MORE = (23, 14)  # pixels that the second image is higher and wider


@dataclass(frozen=True)
class Case:
    """One set of inputs.

    Attributes:
        about: in words.
        arrays: what the converted model takes.
        facts: shape, seed and distribution of each input, for the certificate.
        source: what the source takes, where that differs (a folded model).
    """

    about: str
    arrays: dict[str, Array]
    facts: dict[str, dict[str, Any]]
    source: dict[str, Array] | None = None


def cases(model: Model, free: frozenset[str], seed: int = 0) -> list[Case]:
    """Two sets of inputs for a model, of different sizes where its sizes are free.

    Args:
        free: which of ``"batch"`` and ``"size"`` the converted model leaves open.
    """
    return [
        _case(model, _sizes(model, free, i), seed + i, _SPREADS[i])
        for i in range(len(_SPREADS))
    ]


def _sizes(model: Model, free: frozenset[str], index: int) -> dict[str, Shape]:
    return {name: _resized(shape, free, index) for name, shape in model.inputs.items()}


def _resized(shape: Shape, free: frozenset[str], index: int) -> Shape:
    if "batch" in free and shape:
        shape = (BATCHES[index], *shape[1:])
    if "size" in free and index and len(shape) == 4:
        shape = (*shape[:2], shape[2] + _MORE[0], shape[3] + _MORE[1])
    return shape


def _case(model: Model, shapes: Mapping[str, Shape], seed: int, spread: float) -> Case:
    random = np.random.Generator(np.random.Philox(seed))
    arrays, facts = {}, {}
    for name, shape in shapes.items():
        values, how = _draw(model, name, shape, random, spread)
        arrays[name] = values
        facts[name] = {"shape": list(shape), "seed": seed, "drawn": how}
    sizes = ", ".join(f"{name} {describe(shape)}" for name, shape in shapes.items())
    drawn = next(iter(facts.values()), {"drawn": "nothing"})["drawn"]
    source = _preprocessed(model, arrays) if model.fold else None
    return Case(f"{sizes} ({drawn}, seed {seed})", arrays, facts, source)


def _preprocessed(model: Model, arrays: dict[str, Array]) -> dict[str, Array]:
    """The source's input; that of the folded model is put in place of its pictures."""
    source = dict(arrays)
    for name, pictures in arrays.items():
        if pictures.ndim == 4:
            source[name] = tensors(model.fold.source.preprocess, pictures)
            arrays[name] = tensors(model.fold.left, pictures)
    return source


def _draw(
    model: Model, name: str, shape: Shape, random: np.random.Generator, spread: float
) -> tuple[Array, str]:
    rows = _indexed_rows(model, name)
    if rows:
        indices = random.integers(0, rows, shape).astype(np.float32)
        return indices, f"indices from 0 to {rows - 1}"
    if model.preprocess and len(shape) == 4 and shape[1] == model.preprocess.depth:
        pictures = random.integers(0, 256, shape).astype(np.float32)
        folded = pictures if model.fold else tensors(model.preprocess, pictures)
        return folded, "preprocessed pixels"
    values = random.standard_normal(shape, np.float32) * np.float32(spread)
    return values, f"normal, deviation {spread:g}"


def _indexed_rows(model: Model, name: str) -> int:
    """Rows that an input chooses among, where it is read by an Embed; else 0."""
    for node in model.graph.nodes:
        if name in node.bottoms and node.type == "Embed":
            return node.layer.rows  # type: ignore[attr-defined]
        if (
            name in node.bottoms
            and node.type == "BatchReindex"
            and node.bottoms[1] == name
        ):
            return node.bottom_shapes[0][0]
    return 0
