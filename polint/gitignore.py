"""Patterns as git reads them in ``.gitignore``: for ignored files, ``exclude`` and ``per-file-ignores``.

Own code because it is on the way of every run: the library for it costs more
to import than a small project takes to check.  Every pattern becomes one
regular expression that cannot backtrack for long, whatever the pattern says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple


class Pattern(NamedTuple):
    """One line of a pattern file: what it matches, and whether it takes back an earlier match."""

    match: re.Pattern[str]
    negated: bool
    folders_only: bool


def compile_lines(lines: Iterable[str]) -> tuple[Pattern, ...]:
    """The patterns of a pattern file; blank lines, comments and malformed patterns match nothing."""
    patterns = []
    for line in lines:
        text = _trimmed(line.rstrip("\r\n"))
        if not text or text.startswith("#"):
            continue
        negated = text.startswith("!")
        text = text[1:] if negated else text
        folders_only = text.endswith("/")
        text = text[:-1] if folders_only else text
        if not text:
            continue
        expression = _expression(text)
        if expression is not None:
            patterns.append(Pattern(re.compile(expression, re.DOTALL), negated, folders_only))
    return tuple(patterns)


def verdict(patterns: tuple[Pattern, ...], path: str, folder: bool) -> bool | None:
    """Whether ``path`` (relative to the pattern file) is matched; None when no pattern speaks of it."""
    for pattern in reversed(patterns):
        if (folder or not pattern.folders_only) and pattern.match.fullmatch(path):
            return not pattern.negated
    return None


def matches(patterns: tuple[Pattern, ...], path: str) -> bool:
    """Whether file ``path`` or a folder above it is matched."""
    if not patterns:
        return False
    at = path.find("/")
    while at >= 0:
        if verdict(patterns, path[:at], True):
            return True
        at = path.find("/", at + 1)
    return bool(verdict(patterns, path, False))


def _trimmed(line: str) -> str:
    """Without trailing spaces, unless a backslash keeps one."""
    text = line.rstrip(" ")
    backslashes = len(text) - len(text.rstrip("\\"))
    return text + " " if backslashes % 2 and len(text) < len(line) else text


def _expression(text: str) -> str | None:
    anchored = "/" in text
    text = text.removeprefix("/")
    if text.count("**") > 4:  # each one multiplies the places to try
        return None
    parts = text.split("/")
    out = [] if anchored else ["(?:.*/)?"]
    last = len(parts) - 1
    for number, part in enumerate(parts):
        if part == "**" and anchored:
            if number == last:
                out.append(".+")
            elif not (number and parts[number - 1] == "**"):
                out.append("(?:.*/)?")
            continue
        piece = _segment(part)
        if piece is None:
            return None
        out.append(piece)
        if number != last:
            out.append("/")
    return "".join(out)


def _segment(part: str) -> str | None:
    pieces: list[str] = []  # what stood between the stars so far
    out: list[str] = []
    at = 0
    while at < len(part):
        char = part[at]
        at += 1
        if char == "*":
            if out or not pieces:
                pieces.append("".join(out))
                out = []
        elif char == "?":
            out.append("[^/]")
        elif char == "\\":
            if at == len(part):
                return None
            out.append(re.escape(part[at]))
            at += 1
        elif char == "[":
            piece, at = _bracket(part, at)
            if piece is None:
                return None
            out.append(piece)
        else:
            out.append(re.escape(char))
    if not pieces:
        return "".join(out)
    # the first place that fits between two stars is as good as any later one, so it is never given up
    inner = "".join(f"(?>[^/]*?{piece})" for piece in pieces[1:])
    return f"{pieces[0]}{inner}[^/]*{''.join(out)}"


_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "digit": "0-9",
    "lower": "a-z",
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


def _bracket(part: str, at: int) -> tuple[str | None, int]:
    """The class that opened before ``at``; None when it never closes or makes no sense."""
    negated = part[at : at + 1] in ("!", "^")
    at += negated
    start = at
    out: list[str] = []
    while at < len(part):
        char = part[at]
        if char == "]" and at > start:
            body = "".join(out)
            expression = f"(?!/)[{'^' if negated else ''}{body}]"
            try:
                re.compile(expression)
            except re.error:
                return None, at
            return expression, at + 1
        if char == "[" and part[at + 1 : at + 2] == ":":
            end = part.find(":]", at + 2)
            name = part[at + 2 : end] if end > 0 else ""
            if name in _CLASSES:
                out.append(_CLASSES[name])
                at = end + 2
                continue
        if char == "\\" and at + 1 < len(part):
            at += 1
            char = part[at]
            out.append(re.escape(char))
        elif char == "-" and out and at + 1 < len(part) and part[at + 1] != "]":
            out.append("-")
        else:
            out.append("\\" + char if char in "\\^[]-&~|" else char)
        at += 1
    return None, at
