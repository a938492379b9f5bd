"""The PostgreSQL server: its settings, and who connects to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..fact import Fact, default, derive
from ..pgunits import read_integer, read_time
from ..source import Span
from ..units import INFINITY, Seconds
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

    service: str
    kind: str
    replicas: Fact[int]
    processes: Fact[int]
    pool: Fact[int]
    span: Span
    highest: Fact[int] | None = None  # the pool at most, when `pool` is only the least
    through: str | None = None
    profiles: tuple[str, ...] = ()  # it runs only when one of these is enabled
    inferred: str = ""  # how the client was linked to the server, when no file says it outright

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


class Server(Section):
    """One PostgreSQL server of a stack, with every pool that reaches it.

    ``raw`` holds the winning value of each setting: image default, then
    postgresql.conf (last wins, includes in order), postgresql.auto.conf, the
    image's own variables, the command line (PostgreSQL manual, 20.1).
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
    ) -> None:
        super().__init__(label, span, raw)
        self.major = major
        self.service = service
        self.stack = stack
        self.has_application = has_application
        self.consumers: list[Consumer] = []
        self.left_out: list[Consumer] = []  # clients that run only with other profiles
        self.profile = ""  # the one profile whose services are counted, "" for none
        self._mentioned = mentioned

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

    @property
    def statement_timeout_elsewhere(self) -> bool:
        """Some other file of the project speaks of statement_timeout: a role, a URL or code may set it."""
        return "statement_timeout" in self._mentioned

    @property
    def idle_in_transaction_timeout_elsewhere(self) -> bool:
        """Some other file of the project speaks of idle_in_transaction_session_timeout."""
        return "idle_in_transaction_session_timeout" in self._mentioned

    @property
    def reserved(self) -> Fact[int]:
        """Slots ordinary roles never get: superuser_reserved_connections + reserved_connections."""
        if self.reserved_connections.is_default:  # a default 0 is no factor worth a note
            return self.superuser_reserved_connections
        return derive("reserved", lambda a, b: a + b, self.superuser_reserved_connections, self.reserved_connections)

    @property
    def usable_connections(self) -> Fact[int]:
        """Slots ordinary roles can have (PostgreSQL manual, 20.3)."""
        return derive("usable connections", lambda a, b: max(a - b, 0), self.max_connections, self.reserved)

    @property
    def direct(self) -> Sequence[Consumer]:
        """The clients that connect to the server itself; those behind a pooler are its clients."""
        return [consumer for consumer in self.consumers if consumer.through is None]

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
