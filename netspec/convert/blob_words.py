"""A word for each blob of a layer, for formats that name every tensor."""

from __future__ import annotations

_AFFINE = ("weight", "bias")
_WORDS: dict[str, tuple[str, ...]] = {
    "BatchNorm": ("mean", "variance", "factor", "scale", "bias"),
    "BN": ("scale", "bias", "mean", "variance"),
    "Scale": ("scale", "bias"),
    "PReLU": ("slope",),
    "Normalize": ("scale",),
    "Bias": ("bias",),
}
_POSITIONS = {
    "weight": 0, "scale": 0, "slope": 0, "mean": 0, "bias": 1, "variance": 1,
    "factor": 2,
}  # fmt: skip


def blob_words(kind: str, blobs: int) -> list[str]:
    """Words for the blobs of a layer of a type; numbers for what has no word."""
    words = _WORDS.get(kind, _AFFINE)
    return [words[i] if i < len(words) else str(i) for i in range(blobs)]


def position(word: str) -> int | None:
    """The place of a blob among its layer's, from its word; None: no such word."""
    if word.isdecimal():
        return int(word)
    return _POSITIONS.get(word)
