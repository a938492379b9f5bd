"""Values for a server's settings that mend what is wrong with them; unknown where servers that share the place need others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from .. import sizing
from ..fact import Fact, derive, unknown
from ..tuples import NamedTuple
from ..units import Bytes

if TYPE_CHECKING:
    from .client import Fpm
    from .server import Server

T = TypeVar("T")
_LEAST_SHARE = Bytes(5 * sizing.MB)  # PostgreSQL's own work_mem of 4 MB, and 1 MB for the connection itself
_LEAST_RESERVE = 3  # PostgreSQL's own superuser_reserved_connections


class Remedy(NamedTuple):
    """Facts that get new values together; ``title`` says what that does, as a short imperative clause.

    The entries in which the ``removed`` facts are written go.
    """

    title: str
    changes: tuple[tuple[Fact[Any], object], ...]
    removed: tuple[Fact[Any], ...] = ()


def quarter(server: Server) -> Fact[Bytes]:
    """A quarter of the memory it has, in whole MB, for shared_buffers."""
    return _agreed(server, "shared_buffers", lambda one: derive("a quarter", sizing.quarter, one.memory))


def share(server: Server) -> Fact[Bytes]:
    """What the memory leaves to each planned connection beside shared_buffers, in whole MB; unknown where it is too little."""
    found = _agreed(server, "work_mem", _share)
    return unknown("share", "it is too little for one sort") if found.is_known and found.value < _LEAST_SHARE else found


def _share(server: Server) -> Fact[Bytes]:
    return derive("share", sizing.share_of_memory, server.memory, server.shared_buffers, server.planned_connections)


def plenty(server: Server) -> Fact[int]:
    """Connections that are plenty behind a pooler: twice what all clients can open, and the reserved ones."""
    return _agreed(server, "max_connections", lambda one: derive("plenty", sizing.plenty, one.peak_connections, one.reserved))


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


_WORKERS = ("pm.max_children", "maxProcesses")  # what may be lowered by itself


def fewer_workers(workers: Fact[int], most: Fact[int], limit: Fact[int], fpms: Iterable[Fpm]) -> Fact[int]:
    """What ``most``, the largest number that ``workers`` come from, has to be for all of them to fit the role's limit.

    Unknown where it would have to be less than one, or than what php-fpm is told to keep.
    """
    if most.name not in _WORKERS or not (workers.is_known and limit.is_known) or most.value < 1:
        return unknown(most.name, "there is nothing that could be lowered")
    each = 0
    for part in workers.sources:
        if any(leaf.span == most.span for leaf in part.leaves()):
            if part.value % most.value:
                return unknown(most.name, "more than this decides it")
            each += part.value // most.value
    fit = (limit.value - workers.value + each * most.value) // each if each else 0
    for fpm in fpms:
        if fpm.max_children.span == most.span and not (fpm.least_children.is_known and fpm.least_children.value <= fit):
            return unknown(most.name, "php-fpm keeps more of them")
    return derive(most.name, lambda *_: fit, workers, limit) if fit > 0 else unknown(most.name, "one is already too many")


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
