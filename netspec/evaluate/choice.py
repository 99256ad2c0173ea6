"""Which preprocessing a model wants: told, or written beside it, but never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from netspec.data.preprocess import Preprocess
from netspec.data.preprocess_file import read_preprocess, read_sidecar, sidecar_path
from netspec.data.preprocess_net import preprocess_of, train_scale_of
from netspec.data.presets import PRESETS
from netspec.data.rescale import Resize
from netspec.errors import DataError, UsageError
from netspec.evaluate.cut import Cut
from netspec.proto import NetParameter
from netspec.shapes import describe
from netspec.spec import Located

NET = "net"  # the choice that means: as the data layer of the net says
_Path = str | PathLike[str]


def choose_preprocess(
    cut: Cut,
    spec: Located[NetParameter],
    weights: _Path,
    choice: Preprocess | str = "",
    adjust: Mapping[str, Any] | None = None,
) -> Preprocess:
    """The preprocessing of a model.

    Args:
        spec: the whole net, whose layers of TRAIN tell the training scale.
        weights: a sidecar may stand beside them, or beside the net.
        choice: a value; a preset; a file; ``net``: its data layer; "": the sidecar, or
            the data layer, which must agree where there are both.
        adjust: attributes to have other values.

    Raises:
        UsageError: none is known, or the one chosen does not suit the net.
        DataError: a sidecar is damaged, or contradicts the data layer.
    """
    own = preprocess_of(cut.source, cut.net.file, cut.shape[0])
    if own:
        own = own.with_(train_scale=train_scale_of(spec))
    files = (weights, spec.file)
    found = _chosen(own, choice) if choice else _known(own, files)
    return _fitted(found.with_(**(adjust or {})), cut)


def _chosen(own: Preprocess | None, choice: Preprocess | str) -> Preprocess:
    if isinstance(choice, Preprocess):
        return choice
    if choice == NET:
        if own is None:
            raise UsageError(
                "the net has no data layer that says how pictures are prepared.",
                _how_to_tell(),
            )
        return own
    if choice not in PRESETS and Path(choice).exists():
        return read_preprocess(choice)
    return PRESETS[choice]


def _known(own: Preprocess | None, files: Sequence[_Path]) -> Preprocess:
    for file in files:
        beside = read_sidecar(file)
        if beside is not None:
            return _agreed(beside, own, sidecar_path(file))
    if own is None:
        raise UsageError(
            "how pictures are prepared for this model is not known.", _how_to_tell()
        )
    return own


def _how_to_tell() -> str:
    return (
        f"Give --preprocess: one of {', '.join(PRESETS)}, or a file that netspec wrote."
    )


def _agreed(beside: Preprocess, own: Preprocess | None, path: Path) -> Preprocess:
    if own is None:
        return beside
    if not beside.same_arithmetic(own):
        raise DataError(
            f"'{path}' says {beside}; the net's data layer says {own}.",
            f"Choose: --preprocess {NET}, or --preprocess '{path}'.",
        )
    return beside.with_(
        resize=beside.resize or own.resize,
        train_scale=beside.train_scale or own.train_scale,
    )


def _fitted(preprocess: Preprocess, cut: Cut) -> Preprocess:
    """The preprocessing with the net's own crop, or refused."""
    depth, *size = cut.shape
    if depth != preprocess.depth:
        raise UsageError(
            f"the net takes {depth} channels, and the preprocessing makes "
            f"{preprocess.depth} ({preprocess.channels}).",
            "Choose another preprocessing.",
        )
    crop = preprocess.crop or tuple(size)
    if tuple(size) != crop:
        raise UsageError(
            f"the net takes {describe(tuple(size))} pixels, and the preprocessing "
            f"crops {describe(crop)}.",
            f"Give --crop {describe(tuple(size))} and the --resize that goes with it.",
        )
    return preprocess.with_(crop=(size[0], size[1]))


def resize_of(preprocess: Preprocess, as_stored: bool) -> Resize:
    """How whole pictures are resized.

    Args:
        as_stored: they may be taken as they are where nobody knows.

    Raises:
        UsageError: nobody knows, and they may not.
    """
    if preprocess.resize is None and not as_stored:
        raise UsageError(
            "how whole pictures are resized for this model is not known.",
            "Give --resize short-side:256, squash:224 or none; or --scales 256.",
        )
    return preprocess.resize or Resize("none")
