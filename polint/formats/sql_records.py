"""What a SQL file does to connections, as records."""

from __future__ import annotations

from ..diagnostic import Fix
from ..source import Source, Span
from ..tuples import NamedTuple
from ..value import Value
from . import Fault


class Statement(NamedTuple):
    """The statement a record comes from.

    ``order`` counts the file's statements from 0; ``span`` is the statement without its semicolon.  ``within`` is
    do or function for one inside such a body (all of whose statements share the ``order`` of the outer one), else "".
    ``conditional`` says it may not run: it stands in a body, behind psql's ``\\if`` or between a template's conditions.
    ``in_transaction`` says that a BEGIN before it in the file is still open, or a body runs it: ``ALTER SYSTEM`` then fails.
    """

    order: int
    span: Span
    within: str = ""
    conditional: bool = False
    in_transaction: bool = False


class SettingChange(NamedTuple):
    """A setting written or reset.

    ``scope`` is system, role, database, role-in-database, session (``SET``, ``set_config``) or local.  ``role`` and
    ``database`` are the names it holds for; with scope role or role-in-database, a ``role`` of None is ``ALTER ROLE ALL``.
    ``name`` is lower case (``all`` for ``RESET ALL``).  ``value`` is the text as PostgreSQL would take it from its
    file (``200``, ``5s``, ``on``), a list joined by ``, ``; Literal None, without ``value_span``, for RESET and DEFAULT.
    """

    statement: Statement
    scope: str
    name: str
    value: Value
    span: Span
    name_span: Span
    value_span: Span | None
    role: str | None = None
    database: str | None = None
    is_reset: bool = False


class ConnectionLimit(NamedTuple):
    """CONNECTION LIMIT of a role or database (``kind``); ``limit`` is an int, -1 for none; ``name`` None when a variable makes it."""

    statement: Statement
    kind: str
    name: str | None
    limit: Value
    span: Span
    value_span: Span


class RoleAttributes(NamedTuple):
    """CREATE or ALTER of one role (``name`` None: a variable makes it); None where ALTER does not say.

    ``password_written`` says the file holds a password in the clear, at ``password_span``; a stored form
    (SCRAM, MD5) is ``password_hashed`` instead.
    """

    statement: Statement
    name: str | None
    superuser: bool | None
    login: bool | None
    password_written: bool
    span: Span
    created: bool = False
    password_span: Span | None = None
    password_hashed: bool = False


class FunctionCall(NamedTuple):
    """A call of pg_reload_conf, pg_terminate_backend, pg_cancel_backend or an advisory lock function."""

    statement: Statement
    name: str
    span: Span


class ActivityCount(NamedTuple):
    """``count(…)`` over pg_stat_activity.

    ``filtered``: backend_type is tested, grouped by or put out.  ``columns`` are the columns any condition names:
    ``datname`` or ``usename`` leave out most background processes too.  ``fix`` adds the condition where that is sure to be right;
    it is unsafe where others use the result: in a view, a function, a table.
    ``is_open``: a variable stands for a condition, or for the column that one is about, so that there may be more columns.
    """

    statement: Statement
    span: Span
    filtered: bool
    columns: frozenset[str] = frozenset()
    fix: Fix | None = None
    is_open: bool = False


class Terminate(NamedTuple):
    """A call of pg_terminate_backend and what its statement's conditions name (``columns``).

    ``from_activity`` is False when the sessions come from elsewhere, e.g. a loop variable: what picks them is then not known.
    ``is_open`` as for counts.  ``fix`` narrows it to the database it runs in, where conditions are sure to have a place.
    """

    statement: Statement
    span: Span
    has_user_filter: bool
    has_database_filter: bool
    guards_own_pid: bool
    by_pid_literal: bool
    from_activity: bool = True
    columns: frozenset[str] = frozenset()
    is_open: bool = False
    fix: Fix | None = None


class SqlFile(NamedTuple):
    """What a SQL file does to connections.

    ``foreign`` says that it changes settings and shows signs of another dialect.
    """

    source: Source
    settings: tuple[SettingChange, ...] = ()
    limits: tuple[ConnectionLimit, ...] = ()
    roles: tuple[RoleAttributes, ...] = ()
    calls: tuple[FunctionCall, ...] = ()
    counts: tuple[ActivityCount, ...] = ()
    terminates: tuple[Terminate, ...] = ()
    faults: tuple[Fault, ...] = ()
    foreign: bool = False


class Records:
    """A SqlFile while it is being read."""

    __slots__ = ("calls", "counts", "faults", "limits", "roles", "settings", "terminates")

    def __init__(self) -> None:
        self.settings: list[SettingChange] = []
        self.limits: list[ConnectionLimit] = []
        self.roles: list[RoleAttributes] = []
        self.calls: list[FunctionCall] = []
        self.counts: list[ActivityCount] = []
        self.terminates: list[Terminate] = []
        self.faults: list[Fault] = []

    def file(self, source: Source) -> SqlFile:
        """The finished record."""
        lists = (self.settings, self.limits, self.roles, self.calls, self.counts, self.terminates, self.faults)
        return SqlFile(source, *map(tuple, lists))  # type: ignore[arg-type]
