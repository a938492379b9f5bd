"""SQL files: changes of settings and limits, counts and kills of sessions, as rules look at them."""

from __future__ import annotations

from typing import Any

from .. import catalogue
from ..fact import Fact
from ..formats import sql
from ..formats.sql_records import ActivityCount, ConnectionLimit, SettingChange, Terminate
from ..source import Span
from .project import Problem, Project, Tree
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


def build_sql(tree: Tree, project: Project) -> None:
    """What the SQL files of the tree do; the larger of several servers' usable connections bounds a limit."""
    usable = [server.usable_connections for server in project.servers if server.has_application and server.usable_connections.is_known]
    most: Fact[int] = (
        max(usable, key=lambda fact: fact.value) if usable else Fact("usable connections", "unknown", reason="no server is known")
    )
    for path in tree.paths("sql"):
        if not sql.interesting(tree.data(path)):
            continue
        source = tree.read(path)
        if source is None:
            continue
        project.read_files.add(path)
        found = sql.parse(source)
        for fault in found.faults:
            project.problems.append(Problem("sql", fault.message, fault.span, is_fatal=fault.fatal, fix=fault.fix))
        reloads = [call.statement.order for call in found.calls if call.name == "pg_reload_conf"]
        for change in found.settings:
            if change.scope == "system" and not change.is_reset:
                reloaded = any(order >= change.statement.order for order in reloads)
                project.changes.append(SystemChange(change, catalogue.context(change.name, None), reloaded=reloaded))
        project.session_counts += map(SessionCount, found.counts)
        project.session_kills += map(SessionKill, found.terminates)
        project.limits += [Limit(limit, most) for limit in found.limits]
