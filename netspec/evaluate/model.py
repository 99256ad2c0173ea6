"""A net with its weights and its preprocessing: what scores pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from netspec.backends import Device
from netspec.data.preprocess import Preprocess, class_hash
from netspec.data.rescale import Size
from netspec.errors import DataError, UsageError
from netspec.evaluate.choice import choose_preprocess
from netspec.evaluate.cut import Cut, in_test_phase
from netspec.evaluate.runner import MEMORY, Runner
from netspec.evaluate.scores import score_cut
from netspec.proto import NetParameter
from netspec.shapes import describe
from netspec.spec import Located, read_net

_Path = str | PathLike[str]


class Model:
    """A classifier.

    Args:
        net: path of a prototxt or caffemodel, or a net already read: train_val or
            deploy; the layers of phase TEST that its scores follow from are used.
        weights: path of a weights file.
        preprocess, adjust: see :func:`choose_preprocess`.
        scores: the blob of scores, where the net does not tell.
        level, stages: the rest of the net's state.
        device, memory, rename: see :class:`Runner`.

    Attributes:
        classes: how many the net tells apart.

    Raises:
        SpecError, DataError, UsageError: see :func:`score_cut`, :class:`Runner` and
            :func:`choose_preprocess`.
    """

    def __init__(
        self,
        net: _Path | Located[NetParameter],
        weights: _Path,
        preprocess: Preprocess | str = "",
        adjust: Mapping[str, Any] | None = None,
        *,
        scores: str = "",
        level: int = 0,
        stages: Sequence[str] = (),
        device: Device = "cpu",
        memory: int = MEMORY,
        rename: Mapping[str, str] | None = None,
    ) -> None:
        self.spec = net if isinstance(net, Located) else read_net(net)
        self.cut: Cut = score_cut(in_test_phase(self.spec, level, stages), scores)
        self.preprocess = choose_preprocess(
            self.cut, self.spec, weights, preprocess, adjust
        )
        self.crop = Size(*self.cut.shape[1:])
        self.runner = Runner(
            self.cut, weights, device=device, memory=memory, rename=rename
        )
        self.classes = _classes(self)

    @property
    def name(self) -> str:
        """The net's own name."""
        return self.spec.message.name


def _classes(model: Model) -> int:
    (shape,) = model.runner.shapes(model.runner.form).values()
    if len(shape) < 2:
        raise UsageError(
            f"the scores have shape {describe(shape)}.",
            "They must have a row a picture and a column a class: see --scores.",
        )
    classes = shape[1]
    names = model.preprocess.classes
    if names is not None and len(names) != classes:
        raise UsageError(
            f"{len(names)} class names for {classes} scores.",
            "Name the classes of this net, in its order.",
        )
    return classes


def class_names(
    models: Sequence[Model], stored: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    """The names of the classes: those of the models, or of the pictures' database.

    Args:
        stored: names by label, where the pictures come with them.

    Raises:
        DataError: the labels of the pictures are in another order than the scores.
    """
    named = next((p.classes for p in (m.preprocess for m in models) if p.classes), None)
    if stored is None or len(stored) != models[0].classes:
        return named
    if named is not None and not _same_order(named, stored):
        raise DataError(
            f"the model's classes are in another order ({class_hash(named)}) than the "
            f"labels of the pictures ({class_hash(stored)}): "
            f"{_first_difference(named, stored)}.",
            "Test with a database that was made in the order of the model.",
        )
    return named or stored


def _same_order(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether names agree, or at least their first words, where those are unique."""
    ids = [[name.partition(" ")[0] for name in names] for names in (one, other)]
    return one == other or (ids[0] == ids[1] and len(set(ids[0])) == len(one))


def _first_difference(named: tuple[str, ...], stored: tuple[str, ...]) -> str:
    at = next((i for i, (a, b) in enumerate(zip(named, stored)) if a != b), len(stored))
    if at == len(stored) or at == len(named):
        return f"{len(named)} classes and {len(stored)}"
    return f"class {at} is {named[at]!r}, and label {at} is {stored[at]!r}"


def check_alike(models: Sequence[Model]) -> None:
    """Refuse an ensemble whose models do not tell the same classes apart.

    Raises:
        UsageError.
    """
    first = models[0]
    for other in models[1:]:
        if other.classes != first.classes:
            raise UsageError(
                f"{first.name!r} has {first.classes} classes and {other.name!r} "
                f"{other.classes}.",
                "An ensemble averages over the same classes.",
            )
    orders = {m.preprocess.classes for m in models if m.preprocess.classes}
    if len(orders) > 1:
        raise UsageError(
            "the models of the ensemble name their classes differently.",
            "Their order must be one; compare the class names in their preprocessing.",
        )
