"""Suppressions: comments that accept a diagnostic, by code or name and with a reason.

``polint: ignore[PO203] why`` stands at the end of the line it is about, or alone
on the line above; ``polint: ignore-file[PO203] why`` stands anywhere and is about the
whole file.  ``until=2027-01-31`` ends either.  There is no form without names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .diagnostic import Diagnostic, Edit, Fix
from .formats import format_of
from .source import Source, Span
from .tuples import NamedTuple

_MARK = "polint:"

# What starts a comment.  Where a program has no comments behind values ("alone"), a
# suppression there would be part of the value, so it does not count.
_COMMENTS: dict[str, tuple[tuple[str, ...], bool]] = {
    "compose": (("#",), False),
    "dotenv": (("#",), False),
    "postgresql.conf": (("#",), False),
    "cargo": (("#",), False),
    "php-fpm": ((";",), False),
    "pgbouncer": ((";", "#"), True),
    "dockerfile": (("#",), True),
    "rust": (("//", "/*", "*"), False),
    "php": (("//", "#", "/*", "*"), False),
    "sql": (("--", "/*", "*"), False),
    "shell": (("#",), False),
    "prometheus": (("#",), False),
    "grafana": ((), True),  # JSON has no comments
}
_ANY: tuple[tuple[str, ...], bool] = (("#", ";", "//", "--", "/*", "*"), False)


class Suppression(NamedTuple):
    """One comment.  ``names`` are codes or names as written, each with its place in ``name_spans``.

    ``line`` is the 1-based line it is about, 0 for the whole file.  ``until`` is a
    date (``2027-01-31``) or "".  ``fault`` says why the comment has no effect at all, or "".
    """

    names: tuple[str, ...]
    name_spans: tuple[Span, ...]
    span: Span
    line: int
    reason: str = ""
    until: str = ""
    fault: str = ""


def marks_behind(format: str | None) -> tuple[str, ...]:
    """What starts a comment behind a value in that format; nothing where there are no such comments."""
    markers, alone_only = _COMMENTS.get(format or "", _ANY)
    return () if alone_only else tuple(marker for marker in markers if marker != "*")


def find(source: Source, format: str | None = None) -> list[Suppression]:
    """Every suppression in ``source``, in order, broken ones included."""
    text = source.text
    at = text.find(_MARK)
    if at < 0:
        return []
    markers, alone_only = _COMMENTS.get(format or format_of(source.path) or "", _ANY)
    found = []
    while at >= 0:
        suppression = _read(source, at, markers, alone_only)
        if suppression is not None:
            found.append(suppression)
        at = text.find(_MARK, at + len(_MARK))
    return found


def _read(source: Source, at: int, markers: tuple[str, ...], alone_only: bool) -> Suppression | None:
    text = source.text
    number, column = source.place(at)
    before = text[max(at - column + 1, at - 2000) : at].rstrip(" \t")
    marker = next((marker for marker in markers if before.endswith(marker)), None)
    if marker is None:
        return None
    lead = before[: -len(marker)].rstrip(" \t" + marker)
    alone = not lead and column < 2000
    if not alone and alone_only and before[: -len(marker)].endswith((" ", "\t")) and marker == "#":
        end = text.find("\n", at)
        span = source.span(at, (len(text) if end < 0 else end))
        return Suppression((), (), span, number, fault="this comment is a part of its line: write it alone on the line above")
    if not alone and (alone_only or marker == "*" or (marker in "#;" and before[-len(marker) - 1] not in " \t" + marker)):
        return None
    end = text.find("\n", at)
    end = min(len(text) if end < 0 else end, at + 2000)
    closing = text.find("*/", at, end)
    if closing >= 0:
        end = closing
    while end > at and text[end - 1].isspace():
        end -= 1
    return _parse(source, at, end, _target(source, number, markers) if alone else number)


def _parse(source: Source, start: int, end: int, line: int) -> Suppression | None:
    text = source.text
    span = source.span(start, end)
    at = start + len(_MARK)
    while at < end and text[at] in " \t":
        at += 1
    word_end = at
    while word_end < end and (text[word_end].isalnum() or text[word_end] == "-"):
        word_end += 1
    word = text[at:word_end]
    if word not in ("ignore", "ignore-file"):
        return Suppression((), (), span, line, fault=f"'{word}' is not known; write ignore[...] or ignore-file[...]") if word else None
    line = 0 if word == "ignore-file" else line
    close = text.find("]", word_end, end)
    if text[word_end : word_end + 1] != "[" or close < 0:
        fault = "no ']' ends the list of rules" if text[word_end : word_end + 1] == "[" else f"name the rules: {word}[PO203]"
        return Suppression((), (), span, line, fault=fault)
    names: list[str] = []
    spans: list[Span] = []
    at = word_end + 1
    while at <= close:
        comma = text.find(",", at, close)
        stop = comma if comma >= 0 else close
        name = text[at:stop].strip()
        if name:
            begin = text.index(name, at, stop)
            names.append(name)
            spans.append(source.span(begin, begin + len(name)))
        at = stop + 1
    if not names:
        return Suppression((), (), span, line, fault=f"name the rules: {word}[PO203]")
    words = text[close + 1 : end].split()
    until = next((word[len("until=") :] for word in words if word.startswith("until=")), None)
    fault = f"'{until}' is not a date; write until=2027-01-31" if until is not None and not _is_date(until) else ""
    reason = " ".join(word for word in words if not word.startswith("until=")).lstrip("-:—– ")
    return Suppression(tuple(names), tuple(spans), span, line, reason, until or "", fault)


def removal(comment: Suppression, name: str) -> Fix | None:
    """Takes a name out of a comment, or the comment out of the file when it names nothing else."""
    if len(comment.names) < 2:
        span = _whole(comment.span)
        return Fix("remove the comment, which suppresses nothing", "safe", (Edit(span, ""),)) if span is not None else None
    at = comment.names.index(name)
    spans = comment.name_spans
    first = at == 0
    span = spans[0]._replace(end=spans[1].start) if first else spans[at]._replace(start=spans[at - 1].end)
    return Fix(f"take {name} out of the comment, where it suppresses nothing", "safe", (Edit(span, ""),))


def _whole(span: Span) -> Span | None:
    """The comment around a suppression: its line when nothing else stands there; None where it is a part of a larger one."""
    text = span.source.text
    number = span.place[0]
    start = line = span.source.starts[number - 1]
    newline = text.find("\n", span.end)
    end = len(text) if newline < 0 else newline + 1
    before = text[line : span.start].rstrip(" \t")
    marker = next(marker for marker in ("#", ";", "//", "--", "/*", "*") if before.endswith(marker))
    start += len(before.rstrip(marker) if marker not in ("/*", "*") else before.removesuffix(marker).rstrip("*"))
    rest = text[span.end : end].strip()
    if rest and marker not in ("/*", "*"):
        return None  # it was cut off, being too long
    if marker == "/*":
        if not rest.startswith("*/"):
            return None
        closing = text.index("*/", span.end) + 2
        if rest != "*/":  # code follows
            while text[closing] in " \t":
                closing += 1
            return span._replace(start=start, end=closing)
        span = span._replace(end=closing)
    elif rest:
        return None
    if not text[line:start].strip():
        return span._replace(start=line, end=end)
    while text[start - 1] in " \t":
        start -= 1
    return span._replace(start=start)


def _is_date(text: str) -> bool:
    if len(text) != 10 or text[4] != "-" or text[7] != "-" or not (text[:4] + text[5:7] + text[8:]).isdecimal() or not text.isascii():
        return False
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= month <= 12 and 1 <= day <= days[month - 1]


def _target(source: Source, number: int, markers: tuple[str, ...]) -> int:
    """The line a comment alone on line ``number`` is about: the next one that is not a comment as well."""
    starts = source.starts
    for following in range(number + 1, min(len(starts), number + 50) + 1):
        if not source.text[starts[following - 1] : starts[following - 1] + 500].lstrip(" \t").startswith(markers):
            return following
    return number + 1


def apply(
    diagnostics: Iterable[Diagnostic], suppressions: Mapping[str, Sequence[Suppression]], today: str | None = None
) -> tuple[list[Diagnostic], set[tuple[Suppression, str]]]:
    """Mark what is suppressed; also which (suppression, name) pairs were of use.

    ``suppressions`` are those of each path.  They count at the primary place (its
    first or last line) and at related places.  ``today`` (``2026-11-23``) ends those
    whose date has passed; without it none ends.  ``Diagnostic.suppressed`` becomes the
    reason, or ``ignored`` when none is given.
    """
    by_line: dict[tuple[str, int], list[Suppression]] = {}
    for path, found in suppressions.items():
        for suppression in found:
            if not suppression.fault and not (today and suppression.until and suppression.until < today):
                by_line.setdefault((path, suppression.line), []).append(suppression)
    used: set[tuple[Suppression, str]] = set()
    if not by_line:
        return list(diagnostics), used
    out = []
    for diagnostic in diagnostics:
        reason = None
        for place in _places(diagnostic):
            for suppression in by_line.get(place, ()):
                name = next((name for name in suppression.names if name in (diagnostic.code, diagnostic.name)), None)
                if name is not None:
                    used.add((suppression, name))
                    reason = reason or suppression.reason or "ignored"
        out.append(diagnostic if reason is None or diagnostic.suppressed is not None else diagnostic._replace(suppressed=reason))
    return out, used


def _places(diagnostic: Diagnostic) -> list[tuple[str, int]]:
    """The (path, line) pairs at which a suppression of ``diagnostic`` may stand; line 0 is the whole file."""
    places: dict[tuple[str, int], None] = {}
    for span in (diagnostic.span, *(note.span for note in diagnostic.notes)):
        if span is not None:
            first = span.source.place(span.start)[0]
            last = span.source.place(max(span.start, span.end - 1))[0]
            for line in (0, first, last):
                places[span.path, line] = None
    return list(places)
