"""``--format text``: what a person reads, with the source lines it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ..diagnostic import COVERED, SEVERITIES, Diagnostic, Note
from ..source import Source, Span
from . import IDLE, UNASKED, Report, Style, clean, counted, fixable, plural

if TYPE_CHECKING:
    from ..engine import Silence

_COLOURS = {"error": "1;31", "warning": "1;33", "info": "1;36", "gutter": "34", "bold": "1", "dim": "2"}
_TAB = 4
_MOST_BUDGETS = 5
_MOST_SILENT = 3  # subjects named for one reason
_ABOVE, _ABOVE_LIMIT = 30, 3000  # lines and characters above a line in which the name of its secret may stand
_LEAST = 16  # columns of a span that must be seen; for more, what stands before it is not cut off
_CONTEXT = 24  # columns kept before a span when its line is clipped


def report(result: Report, style: Style) -> str:
    """The diagnostics with their sources, then what was read and what it adds up to."""
    lines: list[str] = []
    explained: dict[str, set[str]] = {}  # the advice each rule has given so far: once is enough
    for diagnostic in result.active:
        given = explained.get(diagnostic.code)
        lines += _diagnostic(diagnostic, style, given is None, given is None or diagnostic.help not in given)
        lines.append("")
        explained.setdefault(diagnostic.code, set()).add(diagnostic.help)
    if style.verbosity >= 0:
        lines += _summary(result, style)
    return "".join(f"{line}\n" for line in lines)


def pointed(span: Span) -> list[str]:
    """The source line at ``span`` with carets under it, for a mistake in one of polint's own files."""
    style = Style()
    gutter = len(str(span.source.place(max(span.start, span.end - 1))[0]))
    return [_bar(gutter, style), *_snippet(span, gutter, "gutter", style)]


def _diagnostic(diagnostic: Diagnostic, style: Style, explain: bool, advise: bool) -> Iterator[str]:
    label, plain = f"{diagnostic.severity}[{diagnostic.code}]", f" {diagnostic.name}: "
    first, *rest = wrapped(_safe(diagnostic.message, style), label + plain, 4, style)
    yield f"{paint(label, diagnostic.severity, style)}{plain}{paint(first[len(label + plain) :], 'bold', style)}"
    for line in rest:
        yield f"    {paint(line.lstrip(), 'bold', style)}"
    last = diagnostic.span.source.place(max(diagnostic.span.start, diagnostic.span.end - 1))[0]
    gutter = len(str(last))
    yield f"{' ' * gutter}{paint('-->', 'gutter', style)} {_where(diagnostic.span, style)}"
    yield _bar(gutter, style)
    yield from _snippet(diagnostic.span, gutter, diagnostic.severity, style)
    for note in diagnostic.notes:
        yield from _note(note, gutter, style)
    if diagnostic.help and advise:
        yield from _help(diagnostic.help, gutter, style)
    if explain:
        yield from _label("more", f"polint rule {diagnostic.code}", gutter, style)


def _note(note: Note, gutter: int, style: Style) -> Iterator[str]:
    message = _safe(note.message, style)
    if note.span is None:
        yield from _label("note", message, gutter, style)
        return
    where = f"{paint('-->', 'gutter', style)} {_where(note.span, style)}"
    lines = list(_label("note", message, gutter, style))
    if style.wraps and columns(lines[-1]) + len(_where(note.span, style)) + 6 > style.width and len(message) > 20:
        lines.append(f"{' ' * (gutter + 9)}{where}")
    else:
        lines[-1] += f"  {where}"
    yield from lines
    # the line helps where the message does not already say what stands there
    written = note.span.text if note.span.end - note.span.start <= 80 else None
    if style.verbosity > 0 or (written is not None and written.strip("\"'") not in note.message):
        number = note.span.place[0]
        rows = list(_snippet(note.span, max(gutter, len(str(number))), "gutter", style))
        yield from rows[:2]


def _label(label: str, text: str, gutter: int, style: Style) -> Iterator[str]:
    """A captioned text, wrapped under its first word; ``text`` is safe already."""
    plain = f"{' ' * gutter} = {label}: "
    first, *rest = wrapped(text, plain, len(plain), style)
    yield f"{' ' * gutter} {paint('=', 'gutter', style)} {paint(label + ':', 'bold', style)} {first[len(plain) :]}"
    yield from rest


def _help(text: str, gutter: int, style: Style) -> Iterator[str]:
    first, *rest = text.strip().splitlines() or [""]
    yield from _label("help", _safe(first, style), gutter, style)
    for line in rest:
        yield from wrapped(_safe(line, style).rstrip(), " " * (gutter + 9) if line.strip() else "", gutter + 9, style)


