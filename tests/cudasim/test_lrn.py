"""Local response normalisation against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends.test_lrn import REGIONS, WINDOWS

SHAPES = [(2, 7, 5, 6), (1, 37, 3, 4), (2, 3, 19, 18)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("region", REGIONS)
def test_both_regions(region, window, shape, machine):
    rng = np.random.default_rng(4)
    x, dy = (3 * rng.standard_normal(shape).astype(np.float32) for _ in range(2))

    def call(ops):
        y, dx = np.full_like(x, np.nan), np.full_like(x, np.nan)
        getattr(ops, f"lrn_{region}")(x, y, window)
        getattr(ops, f"lrn_{region}_backward")(x, dy, dx, window)
        return y, dx

    # A dozen float32 roundings, in a power and a difference of like terms.
    machine.agree(call, 1e-5)
