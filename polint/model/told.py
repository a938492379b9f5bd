"""What is known of a client besides its size: whether it runs once, how an update and an autoscaler multiply it, what is assumed of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from posixpath import basename
from typing import TYPE_CHECKING, Any

from ..fact import Fact, default, unknown
from .artisan import calls
from .server import Consumer

if TYPE_CHECKING:
    from .client import Fpm, Pool
    from .project import Service, Stack

Facts = Mapping[str, Fact[Any]]

_ONE_CONNECTION = frozenset("psql pg_dump pg_dumpall pg_restore createdb dropdb createuser vacuumdb".split())
_MIGRATORS = frozenset("sqlx diesel sea-orm-cli refinery flyway liquibase dbmate goose".split())
_COMPLETED = "service_completed_successfully"


def told(consumer: Consumer, service: Service | None, stack: Stack, stated: Facts, assumed: Mapping[str, Facts]) -> Consumer:
    """The client with what polint.toml (``stated``) says of it, and with what is ``assumed`` of clients by their names for this run.

    ``service`` is the one it runs in, None where no compose file has it.
    """
    consumer = consumer._replace(surge=stated.get("surge"), max_replicas=stated.get("max-replicas"), once=once(service, stack, stated))
    facts = assumed.get(consumer.service) or assumed.get(consumer.service.partition("/")[0])
    if not facts:
        return consumer
    if "replicas" in facts and service is None:
        consumer = consumer._replace(replicas=facts["replicas"].named("replicas"))
    processes, pool = facts.get("processes"), facts.get("pool")
    if processes is not None and consumer.processes.span != processes.span:
        consumer = consumer._replace(processes=processes.named("processes"))
    if pool is not None:
        consumer = consumer._replace(pool=pool.named(consumer.pool.name), highest=None)
    return consumer


def assume_size(pools: Sequence[Pool], facts: Facts | None) -> None:
    """Make the only pool of a service as large as is assumed."""
    if facts and "pool" in facts and len(pools) == 1:
        pools[0].raw = {**pools[0].raw, "max_connections": facts["pool"].named("max_connections")}


def assume_children(fpms: Mapping[str, Iterable[Fpm]], assumed: Mapping[str, Facts]) -> None:
    """Give php-fpm pools the workers that are assumed: by the pool's name, or by the service's where that has only one."""
    for service, pools in fpms.items():
        listed = list(pools)
        for pool in listed:
            facts = assumed.get(f"{service}/{pool.name}") or (assumed.get(service) if len(listed) == 1 else None)
            if facts and "processes" in facts:
                pool.raw = {**pool.raw, "pm.max_children": facts["processes"].named("pm.max_children")}


def once(service: Service | None, stack: Stack, stated: Facts) -> str:
    """Why a service runs once and ends, or ""."""
    said = stated.get("once")
    if said is not None:
        return f"{said.span.path} says so" if said.value and said.span is not None else ""
    if service is None:
        return ""
    waiting = next((other.name for other in stack.services.values() if other.entry.depends_on.get(service.name) == _COMPLETED), "")
    if waiting:
        return f"{waiting} waits until it is done"
    words = [text for text, _ in service.command]
    if not words or any(sign in text for text in words for sign in ("&&", ";", "|", "\n", "\0")):
        return ""
    program = basename(words[0])
    if program in _ONE_CONNECTION or program in _MIGRATORS:
        return f"it runs {program}"
    found = calls(service)
    if program in ("php", "artisan") and found and all(call.name.partition(":")[0] in ("migrate", "db") for call in found):
        return f"it runs artisan {found[0].name}"
    return ""


def by_hand(service: Service) -> Consumer | None:
    """The client that a service is which runs psql, pg_dump or the like from a server's image; None for what runs something else."""
    words = [text for text, _ in service.command]
    program = basename(words[0]) if words else ""
    if program not in _ONE_CONNECTION:
        return None
    pool: Fact[int] = default("pool", 1, f"{program} opens one connection")
    if any(word.startswith(("-j", "--jobs")) for word in words):
        pool = unknown("pool", f"{program} opens a connection for each of its --jobs", service.command[0][1])
    return Consumer(service.name, program, service.replicas, default("processes", 1), pool, service.span)
