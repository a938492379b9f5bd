"""The layout of a stack: every number that its files hold, each with the reason it has.

``lay_out`` takes a plan through the formulas of ``sizing``; templates only print what stands here.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

from .. import sizing
from ..sizing import Keepalive, Ladder, Need
from ..tuples import NamedTuple
from ..units import Bytes, Seconds
from .plan import Plan, Service

RESERVED = 3
"""superuser_reserved_connections: PostgreSQL's own, kept."""

PREPARED = 200
"""max_prepared_statements of PgBouncer: its own default from 1.24 on, and twice what SQLx keeps."""

METRICS_PORT = 9464
"""Where a service of kind sqlx answers with its pool's metrics."""

WORST_WORKER = Bytes(30 << 20)
"""Memory of a PHP worker that rule fpm-children-over-memory takes for granted."""

EXCESS = 4
"""How many times what is opened behind a pooler rule max-connections-high-with-pooler takes for sensible."""

LARAVEL = ("laravel-fpm", "laravel-queue", "laravel-horizon")
_WORKERS = {"laravel-fpm": 2, "laravel-horizon": 1}  # kinds whose number of workers may give way, and the fewest that work


_TIMEOUTS = {
    "connect": "to reach the server at all: longer is an outage",
    "pooler_wait": "PgBouncer's query_wait_timeout: a second before the pool gives up, so that the nearest says what is wrong",
    "reserve_wait": "until PgBouncer's reserve helps a client that waits",
    "acquire": "for a free connection: 3 to 5 s ride out a burst",
    "lock": "for a lock: a migration must not queue everybody behind it",
    "statement": "for one statement: half of what a request may take",
    "transaction_idle": "for a transaction that waits for its application: what a request may take",
    "request": "for a whole request: what clients and proxies wait for",
    "drain": "of a service that stops: its longest statement, and 5 s",
    "kill": "of a container that stops: 10 s more than it needs",
    "job": "for a job of a queue: Laravel hands it to the next worker after 90 s",
    "job_kill": "of a container of workers that stops: a job, and 15 s",
    "shutdown": "of PostgreSQL that stops: its last checkpoint",
    "pool_idle": "of a connection nobody uses: 5 to 10 min",
    "pool_lifetime": "of any connection: 30 to 60 min, so that none grows old",
    "server_lifetime": "of a connection of PgBouncer to the server: its own default",
}
"""Why each timeout of the ladder is what it is."""


class Figure(NamedTuple):
    """A number and how it came about; prints as the number."""

    value: Any
    why: str

    def __str__(self) -> str:
        return str(self.value)


class LaidService(NamedTuple):
    """One service with its sizes; ``opens`` is the worst case of all its instances, while a deployment replaces them too."""

    name: str
    kind: str
    replicas: int
    instances: Figure  # at the worst moment of a deployment
    processes: Figure  # of each instance
    pool: Figure  # of each process
    least: int  # connections that the pool keeps open
    opens: Figure
    memory: Bytes  # of each instance
    worker_memory: Bytes
    deploy: str
    parallelism: int
    pooled: bool  # it connects to PgBouncer
    user: str  # the role it logs in as
    secret: str  # that holds the role's password
    folder: str  # where its files stand, relative to the bundle

    @property
    def steady(self) -> int:
        """Connections that it can open while nothing is deployed."""
        return int(self.replicas * self.processes.value * self.pool.value)

    @property
    def spare(self) -> tuple[int, int, int]:
        """php-fpm's start_servers, min_spare_servers and max_spare_servers."""
        return sizing.spare_servers(self.processes.value)


class LaidPooler(NamedTuple):
    """PgBouncer's sizes; ``opens`` is what it can open to the server."""

    pool: Figure  # default_pool_size
    reserve: Figure  # reserve_pool_size
    opens: Figure  # max_db_connections
    clients: Figure  # max_client_conn
    files: Figure  # file descriptors
    memory: Bytes


