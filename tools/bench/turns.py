"""Contenders take turns, round by round, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any


class Contender:
    """A process that runs one round whenever it is told.

    It speaks lines of JSON: ``{"ready": seconds}``, then an answer with ``peak_mb`` to
    every line of its standard input.

    Attributes:
        start: seconds until it was ready.
        answers: one a round.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **environment},
        )  # fmt: skip
        self.start = self._answer()["ready"]
        self.answers: list[dict[str, Any]] = []

    @property
    def peak_mb(self) -> float:
        """Largest size so far."""
        return self.answers[-1]["peak_mb"]

    def round(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        self.answers.append(self._answer())

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"{self.name} ended with code {self._process.wait()}")

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def take_turns(every: Sequence[Contender], rounds: int) -> None:
    """First to last, every round; all are ended afterwards."""
    try:
        for _ in range(rounds):
            for contender in every:
                contender.round()
    finally:
        for contender in every:
            contender.close()
