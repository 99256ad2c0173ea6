"""Verdicts on ranks as a table: who said what when, and who is lost."""

from __future__ import annotations

import pytest

from netspec.sync.watch import WAITING, Watch

NAMES = ["rank 0 (a)", "rank 1 (b)", "rank 2 (b)"]


def watch(*beats, limit=10.0):
    """(rank, activity, since, heard) each."""
    found = Watch(NAMES, range(3), limit, now=0.0)
    for rank, activity, since, heard in beats:
        found.hear(rank, activity, since, heard)
    return found


@pytest.mark.parametrize(
    ("beats", "now", "verdict"),
    [
        ([], 9.0, ""),
        ([], 11.0, "rank 0 (a), rank 1 (b), rank 2 (b) have not been heard of for"),
        (
            [(0, "forward", 1, 12), (2, WAITING, 8, 12)],
            12.5,
            "rank 1 (b) has not been heard of for 10 s: the process is stopped, or its "
            "machine is gone.",
        ),
        # Long work while nobody waits is no fault.
        ([(r, "test", 500, 12) for r in range(3)], 12.5, ""),
        ([(0, "forward", 500, 12), (1, WAITING, 9, 12), (2, WAITING, 9, 12)], 12.5, ""),
        (
            [(0, WAITING, 11, 12), (1, "data", 31.6, 12), (2, WAITING, 10.5, 12)],
            12.5,
            "the other ranks have waited for 10 s for rank 1 (b) (at data for 32 s).",
        ),
        (
            [(r, WAITING, 10.5, 12) for r in range(3)],
            12.5,
            "all ranks have waited for each other for 10 s: messages between them are "
            "lost.",
        ),
    ],
)
def test_verdicts(beats, now, verdict):
    found = watch(*beats).verdict(now)
    assert found.startswith(verdict)
    assert bool(found) == bool(verdict)


def test_the_last_beat_counts():
    found = watch((1, WAITING, 50, 1), (1, "forward", 0.1, 2))
    assert found.verdict(3.0) == ""


def test_a_pause_of_the_watch_is_nobodys_silence():
    found = watch(*((rank, "forward", 1, 12) for rank in range(3)))
    assert found.verdict(40.0)
    found.excuse(25.0)
    assert found.verdict(40.0) == ""
    assert found.verdict(48.0)
