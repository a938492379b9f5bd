"""Edits of entries in a pgbouncer.ini."""

from __future__ import annotations

from ..diagnostic import Edit
from ..source import Span


def with_query(database: Span, query: str) -> Edit | None:
    """``connect_query`` behind the connect string of the entry of ``[databases]`` whose name stands at ``database``."""
    source = database.source
    end = source.text.find("\n", database.end)
    line = source.text[database.end : end if end >= 0 else len(source.text)].rstrip()
    said = line.partition("=")[2].strip()
    if not said or said[0] in "\"'" or "connect_query" in line or not query.isprintable():
        return None
    at = database.end + len(line)
    escaped = query.replace("'", "''")
    return Edit(Span(source, at, at), f" connect_query='{escaped}'")
