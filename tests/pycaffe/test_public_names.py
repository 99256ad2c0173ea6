"""docs/pycaffe.md lists every name of pycaffe, and what it calls supported is there."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from netspec import pycaffe
from netspec.pycaffe.proto import caffe_pb2
from tests.conftest import ROOT

from .public_names import MESSAGES, PUBLIC

ROW = re.compile(r"\| `(\w+)` \| (yes|no) \| ?(.*?) ?\|")


def documented():
    """Name to (supported, note), by heading."""
    tables = {}
    for line in (ROOT / "docs" / "pycaffe.md").read_text().splitlines():
        if line.startswith("### "):
            table = tables.setdefault(line[4:], {})
        elif row := ROW.fullmatch(line):
            table[row[1]] = (row[2] == "yes", row[3])
    return tables


def resolve(path):
    """The module or class that a heading names."""
    parts = path.split(".")[1:]
    here = pycaffe
    for i, part in enumerate(parts):
        if not hasattr(here, part):
            import_module(".".join(["netspec.pycaffe", *parts[: i + 1]]))
        here = getattr(here, part)
    return here


def has(thing, name):
    descriptor = getattr(thing, "DESCRIPTOR", None)
    if descriptor is not None:
        return name in descriptor.fields_by_name
    if thing is pycaffe.Layer:
        thing = thing()
    # Attributes of objects are declared in their class.
    classes = getattr(thing, "__mro__", ())
    return hasattr(thing, name) or any(
        name in vars(kind).get("__annotations__", ()) for kind in classes
    )


@pytest.mark.smoke
def test_every_name_is_documented_and_none_beyond():
    tables = documented()
    assert {k: sorted(v) for k, v in tables.items()} == {
        k: sorted(v) for k, v in PUBLIC.items()
    }


@pytest.mark.parametrize("path", PUBLIC)
def test_what_is_called_supported_is_there(path):
    table = documented()[path]
    for name, (supported, note) in table.items():
        if supported:
            assert has(resolve(path), name), (path, name)
        else:
            assert note, f"{path}.{name} must say why"


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_of_caffes_schema_is_there(name):
    assert hasattr(caffe_pb2, name)


def test_what_the_package_says_it_exports_is_there():
    for module in (pycaffe, import_module("netspec.pycaffe._caffe"), pycaffe.io):
        for name in module.__all__:
            assert hasattr(module, name), name
