"""What goes into the metadata of every format that has a place for it."""

from __future__ import annotations

from netspec import __version__
from netspec.convert.model import Model
from netspec.convert.preprocessing import KEY
from netspec.spec import to_text

PROTOTXT = "netspec.prototxt"
VERSION = "netspec.version"


def metadata(model: Model) -> dict[str, str]:
    """Strings by name: the version, the preprocessing where it is known, the net."""
    found = {VERSION: __version__, PROTOTXT: to_text(model.net.message)}
    if model.preprocessing:
        found[KEY] = model.preprocessing.as_json()
    return found
