"""Where compiled kernels are kept from one process to the next, and for which sources.

Numba notices when the file of a kernel changes, but not when a file does that the
kernel takes helpers or constants from.  So the kernels of each module get a folder
named by a digest of all the package's sources that the module stands on.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
FOLDER = "NETSPEC_CACHE"  # environment: another folder for what is kept
UNUSED_DAYS = 30  # after which kernels of other sources are removed
IMPORT = re.compile(rb"^\s*from (netspec[\w.]*) import ([^(\n]+|\([^)]*\))", re.M)

# Called once, before a process compiles its first kernel.
listeners: list[Callable[[], None]] = []


def cache_folder() -> Path:
    """The user's folder for what can be made again: NETSPEC_CACHE, or the system's."""
    if os.environ.get(FOLDER):
        return Path(os.environ[FOLDER])
    if sys.platform == "win32":
        system = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        system = "~/Library/Caches"
    else:
        system = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(system).expanduser() / "netspec"


@cache
def folder_for(module: str) -> Path | None:
    """The folder of a module's kernels, there and writable; None: there can be none."""
    own = cache_folder() / "kernels" / module
    folder = own / digest(module)
    try:
        is_new = not folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        os.utime(folder)
    except OSError:
        return None
    if is_new:
        _remove_unused(own)
    return folder


def _remove_unused(folder: Path) -> None:
    """Remove the kernels of sources that nobody has used for long."""
    limit = time.time() - UNUSED_DAYS * 24 * 3600
    for other in folder.iterdir():
        try:
            if other.stat().st_mtime < limit:
                shutil.rmtree(other, ignore_errors=True)
        except OSError:
            continue  # another process was faster


def digest(module: str, package: Path = PACKAGE) -> str:
    """Digest of the sources of a module and of all that it imports of the package."""
    sources: dict[str, bytes] = {}
    _collect(module, package, sources)
    joined = hashlib.blake2b(digest_size=12)
    for name in sorted(sources):
        joined.update(name.encode() + b"\0" + sources[name] + b"\0")
    return joined.hexdigest()


def _collect(module: str, package: Path, sources: dict[str, bytes]) -> None:
    """Add the source of a module, where there is one, and of all that it imports."""
    source = None if module in sources else _source(module, package)
    if source is not None:
        sources[module] = source
        for imported in _imports(source):
            _collect(imported, package, sources)


@cache
def _source(module: str, package: Path) -> bytes | None:
    stem = package.joinpath(*module.split(".")[1:])
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path.read_bytes()
    return None


@cache
def _imports(source: bytes) -> tuple[str, ...]:
    """Modules, and names that may be modules of a package, that a source imports."""
    found = []
    for match in IMPORT.finditer(source):
        origin = match[1].decode()
        names = re.findall(r"\w+", match[2].decode())
        found += [origin, *(f"{origin}.{name}" for name in names)]
    return tuple(found)


def tell() -> None:
    """A kernel is about to be compiled: tell the listeners, once a process."""
    while listeners:
        listeners.pop(0)()