def wrapped(text: str, head: str, indent: int, style: Style) -> list[str]:
    """``head`` and ``text``, on a terminal broken between words; the lines that follow are indented."""
    if not style.wraps or columns(head + text) <= style.width:
        return [head + text]
    lines = []
    line, used, is_bare = head, columns(head), True
    for word in text.split(" "):
        width = columns(word)
        if not is_bare and used + 1 + width > style.width:
            lines.append(line.rstrip())
            line, used, is_bare = " " * indent, indent, True
        line += word if is_bare else f" {word}"
        used += width + (not is_bare)
        is_bare = False
    return [*lines, line]


def _snippet(span: Span, gutter: int, colour: str, style: Style) -> Iterator[str]:
    """The source line with a caret under every column of the span; of several lines the first and the last."""
    source = span.source
    first, column = source.place(span.start)
    end = max(span.start, span.end)
    while end > span.start + 1 and source.text[end - 1] in "\r\n":
        end -= 1
    last, last_column = source.place(max(span.start, end - 1))
    if first == last:
        yield from _row(source, first, column - 1, column - 1 + max(1, end - span.start), gutter, colour, style)
        return
    yield from _row(source, first, column - 1, None, gutter, colour, style)
    if last > first + 1:
        yield paint(f"{'.' * 3}", "gutter", style)
    text = _line(source, last)
    yield from _row(source, last, min(len(text) - len(text.lstrip()), last_column - 1), last_column, gutter, colour, style)


@lru_cache(maxsize=64)
def _line(source: Source, number: int, ascii: bool = False) -> str:
    """A source line as it may be shown; kept, since one endless line can have many diagnostics."""
    first = source.starts[max(0, number - 1 - _ABOVE)]
    at = source.starts[number - 1]
    return clean(source.line(number), ascii, source.text[max(first, at - _ABOVE_LIMIT) : at])


def _row(source: Source, number: int, start: int, end: int | None, gutter: int, colour: str, style: Style) -> Iterator[str]:
    text = _line(source, number, style.ascii)
    end = max(start + 1, min(len(text), end) if end is not None else len(text.rstrip()))
    shown, carets = _clip(text, start, end, max(40, style.width - gutter - 3), style)
    yield f"{paint(str(number).rjust(gutter), 'gutter', style)} {paint('|', 'gutter', style)} {shown}".rstrip()
    yield f"{_bar(gutter, style)} {carets[0]}{paint('^' * carets[1], colour, style)}"


def _clip(text: str, start: int, end: int, room: int, style: Style) -> tuple[str, tuple[str, int]]:
    """At most ``room`` columns of ``text`` around a span; the blanks before its carets, and how many carets."""
    dots = _dots(style)
    cut = 0
    if len(text) > room or not text.isascii() or "\t" in text:
        before = columns(text[max(0, start - 2 * room) : start])
        if start > 2 * room or before + min(columns(text[start : min(end, start + room)]), _LEAST) > room:
            indent = len(text) - len(text.lstrip(" \t"))
            if indent < start and columns(text[indent : min(end, start + room)]) + 2 * len(dots) <= room:
                return _shown(text, indent, start, end, room, style)  # without its indent it can be shown from its beginning
            cut = start
            kept = 0
            while cut > 0 and kept + columns(text[cut - 1]) <= _CONTEXT:
                cut -= 1
                kept += columns(text[cut])
    return _shown(text, cut, start, end, room, style)


def _shown(text: str, cut: int, start: int, end: int, room: int, style: Style) -> tuple[str, tuple[str, int]]:
    """``text`` from ``cut`` on in at most ``room`` columns, with dots for what is left out."""
    dots = _dots(style)
    if len(text) - cut + 2 * len(dots) <= room and text.isascii() and "\t" not in text:  # a column for each character, and all fit
        before = dots if cut else ""
        blanks, carets = len(before) + min(start, len(text)) - cut, min(end, len(text)) - start
        return before + text[cut:], (" " * blanks, max(1, carets))
    out = [dots] if cut else []
    used = len(dots) if cut else 0
    blanks = carets = 0
    at = cut
    while at < len(text):
        char = text[at]
        width = columns(char)
        if used + width > room - (len(dots) if at + 1 < len(text) else 0):
            out.append(dots)
            break
        if at == start:
            blanks = used
        if start <= at < end:
            carets += width
        out.append(" " * _TAB if char == "\t" else char)
        used += width
        at += 1
    if start >= len(text) and at >= len(text):
        blanks = used
    return "".join(out), (" " * blanks, max(1, carets))


