"""The lines of a module in the making: what it holds, what it computes, its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netspec.convert.to_torch.names import Names

Array = Any

_WIDTH = 88


@dataclass
class Writer:
    """Collects the source; modules and variables have separate names."""

    attributes: Names = field(default_factory=Names)
    variables: Names = field(default_factory=Names)
    init: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    state: dict[str, Array] = field(default_factory=dict)
    _last: str = ""

    def module(self, name: str, expression: str, state: dict[str, Array]) -> str:
        """Add a module named after a layer; ``self.NAME``."""
        attribute = self.attributes.of(name)
        self.init.append(f"self.{attribute} = {expression}")
        for key, array in state.items():
            self.state[f"{attribute}.{key}"] = array
        return f"self.{attribute}"

    def tensor(self, name: str, array: Array, kind: str = "Parameter") -> str:
        """Add a parameter, or a buffer, that is a tensor by itself."""
        attribute = self.attributes.of(name)
        shape = _shape(array.shape)
        if kind == "Parameter":
            self.init.append(f"self.{attribute} = nn.Parameter(torch.zeros({shape}))")
        else:
            self.init.append(
                f'self.register_buffer("{attribute}", torch.zeros({shape}))'
            )
        self.state[attribute] = array
        return f"self.{attribute}"

    def assign(self, variable: str, expression: str, reads: Sequence[str]) -> None:
        """Add ``variable = expression``.

        What only changes the value that the line before has made goes around it, as
        in ``conv1 = F.relu(self.conv1(data))``, where that still fits on a line.
        """
        wraps = list(reads) == [variable] and self._last == variable
        if wraps and expression.count(variable) == 1:
            inner = self.forward[-1].split(" = ", 1)[1]
            line = f"{variable} = {expression.replace(variable, inner)}"
            is_call = "(" in inner and " " not in inner.split("(")[0]
            if is_call and inner.count("(") <= 2 and len(line) + 8 <= _WIDTH:
                self.forward[-1] = line
                return
        self.forward.append(f"{variable} = {expression}")
        self._last = variable

    def line(self, text: str) -> None:
        """Add any other line."""
        self.forward.append(text)
        self._last = ""


def _shape(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape)) if shape else "()"


def number(value: float) -> str:
    """A float as the shortest text that float32 reads back."""
    text = f"{np.float32(value):.9g}"
    for digits in range(1, 9):
        short = f"{np.float32(value):.{digits}g}"
        if np.float32(short) == np.float32(value):
            text = short
            break
    plain = text.lstrip("-").isdecimal()
    if plain and len(text) < 8:
        return text if "e" in text else f"{text}.0"
    return text if text not in ("inf", "-inf", "nan") else f'float("{text}")'
