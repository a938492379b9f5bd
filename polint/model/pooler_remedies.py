"""Values for PgBouncer's settings that mend what is wrong with them; none where nothing certain is known to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import sizing
from ..fact import Fact, derive
from ..units import INFINITY
from .remedies import Remedy

if TYPE_CHECKING:
    from .pooler import Pooler

_LEAST_POOL = 2
_TRACKED = 200  # PgBouncer's own max_prepared_statements from 1.24 on
_TRACKS = (1, 21)  # the version that brought it


def room_for_clients(pooler: Pooler) -> Fact[int]:
    """Room for all clients and a quarter more, in hundreds."""
    return derive("room", sizing.client_room, pooler.client_connections)


def _room_at_server(pooler: Pooler) -> int:
    """Server connections that one instance of it may open beside the other clients; 0 where that is not known."""
    server = pooler.server
    if server is None or not server.usable_connections.is_known:
        return 0
    usable = server.usable_connections.value
    mine = [one for one in server.direct if one.kind == "pgbouncer" and one.service == pooler.service]
    others = [one.at_least.value for one in server.direct if one not in mine and one.at_least.is_known]
    replicas = mine[0].replicas if mine else None
    if replicas is None or not replicas.is_known:
        return 0
    return max(sizing.room(usable) - sum(others), 0) // max(replicas.value, 1)


def smaller_pools(pooler: Pooler) -> Remedy | None:
    """Pools as large as the server has room for; where users share an entry, a limit for all of them together."""
    room, entries = _room_at_server(pooler), pooler.at_server
    if not entries or not room:
        return None
    several = any("user" not in one.pairs for one in entries) and len(pooler.known_users) > 1
    return (_cap_entries(pooler, room) if several else None) or _shrink(pooler, room) or _cap_entries(pooler, room)


def _shrink(pooler: Pooler, room: int) -> Remedy | None:
    deciding: dict[object, Fact[int]] = {}
    for _, _, size in pooler.sizes(pooler.at_server, pooler.known_users):
        deciding.setdefault(size.span or size.name, size)
    if not all(size.is_known for size in deciding.values()):
        return None
    low, high = 0, max(size.value for size in deciding.values())
    while low < high:  # the largest that fits
        middle = (low + high + 1) // 2
        total = pooler.least(pooler.at_server, middle)
        if not total.is_known:
            return None
        low, high = (middle, high) if total.value <= room else (low, middle - 1)
    if low < _LEAST_POOL:
        return None
    changes = tuple((size, low) for size in deciding.values() if size.value > low)
    return Remedy(f"open {low} connections a pool, {pooler.least(pooler.at_server, low).value} in all", changes)


def _cap_entries(pooler: Pooler, room: int) -> Remedy | None:
    count = len(pooler.at_server)
    each = room // count
    limits = [pooler.max_db_connections, *(one.pairs.get("max_db_connections") for one in pooler.at_server)]
    general = pooler.max_db_connections
    if each < _LEAST_POOL or count < len(pooler.databases) or any(limits[1:]) or not general.is_known or general.value <= each:
        return None
    return Remedy(f"open {each} connections for each database at most", ((general, float(each)),))


def caps(pooler: Pooler) -> Remedy | None:
    """Limits on what clients may make it open by naming any database or user: as much as the server has room for."""
    opens, room, entries = pooler.opens_for, _room_at_server(pooler), pooler.at_server
    if not opens.is_known or not entries or len(entries) < len(pooler.databases):
        return None
    general, of_user = pooler.max_db_connections, pooler.max_user_connections
    users = pooler.known_users
    each, each_user = room // len(entries), room // len(users)
    if min(each, each_user) < _LEAST_POOL:
        return None
    limits: list[tuple[Fact[float], int]] = []
    if opens.value == "user" or pooler.looks_users_up or not pooler.listed.is_known:
        limits.append((general, each))
    if opens.value == "database":
        limits.append((of_user, each_user))
    limits = [(fact, limit) for fact, limit in limits if fact.value == INFINITY]
    told = " and ".join(f"{fact.name} = {limit}" for fact, limit in limits)
    return Remedy(f"set {told}", tuple((fact, float(limit)) for fact, limit in limits)) if limits else None


def sharing(pooler: Pooler) -> Remedy | None:
    """Transaction mode where nothing speaks against it; else as many connections as it has clients, where the server has them."""
    return _transaction(pooler) or _as_many(pooler)


def _transaction(pooler: Pooler) -> Remedy | None:
    modes = pooler.modes or (pooler.pool_mode,)
    clients = [*pooler.clients, *pooler.passing]
    if pooler.session_uses or not all(mode.is_known for mode in modes) or not all(client.at_most.is_known for client in clients):
        return None
    from .pool_libraries import LIBRARIES

    if any(client.kind not in LIBRARIES for client in clients):  # PDO's own prepared statements, and what Laravel sets in a session
        return None
    changes: list[tuple[Fact[Any], object]] = [(mode, "transaction") for mode in {mode.span: mode for mode in modes}.values()]
    tracked = pooler.max_prepared_statements
    if pooler.preparer and not (tracked.is_known and tracked.value > 0):
        more = tracking(pooler)
        if more is None:
            return None
        changes += more.changes
    return Remedy("share the connections in transaction mode", tuple(changes))


def _as_many(pooler: Pooler) -> Remedy | None:
    pools = list(pooler.sizes(pooler.databases, pooler.known_users))
    if len(pools) != 1 or not pooler.client_connections.is_known:
        return None
    size, wanted = pools[0][2], pooler.client_connections.value
    if not size.is_known or wanted > _room_at_server(pooler):
        return None
    return Remedy(f"open a connection for each of the {wanted} clients", ((size, wanted),))


def tracking(pooler: Pooler) -> Remedy | None:
    """Prepared statements tracked, as a version that knows how to does by itself from 1.24 on."""
    tracked = pooler.max_prepared_statements
    if not tracked.is_known or (pooler.version is not None and pooler.version < _TRACKS):
        return None
    return Remedy(f"keep track of {_TRACKED} prepared statements a connection", ((tracked, _TRACKED),))


def with_sqlx(pooler: Pooler) -> Fact[str]:
    """The startup parameters it drops and extra_float_digits, separated as the others are; without blanks in a variable."""

    def joined(names: str) -> str:
        blank = not pooler.variables and (", " in names or "," not in names)
        return f"{names.rstrip(', ')}{', ' if blank else ','}extra_float_digits" if names.strip(", ") else "extra_float_digits"

    return derive("parameters", joined, pooler.ignore_startup_parameters)
