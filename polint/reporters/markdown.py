"""``--format markdown``: for a pull request's comment or a job's summary."""

from __future__ import annotations

import re

from ..diagnostic import SEVERITIES, Diagnostic, Note
from . import Report, Style, clean, counted

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~$!])")  # what may begin markup in the middle of a line


def report(result: Report, style: Style) -> str:
    """A line that sums it up, the servers' budgets, and a table of the diagnostics with their notes and advice below."""
    active = result.active
    counts = [counted(count, severity) for severity in SEVERITIES if (count := sum(one.severity == severity for one in active))]
    suppressed = len(result.diagnostics) - len(active)
    head = f"**polint: {', '.join(counts) or 'no problems found'}**" + (f" ({suppressed} suppressed)" if suppressed else "")
    lines = [head, ""]
    lines += [f"- {plain(budget)}" for budget in result.budgets]
    if result.budgets:
        lines.append("")
    if active:
        lines += ["| | Place | What | Rule |", "|---|---|---|---|"]
        lines += [_row(diagnostic) for diagnostic in active]
        lines.append("")
        lines += ["<details><summary>Why, and what to do</summary>", ""]
        explained = set()
        for diagnostic in active:
            details = [f"  - {plain(note.message)}{_at(note)}" for note in diagnostic.notes]
            advice = (diagnostic.code, diagnostic.help)
            if diagnostic.help and advice not in explained:
                explained.add(advice)
                details.append(f"  - {_prose(' '.join(diagnostic.help.split()))}")
            if details:
                lines += [f"- {code(_place(diagnostic))} {diagnostic.code}", *details]
        lines += ["", "</details>", ""]
    return "\n".join(lines)


def _row(diagnostic: Diagnostic) -> str:
    cells = (diagnostic.severity, code(_place(diagnostic)), plain(diagnostic.message), f"{diagnostic.code} {diagnostic.name}")
    return f"| {' | '.join(cells)} |"


def _at(note: Note) -> str:
    return f" ({code(str(note.span))})" if note.span is not None else ""


def _place(diagnostic: Diagnostic) -> str:
    return f"{diagnostic.span.path}:{diagnostic.span.place[0]}"


def code(text: str) -> str:
    """As code; a backtick or a bar in a file's name would end it."""
    return f"`{clean(text).replace('`', chr(39)).replace('|', '/')}`"


def plain(text: str) -> str:
    """As text, whatever markup it looks like."""
    return _SPECIAL.sub(r"\\\1", clean(text))


def _prose(text: str) -> str:
    """With what stands between two backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return plain(text)
    return "".join(f"`{clean(part)}`" if number % 2 else plain(part) for number, part in enumerate(parts))