class Layout(NamedTuple):
    """Everything that a bundle's files say."""

    plan: Plan
    project: str
    database: str
    user: str
    worker: str  # the role of Laravel's queue workers, "" where they need none of their own
    monitor: str  # the role of the exporter
    services: tuple[LaidService, ...]
    pooler: LaidPooler | None
    pooler_why: str
    active: Figure  # connections that can work at the same time
    opens: Figure  # connections that the server can be asked for at worst
    usable: int
    max_connections: Figure
    reserved: int
    role_limit: Figure  # CONNECTION LIMIT of the applications' role
    worker_limit: Figure  # and of the workers'
    shared_memory: Figure
    shared_buffers: Figure
    effective_cache_size: Figure
    maintenance_work_mem: Figure
    work_mem: Figure
    ladder: Ladder
    keepalive: Keepalive
    warnings: tuple[str, ...]

    def of(self, *kinds: str) -> tuple[LaidService, ...]:
        """The services of those kinds."""
        return tuple(service for service in self.services if service.kind in kinds)

    @property
    def laravel(self) -> tuple[LaidService, ...]:
        """The services that run the Laravel application."""
        return self.of(*LARAVEL)

    @property
    def direct(self) -> tuple[LaidService, ...]:
        """The services that connect to PostgreSQL itself."""
        return tuple(service for service in self.services if not service.pooled)

    @property
    def pooled(self) -> tuple[LaidService, ...]:
        """The services that connect to PgBouncer."""
        return tuple(service for service in self.services if service.pooled)

    @property
    def clients(self) -> tuple[tuple[str, int], ...]:
        """The roles that connect to PgBouncer, each with the connections its services open at worst."""
        roles = dict.fromkeys(service.user for service in self.pooled)
        return tuple((role, sum(int(service.opens.value) for service in self.pooled if service.user == role)) for role in roles)

    @property
    def left(self) -> Figure:
        """Connections that more instances or larger pools may still plan for."""
        room, why = sizing.room(self.usable), "a fifth of the usable ones stays free, for deployments, migrations and people"
        if self.pooler is None:
            watching = int(self.plan.monitoring)
            ceiling, reason = _ceiling(self.plan, int(self.active.value), None, watching)
            if ceiling + watching < room:
                room, why = ceiling + watching, f"up to {ceiling} without PgBouncer: {reason}"
        return Figure(max(room - int(self.opens.value), 0), why)

    def larger(self, service: LaidService) -> tuple[int, int] | None:
        """The next size of a pool that is proven too small, and the connections it takes more; None where no size is left."""
        size = next((size for size in (sizing.POOL, *sizing.LARGER) if size > service.pool.value), None)
        return (size, int(service.instances.value * (size - service.pool.value))) if size is not None else None

    @property
    def busy(self) -> int:
        """Requests a minute above which a pooler pays."""
        return sizing.BUSY

    @property
    def many(self) -> int:
        """Connections above which a pooler pays."""
        return sizing.UNPOOLED

    @property
    def nearly(self) -> float:
        """The share of a limit in use that is an alert."""
        return sizing.NEARLY

    @property
    def waits(self) -> Seconds:
        """How long a client may wait for PgBouncer before it is an alert."""
        return sizing.WAITS

    @property
    def left_open(self) -> Seconds:
        """How long a transaction may be open and idle before it is an alert: half of what ends it."""
        return Seconds(self.ladder.transaction_idle // 2)

    @property
    def prepared_statements(self) -> int:
        """max_prepared_statements of PgBouncer."""
        return PREPARED

    @property
    def metrics_port(self) -> int:
        """Where a service of kind sqlx answers with its pool's metrics."""
        return METRICS_PORT

    @property
    def passwords(self) -> tuple[str, ...]:
        """The secrets that hold a password of a role."""
        return ("postgres_password", *(secret for _, secret in self.logins))

    @property
    def logins(self) -> tuple[tuple[str, str], ...]:
        """The roles besides the superuser, each with the secret of its password."""
        found = [(self.user, "db_password")]
        if self.worker:
            found.append((self.worker, "db_worker_password"))
        if self.plan.monitoring:
            found.append((self.monitor, "monitor_password"))
        return tuple(found)

    @property
    def smallest_worker(self) -> Bytes | None:
        """Memory of a php-fpm worker below what polint takes for granted, where the plan states one."""
        smallest = min((service.worker_memory for service in self.of("laravel-fpm")), default=WORST_WORKER)
        return smallest if smallest < WORST_WORKER else None

    @property
    def crowding(self) -> int:
        """How many times the connections that can work at once the server is asked for, where that is more than polint takes well."""
        times = -(-int(self.opens.value) // int(self.active.value))
        return times if times > sizing.OVERSUBSCRIBED else 0

    @property
    def unpooled(self) -> int:
        """Connections opened to the server itself without a pooler, where these are more than polint takes well."""
        return int(self.opens.value) if self.pooler is None and self.opens.value > sizing.UNPOOLED else 0

    @property
    def excess(self) -> int:
        """How many times what PgBouncer and others open a stated max_connections is, where that is more than polint takes well."""
        most = int(self.max_connections.value)
        times = -(-(most - self.reserved) // int(self.opens.value))
        return times if self.pooler is not None and most > sizing.UNPOOLED and times > EXCESS else 0

    @property
    def needs_configuration(self) -> bool:
        """Whether polint has to be told something that no file of the stack says."""
        said = (self.plan.database.spindles, self.of("other"), self.smallest_worker, self.crowding, self.unpooled, self.excess)
        return any(said)

    def instances_of(self, service: LaidService) -> str:
        """The host name that stands for all instances; Swarm, where alone new ones start first, has a proxy behind the plain name."""
        return f"tasks.{service.name}" if service.deploy == "start-first" else service.name

    def status_pages(self, service: LaidService) -> tuple[str, ...]:
        """Where php-fpm's exporter finds each instance of a service: docker compose names containers so."""
        if service.replicas == 1 or service.deploy == "start-first":
            return (f"tcp://{self.instances_of(service)}:9001/status",)
        prefix = f"tcp://${{COMPOSE_PROJECT_NAME:-{self.project}}}-{service.name}"
        return tuple(f"{prefix}-{number}:9001/status" for number in range(1, service.replicas + 1))

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Every number by the name of its setting, in the order of a reader's questions."""
        yield "connections that can work at once", self.active
        yield "pooler", Figure("PgBouncer" if self.pooler is not None else "none", self.pooler_why)
        for service in self.services:
            if service.kind in _WORKERS or service.kind == "laravel-queue":
                yield f"{service.name}: workers", service.processes
            else:
                yield f"{service.name}: pool", service.pool
            yield f"{service.name}: connections", service.opens
        if self.pooler is not None:
            yield "PgBouncer: default_pool_size", self.pooler.pool
            yield "PgBouncer: reserve_pool_size", self.pooler.reserve
            yield "PgBouncer: max_db_connections", self.pooler.opens
            yield "PgBouncer: max_client_conn", self.pooler.clients
        yield "connections at worst", self.opens
        yield "max_connections", self.max_connections
        yield "shared_buffers", self.shared_buffers
        yield "effective_cache_size", self.effective_cache_size
        yield "maintenance_work_mem", self.maintenance_work_mem
        yield "work_mem", self.work_mem
        for name, why in _TIMEOUTS.items():
            if name in ("pooler_wait", "reserve_wait", "server_lifetime"):
                asked = self.pooler is not None
            else:
                asked = not name.startswith("job") or bool(self.of("laravel-queue", "laravel-horizon"))
            if asked:
                yield f"timeouts: {name.replace('_', ' ')}", Figure(getattr(self.ladder, name), why)
        probes, alive = self.keepalive.probes, self.keepalive
        why = f"idle {alive.idle}, then {probes} probes every {alive.interval}: no network forgets the connection before"
        yield "timeouts: keepalive", Figure(alive.dead_after, why)


class DoesNotFit(ValueError):
    """The services cannot fit the server, whatever is done; ``str()`` says why in one line, ``path`` is the plan's key to change."""

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message)
        self.path = path


class _Size(NamedTuple):
    """What a service asks for before the budget is looked at."""

    name: str
    service: Service
    processes: Figure
    pool: Figure
    instances: Figure

    @property
    def need(self) -> Need:
        """What of it may give way."""
        if self.service.kind == "sqlx" and self.service.pool is None:
            return Need(self.pool.value, min(2, self.pool.value), self.instances.value)
        if self.service.kind in _WORKERS and self.service.processes is None:
            return Need(self.processes.value, min(_WORKERS[self.service.kind], self.processes.value), self.instances.value)
        return Need(self.total, self.total, 1)

    @property
    def total(self) -> int:
        return int(self.instances.value * self.processes.value * self.pool.value)

    def sized(self, size: int, why: str) -> _Size:
        """With its number at ``size``."""
        if size == self.need.wanted:
            return self
        figure = Figure(size, f"{self.need.wanted} wanted, {why}")
        return self._replace(pool=figure) if self.service.kind == "sqlx" else self._replace(processes=figure)


def lay_out(plan: Plan) -> Layout:
    """Every number of the plan's stack; raises DoesNotFit."""
    data = plan.database
    active = sizing.active_connections(data.cores, data.spindles)
    spindles = f" + {data.spindles} spindles" if data.spindles else ""
    sizes = [_wanted(name, service) for name, service in plan.services.items()]
    direct = [one for one in sizes if one.service.kind == "other"]
    behind = [one for one in sizes if one.service.kind != "other"]
    fixed = data.max_connections
    watching = int(plan.monitoring)  # postgres_exporter's connection
    hard = sizing.room(sizing.usable_connections(fixed, RESERVED)) - watching if fixed is not None else None
    warnings: list[str] = []

    ceiling, ceiling_why = _ceiling(plan, active, hard, watching)
    fitting = sizing.in_proportion([one.need for one in sizes], ceiling)
    pooled, pooler_why = _wants_pooler(plan, sizes, fitting is not None, ceiling, ceiling_why)
    pooler: LaidPooler | None = None
    if pooled and behind:
        other = sum(one.total for one in direct)
        size = max(active, 2)
        why = f"the {active} connections that can work at once"
        if hard is not None and other + size + ceil(size / 4) > hard:
            size = (hard - other) * 4 // 5
            why = f"what max_connections {fixed} leaves"
            if size < 1:
                wrong = f"max_connections {fixed} has room for {max(hard, 0)} connections, and services of kind other open {other}"
                raise DoesNotFit(wrong, "database", "max-connections")
        reserve = min(ceil(size / 4), hard - other - size) if hard is not None else ceil(size / 4)
        clients = sum(one.total for one in behind)
        most = sizing.client_room(clients)
        pooler = LaidPooler(
            Figure(size, why),
            Figure(reserve, "a quarter more when clients have waited" if reserve else f"max_connections {fixed} leaves none"),
            Figure(size + reserve, f"{size} + {reserve}: all pools of the database together"),
            Figure(most, f"{clients} that the services can open, and a quarter more, in hundreds"),
            Figure(sizing.descriptors(most, size + reserve), f"{most} clients, {size + reserve} servers, cancel requests"),
            sizing.pooler_memory(most),
        )
        opened = [f"{size + reserve} of PgBouncer", *([f"{other} beside it"] if other else ())]
        total = size + reserve + other
    else:
        if pooled:
            pooler_why = "polint cannot tell whether services of kind other bear one"
        pooled = False
        sizes = _fitted(plan, sizes, fitting, ceiling_why, hard, warnings)
        total = sum(one.total for one in sizes)
        opened = [f"{one.total} {one.name}" for one in sizes]
    opens = Figure(total + watching, " + ".join([*opened, *(["1 exporter"] if watching else ())]))

    work_mem = sizing.work_mem(data.memory, opens.value)
    least_memory = sizing.memory_needed(data.memory, opens.value, work_mem)
    if least_memory > data.memory:
        wrong = f"{opens.value} connections take {least_memory} at the least, the database has {data.memory}"
        raise DoesNotFit(wrong, "database", "memory")

    needed = sizing.usable_needed(opens.value) + RESERVED
    if fixed is not None:
        limit = Figure(fixed, "stated in the plan")
    elif pooled:
        least = max(sizing.rounded_up(needed), 20)
        limit = Figure(least, f"{opens.value} at worst, a fifth kept for people and deployments, {RESERVED} for superusers")
    else:
        least = max(sizing.rounded_up(needed), sizing.UNPOOLED)
        own = f"; PostgreSQL's own {sizing.UNPOOLED} is enough" if least == sizing.UNPOOLED else ""
        limit = Figure(least, f"{opens.value} at worst, a fifth kept for people and deployments, {RESERVED} for superusers{own}")

    base = plan.user.removesuffix("_app")[:55]
    workers = [one for one in sizes if one.service.kind in ("laravel-queue", "laravel-horizon")]
    worker = f"{base}_worker" if workers and any(one.service.kind == "laravel-fpm" for one in sizes) else ""
    usable = sizing.usable_connections(limit.value, RESERVED)
    if pooler is not None:
        workers_most = Figure(pooler.opens.value, "all that PgBouncer opens")
    else:
        workers_most = Figure(sum(one.total for one in workers), " + ".join(f"{one.total} {one.name}" for one in workers))
    sqlx = sum(one.service.kind == "sqlx" for one in sizes)
    fpm = sum(one.service.kind == "laravel-fpm" for one in sizes)
    return Layout(
        plan,
        plan.project,
        plan.database_name,
        plan.user,
        worker,
        f"{base}_monitor",
        tuple(_laid(one, pooled and one.service.kind != "other", sqlx, fpm, plan.user, worker) for one in sizes),
        pooler,
        pooler_why,
        Figure(active, f"{data.cores:g} {'core' if data.cores == 1 else 'cores'} x 2{spindles}, all clients together"),
        opens,
        usable,
        limit,
        RESERVED,
        Figure(usable - sizing.SPARE, f"{usable} usable, {sizing.SPARE} of them kept for psql and monitoring"),
        workers_most,
        Figure(sizing.quarter(data.memory), "parallel queries share memory here, and Docker's own 64 MB is soon full"),
        Figure(sizing.quarter(data.memory), f"a quarter of {data.memory}"),
        Figure(sizing.cache(data.memory), f"three quarters of {data.memory}: what the system caches besides"),
        Figure(sizing.maintenance(data.memory), f"a sixteenth of {data.memory}, 2 GB at most"),
        Figure(work_mem, f"a third of what {data.memory} leaves to each of {opens.value} connections"),
        Ladder(),
        Keepalive(),
        tuple(warnings),
    )


def _wanted(name: str, service: Service) -> _Size:
    """The sizes a service would have if it were alone."""
    replicas = service.replicas
    instances = Figure(replicas, "replicas")
    if service.deploy == "start-first":
        at_once = service.parallelism
        most = sizing.overlap(replicas, at_once)
        instances = Figure(most, f"{replicas} and {most - replicas} more while a deployment starts new ones first")
    stated = "stated in the plan"
    pool = Figure(1, "a worker has one connection")
    if service.kind == "sqlx":
        processes = Figure(1, "one process")
        pool = Figure(service.pool, stated) if service.pool is not None else Figure(sizing.POOL, "SQLx's own default")
    elif service.kind == "other":
        processes = Figure(1, "counted as one")
        pool = Figure(service.pool, stated)
    elif service.processes is not None:
        memory = memory_of(service)
        if service.processes * service.memory_per_worker > memory:
            most = sizing.workers_in(memory, service.memory_per_worker)
            wrong = f"{service.processes} workers of {service.memory_per_worker} do not fit {memory}, which has room for {most}"
            raise DoesNotFit(wrong, "services", name, "processes")
        processes = Figure(service.processes, stated)
    elif service.kind == "laravel-fpm":
        memory = memory_of(service)
        workers = sizing.workers_in(memory, service.memory_per_worker)
        processes = Figure(workers, f"{memory} for workers of {service.memory_per_worker}, a fifth left")
    elif service.kind == "laravel-horizon":
        memory = memory_of(service)
        fitting = sizing.workers_in(memory, service.memory_per_worker)
        bounded = f"{memory} for workers of {service.memory_per_worker}, a fifth left"
        processes = Figure(min(10, fitting), "Horizon's own 10" if fitting >= 10 else bounded)
    else:
        processes = Figure(1, "one worker a container")
    return _Size(name, service, processes, pool, instances)


def memory_of(service: Service) -> Bytes:
    """The memory of one instance: stated, or enough for the workers that are."""
    if service.memory is not None:
        return service.memory
    enough = sizing.memory_for(service.processes or 1, max(service.memory_per_worker, WORST_WORKER))
    return max(enough, Bytes((1 << 30) if service.kind in _WORKERS else (512 << 20)))


def _ceiling(plan: Plan, active: int, hard: int | None, watching: int) -> tuple[int, str]:
    """Connections that the server should be asked for at most without a pooler, and why."""
    limits = [(active * sizing.OVERSUBSCRIBED - watching, f"{sizing.OVERSUBSCRIBED} times the {active} that can work at once")]
    memory = plan.database.memory
    limits.append((int((memory - sizing.quarter(memory)) // (sizing.BACKEND + sizing.MB)), f"what {memory} has room for"))
    if hard is not None:
        limits.append((hard, f"the room of max_connections {plan.database.max_connections}"))
    return min(limits)


def _wants_pooler(plan: Plan, sizes: list[_Size], fits: bool, ceiling: int, why: str) -> tuple[bool, str]:
    total = sum(one.total for one in sizes)
    if plan.pgbouncer != "auto":
        return plan.pgbouncer == "always", f"the plan says {plan.pgbouncer}"
    if plan.requests_per_minute > sizing.BUSY:
        return True, f"{plan.requests_per_minute} requests a minute, more than {sizing.BUSY}"
    if total > sizing.UNPOOLED:
        return True, f"the services would open {total} connections, more than {sizing.UNPOOLED}"
    if not fits:
        return True, f"the services do not fit {ceiling} connections, {why}"
    return False, f"{plan.requests_per_minute} requests a minute and {total} wanted connections need none"


def _fitted(plan: Plan, sizes: list[_Size], fitting: list[int] | None, why: str, hard: int | None, warnings: list[str]) -> list[_Size]:
    """The sizes made to fit the ceiling; where they cannot, the least that work, if the server has them at all."""
    needs = [one.need for one in sizes]
    if fitting is None:
        fitting = [need.least for need in needs]
        total = sum(need.least * need.weight for need in needs)
        if hard is not None and total > hard:
            has = f"max_connections {plan.database.max_connections} has room for {max(hard, 0)}"
            raise DoesNotFit(f"the services open {total} connections at the least, and {has}", "database", "max-connections")
        warnings.append(f"the services open {total} connections at the least, more than {why}: PgBouncer would help")
        why = "the least that works"
    return [one.sized(size, f"fitted to {why}") for one, size in zip(sizes, fitting, strict=True)]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _laid(one: _Size, pooled: bool, sqlx: int, fpm: int, user: str, worker: str) -> LaidService:
    service = one.service
    own = bool(worker) and service.kind in ("laravel-queue", "laravel-horizon")
    folder = f"services/{one.name}"
    if service.kind == "sqlx":
        folder = "rust" if sqlx == 1 else f"rust/{one.name}"
    elif service.kind == "laravel-fpm":
        folder = "php" if fpm == 1 else f"php/{one.name}"
    elif service.kind in LARAVEL:
        folder = "php"
    factors = [_counted(one.instances.value, "instance")]
    if one.processes.value != 1 or service.kind in LARAVEL:
        factors.append(_counted(one.processes.value, "worker"))
    if service.kind not in LARAVEL:
        factors.append(f"a pool of {one.pool.value}")
    return LaidService(
        one.name,
        service.kind,
        service.replicas,
        one.instances,
        one.processes,
        one.pool,
        min(2, one.pool.value),
        Figure(one.total, " x ".join(factors)),
        memory_of(service),
        service.memory_per_worker,
        service.deploy,
        service.parallelism,
        pooled,
        worker if own else user,
        "db_worker_password" if own else "db_password",
        folder,
    )
