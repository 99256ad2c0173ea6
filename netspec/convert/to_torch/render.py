"""The file that is written: a docstring, the module, and how to load its weights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from netspec.convert.metadata import NETSPEC
from netspec.convert.model import Model
from netspec.convert.to_torch.export import Source
from netspec.convert.to_torch.names import class_name
from netspec.shapes import Shape, describe


def render(source: Source, weights: str, every_blob: bool = False) -> str:
    """The text of the module.

    Args:
        weights: name of the safetensors file beside it.
        every_blob: ``forward`` returns all blobs, for a comparison.
    """
    model = source.model
    name = class_name(model.name)
    returned = source.blobs if every_blob else source.outputs
    single = len(returned) == 1 and not every_blob
    kind = "Tensor" if single else "dict[str, Tensor]"
    arguments = ", ".join(f"{v}: Tensor" for v in source.inputs.values())
    body = [
        *_docstring(source),
        "",
        "from __future__ import annotations",
        "",
        "from pathlib import Path",
        "",
        *_imports(source),
        "",
        "",
        f"class {name}(nn.Module):",
        f'    """{_plain(model.name)}: {_flow(source)}."""',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        *_indented(source.init),
        "",
        f"    def forward(self, {arguments}) -> {kind}:",
        *_indented(source.forward),
        *_indented(_returned(returned, single)),
        "",
        "",
        *_loader(name, weights),
    ]
    return "\n".join(body) + "\n"


def _imports(source: Source) -> list[str]:
    """The modules that the lines use, and no other."""
    text = "\n".join((*source.init, *source.forward))
    wanted = {"import torch": r"\btorch\.", "import torch.nn.functional as F": r"\bF\."}
    used = [line for line, mark in wanted.items() if re.search(mark, text)]
    return [*used, "from torch import Tensor, nn"]


def _docstring(source: Source) -> list[str]:
    model = source.model
    return [
        f'"""{_plain(model.name)} as a PyTorch module, by netspec {NETSPEC}.',
        "",
        *_inputs(source),
        *_preprocessing(model),
        '"""',
    ]


def _flow(source: Source) -> str:
    ends = (source.inputs, source.outputs)
    return " to ".join(", ".join(map(_plain, names)) for names in ends)


def _inputs(source: Source) -> Iterable[str]:
    for blob, shape in source.model.inputs.items():
        varies = source.freedom.varies[blob]
        yield f"Input {_plain(blob)}: {_named(shape, varies)}."


def _named(shape: Shape, varies: tuple[bool, ...]) -> str:
    names = ("N", "C", "H", "W")
    words = [
        names[i] if v and i < len(names) else str(n)
        for i, (n, v) in enumerate(zip(shape, varies))
    ]
    free = any(varies)
    return " x ".join(words) + (f" (the file says {describe(shape)})" if free else "")


def _preprocessing(model: Model) -> Iterable[str]:
    if model.preprocess is None:
        yield "Preprocessing: not known; see where the weights come from."
    else:
        yield "Preprocessing: (pixel - mean) * scale,"
        yield f"    {_plain(str(model.preprocess))}."


def _plain(text: str) -> str:
    """Text that is safe inside a docstring."""
    return "".join(c if c.isprintable() and c not in '"\\' else "_" for c in text)


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"        {line}" for line in lines]


def _returned(values: dict[str, str], single: bool) -> list[str]:
    if single:
        return [f"return {next(iter(values.values()))}"]
    return [
        "return {",
        *(f"    {json.dumps(blob)}: {v}," for blob, v in values.items()),
        "}",
    ]


def _loader(name: str, weights: str) -> list[str]:
    return [
        f"WEIGHTS = Path(__file__).with_name({json.dumps(weights)})",
        "",
        "",
        f"def load(weights: str | Path = WEIGHTS) -> {name}:",
        '    """The net with its weights, ready for evaluation."""',
        "    from safetensors.torch import load_file",
        "",
        f"    net = {name}()",
        "    net.load_state_dict(load_file(weights))",
        "    return net.eval()",
    ]
