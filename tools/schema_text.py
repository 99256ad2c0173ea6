"""Messages of protos/netspec.proto as they stand there, comments and all."""

from __future__ import annotations

import re
from pathlib import Path

SCHEMA = Path(__file__).resolve().parent.parent / "protos" / "netspec.proto"
_REFERENCE = re.compile(r"^\s*(?:optional|repeated|required) ([A-Z]\w*)", re.MULTILINE)


def messages(text: str) -> dict[str, tuple[str, str]]:
    """Of each top-level message: the comment above it, and its text."""
    found = {}
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if line.startswith("message "):
            name = line.split()[1]
            end = i if line.endswith("}") else lines.index("}", i)
            found[name] = (_comment_above(lines, i), "\n".join(lines[i : end + 1]))
    return found


def _comment_above(lines: list[str], at: int) -> str:
    first = at
    while first and lines[first - 1].startswith("//"):
        first -= 1
    return " ".join(line.removeprefix("//").strip() for line in lines[first:at])


def referred(message: str) -> list[str]:
    """Names of the messages and enums that are types of a message's fields."""
    return list(dict.fromkeys(_REFERENCE.findall(message)))
