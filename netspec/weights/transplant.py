"""Loading by layer name: what fits, what does not, and what is done about it.

A plan is made first, as a :class:`Report`, from names and shapes alone; nothing is
touched before every blob of every file has been judged.  Rules, which are Caffe's:

* names decide; the order of the layers and their types do not matter;
* a layer that the file lacks keeps what it has, and a layer that only the file has
  is left over: both are reported;
* a layer listed with another number of blobs, or a blob of another shape, is an
  error, even where the number of values agrees; but
* a shape given as num, channels, height, width fits a blob of fewer axes when it
  only has 1s in front (1x1x10x500 for 10x500).

Beyond Caffe: the old form 1x1xMxN of fully connected weights also fits a convolution
MxCxHxW with CxHxW = N, which is the same layer applied at one place; and a file of
which no layer fits the net by name is an error, not a net of random weights.

A layer is taken whole or not at all: a bias learned for other weights is noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from netspec.errors import DataError, Place, UsageError
from netspec.registry import suggest
from netspec.shapes import Shape, count
from netspec.spec.blobproto import StoredBlob
from netspec.weights.batch_norm import in_own_form
from netspec.weights.mismatch import Mismatch, blob_mismatch, count_mismatch
from netspec.weights.names import check_globs, check_rules, chosen, renamed
from netspec.weights.report import Line, Report, Status
from netspec.weights.target import TargetBlob, TargetLayer
from netspec.weights.weights import LayerWeights, Weights

OnMismatch = Literal["error", "reinit", "skip"]
_STATUS = {"reinit": Status.REINITIALISED, "skip": Status.SKIPPED}


def plan_transplant(
    target: Sequence[TargetLayer],
    weights: Weights,
    *,
    on_mismatch: OnMismatch = "error",
    rename: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
) -> Report:
    """What loading *weights* into a net would do, blob by blob.

    Args:
        target: the net's layers; see :func:`netspec.weights.target_of`.
        on_mismatch: what becomes of a layer that does not fit: ``error``; ``reinit``,
            filled anew; ``skip``, left with what the net holds now.
        rename: old to new layer names, ``*`` standing for any text.
        only: globs for the net's layers to be loaded; none means all.

    Raises:
        DataError: a layer does not fit and *on_mismatch* is ``error``, or no layer of
            the file has the name of a layer of the net.
        UsageError: a rename or a choice that matches nothing.
    """
    return plan_transplants(
        target, [weights], on_mismatch=on_mismatch, rename=rename, only=only
    )[0]


def plan_transplants(
    target: Sequence[TargetLayer],
    files: Sequence[Weights],
    *,
    on_mismatch: OnMismatch = "error",
    rename: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
) -> list[Report]:
    """Plans for several files, to be applied in their order; later files win.

    Arguments and errors are those of :func:`plan_transplant`; a rename need only
    match in one of the files.
    """
    if on_mismatch not in get_args(OnMismatch):
        problem = f"unknown way to treat a mismatch {on_mismatch!r}."
        raise UsageError(problem, suggest(on_mismatch, get_args(OnMismatch)))
    check_rules([name for weights in files for name in weights], rename or {})
    check_globs([layer.name for layer in target], only, "the net")
    return [
        _Plan(target, weights, on_mismatch, rename or {}, only).report()
        for weights in files
    ]


@dataclass
class _Plan:
    """One file against one net."""

    target: Sequence[TargetLayer]
    weights: Weights
    on_mismatch: OnMismatch
    rename: Mapping[str, str]
    only: Sequence[str]
    mismatches: list[Mismatch] = field(default_factory=list)

    def report(self) -> Report:
        names = renamed(list(self.weights), self.rename)
        self.origin = {new: old for old, new in names.items()}
        self._check_overlap()
        lines = [line for layer in self._first_of_each() for line in self._lines(layer)]
        if self.mismatches and self.on_mismatch == "error":
            raise self._refusal()
        return Report(self.weights.file, (*lines, *self._unused()))

    def _first_of_each(self) -> list[TargetLayer]:
        """The layers with parameters; of those with one name the first, as in Caffe."""
        first: dict[str, TargetLayer] = {}
        for layer in self.target:
            first.setdefault(layer.name, layer)
        return list(first.values())

    def _lines(self, layer: TargetLayer) -> list[Line]:
        source = self.weights.layers.get(self.origin.get(layer.name, ""))
        if self.only and not chosen([layer.name], self.only):
            return _left(layer, Status.SKIPPED, source, "not chosen")
        if source is None:
            return _left(layer, Status.MISSING)
        found = self._judge(layer, source)
        if isinstance(found, Mismatch):
            self.mismatches.append(found)
            status = _STATUS.get(self.on_mismatch, Status.SKIPPED)
            return _left(layer, status, source, found.note)
        return found

    def _judge(self, layer: TargetLayer, source: LayerWeights) -> list[Line] | Mismatch:
        """The lines of a layer that is loaded, or the first reason why it cannot be."""
        blobs = _pair(layer, source)
        if blobs is None:
            return count_mismatch(layer, source)
        lines = []
        for i, (blob, stored) in enumerate(blobs):
            if stored is None:
                continue
            if not fits(stored, blob.shape):
                return blob_mismatch(layer, i, stored.array.shape)
            lines.append(_loaded(layer, i, stored, source.name))
        return lines

    def _unused(self) -> list[Line]:
        known = {layer.name for layer in self.target}
        return [
            Line(
                layer.name,
                layer.type,
                i,
                Status.UNUSED,
                file_shape=None if blob is None else blob.array.shape,
            )
            for new, old in self.origin.items()
            if new not in known
            for layer in [self.weights.layers[old]]
            for i, blob in enumerate(layer.blobs)
        ]

    def _check_overlap(self) -> None:
        wanted = [layer.name for layer in self.target if layer.blobs]
        if not wanted or self.on_mismatch != "error":
            return
        if not any(name in self.origin for name in wanted):
            have = [layer.name for layer in self.weights.layers.values() if layer.blobs]
            raise DataError(
                "no layer with weights has the name of a layer of the net: the file "
                f"has {_few(have)}, the net {_few(wanted)}.",
                "Rename with --map old=new, or give the weights of this net.",
                place=self._place(),
            )

    def _refusal(self) -> DataError:
        first, *others = self.mismatches
        names = [m.layer.name for m in others]
        more = f" Nor does {_few(names)} fit." if len(names) == 1 else ""
        more = f" Nor do {_few(names)} fit." if len(names) > 1 else more
        who = (first.layer.name, first.layer.type)
        return DataError(
            first.problem + more, first.remedy, place=self._place(), layer=who
        )

    def _place(self) -> Place | None:
        return Place(self.weights.file) if self.weights.file else None


def fits(stored: StoredBlob, shape: Shape) -> bool:
    """Whether a stored blob may become one of *shape*."""
    given = stored.array.shape
    if not stored.legacy:
        return given == shape
    return _padded(shape) == given or _dense_as_convolution(given, shape)


def _padded(shape: Shape) -> Shape:
    """A shape of up to four axes as num, channels, height, width."""
    return (1,) * (4 - len(shape)) + shape


def _dense_as_convolution(given: Shape, shape: Shape) -> bool:
    matrix = given[:2] == (1, 1) and len(shape) == 4
    return matrix and given[2:] == (shape[0], count(shape, 1))


def _pair(
    layer: TargetLayer, source: LayerWeights
) -> list[tuple[TargetBlob, StoredBlob | None]] | None:
    """Blobs side by side, or None where their numbers differ.

    HDF5 leaves out blobs that another layer owns: those may be absent.
    """
    stored = list(source.blobs)
    if source.sparse:
        stored += [None] * (len(layer.blobs) - len(stored))
    if len(stored) != len(layer.blobs):
        return None
    pairs = list(zip(layer.blobs, in_own_form(layer, stored)))
    absent = [blob for blob, values in pairs if values is None]
    return pairs if all(blob.shared for blob in absent) else None


def _loaded(layer: TargetLayer, index: int, stored: StoredBlob, name: str) -> Line:
    shape, given = layer.blobs[index].shape, stored.array.shape
    return Line(
        layer.name,
        layer.type,
        index,
        Status.LOADED if shape == given else Status.RESHAPED,
        shape,
        given,
        file_layer=name if name != layer.name else "",
        values=stored.array.reshape(shape),
    )


def _left(
    layer: TargetLayer,
    status: Status,
    source: LayerWeights | None = None,
    note: str = "",
) -> list[Line]:
    """Lines for a layer that is not loaded; a shared blob is its owner's affair."""
    stored = source.blobs if source else ()
    shapes = [None if blob is None else blob.array.shape for blob in stored]
    shapes += [None] * len(layer.blobs)
    return [
        Line(layer.name, layer.type, i, status, blob.shape, shapes[i], note=note)
        for i, blob in enumerate(layer.blobs)
        if not blob.shared
    ]


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:4]))
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return shown + more if names else "none"
