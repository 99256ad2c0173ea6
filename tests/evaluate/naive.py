"""The small net and every protocol again: one image at a time, in plain NumPy."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from netspec.data.resize import resize
from tests.evaluate.small import CROP, MEAN

SCALE = 0.0125


def score_map(params: dict, x: np.ndarray) -> np.ndarray:
    """Scores (K, h, w) of one input (C, H, W) of at least the net's own size."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    y = slide(padded, *params["conv"])
    y = np.maximum(y, 0)
    even = np.pad(y, ((0, 0), (0, y.shape[1] % 2), (0, y.shape[2] % 2)))
    pooled = even.reshape(len(y), even.shape[1] // 2, 2, even.shape[2] // 2, 2)
    y = pooled.max((2, 4))
    weights, bias = params["fc1"]
    y = np.maximum(slide(y, weights.reshape(-1, *kernel(len(y))), bias), 0)
    weights, bias = params["fc2"]
    return slide(y, weights.reshape(*weights.shape, 1, 1), bias)


def kernel(channels: int) -> tuple[int, int, int]:
    return channels, CROP[0] // 2, CROP[1] // 2


def slide(x: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    windows = sliding_window_view(x, weights.shape[2:], axis=(1, 2))
    summed = np.einsum("chwij,kcij->khw", windows, weights.astype(np.float64))
    return summed + bias.astype(np.float64)[:, None, None]


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(0))
    return powers / powers.sum(0)


def rescaled(picture: np.ndarray, short: int) -> np.ndarray:
    height, width = picture.shape[1:]
    if height < width:
        size = short, int(width * short / height + 0.5)
    else:
        size = int(height * short / width + 0.5), short
    return resize(picture.transpose(1, 2, 0), *size).transpose(2, 0, 1)


def prepared(picture: np.ndarray) -> np.ndarray:
    return (picture - np.array(MEAN)[:, None, None]) * SCALE


def corners(room_y: int, room_x: int) -> list[tuple[int, int]]:
    """Five places."""
    return [
        (0, 0), (0, room_x), (room_y, 0), (room_y, room_x), (room_y // 2, room_x // 2)
    ]  # fmt: skip


def places(kind: str, room_y: int, room_x: int) -> list[tuple[int, int]]:
    if kind == "single":
        return [(room_y // 2, room_x // 2)]
    if kind == "ten-crop":
        return corners(room_y, room_x)
    steps = [0, 0.25, 0.5, 0.75, 1]
    return [
        (int(a * room_y + 0.5), int(b * room_x + 0.5)) for a, b in product(steps, steps)
    ]


def posterior_of_kind(
    params: dict, kind: str, whole: np.ndarray, mirror: bool, average: str
) -> np.ndarray:
    found = []
    for flipped in (whole, whole[:, :, ::-1])[: 1 + mirror]:
        if kind == "dense":
            scores = score_map(params, prepared(flipped))
            if average == "scores":
                found.append(softmax(scores.mean((1, 2))))
            else:
                found.append(softmax(scores).mean((1, 2)))
            continue
        room_y, room_x = (n - c for n, c in zip(whole.shape[1:], CROP))
        for y, x in places(kind, room_y, room_x):
            if flipped is not whole:
                x = room_x - x  # the mirror image of the same place
            crop = flipped[:, y : y + CROP[0], x : x + CROP[1]]
            found.append(softmax(score_map(params, prepared(crop))[:, 0, 0]))
    return np.mean(found, 0)


def posterior(
    params: dict,
    picture: np.ndarray,
    kinds: tuple[str, ...],
    scales: tuple[int, ...],
    mirror: bool,
    average: str = "scores",
) -> np.ndarray:
    """The mean over kinds of the mean over scales."""
    return np.mean(
        [
            np.mean(
                [
                    posterior_of_kind(
                        params, kind, rescaled(picture, q), mirror, average
                    )
                    for q in scales
                ],
                0,
            )
            for kind in kinds
        ],
        0,
    )
