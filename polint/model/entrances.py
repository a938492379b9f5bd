"""Entrances: how servers and poolers tell who a client is, and who can come as far as that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..diagnostic import Edit, Fix
from ..fact import Fact, derive, unknown
from ..formats import compose
from ..patterns import lazy
from ..source import Span
from .pooler import Pooler
from .postgres import server_image
from .project import Project, Service, Stack
from .resolve import resolve

_HOST_IP = lazy(r"host_ip[\"']?\s*:\s*[\"']?([^\s\"',}]+)")
_LOOPBACK = ("127.", "localhost", "::1", "[::1]")
_MD5 = lazy(r"md5[0-9a-fA-F]{32}")
_OPEN = {
    "any": "PgBouncer asks for neither user nor password",
    "trust": "PgBouncer asks for no password",
    "plain": "PgBouncer takes passwords in clear text",
}


class Entrance:
    """One way in: a port, and what proves who comes.

    ``method`` is what decides that, where it is written; ``weakness`` says as a clause what is wrong with it, "" when
    nothing is.  ``is_published``: machines other than the host reach the port.
    """

    kind = "entrance"

    def __init__(
        self,
        label: str,
        span: Span,
        method: Fact[str],
        weakness: str,
        is_published: Fact[bool],
        port: Fact[int],
        takes_scram: bool = False,
    ) -> None:
        self.label = label
        self.span = span
        self.method = method
        self.weakness = weakness
        self.is_published = is_published
        self.port = port  # the port of the host
        self.takes_scram = takes_scram  # PgBouncer can ask for SCRAM with the secrets it has
        self.is_shared: bool = False  # another service's port is published by the same words

    @property
    def fix(self) -> Fix | None:
        """A login that needs no more than its own line, else a port for the host alone."""
        span = self.method.span
        if self.takes_scram and span is not None and span.text.strip("'\"") == self.method.value:
            return Fix("ask for SCRAM", "unsafe", (Edit(span, span.text.replace(self.method.value, "scram-sha-256")),))
        place = self.is_published.span if self.is_published.is_known else None
        if place is None or self.is_shared:
            return None
        from ..formats import compose_ports

        edit = compose_ports.on_host_only(place)
        return Fix("publish the port to the host alone", "unsafe", (edit,)) if edit is not None else None

    @property
    def is_weak(self) -> bool:
        """Hardly anything keeps a stranger out."""
        return bool(self.weakness)


def build_entrances(project: Project) -> None:
    """The entrances of all servers and poolers of which a file says how clients prove who they are."""
    for stack in project.stacks:
        by_service = {service.name: service.span for service in stack.services.values()}
        for pooler in project.poolers:
            if by_service.get(pooler.service) == pooler.span:
                project.entrances.extend(_pooler(pooler, stack))
        for service in stack.services.values():
            found = service.environment.variables.get("POSTGRES_HOST_AUTH_METHOD")
            if found is not None:
                project.entrances.extend(_server(service, found, stack))
    users: dict[tuple[str, int], set[str]] = {}
    for stack in project.stacks:
        for service in stack.services.values():
            for one in service.entry.ports:
                users.setdefault((one.span.path, one.span.start), set()).add(service.name)
    for entrance in project.entrances:
        place = entrance.is_published.span if entrance.is_published.is_known else None
        entrance.is_shared = place is not None and len(users.get((place.path, place.start), ())) > 1


def _server(service: Service, method: Fact[str], stack: Stack) -> Iterator[Entrance]:
    image = server_image(service)
    if image is None or not image.known or image.family.startswith("bitnami"):
        return
    open_to_all = method.is_known and str(method.value).strip().lower() == "trust"
    weakness = "PostgreSQL asks nobody for a password, superusers neither" if open_to_all else ""
    port: Fact[int] = Fact("port", "default", 5432, reason="PostgreSQL")
    label = f"service {service.name}"
    yield Entrance(label, service.span, method.named("POSTGRES_HOST_AUTH_METHOD"), weakness, is_published(service, 5432, stack), port)


def _pooler(pooler: Pooler, stack: Stack) -> Iterator[Entrance]:
    port, method = pooler.listen_port, pooler.auth_type
    service = stack.services[pooler.service]
    published = is_published(service, port.value, stack) if port.is_known else unknown("published", port.reason)
    weakness = _OPEN.get(method.value, "") if method.is_known and method.is_written else ""
    if method.is_known and method.value == "plain":
        tls = pooler.client_tls_sslmode
        weakness = weakness if tls.is_known and tls.value in ("disable", "allow", "prefer") else ""
    takes_scram = method.is_known and method.value == "plain" and _has_passwords(pooler)
    yield Entrance(pooler.label, pooler.span, method, weakness, published, port, takes_scram)
    if pooler.auth_file is None or weakness:
        return
    from .pgbouncer import secrets

    hashed = [span for _, secret, span in secrets(pooler.auth_file) if _MD5.fullmatch(secret)]
    if hashed and method.is_known and method.value == "md5":
        text = "its MD5 secrets, which are as good as the passwords, are in the repository"
        fact: Fact[Any] = Fact("auth_file", "written", "MD5 secrets", hashed[0])
        yield Entrance(pooler.label, hashed[0], fact, text, published, port)


def _has_passwords(pooler: Pooler) -> bool:
    """Whether all users of a PgBouncer are in its auth_file, with their passwords as they are."""
    others = any(name in pooler.raw for name in ("auth_user", "auth_query", "auth_hba_file"))
    if pooler.auth_file is None or pooler.looks_users_up or others:
        return False
    from .pgbouncer import secrets

    known = [secret for _, secret, _ in secrets(pooler.auth_file)]
    return bool(known) and all(secret and not _MD5.fullmatch(secret) and not secret.startswith("SCRAM-SHA-256$") for secret in known)


def is_published(service: Service, port: int, stack: Stack) -> Fact[bool]:
    """Whether Compose publishes a container's port on addresses that other machines reach; unknown with a network of its own kind."""
    mode = service.entry.network_mode
    if mode is not None:
        return unknown("published", "its network_mode decides who reaches its ports", mode.span)
    for one in service.entry.ports:
        target = resolve("port", one.target, stack.outer)
        if not target.is_known:
            return target.named("published")
        if not _holds(str(target.value), port):
            continue
        host = _host(one)
        if "$" in host:
            return unknown("published", "a variable decides the address", one.span)
        if not host.startswith(_LOOPBACK):
            return Fact("published", "written", True, one.span)
    return derive("published", lambda: False)


def _holds(target: str, port: int) -> bool:
    first, _, last = target.partition("/")[0].partition("-")
    return first.isdigit() and (last or first).isdigit() and int(first) <= port <= int(last or first)


def _host(port: compose.Port) -> str:
    """The address of ``address:published:target`` or ``host_ip``, as written; "" for every address."""
    text = port.span.text
    if "target" in text:
        found = _HOST_IP.search(text)
        return found.group(1) if found else ""
    first = port.published.span if port.published is not None else port.target.span
    return port.span.source.text[port.span.start : first.start].strip("\"' ").rstrip(":")
