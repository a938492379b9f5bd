"""How many connections the clients of a role can open, against the CONNECTION LIMIT that SQL gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..fact import Fact, derive
from ..patterns import lazy
from . import container
from .addresses import take_apart
from .passwords import is_for_tests
from .resolve import resolve

if TYPE_CHECKING:
    from .logins import Login
    from .pooler import Pooler
    from .project import Project, Tree
    from .server import Consumer, Server
    from .statements import Limit

_OWN_USER = lazy(r"\.user(?:name)?(?:\s*\(\s*[^)\s]|\s*=[^=])")  # code that connects as another user than its URL names


def build_role_demands(tree: Tree, project: Project) -> None:
    """Tell every limit of a role how many connections the role's clients can open; superusers have no limit (PostgreSQL manual)."""
    limits: dict[str, list[Limit]] = {}
    for limit in project.limits:
        if limit.role_name is not None:
            limits.setdefault(limit.role_name, []).append(limit)
    if "" in limits:  # it may be any role's
        return
    for server in project.servers:
        demands = Demands(server, tree, project)
        foreign = _foreign(server, project)
        for name, found in sorted(limits.items()):
            counts = _counting(server, [limit for limit in found if limit.span.path not in foreign], project)
            if counts is not None and demands.is_ordinary(name):
                demands.tell(counts, name)


def _counting(server: Server, own: Sequence[Limit], project: Project) -> Limit | None:
    """Which of a role's limits counts at a server: the last one of its init scripts, or, of a project's only server, of the one file."""
    paths = {limit.span.path for limit in own}
    scripts = list(server.scripts)
    if not own or any(limit.is_conditional for limit in own):
        return None
    if not paths <= set(scripts) and (len(paths) > 1 or len(project.servers) > 1 or any(map(is_for_tests, paths))):
        return None
    return max(own, key=lambda limit: (scripts.index(limit.span.path) if scripts and len(paths) > 1 else 0, limit.span.start))


def _foreign(server: Server, project: Project) -> set[str]:
    """The init scripts of other servers."""
    return {path for other in project.servers if other is not server for path in other.scripts} - set(server.scripts)


