"""Edits of SQL: where a statement about a role goes, behind the one that makes it."""

from __future__ import annotations

from ..source import Span
from ..tuples import NamedTuple


class Place(NamedTuple):
    """Where a further statement goes, between ``before`` and ``after``; ``lower`` says that this file writes keywords so."""

    at: int
    before: str
    after: str
    lower: bool


def place(span: Span) -> Place | None:
    """Behind the line on which the statement at ``span`` ends; None where more than a comment follows it there."""
    text = span.source.text
    end = span.end
    while end < len(text) and text[end] in " \t\r\n":
        end += 1
    newline = text.find("\n", end)
    stop = len(text) if newline < 0 else newline
    rest = text[end + 1 : stop].strip()
    line = text.rfind("\n", 0, span.start) + 1
    indent = text[line : span.start]
    if text[end : end + 1] != ";" or (rest and not rest.startswith("--")) or indent.strip():
        return None
    lower = span.text[:6].islower()
    return Place(len(text), f"\n{indent}", "", lower) if newline < 0 else Place(newline + 1, indent, "\n", lower)
