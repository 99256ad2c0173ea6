from __future__ import annotations

import math

import pytest

from netspec.solver.plateau import Measured, Patience, Verdict, judge

NAN = math.nan


def record(*metrics):
    return [Measured(500 * i, metric) for i, metric in enumerate(metrics)]


def verdict(drops, stop, best):
    return Verdict(drops, stop, best and Measured(500 * best[0], best[1]))


UP = Patience(tests=2, drops=2)
TABLE = {
    "nothing yet": (UP, [], verdict(0, False, None)),
    "rising": (UP, [0.1, 0.2, 0.3], verdict(0, False, (2, 0.3))),
    "one bad test": (UP, [0.2, 0.1], verdict(0, False, (0, 0.2))),
    "equal is no gain": (UP, [0.2, 0.2, 0.2], verdict(1, False, (0, 0.2))),
    "a gain ends a stall": (UP, [0.2, 0.1, 0.3, 0.1], verdict(0, False, (2, 0.3))),
    "patience begins anew": (UP, [0.2, 0.1, 0.1, 0.1], verdict(1, False, (0, 0.2))),
    "second drop": (UP, [0.2] + [0.1] * 4, verdict(2, False, (0, 0.2))),
    "then it stops": (UP, [0.2] + [0.1] * 6, verdict(2, True, (0, 0.2))),
    "better later is too late": (
        UP,
        [0.2] + [0.1] * 6 + [0.9],
        verdict(2, True, (0, 0.2)),
    ),
    "the best is kept over a drop": (
        UP,
        [0.4, 0.1, 0.1, 0.3, 0.5],
        verdict(1, False, (4, 0.5)),
    ),
    "lower is better": (
        Patience(tests=1, drops=1, higher=False),
        [0.5, 0.4, 0.45],
        verdict(1, False, (1, 0.4)),
    ),
    "a gain too small": (
        Patience(tests=1, drops=3, min_delta=0.125),
        [0.25, 0.375, 0.5],
        verdict(1, False, (2, 0.5)),
    ),
    "not a number is no gain": (UP, [NAN, 0.1, NAN, NAN], verdict(1, False, (1, 0.1))),
    "no drops at all": (
        Patience(tests=1, drops=0),
        [0.2, 0.1],
        verdict(0, True, (0, 0.2)),
    ),
}


@pytest.mark.smoke
@pytest.mark.parametrize("case", TABLE)
def test_verdicts(case):
    patience, metrics, expected = TABLE[case]
    assert judge(record(*metrics), patience) == expected


def test_the_papers_schedule():
    """Accuracy that stalls at every rate: three drops, then the end."""
    stalls = [0.5, *[0.4] * 5, 0.6, *[0.5] * 5, 0.7, *[0.6] * 5]
    patience = Patience(tests=5, drops=3)
    assert judge(record(*stalls), patience).drops == 3
    assert not judge(record(*stalls), patience).stop
    assert judge(record(*stalls, *[0.6] * 5), patience).stop
