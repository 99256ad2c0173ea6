from __future__ import annotations

import pytest

from netspec.solver.balance import FIRST, WINDOW, Balance
from netspec.solver.tally import RankSeconds

NAMES = ["rank 0", "rank 1", "rank 2"]


def said(*ranks, iterations=FIRST + WINDOW):
    balance = Balance(NAMES[: len(ranks)])
    return [
        warning.problem
        for _ in range(iterations)
        for warning in balance.see([RankSeconds(*rank) for rank in ranks])
    ]


EVEN = (0.05, 0.9, 0.05)


@pytest.mark.parametrize(
    ("ranks", "problems"),
    [
        ([(0.05, 1.0, 0.0)], []),
        ([EVEN] * 3, []),
        (
            [(0.4, 0.6, 0.0)],
            ["training is input-bound: 40 % of the time is spent on waiting for data."],
        ),
        (
            [(0.0, 1.0, 0.4), (0.0, 1.4, 0.0), (0.0, 1.0, 0.4)],
            ["rank 1 is 40 % slower than the others, which wait for it."],
        ),
        (
            [(0.0, 0.6, 0.4)] * 2,
            [
                "training is bound by communication: 40 % of the time is spent on "
                "waiting for sums over ranks."
            ],
        ),
        # Too quick for anybody to care.
        ([(0.0006, 0.0001, 0.0)], []),
    ],
)
def test_what_holds_a_run_up(ranks, problems):
    assert said(*ranks) == problems


def test_it_speaks_once_and_not_too_early():
    slow = (0.5, 0.5, 0.0)
    assert said(slow, iterations=FIRST + WINDOW - 1) == []
    assert len(said(slow, iterations=10 * WINDOW)) == 1


def test_odd_iterations_do_not_count():
    balance = Balance(["rank 0"])
    heard = []
    for i in range(FIRST + WINDOW):
        odd = i < FIRST or i % 7 == 0
        heard += balance.see([RankSeconds(9.0 if odd else 0.01, 1.0, 0.0)])
    assert heard == []
