"""Winograd's F(4×4, 3×3) and F(2×2, 5×5), in one dimension, as formulas for any kind of
number.

A tile is 4 or 2 outputs and the 6 inputs that they see.  With the points 0, ±P, ±Q and
infinity,

    y = Aᵀ [(G w) ∘ (Bᵀ d)]        w: 3 or 5 weights, d: 6 inputs, y: 4 or 2 outputs

and in two dimensions the same along both axes; B is the same for both.  P and Q are
exact in binary and lose four times less precision than the usual 1 and 2: the largest
error is about twice that of a direct sum.  The gradients use the transposes of the same
matrices.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016).
"""

from __future__ import annotations

from typing import Any

SPAN = 6  # inputs that the outputs of a tile see along one axis
TAPS, TILE = 3, 4  # of a small kernel along one axis, and outputs of its tiles
WIDE_TAPS = 5  # of a wide one
P, Q = 0.75, 1.5
PP, QQ = P * P, Q * Q
FIRST, NEAR, FAR = 1 / (PP * QQ), 0.5 / (PP * (PP - QQ)), 0.5 / (QQ * (QQ - PP))

Number = Any  # anything that adds, subtracts and is multiplied by a float
Numbers = list[Number]


def inputs(d: Numbers) -> Numbers:
    """Bᵀ d."""
    near, far = d[4] - QQ * d[2], d[4] - PP * d[2]
    near_odd, far_odd = P * (d[3] - QQ * d[1]), Q * (d[3] - PP * d[1])
    return [
        PP * QQ * d[0] - (PP + QQ) * d[2] + d[4],
        near + near_odd,
        near - near_odd,
        far + far_odd,
        far - far_odd,
        PP * QQ * d[1] - (PP + QQ) * d[3] + d[5],
    ]


def outputs(m: Numbers, tile: int = TILE) -> Numbers:
    """Aᵀ m: *tile* numbers."""
    near, far = _sums(m)
    y = [m[0] + near[0] + far[0]]
    y += [P**i * near[i % 2] + Q**i * far[i % 2] for i in range(1, tile)]
    return [*y[:-1], y[-1] + m[5]]


def output_gradients(y: Numbers) -> Numbers:
    """A y."""
    return [y[0], *_at_points(1.0, P, y), *_at_points(1.0, Q, y), y[-1]]


def weights(w: Numbers) -> Numbers:
    """G w."""
    return [FIRST * w[0], *_at_points(NEAR, P, w), *_at_points(FAR, Q, w), w[-1]]


def weight_gradients(u: Numbers, taps: int = TAPS) -> Numbers:
    """Gᵀ u: *taps* numbers."""
    near, far = _sums(u)
    w = [FIRST * u[0] + NEAR * near[0] + FAR * far[0]]
    w += [NEAR * P**i * near[i % 2] + FAR * Q**i * far[i % 2] for i in range(1, taps)]
    return [*w[:-1], w[-1] + u[5]]


def _sums(m: Numbers) -> tuple[Numbers, Numbers]:
    """Of what belongs to ±P, and to ±Q: the sum, and the difference."""
    return [m[1] + m[2], m[1] - m[2]], [m[3] + m[4], m[3] - m[4]]


def _at_points(factor: float, point: float, terms: Numbers) -> Numbers:
    """A polynomial with these terms times a factor, at a point and at its opposite."""
    scaled = [
        term if factor * point**i == 1 else factor * point**i * term
        for i, term in enumerate(terms)
    ]
    even, odd = scaled[0], scaled[1]
    for i, term in enumerate(scaled[2:]):
        if i % 2:
            odd = odd + term
        else:
            even = even + term
    return [even + odd, even - odd]
