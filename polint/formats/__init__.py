"""Formats turn text into entries with exact spans: syntax only, never meaning.

A format is one module here and one line in FORMATS.  It never imports another
format, and it keeps every byte recoverable, since fixes are edits on its spans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..diagnostic import Fix
from ..source import Source, Span
from ..value import Value


@dataclass(frozen=True, slots=True)
class Entry:
    """One key and value as written, before meaning.

    ``key`` is normalised the way the program compares it; ``section`` is the
    enclosing ``[section]`` or "".  ``span`` covers the whole entry (key through
    value), ``key_span`` and ``value_span`` their text as written, quotes included.
    ``value`` is the text the program would see, as a Value where the file refers to variables.
    """

    key: str
    value: Value
    span: Span
    key_span: Span
    value_span: Span
    section: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A place the program itself refuses (or, for ``fatal`` False, accepts but not as meant).

    ``message`` is lower case and says what the program makes of it.
    """

    message: str
    span: Span
    fatal: bool = True
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a line-based file holds: entries in file order (duplicates kept) and faults."""

    source: Source
    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...] = ()


# name of the format, and which file names are read as it (searched in the base name, in this order)
FORMATS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("compose", r"^(docker-)?compose([.\-_].*)?\.ya?ml$"),
        ("dotenv", r"^(\.env([.\-_ ].*)?|[\w.\-]+\.env|env\.[\w.\-]*(example|sample|template|dist))$"),
        ("php-fpm", r"^(.*php-fpm.*\.conf|.*fpm.*\.conf|www\.conf(\..*)?|zz-.*\.conf)$"),
        ("postgresql.conf", r"^(.*postgres(ql)?.*\.conf(\.(sample|example|template|tmpl))?|pg\.conf)$"),
        ("dockerfile", r"^((.*\.)?[Dd]ockerfile([.\-_].*)?|Containerfile)$"),
        ("sql", r"\.sql$"),
        ("shell", r"\.sh$"),
        ("rust", r"\.rs$"),
        ("php", r"\.php$"),
        ("cargo", r"^Cargo\.(toml|lock)$"),
    )
)


def format_of(path: str) -> str | None:
    """The format a path is read as, going by its name alone; None when it is none of ours."""
    base = path.rpartition("/")[2]
    for name, pattern in FORMATS:
        if pattern.search(base):
            return name
    return None
