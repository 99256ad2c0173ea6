"""One layer, one module: importing this package registers every layer type.

``LAYERS`` maps the ``type`` of a prototxt layer to its class.  To add a layer, add a
module here; nothing else needs to know it.  Packages of their own add theirs by the
entry point group ``netspec.layers``; see :mod:`netspec.plugins`.
"""

from importlib import import_module
from pkgutil import iter_modules

from netspec.layers.base import LAYERS

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["LAYERS"]
