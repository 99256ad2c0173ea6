"""Reading, upgrading, filtering, checking and writing nets and solvers."""

from netspec.spec.lint import Lint, lint_net, lint_solver
from netspec.spec.locate import Located, Places
from netspec.spec.read import (
    inline_net,
    parse_net,
    parse_solver,
    read_net,
    read_solver,
    upgraded_from,
)
from netspec.spec.rules import filter_net
from netspec.spec.write import to_text

__all__ = [
    "Lint",
    "Located",
    "Places",
    "filter_net",
    "inline_net",
    "lint_net",
    "lint_solver",
    "parse_net",
    "parse_solver",
    "read_net",
    "read_solver",
    "to_text",
    "upgraded_from",
]
