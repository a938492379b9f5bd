"""Two time limits that meet on one connection: which of them must be the shorter one."""

from __future__ import annotations

from ..fact import Fact, derive
from ..source import Span
from ..units import INFINITY, Seconds
from .client import Fpm, Pool
from .project import Project
from .server import Server


class Ladder:
    """A limit of a server beside a limit of one of its clients.

    ``of`` says what they limit: ``idle`` (how long a connection may sit unused) or ``request`` (a statement, and the
    web request that waits for it).  ``span`` is the client's.
    """

    kind = "ladder"

    def __init__(self, of: str, server: Server, server_limit: Fact[Seconds], client: str, client_limit: Fact[Seconds], span: Span) -> None:
        self.of = of
        self.server = server  # the server
        self.server_limit = server_limit  # the server's limit
        self.client = client  # the client, as messages call it
        self.client_limit = client_limit  # the client's limit
        self.span = span
        self.label = f"{client} on {server.label}"

    @property
    def client_waits(self) -> Fact[str]:
        """The client's limit as messages say how long it is: ``10 min``, ``ever``."""
        return derive("client", lambda limit: str(limit) if limit < INFINITY else "ever", self.client_limit)


def build_ladders(project: Project) -> None:
    """Pair every pool and every php-fpm pool with the server it reaches."""
    users: dict[int, set[str | None]] = {}
    for login in project.logins:
        users.setdefault(id(login.server), set()).add(login.user.value if login.user.is_known else None)

    def role(server: Server) -> str | None:
        """The one role that every known client of a server has, None when there are several or one of them is not known."""
        names = users.get(id(server), set())
        return next(iter(names)) if len(names) == 1 else None

    for pool in project.pools:
        if pool.server is not None:
            project.ladders.append(_idle(pool, pool.server, role(pool.server)))
    fpms: dict[Span, list[Fpm]] = {}
    for fpm in project.fpms:
        fpms.setdefault(fpm.span, []).append(fpm)
    for server in project.servers:
        for span in dict.fromkeys(consumer.span for consumer in server.consumers if consumer.kind == "php-fpm"):
            project.ladders += [_request(fpm, server, role(server)) for fpm in fpms.get(span, ())]


def _idle(pool: Pool, server: Server, role: str | None) -> Ladder:
    kept = derive("idle_timeout", min, pool.idle_timeout, pool.max_lifetime)
    shorter = pool.max_lifetime if kept.is_known and pool.max_lifetime.value < pool.idle_timeout.value else pool.idle_timeout
    limit = server.session_idle_timeout(role)
    return Ladder("idle", server, limit, pool.label, shorter if kept.is_known else kept, pool.span)


def _request(fpm: Fpm, server: Server, role: str | None) -> Ladder:
    return Ladder("request", server, server.session_statement_timeout(role), fpm.label, fpm.request_terminate_timeout, fpm.span)
