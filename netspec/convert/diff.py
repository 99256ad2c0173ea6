"""Two models side by side: what their files say, their weights, their outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from netspec.convert.certificate import Certificate, Trial, hash_file, tools
from netspec.convert.compare import TOLERANCE, Difference, differences
from netspec.convert.freedom import find_freedom
from netspec.convert.model import Model, Opening, open_model
from netspec.convert.modern import modernised
from netspec.convert.reference import Reference
from netspec.convert.source import Kind, kind_of, read_any_net, read_any_weights
from netspec.convert.spec_diff import Change, spec_changes
from netspec.convert.verify import Proof, Runner, verify
from netspec.errors import DataError, NetspecError, UsageError
from netspec.spec import Located
from netspec.spec.kind import read_spec
from netspec.weights import Weights

Array = Any


@dataclass(frozen=True)
class Side:
    """One of the two models.

    Attributes:
        path: the net, or the weights alone.
        weights_path: a weights file beside it.
    """

    path: str
    weights_path: str | None = None

    @property
    def name(self) -> str:
        """What to call it."""
        return Path(self.path).name

    @property
    def files(self) -> tuple[str, ...]:
        """Every file it consists of."""
        return (self.path, self.weights_path) if self.weights_path else (self.path,)

    def spec(self) -> Located[Any] | None:
        """The net or solver; None where the file holds weights alone."""
        kind = kind_of(self.path)
        if kind is Kind.PROTOTXT:
            return read_spec(self.path)
        if kind is Kind.ONNX:
            from netspec.convert.from_onnx import import_onnx

            return import_onnx(self.path).net
        try:
            return read_any_net(self.path)
        except UsageError:
            return None

    def weights(self) -> Weights | None:
        """The weights; None where there are none."""
        path = self.weights_path or self.path
        if kind_of(path) in (Kind.PROTOTXT, Kind.JSON, Kind.YAML):
            return None
        return modernised(read_any_weights(path))


@dataclass(frozen=True)
class Comparison:
    """What was found.

    Attributes:
        changes: in what the files say; None where one of them says nothing.
        weights, outputs: blob by blob; None where one side has none.
        notes: what could not be compared, and why.
    """

    first: str
    second: str
    changes: tuple[Change, ...] | None
    weights: Certificate | None
    outputs: Certificate | None
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether nothing that was compared differs."""
        parts = (self.weights, self.outputs)
        return not self.changes and not any(part and part.failed for part in parts)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        changes = self.changes
        return {
            "first": self.first,
            "second": self.second,
            "equal": self.equal,
            "spec": None if changes is None else [vars(change) for change in changes],
            "weights": self.weights and self.weights.as_dict(),
            "outputs": self.outputs and self.outputs.as_dict(),
            "notes": list(self.notes),
        }


def compare(
    first: Side,
    second: Side,
    parts: frozenset[str] = frozenset({"spec", "weights", "outputs"}),
    tolerance: float = TOLERANCE,
    opening: Opening | None = None,
) -> Comparison:
    """Compare two models of any formats.

    Args:
        parts: what to look at.
        tolerance: largest difference of weights and outputs by the blob's maximum.

    Raises:
        NetspecError: a file is broken.
    """
    notes: list[str] = []
    specs = (first.spec(), second.spec())
    changes = weights = outputs = None
    if "spec" in parts and specs[0] and specs[1]:
        changes = tuple(_changes(specs[0].message, specs[1].message))
    if "weights" in parts:
        weights = _weights(first, second, tolerance)
    if "outputs" in parts:
        outputs, why = _outputs(first, second, tolerance, opening or Opening())
        notes += [why] if why else []
    return Comparison(first.name, second.name, changes, weights, outputs, tuple(notes))


def _changes(one: Message, two: Message) -> list[Change]:
    if type(one) is not type(two):
        raise UsageError("one is a net and the other a solver.", "Name two of a kind.")
    return spec_changes(one, two)


def _weights(first: Side, second: Side, tolerance: float) -> Certificate | None:
    sides = (first.weights(), second.weights())
    if sides[0] is None or sides[1] is None:
        return None
    one, two = map(_blobs, sides)
    found = differences(one, two, one)
    found += [
        Difference(name, tuple(array.shape), problem="only in the second")
        for name, array in two.items()
        if name not in one
    ]
    return Certificate(
        first.name,
        second.name,
        tuple(map(hash_file, first.files)),
        tuple(map(hash_file, second.files)),
        tools(),
        (Trial("every blob of the weights", {}, tuple(found)),),
        tolerance,
    )


def _blobs(weights: Weights | None) -> dict[str, Array]:
    assert weights is not None
    return {f"{k}/{i}": a for k, held in weights.items() for i, a in enumerate(held)}


def _outputs(
    first: Side, second: Side, tolerance: float, opening: Opening
) -> tuple[Certificate | None, str]:
    """The blobs of both on the same inputs, or why they cannot be run."""
    if first.weights() is None and second.weights() is None:
        return None, ""
    try:
        one, two = _model(first, opening), _model(second, opening)
    except NetspecError as error:
        return None, f"outputs were not compared: {error.problem}"
    if one.inputs.keys() != two.inputs.keys():
        return None, "outputs were not compared: the inputs have other names."
    one = replace(one, notes=(), preprocess=one.preprocess or two.preprocess)
    blobs = (set(two.graph.blobs) - set(two.inputs)) & set(one.graph.blobs)
    free = find_freedom(one).free & find_freedom(two).free
    proof = Proof(
        second.name,
        tuple(map(Path, second.files)),
        lambda: _runner(two),
        frozenset(blobs),
        free,
    )
    try:
        return verify(one, proof, opening.seed, tolerance), ""
    except NetspecError as error:
        return None, f"outputs were not compared: {error.problem}"


def _model(side: Side, opening: Opening) -> Model:
    if kind_of(side.path) is Kind.ONNX:
        from netspec.convert.from_onnx import import_onnx

        return import_onnx(side.path, opening.shapes)
    weights = side.weights()
    if weights is None:
        raise DataError(f"{side.name} has no weights.")
    return open_model(read_any_net(side.path), weights, opening)


def _runner(model: Model) -> Runner:
    reference = Reference(model)

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return reference.run(inputs)

    return run
