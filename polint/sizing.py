"""The formulas of connection pooling: pure functions on numbers, and the only place that has them.

Every one names its source; what is a convention and not a law says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

from .tuples import NamedTuple
from .units import Bytes, Seconds

MB = 1 << 20

SHARE = 0.8
"""Part of the usable connections that clients may plan for; the rest is for deployments, people and what was forgotten (convention)."""

SPARE = 3
"""Connections left at the least for psql, an exporter and a migration (convention)."""

OVERSUBSCRIBED = 5
"""How many times the working connections the pools may hold together: pools idle most of the time (convention)."""

POOL = 10
"""Connections of one instance's pool where nothing asks for another size: SQLx's own default."""

LARGER = (15, 20)
"""Sizes of a pool that is proven too small (convention)."""

BUSY = 1000
"""Requests a minute above which a pooler pays (convention)."""

UNPOOLED = 100
"""Connections a server can well take itself: PostgreSQL's own max_connections."""

NEARLY = 0.9
"""Share of a limit in use at which somebody should look (convention)."""

WAITS = Seconds(1)
"""How long a client of PgBouncer may wait before somebody should look (convention)."""

BACKEND = Bytes(10 * MB)
"""What a connection takes whose caches are warm, besides work_mem (convention; 5 to 10 MB were measured)."""


class Ladder(NamedTuple):
    """The timeouts of a stack, each inner one shorter than the one around it: connect < acquire < statement < request."""

    reserve_wait: Seconds = Seconds(2)  # then PgBouncer opens its reserve
    connect: Seconds = Seconds(3)
    pooler_wait: Seconds = Seconds(4)  # PgBouncer's query_wait_timeout; shorter than acquire, so that the nearest says what is wrong
    acquire: Seconds = Seconds(5)
    lock: Seconds = Seconds(10)
    statement: Seconds = Seconds(30)
    transaction_idle: Seconds = Seconds(60)
    request: Seconds = Seconds(60)
    drain: Seconds = Seconds(35)  # a stopped service may finish its longest statement
    kill: Seconds = Seconds(45)  # then the container goes
    job: Seconds = Seconds(60)  # of a queue; below Laravel's retry_after of 90 s
    job_kill: Seconds = Seconds(75)
    shutdown: Seconds = Seconds(60)  # PostgreSQL's last checkpoint
    pool_idle: Seconds = Seconds(600)
    pool_lifetime: Seconds = Seconds(1800)
    server_lifetime: Seconds = Seconds(3600)  # PgBouncer's own default


class Keepalive(NamedTuple):
    """How a vanished peer is found: probes begin after ``idle``, and the last of ``probes`` ends it."""

    idle: Seconds = Seconds(60)
    interval: Seconds = Seconds(10)
    probes: int = 6

    @property
    def dead_after(self) -> Seconds:
        """From the last sign of life to the end of the connection."""
        return Seconds(self.idle + self.interval * self.probes)


class Need(NamedTuple):
    """One number that may give way: ``weight`` connections for each unit of ``wanted``, which never falls below ``least``."""

    wanted: int
    least: int
    weight: int


def active_connections(cores: float, spindles: float = 0) -> int:
    """Connections that can work at the same time on a *database server*: cores x 2 + effective spindles, for all clients together.

    Spindles are disks that work by themselves; 0 where the data is cached or lies on an SSD.  [PostgreSQL wiki]
    """
    return ceil(cores) * 2 + ceil(spindles)


def usable_connections(max_connections: int, superuser_reserved: int, reserved: int = 0) -> int:
    """Slots that ordinary roles can take.  [PostgreSQL manual, 19.3]"""
    return max(max_connections - superuser_reserved - reserved, 0)


def room(usable: int) -> int:
    """Connections that clients may plan for."""
    return max(min(floor(usable * SHARE), usable - SPARE), 0)


def usable_needed(demand: int) -> int:
    """The fewest usable connections whose ``room`` is ``demand``."""
    usable = max(ceil(demand / SHARE), demand + SPARE)
    return usable if room(usable) >= demand else usable + 1


def deadlock_floor(tasks: int, held: int) -> int:
    """Connections from which on ``tasks`` that hold ``held`` at once cannot all wait for each other.  [HikariCP wiki]"""
    return tasks * (held - 1) + 1


