"""Winograd's F(4×4, 3×3), in one dimension, as formulas for any kind of number.

A tile is 4 outputs and the 6 inputs that they see.  With the points 0, ±P, ±Q and
infinity,

    y = Aᵀ [(G w) ∘ (Bᵀ d)]        w: 3 weights, d: 6 inputs, y: 4 outputs

and in two dimensions the same along both axes.  P and Q are exact in binary and lose
four times less precision than the usual 1 and 2: the largest error is about twice that
of a direct sum.  The gradients use the transposes of the same matrices.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016).
"""

from __future__ import annotations

from typing import Any

TILE = 4  # outputs of a tile along one axis
SPAN = 6  # inputs that they see
TAPS = 3  # of a kernel along one axis
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


def outputs(m: Numbers) -> Numbers:
    """Aᵀ m."""
    near, near_odd = m[1] + m[2], m[1] - m[2]
    far, far_odd = m[3] + m[4], m[3] - m[4]
    return [
        m[0] + near + far,
        P * near_odd + Q * far_odd,
        PP * near + QQ * far,
        P * PP * near_odd + Q * QQ * far_odd + m[5],
    ]


def output_gradients(y: Numbers) -> Numbers:
    """A y."""
    near, near_odd = y[0] + PP * y[2], P * y[1] + P * PP * y[3]
    far, far_odd = y[0] + QQ * y[2], Q * y[1] + Q * QQ * y[3]
    return [
        y[0],
        near + near_odd,
        near - near_odd,
        far + far_odd,
        far - far_odd,
        y[3],
    ]


def weights(w: Numbers) -> Numbers:
    """G w."""
    near, near_odd = NEAR * w[0] + NEAR * PP * w[2], NEAR * P * w[1]
    far, far_odd = FAR * w[0] + FAR * QQ * w[2], FAR * Q * w[1]
    return [
        FIRST * w[0],
        near + near_odd,
        near - near_odd,
        far + far_odd,
        far - far_odd,
        w[2],
    ]


def weight_gradients(u: Numbers) -> Numbers:
    """Gᵀ u."""
    near, near_odd = u[1] + u[2], u[1] - u[2]
    far, far_odd = u[3] + u[4], u[3] - u[4]
    return [
        FIRST * u[0] + NEAR * near + FAR * far,
        NEAR * P * near_odd + FAR * Q * far_odd,
        NEAR * PP * near + FAR * QQ * far + u[5],
    ]
