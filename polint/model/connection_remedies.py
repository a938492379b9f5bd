"""How Laravel's settings of a session get along with a PgBouncer in transaction mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..diagnostic import Edit, Fix
from ..fact import Fact
from ..formats import format_of
from ..patterns import lazy
from ..source import Span

if TYPE_CHECKING:
    from .connection import Connection
    from .pooler import Pooler

_SCHEMA = lazy(r"[A-Za-z_]\w*|\$user")
_NEEDS_NO_QUOTES = lazy(r"[a-z_][a-z0-9_]*")
_WORDS = lazy(r"[A-Za-z_]+(?: [A-Za-z_]+)*")


def carried(connection: Connection, pooler: Pooler | None) -> Fix | None:
    """Every server connection is set up alike, and migrations get a way past the pooler; None where that cannot be told.

    The set-up goes to the one entry of pgbouncer.ini, where all that comes through it is this connection.
    """
    made: list[Edit | None] = []
    titles: list[str] = []
    if pooler is None:
        return None
    if connection.session_settings:
        made.append(_set_up(connection, pooler))
        titles.append("set every server connection up alike")
    if connection.migrates_through_pooler.is_known and connection.migrates_through_pooler.value:
        made.append(_past(connection, pooler))
        titles.append("give migrations a way past the pooler")
    edits = tuple(edit for edit in made if edit is not None)
    return Fix(" and ".join(titles), "unsafe", edits) if edits and len(edits) == len(made) else None


def _set_up(connection: Connection, pooler: Pooler) -> Edit | None:
    from ..formats import pgbouncer_edit

    clients = {client.service.partition("/")[0] for client in (*pooler.clients, *pooler.passing)}
    others = [other for other in connection.peers if other is not connection and other.goes_through(pooler)]
    alone = clients <= set(connection.services) and not others
    entry = pooler.databases[0] if len(pooler.databases) == 1 and not pooler.databases_known else None
    statements = [_statement(fact) for fact in connection.session_settings]
    resets = pooler.raw.get("server_reset_query_always")
    if not alone or entry is None or format_of(entry.span.path) != "pgbouncer" or not all(statements):
        return None
    if resets is not None and not (resets.is_known and str(resets.value) == "0"):
        return None
    return pgbouncer_edit.with_query(entry.span, "; ".join(statements))


def _statement(fact: Fact[Any]) -> str:
    """What Laravel sends for a key (laravel/framework, PostgresConnector); "" where its value is not a plain one."""
    text = str(fact.value).strip()
    if fact.name in ("search_path", "schema"):
        names = [name.strip().strip("\"'") for name in text.split(",")]
        if not all(_SCHEMA.fullmatch(name) for name in names):
            return ""
        return f"SET search_path TO {', '.join(name if _NEEDS_NO_QUOTES.fullmatch(name) else _quoted(name) for name in names)}"
    if not _WORDS.fullmatch(text):
        return ""
    if fact.name == "isolation_level":
        return f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {text.upper()}"
    return f"SET {fact.name} TO {text}"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _past(connection: Connection, pooler: Pooler) -> Edit | None:
    """``direct`` with the server's own host, where the connection says nothing of it."""
    from ..formats import php_edit

    host = pooler.server.service if pooler.server is not None else ""
    place = php_edit.place(connection.span, "'direct'") if host and "direct" not in connection.raw else None
    if place is None:
        return None
    text = f"'direct' => ['host' => env('DB_DIRECT_HOST', '{host}')]"
    return Edit(Span(connection.span.source, place.at, place.at), f"{place.before}{text}{place.after}")
