"""Marks of templates inside files that no program reads as they are: Jinja, Go templates, ERB, Blade, PHP, @NAME@, %name%.

What such a mark fills in cannot be known from the file, and neither can what stands
between marks of control (``{% if … %}``), so the line formats read both as Opaque.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

REASON = "filled in by a template"
_FILLED = re.compile(
    r"\{\{[^\n{}]*\}\}|\{!![^\n!]*!!\}|<%=[^\n%]*%>|<\?(?:php|=)|@[A-Z_][A-Z0-9_]+@|(?<![%\w])%[A-Za-z_][A-Za-z0-9_]{2,}%(?![%\w])"
)
_FILLS = ("{{", "{!!", "<%=", "<?", "@", "%")
_CONTROL = re.compile(
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
    if not any(mark in text for mark in _CONTROLS):
        return None
    prefixes = tuple(comments)
    first = last = -1
    for found in _CONTROL.finditer(text):
        if found[0].startswith("<%"):
            line = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
            if line.lstrip().startswith(prefixes):
                continue
        first = found.start() if first < 0 else first
        last = found.end()
    return (first, last) if first >= 0 else None
