"""The step after K iterations against the closed form of linear regression."""

from __future__ import annotations

import math

import numpy as np
import pytest

from .small import REGRESSION, make

ROWS, BATCH, K = 26, 6, 4
LR_MULT, DECAY_MULT = (1.3, 0.6), (0.7, 1.4)

CASES = {
    "SGD": "momentum: 0.8",
    "Nesterov": "momentum: 0.8",
    "AdaGrad": "momentum: 0 delta: 1e-3",
    "RMSProp": "momentum: 0 rms_decay: 0.9 delta: 1e-3",
    "AdaDelta": "momentum: 0.9 delta: 1e-3",
    "Adam": "momentum: 0.8 momentum2: 0.95 delta: 1e-3",
}
RATE, DECAY = 0.05, 0.03
COMMON = f'lr_policy: "fixed" base_lr: {RATE} weight_decay: {DECAY} '


def data():
    draw = np.random.default_rng(8)
    x = draw.standard_normal((ROWS, 3))
    y = x @ [0.4, -1.1, 0.7] + 0.3 + 0.1 * draw.standard_normal(ROWS)
    return x.astype(np.float32), y.astype(np.float32)


def gradient(w, passes):
    """Of the mean over the passes of Σ (x·w + b - y)² / 2N, samples in order."""
    x, y = (a.astype(float) for a in data())
    total = np.zeros(4)
    for p in range(passes):
        rows = np.arange((K * passes + p) * BATCH, (K * passes + p + 1) * BATCH) % ROWS
        design = np.hstack([x[rows], np.ones((BATCH, 1))])
        total += design.T @ (design @ w - y[rows]) / BATCH
    return total / passes


def closed_form(kind, w, h, passes):
    """The parameters after one more step, from those and the histories before it."""
    rate = RATE * np.repeat(LR_MULT, [3, 1])
    g = gradient(w, passes) + DECAY * np.repeat(DECAY_MULT, [3, 1]) * w
    if kind == "SGD":
        return w - (0.8 * h[0] + rate * g)
    if kind == "Nesterov":
        v = 0.8 * h[0] + rate * g
        return w - (1.8 * v - 0.8 * h[0])
    if kind == "AdaGrad":
        return w - rate * g / (np.sqrt(h[0] + g**2) + 1e-3)
    if kind == "RMSProp":
        return w - rate * g / (np.sqrt(0.9 * h[0] + 0.1 * g**2) + 1e-3)
    if kind == "AdaDelta":
        s = 0.9 * h[0] + 0.1 * g**2
        return w - rate * g * np.sqrt((h[1] + 1e-3) / (s + 1e-3))
    m, s = 0.8 * h[0] + 0.2 * g, 0.95 * h[1] + 0.05 * g**2
    unbiased = math.sqrt(1 - 0.95 ** (K + 1)) / (1 - 0.8 ** (K + 1))
    return w - rate * unbiased * m / (np.sqrt(s) + 1e-3)


def packed(solver, array):
    """Weights and bias as one vector of four."""
    pieces = [array[s.slice] for s in solver.net.arena.segments]
    return np.concatenate(pieces).astype(float)


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("kind", CASES)
def test_step_after_k_iterations(kind, passes, tmp_path):
    x, y = data()
    settings = f'{COMMON} {CASES[kind]} type: "{kind}" iter_size: {passes}'
    net = REGRESSION.replace("BATCH", str(BATCH))
    solver = make(tmp_path, settings, net, (x.reshape(-1, 3, 1, 1), y))
    solver.step(K)
    w = packed(solver, solver.net.arena.data)
    h = [packed(solver, each) for each in solver.histories]
    expected = closed_form(kind, w, h, passes)
    solver.step(1)
    # float32 rounding of a step of about 0.05 on weights of about 1.
    found = packed(solver, solver.net.arena.data)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-7)
    assert np.abs(expected - w).min() > 1e-4
