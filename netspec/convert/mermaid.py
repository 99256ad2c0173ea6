"""Diagrams in Mermaid's language, which Markdown viewers draw."""

from __future__ import annotations

from netspec.draw import Diagram

# Entities for what ends a label, or begins a word of Mermaid's own.
_ESCAPES = str.maketrans({
    '"': "#quot;", "#": "#35;", "<": "#lt;", ">": "#gt;", "`": "#96;",
})  # fmt: skip


def to_mermaid(diagram: Diagram) -> str:
    """A flowchart; rectangles are layers, hexagons blobs."""
    keys = {key: f"n{i}" for i, key in enumerate(diagram.boxes)}
    lines = [f"flowchart {diagram.direction}"]
    for key, box in diagram.boxes.items():
        label = "<br/>".join(line.translate(_ESCAPES) for line in box.lines)
        left, right = ("{{", "}}") if box.corners else ("[", "]")
        lines.append(f'  {keys[key]}{left}"{label}"{right}')
        lines.append(f"  style {keys[key]} fill:{box.colour}")
    for arrow in diagram.arrows:
        label = f'|"{arrow.label.translate(_ESCAPES)}"|' if arrow.label else ""
        lines.append(f"  {keys[arrow.tail]} -->{label} {keys[arrow.head]}")
    return "\n".join(lines) + "\n"
