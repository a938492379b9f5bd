"""Where clients connect: host names, URLs and variables, and the server or pooler of the stack behind them."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..patterns import lazy
from . import images
from .project import Service, Stack
from .resolve import resolve
from .server import Server

_HOST_NAME = lazy(r"(^|_)(PG|DB|POSTGRES|POSTGRESQL|DATABASE|SQL)\w*(HOST|HOSTNAME|SERVER|ADDR|ADDRESS)$|^PGHOST$|^POSTGRES$")
LOCAL = ("localhost", "127.0.0.1", "::1", "host.docker.internal", "0.0.0.0")


class Endpoints:
    """The names under which a stack's servers and poolers are reached."""

    def __init__(self, servers: dict[str, Server] | None = None) -> None:
        self.servers = {} if servers is None else servers
        self.poolers: dict[str, str] = {}  # host name -> service


class Target(NamedTuple):
    """Where a client connects: a server, a pooler in between, or neither with the reason."""

    server: Server | None
    pooler: str = ""
    reason: str = ""
    inferred: str = ""
    elsewhere: bool = False  # a host that is no part of the stack


def endpoints(stack: Stack) -> Endpoints:
    """Every host name of the stack's servers and poolers."""
    found = Endpoints()
    by_service = {server.service: server for server in stack.servers}
    for service in stack.services.values():
        entry = service.entry
        names = [service.name, *entry.aliases]
        container = resolve("container_name", entry.container_name, stack.outer) if entry.container_name is not None else None
        if container is not None and container.is_known:
            names.append(str(container.value))
        for name in names:
            if service.name in by_service:
                found.servers[name] = by_service[service.name]
            elif images.is_pgbouncer(service.base_image):
                found.poolers[name] = service.name
    if stack.project is None and stack.servers:
        found.servers.update(dict.fromkeys(LOCAL, stack.servers[0]))
    return found


def host_of(url: str) -> str:
    """The host of a connection URL or a ``host=…`` string; "" when there is none."""
    if "://" in url:
        rest = url.partition("://")[2]
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0] if "@" not in rest else ""
        if not authority:
            head, _, tail = rest.rpartition("@")
            authority = re.split(r"[/?#]", tail, maxsplit=1)[0] if head else ""
        if not authority and "host=" in rest:
            return re.split(r"[&\s]", rest.partition("host=")[2], maxsplit=1)[0]
        if authority.startswith("["):
            return authority[1:].partition("]")[0]
        return authority.partition(",")[0].partition(":")[0]
    match = re.search(r"(?:^|[\s;:])host\s*=\s*'?([^\s;']+)", url)
    return match.group(1) if match else ""


def locate(host: str, ends: Endpoints) -> Target:
    """The server or pooler behind a host name."""
    if host in ends.servers:
        return Target(ends.servers[host])
    if host in ends.poolers:
        return Target(None, pooler=ends.poolers[host])
    if not host:
        return Target(None, reason="its host is not given")
    return Target(None, reason=f"{host} is no server of this stack", elsewhere=True)


def alone(ends: Endpoints) -> Target:
    """The only server of a stack, when nothing says where a client connects."""
    servers = {id(server): server for server in ends.servers.values()}
    if len(servers) == 1 and not ends.poolers:
        return Target(next(iter(servers.values())), inferred="the only server of the stack")
    if not servers:
        return Target(None, reason="the stack has no server")
    return Target(None, reason="which server or pooler it connects to cannot be told from the files")


def reach(service: Service, host: str, ends: Endpoints) -> Target:
    """As ``locate``, seen from inside a service's container: what its localhost is depends on its network."""
    if host not in LOCAL or host in ends.servers:
        return locate(host, ends)
    mode = service.entry.network_mode
    if host == "host.docker.internal" or (mode is not None and mode.span.text.strip("\"'") == "host"):
        return alone(ends)
    return Target(None, reason=f"{host} is the container itself")


def from_environment(service: Service, ends: Endpoints) -> Target | None:
    """Where the service's variables point, None when none of them names a database of the stack."""
    elsewhere: Target | None = None
    for name, fact in service.environment.variables.items():
        if not fact.is_known:
            continue
        text = fact.value
        if "postgres" in text and "://" in text:
            target = reach(service, host_of(text), ends)
        elif text in ends.servers or text in ends.poolers:
            target = locate(text, ends)
        elif ":" in text and text.partition(":")[0] in (*ends.servers, *ends.poolers) and text.partition(":")[2].isdigit():
            target = locate(text.partition(":")[0], ends)
        elif "host=" in text.lower() and host_of(text):
            target = reach(service, host_of(text), ends)
        elif _HOST_NAME.search(name) and text:
            target = reach(service, text, ends)
        else:
            continue
        if not target.elsewhere:
            return target
        elsewhere = target
    return elsewhere
