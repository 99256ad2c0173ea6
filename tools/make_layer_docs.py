"""Write docs/layers.md, the catalogue of layers, from the schema and the registry.

python -m tools.make_layer_docs             write it
python -m tools.make_layer_docs --check     only say whether it is up to date
python -m tools.make_layer_docs --golden    first run Caffe's cases on each backend,
                                            and write docs/golden_cases.json
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from pathlib import Path

from netspec.layers import LAYERS
from netspec.layers.base import Alias, Layer
from netspec.layers.no_gradient import NoGradient
from netspec.proto import LayerParameter
from tools.example_nets import layer_of, shown
from tools.layer_examples import EXAMPLES, Double
from tools.schema_text import SCHEMA, messages, referred

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "layers.md"
GOLDEN = ROOT / "docs" / "golden_cases.json"
BACKENDS = ("numpy", "cpu", "cuda")
TYPES = sorted(EXAMPLES, key=str.lower)
RECURRENT = ("LSTM", "RNN")
RELATIVE = 1e-5
COMMON = ("FillerParameter", "TransformationParameter", "LossParameter")
_FIELD = re.compile(r"optional (\w+) (\w+) = \d+; *// ([\w, ]+)")
_ROLE = re.compile(r":\w+:`~?([\w.]+)`")
_HEAD = """# Layers

Every layer type that netspec has, in alphabetical order: what it computes, its settings
with their defaults as protos/netspec.proto has them, and an example. Above each example
stand the shapes around it, as netspec infers them. x is a bottom, y a top, w a weight,
b a bias; an axis below 0 counts from the end.

Written by `python -m tools.make_layer_docs`; a test builds and runs every example. How
many of Caffe's own cases pass stands [at the end](#caffes-own-cases).
"""
_GOLDEN_HEAD = """## Caffe's own cases

How many of the cases that Caffe itself has computed (outputs, gradients and statistics,
within 1e-5 of the largest value) each backend passes. A Net is several layers together.
Caffe's LSTM and RNN drop the gradients of their final states; in those cases they are
left out here too. Layers of Caffe's relatives have no cases here, nor have layers that
read files; their tests have other references. Those of cuda run its kernels without a
GPU, every access checked (`tests/cudasim/`).
"""
_COMMON_HEAD = "## Settings that several layers share\n"


def page() -> str:
    """The text of docs/layers.md."""
    schema = messages(SCHEMA.read_text())
    names = ", ".join(f"[{t}](#{t.lower()})" for t in TYPES)
    parts = [_HEAD, f"{names}\n"]
    parts += [section(type, schema) for type in TYPES]
    parts += [_COMMON_HEAD, *(_message(name, schema) for name in COMMON)]
    parts += [_GOLDEN_HEAD, golden_table(json.loads(GOLDEN.read_text()))]
    return "\n".join(parts)


def section(type: str, schema: dict[str, tuple[str, str]]) -> str:
    """What the catalogue says about one type."""
    kind = LAYERS[type]
    shared = [n for n in message_names(type, schema) if n in COMMON]
    own = [n for n in message_names(type, schema) if n not in COMMON]
    parts = [f"## {type}\n", f"{_prose(kind)}\n", _facts(kind)]
    parts += [_message(name, schema) for name in own]
    if shared:
        links = ", ".join(f"[{name}](#{name.lower()})" for name in shared)
        parts.append(f"It also reads {links}.\n")
    parts.append(f"```prototxt\n{shown(type, EXAMPLES[type])}```\n")
    if kind.runs_code:
        code = inspect.getsource(Double).replace("(UserLayer)", "(caffe.Layer)")
        parts.append(f"with, in a module `my_layers`:\n\n```python\n{code}```\n")
    return "\n".join(parts)


def _prose(kind: type[Layer]) -> str:
    """The first sentence of a type's module, and the docstring of its class."""
    first, _, _ = (inspect.getmodule(kind).__doc__ or "").partition("\n\n")
    texts = [first.strip()] if ": " in first else []
    text = "\n\n".join([*texts, inspect.getdoc(kind) or ""])
    return _ROLE.sub(lambda m: f"`{m[1]}`", text).replace("``", "`")


