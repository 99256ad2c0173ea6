"""Which algorithm computes what: measured once, remembered, and then the same for good.

Different algorithms round differently, so a choice decides about bits.  Whoever wants
the same bits again, on another rank or after a resumption, takes the choices along:
:meth:`Choices.export` and :meth:`Choices.fix`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import cupy

from netspec.errors import DataError, DeviceError
from netspec.files import replacing
from netspec.kernel_cache import cache_folder

REPEATS = 5  # runs that are measured, of which the quickest counts

Trial = Callable[[str], None]


class Choices:
    """The choices of one device.

    Args:
        measure: measure what is asked for the first time; else take the default.
        store: a file that measured choices are kept in, read at once.
    """

    def __init__(self, measure: bool = False, store: Path | None = None) -> None:
        self.measure = measure
        self.store = store
        self._known = _read(store) if store else {}
        self._made: dict[str, str] = {}

    def pick(
        self, question: str, names: Iterable[str], default: str, trial: Trial
    ) -> str:
        """The answer to a question: what was fixed, remembered, measured or *default*.

        Args:
            question: names the operation, its geometry and its precision.
            names: what can be chosen.
            trial: does the work by the algorithm of that name, and leaves no traces;
                called for each name where there is something to measure.

        Raises:
            DeviceError: what was fixed is none of the names.
        """
        names = tuple(names)
        if question not in self._made:
            self._made[question] = self._decide(question, names, default, trial)
        return _one_of(names, self._made[question], question)

    def _decide(
        self, question: str, names: tuple[str, ...], default: str, trial: Trial
    ) -> str:
        if not self.measure or len(names) == 1:
            return default
        if self._known.get(question) not in names:
            self._known[question] = min(names, key=lambda name: _seconds(trial, name))
            self._save()
        return self._known[question]

    def export(self) -> dict[str, str]:
        """All choices made so far, by question."""
        return dict(sorted(self._made.items()))

    def fix(self, choices: Mapping[str, str]) -> None:
        """Take these, and the default for any other question: measure nothing more."""
        self._made = dict(choices)
        self.measure = False

    def _save(self) -> None:
        """Keep what is known, if the disk allows; it can be measured again."""
        if self.store is None:
            return
        with suppress(OSError, DataError):
            self.store.parent.mkdir(parents=True, exist_ok=True)
            known = _read(self.store) | self._known  # another process may have saved
            with replacing(self.store) as path:
                path.write_text(json.dumps(known, indent=1, sort_keys=True))


def _read(store: Path) -> dict[str, str]:
    """Choices of a file; nothing where it is missing or broken."""
    try:
        found = json.loads(store.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, str)}


def _seconds(trial: Trial, name: str) -> float:
    """The least time that an algorithm takes on the device."""
    trial(name)  # compiles, and fills the pool
    return min(_elapsed(trial, name) for _ in range(REPEATS))


def _elapsed(trial: Trial, name: str) -> float:
    start, stop = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    trial(name)
    stop.record()
    stop.synchronize()
    return float(cupy.cuda.get_elapsed_time(start, stop))


def store_of(device: int, kernels: str) -> Path:
    """The file for devices of the same name as this number's.

    Args:
        kernels: a digest of the kernels' text: others take other times.
    """
    name = cupy.cuda.runtime.getDeviceProperties(device)["name"].decode()
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
    return cache_folder() / "convolutions" / f"{plain}-{kernels}.json"


def _one_of(names: tuple[str, ...], choice: str, question: str) -> str:
    if choice in names:
        return choice
    raise DeviceError(
        f"the choice {choice!r} for {question!r} is none of {', '.join(names)}.",
        "Resume with the version of netspec that wrote the snapshot, or train anew.",
    )
