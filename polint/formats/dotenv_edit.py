"""Edits of .env files that all their readers take alike: a value put in quotes, a line taken away, a variable set."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache

from ..diagnostic import Edit
from ..patterns import lazy
from ..source import Source, Span
from ..value import Literal
from . import Entry
from .dotenv import DIALECTS, parse

_LINE = lazy(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*(?P<value>[^\r\n]*?)(?:[ \t]+#[^\r\n]*)?[ \t]*\r?")


def quoted(place: Span, dialects: Iterable[str]) -> Edit | None:
    """Quotes round the unquoted value on the line of ``place``, so that each of ``dialects`` reads just what is written there."""
    source = place.source
    start, end = _line(place)
    found = _LINE.fullmatch(source.text, start, end)
    if found is None:
        return None
    value = found["value"]
    if not value or value[0] in "\"'" or "\\" in value or "${" in value:
        return None
    quote = "'" if "$" in value or '"' in value else '"'
    if quote in value:
        return None
    edit = Edit(source.span(*found.span("value")), f"{quote}{value}{quote}")
    changed = Source(source.path, f"{source.text[: edit.span.start]}{edit.replacement}{source.text[edit.span.end :]}")
    for dialect in dialects:
        entries, stop = _on(changed, start, end + 2, dialect), end + 2
        one = entries[0] if len(entries) == 1 else None
        if one is None or not isinstance(one.value, Literal) or one.value.value != value or one.span.end > stop:
            return None
        if any(start <= fault.span.start <= stop for fault in parse(changed, dialect).faults):
            return None
    return edit


def removed(place: Span) -> Edit | None:
    """The line of ``place`` taken away, where every reader sees one entry on it that ends there."""
    source = place.source
    start, end = _line(place)
    for dialect in DIALECTS:
        entries = _on(source, start, end, dialect)
        if len(entries) > 1 or any(entry.span.end > end for entry in entries):
            return None
    return Edit(source.span(start, min(end + 1, len(source.text))), "")


def line_of(source: Source, name: str) -> str | None:
    """``NAME=value`` as a file has it, without quotes or references; None where it has none, or no value."""
    entries = [entry for entry in parse(source).entries if entry.key == name]
    if len(entries) != 1 or not isinstance(entries[0].value, Literal) or not entries[0].value.value:
        return None
    value = str(entries[0].value.value)
    return f"{name}={value}" if entries[0].value_span.text == value and value.isalnum() else None


def set_to(source: Source, name: str, line: str) -> Edit | None:
    """``NAME=value`` behind the last line of a file, or its value in the line that has none; None where it has one."""
    entries = [entry for entry in parse(source).entries if entry.key == name]
    if entries:
        place = entries[0].value_span
        return Edit(place, line.partition("=")[2]) if len(entries) == 1 and not place.text else None
    text = source.text
    glued = bool(text) and not text.endswith("\n")
    return Edit(source.span(len(text), len(text)), f"\n{line}" if glued else f"{line}\n")


def _line(place: Span) -> tuple[int, int]:
    """Where the line of a place begins and ends, its line end aside."""
    text = place.source.text
    end = text.find("\n", place.start)
    return text.rfind("\n", 0, place.start) + 1, len(text) if end < 0 else end


def _on(source: Source, start: int, end: int, dialect: str) -> list[Entry]:
    """The entries of which some part stands between two places."""
    starts, found = _in_order(source, dialect)
    at = bisect_right(starts, end)
    reached: list[Entry] = []
    while at and max(found[at - 1].span.end, found[at - 1].value_span.end) >= start:
        at -= 1
        reached.append(found[at])
    return reached[::-1]


@lru_cache(maxsize=8)  # many edits look into one file
def _in_order(source: Source, dialect: str) -> tuple[list[int], list[Entry]]:
    """The entries, which follow one another, and where each starts."""
    found = sorted(parse(source, dialect).entries, key=lambda entry: entry.span.start)
    return [entry.span.start for entry in found], found
