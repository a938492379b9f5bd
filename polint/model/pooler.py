"""PgBouncer: its settings, the databases it serves, and how many server connections its pools can open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from .. import pgbouncer_settings as table
from ..fact import Fact, default, derive, unknown
from ..source import Span
from ..units import INFINITY, Seconds
from .server import Consumer, Server
from .setting import Section, Setting, setting

T = TypeVar("T")


def _count(value: object) -> int:
    return table.read_count(str(value))


def _limit(value: object) -> float:
    """A count of which 0 (and, for lack of a check, anything below) means no limit."""
    found = table.read_count(str(value))
    return float(found) if found > 0 else INFINITY


def _seconds(value: object) -> Seconds:
    return table.read_seconds(str(value))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _setting(key: str, kind: type[T], read: Callable[[object], T], doc: str) -> Setting[T]:
    """A setting whose default is the one of PgBouncer's version; unknown where versions differ and none is stated."""
    known = table.SETTINGS[key]

    def fallback(pooler: Pooler) -> Fact[T]:
        if pooler.version is None and known.earlier:
            return unknown(key, "its default depends on PgBouncer's version, which nothing states")
        return default(key, read(known.default if pooler.version is None else known.default_in(pooler.version)), "PgBouncer")

    return setting(key, kind, read, fallback, "PgBouncer", doc)


class Database(NamedTuple):
    """One entry of ``[databases]``: what its connect string says, by key."""

    name: str
    span: Span
    pairs: Mapping[str, Fact[Any]]


class Pooler(Section):
    """One PgBouncer between clients and a server.

    ``raw`` holds the settings of ``[pgbouncer]``; ``server`` is where its databases lie.
    """

    kind = "pooler"

    def __init__(self, label: str, span: Span, raw: Mapping[str, Fact[Any]], *, service: str, version: tuple[int, ...] | None) -> None:
        super().__init__(label, span, raw)
        self.service = service
        self.version = version
        self.databases: list[Database] = []
        self.databases_known = ""  # why they are not, or ""
        self.users: Fact[int] = default("users", 1)
        self.server: Server | None = None
        self.clients: list[Consumer] = []
        self.has_sqlx = False  # some client is SQLx and connects by a URL, so with its own startup packet

    pool_mode = _setting("pool_mode", str, _text, "when a server connection goes back to its pool")
    default_pool_size = _setting("default_pool_size", int, _count, "server connections per database and user")
    reserve_pool_size = _setting("reserve_pool_size", int, _count, "further ones once a client has waited")
    max_client_conn = _setting("max_client_conn", int, _count, "client connections it takes")
    max_db_connections = _setting("max_db_connections", float, _limit, "server connections per entry")
    max_user_connections = _setting("max_user_connections", float, _limit, "server connections per user")
    server_lifetime = _setting("server_lifetime", Seconds, _seconds, "age of a server connection")
    ignore_startup_parameters = _setting("ignore_startup_parameters", str, _text, "startup parameters it takes and drops")
    max_prepared_statements = _setting("max_prepared_statements", int, _count, "prepared statements tracked for a server connection")

    @property
    def takes_sqlx(self) -> Fact[bool]:
        """Whether it accepts the startup packet of SQLx, which always sets extra_float_digits (sqlx-postgres, establish.rs)."""
        return derive(
            "takes_sqlx", lambda names: "extra_float_digits" in table.read_list(names, blanks=True), self.ignore_startup_parameters
        )

    @property
    def is_open_ended(self) -> bool:
        """Any database or any user may be asked for, and no limit caps what that opens."""
        wide = any(one.name == "*" for one in self.databases) or "auth_user" in self.raw
        capped = self.max_db_connections.is_written or self.max_user_connections.is_written
        capped = capped or (bool(self.databases) and all("max_db_connections" in one.pairs for one in self.databases))
        return wide and not capped

    @property
    def server_connections(self) -> Fact[int]:
        """Server connections its pools can open: for each entry, users x (pool_size + reserve), capped (PgBouncer's config.md)."""
        if self.databases_known:
            return unknown("server connections", self.databases_known)
        each = [self._of(one) for one in self.databases]
        if not each:
            return unknown("server connections", "its [databases] section is empty")
        return each[0] if len(each) == 1 else derive("server connections", lambda *counts: sum(counts), *each)

    def _of(self, one: Database) -> Fact[int]:
        size = _pair(one, "pool_size", self.default_pool_size)
        reserve = _pair(one, "reserve_pool_size", _pair(one, "reserve_pool", self.reserve_pool_size))
        limit = _pair(one, "max_db_connections", self.max_db_connections)
        users = default("users", 1) if "user" in one.pairs else self.users
        if size.is_known and size.value <= 0:
            return unknown("server connections", "a pool size of 0 is unlimited (PgBouncer 1.24 and later)", size.span)

        def count(*values: float) -> int:
            return int(min(values[0] * (values[1] + values[2]), values[3], values[0] * values[4]))

        facts = [users, size, reserve, limit, self.max_user_connections]
        found = derive("server connections", count, *facts)
        if not found.is_known:
            return found
        # defaults that change nothing are no factors worth a note
        told = [size, *(fact for fact in (users, reserve, limit, self.max_user_connections) if not fact.is_default)]
        return Fact("server connections", "derived", found.value, None, tuple(told))

    @property
    def client_connections(self) -> Fact[int]:
        """What its known clients can open together."""
        known = [client.at_least for client in self.clients if client.at_least.is_known]
        return derive("clients", lambda *counts: sum(counts), *known) if known else default("clients", 0)

    @property
    def has_clients(self) -> bool:
        """Whether the size of any client is known."""
        return any(client.at_least.is_known for client in self.clients)


def _pair(one: Database, key: str, otherwise: Fact[Any]) -> Fact[Any]:
    """A key of the entry's connect string, else ``otherwise``."""
    fact = one.pairs.get(key)
    if fact is None:
        return otherwise
    if not fact.is_known:
        return fact
    number = table.read_leading(str(fact.value))
    value = (number if number > 0 else INFINITY) if key == "max_db_connections" else number
    return Fact(key, fact.origin, value, fact.span, fact.sources, fact.reason, fact.via)
