"""What SQL files do, as rules look at it: changes of settings, counts and kills of sessions, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..diagnostic import Fix
from ..fact import Fact, derive, unknown
from ..pgunits import read_time
from ..source import Span
from ..units import Seconds
from .resolve import NOTHING, resolve

if TYPE_CHECKING:
    from ..formats.sql_records import ActivityCount, ConnectionLimit, SettingChange, Terminate


class SystemChange:
    """An ``ALTER SYSTEM SET``; ``reloaded`` says pg_reload_conf() follows in the same file.

    ``context`` is pg_settings.context, None where no PostgreSQL has the setting: it may be another database's.
    """

    kind = "change"

    def __init__(self, change: SettingChange, context: str | None, *, reloaded: bool) -> None:
        self.name: str = change.name
        self.span: Span = change.name_span
        self.value: Fact[Any] = resolve(change.name, change.value, NOTHING)
        self.needs_restart: bool = context == "postmaster"
        self.reloaded: bool = reloaded
        self.in_transaction: bool = change.statement.in_transaction and context is not None
        self.label: str = f"setting {change.name}"


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

    def __init__(self, name: str, value: Fact[Any], span: Span, scope: str) -> None:
        self.name = name
        self.value = value
        self.span = span
        self.scope = scope
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
        """The same value with the unit that it has without saying so: ``30ms``."""
        unit = "s" if self.is_span else "ms"
        return derive(self.name, lambda value: f"{str(value).strip()}{unit}", self.value)

    @property
    def limits_every_session(self) -> bool:
        """A limit on statements, for which PostgreSQL's manual advises against the server's own configuration."""
        return self.scope in ("server", "system") and self.name in ("statement_timeout", "lock_timeout", "transaction_timeout")


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
        self.is_narrowed: Fact[bool] = _certain("is_narrowed", narrowed, kill.is_open)
        self.from_activity: bool = kill.from_activity
        self.fix: Fix | None = kill.fix
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