def _dots(style: Style) -> str:
    return "..." if style.ascii else "…"


def columns(text: str) -> int:
    """Columns that ``text`` takes in a terminal."""
    if text.isascii():
        return len(text) + (_TAB - 1) * text.count("\t")
    from unicodedata import category, east_asian_width

    total = 0
    for char in text:
        if char == "\t":
            total += _TAB
        elif char >= "\u0300" and category(char) in ("Mn", "Me", "Cf"):
            continue
        else:
            total += 2 if char >= "\u1100" and east_asian_width(char) in "WF" else 1
    return total


def _bar(gutter: int, style: Style) -> str:
    return f"{' ' * gutter} {paint('|', 'gutter', style)}"


def _where(span: Span, style: Style) -> str:
    line, column = span.place
    return f"{clean(span.path, style.ascii)}:{line}:{column}"


def _safe(text: str, style: Style) -> str:
    return clean(text, style.ascii)


def paint(text: str, colour: str, style: Style) -> str:
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if style.colour and text else text


def _summary(result: Report, style: Style) -> Iterator[str]:
    budgets = list(dict.fromkeys(result.budgets))  # the most utilised first
    for line in budgets[:_MOST_BUDGETS]:
        yield from wrapped(_safe(line, style), "", 2, style)
    if len(budgets) > _MOST_BUDGETS:
        yield f"{_dots(style)} and {len(budgets) - _MOST_BUDGETS} more: polint budget"
    active = result.active
    counts = Counter(diagnostic.severity for diagnostic in active)
    parts = [paint(counted(counts[severity], severity), severity, style) for severity in SEVERITIES if counts[severity]]
    line = ", ".join(parts) if parts else "no problems found"
    extra = []
    accepted = sum(one.suppressed == COVERED for one in result.diagnostics)
    hidden = len(result.diagnostics) - len(active) - accepted
    if accepted:
        extra.append(f"{accepted} in the baseline")
    if hidden:
        extra.append(f"{hidden} suppressed")
    if any(map(fixable, active)):
        extra.append(f"{sum(map(fixable, active))} fixable")
    yield line + (f" ({', '.join(extra)})" if extra else "")
    yield from wrapped(_files_line(result, style), "", 2, style)
    if style.verbosity > 0:
        yield from _silent(result.silenced, style)


def _silent(silenced: Mapping[str, Sequence[Silence]], style: Style) -> Iterator[str]:
    """How often each rule could not judge something, and why: one line for each reason, with those it is about."""
    total = sum(map(len, silenced.values()))
    if not total:
        return
    rules = plural(sum(map(bool, silenced.values())), "rule")
    yield f"not judged, because something is unknown: {plural(total, 'case')} of {rules}"
    for code, cases in sorted(silenced.items()):
        by_reason: dict[str, dict[str, None]] = {}
        for case in cases:
            by_reason.setdefault(case.reason, {})[case.subject] = None
        for reason, subjects in by_reason.items():
            named = ", ".join(list(subjects)[:_MOST_SILENT])
            more = f" and {len(subjects) - _MOST_SILENT} more" if len(subjects) > _MOST_SILENT else ""
            yield from wrapped(f"  {code} {_safe(reason, style)}: {_safe(named, style)}{more}", "", 4, style)


def _files_line(result: Report, style: Style) -> str:
    read = Counter(file.format or "other" for file in result.files if file.status == "read")
    total = sum(read.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(read.items()))
    unreadable = sum(file.status == "unreadable" for file in result.files)
    nothing = "read no file whole" if unreadable else "read no files: nothing here that polint knows"
    line = f"read {plural(total, 'file')}: {kinds}" if total else nothing
    if unreadable:
        line += f"; unreadable: {unreadable}"
    skipped = Counter(file.reason or "" for file in result.files if file.status == "skipped" and file.reason not in (IDLE, UNASKED))
    if skipped:
        reasons = "; ".join(f"{count} {_safe(reason, style)}" for reason, count in sorted(skipped.items()))
        line += f"; skipped {sum(skipped.values())}: {reasons}"
    if result.unread:
        lost = Counter(place.reason for place in result.unread)
        reasons = "; ".join(f"{count} {_safe(reason, style)}" for reason, count in sorted(lost.items()))
        line += f"; not followed {len(result.unread)}: {reasons} (polint files)"
    return line
