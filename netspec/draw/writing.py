"""Diagrams as files, in whatever format their names ask for."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from netspec.draw.diagram import Diagram
from netspec.draw.dot import to_dot
from netspec.draw.layout import lay_out
from netspec.draw.png import to_png
from netspec.draw.svg import to_svg
from netspec.errors import UsageError
from netspec.files import replacing


def _dot(diagram: Diagram) -> bytes:
    return to_dot(diagram).encode()


FORMATS: dict[str, Callable[[Diagram], bytes]] = {
    "dot": _dot,
    "gv": _dot,
    "raw": _dot,
    "svg": lambda diagram: to_svg(lay_out(diagram), diagram.name).encode(),
    "png": lambda diagram: to_png(lay_out(diagram)),
}
_GRAPHVIZ_SECONDS = 300


def render(diagram: Diagram, format: str) -> bytes:
    """A file's bytes: DOT, SVG or PNG, and any other format by Graphviz.

    Raises:
        UsageError: another format, and there is no Graphviz, or it does not know it.
    """
    if format in FORMATS:
        return FORMATS[format](diagram)
    program = shutil.which("dot")
    if program is None:
        raise UsageError(
            f"a diagram cannot be drawn as {format!r}.",
            f"Choose from {', '.join(FORMATS)}, or install Graphviz, which draws more.",
        )
    done = subprocess.run(
        [program, f"-T{format}"],
        input=_dot(diagram),
        capture_output=True,
        timeout=_GRAPHVIZ_SECONDS,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise UsageError(f"Graphviz cannot draw {format!r}: {reason}.")
    return done.stdout


def write(
    diagram: Diagram, path: str | PathLike[str], format: str | None = None
) -> None:
    """Draw into a file; where no *format* is given, the end of its name says it.

    Raises:
        UsageError: see :func:`render`.
        DataError: it cannot be written.
    """
    data = render(diagram, format or Path(path).suffix.lstrip(".").lower())
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(data)
