"""Edits of files that hold one setting a line: postgresql.conf, php-fpm, pgbouncer.ini, .env."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from .diagnostic import Edit
from .formats import Entry
from .patterns import lazy
from .source import Source, Span
from .tuples import NamedTuple

_TEMPLATE = lazy(r"^[ \t]*[^;#\s\n][^\n]*?\{[{%]|^[ \t]*\{[{%]", re.MULTILINE)  # outside of comments


@lru_cache(maxsize=8)  # many edits look into one file
def entries(source: Source, format_name: str) -> Sequence[Entry]:
    """The entries of a file, in order; not those of files that it includes."""
    if format_name == "postgresql.conf":
        from .formats import postgresql_conf

        found = postgresql_conf.parse(source).entries
    elif format_name == "php-fpm":
        from .formats import ini

        found = ini.parse_fpm(source).entries
    elif format_name == "pgbouncer":
        from .formats import pgbouncer

        found = pgbouncer.parse(source).entries
    else:
        from .formats import dotenv

        found = dotenv.parse(source).entries
    return [entry for entry in found if entry.span.source is source]


def _end(entry: Entry) -> int:
    return max(entry.span.end, entry.value_span.end)


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    """Behind the line end after ``at``."""
    newline = text.find("\n", at)
    return newline + 1 if newline >= 0 else len(text)


def removed(span: Span, format_name: str) -> Edit | None:
    """The edit that takes away the lines of the entry whose name or value stands at ``span``."""
    text = span.source.text
    near = _touching(span.source, format_name, span.start - 1, span.start + 1)
    entry = next((one for one in near if one.span.start <= span.start and span.end <= _end(one)), None)
    if entry is None:
        return None
    if not _is_at(span, entry):
        inside = format_name == "pgbouncer" and entry.section.partition("#")[0] != "pgbouncer"
        return _without_parameter(span, entry) if inside else None
    if format_name == "dotenv" and not _is_agreed(entry):
        return None
    start, end = _line_start(text, entry.span.start), _line_end(text, _end(entry))
    alone = all(one is entry for one in _touching(span.source, format_name, start, end))
    return Edit(Span(span.source, start, end), "") if alone else None


def _touching(source: Source, format_name: str, start: int, end: int) -> list[Entry]:
    """The entries of which some part stands between two places, in order."""
    starts, reaches, found = _in_order(source, format_name)
    last = first = bisect_left(starts, end)
    while first and reaches[first - 1] > start:
        first -= 1
    return [one for one in found[first:last] if _end(one) > start]


@lru_cache(maxsize=8)
def _in_order(source: Source, format_name: str) -> tuple[list[int], list[int], list[Entry]]:
    """The entries, where each starts, and how far it or one before it reaches."""
    found = sorted(entries(source, format_name), key=lambda entry: entry.span.start)
    return [entry.span.start for entry in found], list(accumulate(map(_end, found), max)), found


def _is_at(span: Span, entry: Entry) -> bool:
    """Whether name or value of the entry stand at ``span``, be it without quotes."""
    value = entry.value_span
    inner = value.text[:1] in ("'", '"') and (value.start + 1, value.end - 1) == (span.start, span.end)
    return inner or any((one.start, one.end) == (span.start, span.end) for one in (entry.span, entry.key_span, value))


def _is_agreed(entry: Entry) -> bool:
    """Whether every reader of .env files that reads the entry sees it end on the same line."""
    source = entry.span.source
    lines = {source.place(entry.value_span.end)[0]}
    for dialect in ("phpdotenv", "dotenvy"):
        lines |= {source.place(end)[0] for end in _ends(source, dialect).get(entry.key_span.start, ())}
    return len(lines) == 1


@lru_cache(maxsize=8)
def _ends(source: Source, dialect: str) -> dict[int, list[int]]:
    """Where values end, by where their keys start."""
    from .formats import dotenv

    ends: dict[int, list[int]] = {}
    for entry in dotenv.parse(source, dialect).entries:
        ends.setdefault(entry.key_span.start, []).append(entry.value_span.end)
    return ends


def _without_parameter(span: Span, entry: Entry) -> Edit | None:
    """``pool_size=20`` out of the connect string of a database."""
    source, value = span.source, entry.value_span
    text = source.text
    start, end = span.start, span.end
    while start > value.start and text[start - 1] not in " \t":
        start -= 1
    while end < value.end and text[end] not in " \t":
        end += 1
    word = text[start:end]
    if word.count("=") != 1 or word[-1] == "=" or "'" in value.text:
        return None
    if start == value.start:
        while end < value.end and text[end] in " \t":
            end += 1
        return Edit(Span(source, start, end), "") if end < value.end else None
    return Edit(Span(source, value.start + len(text[value.start : start].rstrip(" \t")), end), "")


class Place(NamedTuple):
    """Where a new line goes, between ``before`` and ``after``; ``equals`` stands between name and value in this file."""

    at: int
    before: str
    indent: str
    after: str
    equals: str


def place(span: Span, format_name: str, key: str) -> Place | None:
    """Where the setting ``key`` goes: behind the last one of its section, or of a file without any; None when it is there already."""
    source, text = span.source, span.source.text
    own = entries(source, format_name)
    at = len(text)
    last = own[-1] if own else None
    if format_name != "postgresql.conf":
        section = "pgbouncer" if format_name == "pgbouncer" else _section(span, own)
        own = [entry for entry in own if entry.section == section]
        settings = [entry for entry in own if entry.key != "include" or format_name != "php-fpm"]  # what it brings may end the section
        last = settings[-1] if settings else None
        after = _end(last) if last is not None else _header(text, section)
        if after < 0:
            return None
        if format_name == "php-fpm" and _TEMPLATE.search(text):
            return None  # a template decides what stands there
        at = _line_end(text, _switched_off(text, key, own[0].span.start, after) if own and format_name == "php-fpm" else after)
    if any(entry.key == key for entry in own):
        return None
    equals, indent = " = ", ""
    if last is not None:
        between = text[last.key_span.end : last.value_span.start]
        if between in ("=", " =", "= "):
            equals = between
        indent = text[_line_start(text, last.span.start) : last.span.start]
        indent = "" if indent.strip() else indent
    glued = at > 0 and text[at - 1] != "\n"
    return Place(at, ("\n" if glued else "") + indent, indent, "" if glued else "\n", equals)


def _switched_off(text: str, key: str, start: int, end: int) -> int:
    """Where the setting stands as a comment in a section that begins at ``start``, else ``end``, where its last setting does."""
    header = text.find("\n[", start)
    found = re.compile(rf"^[ \t]*;[ \t]*{re.escape(key)}[ \t]*=", re.MULTILINE).search(text, start, header if header >= 0 else len(text))
    return found.end() if found is not None else end


def _section(span: Span, known: Sequence[Entry]) -> str:
    """The section that ``span`` stands in: that of its header, or of the entry it is part of."""
    text = span.source.text
    line = text[_line_start(text, span.start) : _line_end(text, span.start)].strip()
    if line.startswith("[") and "]" in line:
        return line[1 : line.index("]")].strip()
    before = [entry for entry in known if entry.span.start <= span.start]
    return before[-1].section if before else ""


def _header(text: str, section: str) -> int:
    """Where the header of a section without entries stands; -1 when there is none."""
    at = text.find(f"[{section}]") if section else -1
    return at if at >= 0 and not text[_line_start(text, at) : at].strip() else -1
