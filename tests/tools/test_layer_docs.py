"""docs/layers.md: generated, complete, and its examples run."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from netspec.layers import LAYERS
from netspec.net import Net
from netspec.proto import LayerParameter
from netspec.spec import parse_net
from tests.cudasim import emulator
from tests.golden import golden_folder
from tools.example_nets import feeding_of, graph_of, layer_of, net_of
from tools.layer_examples import EXAMPLES
from tools.make_layer_docs import BACKENDS, GOLDEN, PAGE, page, passes
from tools.schema_text import SCHEMA, messages, referred

EVERY = 36  # of Caffe's cases every such one is run again here; tests/layers runs all
NEED_FILES = {
    "AnnotatedData", "Data", "HDF5Data", "ImageData", "WindowData", "MemoryData",
    "Python",
}  # fmt: skip


@pytest.mark.smoke
def test_the_page_is_up_to_date():
    assert PAGE.read_text() == page(), "run: python -m tools.make_layer_docs"


def test_every_registered_type_is_in_it():
    text = PAGE.read_text()
    own = [t for t in LAYERS if LAYERS[t].__module__.startswith("netspec.layers.")]
    assert set(own) == set(EXAMPLES)
    assert [t for t in own if f"\n## {t}\n" not in text] == []


def test_every_setting_of_a_layer_is_in_it():
    text = PAGE.read_text()
    fields = LayerParameter.DESCRIPTOR.fields
    names = [f.message_type.name for f in fields if f.name.endswith("_param")]
    assert len(names) > 60
    assert [n for n in names if f"\nmessage {n} {{" not in text] == []


@pytest.mark.parametrize("type", EXAMPLES)
def test_an_example_on_the_page_builds(type):
    block = PAGE.read_text().partition(f"\n## {type}\n")[2]
    shown = block.partition("```prototxt\n")[2].partition("```")[0]
    (layer,) = parse_net(shown, "layers.md").message.layer
    assert layer == layer_of(type, EXAMPLES[type])
    graph = graph_of(type, EXAMPLES[type])
    node = next(n for n in graph.nodes if n.layer.type == type)
    for name, shape in zip(node.tops, node.top_shapes):
        assert f"{name} {'x'.join(map(str, shape)) or 'scalar'}" in shown


@pytest.mark.parametrize("type", sorted(EXAMPLES.keys() - NEED_FILES))
def test_an_example_runs(type, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # HDF5Output writes there
    example = EXAMPLES[type]
    feeding = feeding_of(type, example)
    net = Net(
        net_of(type, example), None, example.phase, device="numpy", feeding=feeding
    )
    # Ones are labels, rows, words and whole pixels alike.
    given = {n: np.ones(net.blobs[n].shape, np.float32) for n in net.inputs}
    for values in net.forward(**given).values():
        assert np.isfinite(values).all()


def test_messages_of_the_schema():
    found = messages(
        "// Two\n// lines.\nmessage A {\n  optional B b = 1;  // why\n}\n\n"
        "message B {}\n"
    )
    assert found["A"][0] == "Two lines."
    assert found["A"][1].endswith("// why\n}")
    assert found["B"] == ("", "message B {}")
    assert referred(found["A"][1]) == ["B"]


def test_the_schema_is_read_whole():
    found = messages(SCHEMA.read_text())
    assert set(found) >= {f.message_type.name for f in LayerParameter.DESCRIPTOR.fields
                          if f.message_type}  # fmt: skip
    assert all(comment for comment, _ in found.values())


def recorded() -> dict[str, dict[str, int]]:
    return json.loads(GOLDEN.read_text())


def cases() -> list[dict]:
    path = golden_folder() / "layers" / "index.json"
    if not path.is_file():
        pytest.skip(f"no golden data at {golden_folder()}: set NETSPEC_TEST_DATA")
    return json.loads(path.read_text())["cases"]


def test_every_golden_case_is_counted():
    counts = {type: row["cases"] for type, row in recorded().items()}
    assert counts == Counter(case["type"] for case in cases())


def test_every_golden_case_is_said_to_pass():
    for type, row in recorded().items():
        assert {row[b] for b in BACKENDS} == {row["cases"]}, type


@pytest.mark.parametrize("backend", BACKENDS)
def test_some_golden_cases_pass_as_recorded(backend):
    if backend == "cuda" and emulator.compiler() is None:
        pytest.skip("no g++: kernels cannot be emulated")
    for case in cases()[::EVERY]:
        assert passes(case, backend), case["name"]
