"""Finding the files that a command or a spec names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def find(name: str | Path, beside: str | Path | None = None) -> Path:
    """The file or folder that a spec means by *name*.

    Caffe reads relative names from the working folder.  Where nothing stands there,
    the name is tried beside the file that mentions it, and then among the models that
    come with netspec, so that ``models/vgg16_solver.prototxt`` works from anywhere.

    Returns:
        The first that exists, or *name* itself so that the caller's error names it.
    """
    name = Path(name)
    return next((path for path in _candidates(name, beside) if path.exists()), name)


def _candidates(name: Path, beside: str | Path | None) -> Iterator[Path]:
    yield name
    if name.is_absolute():
        return
    if beside is not None:
        yield Path(beside).parent / name
    yield PACKAGE / "share" / name  # an installed wheel
    yield PACKAGE.parent / name  # a source tree