def in_proportion(needs: Sequence[Need], available: int) -> list[int] | None:
    """The largest sizes, all the same share of what is wanted but none below its least, that take no more than ``available``.

    None when not even the least fit.
    """

    def sizes(share: float) -> list[int]:
        return [max(need.least, floor(need.wanted * share)) for need in needs]

    def fits(share: float) -> bool:
        return sum(need.weight * size for need, size in zip(needs, sizes(share), strict=True)) <= available

    if not needs or not fits(0.0):
        return None
    if fits(1.0):
        return sizes(1.0)
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return sizes(low)


def workers_in(memory: int, worker: int) -> int:
    """Workers of ``worker`` bytes that a container of ``memory`` has room for, a fifth left for everything else (convention)."""
    return max(floor(memory * 0.8 / worker), 1)


def memory_for(workers: int, worker: int) -> Bytes:
    """The memory in which ``workers_in`` finds room for that many, in whole 64 MB."""
    return Bytes(-(-workers * worker * 5 // 4 // (64 * MB)) * 64 * MB)


def pooler_memory(clients: int) -> Bytes:
    """What PgBouncer is given for so many clients, their buffers and prepared statements, in whole 64 MB (convention)."""
    return Bytes(-(-(32 * MB + clients * 48 * 1024) // (64 * MB)) * 64 * MB)


def descriptors(clients: int, servers: int) -> int:
    """Files that PgBouncer may have open: its clients, servers and 2 x as many cancel requests, and its own.  [PgBouncer, check_limits]"""
    return -(-(clients + 3 * servers + 10) // 1024) * 1024


def spare_servers(children: int) -> tuple[int, int, int]:
    """``pm.start_servers``, ``pm.min_spare_servers`` and ``pm.max_spare_servers`` that php-fpm takes with that many children."""
    least = max(children // 10, 1)
    most = max(children * 3 // 10, least)
    return (least + most + 1) // 2, least, most


def overlap(instances: int, at_once: int) -> int:
    """Instances that exist while a new one starts before an old one stops; ``at_once`` of 0 replaces all together."""
    return instances + (min(at_once, instances) if at_once else instances)


def client_room(count: int) -> int:
    """max_client_conn for ``count`` connections of clients: a quarter more, in hundreds, as they cost next to nothing (convention)."""
    return -(-count * 5 // 400) * 100


def share_of_memory(memory: int, buffers: int, connections: int) -> Bytes:
    """What ``memory`` leaves to each connection beside shared_buffers, in whole MB."""
    return Bytes((memory - buffers) // max(connections, 1) // MB * MB)


def plenty(demand: float, reserved: int) -> int:
    """A max_connections that is more than enough: twice what clients can open, and the reserved ones (convention)."""
    return ceil(demand * 2) + reserved


def rounded_up(count: int) -> int:
    """The next number that people choose: tens to 100, then fifties."""
    step = 10 if count <= 100 else 50
    return -(-count // step) * step


def quarter(memory: int) -> Bytes:
    """shared_buffers to begin with: a quarter of the memory, in whole MB.  [PostgreSQL manual, 19.4]"""
    return Bytes(max(memory // 4 // MB, 1) * MB)


def cache(memory: int) -> Bytes:
    """effective_cache_size: three quarters of the memory, in whole MB.  [PGTune]"""
    return Bytes(max(memory * 3 // 4 // MB, 1) * MB)


def maintenance(memory: int) -> Bytes:
    """maintenance_work_mem: a sixteenth of the memory, at most 2 GB, in whole MB.  [PGTune]"""
    return Bytes(min(max(memory // 16 // MB, 16), 2048) * MB)


def work_mem(memory: int, connections: int) -> Bytes:
    """work_mem that ``connections`` can take at once besides shared_buffers, a third of it in use, in whole MB.

    A query may take several: this is a beginning, not a bound.  [PGTune; here no less than 1 MB and no more than 64 MB]
    """
    free = memory - quarter(memory) - connections * BACKEND
    return Bytes(min(max(free // (max(connections, 1) * 3) // MB, 1), 64) * MB)


def memory_needed(memory: int, connections: int, each: int) -> Bytes:
    """What the server takes while every connection uses its work_mem once, 1 MB of its own besides; rule memory-overcommitted."""
    return Bytes(quarter(memory) + connections * (each + MB))
