"""The preprocessing of a model on its way elsewhere: found, told, and written along.

What it is, :mod:`netspec.data.preprocess` says; here is where a conversion finds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from netspec.data.preprocess import Preprocess
from netspec.data.preprocess_file import (
    parse_preprocess,
    read_preprocess,
    read_sidecar,
    sidecar_path,
    to_json,
)
from netspec.data.preprocess_net import preprocess_of
from netspec.data.presets import PRESETS
from netspec.errors import DataError
from netspec.proto import LayerParameter

Array = Any

KEY = "netspec.preprocess"
NET = "net"  # the choice that means: as the data layer of the net says


def of_layer(
    layer: LayerParameter, file: str, depth: int
) -> tuple[Preprocess | None, str]:
    """What a data layer does to pictures, and a note where that cannot be told."""
    try:
        return preprocess_of(layer, file, depth), ""
    except DataError as error:
        note = f"the preprocessing is not carried along: {error.place}: {error.problem}"
        return None, note.replace("None: ", "")


def choose(
    choice: str, own: Preprocess | None, files: Iterable[str | PathLike[str]]
) -> Preprocess | None:
    """The preprocessing of a model.

    Args:
        choice: a preset, a file, ``net`` for *own*, or "": what stands beside one of
            *files*, or else *own*.
        own: what the net's data layer says, or the file's metadata.

    Raises:
        UsageError: an unknown preset.
        DataError: a file beside the model is damaged, or contradicts its data layer.
    """
    if choice and choice != NET:
        known = choice in PRESETS or not Path(choice).exists()
        return PRESETS[choice] if known else read_preprocess(choice)
    for file in files if not choice else ():
        beside = read_sidecar(file)
        if beside is None:
            continue
        if own is not None and not beside.same_arithmetic(own):
            raise DataError(
                f"'{sidecar_path(file)}' says {beside}; the net's data layer says "
                f"{own}.",
                f"Choose: --preprocess {NET}, or --preprocess '{sidecar_path(file)}'.",
            )
        return beside
    return own


def from_metadata(text: str | None) -> Preprocess | None:
    """What a file's metadata say; None where they are not netspec's."""
    try:
        return parse_preprocess(text) if text else None
    except DataError:
        return None


def as_text(preprocess: Preprocess) -> str:
    """One text for a metadata field."""
    return to_json(preprocess)


def tensors(preprocess: Preprocess, pictures: Array) -> Array:
    """The input for pictures (N, C, H, W) in 0 to 255, blue first."""
    return np.stack([preprocess.tensor(picture) for picture in pictures])