def _facts(kind: type[Layer]) -> str:
    facts = [f"Bottoms: {kind.bottoms}", f"tops: {kind.tops}"]
    if kind.allows_in_place:
        facts.append("may work in place")
    if kind.alias is not Alias.NONE:
        facts.append("copies nothing: the top is the bottom's memory")
    if kind.is_loss:
        facts.append("a loss: its first top has loss_weight 1 by default")
    if kind.resizes:
        facts.append("its data decides the shapes of the tops")
    if issubclass(kind, NoGradient):
        facts.append("no gradient")
    return "; ".join(facts) + ".\n"


def message_names(type: str, schema: dict[str, tuple[str, str]]) -> list[str]:
    """The messages a type reads: by the schema's comments, its code, its example."""
    fields = LayerParameter.DESCRIPTOR.fields_by_name
    said = _FIELD.findall(schema["LayerParameter"][1])
    names = {field for _, field, types in said if type in types.split(", ")}
    names |= {f.name for f, _ in layer_of(type, EXAMPLES[type]).ListFields()}
    code = "".join(inspect.getsource(k) for k in LAYERS[type].__mro__ if _is_own(k))
    names |= set(re.findall(r"\b\w+_param\b", code))
    return [
        fields[name].message_type.name
        for name in sorted(names & set(fields))
        if name.endswith("_param")
    ]


def _is_own(kind: type) -> bool:
    return issubclass(kind, Layer) and kind is not Layer


def _message(name: str, schema: dict[str, tuple[str, str]]) -> str:
    comment, text = schema[name]
    inner = [n for n in referred(text) if n in schema and n not in COMMON]
    blocks = "\n\n".join(schema[n][1] for n in [name, *inner])
    title = f"### {name}\n\n" if name in COMMON else ""
    return f"{title}{comment}\n\n```proto\n{blocks}\n```\n"


def golden_table(counts: dict[str, dict[str, int]]) -> str:
    """Cases and how many each backend passes, one layer type a row."""
    rows = [
        f"| {type} | {row['cases']} | {' | '.join(str(row[b]) for b in BACKENDS)} |"
        for type, row in counts.items()
    ]
    columns = ("cases", *BACKENDS)
    sums = [str(sum(row[c] for row in counts.values())) for c in columns]
    rows.append(f"| **all** | {' | '.join(sums)} |")
    head = f"| layer | cases | {' | '.join(BACKENDS)} |\n|"
    head += " --- |" + " ---: |" * (1 + len(BACKENDS))
    return "\n".join([head, *rows, ""])


def run_golden() -> dict[str, dict[str, int]]:
    """Run every case on every backend; how many there are, and how many pass."""
    from tests.golden import golden_folder

    index = json.loads((golden_folder() / "layers" / "index.json").read_text())
    counts: dict[str, dict[str, int]] = {}
    for case in sorted(index["cases"], key=lambda case: case["type"].lower()):
        row = counts.setdefault(case["type"], dict.fromkeys(("cases", *BACKENDS), 0))
        row["cases"] += 1
        for backend in BACKENDS:
            row[backend] += passes(case, backend)
    return counts


def passes(case: dict, backend: str) -> bool:
    """Whether one case passes on one backend."""
    from netspec.errors import NetspecError

    try:
        _run_on_device(case) if backend == "cuda" else _run(case, backend)
    except (AssertionError, NetspecError) as error:
        print(f"{case['name']} on {backend}: {error}", file=sys.stderr)
        return False
    return True


def _run(case: dict, backend: str) -> None:
    from tests.golden import GoldenRun
    from tests.layers.test_recurrent import WithoutFinalDiffs

    recurrent = case["type"] in RECURRENT
    kind = WithoutFinalDiffs if recurrent else GoldenRun
    kind(case, backend, lean=False).check(RELATIVE)


def _run_on_device(case: dict) -> None:
    """Kernels are compiled by g++, and every access is checked."""
    from tests.cudasim.standin import install
    from tests.cudasim.test_golden import OnDevice

    with install(mode="check"):
        from netspec.backends.cuda import CudaOps

        OnDevice(case, CudaOps(), lean=False).check(RELATIVE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--golden", action="store_true", help="run Caffe's cases first")
    options = parser.parse_args()
    if options.golden:
        GOLDEN.write_text(json.dumps(run_golden(), indent=1) + "\n")
    text = page()
    stale = not PAGE.exists() or PAGE.read_text() != text
    if stale and not options.check:
        PAGE.write_text(text)
    if stale:
        print(f"{'stale' if options.check else 'wrote'}: {PAGE.relative_to(ROOT)}")
    return int(stale and options.check)


if __name__ == "__main__":
    sys.exit(main())
