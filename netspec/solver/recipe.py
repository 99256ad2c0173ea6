"""Recipes: the commands that lead from data to a tested net, and running them.

A recipe is a list of steps; a step is a ``netspec`` command and the files that it
writes. Running one keeps a journal beside the snapshots: a step that is done is not
done again, and an interrupted training goes on from its newest snapshot.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.errors import DataError
from netspec.files import replacing

STOPPED = 130  # the shell's code for a process ended by Ctrl-C
_LAST_BYTES = 1 << 12  # of a log: its last line is among them
Execute = Callable[[Sequence[str]], int]  # runs a netspec command; its exit code


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: what it is called, unique in its recipe.
        about: what it does, in a few words.
        arguments: of the command, after ``netspec``.
        writes: files and folders that are there when it is done.
        log: a training's log of JSON lines, which says whether it came to its end.
    """

    name: str
    about: str
    arguments: tuple[str, ...]
    writes: tuple[str, ...] = ()
    log: str = ""

    @property
    def command(self) -> str:
        """As a shell takes it."""
        return shlex.join(("netspec", *self.arguments))


def as_script(steps: Sequence[Step]) -> str:
    """A recipe as a shell script that says what each command writes."""
    parts = []
    for number, step in enumerate(steps, 1):
        lines = [f"# {number}. {step.name}: {step.about}"]
        lines += [f"#    writes {path}" for path in step.writes]
        parts.append("\n".join([*lines, _folded(step)]))
    return "\n\n".join(["set -e", *parts]) + "\n"


def _folded(step: Step) -> str:
    """A command with an option a line where it is long."""
    words = [shlex.quote(word) for word in ("netspec", *step.arguments)]
    lines: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--") and len(" ".join(lines[-1])) > 60:
            lines.append([])
        lines[-1].append(word)
    return " \\\n    ".join(" ".join(line) for line in lines)


class Journal:
    """Which steps have been done, kept in a JSON file.

    Raises:
        DataError: the file is there and is no journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._done: dict[str, dict[str, Any]] = {}
        if path.exists():
            try:
                self._done = dict(json.loads(path.read_text())["done"])
            except (OSError, ValueError, KeyError, TypeError):
                raise DataError(
                    f"'{path}' is no journal of a recipe.",
                    "Remove it, and the recipe begins anew.",
                ) from None

    def has(self, step: Step) -> bool:
        """Whether this very command was done, and what it wrote is still there."""
        entry = self._done.get(step.name)
        same = entry is not None and entry.get("arguments") == [*step.arguments]
        return same and all(Path(path).exists() for path in step.writes)

    def add(self, step: Step, seconds: float) -> None:
        """Note a step that is done; those after it count no more."""
        entry = {"arguments": [*step.arguments], "seconds": round(seconds, 1)}
        self._done[step.name] = entry
        self._write()

    def forget(self, steps: Sequence[Step]) -> None:
        """Steps that build on one that is done anew."""
        known = [step.name for step in steps if step.name in self._done]
        for name in known:
            del self._done[name]
        if known:
            self._write()

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps({"done": self._done}, indent=1) + "\n")


def _was_stopped(log: str) -> bool:
    """Whether a training that ended well was asked to stop before its end."""
    if not log or not Path(log).exists():
        return False
    with open(log, "rb") as file:
        file.seek(max(0, os.path.getsize(log) - _LAST_BYTES))
        lines = file.read().splitlines()
    try:
        last = json.loads(lines[-1])
        return bool(last["event"] == "Finished" and last["reason"] == "signal")
    except (ValueError, KeyError, IndexError, TypeError):
        return False


def run(
    steps: Sequence[Step],
    journal: Journal,
    execute: Execute,
    tell: Callable[[str], None] = print,
) -> int:
    """Do what has not been done, in order; the exit code of the first that fails.

    A step whose command has changed, or whose files are gone, is done again, and so is
    everything after it.
    """
    for number, step in enumerate(steps):
        head = f"{number + 1} of {len(steps)}, {step.name}"
        if journal.has(step):
            tell(f"{head}: done before")
            continue
        journal.forget(steps[number:])
        tell(f"{head}: {step.command}")
        start = time.monotonic()
        code = execute(step.arguments)
        if not code and _was_stopped(step.log):
            code = STOPPED
        if code:
            tell(f"{head} ended with code {code}: run the recipe again to go on")
            return code
        missing = [path for path in step.writes if not Path(path).exists()]
        if missing:
            raise DataError(
                f"step {step.name} ended well and left no '{missing[0]}'.",
                "Look at what it printed, and at the solver's snapshot_prefix.",
            )
        journal.add(step, time.monotonic() - start)
    return 0
