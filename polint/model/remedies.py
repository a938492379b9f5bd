"""Values for a server's settings that mend what is wrong with them; unknown where servers that share the place need others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..fact import Fact, derive, unknown
from ..units import Bytes

if TYPE_CHECKING:
    from .server import Server

T = TypeVar("T")
_MB = 1 << 20
_LEAST_SHARE = Bytes(5 * _MB)  # PostgreSQL's own work_mem of 4 MB, and 1 MB for the connection itself
_LEAST_RESERVE = 3  # PostgreSQL's own superuser_reserved_connections


def quarter(server: Server) -> Fact[Bytes]:
    """A quarter of the memory it has, in whole MB, for shared_buffers."""

    def part(size: Bytes) -> Bytes:
        return Bytes(max(size // (4 * _MB), 1) * _MB)

    return _agreed(server, "shared_buffers", lambda one: derive("a quarter", part, one.memory))


def share(server: Server) -> Fact[Bytes]:
    """What the memory leaves to each planned connection beside shared_buffers, in whole MB; unknown where it is too little."""
    found = _agreed(server, "work_mem", _share)
    return unknown("share", "it is too little for one sort") if found.is_known and found.value < _LEAST_SHARE else found


def _share(server: Server) -> Fact[Bytes]:
    def each(size: Bytes, buffers: Bytes, count: int) -> Bytes:
        return Bytes((size - buffers) // max(count, 1) // _MB * _MB)

    return derive("share", each, server.memory, server.shared_buffers, server.planned_connections)


def plenty(server: Server) -> Fact[int]:
    """Connections that are plenty behind a pooler: twice what all clients can open, and the reserved ones."""

    def twice(peak: float, reserved: int) -> int:
        return math.ceil(peak * 2) + reserved

    return _agreed(server, "max_connections", lambda one: derive("plenty", twice, one.peak_connections, one.reserved))


def large_reserve(server: Server) -> Fact[int]:
    """The larger written reserve, where the server would start if it were no more than 3."""
    facts = (server.superuser_reserved_connections, server.reserved_connections)
    if not all(fact.is_known for fact in (*facts, server.max_connections)):
        return unknown("reserve", "not all of them are known")
    large = max(facts, key=lambda fact: fact.value)
    rest = sum(fact.value for fact in facts if fact is not large)
    if large.is_written and large.value > _LEAST_RESERVE and rest + _LEAST_RESERVE < server.max_connections.value:
        return large
    return unknown("reserve", "a lower one would not do")


def _agreed(server: Server, setting: str, wanted: Callable[[Server], Fact[T]]) -> Fact[T]:
    """What a server wants for a setting, where each other server that has it from the same place wants the same."""
    own = wanted(server)
    place = _place(server, setting)
    others = [wanted(peer) for peer in server.peers if _place(peer, setting) == place]
    if own.is_known and any(not other.is_known or other.value != own.value for other in others):
        return unknown(own.name, "another server with other needs reads the same place")
    return own


def _place(server: Server, setting: str) -> object:
    """Where a setting is decided, or would be written down."""
    fact: Fact[object] = getattr(server, setting)
    return fact.span or server.home or server.span
