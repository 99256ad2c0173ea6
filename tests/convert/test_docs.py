"""The table of layers in docs/convert.md is the one that the code makes."""

from __future__ import annotations

from netspec.convert.request import MODULES
from netspec.convert.support import support_table
from tests.convert.helpers import ROOT


def test_the_table_is_up_to_date() -> None:
    text = (ROOT / "docs" / "convert.md").read_text()
    assert support_table() in text, "run: python tools/convert_table.py"


def test_every_format_is_described() -> None:
    text = (ROOT / "docs" / "convert.md").read_text()
    for name in MODULES:
        assert f"`{name}`" in text, name
