"""``--format github``: workflow commands that GitHub Actions shows beside the changed lines."""

from __future__ import annotations

from ..diagnostic import Diagnostic
from . import Report, Style, clean

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def report(result: Report, style: Style) -> str:
    """One command a line; what spans several lines is marked at its first."""
    return "".join(_command(diagnostic) for diagnostic in result.active)


def _command(diagnostic: Diagnostic) -> str:
    line, column = diagnostic.span.place
    last, end = diagnostic.span.source.place(diagnostic.span.end)
    place = {"file": diagnostic.span.path, "line": line, "endLine": last}
    if last == line and end > column:  # GitHub refuses columns over several lines
        place |= {"col": column, "endColumn": end}
    place["title"] = f"{diagnostic.code} {diagnostic.name}"
    parts = [diagnostic.message]
    for note in diagnostic.notes:
        where = f" ({note.span})" if note.span is not None else ""
        parts.append(f"- {note.message}{where}")
    if diagnostic.help:
        parts.append(diagnostic.help.strip())
    fields = ",".join(f"{key}={_escaped(_clean(str(value)), ':,')}" for key, value in place.items())
    return f"::{_COMMANDS[diagnostic.severity]} {fields}::{_escaped(_clean(chr(10).join(parts)))}\n"


def _clean(text: str) -> str:
    return "\n".join(clean(line) for line in text.split("\n"))


def _escaped(text: str, more: str = "") -> str:
    """As the runner unescapes it: percent and line ends everywhere, colon and comma in a property."""
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
