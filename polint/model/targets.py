"""Where clients connect: host names, URLs and variables, and the server or pooler of the stack behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..patterns import lazy
from ..tuples import NamedTuple
from . import images
from .project import Service, Stack
from .resolve import UNKNOWN, Environment, resolve
from .server import Server

if TYPE_CHECKING:
    from ..formats import php, rust
    from .crates import CrateSources

LOCAL = ("localhost", "127.0.0.1", "::1", "host.docker.internal", "0.0.0.0")
SOCKET = "a Unix socket"  # stands for a host
_HOST_NAME = lazy(r"(^|_)(PG|DB|POSTGRES|POSTGRESQL|DATABASE|SQL)\w*(HOST|HOSTNAME|SERVER|ADDR|ADDRESS)$|^PGHOST$|^POSTGRES$")
_URL_FILE = lazy(r"(DATABASE|DB|PG|POSTGRES)\w*(URL|URI|DSN|CONNECTION\w*)_FILE$")
_URL = lazy(r"(?<![A-Za-z])([A-Za-z][A-Za-z0-9+.\-]{0,40}(?::[A-Za-z][A-Za-z0-9+.\-]{0,40}){0,4})://([^\s\"'<>`]*)")
_PAIR = lazy(r"(?i)(?:^|[;\s\"'?&\[(,])(?:host|server|data source|hostaddr)\s*=\s*'?([^;\s\"',&]+)")
_QUOTED = lazy(r"[\"']([\w.\-]+)[\"']\s*,\s*543[0-9]")  # ["db", 5432], as poolers list their servers
_FLAG = lazy(r"(?:^|\s)(?:-h|--?[\w-]*host(?:name)?)[= ]\s*([\w.\-/]+)")
_HOST_PORT = lazy(r"([\w.\-]+):\d+(/.*)?")
_POSTGRES = ("postgres", "postgis", "pgsql", "ecto", "psql", "r2dbc:p", "jdbc:p", "timescale", "cockroach", "pgx", "asyncpg", "psycopg")
_OTHERS = frozenset(
    """http https redis rediss amqp amqps mysql mysql2 mariadb mongodb mongodb+srv smtp smtps ws wss nats kafka memcached ftp sftp s3
    grpc file sqlite sqlite3 clickhouse ldap ldaps otlp udp docker jdbc:mysql jdbc:mariadb jdbc:sqlserver jdbc:oracle sqlserver
    elasticsearch neo4j bolt vault consul etcd ssh git""".split()
)


class Endpoints:
    """The names under which a stack's servers and poolers are reached.

    ``services`` are its other services by every name they have; ``foreign`` servers stand in other compose files or in polint.toml.
    """

    def __init__(self, servers: dict[str, Server] | None = None) -> None:
        self.servers = {} if servers is None else servers
        self.poolers: dict[str, str] = {}  # host name -> service
        self.services: dict[str, Service] = {}
        self.foreign: dict[str, Server] = {}

    def distinct(self) -> list[Server]:
        """The servers, each once."""
        return list({id(server): server for server in self.servers.values()}.values())

    def without(self, pooler: str) -> Endpoints:
        """As the named pooler sees them: it does not connect to itself."""
        found = Endpoints(self.servers)
        found.poolers = {name: service for name, service in self.poolers.items() if service != pooler}
        found.services = self.services
        found.foreign = self.foreign
        return found


class Target(NamedTuple):
    """Where a client connects: a server, a pooler in between, or neither with the reason."""

    server: Server | None
    pooler: str = ""
    reason: str = ""
    inferred: str = ""
    elsewhere: bool = False  # a host that is no part of the project
    past: str = ""  # the pooler that the client's own host names, where a URL wins over it and leads to the server


class Link(NamedTuple):
    """One place in code that connects, as it runs in ``service`` (None: in no compose file).

    It is one of ``pool``, with the Rust ``crates`` it belongs to, ``entry`` (of Laravel's config/database.php) and ``call``.
    """

    service: Service | None
    environment: Environment
    target: Target
    pool: rust.PoolCall | None = None
    crates: Sequence[CrateSources] = ()
    entry: php.ConnectionEntry | None = None
    call: php.PdoCall | None = None

    @property
    def place(self) -> rust.PoolCall | php.ConnectionEntry | php.PdoCall | None:
        """The one of them that it is."""
        return self.pool or self.entry or self.call


def endpoints(stack: Stack, stacks: Sequence[Stack]) -> Endpoints:
    """Every host name of the stack's servers, poolers and other services."""
    found = Endpoints()
    by_service = {server.service: server for server in stack.servers}
    for service in stack.services.values():
        for name in names_of(service, stack):
            if service.name in by_service:
                found.servers[name] = by_service[service.name]
            elif images.is_pgbouncer(service.base_image):
                found.poolers[name] = service.name
            else:
                found.services[name] = service
    if stack.project is None and stack.servers:
        found.servers.update(dict.fromkeys(LOCAL, stack.servers[0]))
    found.foreign.update(stack.outside)
    if stack.servers:
        return found
    abroad: dict[str, list[Server]] = {}
    shared = stack.project is not None and any("external:" in source.text for source in stack.project.sources)
    for other in stacks:
        if other is not stack and (shared or other.folder == stack.folder) and other.project is not None:
            for server in other.servers:
                for name in names_of(other.services[server.service], other):
                    abroad.setdefault(name, []).append(server)
    found.foreign.update({name: servers[0] for name, servers in abroad.items() if len(servers) == 1})
    return found


def names_of(service: Service, stack: Stack) -> list[str]:
    """The host names a service answers to."""
    entry = service.entry
    names = [service.name, *entry.aliases]
    container = resolve("container_name", entry.container_name, stack.outer) if entry.container_name is not None else None
    if container is not None and container.is_known:
        names.append(str(container.value))
    return names


def hosts_of(url: str) -> list[str]:
    """The hosts of a connection URL or a ``host=…`` string; none when it names none."""
    found = _URL.search(url) if "://" in url else None
    if found is None:
        pairs = [pair.group(1) for pair in _PAIR.finditer(url)]
        return [SOCKET if host.startswith("/") else host for host in pairs]
    rest = found.group(2)
    head, at, tail = rest.partition("?")[0].rpartition("@")
    authority = (tail if at else head or tail).partition("/")[0]
    hosts = [_bare(part) for part in authority.split(",")]
    if not any(hosts):
        hosts = [pair.group(1) for pair in _PAIR.finditer(rest)]
    return [SOCKET if host.startswith(("/", "%2F", "%2f")) else host for host in hosts if host]


def _bare(host: str) -> str:
    """Without brackets and port."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def host_of(url: str) -> str:
    """The first host of a connection URL or string; "" when there is none."""
    return next(iter(hosts_of(url)), "")


def locate(host: str, ends: Endpoints) -> Target:
    """The server or pooler behind a host name."""
    if host in ends.servers:
        return Target(ends.servers[host])
    if host in ends.poolers:
        return Target(None, pooler=ends.poolers[host])
    if host in ends.foreign:
        server = ends.foreign[host]
        return Target(server, inferred=f"the server {host} of another compose file" if server.service else "")
    if not host:
        return Target(None, reason="its host is not given")
    if host == SOCKET:
        return alone(ends)
    other = ends.services.get(host)
    if other is not None and not images.is_other_database(other.base_image):
        return Target(None, reason=f"it connects through the service {host}, which is not read")
    return Target(None, reason=f"{host} is no server of this stack", elsewhere=True)


def alone(ends: Endpoints) -> Target:
    """The only server of a stack, when nothing says where a client connects."""
    servers = ends.distinct()
    if len(servers) == 1 and not ends.poolers:
        return Target(servers[0], inferred="the only server of the stack")
    if not servers:
        return Target(None, reason="the stack has no server", elsewhere=not ends.poolers)
    return Target(None, reason="which server or pooler it connects to cannot be told from the files")


def reach(service: Service, host: str, ends: Endpoints) -> Target:
    """As ``locate``, seen from inside a service's container: what its localhost is depends on its network."""
    if host not in LOCAL or host in ends.servers:
        return locate(host, ends)
    mode = service.entry.network_mode
    written = mode.span.text.strip("\"'") if mode is not None else ""
    if written.startswith("service:"):
        return locate(written.partition(":")[2], ends)
    if host == "host.docker.internal" or written == "host":
        return alone(ends)
    return Target(None, reason=f"{host} is the container itself")


def is_beyond(host: str, ends: Endpoints) -> bool:
    """Whether a host known in part is for certain none of the project's: ``db-${STAGE}.shop.eu`` is no container."""
    pieces = host.split(UNKNOWN)
    if len(pieces) == 1:
        return False
    names = (*ends.servers, *ends.poolers, *ends.foreign, *ends.services, *LOCAL)
    return not any(re.fullmatch(".*".join(map(re.escape, pieces)), name) for name in names)


def needed(service: Service, ends: Endpoints) -> list[str]:
    """The servers and poolers that the service's depends_on names."""
    return [name for name in service.entry.depends_on if name in ends.servers or name in ends.poolers]


def evidence(service: Service, ends: Endpoints) -> list[Target]:
    """Every place the service's variables and command point to, each once, those of the project first."""
    found: dict[tuple[int, str, str], Target] = {}
    for name, fact in service.environment.outlined.variables.items():
        if fact.is_known:
            for target in _in_text(name, str(fact.value), service, ends):
                found.setdefault((id(target.server), target.pooler, target.reason), target)
    text = " ".join(word for word, _ in service.command)
    for host in (*_urls(text), *(flag.group(1) for flag in _FLAG.finditer(text)), *(pair.group(1) for pair in _PAIR.finditer(text))):
        if host in ends.servers or host in ends.poolers or host in ends.foreign:
            target = locate(host, ends)
            found.setdefault((id(target.server), target.pooler, target.reason), target)
    return sorted(found.values(), key=lambda target: target.elsewhere)


def in_file(text: str, ends: Endpoints) -> list[Target]:
    """The servers and poolers that a configuration file of an unknown program names."""
    hosts = (
        *_urls(text),
        *(pair.group(1).strip("\"'") for pair in _PAIR.finditer(text)),
        *(word.group(1) for word in _QUOTED.finditer(text)),
    )
    return [locate(host, ends) for host in dict.fromkeys(hosts) if host in ends.servers or host in ends.poolers]


def _urls(text: str) -> Iterator[str]:
    for found in _URL.finditer(text) if "://" in text else ():
        if found.group(1).lower() not in _OTHERS:
            yield from hosts_of(found.group(0))


def _in_text(name: str, text: str, service: Service, ends: Endpoints) -> Iterator[Target]:
    known = {**ends.servers, **ends.poolers, **ends.foreign}
    url = _URL.search(text) if "://" in text else None
    if url is not None:
        scheme = url.group(1).lower()
        hosts = [host for host in hosts_of(text) if UNKNOWN not in host]
        if scheme.startswith(_POSTGRES):
            inside = [host for host in hosts if host in known]
            for host in inside or hosts[:1]:
                yield reach(service, host, ends)
        elif scheme not in _OTHERS:
            yield from (locate(host, ends) for host in hosts if host in known)
        return
    if text in known:
        yield locate(text, ends)
    elif UNKNOWN in text:
        yield from (locate(host, ends) for host in hosts_of(text) if host in known)
    elif (found := _HOST_PORT.fullmatch(text)) and found.group(1) in known:
        yield locate(found.group(1), ends)
    elif "=" in text and (pairs := hosts_of(text)):
        inside = [host for host in pairs if host in known]
        yield from (reach(service, host, ends) for host in inside or (pairs[:1] if "dbname" in text.lower() else ()))
    elif _HOST_NAME.search(name) and text:
        yield reach(service, SOCKET if text.startswith("/") else text, ends)
    elif _URL_FILE.search(name) and text:
        yield alone(ends)


def from_environment(service: Service, ends: Endpoints) -> Target | None:
    """Where the service's variables or command point first, None when none of them names a database."""
    return next(iter(evidence(service, ends)), None)
