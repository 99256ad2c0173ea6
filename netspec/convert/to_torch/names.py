"""Names of layers and blobs as Python identifiers, each once."""

from __future__ import annotations

import keyword
import re

# What a module or a function of the written file already means.
_TAKEN = frozenset({
    "F", "Path", "Tensor", "load", "nn", "self", "torch", "apply", "bfloat16",
    "buffers", "children", "compile", "cpu", "cuda", "double", "dump_patches", "eval",
    "extra_repr", "float", "forward", "half", "ipu", "load_state_dict", "modules",
    "mtia", "named_buffers", "named_children", "named_modules", "named_parameters",
    "parameters", "register_buffer", "register_module", "register_parameter",
    "requires_grad_", "share_memory", "state_dict", "to", "to_empty", "train",
    "training", "type", "xpu", "zero_grad", "add_module", "get_buffer", "get_parameter",
    "get_submodule", "set_submodule", "call_super_init", "get_extra_state",
    "set_extra_state", "T_destination", "print", "list", "dict", "int", "len", "range",
})  # fmt: skip


class Names:
    """Identifiers for things that have other names."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._used: set[str] = set()

    def of(self, name: str) -> str:
        """The identifier of a name; the same name has the same one."""
        if name not in self._known:
            base, found, number = identifier(name), identifier(name), 1
            while found in self._used:
                number += 1
                found = f"{base}_{number}"
            self._used.add(found)
            self._known[name] = found
        return self._known[name]


def identifier(name: str) -> str:
    """A name with what Python does not allow replaced."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII) or "_"
    if plain[0].isdigit():
        plain = f"_{plain}"
    bad = keyword.iskeyword(plain) or plain in _TAKEN or plain.startswith("__")
    return f"{plain}_" if bad else plain


def class_name(name: str) -> str:
    """A name as a class is called: ``vgg_16`` is ``Vgg16``."""
    words = [w for w in re.split(r"[\W_]+", name, flags=re.ASCII) if w]
    joined = "".join(w[0].upper() + w[1:] for w in words) or "Net"
    return f"Net{joined}" if joined[0].isdigit() else joined
