"""What SQL files do, as rules look at it: changes of settings, counts and kills of sessions, limits."""

from __future__ import annotations

from typing import Any

from ..fact import Fact
from ..formats.sql_records import ActivityCount, ConnectionLimit, SettingChange, Terminate
from ..source import Span
from .resolve import NOTHING, resolve


class SystemChange:
    """An ``ALTER SYSTEM SET``; ``reloaded`` says pg_reload_conf() follows in the same file."""

    kind = "change"

    def __init__(self, change: SettingChange, context: str | None, *, reloaded: bool) -> None:
        self.name: str = change.name
        self.span: Span = change.name_span
        self.value: Fact[Any] = resolve(change.name, change.value, NOTHING)
        self.needs_restart: bool = context == "postmaster"
        self.reloaded: bool = reloaded
        self.in_transaction: bool = change.statement.in_transaction
        self.label: str = f"setting {change.name}"


class SessionCount:
    """A ``count`` over pg_stat_activity; ``filtered`` says it looks at backend_type, ``narrowed`` that it names a database or role."""

    kind = "session_count"

    def __init__(self, count: ActivityCount) -> None:
        self.span: Span = count.span
        self.filtered: bool = count.filtered
        self.narrowed: bool = bool({"datname", "usename", "datid", "usesysid", "application_name", "client_addr"} & count.columns)
        self.label: str = f"count in {count.span.path}"


class SessionKill:
    """A call of pg_terminate_backend over pg_stat_activity."""

    kind = "session_kill"

    def __init__(self, kill: Terminate) -> None:
        self.span: Span = kill.span
        self.is_narrowed: bool = kill.has_user_filter or kill.has_database_filter or kill.by_pid_literal or "pid" in kill.columns
        self.from_activity: bool = kill.from_activity
        self.label: str = f"pg_terminate_backend in {kill.span.path}"


class Limit:
    """A CONNECTION LIMIT; -1 is none.  ``usable`` is what the smallest server of the project has for ordinary roles."""

    kind = "limit"

    def __init__(self, limit: ConnectionLimit, usable: Fact[int]) -> None:
        self.span: Span = limit.span
        self.of: str = f"{limit.kind} {limit.name}" if limit.name else limit.kind
        self.value: Fact[int] = resolve("CONNECTION LIMIT", limit.limit, NOTHING).at(limit.value_span)
        self.usable: Fact[int] = usable
        self.label: str = f"{self.of}, connection limit"
