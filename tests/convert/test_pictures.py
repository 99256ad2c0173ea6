"""Pictures of nets, asked for as conversions."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.convert.converting import convert
from netspec.convert.mermaid import to_mermaid
from netspec.convert.request import Request
from netspec.draw import Arrow, Box, Diagram
from tests.convert.helpers import MODELS

STARTS = {
    "svg": b"<svg",
    "png": b"\x89PNG\r\n",
    "dot": b"digraph",
    "mmd": b"flowchart TB",
}


@pytest.mark.parametrize("suffix", STARTS)
def test_a_picture_by_the_name_of_its_file(suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"net.{suffix}"
    outcome = convert(Request(str(MODELS / "lenet_deploy.prototxt"), out))
    assert outcome.certificate is None
    assert STARTS[suffix] in out.read_bytes()[:200]


def test_shapes_stand_on_the_arrows(tmp_path: Path) -> None:
    out = tmp_path / "net.mmd"
    convert(Request(str(MODELS / "lenet_deploy.prototxt"), out))
    assert '-->|"64x20x24x24"|' in out.read_text()


def test_mermaid() -> None:
    diagram = Diagram("x", "LR")
    diagram.boxes["a"] = Box(('say "hi"', "<b>"), "#FF0000")
    diagram.boxes["b"] = Box(("#1",), "#00FF00", True)
    diagram.arrows.append(Arrow("a", "b", "2x3"))
    assert to_mermaid(diagram) == (
        "flowchart LR\n"
        '  n0["say #quot;hi#quot;<br/>#lt;b#gt;"]\n'
        "  style n0 fill:#FF0000\n"
        '  n1{{"#35;1"}}\n'
        "  style n1 fill:#00FF00\n"
        '  n0 -->|"2x3"| n1\n'
    )
