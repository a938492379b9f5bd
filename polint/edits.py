"""Edits that rules ask for: a value changed, an entry taken away, a setting added, each in the idiom of its file.

What is written anew is told from the text that stands there; where it cannot be told, there is no edit.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import isinf
from typing import TYPE_CHECKING

from .diagnostic import Edit
from .edits_added import inserted
from .formats import format_in
from .patterns import lazy
from .source import Source, Span
from .spelling import FPM, FPM_WORDS, GO, PGBOUNCER, PLAIN, POSTGRES, POSTGRES_WORD, SIMPLE, Idiom, amount, product, says, truth
from .units import Bytes, Seconds

if TYPE_CHECKING:
    from .formats.sql_records import SqlFile
    from .yamltext import Node

__all__ = ["changed", "inserted", "removed"]

_PREFIX = lazy(r"-{0,2}[A-Za-z_][\w.]*=(?=.)")
_DEFAULT = lazy(r"\$\{[A-Za-z_]\w*:?-([^${}\"'\\]+)\}")
_ARGUMENT = lazy(r"""(?:(?:^|[\s"',\[])-c[\s"',-]*|--)[a-z_][\w.]*[ \t]*=[ \t]*["']?$""")  # up to the value of ``-c name=value``
_NAMES = lazy(r"[A-Za-z_]\w*(?:,[A-Za-z_]\w*)+", re.ASCII)  # a list
_NAME = lazy(r"""([A-Za-z_][\w.]*)["']?[ \t]*(?:=>|=|:|\bTO\b|)[ \t]*["'\[]?$""", re.IGNORECASE)
_POOLER_TIME = lazy(r"(?:PGBOUNCER_)?SERVER_(?:LIFETIME|IDLE_TIMEOUT)|(?:PGBOUNCER_)?QUERY_WAIT_TIMEOUT")  # images hand it to PgBouncer
_IDIOMS = {"postgresql.conf": POSTGRES, "sql": POSTGRES, "shell": POSTGRES, "php-fpm": FPM, "pgbouncer": PGBOUNCER, "prometheus": GO}
_QUOTES = {"postgresql.conf": "'", "sql": "'", "php-fpm": '"', "dotenv": '"', "compose": '"', "prometheus": '"'}  # for what has none yet


def changed(span: Span, before: object, after: object) -> Edit | None:
    """The edit that makes the value written at ``span`` say ``after`` where it says ``before``; None when it cannot be told how.

    Both are values as the model has them: Seconds, Bytes, int, float, bool, str; INFINITY is off, never or unlimited.
    """
    text = span.text
    if not text:
        return None
    if type(before) is type(after) and before == after:
        return Edit(span, text)
    format_name = format_in(span.source)
    if format_name in ("compose", "prometheus") and "*" in span.source.text and _is_aliased(span):
        return None
    prefix = _PREFIX.match(text)
    if prefix is not None and format_name not in ("rust", "php"):
        inner = changed(Span(span.source, span.start + prefix.end(), span.end), before, after)
        return Edit(span, prefix[0] + inner.replacement) if inner is not None else None
    default = _DEFAULT.fullmatch(text) if format_name == "compose" else None
    if default is not None:  # what is decided here is decided by the default
        inner = changed(Span(span.source, span.start + default.start(1), span.start + default.end(1)), before, after)
        return Edit(span, text[: default.start(1)] + inner.replacement + text[default.end(1) :]) if inner is not None else None
    quote = text[0] if len(text) > 1 and text[0] in "\"'" and text[-1] == text[0] else ""
    inside = text[1:-1] if quote else text
    made: str | None = None
    if isinstance(before, bool) or isinstance(after, bool):
        made = truth(inside, before, after) if isinstance(before, bool) and isinstance(after, bool) else None
    elif isinstance(before, str) and isinstance(after, str):
        edit = _worded(span, "sql" if format_name == "shell" else format_name, inside, quote, before, after)
        return edit if edit is not None and _fits_shell(edit, format_name) else None
    elif isinstance(before, (int, float)) and isinstance(after, (int, float)):
        made = _amount(span, format_name, inside, quote, before, after)
    if made is None:
        return None
    if format_name in ("sql", "shell") and not quote and made[-1:].isalpha() and made.lower() not in FPM_WORDS:
        quote = "'"  # a number with a unit is a text in SQL
    edit = Edit(span, f"{quote}{made}{quote}")
    return edit if _fits_shell(edit, format_name) else None


def _fits_shell(edit: Edit, format_name: str | None) -> bool:
    """Whether a shell hands on the quotes that an edit brings: not in an argument that stands in single quotes itself."""
    if format_name != "shell" or edit.replacement.count("'") == edit.span.text.count("'"):
        return True
    from .formats.sql_shell import is_in_single_quotes

    return not is_in_single_quotes(edit.span.source.text, edit.span.start)


def _amount(span: Span, format_name: str | None, inside: str, quote: str, before: float, after: float) -> str | None:
    if format_name == "rust" and not quote:
        from .formats import rust_edit

        return rust_edit.changed(span, before, after)
    idiom = _idiom(span, format_name)
    if isinf(after):
        known = not isinf(before) and amount(inside, before, before, idiom) is not None
        return "0" if known and _zero_is_off(span, before, idiom) else None
    whole = product(inside) if format_name == "php" and not quote else None
    return amount(str(whole) if whole is not None else inside, before, after, idiom)


def _idiom(span: Span, format_name: str | None) -> Idiom:
    """How quantities are written at ``span``."""
    if format_name in ("compose", "dotenv") and _POOLER_TIME.fullmatch(_name(span)):
        return PGBOUNCER
    if format_name != "compose":
        return _IDIOMS.get(format_name or "", PLAIN)
    if _ARGUMENT.search(_before(span)):
        return POSTGRES
    name = _name(span)
    return PLAIN if not name or name.isupper() else GO


def _before(span: Span) -> str:
    return span.source.text[max(span.start - 200, 0) : span.start]


def _name(span: Span) -> str:
    """The name that the value at ``span`` is given to, as far as it stands before it."""
    found = _NAME.search(_before(span))
    return found[1] if found else ""


def _zero_is_off(span: Span, before: float, idiom: Idiom) -> bool:
    name = _name(span).lower()
    if isinstance(before, Seconds):
        return idiom.zero_is_off and name.endswith("timeout")
    return idiom is PGBOUNCER and not isinstance(before, Bytes) and name.startswith("max_") and name.endswith("_connections")


# --- words ---------------------------------------------------------------------------------


def _worded(span: Span, format_name: str | None, inside: str, quote: str, before: str, after: str) -> Edit | None:
    """One text in place of another, in the same quotes, or in quotes where it needs them."""
    if not after.isprintable() or not (says(inside, before) or (quote and inside == _escaped(before, quote, format_name))):
        return None
    if quote:
        made = _escaped(after, quote, format_name)
        return Edit(span, f"{quote}{made}{quote}") if made is not None else None
    if _is_bare(span, format_name, after):
        return Edit(span, after)
    wrap = _QUOTES.get(format_name or "")
    if wrap is None or (format_name in ("compose", "prometheus") and not _is_scalar(span)):
        return None
    made = _escaped(after, wrap, format_name)
    return Edit(span, f"{wrap}{made}{wrap}") if made is not None else None


def _is_bare(span: Span, format_name: str | None, after: str) -> bool:
    """Whether ``after`` may stand at ``span`` without quotes."""
    match format_name:
        case "postgresql.conf":
            return POSTGRES_WORD.fullmatch(after) is not None
        case "sql":
            return after.isidentifier() and after.isascii()
        case "pgbouncer":
            return (_ends_line(span) and after == after.strip() != "") or SIMPLE.fullmatch(after) is not None
        case "php-fpm":
            return SIMPLE.fullmatch(after) is not None and after.lower() not in FPM_WORDS
        case "compose" | "prometheus":
            from .yamltext import plain

            if _NAMES.fullmatch(after):
                return _takes_commas(span)
            return SIMPLE.fullmatch(after) is not None and after[-1] != ":" and (not _is_scalar(span) or plain(after) == after)
        case "rust" | "php":
            return False
        case "dotenv" if _NAMES.fullmatch(after):
            return True
    return SIMPLE.fullmatch(after) is not None


def _ends_line(span: Span) -> bool:
    """Whether ``span`` is all that follows the first ``=`` of its line."""
    text = span.source.text
    newline = text.find("\n", span.end)
    rest = text[span.end : newline if newline >= 0 else len(text)]
    return not rest.strip() and text[text.rfind("\n", 0, span.start) + 1 : span.start].count("=") == 1


def _escaped(text: str, quote: str, format_name: str | None) -> str | None:
    """``text`` as it stands between ``quote``; None where this format has no plain way to say it."""
    special = {quote, "\\"}
    if format_name == "compose" or (format_name in ("php", "dotenv", "php-fpm", None) and quote == '"'):
        special.add("$")
    if not special & set(text):
        return text
    if format_name in ("compose", "prometheus"):
        text = text.replace("$", "$$") if format_name == "compose" else text
        return text.replace("'", "''") if quote == "'" else text.replace("\\", "\\\\").replace('"', '\\"')
    if format_name in ("postgresql.conf", "sql") and quote == "'" and "\\" not in text:
        return text.replace("'", "''")
    if format_name in ("rust", "php"):
        made = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
        return made.replace("$", "\\$") if format_name == "php" and quote == '"' else made
    return None


def _is_scalar(span: Span) -> bool:
    """Whether a whole YAML scalar stands at ``span``."""
    found = _scalar(span)
    return found is not None and (found[0].start, found[0].end) == (span.start, span.end)


def _takes_commas(span: Span) -> bool:
    """Whether a comma at ``span`` is part of its YAML scalar."""
    found = _scalar(span)
    return found is not None and (found[0].style in ("'", '"') or not found[1])


def _is_aliased(span: Span) -> bool:
    """Whether the YAML scalar that ``span`` is in has an anchor of its own, by which it stands elsewhere as well."""
    found = _scalar(span)
    return found is not None and found[0].aliased


def _scalar(span: Span) -> tuple[Node, bool] | None:
    """The YAML scalar that ``span`` is in, and whether it stands in a flow collection."""
    from .yamltext import documents

    todo = [(node, False) for node in documents(span.source).nodes]
    seen: set[int] = set()
    while todo:
        node, flows = todo.pop()
        if node.kind == "scalar":
            if node.source is span.source and node.start <= span.start and span.end <= node.end and span.start < node.end:
                return node, flows
        elif id(node) not in seen:
            seen.add(id(node))
            inside = [*node.items, *(one for pair in node.entries.values() for one in pair)]
            todo += [(one, flows or bool(node.style)) for one in inside]
    return None


# --- entries taken away --------------------------------------------------------------------


def removed(span: Span) -> Edit | None:
    """The edit that takes away the whole entry whose key or value stands at ``span``; None when that cannot be done cleanly.

    The entry goes with its line where it stands alone on it; what it leaves empty in YAML goes as well.
    """
    match format_in(span.source):
        case "rust":
            from .formats import rust_edit

            return rust_edit.removed(span)
        case "php":
            from .formats import php_edit

            return php_edit.removed(span)
        case "compose" | "prometheus":
            from .formats import compose_edit

            return compose_edit.removed(span)
        case "sql":
            return _without_statement(span)
        case "postgresql.conf" | "php-fpm" | "pgbouncer" | "dotenv" as name:
            from . import edits_lines

            return edits_lines.removed(span, name)
    return None


@lru_cache(maxsize=4)  # many edits look into one file
def _statements(source: Source) -> SqlFile:
    from .formats import sql

    return sql.parse(source)


def _without_statement(span: Span) -> Edit | None:
    """The statement that makes a setting, with its semicolon."""
    source = span.source
    text = source.text
    found = _statements(source)
    change = next((one for one in found.settings if span in (one.span, one.name_span, one.value_span)), None)
    if change is None or change.statement.within or found.faults:
        return None
    start, end = change.statement.span.start, change.statement.span.end
    while end < len(text) and text[end].isspace():
        end += 1
    if text[end : end + 1] != ";":
        return None
    end += 1
    line = text.rfind("\n", 0, start) + 1
    newline = text.find("\n", end)
    newline = len(text) if newline < 0 else newline
    rest = text[end:newline].strip()
    if not text[line:start].strip() and (not rest or rest.startswith("--")):
        return Edit(Span(source, line, min(newline + 1, len(text))), "")
    return Edit(Span(source, start, end), "")
