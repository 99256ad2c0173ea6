"""Kill -9 at any moment loses nothing: a short version of tools/soak_resume.py."""

from __future__ import annotations

import sys

import pytest

from .soaking import soak

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks for processes in /proc"
)


def test_killed_runs_end_with_the_weights_of_an_undisturbed_one(tmp_path):
    tally = soak(tmp_path, kills=5, seed=1, length=40)
    assert tally.kills >= 5
    assert tally.ends


def test_killed_ranks_go_on_with_another_number_of_ranks(tmp_path):
    pytest.importorskip("mpi4py", reason="needs the extra mpi")
    tally = soak(tmp_path, kills=3, ranks=(2, 1), seed=2, length=40)
    assert tally.kills >= 3
    assert tally.ends
