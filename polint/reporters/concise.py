"""``--format concise``: one line for each diagnostic, as editors and grep like it."""

from __future__ import annotations

from . import Report, Style, clean


def report(result: Report, style: Style) -> str:
    """``path:line:column: CODE severity message [name]``."""
    lines = []
    for diagnostic in result.active:
        line, column = diagnostic.span.place
        where = f"{clean(diagnostic.span.path, style.ascii)}:{line}:{column}"
        message = clean(diagnostic.message, style.ascii)
        lines.append(f"{where}: {diagnostic.code} {diagnostic.severity} {message} [{diagnostic.name}]\n")
    return "".join(lines)
