"""What SQL files do, as rules look at it: changes of settings, counts and kills of sessions, limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..diagnostic import Edit, Fix
from ..fact import Fact, derive, unknown
from ..patterns import lazy
from ..pgunits import read_time
from ..source import Span
from ..units import Seconds
from .resolve import NOTHING, resolve

if TYPE_CHECKING:
    from ..formats.sql_records import ActivityCount, ConnectionLimit, SettingChange, Terminate
    from .server import Server


class SystemChange:
    """An ``ALTER SYSTEM SET``; ``reloaded`` says pg_reload_conf() follows in the same file.

    ``context`` is pg_settings.context, None where no PostgreSQL has the setting: it may be another database's.
    """

    kind = "change"

    def __init__(self, change: SettingChange, context: str | None, *, reloaded: bool, told: Edit | None = None) -> None:
        self.name: str = change.name  # the setting
        self.span: Span = change.name_span
        self.value: Fact[Any] = resolve(change.name, change.value, NOTHING)  # the value it sets
        self.needs_restart: bool = context == "postmaster"  # only a restart makes it effective
        self.reloaded: bool = reloaded
        self.in_transaction: bool = change.statement.in_transaction and context is not None  # it fails there
        self.label: str = f"setting {change.name}"
        self._change = change
        self._told = told

    @property
    def fix(self) -> Fix | None:
        """Takes it out of the transaction it fails in, or says in place of a reload that it takes a restart."""
        if not self.in_transaction:
            return Fix("say that it takes a restart, instead of reloading", "unsafe", (self._told,)) if self._told is not None else None
        from ..formats import sql_edit

        edits = sql_edit.outside(self._change)
        return Fix(f"set {self.name} outside of the transaction", "unsafe", tuple(edits)) if edits else None


# Limits whose bare number is milliseconds, and spans of time whose bare number is seconds (pg_settings.unit).
_IN_MILLISECONDS = frozenset(
    """statement_timeout idle_in_transaction_session_timeout idle_session_timeout transaction_timeout tcp_user_timeout wal_sender_timeout
    wal_receiver_timeout max_standby_archive_delay max_standby_streaming_delay""".split()
)
_WAITS = frozenset(("lock_timeout", "client_connection_check_interval"))
_IN_SECONDS = frozenset(
    """tcp_keepalives_idle tcp_keepalives_interval authentication_timeout checkpoint_timeout archive_timeout autovacuum_naptime
    wal_receiver_status_interval checkpoint_warning""".split()
)


class ServerSetting:
    """One setting of a server as it wins, or as SQL sets it for a role, a database or the server.

    ``scope`` is server, system (ALTER SYSTEM outside of init scripts), role, database or role-in-database.
    """

    kind = "setting"

    def __init__(self, name: str, value: Fact[Any], span: Span, scope: str, server: Server | None = None) -> None:
        self.name = name  # the setting
        self.value = value  # the value it gets
        self.span = span
        self.scope = scope
        self.server = server  # the server, where it is known
        self.label = f"setting {name}"

    @property
    def is_bare(self) -> Fact[bool]:
        """Whether the value is digits alone, so that the setting's own unit counts."""
        return derive(self.name, lambda value: str(value).strip().isdecimal(), self.value)

    @property
    def is_limit(self) -> bool:
        """A time limit in milliseconds that is commonly of seconds or minutes."""
        return self.name in _IN_MILLISECONDS

    @property
    def is_wait(self) -> bool:
        """A time in milliseconds that may well be short."""
        return self.name in _WAITS

    @property
    def is_span(self) -> bool:
        """A span of time in seconds."""
        return self.name in _IN_SECONDS

    @property
    def duration(self) -> Fact[Seconds]:
        """What the value amounts to; 0 where the setting is off."""
        try:
            return derive(self.name, lambda value: read_time(str(value), "s" if self.is_span else "ms"), self.value)
        except ValueError as error:
            return unknown(self.name, str(error), self.span)

    @property
    def with_unit(self) -> Fact[str]:
        """The same value with the unit that it has without saying so: ``30ms``; unknown where the comment beside it tells another one."""
        unit = "s" if self.is_span else "ms"
        place = self.value.span
        if place is not None and (_MILLISECONDS if self.is_span else _LONGER).search(_remark(place)):
            return unknown(self.name, "the comment beside it tells another unit", place)
        return derive(self.name, lambda value: f"{str(value).strip()}{unit}", self.value)

    @property
    def role_limit(self) -> Fact[Seconds]:
        """The same limit for the application's role alone, which nothing sets yet; unknown where it has no place."""
        from .role_limits import moved_limit

        return moved_limit(self.server, self.name, self.value) if self.server is not None else unknown(self.name, "its server is not known")

    @property
    def role(self) -> Fact[str]:
        """The application's role."""
        return self.server.role if self.server is not None else unknown("role", "its server is not known")

    @property
    def limits_every_session(self) -> bool:
        """A limit on statements, for which PostgreSQL's manual advises against the server's own configuration."""
        return self.scope in ("server", "system") and self.name in ("statement_timeout", "lock_timeout", "transaction_timeout")