class Demands:
    """What the roles of one server are asked for by clients of which that is known."""

    def __init__(self, server: Server, tree: Tree, project: Project) -> None:
        self.server = server
        self.tree = tree
        self.project = project
        self.logins = [login for login in project.logins if login.server is server]
        known = [login.superuser.value for login in self.logins if login.superuser.is_known]
        files = [found for found in project.sql_files.values() if found is not None]
        self.knows_superusers = bool(known)
        self.superusers = {one.name for found in files for one in found.roles if one.superuser}.union(known)

    def is_ordinary(self, role: str) -> bool:
        """Whether a role is known to be no superuser."""
        return self.knows_superusers and role not in self.superusers

    def tell(self, limit: Limit, role: str) -> None:
        """Note at the limit who connects as its role, and with how many connections."""
        found = [(client, size) for client in self.server.direct if (size := self.size(client, role)) is not None]
        if not found or self.is_reported(role, limit.value):
            return
        usable = self.server.usable_connections
        if limit.value.is_known and (limit.value.value < 0 or (usable.is_known and limit.value.value > usable.value)):
            return  # it limits nothing
        sizes = [size for _, size in found]
        demand = derive("connections", lambda *counts: sum(counts), *sizes)
        extra = container.surge([client for client, _ in found if client.kind != "pgbouncer"], self.server.containers)
        occasion = ""
        if extra and limit.value.is_known and demand.value <= limit.value.value:
            demand = derive("connections", lambda *counts: sum(counts), *sizes, *(count for _, count in extra))
            occasion = " while an update starts new containers first"
        if limit.demand.is_known and limit.demand.value >= demand.value:
            return  # another server that runs the same script is asked for more
        limit.role, limit.demand, limit.occasion = role, demand, occasion
        limit.clients = ", ".join(dict.fromkeys(client.service.partition("/")[0] for client, _ in found))

    def is_reported(self, role: str, limit: Fact[int]) -> bool:
        """Whether PHP's workers alone are more than the limit, of which a rule of PHP's tells."""
        return limit.is_known and any(
            one.role == role and one.workers.is_known and one.workers.value > limit.value for one in self.project.connections
        )

    def size(self, client: Consumer, role: str) -> Fact[int] | None:
        """Connections that a client can open as the role for certain; None where it connects as another, or nobody knows."""
        if client.kind == "pgbouncer":
            pooler = next((one for one in self.project.poolers if one.server is self.server and one.span == client.span), None)
            return self.through(pooler, client, role) if pooler is not None else None
        known = client.at_least.is_known and self.connects_as(self.of(client), role)
        return client.at_least if known and client.at_least.value > 0 else None

    def of(self, client: Consumer) -> Sequence[Login]:
        """The logins of a client; none where some of them lead to where others do not."""
        name = client.service.partition("/")[0]
        if client.inferred == "in no compose file":
            loose = [(login, login.link.crates) for login in self.logins if not login.service and login.link is not None]
            mine = [crates for login, crates in loose if login.span == client.span]
            return [login for login, crates in loose if crates in mine]
        found = [login for login in self.logins if login.service == name and not login.pooler]
        if any(login.client != "rust" for login in found):
            elsewhere = [login for login in self.project.logins if login.service == name and login.target.server is None]
            return [] if elsewhere else found
        return found

    def behind(self, pooler: Pooler, client: Consumer) -> Sequence[Login]:
        """The logins of a client of a PgBouncer that lead through it."""
        name = client.service.partition("/")[0]
        return [login for login in self.logins if login.service == name and login.pooler == pooler.service]

    def connects_as(self, logins: Sequence[Login], role: str) -> bool:
        """Whether all that these are of connects as the role, and goes on running."""
        named = all(login.user.is_known and login.user.value == role and not login.is_tool for login in logins)
        return bool(logins) and named and all(self.keeps_user(login, role) for login in logins)

    def keeps_user(self, login: Login, role: str) -> bool:
        """Whether the sources of a Rust client name no other user, neither beside its URL nor for a connection outside of its pools."""
        link = login.link
        if link is None or link.pool is None:
            return True
        for crate in link.crates:
            for single in crate.crate.singles if crate.crate is not None else ():
                url = resolve("url", single.target, link.environment) if single.target is not None else None
                parts = take_apart(str(url.value)) if url is not None and url.is_known else None
                if parts is None or parts.user != role:
                    return False
            if any(_OWN_USER.search(self.tree.data(path).decode("utf-8", "replace")) for path in crate.paths):
                return False
        return True

    def through(self, pooler: Pooler, client: Consumer, role: str) -> Fact[int] | None:
        """Connections that a PgBouncer can open as the role: for the entries that name it, and for clients that are known to bring it."""
        all_of_it = pooler.connections_to_server
        if client.pool.is_known and not (all_of_it.is_known and all_of_it.value == client.pool.value):
            return None  # polint.toml states it
        forced = [one for one in pooler.at_server if "user" in one.pairs and one.pairs["user"].is_known and one.pairs["user"].value == role]
        free = [one for one in pooler.at_server if "user" not in one.pairs]
        clients = [one for one in pooler.clients if not one.once]
        if not pooler.is_only_user(role):
            bringing = [one for one in clients if self.connects_as(self.behind(pooler, one), role)]
            free = free if bringing else []
            clients = clients if forced else bringing
        if not forced and not free:
            return None
        size = pooler.least([*forced, *free], names=[role])
        if clients and all(one.at_least.is_known for one in clients):
            size = derive("server connections", lambda room, *counts: min(room, sum(counts)), size, *(one.at_least for one in clients))
        elif clients and not forced and not pooler.is_only_user(role):
            return None
        copies = client.replicas
        found = derive(client.service, lambda room, copies: room * copies, size, copies) if not copies.is_default else size
        return found if found.is_known and found.value > 0 else None
