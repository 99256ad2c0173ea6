"""The certificate: what was compared with what, how, and how it came out."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from netspec.convert.compare import TOLERANCE, Difference

_CHUNK = 1 << 22


@dataclass(frozen=True)
class FileHash:
    """A file as it was when it was compared."""

    path: str
    bytes: int
    sha256: str


def hash_file(path: str | Path) -> FileHash:
    """The size and SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileHash(str(path), size, digest.hexdigest())


@dataclass(frozen=True)
class Trial:
    """One run of both sides.

    Attributes:
        about: what went in, in words.
        inputs: shape, seed and distribution of every input, by name.
        blobs: the comparison, blob by blob.
    """

    about: str
    inputs: dict[str, dict[str, Any]]
    blobs: tuple[Difference, ...]


@dataclass(frozen=True)
class Certificate:
    """A comparison of two models, ready to be printed and kept.

    Attributes:
        first, second: what they are, in words.
        tools: names and versions of what computed.
        not_run: why nothing could be compared, or "".
    """

    first: str
    second: str
    first_files: tuple[FileHash, ...] = ()
    second_files: tuple[FileHash, ...] = ()
    tools: dict[str, str] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    tolerance: float = TOLERANCE
    notes: tuple[str, ...] = ()
    not_run: str = ""

    @property
    def failed(self) -> list[str]:
        """Names of the blobs that differ in any trial, in order."""
        return list(
            dict.fromkeys(
                blob.name
                for trial in self.trials
                for blob in trial.blobs
                if not blob.passes(self.tolerance)
            )
        )

    @property
    def verdict(self) -> str:
        """``pass``, ``fail`` or ``not run``."""
        if self.not_run or not any(trial.blobs for trial in self.trials):
            return "not run"
        return "fail" if self.failed else "pass"

    def as_dict(self) -> dict[str, Any]:
        """The certificate as plain values, without infinities, ready for JSON."""
        return {
            "verdict": self.verdict,
            "tolerance": self.tolerance,
            "tools": self.tools,
            "first": {"what": self.first, "files": _plain(self.first_files)},
            "second": {"what": self.second, "files": _plain(self.second_files)},
            "trials": [
                {
                    "about": trial.about,
                    "inputs": trial.inputs,
                    "blobs": [_blob(b, self.tolerance) for b in trial.blobs],
                }
                for trial in self.trials
            ],
            "notes": list(self.notes),
            "not_run": self.not_run or None,
        }

    def worst(self) -> list[Difference]:
        """For every blob its worst trial, in order of execution."""
        found: dict[str, Difference] = {}
        for trial in self.trials:
            for blob in trial.blobs:
                known = found.setdefault(blob.name, blob)
                if _badness(blob) > _badness(known):
                    found[blob.name] = blob
        return list(found.values())


def _badness(blob: Difference) -> tuple[bool, float]:
    return bool(blob.problem), blob.max_rel


def _plain(files: Iterable[FileHash]) -> list[dict[str, Any]]:
    return [{"path": f.path, "bytes": f.bytes, "sha256": f.sha256} for f in files]


def _blob(blob: Difference, tolerance: float) -> dict[str, Any]:
    numbers = {
        "max_abs": blob.max_abs,
        "max_rel": blob.max_rel,
        "cosine": blob.cosine,
    }
    return {
        "name": blob.name,
        "shape": list(blob.shape),
        **{k: v if math.isfinite(v) else str(v) for k, v in numbers.items()},
        "problem": blob.problem or None,
        "passes": blob.passes(tolerance),
    }


def tools(*names: str) -> dict[str, str]:
    """Versions of Python, netspec and the packages named, those that are installed."""
    found = {"python": platform.python_version()}
    for name in ("netspec", "numpy", *names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
