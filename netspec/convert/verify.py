"""Run both sides of a conversion on the same inputs and compare blob by blob."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.convert.certificate import Certificate, Trial, hash_file, tools
from netspec.convert.compare import TOLERANCE, differences
from netspec.convert.inputs import Case, cases
from netspec.convert.model import Model
from netspec.convert.reference import Reference

Array = Any
Runner = Callable[[Mapping[str, Array]], Mapping[str, Array]]
"""Takes every input by name, gives every blob that the target has by name."""


@dataclass(frozen=True)
class Proof:
    """What a target hands over so that it can be verified.

    Attributes:
        target: the format in words.
        files: what was written.
        open_runner: makes a runner of those files; None where nothing can run them.
        blobs: names of the blobs that the target still has.
        free: which of ``"batch"`` and ``"size"`` may be chosen at run time.
        packages: what the runner stands on, for its versions.
        why_not: why there is no runner.
    """

    target: str
    files: tuple[Path, ...]
    open_runner: Callable[[], Runner] | None
    blobs: frozenset[str]
    free: frozenset[str] = frozenset()
    packages: tuple[str, ...] = ()
    why_not: str = ""


def verify(
    model: Model,
    proof: Proof,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    trial_cases: Sequence[Case] | None = None,
) -> Certificate:
    """The certificate of one conversion."""
    trials: tuple[Trial, ...] = ()
    if proof.open_runner:
        source = model.fold.source if model.fold else model
        reference, runner = Reference(source), proof.open_runner()
        given = trial_cases or cases(model, proof.free, seed)
        trials = tuple(_trial(model, reference, runner, proof, c) for c in given)
    return Certificate(
        first=f"netspec's {model.name}",
        second=proof.target,
        first_files=_hashes(model.files),
        second_files=_hashes(proof.files),
        tools=tools(*proof.packages),
        trials=trials,
        tolerance=tolerance,
        notes=tuple(model.notes),
        not_run=proof.why_not if not proof.open_runner else "",
    )


def _hashes(files: Iterable[str | Path]) -> tuple:
    return tuple(hash_file(file) for file in files if Path(file).is_file())


def _trial(
    model: Model, reference: Reference, runner: Runner, proof: Proof, case: Case
) -> Trial:
    ours = reference.run(case.source or case.arrays)
    theirs = runner(case.arrays)
    taken = set(model.inputs) if case.source else set()
    names = [name for name in ours if name in proof.blobs - taken]
    return Trial(case.about, case.facts, tuple(differences(ours, theirs, names)))
