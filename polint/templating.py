"""Marks of templates inside files that no program reads as they are: Jinja, Go templates, ERB, Blade, PHP, @NAME@, %name%.

What such a mark fills in cannot be known from the file, and neither can what stands
between marks of control (``{% if … %}``), so the line formats read both as Opaque.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .patterns import lazy

REASON = "filled in by a template"
_FILLED = lazy(
    r"\{\{[^\n{}]*\}\}|\{!![^\n!]*!!\}|<%=[^\n%]*%>|<\?(?:php|=)|@[A-Z_][A-Z0-9_]+@|(?<![%\w])%[A-Za-z_][A-Za-z0-9_]{2,}%(?![%\w])"
)
_FILLS = ("{{", "{!!", "<%=", "<?", "@", "%")
_CONTROL = lazy(
    r"\{%|\{\{-?[ \t]*(?:#|/|if\b|else\b|end\b|range\b|with\b|define\b|block\b)|<%(?!=)[^\n%]*%>|<\?php"
    r"|^[ \t]*@(?:if|elseif|else|endif|unless|endunless|isset|endisset|foreach|endforeach|for|endfor|php|endphp)\b",
    re.MULTILINE,
)
# not one of these: no control, without looking further
_CONTROLS = ("{%", "{{", "<%", "<?php", "@if", "@unless", "@isset", "@for", "@php")


def fills(text: str, start: int, end: int) -> bool:
    """Whether a template puts something into ``text[start:end]``, one line or less."""
    return any(text.find(mark, start, end) >= 0 for mark in _FILLS) and _FILLED.search(text, start, end) is not None


def fills_braces(text: str, start: int, end: int) -> bool:
    """The same for files where @ and % are everyday letters: only ``{{ }}``, ``{!! !!}`` and ``<%= %>`` count."""
    return any(text.find(mark, start, end) >= 0 for mark in _FILLS[:3]) and _FILLED.search(text, start, end) is not None


def controlled(text: str, comments: Iterable[str] = ("#",)) -> tuple[int, int] | None:
    """The range from the first to the last mark that switches lines on or off; None in an ordinary file.

    ERB marks in comment lines do not count: PostgreSQL's own sample file has some that only look like it.
    """
    prefixes = tuple(comments)
    first = last = -1
    for start, end in _lines(text):
        comment = text[start:end].lstrip().startswith(prefixes)
        for found in _CONTROL.finditer(text, start, end):
            if comment and found[0].startswith("<%"):
                continue
            first = found.start() if first < 0 else min(first, found.start())
            last = max(last, found.end())
    return (first, last) if first >= 0 else None


def _lines(text: str) -> list[tuple[int, int]]:
    """The lines that hold what a mark of control starts with."""
    lines: set[tuple[int, int]] = set()
    for mark in _CONTROLS:
        at = text.find(mark)
        while at >= 0:
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            lines.add((text.rfind("\n", 0, at) + 1, end))
            at = text.find(mark, end)
    return sorted(lines)


def is_placeholder(text: str, key: str) -> bool:
    """A bare word in capitals that a script replaces: ``max_connections = MAX_CONNECTIONS``, ``port = PG_PRIMARY_PORT``."""
    return text.isupper() and text.replace("_", "").isalnum() and ("_" in text or text.lower() == key)
