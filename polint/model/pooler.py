"""PgBouncer: its settings, the databases it serves, and how many server connections its pools can open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from .. import pgbouncer_settings as table
from ..fact import Fact, default, derive, unknown
from ..patterns import lazy
from ..source import Source, Span
from ..tuples import NamedTuple
from ..units import INFINITY, Seconds
from . import pooler_remedies
from .flow import most_through
from .remedies import Remedy
from .server import Consumer, Server
from .setting import Section, Setting, setting

T = TypeVar("T")

_LISTED = ("md5", "scram-sha-256", "plain", "trust")  # only who is in auth_file, or found by auth_query, gets in
_EDOBURU_TAG = lazy(r"[\"']?(?:docker\.io/)?edoburu/pgbouncer:(v?\d+\.\d+\.\d+(?:-p\d+)?)[\"']?")
_TOO_MANY = 5000  # pairs of entries and users that are still put together


def _count(value: object) -> int:
    return table.read_count(str(value))


def _limit(value: object) -> float:
    """A count of which 0 (and, for lack of a check, anything below) means no limit."""
    found = table.read_count(str(value))
    return float(found) if found > 0 else INFINITY


def _seconds(value: object) -> Seconds:
    return table.read_seconds(str(value))


def _patience(value: object) -> Seconds:
    """A time of which 0 means for ever."""
    return Seconds(table.read_seconds(str(value)) or INFINITY)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _choice(value: object) -> str:
    """One of a few words, whose case does not matter."""
    return _text(value).lower()


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

    name: str  # the name that clients ask for; * for any
    span: Span
    pairs: Mapping[str, Fact[Any]]


class Pooler(Section):
    """One PgBouncer between clients and a server.

    ``raw`` holds the settings of ``[pgbouncer]``; ``server`` is where its databases lie.
    """

    kind = "pooler"

    def __init__(self, label: str, span: Span, raw: Mapping[str, Fact[Any]], *, service: str, version: tuple[int, ...] | None) -> None:
        super().__init__(label, span, raw)
        self.service = service  # the compose service it runs as
        self.version = version  # PgBouncer's version as the image's tag tells it
        self.image_span = span  # where the version stands
        self.databases: list[Database] = []  # the entries of [databases]
        self.databases_known = ""  # why they are not, or ""
        self.user_settings: Mapping[str, Mapping[str, Fact[Any]]] = {}  # [users]: what it says of each
        self.listed: Fact[Sequence[str]] = unknown("users", "its auth_file is not in the repository")  # the users of its auth_file
        self.auth_file: Source | None = None
        self.looks_users_up: bool = False  # auth_user, or what an image does by itself, lets in users that no file names
        self.server: Server | None = None  # the one it fills most
        self.at_server: Sequence[Database] = ()  # those of its databases that lie there
        self.clients: list[Consumer] = []  # who connects through it
        self.passing: list[Consumer] = []  # those whose own host names it, though a URL leads them past it
        self.waits: list[Fact[Seconds]] = []  # how long its clients wait for a connection, or for a whole request
        self.has_sqlx = False  # some client is SQLx and connects with its own startup packet
        self.preparing: list[str] = []  # drivers of its clients that prepare statements by name
        self.session_uses: list[Span] = []  # what its clients' code leaves in a session
        self.modes: Sequence[Fact[str]] = ()  # those of databases and users, and the general one where it counts; none: only that
        self.home: Span | None = None  # its pgbouncer.ini, where a setting can be added to it
        self.variables: Mapping[str, str] = {}  # those of its image that write settings, by the setting

    pool_mode = _setting("pool_mode", str, _choice, "when a server connection goes back to its pool")
    default_pool_size = _setting("default_pool_size", int, _count, "server connections per database and user")
    reserve_pool_size = _setting("reserve_pool_size", int, _count, "further ones once a client has waited")
    reserve_pool_timeout = _setting("reserve_pool_timeout", Seconds, _seconds, "how long a client waits until then; 0: no reserve")
    max_client_conn = _setting("max_client_conn", int, _count, "client connections it takes")
    max_db_connections = _setting("max_db_connections", float, _limit, "server connections per entry")
    max_user_connections = _setting("max_user_connections", float, _limit, "server connections per user")
    query_wait_timeout = _setting("query_wait_timeout", Seconds, _patience, "longest wait of a client for a server connection")
    server_lifetime = _setting("server_lifetime", Seconds, _seconds, "age of a server connection")
    ignore_startup_parameters = _setting("ignore_startup_parameters", str, _text, "startup parameters it takes and drops")
    max_prepared_statements = _setting("max_prepared_statements", int, _count, "prepared statements tracked for a server connection")
    track_extra_parameters = _setting("track_extra_parameters", str, _text, "parameters it sets again on another server connection")
    auth_type = _setting("auth_type", str, _choice, "how clients prove who they are")
    client_tls_sslmode = _setting("client_tls_sslmode", str, _choice, "whether clients may, or must, use TLS")
    listen_port = _setting("listen_port", int, _count, "port it listens on")
    so_reuseport = _setting("so_reuseport", bool, lambda value: table.read_flag(str(value)), "whether several processes share its port")

    @property
    def release(self) -> Fact[str]:
        """PgBouncer's version, as the image's tag states it."""
        if self.version is None:
            return unknown("version", "the image does not state PgBouncer's version")
        return Fact("version", "written", ".".join(map(str, self.version)), self.image_span)

    @property
    def minor(self) -> Fact[int]:
        """The 24 of 1.24.1."""
        if self.version is None or self.version[0] != 1:
            return unknown("version", "the image does not state a version 1.x of PgBouncer")
        return Fact("version", "written", self.version[1], self.image_span)

    @property
    def patch(self) -> Fact[int]:
        """The 1 of 1.24.1; a tag without it moves along."""
        if self.version is None or len(self.version) < 3:
            return unknown("version", "the image does not state which 1.x.y it is")
        return Fact("version", "written", self.version[2], self.image_span)

    @property
    def release_tag(self) -> Fact[str]:
        """The tag of an image of edoburu/pgbouncer, which has one for each release of PgBouncer: ``v1.25.2-p0``."""
        found = _EDOBURU_TAG.fullmatch(self.image_span.text)
        if found is None:
            return unknown("tag", "how the tags of its image go on is not known")
        start = self.image_span.start
        return Fact("tag", "written", found[1], Span(self.image_span.source, start + found.start(1), start + found.end(1)))

    @property
    def carried(self) -> Sequence[str]:
        """Parameters it sets again when a client comes to another server connection (PgBouncer's varcache.c; 1.20 adds its setting)."""
        always = ("client_encoding", "datestyle", "timezone", "standard_conforming_strings", "application_name")
        if self.version is not None and self.version < (1, 20):
            return always
        more = self.track_extra_parameters
        return (*always, *(name.lower() for name in table.read_list(more.value))) if more.is_known else always

    @property
    def preparer(self) -> str:
        """The driver of a client that prepares statements by name, "" for none."""
        return self.preparing[0] if self.preparing else ""

    @property
    def takes_sqlx(self) -> Fact[bool]:
        """Whether it accepts the startup packet of SQLx, which always sets extra_float_digits (sqlx-postgres, establish.rs)."""
        return derive(
            "takes_sqlx", lambda names: "extra_float_digits" in table.read_list(names, blanks=True), self.ignore_startup_parameters
        )

    @property
    def _impatient(self) -> list[Fact[Seconds]]:
        known = [wait for wait in self.waits if wait.is_known and wait.value < INFINITY]
        # two programs' defaults say nothing about this project
        return known if self.query_wait_timeout.is_written else [wait for wait in known if not wait.is_default]

    @property
    def has_impatient_clients(self) -> bool:
        """Some client is known to give up after a while, and that, or PgBouncer's own limit, is written down."""
        return bool(self._impatient)

    @property
    def client_patience(self) -> Fact[Seconds]:
        """The shortest of these times."""
        found = self._impatient
        return min(found, key=lambda wait: wait.value) if found else unknown("patience", "no client's patience is known")

    @property
    def opens_for(self) -> Fact[str]:
        """What clients may name freely without a limit on what that opens: ``database`` or ``user``, "" for neither.

        Written where the entry that lets them is.
        """
        total, user = self.max_db_connections, self.max_user_connections
        if self.databases_known:
            return unknown("entry", self.databases_known)
        if not (total.is_known and user.is_known) or user.value < INFINITY:
            return derive("entry", lambda *limits: "", total, user)
        for one in self.databases:
            if one.name != "*" and ("user" in one.pairs or not ("auth_user" in self.raw or "auth_user" in one.pairs)):
                continue
            limit = _own(one.pairs, "max_db_connections", total, 1)
            if limit.is_known and limit.value == INFINITY and not self._caps_users(one):
                return Fact(one.name, "written", "database" if one.name == "*" else "user", one.span)
        return default("entry", "")

    def _caps_users(self, entry: Database) -> bool:
        """Whether [users] may cap everybody who gets into an entry."""
        forced = entry.pairs.get("user")
        if forced is None and (self._why_unbounded([entry]) or not self.listed.value):
            return False
        names = self.listed.value if forced is None else [self._forced(forced, 0)] if forced.is_known else ()
        limits = [_own(self.user_settings.get(name, {}), "max_user_connections", self.max_user_connections, 1) for name in names]
        return not all(limit.is_known and limit.value == INFINITY for limit in limits)

    @property
    def server_connections(self) -> Fact[int]:
        """Server connections all its pools can open, counting the users that are known: see ``most``."""
        return self.least(self.databases)

    @property
    def connections_to_server(self) -> Fact[int]:
        """Those of them that ``server`` gets."""
        return self.least(self.at_server)

    def least(self, entries: Sequence[Database], most: float = INFINITY, names: Sequence[str] = ()) -> Fact[int]:
        """Server connections the pools of these databases can open, counting the users that are known, or those of ``names``.

        With ``most``, what they could if no pool were larger than that.
        """
        if self.databases_known:
            return unknown("server connections", self.databases_known)
        if not entries:
            return unknown("server connections", "its [databases] section is empty")
        if self.auth_type.is_known and str(self.auth_type.value).lower() == "any":
            entries = [one for one in entries if "user" in one.pairs]  # it lets nobody into the others (client.c)
            if not entries:
                return unknown("server connections", "auth_type = any lets clients only into entries that name a user", self.auth_type.span)
        return self._open(entries, names or self.known_users, most)

    @property
    def known_users(self) -> Sequence[str]:
        """Users that are known to log in, those of the console left out; one without a name where none is known."""
        if not self.listed.is_known:
            return [""]
        consoles = self._consoles()
        return [name for name in self.listed.value if name not in consoles] or [""]

    def is_only_user(self, name: str) -> bool:
        """Whether nobody else can log in, those of the console left out."""
        return not self._why_unbounded(self.databases) and list(self.known_users) == [name]

    def most(self, entries: Sequence[Database]) -> Fact[int]:
        """The same, counting every user that may log in; unknown where nothing bounds their number.

        For each entry the users' pools, pool_size + reserve_pool_size each, capped by max_db_connections; a user
        over all entries by max_user_connections (PgBouncer's config.md; objects.c, launch_new_connection).
        """
        if self.databases_known or not entries:
            return self.least(entries)
        several = self.so_reuseport
        if not several.is_known or several.value:
            return unknown("server connections", "with so_reuseport any number of its processes may run", several.span)
        if any(one.name == "*" for one in entries):
            return unknown("server connections", "its entry * opens pools for any database")
        free = [one for one in entries if "user" not in one.pairs]
        if not free:
            return self._open(entries, [""])
        reason = self._why_unbounded(free)
        if not reason:
            return self._open(entries, list(self.listed.value) or [""])
        limits = [_own(one.pairs, "max_db_connections", self.max_db_connections, 1) for one in entries]
        if all(limit.is_known and limit.value < INFINITY for limit in limits):
            return derive("server connections", lambda *each: int(sum(each)), *limits)
        return unknown("server connections", reason)

    def _why_unbounded(self, entries: Sequence[Database]) -> str:
        """Why users that no file names may log in, or ""."""
        if self.looks_users_up or "auth_user" in self.raw or any("auth_user" in one.pairs for one in entries):
            return "auth_user looks up any user"
        if not self.auth_type.is_known or self.auth_type.value not in _LISTED:
            return "its auth_type lets in users that no file names"
        return "" if self.listed.is_known else self.listed.reason

    def _consoles(self) -> frozenset[str]:
        """Who mostly talks to the console only."""
        facts = [self.raw[key] for key in ("admin_users", "stats_users") if key in self.raw]
        return frozenset(name for fact in facts if fact.is_known for name in table.read_list(str(fact.value), blanks=True))

    def sizes(self, entries: Sequence[Database], names: Sequence[str]) -> Iterator[tuple[int, str, Fact[int]]]:
        """(number of the entry, user, what decides the size) of every pool that these users can have these entries open."""
        for number, one in enumerate(entries):
            forced = one.pairs.get("user")
            for user in names if forced is None else [self._forced(forced, number)]:
                own = self.user_settings.get(user, {})
                yield number, user, _own(own, "pool_size", _own(one.pairs, "pool_size", self.default_pool_size, 0), 0)

    def _open(self, entries: Sequence[Database], names: Sequence[str], most: float = INFINITY) -> Fact[int]:
        """Server connections these users can have these entries open together, no pool being larger than ``most``."""
        if len(entries) * len(names) > _TOO_MANY:
            return unknown("server connections", "it has too many databases and users")
        rooms: dict[tuple[str, int], Fact[float]] = {}
        sizes: list[Fact[Any]] = []
        caps: dict[str, Fact[float]] = {}
        for number, user, size in self.sizes(entries, names):
            one, own = entries[number], self.user_settings.get(user, {})
            forced = one.pairs.get("user")
            reserve = _own(one.pairs, "reserve_pool_size", _own(one.pairs, "reserve_pool", self.reserve_pool_size, 0), 0)
            held = Fact(size.name, size.origin, int(most), size.span) if size.is_known and size.value > most else size
            rooms[user, number] = self._room(held, _own(own, "reserve_pool_size", reserve, 0))
            sizes.append(size)
            cap = _own(own, "max_user_connections", self.max_user_connections, 1)
            if forced is not None and self.version is None and (own or cap.is_written):
                cap = unknown("max_user_connections", "what limits the user of an entry depends on PgBouncer's version", forced.span)
            caps[user] = cap
        limits = [_own(one.pairs, "max_db_connections", self.max_db_connections, 1) for one in entries]
        facts: list[Fact[Any]] = [*sizes, *rooms.values(), *limits, *caps.values()]
        missing = next((fact for fact in facts if not fact.is_known), None)
        if missing is not None:
            return unknown("server connections", missing.reason, missing.span)
        found = most_through(
            {pair: fact.value for pair, fact in rooms.items()},
            {user: fact.value for user, fact in caps.items()},
            {number: fact.value for number, fact in enumerate(limits)},
        )
        if found == INFINITY:
            return unknown("server connections", "a pool size of 0 is unlimited (PgBouncer 1.24 and later)", sizes[0].span)
        # defaults that change nothing are no factors worth a note
        others = [leaf for room in rooms.values() for leaf in room.sources] + [*limits, *caps.values()]
        told = {str(fact.span or fact): fact for fact in [*sizes, *(fact for fact in others if not fact.is_default)]}
        users = (Fact("users", "written", len(names), self.listed.span),) if len(names) > 1 else ()
        return Fact("server connections", "derived", int(found), None, (*told.values(), *users))

    def _forced(self, user: Fact[Any], number: int) -> str:
        """The user of an entry; before 1.23 one of its own, which neither [users] nor another entry shares (objects.c)."""
        if user.is_known and (self.version is None or self.version >= (1, 23)):
            return str(user.value)
        return f"the user of entry {number}"

    def _room(self, size: Fact[int], reserve: Fact[int]) -> Fact[float]:
        """Connections of one pool; 0 is no limit from 1.24 on, and one connection before (objects.c; NEWS)."""
        if size.is_known and size.value <= 0 and self.version is None:
            return unknown("pool", "what a pool size of 0 means depends on PgBouncer's version", size.span)
        unlimited = self.version is not None and self.version >= (1, 24)

        def room(size: int, reserve: int, after: Seconds) -> float:
            extra = max(reserve, 0) if after > 0 else 0
            if size > 0:
                return float(size + extra)
            return INFINITY if unlimited else float(max(size + extra, 1))

        return derive("pool", room, size, reserve, self.reserve_pool_timeout)

    @property
    def client_connections(self) -> Fact[int]:
        """What its known clients can open together, those that are meant for it and pass it by included."""
        known = [client.at_least for client in (*self.clients, *self.passing) if client.at_least.is_known]
        return derive("clients", lambda *counts: sum(counts), *known) if known else default("clients", 0)

    @property
    def has_clients(self) -> bool:
        """Whether the size of any client is known."""
        return any(client.at_least.is_known for client in (*self.clients, *self.passing))

    @property
    def room_for_clients(self) -> Fact[int]:
        """A max_client_conn that does for its clients; see pooler_remedies.room_for_clients."""
        return pooler_remedies.room_for_clients(self)

    @property
    def smaller_pools(self) -> Remedy | None:
        """What makes its pools fit the server; see pooler_remedies.smaller_pools."""
        return pooler_remedies.smaller_pools(self)

    @property
    def caps(self) -> Remedy | None:
        """What bounds its pools; see pooler_remedies.caps."""
        return pooler_remedies.caps(self)

    @property
    def sharing(self) -> Remedy | None:
        """What ends the wait of clients in session mode; see pooler_remedies.sharing."""
        return pooler_remedies.sharing(self)

    @property
    def tracking(self) -> Remedy | None:
        """What makes it keep track of prepared statements; see pooler_remedies.tracking."""
        return pooler_remedies.tracking(self)

    @property
    def parameters_for_sqlx(self) -> Fact[str]:
        """What ignore_startup_parameters names, and extra_float_digits; see pooler_remedies.with_sqlx."""
        return pooler_remedies.with_sqlx(self)

    @property
    def passers(self) -> str:
        """Who is meant for it and passes it by, as messages say it; "" when nobody does."""
        names = ", ".join(dict.fromkeys(client.service.partition("/")[0] for client in self.passing))
        return f" (with {names}, whose URL leads past it)" if names else ""


def _own(pairs: Mapping[str, Fact[Any]], key: str, otherwise: Fact[Any], least: int) -> Fact[Any]:
    """A number of a connect string; ``otherwise`` where there is none, or one below ``least``, which counts as unset."""
    fact = pairs.get(key)
    if fact is None or not fact.is_known:
        return fact or otherwise
    number = table.read_leading(str(fact.value))
    if number < least:
        return otherwise
    return Fact(key, fact.origin, number, fact.span, fact.sources, fact.reason, fact.via)
