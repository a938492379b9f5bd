"""The PostgreSQL server: its settings, and who connects to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .. import sizing
from ..fact import Fact, default, derive, unknown
from ..pgunits import read_integer, read_memory, read_time
from ..source import Span
from ..tuples import NamedTuple
from ..units import INFINITY, Bytes, Seconds, parse_bytes
from . import container, memory, remedies
from .container import Container
from .setting import Section, setting


def _product(*factors: int) -> int:
    result = 1
    for factor in factors:
        result *= factor
    return result


class Consumer(NamedTuple):
    """One client of a server: replicas x processes x pool.

    ``highest`` is set where files leave a range.  ``through`` names the pooler that stands in between.
    """

    service: str  # the service, and the pool within it where there are several
    kind: str
    replicas: Fact[int]  # copies that run
    processes: Fact[int]  # processes of each copy that hold a pool
    pool: Fact[int]  # connections of each process
    span: Span
    highest: Fact[int] | None = None  # the pool at most, when `pool` is only the least
    through: str | None = None
    profiles: tuple[str, ...] = ()  # it runs only when one of these is enabled
    inferred: str = ""  # how the client was linked to the server, when no file says it outright
    once: str = ""  # why it runs once and ends, "" for what goes on
    surge: Fact[Any] | None = None  # copies on top while it is updated, as polint.toml states them: a number, or a share such as 25%
    max_replicas: Fact[int] | None = None  # what polint.toml lets an autoscaler make of ``replicas``

    @property
    def at_least(self) -> Fact[int]:
        """Connections this client can open, for certain."""
        return self._times(self.pool)

    @property
    def at_most(self) -> Fact[int]:
        """Connections this client can open at most."""
        return self._times(self.highest or self.pool)

    def _times(self, pool: Fact[int]) -> Fact[int]:
        replicas = self.replicas.named(f"replicas of {self.service}") if self.replicas.is_default else self.replicas
        factors = [replicas, *(fact for fact in (self.processes, pool) if not (fact.is_default and fact.value == 1))]
        return derive(self.service, _product, *factors)


def _integer(value: object) -> int:
    return read_integer(str(value))


def _timeout(value: object) -> Seconds:
    found = read_time(str(value), "ms")
    return Seconds(INFINITY) if found <= 0 else found


def _seconds(value: object) -> int:
    return int(read_time(str(value), "s"))


def _limits(value: object) -> bool:
    """Whether a timeout's text switches it on (or cannot be read)."""
    try:
        return _timeout(value) < INFINITY
    except ValueError:
        return True


_QUICK = sizing.Keepalive()


class RoleSetting(NamedTuple):
    """What SQL sets for the sessions of a role (None: of every role), in a database (None: in every one).

    ``is_sure`` says that it is this server's for certain; a migration may be meant for another one of the stack.
    """

    name: str
    role: str | None
    database: str | None
    value: Fact[Any]
    is_sure: bool


def _blocks(value: object) -> Bytes:
    return read_memory(str(value), "8kB")


def _kilobytes(value: object) -> Bytes:
    return read_memory(str(value), "kB")


def _shared_buffers(server: Server) -> Fact[Bytes]:
    """128 MB; before 15 only where initdb made the configuration, the built-in default being 8 MB (pg_settings)."""
    if server.major is not None and server.major < 15:
        return unknown("shared_buffers", "its default depends on who wrote postgresql.conf before PostgreSQL 15")
    return default("shared_buffers", Bytes(128 << 20), "PostgreSQL")


