"""Which servers the PgBouncers of a stack lead to, and who stands behind each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..fact import default
from .pgbouncer import build_pooler
from .pooler import Database, Pooler
from .server import Consumer
from .targets import Endpoints, Target, alone, from_environment, reach

if TYPE_CHECKING:
    from .consumers import Linker
    from .project import Service

Share = tuple[Target, list[Database]]
"""The databases of a PgBouncer that lie in one place."""


def link_poolers(linker: Linker) -> None:
    """Every PgBouncer of the stack; one that stands before another comes first, so that the other knows all its clients."""
    waiting: dict[str, tuple[Pooler, list[Share]]] = {}
    for name in dict.fromkeys(linker.ends.poolers.values()):
        pooler = build_pooler(linker.stack.services[name], linker.tree, linker.project)
        waiting[name] = pooler, _shares(linker.stack.services[name], pooler, linker.ends)
    while waiting:
        fed = {target.pooler for _, shares in waiting.values() for target, _ in shares}
        for name in [name for name in waiting if name not in fed] or list(waiting):
            _link(linker, linker.stack.services[name], *waiting.pop(name))


def _shares(service: Service, pooler: Pooler, ends: Endpoints) -> list[Share]:
    """Where its databases lie; where they are not known, or name no host, its variables or the only server of the stack say so."""
    ends = ends.without(service.name)
    named = from_environment(service, ends)
    general = named if named is not None and not named.elsewhere else alone(Endpoints(ends.servers))
    placed = [(_place(one, service, ends) or general, one) for one in pooler.databases]
    if "pool" in service.stated or not placed:
        return [(placed[0][0] if placed else general, pooler.databases)]
    shares: dict[tuple[int, str, bool], Share] = {}
    for target, one in placed:
        shares.setdefault((id(target.server), target.pooler, target.elsewhere), (target, []))[1].append(one)
    return list(shares.values())


def _place(database: Database, service: Service, ends: Endpoints) -> Target | None:
    """Where the host of one database is, None where that is not said."""
    host = database.pairs.get("host")
    if host is None or not host.is_known:
        return None
    targets = [reach(service, text.strip(), ends) for text in str(host.value).split(",")]
    return next((target for target in targets if target.server is not None or target.pooler or target.elsewhere), None)


def _link(linker: Linker, service: Service, pooler: Pooler, shares: Sequence[Share]) -> None:
    """It stands between its clients and the servers: there it opens what its own pools allow."""
    name = service.name
    clients = linker.behind.get(name, [])
    pooler.clients += clients
    pooler.passing += linker.past.get(name, [])
    pooler.has_sqlx = name in linker.sqlx_behind
    pooler.preparing += dict.fromkeys(linker.preparing.get(name, ()))
    pooler.waits += linker.waits.get(name, [])
    for client in clients if linker.fpms else ():
        fpms = linker.fpms.get(client.service.partition("/")[0], ()) if client.kind == "php-fpm" else ()
        pooler.waits += [fpm.request_terminate_timeout for fpm in fpms]
    stated = service.stated.get("pool")
    fullest = -1.0
    for target, databases in shares:
        pool, most = (stated, None) if stated is not None else (pooler.least(databases), pooler.most(databases))
        consumer = Consumer(name, "pgbouncer", service.replicas, default("processes", 1), pool.named("pool"), service.span, highest=most)
        linker.add(consumer, target)
        if target.server is None:
            continue
        target.server.consumers += [client._replace(through=name) for client in clients]
        usable = target.server.usable_connections
        share = pool.value / max(usable.value, 1) if pool.is_known and usable.is_known else 0.0
        if share > fullest:
            fullest, pooler.server, pooler.at_server = share, target.server, databases
