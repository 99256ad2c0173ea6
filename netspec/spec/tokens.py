"""Tokens of the text format, with their offsets; strings and their escapes."""

from __future__ import annotations

import re
from typing import NamedTuple

NAME, NUMBER, STRING, MARK, STRAY, END = range(1, 7)

# Possessive quantifiers (++ and *+) keep hostile input from making the match slow.
_SKIP = r"(?:[ \t\r\n\f\v]++|\#[^\n]*+)*+"
_TOKEN = re.compile(
    _SKIP
    + r"""(?:
      ([A-Za-z_][A-Za-z0-9_]*+)
    | ((?:0[xX][0-9A-Fa-f]++
         |(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?[fF]?)
       (?![A-Za-z0-9_.]))
    | ("(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+')
    | ([{}<>\[\]:;,\-])
    | (.)
    | (\Z)
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"""\\(?:([0-7]{1,3})|[xX]([0-9A-Fa-f]{1,2})
    |u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))""",
    re.VERBOSE,
)
_LETTERS = {
    "n": b"\n", "t": b"\t", "r": b"\r", "a": b"\a", "b": b"\b", "f": b"\f",
    "v": b"\v", "\\": b"\\", "'": b"'", '"': b'"', "?": b"?",
}  # fmt: skip


class Tokens(NamedTuple):
    """Parallel lists: the kind, the text and the offset of every token."""

    kinds: list[int]
    words: list[str]
    offsets: list[int]


def tokenize(text: str) -> Tokens:
    """Cut a text into tokens; the last one is END, what fits nowhere is STRAY."""
    kinds: list[int] = []
    words: list[str] = []
    offsets: list[int] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastindex or END
        kinds.append(kind)
        words.append(match[kind])
        offsets.append(match.start(kind))
    return Tokens(kinds, words, offsets)


def unquote(word: str) -> bytes:
    """The bytes that a quoted token means.

    Raises:
        ValueError: with the escape that does not exist.
    """
    inner = word[1:-1]
    if "\\" not in inner:
        return inner.encode("utf-8", "surrogateescape")
    parts, end = [], 0
    for match in _ESCAPE.finditer(inner):
        parts += [inner[end : match.start()].encode("utf-8", "surrogateescape")]
        parts += [_unescape(match)]
        end = match.end()
    return b"".join([*parts, inner[end:].encode("utf-8", "surrogateescape")])


def _unescape(match: re.Match[str]) -> bytes:
    octal, hexadecimal, short, long, letter = match.groups()
    if octal or hexadecimal:
        value = int(octal, 8) if octal else int(hexadecimal, 16)
        if value < 256:
            return bytes([value])
    elif short or long:
        value = int(short or long, 16)
        if value < 0x110000 and not 0xD800 <= value < 0xE000:
            return chr(value).encode()
    elif letter in _LETTERS:
        return _LETTERS[letter]
    raise ValueError(match[0])


_RUN = re.compile(r"[^\s{}<>\[\]:;,\"'#]+")


def describe_stray(text: str, offset: int) -> tuple[str, str]:
    """What is wrong with a character that starts no token: problem and remedy."""
    letter = text[offset]
    if letter in "\"'":
        return (
            f"the text that starts here has no closing {letter} on its line.",
            f"Close it with {letter}; a long text may be written as several quoted "
            "parts, one after another.",
        )
    if 0xDC80 <= ord(letter) <= 0xDCFF:
        return not_utf8(ord(letter) - 0xDC00)
    run = _RUN.match(text, offset)
    if run and (letter.isdigit() or letter == "."):
        return f"{run[0]!r} is not a number.", "Write it like 3, -0.5 or 1e-4."
    return (
        f"unexpected character {letter!r}.",
        "Text goes in double quotes; a comment starts with #.",
    )


def not_utf8(byte: int) -> tuple[str, str]:
    """Problem and remedy for a byte that is not UTF-8, outside a comment."""
    return f"the byte 0x{byte:02x} is not UTF-8.", "Save the file as UTF-8."
