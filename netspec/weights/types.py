"""Layer types of old files in today's spelling."""

from __future__ import annotations

from netspec.proto import V1LayerParameter
from netspec.spec.upgrade_v1 import type_name

# The only two V0 types with blobs; of others the old word is as good.
_V0 = {"conv": "Convolution", "innerproduct": "InnerProduct"}


def v1_type(number: int) -> str:
    """Type of a V1 layer: 4 is "Convolution"; "" for a number that is no type."""
    known = V1LayerParameter.LayerType.values()
    return type_name(number) if number in known else ""


def v0_type(word: str) -> str:
    """Type of a V0 layer: "conv" is "Convolution"."""
    return _V0.get(word, word)
