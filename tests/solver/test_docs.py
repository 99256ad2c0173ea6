"""docs/solver.md names every policy and rule, and its examples are good files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netspec.proto import SolverParameter
from netspec.solver.check import check_solver
from netspec.solver.schedules import POLICIES
from netspec.solver.updates import RULES
from netspec.spec import parse_solver

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "solver.md").read_text()
EXAMPLES = re.findall(r"^```prototxt\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def rows(head: str) -> dict[str, list[str]]:
    """The cells of the table whose first column is called so, by their first."""
    lines = TEXT[TEXT.index(f"| `{head}` |") :].split("\n\n")[0].splitlines()[2:]
    cells = [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in lines]
    assert len({len(row) for row in cells}) == 1
    return {row[0].strip("`"): row[1:] for row in cells}


def test_every_policy_has_its_formula():
    table = rows("lr_policy")
    assert set(table) == set(POLICIES)
    for name, (formula, _) in table.items():
        for field in POLICIES[name].needs:
            assert field in formula
        assert ("min_lr" in formula) == POLICIES[name].has_min


def test_every_rule_has_its_formula_and_histories():
    table = rows("type")
    assert set(table) == set(RULES)
    for name, (formula, histories, _) in table.items():
        assert formula
        assert len(histories.split(", ")) == RULES[name].histories


def test_fields_are_fields():
    fields = SolverParameter.DESCRIPTOR.fields_by_name
    words = set(re.findall(r"`([a-z0-9]+_[a-z0-9_]+)(?:: [^`]*)?`", TEXT))
    elsewhere = {"lr_mult", "decay_mult", "label_smoothing", "loss_param"}
    assert {"warmup_iter", "ema_decay", "min_lr"} <= words
    assert words - elsewhere <= set(fields)


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_are_good_files(text):
    check_solver(parse_solver(text, "s.prototxt"))


def test_there_are_examples():
    assert len(EXAMPLES) == 3
