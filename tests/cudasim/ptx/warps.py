"""What the lanes of a warp do together: shuffles, votes, matrices."""

from __future__ import annotations

import numpy as np

from tests.cudasim.ptx.memory import PtxError

WARP = 32
_LANES = np.arange(WARP)
_GROUP, _MEMBER = _LANES // 4, _LANES % 4


def by_warp(lanes: np.ndarray, what: str) -> np.ndarray:
    """Active lanes as rows of whole warps."""
    if len(lanes) % WARP or (lanes.reshape(-1, WARP) % WARP != _LANES).any():
        raise PtxError(f"{what} without some lanes of a warp")
    return lanes.reshape(-1, WARP)


def shuffle_sources(
    mode: str, lane: np.ndarray, b: np.ndarray, c: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The lane that each lane reads, and whether there is one in its segment."""
    b, clamp, segment = b & 31, c & 31, c >> 8 & 31
    highest = lane & segment | clamp & ~segment
    lowest = lane & segment
    if mode == "up":
        source = lane - b
        is_inside = source >= highest
    elif mode == "down":
        source = lane + b
        is_inside = source <= highest
    elif mode == "bfly":
        source = lane ^ b
        is_inside = source <= highest
    else:
        source = lowest | b & ~segment
        is_inside = source <= highest
    return np.where(is_inside, source, lane), is_inside


def _halves(words: np.ndarray) -> np.ndarray:
    """Words of each lane, [register][warp, lane], as twice as many halves."""
    parts = [np.stack([w & 0xFFFF, w >> 16]) for w in words]
    halves = np.concatenate(parts).astype(np.uint16).view(np.float16)
    return halves.astype(np.float64)


def _tf32(words: np.ndarray) -> np.ndarray:
    cut = np.ascontiguousarray(words & np.uint32(0xFFFFE000))
    return cut.view(np.float32).astype(np.float64)


def multiply(
    shape: str, a: np.ndarray, b: np.ndarray, c: np.ndarray
) -> list[np.ndarray]:
    """``mma.sync``: the new sums of each lane, as [register][warp, lane].

    Where fragments keep their elements: PTX ISA, "Matrix Fragments for mma.m16n8k16
    with floating point type" and "... for mma.m16n8k8".
    """
    warps = a.shape[1]
    if shape == "m16n8k16":
        a, b, depth = _halves(a), _halves(b), 16
        places_a = [
            (_GROUP + i // 2 % 2 * 8, _MEMBER * 2 + i % 2 + i // 4 * 8)
            for i in range(8)
        ]
        places_b = [(_MEMBER * 2 + i % 2 + i // 2 * 8, _GROUP) for i in range(4)]
    else:
        a, b, depth = _tf32(a), _tf32(b), 8
        places_a = [(_GROUP + i % 2 * 8, _MEMBER + i // 2 * 4) for i in range(4)]
        places_b = [(_MEMBER + i * 4, _GROUP) for i in range(2)]
    left, right = np.zeros((warps, 16, depth)), np.zeros((warps, depth, 8))
    for (row, column), values in zip(places_a, a):
        left[:, row, column] = values
    for (row, column), values in zip(places_b, b):
        right[:, row, column] = values
    product = left @ right
    return [
        (product[:, _GROUP + i // 2 * 8, _MEMBER * 2 + i % 2] + c[i]).astype(np.float32)
        for i in range(4)
    ]


def matrix_words(rows: np.ndarray, count: int, transposed: bool) -> list[np.ndarray]:
    """``ldmatrix``: the word of each lane of each matrix.

    Args:
        rows: [warp, lane, 8] halves; lane 8 m + r has row r of matrix m.
    """
    warps, words = rows.shape[0], []
    for m in range(count):
        matrix = rows[:, 8 * m : 8 * m + 8].astype(np.uint32)
        if transposed:
            matrix = matrix.transpose(0, 2, 1)
        pairs = matrix.reshape(warps, WARP, 2)
        words.append(pairs[:, :, 0] | pairs[:, :, 1] << np.uint32(16))
    return words