_LONGER = lazy(r"(?:^|[^a-z])(?:s|secs?|seconds?|min|mins|minutes?|h|hours?)(?![a-z])", re.IGNORECASE)
_MILLISECONDS = lazy(r"(?:^|[^a-z])(?:ms|msecs?|millis|milliseconds?)(?![a-z])", re.IGNORECASE)


def _remark(span: Span) -> str:
    """The comment behind a value, on its line."""
    text = span.source.text
    newline = text.find("\n", span.end)
    rest = text[span.end : newline if newline >= 0 else len(text)]
    starts = [at for mark in ("#", "--") if (at := rest.find(mark)) >= 0]
    return rest[min(starts) :] if starts else ""


def _certain(name: str, found: bool, is_open: bool) -> Fact[bool]:
    """``found``; where it is not, a condition that a variable stands for may still be the one looked for."""
    return unknown(name, "a variable stands for a condition") if is_open and not found else derive(name, lambda: found)


class SessionCount:
    """A ``count`` over pg_stat_activity; ``filtered`` says it looks at backend_type, ``narrowed`` that it names a database or role."""

    kind = "session_count"

    def __init__(self, count: ActivityCount) -> None:
        self.span: Span = count.span
        self.filtered: Fact[bool] = _certain("filtered", count.filtered, count.is_open)
        self.narrowed: bool = bool({"datname", "usename", "datid", "usesysid", "application_name", "client_addr"} & count.columns)
        self.fix: Fix | None = count.fix
        self.label: str = f"count in {count.span.path}"


class SessionKill:
    """A call of pg_terminate_backend over pg_stat_activity."""

    kind = "session_kill"

    def __init__(self, kill: Terminate) -> None:
        self.span: Span = kill.span
        narrowed = kill.has_user_filter or kill.has_database_filter or kill.by_pid_literal or "pid" in kill.columns
        self.is_narrowed: Fact[bool] = _certain("is_narrowed", narrowed, kill.is_open)  # a user, a database or a pid says which sessions
        self.from_activity: bool = kill.from_activity  # the sessions come from pg_stat_activity
        self.fix: Fix | None = kill.fix
        self.label: str = f"pg_terminate_backend in {kill.span.path}"


class Limit:
    """A CONNECTION LIMIT; -1 is none.  ``usable`` is what the smallest server of the project has for ordinary roles."""

    kind = "limit"

    def __init__(self, limit: ConnectionLimit, usable: Fact[int]) -> None:
        self.span: Span = limit.span
        self.of: str = f"{limit.kind} {limit.name}" if limit.name else limit.kind  # what it limits: a role or a database, with its name
        self.value: Fact[int] = resolve("CONNECTION LIMIT", limit.limit, NOTHING).at(limit.value_span)  # the limit; -1 is none
        self.usable: Fact[int] = usable
        self.role: str = ""  # the role it limits, where clients are known that connect as it
        self.demand: Fact[int] = unknown("connections", "nobody is known to connect as its role")  # what these can open together
        self.clients: str = ""  # these clients, as messages list them
        self.occasion: str = ""  # when they can open that many, "" for always
        self.label: str = f"{self.of}, connection limit"
        self.is_conditional: bool = limit.statement.conditional  # it may not run
        self._limit = limit

    @property
    def role_name(self) -> str | None:
        """The name of the role that it limits, "" where a variable makes it; None for a database's limit."""
        return (self._limit.name or "") if self._limit.kind == "role" else None
