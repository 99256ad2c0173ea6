"""Which layers of a file go where: renaming and choosing by patterns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from netspec.errors import UsageError
from netspec.registry import suggest


def parse_renames(rules: Iterable[str]) -> dict[str, str]:
    """``["old=new", ...]``, as ``--map`` gives them, as a mapping.

    Raises:
        UsageError: a rule without exactly one ``=``, or two for one old name.
    """
    renames: dict[str, str] = {}
    for rule in rules:
        old, equals, new = rule.partition("=")
        if not (old and equals and new) or "=" in new:
            problem = f"the rename {rule!r} is not of the form old=new."
            raise UsageError(problem, "For example --map fc8=fc8_flowers.")
        if old in renames:
            problem = f"{old!r} is renamed twice, to {renames[old]!r} and {new!r}."
            raise UsageError(problem, "Give one rule for it.")
        renames[old] = new
    return renames


def renamed(names: Sequence[str], rules: Mapping[str, str]) -> dict[str, str]:
    """New name of each of *names*; the first rule that matches decides.

    A ``*`` in the old name stands for any text, which goes where the new name has
    its ``*``: ``{"vgg/*": "*_new"}`` makes ``vgg/conv1`` into ``conv1_new``.

    Raises:
        UsageError: stars that do not pair up, or two layers with one new name.
    """
    patterns = [(_pattern(old, new), new) for old, new in rules.items()]
    result = {name: _rename(name, patterns) for name in names}
    origin: dict[str, str] = {}
    for old, new in result.items():
        if new in origin:
            problem = f"layers {origin[new]!r} and {old!r} would both be {new!r}."
            raise UsageError(problem, "Rename the other one too, out of the way.")
        origin[new] = old
    return result


def check_rules(names: Sequence[str], rules: Mapping[str, str]) -> None:
    """Refuse a rule that matches no layer of any file.

    Raises:
        UsageError: with the nearest name there is.
    """
    for old, new in rules.items():
        pattern = _pattern(old, new)
        if not any(map(pattern.fullmatch, names)):
            problem = f"the rename {old}={new} matches no layer of the weights."
            raise UsageError(problem, suggest(old, names))


def check_globs(names: Sequence[str], globs: Sequence[str], what: str) -> None:
    """Refuse a glob that matches none of *names*, which are the layers of *what*.

    Raises:
        UsageError: with the nearest name there is.
    """
    for glob in globs:
        if not chosen(names, [glob]):
            problem = f"the choice {glob!r} matches no layer of {what}."
            raise UsageError(problem, suggest(glob, names))


def chosen(names: Iterable[str], globs: Sequence[str]) -> set[str]:
    """Those of *names* that match one of *globs*."""
    return {name for name in names if any(fnmatchcase(name, g) for g in globs)}


def _pattern(old: str, new: str) -> re.Pattern[str]:
    if old.count("*") != new.count("*"):
        problem = f"the rename {old}={new} has {old.count('*')} stars on the left and "
        problem += f"{new.count('*')} on the right."
        raise UsageError(problem, "Give the new name a * for each of the old.")
    return re.compile("(.*)".join(map(re.escape, old.split("*"))), re.DOTALL)


def _rename(name: str, patterns: Sequence[tuple[re.Pattern[str], str]]) -> str:
    for pattern, new in patterns:
        match = pattern.fullmatch(name)
        if match:
            between = [*match.groups(), ""]
            return "".join(a + b for a, b in zip(new.split("*"), between))
    return name
