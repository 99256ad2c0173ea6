"""Names to things, for layers, fillers, policies, commands and formats alike.

A registry refuses duplicates, and an unknown name is an error that offers the
nearest known one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from netspec.errors import NetspecError, SpecError

T = TypeVar("T")


def suggest(name: str, known: Iterable[str]) -> str:
    """The remedy sentence for an unknown *name*: the nearest known one, or them all."""
    known = sorted(known)
    if not known:
        return "There are none."
    near = _nearest(name, known)
    return f"Did you mean {near!r}?" if near else f"Known are: {', '.join(known)}."


def _nearest(name: str, known: list[str]) -> str:
    by_lower = {k.lower(): k for k in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


class Registry(Mapping[str, T], Generic[T]):
    """A read-only mapping that grows by decoration.

    >>> shapes = Registry("shape")
    >>> @shapes("square")
    ... def square(side): return (side, side)
    >>> shapes["square"](3)
    (3, 3)
    >>> shapes["sqare"]
    Traceback (most recent call last):
    netspec.errors.SpecError: unknown shape 'sqare'.
      Did you mean 'square'?
    """

    def __init__(self, kind: str, error: type[NetspecError] = SpecError) -> None:
        self._kind = kind
        self._error = error
        self._known: dict[str, T] = {}

    def __call__(self, *names: str) -> Callable[[T], T]:
        """Decorator that registers a thing under one or several names."""

        def register(thing: T) -> T:
            for name in names:
                self._add(name, thing)
            return thing

        return register

    def _add(self, name: str, thing: T) -> None:
        if name in self._known:
            raise ValueError(f"{self._kind} {name!r} is already registered")
        self._known[name] = thing

    def __getitem__(self, name: str) -> T:
        if name not in self._known:
            raise self._error(
                f"unknown {self._kind} {name!r}.", suggest(name, self._known)
            )
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._known))

    def __len__(self) -> int:
        return len(self._known)
