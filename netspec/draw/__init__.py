"""Nets as pictures: DOT, SVG and PNG, without Graphviz."""

from netspec.draw.diagram import Arrow, Box, Diagram
from netspec.draw.from_net import diagram_of
from netspec.draw.writing import FORMATS, render, write

__all__ = ["FORMATS", "Arrow", "Box", "Diagram", "diagram_of", "render", "write"]