class Server(Section):
    """One PostgreSQL server of a stack, with every pool that reaches it.

    ``raw`` holds the winning value of each setting: image default, then
    postgresql.conf (last wins, includes in order), postgresql.auto.conf, the
    image's own variables, the command line (PostgreSQL manual, 19.1).
    """

    kind = "server"

    def __init__(
        self,
        label: str,
        span: Span,
        raw: Mapping[str, Fact[Any]],
        *,
        major: int | None = None,
        service: str = "",
        stack: str = "",
        has_application: bool = False,
        mentioned: frozenset[str] = frozenset(),
        role_settings: Sequence[RoleSetting] = (),
        cores: Fact[float] | None = None,
        keepalive_defaults: bool = False,
        has_pooler: bool = False,
    ) -> None:
        super().__init__(label, span, raw)
        self.major = major  # PostgreSQL's major version, where the image or polint.toml tells it
        self.service = service  # the compose service it runs as, "" for a server elsewhere
        self.stack = stack  # the compose file it belongs to
        self.has_application = has_application  # some application of the project could use it
        self.consumers: list[Consumer] = []  # clients of the server itself and of its poolers
        self.left_out: list[Consumer] = []  # clients that run only with other profiles
        self.profile = ""  # the one profile whose services are counted, "" for none
        self.has_pooler = has_pooler  # something in the stack pools connections, whether or not it is read
        self.cores: Fact[float] = cores or unknown(
            "cores", "neither a cpu limit nor [host] of polint.toml states them"
        )  # processor cores it may use
        self.spindles: Fact[int] = default("spindles", 0, "data on SSDs or in memory")  # spinning disks that work at the same time
        self._host_memory: Fact[Bytes] = unknown("memory", "neither a limit nor [host] of polint.toml states it")
        self._role_settings = role_settings
        self.container: Container | None = None  # the container it runs in; none outside of the stack
        self.containers: Mapping[str, Container] = {}  # those of its stack, by service
        self.home: Span | None = None  # the configuration file that it reads, where the repository holds it
        self.peers: Sequence[Server] = ()  # the project's other servers
        self.scripts: Sequence[str] = ()  # those that initialise its data directory, in order
        self.role: Fact[str] = unknown("role", "no init script makes it")  # its application's, at the statement that makes it
        self.shortest_request: Fact[Seconds] = default("request", Seconds(INFINITY), "php-fpm")  # of the web requests that wait for it
        self._mentioned = mentioned
        self._keepalive_defaults = keepalive_defaults

    max_connections = setting("max_connections", int, _integer, 100, "PostgreSQL", "connections the server allows, of every kind")
    superuser_reserved_connections = setting("superuser_reserved_connections", int, _integer, 3, "PostgreSQL", "slots kept for superusers")
    reserved_connections = setting(
        "reserved_connections", int, _integer, 0, "PostgreSQL", "slots kept for pg_use_reserved_connections (16 and later)"
    )
    statement_timeout = setting("statement_timeout", Seconds, _timeout, Seconds(INFINITY), "PostgreSQL", "longest a statement may run")
    idle_in_transaction_session_timeout = setting(
        "idle_in_transaction_session_timeout", Seconds, _timeout, Seconds(INFINITY), "PostgreSQL", "longest an open transaction may idle"
    )
    idle_session_timeout = setting(
        "idle_session_timeout", Seconds, _timeout, Seconds(INFINITY), "PostgreSQL", "longest a session may idle (14 and later)"
    )

    tcp_keepalives_idle = setting("tcp_keepalives_idle", int, _seconds, 0, "PostgreSQL", "seconds before a keepalive; 0 is the OS's")
    tcp_keepalives_interval = setting("tcp_keepalives_interval", int, _seconds, 0, "PostgreSQL", "seconds between two; 0 is the OS's")
    tcp_keepalives_count = setting("tcp_keepalives_count", int, _integer, 0, "PostgreSQL", "lost ones that end a session; 0 is the OS's")
    client_connection_check_interval = setting(
        "client_connection_check_interval", Seconds, _timeout, Seconds(INFINITY), "PostgreSQL", "how often a running statement looks for it"
    )
    tcp_user_timeout = setting("tcp_user_timeout", Seconds, _timeout, Seconds(INFINITY), "PostgreSQL", "longest wait for an answer")

    shared_buffers = setting("shared_buffers", Bytes, _blocks, _shared_buffers, "PostgreSQL", "memory for its own cache of pages")
    work_mem = setting("work_mem", Bytes, _kilobytes, Bytes(4 << 20), "PostgreSQL", "memory for one sort or hash of one query")

    @property
    def statement_timeout_elsewhere(self) -> bool:
        """Something besides the server's own settings limits statements, or may: a role's setting, a URL, code."""
        return self._set_elsewhere("statement_timeout")

    @property
    def idle_in_transaction_timeout_elsewhere(self) -> bool:
        """Something besides the server's own settings limits idle transactions, or may."""
        return self._set_elsewhere("idle_in_transaction_session_timeout")

    def _set_elsewhere(self, name: str) -> bool:
        if name in self._mentioned:
            return True
        return any(not one.value.is_known or _limits(one.value.value) for one in self._role_settings if one.name == name)

    def has_role_setting(self, name: str) -> bool:
        """Whether SQL sets it for any role or database."""
        return name in self._mentioned or any(one.name == name for one in self._role_settings)

    @property
    def role_statement_timeout(self) -> Fact[Seconds]:
        """statement_timeout of its application's role, which nothing sets yet; unknown where it has no place."""
        from .role_limits import role_limit

        return role_limit(self, "statement_timeout")

    def session_statement_timeout(self, role: str | None) -> Fact[Seconds]:
        """statement_timeout as the sessions of a role have it (None: of any); unknown where other files may decide it."""
        return self._in_session("statement_timeout", self.statement_timeout, role)

    def session_idle_timeout(self, role: str | None) -> Fact[Seconds]:
        """idle_session_timeout as the sessions of a role have it (None: of any); unknown where other files may decide it."""
        return self._in_session("idle_session_timeout", self.idle_session_timeout, role)

    def _in_session(self, name: str, own: Fact[Seconds], role: str | None) -> Fact[Seconds]:
        """A role's value beats a database's, that beats the one of ALTER ROLE ALL, that the server's, the command line included."""
        if name in self._mentioned:
            return unknown(name, "another file speaks of it, so that a role or a client may set it", own.span)
        settings = [one for one in self._role_settings if one.name == name]
        if role is not None:
            settings = [one for one in settings if one.role in (None, role)]
        settings.sort(key=lambda one: one.role is None)
        if not settings:
            return own
        one = settings[0]
        if not all(other.is_sure and other.database is None and other.role in (None, role) for other in settings):
            return unknown(name, "a role or a database has a value of its own", one.value.span)
        if not one.value.is_known:
            return one.value
        try:
            return Fact(name, "written", _timeout(one.value.value), one.value.span)
        except ValueError as error:
            return unknown(name, str(error), one.value.span)

    @property
    def checks_clients(self) -> bool:
        """Whether a statement ends soon after its client is gone, or may (client_connection_check_interval, 14 and later)."""
        return not self.client_connection_check_interval.is_default

    @property
    def keepalive(self) -> Fact[int]:
        """The first keepalive setting that some file gives a value other than the operating system's own."""
        for fact in (self.tcp_keepalives_idle, self.tcp_keepalives_interval, self.tcp_keepalives_count):
            if fact.is_written and fact.value:
                return fact
        return default("tcp_keepalives_idle", 0, "PostgreSQL")

    @property
    def dead_client_after(self) -> Fact[Seconds]:
        """When the server gives up on a silent client: idle + interval x count, with Linux's 7200 s, 75 s and 9 for 0.

        A container's Linux has these unless ``sysctls`` changes them; of another host nobody knows.
        """
        if self.tcp_user_timeout.is_written:
            return unknown("tcp_user_timeout", "it ends the wait sooner", self.tcp_user_timeout.span)
        facts = (self.tcp_keepalives_idle, self.tcp_keepalives_interval, self.tcp_keepalives_count)
        if not self._keepalive_defaults and any(fact.is_known and not fact.value for fact in facts):
            return unknown("keepalive", "what the operating system does is not known")
        written = [fact for fact in facts if not fact.is_default]

        def total(*_: int) -> Seconds:
            idle, interval, count = (fact.value or own for fact, own in zip(facts, (7200, 75, 9), strict=True))
            return Seconds(idle + interval * count)

        return derive("dead client after", total, *written)

    @property
    def slowest_keepalive(self) -> Fact[int]:
        """Of the three keepalive settings the one whose part in ``dead_client_after`` shrinks most by ``quicker_keepalive``."""
        return self._slowest_keepalive[0]

    @property
    def quicker_keepalive(self) -> Fact[int]:
        """Its part of what ``sizing.Keepalive`` has: 60 s idle, an interval of 10 s, a count of 6, together 2 min."""
        slowest, quick = self._slowest_keepalive
        return default(slowest.name, quick, "2 min in all")

    @property
    def slowest_keepalive_name(self) -> str:
        """The name of ``slowest_keepalive``."""
        return self.slowest_keepalive.name

    @property
    def _slowest_keepalive(self) -> tuple[Fact[int], int]:
        facts = (self.tcp_keepalives_idle, self.tcp_keepalives_interval, self.tcp_keepalives_count)
        idle, interval, count = (fact.value or own for fact, own in zip(facts, (7200, 75, 9), strict=True))
        gains = (idle - _QUICK.idle, (interval - _QUICK.interval) * count, (count - _QUICK.probes) * interval)
        at = gains.index(max(gains))
        return facts[at], int(_QUICK[at])

    @property
    def best_connections(self) -> Fact[float]:
        """Connections that can work at the same time: cores x 2 + spindles (PostgreSQL wiki; part of a core counts as one)."""
        if self.spindles.is_default:
            return derive("cores x 2", lambda cores: float(sizing.active_connections(cores)), self.cores)
        count = sizing.active_connections
        return derive("cores x 2 + spindles", lambda cores, disks: float(count(cores, disks)), self.cores, self.spindles)

    def take_host(self, host: Mapping[str, Fact[Any]]) -> None:
        """Take what polint.toml says of the disks and the memory of the machine it runs on."""
        self.spindles = host.get("spindles", self.spindles)
        if "memory" in host:
            size = host["memory"]
            self._host_memory = Fact("memory", size.origin, parse_bytes(size.value), size.span)

    @property
    def memory(self) -> Fact[Bytes]:
        """What its container may take; what the machine has where that is less, or nothing limits the container."""
        own = self.container.memory if self.container is not None else None
        if own is None or not own.is_written:
            return self._host_memory
        return self._host_memory if own.is_known and self._host_memory.is_known and self._host_memory.value < own.value else own

    @property
    def is_pooled(self) -> bool:
        """Every client comes through PgBouncer, exporters aside."""
        kinds = {consumer.kind for consumer in self.direct}
        return "pgbouncer" in kinds and kinds <= {"pgbouncer", "exporter"}

    @property
    def reserved(self) -> Fact[int]:
        """Slots ordinary roles never get: superuser_reserved_connections + reserved_connections."""
        if self.reserved_connections.is_default:  # a default 0 is no factor worth a note
            return self.superuser_reserved_connections
        return derive("reserved", lambda a, b: a + b, self.superuser_reserved_connections, self.reserved_connections)

    @property
    def usable_connections(self) -> Fact[int]:
        """Slots ordinary roles can have (PostgreSQL manual, 19.3)."""
        return derive("usable connections", sizing.usable_connections, self.max_connections, self.reserved)

    @property
    def direct(self) -> Sequence[Consumer]:
        """The clients that go on connecting to the server itself; those behind a pooler are its clients."""
        return [consumer for consumer in self.consumers if consumer.through is None and not consumer.once]

    @property
    def jobs(self) -> Sequence[Consumer]:
        """The clients that connect to the server itself, and end: migrations, psql."""
        return [consumer for consumer in self.consumers if consumer.through is None and consumer.once]

    @property
    def known_connections(self) -> Fact[int]:
        """Lower bound of what all clients can open together: the sum over the clients that are known."""
        known = [consumer.at_least for consumer in self.direct if consumer.at_least.is_known]
        return derive("connections", lambda *counts: sum(counts), *known) if known else default("connections", 0)

    @property
    def peak_connections(self) -> Fact[float]:
        """What all clients can open together; unknown as soon as one of them is."""
        if not self.direct:
            return default("connections", 0.0)
        return derive("connections", lambda *counts: float(sum(counts)), *(consumer.at_most for consumer in self.direct))

    @property
    def has_clients(self) -> bool:
        """Whether any client's connections are known."""
        return any(consumer.at_least.is_known for consumer in self.direct)

    @property
    def bound(self) -> str:
        """ "at least " when some client is unknown, so that messages say what the number is."""
        peak = self.peak_connections
        return "" if peak.is_known and peak.value == self.known_connections.value else "at least "

    @property
    def utilisation(self) -> Fact[float]:
        """Known connections as a share of the usable ones; infinite when none is usable."""
        return derive("utilisation", lambda a, b: a / b if b else (math.inf if a else 0.0), self.known_connections, self.usable_connections)

    @property
    def left(self) -> Fact[int]:
        """Usable slots that remain with every known client at its limit."""
        return derive("slots left", lambda a, b: b - a, self.known_connections, self.usable_connections)

    @property
    def unknown_consumers(self) -> Sequence[Consumer]:
        """Clients whose connections cannot be told from the files."""
        return [consumer for consumer in self.direct if not consumer.at_most.is_known]

    @property
    def planned_connections(self) -> Fact[int]:
        """Connections that its memory has to do for; see memory.planned_connections."""
        return memory.planned_connections(self)

    @property
    def quarter_of_memory(self) -> Fact[Bytes]:
        """A shared_buffers that suits its memory; see remedies.quarter."""
        return remedies.quarter(self)

    @property
    def memory_per_connection(self) -> Fact[Bytes]:
        """What a connection may take of the memory; see remedies.share."""
        return remedies.share(self)

    @property
    def plenty(self) -> Fact[int]:
        """A max_connections that is plenty behind a pooler; see remedies.plenty."""
        return remedies.plenty(self)

    @property
    def large_reserve(self) -> Fact[int]:
        """The reserve that is to be lower; see remedies.large_reserve."""
        return remedies.large_reserve(self)

    @property
    def surge(self) -> Fact[int]:
        """Connections that an update opens on top, where Swarm starts new containers before it stops the old ones."""
        extra = [count for _, count in container.surge(self.direct, self.containers)]
        return derive("surge", lambda *counts: sum(counts), *extra) if extra else default("surge", 0)

    @property
    def start_first(self) -> Fact[str]:
        """Where the first of those containers is told to start first."""
        found = container.surge(self.direct, self.containers)
        return found[0][0].update_order if found else unknown("order", "nothing starts first")
