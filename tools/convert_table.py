"""Write the table of layers and targets at the end of docs/convert.md anew."""

from __future__ import annotations

from pathlib import Path

from netspec.convert.support import support_table

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "convert.md"


def main() -> None:
    """Replace what stands from the table's head on."""
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(text[: text.index("| Layer |")] + support_table())


if __name__ == "__main__":
    main()
