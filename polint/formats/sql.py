"""SQL for PostgreSQL: who changes settings and limits, counts sessions, ends them.

Statements are found by sql_scan and only those that matter are given to pglast, PostgreSQL's
own grammar.  What it refuses is a Fault where the statement is clearly meant for PostgreSQL;
psql's commands and variables, templates, COPY data and other dialects are passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..source import Source

if TYPE_CHECKING:
    from .sql_records import SqlFile

_DUMP = b"-- postgresql database dump"
_THINGS = (b"system", b"role", b"user", b"group", b"database")

NEEDLES: tuple[bytes, ...] = (
    b"pg_stat_activity",
    b"pg_terminate_backend",
    b"pg_cancel_backend",
    b"pg_reload_conf",
    b"advisory_lock",
    b"advisory_xact_lock",
    b"advisory_unlock",
    b"set_config",
    b"_timeout",
    b"connection limit",
    b"connection_limit",
    *(verb + b" " + thing for verb in (b"alter", b"create") for thing in (b"role", b"user", b"group", b"database")),
    b"alter system",
)
"""Lower-case byte strings of which a file holds one if it says anything of use; ``interesting`` compares without case."""


def interesting(data: bytes) -> bool:
    """Whether a file can hold anything ``parse`` reports; the timeouts a dump sets for its own session do not count."""
    lower = data.lower()
    dump = is_dump(data)
    if any(needle in lower for needle in NEEDLES if not (dump and needle in (b"_timeout", b"set_config"))):
        return True
    for verb in (b"alter", b"create", b"connection"):  # the same words with more than one blank between them
        at = lower.find(verb)
        while at >= 0:
            at += len(verb)
            if lower[at : at + 2].isspace() and lower[at : at + 40].lstrip().startswith((b"limit",) if verb == b"connection" else _THINGS):
                return True
            at = lower.find(verb, at)
    return False


def is_dump(data: bytes) -> bool:
    """Whether pg_dump made a file."""
    return _DUMP in data[:2000].lower()


def parse(source: Source) -> SqlFile:
    """Records in file order, and what PostgreSQL refuses.  Session settings of a pg_dump file are left out (they are
    its own), and those of a file in another dialect.
    """
    from .sql_read import Reader

    return Reader(source).file()
