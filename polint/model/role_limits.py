"""Limits for the application's role: which role that is, and where SQL gives it settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..fact import Fact, default, unknown
from ..units import INFINITY, Seconds
from .project import Project
from .server import Server

if TYPE_CHECKING:
    from .logins import Login


def build_role_limits(project: Project) -> None:
    """Note for every server which role its application has, where an init script makes it, and how long its web requests may take."""
    for server in project.servers:
        if server.scripts:
            server.role = _role(server, [login for login in project.logins if login.server is server], project)
    for ladder in project.ladders:
        limit = ladder.client_limit
        if ladder.of == "request" and limit.is_known and limit.value < ladder.server.shortest_request.value:
            ladder.server.shortest_request = limit


def _role(server: Server, logins: Sequence[Login], project: Project) -> Fact[str]:
    """The one role that everybody has who is no tool, at the statement of an init script that makes it."""
    used = [login for login in logins if not (login.is_tool or login.is_for_tests)]
    names = {login.user.value if login.user.is_known else None for login in used}
    name = next(iter(names)) if len(names) == 1 else None
    if name is None or any(login.pooler or login.client == "pgbouncer" for login in used):
        return unknown("role", "which role its clients have is not known")
    for path in server.scripts:
        found = project.sql_files.get(path)
        for role in found.roles if found is not None and path.endswith(".sql") else ():
            statement = role.statement
            if role.created and role.name == name and not (statement.within or statement.conditional):
                quoted = f'"{name}"'
                if quoted in statement.span.text or (name.isidentifier() and name.isascii() and name.islower()):
                    return Fact("role", "written", quoted if quoted in statement.span.text else name, statement.span)
    return unknown("role", "no init script makes it")


def role_limit(server: Server, name: str) -> Fact[Seconds]:
    """The setting ``name`` of its application's role, as SQL sets it; unknown where something sets it already, or it has no place.

    Its ``via`` is the statement behind which it goes.
    """
    role = server.role
    if not role.is_known or role.span is None:
        return unknown(name, role.reason)
    if server.has_role_setting(name):
        return unknown(name, "some role or database has it already")
    found = default(f"ALTER ROLE {role.value} SET {name}", Seconds(INFINITY), "PostgreSQL")
    return Fact(found.name, found.origin, found.value, reason=found.reason, via=(role.span,))


def moved_limit(server: Server, name: str, value: Fact[object]) -> Fact[Seconds]:
    """The same, where a server's own setting ``value`` can go: it is no variable's, and no other server's with another role."""
    if value.via:
        return unknown(name, "a variable decides it", value.span)
    for peer in server.peers:
        theirs = peer.raw.get(name)
        if theirs is not None and theirs.span == value.span and (not peer.role.is_known or peer.role.span != server.role.span):
            return unknown(name, "another server reads the same place", value.span)
    return role_limit(server, name)
