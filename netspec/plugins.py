"""Registries that installed packages add to, by entry points.

A package that declares, say,

    [project.entry-points."netspec.layers"]
    Mish = "mish.layer:Mish"

is imported when the name is first met, and never to replace what netspec has itself.
Only what was installed is imported: a file with a strange name in it runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from netspec.errors import SpecError
from netspec.registry import Registry, suggest

T = TypeVar("T")


class OpenRegistry(Registry[type[T]]):
    """A registry of classes derived from one base, open to an entry point group."""

    def __init__(self, kind: str, base: type[T], group: str) -> None:
        super().__init__(kind)
        self._base = base
        self._group = group

    def __getitem__(self, name: str) -> type[T]:
        if name not in self._known:
            thing = self._load(name)
            # Its module may have registered the class by decoration already.
            self._known.setdefault(name, thing)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known or any(p.name == name for p in self._offered())

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._known, *(p.name for p in self._offered())}))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _offered(self) -> Iterator[EntryPoint]:
        yield from entry_points(group=self._group)

    def _load(self, name: str) -> type[T]:
        found = {p.value: p for p in self._offered() if p.name == name}
        if not found:
            raise SpecError(f"unknown {self._kind} {name!r}.", suggest(name, self))
        if len(found) > 1:
            offers = " and ".join(sorted(map(_offer, found.values())))
            raise SpecError(
                f"{self._kind} {name!r} is offered by {offers}.",
                "Uninstall all but one.",
            )
        return self._loaded(*found.values())

    def _loaded(self, point: EntryPoint) -> type[T]:
        thing, wrong = _imported(point)
        if not wrong and not _derived(thing, self._base):
            wrong = f"is no class derived from {self._base.__name__}"
        if wrong:
            raise SpecError(
                f"{self._kind} {point.name!r} from {_offer(point)} {wrong}.",
                "Update that package, or tell its author.",
            )
        return thing


def _imported(point: EntryPoint) -> tuple[Any, str]:
    """What the entry point names, or why it cannot be had."""
    try:
        return point.load(), ""
    except Exception as error:  # a stranger's module may raise anything
        return None, f"cannot be imported: {type(error).__name__}: {error}"


def _derived(thing: Any, base: type) -> bool:
    return isinstance(thing, type) and issubclass(thing, base)


def _offer(point: EntryPoint) -> str:
    package = f"package {point.dist.name!r}" if point.dist else "a package"
    return f"{package} ({point.value})"
