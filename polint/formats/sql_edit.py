"""Edits of SQL: ALTER SYSTEM out of the transaction that it fails in, a reload that changes nothing replaced by a word about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from textwrap import dedent

from ..diagnostic import Edit
from ..patterns import lazy
from ..source import Source, Span
from .sql_records import FunctionCall, SettingChange
from .sql_scan import Piece, pieces
from .sql_shell import argument_around

_BEGIN = lazy(r"BEGIN(?:\s+(?:WORK|TRANSACTION))?|START\s+TRANSACTION", re.IGNORECASE)
_COMMIT = lazy(r"(?:COMMIT|END)(?:\s+(?:WORK|TRANSACTION))?", re.IGNORECASE)
_CONTROL = lazy(r"(?:BEGIN|START|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE)\b", re.IGNORECASE)
_SYSTEM = lazy(r"ALTER\s+SYSTEM\b", re.IGNORECASE)
_RELOAD = lazy(r"SELECT\s+pg_reload_conf\s*\(\s*\)", re.IGNORECASE)
_BETWEEN = lazy(r"\s*;\s*")


def outside(change: SettingChange) -> list[Edit] | None:
    """The edits that let an ALTER SYSTEM run outside of the transaction it stands in; None where that is not plain."""
    statement = change.statement
    if statement.within or change.scope != "system" or not statement.in_transaction:
        return None
    if statement.span.path.endswith(".sh"):
        return _split(statement.span)
    return None if statement.conditional else _moved(statement.span)


def _split(span: Span) -> list[Edit] | None:
    """``psql -c "A; B"`` becomes ``psql -c "A" -c "B"``."""
    text = span.source.text
    found = argument_around(text, span.start)
    if found is None:
        return None
    option, start, end = found
    parts = list(pieces(text, start, end))
    if len(parts) < 2 or any(_CONTROL.match(text, part.start) for part in parts):
        return None
    made = []
    for one, other in pairwise(parts):
        if not _BETWEEN.fullmatch(text, one.end, other.start):
            return None
        quote = text[end]
        made.append(Edit(Span(span.source, one.end, other.start), f"{quote} {option}{quote}"))
    return made


def _moved(span: Span) -> list[Edit] | None:
    """The statement goes before ``BEGIN``; where the transaction has nothing else in it, its frame goes instead."""
    source, text = span.source, span.source.text
    found = list(pieces(text, 0, len(text)))
    at = next((at for at, one in enumerate(found) if one.start <= span.start and span.end <= one.end), -1)
    first = next((at for at in range(at - 1, -1, -1) if _CONTROL.match(text, found[at].start)), -1)
    last = next((at for at in range(at + 1, len(found)) if _CONTROL.match(text, found[at].start)), -1)
    if at < 0 or first < 0 or last < 0 or any(one.conditional for one in found[first : last + 1]):
        return None
    begin, commit = found[first], found[last]
    if not (_BEGIN.fullmatch(text, begin.start, begin.end) and _COMMIT.fullmatch(text, commit.start, commit.end)):
        return None
    own, frame = _lines(source, found[at]), (_lines(source, begin), _lines(source, commit))
    if own is None or frame[0] is None or frame[1] is None:
        return None
    if all(_SYSTEM.match(text, one.start) for one in found[first + 1 : last]):
        return [Edit(one, "") for one in frame if one is not None]
    own = _with_comment(own, found[at - 1].end)
    lines = own.text if own.text.endswith("\n") else own.text + "\n"
    return [Edit(Span(source, frame[0].start, frame[0].start), dedent(lines)), Edit(own, "")]


def _with_comment(span: Span, after: int) -> Span:
    """Whole lines with the lines of comments right above them, as far down as ``after``."""
    text, start = span.source.text, span.start
    while True:
        line = text.rfind("\n", 0, start - 1) + 1
        if line <= after or not text[line:start].lstrip().startswith("--"):
            return Span(span.source, start, span.end)
        start = line


def _lines(source: Source, piece: Piece) -> Span | None:
    """The whole lines of a statement that has them for itself, its semicolon and a comment behind it included."""
    text = source.text
    start = text.rfind("\n", 0, piece.start) + 1
    newline = text.find("\n", piece.end)
    end = len(text) if newline < 0 else newline + 1
    rest = text[piece.end : end].strip()
    if text[start : piece.start].strip() or not rest.startswith(";") or not (rest == ";" or rest[1:].lstrip().startswith("--")):
        return None
    return Span(source, start, end)


def restart_told(calls: Sequence[FunctionCall], names: Iterable[str]) -> Edit | None:
    """``SELECT pg_reload_conf();`` becomes a comment that the settings ``names`` take a restart; None where it is not all of its line."""
    if len(calls) != 1 or calls[0].statement.within:
        return None
    span = calls[0].statement.span
    text = span.source.text
    line, newline = text.rfind("\n", 0, span.start) + 1, text.find("\n", span.end)
    rest = text[span.end : newline if newline >= 0 else len(text)]
    if not _RELOAD.fullmatch(span.text) or text[line : span.start].strip() or rest.strip() != ";":
        return None
    told = f"-- restart the server: until then it goes on with the old {', '.join(dict.fromkeys(names))}"
    return Edit(Span(span.source, span.start, span.end + rest.index(";") + 1), told)
