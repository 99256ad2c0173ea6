"""What goes into the metadata of every format that has a place for it."""

from __future__ import annotations

import json
from importlib.metadata import version

from netspec.convert.model import Model
from netspec.convert.preprocessing import KEY, as_text
from netspec.spec import to_text

INPUTS = "netspec.inputs"  # shapes of the net's file, where the format leaves them open
PROTOTXT = "netspec.prototxt"
VERSION = "netspec.version"
NETSPEC = version("netspec")


def metadata(model: Model) -> dict[str, str]:
    """Strings by name: the version, the preprocessing where it is known, the net."""
    inputs = {name: list(shape) for name, shape in model.inputs.items()}
    found = {
        VERSION: NETSPEC,
        PROTOTXT: to_text(model.net.message),
        INPUTS: json.dumps(inputs),
    }
    if model.preprocess:
        found[KEY] = as_text(model.preprocess)
    return found
