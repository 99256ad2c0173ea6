"""What to say when a file given as weights is something else."""

from __future__ import annotations

import re
from pathlib import Path

from netspec.errors import DataError, Place
from netspec.spec.wire import LENGTH, VARINT, Message, format_bytes

_UNPACK = "Unpack it and give the file inside."
_CONVERT = "netspec reads Caffe's weights: .caffemodel, or HDF5 as Caffe writes it."
# First bytes, what they are, what to do.
_SIGNATURES = (
    (b"\x1f\x8b", "a gzip file", _UNPACK),
    (b"PK\x03\x04", "a zip archive (PyTorch's files are zip archives too)", _UNPACK),
    (b"BZh", "a bzip2 file", _UNPACK),
    (b"\xfd7zXZ\x00", "an xz file", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd file", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"\x93NUMPY", "a NumPy array", _CONVERT),
    (b"\x80\x02", "a Python pickle, which netspec never loads", _CONVERT),
    (b"\x80\x03", "a Python pickle, which netspec never loads", _CONVERT),
    (b"\x80\x04", "a Python pickle, which netspec never loads", _CONVERT),
)
_TAR = (257, b"ustar")
_LFS = b"version https://git-lfs.github.com/spec/"
_MARKUP = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<(!doctype|html|head|\?xml|!--)", re.I)
_PROTOTXT = re.compile(rb"^\s*(name|input|layers?|net|base_lr)\s*[:{]", re.M)
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f"))
_HEAD = 4096


def other_kind(file: Message) -> DataError | None:
    """The error for a file that is known not to hold weights, or None."""
    head = bytes(file.buffer[:_HEAD])
    found = _by_signature(head) or _by_text(head) or _safetensors(head)
    if found:
        return _error(file.file, *found)
    return _other_message(file)


def _error(file: str, what: str, remedy: str) -> DataError:
    return DataError(f"this is {what}, not weights.", remedy, place=Place(file))


def _by_signature(head: bytes) -> tuple[str, str] | None:
    for magic, what, remedy in _SIGNATURES:
        if head.startswith(magic):
            return what, remedy
    offset, magic = _TAR
    return ("a tar archive", _UNPACK) if head.startswith(magic, offset) else None


def _by_text(head: bytes) -> tuple[str, str] | None:
    if head.startswith(_LFS):
        size = re.search(rb"^size (\d{1,18})$", head, re.M)
        full = f" for {format_bytes(int(size[1]))}" if size else ""
        return f"a Git LFS pointer{full}", "Fetch the file itself: git lfs pull."
    if _MARKUP.match(head):
        what = "a web page, as a failed download leaves it"
        return what, "Download the file itself."
    high = sum(byte > 127 for byte in head)
    if head.translate(None, _CONTROL) != head or 2 * high > len(head):
        return None
    if _PROTOTXT.search(head):
        return "a prototxt", "A net's text goes to --model; weights are a .caffemodel."
    return "a text file", _CONVERT


def _safetensors(head: bytes) -> tuple[str, str] | None:
    return ("a safetensors file", _CONVERT) if head[8:10] == b'{"' else None


def _other_message(file: Message) -> DataError | None:
    """Caffe's other binary files, told apart by the wire types of their fields.

    Field 1 is a string in NetParameter, a number in SolverState and in BlobProto;
    field 2 is a string in SolverState and a number in BlobProto.  A BlobProto of
    today begins with its data, field 5, which is a number in NetParameter.
    """
    shape = {f.number: f for f in _first_fields(file)}
    wires = {number: field.wire for number, field in shape.items()}
    if wires.get(1) == VARINT and wires.get(2, LENGTH) == LENGTH:
        net = file.text(shape[2]) if 2 in shape else ""
        return solverstate_given(file.file, net)
    if wires.get(1, wires.get(2)) == VARINT or wires.get(5) == LENGTH:
        what = "a single blob, such as a mean image (binaryproto)"
        return _error(
            file.file, what, "A mean image goes to transform_param.mean_file."
        )
    return None


def _first_fields(file: Message) -> list:
    """A few fields from the start, as far as they are in order."""
    found: list = []
    try:
        for field in file.fields():
            found.append(field)
            if len(found) == 4:
                break
    except DataError:
        pass
    return found


def solverstate_given(path: str | Path, learned_net: str) -> DataError:
    """The error for a solver's state given as weights: names the weights it belongs to.

    Args:
        learned_net: the path of the weights as the solver noted it, or "".
    """
    path = Path(path)
    twin = path.with_name(path.name.replace(".solverstate", ".caffemodel"))
    if twin != path and twin.exists():
        remedy = f"Its weights are {str(twin)!r}; the state itself goes to --resume."
    elif learned_net:
        remedy = f"Its weights were saved as {learned_net!r}."
    else:
        remedy = "Give the .caffemodel that was saved with it."
    return _error(str(path), "a solver's state", remedy)
