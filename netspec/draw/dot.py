"""Diagrams in Graphviz's language."""

from __future__ import annotations

from netspec.draw.diagram import Diagram


def to_dot(diagram: Diagram) -> str:
    """A digraph; records are layers, octagons blobs."""
    lines = [f"digraph {_quoted(diagram.name)} {{", f"rankdir={diagram.direction};"]
    for key, box in diagram.boxes.items():
        shape = "octagon" if box.corners else "box"
        label = _quoted("\n".join(box.lines))
        lines.append(
            f"{_quoted(key)} [label={label}, shape={shape}, style=filled, "
            f'fillcolor="{box.colour}"];'
        )
    for arrow in diagram.arrows:
        label = f" [label={_quoted(arrow.label)}]" if arrow.label else ""
        lines.append(f"{_quoted(arrow.tail)} -> {_quoted(arrow.head)}{label};")
    return "\n".join([*lines, "}\n"])


def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
