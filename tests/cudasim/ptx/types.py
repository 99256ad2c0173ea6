"""PTX's types as NumPy's."""

from __future__ import annotations

import numpy as np

UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
SIGNED = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}

TYPES: dict[str, np.dtype] = {"pred": np.dtype(np.bool_)}
for _bytes in UNSIGNED:
    TYPES[f"b{_bytes * 8}"] = TYPES[f"u{_bytes * 8}"] = np.dtype(UNSIGNED[_bytes])
    TYPES[f"s{_bytes * 8}"] = np.dtype(SIGNED[_bytes])
for _bytes in (2, 4, 8):
    TYPES[f"f{_bytes * 8}"] = np.dtype(f"f{_bytes}")
TYPES["f16x2"] = TYPES["tf32"] = np.dtype(np.uint32)

# The type in which a product of two has room.
WIDER = {
    "u16": np.dtype(np.uint32),
    "s16": np.dtype(np.int32),
    "u32": np.dtype(np.uint64),
    "s32": np.dtype(np.int64),
}


def storage(name: str) -> np.dtype:
    """What a register of a type is kept as."""
    dtype = TYPES[name]
    return dtype if name == "pred" else np.dtype(UNSIGNED[dtype.itemsize])
