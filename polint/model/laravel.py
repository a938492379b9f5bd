"""What a Laravel application does besides its configuration: the log of queries it keeps, the workers it runs."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING

from ..diagnostic import Fix
from ..fact import Fact, default, derive, unknown
from ..formats import format_of
from ..patterns import lazy
from ..source import Span
from . import artisan, remedies
from .connections import driver, is_database
from .project import Project, Service, Tree
from .resolve import NOTHING, resolve
from .stack import below, read_env

if TYPE_CHECKING:
    from ..formats import php
    from .consumers import Linker
    from .targets import Link

_TEST = lazy(r"(^|/)([Tt]ests?|[Ss]pecs?|[Tt]esting|[Bb]enchmarks?)/|(Tests?|TestCase|_test)\.php$")


_READS = lazy(rb"(?i)\bget(?:Raw)?QueryLog\b")


class QueryLog:
    """A call of ``enableQueryLog()``.

    ``is_bounded``: a test, a condition or a method that is a switch of its own holds the call, or the file ends the log.
    ``uses_postgresql``: the application it is part of keeps its data there.  ``readers`` are the files that may ask for this log.
    """

    kind = "query_log"

    def __init__(self, span: Span, *, is_bounded: bool, uses_postgresql: Fact[bool], readers: Set[str]) -> None:
        self.span: Span = span
        self.label: str = f"query log in {span.path}"
        self.is_bounded: bool = is_bounded
        self.uses_postgresql: Fact[bool] = uses_postgresql
        self._readers = readers

    @property
    def ended(self) -> Fix | None:
        """A log that nobody reads is not kept, another ends where it has been read; None where that cannot be told."""
        from ..formats import php_edit

        if not self._readers:
            title, edit = "keep no log that nobody reads", php_edit.removed(self.span)
        else:
            title = "end the log where it has been read"
            edit = php_edit.log_ended(self.span) if self._readers == {self.span.path} else None
        return Fix(title, "safe", (edit,)) if edit is not None else None


def build_laravel(files: Mapping[str, php.PhpFile], linkers: Sequence[Linker], tree: Tree, project: Project) -> None:
    """Query logs, workers, and what the limits of roles leave to PHP; once the logins are known."""
    if any(file.query_logs for file in files.values()):
        build_query_logs(files, linkers, tree, project)
    build_workers(linkers, project)
    build_role_limits(project)


def build_query_logs(files: Mapping[str, php.PhpFile], linkers: Sequence[Linker], tree: Tree, project: Project) -> None:
    """Every call that keeps a log of queries, with the database of the nearest config/database.php above it."""
    roots: dict[str, Fact[bool]] = {}
    linked = {
        link.entry.span.path
        for linker in linkers
        for link in linker.links
        if link.entry is not None and (link.target.server is not None or link.target.pooler)
    }
    for path, file in files.items():
        if is_database(file):
            root = posixpath.dirname(posixpath.dirname(path))
            roots[root] = Fact("database", "written", True) if path in linked else _uses_postgresql(root, file, tree, project)
    # a test, and a file that keeps a log itself, read their own
    readers = {path for path in tree.paths("php") if _READS.search(tree.data(path)) and _TEST.search(path) is None}
    for path, file in files.items():
        for call in file.query_logs:
            bounded = call.is_conditional or call.is_ended or _TEST.search(path) is not None
            above = [root for root in roots if below(path, root)]
            uses = roots[max(above, key=len)] if above else unknown("database", "its config/database.php is not in the repository")
            mine = {one for one in readers if one == path or not (one in files and files[one].query_logs)}
            log = QueryLog(call.span, is_bounded=bounded, uses_postgresql=uses, readers=mine)
            project.query_logs.append(log)


def _uses_postgresql(root: str, file: php.PhpFile, tree: Tree, project: Project) -> Fact[bool]:
    own = read_env(posixpath.join(root, ".env"), "phpdotenv", NOTHING, tree, project) or NOTHING
    wanted = resolve("default", file.default_connection, own) if file.default_connection is not None else None
    if wanted is None or not wanted.is_known:
        return unknown("database", "which connection is the default is not known")
    kinds = [driver(entry, own) for entry in file.connections if entry.name == wanted.value]
    return Fact("database", "written", kinds == ["pgsql"])


_WORKERS = ("queue:work", "horizon", "schedule:work")
_ENDS = lazy(r"--(?:max-time|max-jobs)[= ]+[1-9]|--once\b|--stop-when-empty")
_WEB_SERVER = lazy(r"frankenphp|apache2-foreground")


class Worker:
    """A service whose command runs Laravel's ``queue:work``, ``horizon`` or ``schedule:work`` on PostgreSQL.

    ``connection`` is the one connection its application is known to use, "" when there are several; ``sharer`` a service
    of the stack that answers requests by the same connection, "" when there is none.
    """

    kind = "worker"

    def __init__(self, service: Service, command: str, span: Span, options: str) -> None:
        self.service: str = service.name  # the compose service
        self.command: str = command  # the artisan command it runs
        self.span: Span = span
        self.label: str = f"worker {service.name}"
        self.connection: str = ""
        self.sharer: str = ""
        self.role: Fact[str] = unknown("role", "which role it connects as is not known")  # the role it connects as
        self.web_role: Fact[str] = unknown("role", "which role the web service connects as is not known")  # that of ``sharer``
        self.has_one_file: bool = False  # its stack is one compose file, with nothing laid over it
        self._place = service.span
        self._options = options

    @property
    def is_recycled(self) -> Fact[bool]:
        """Whether its process ends by itself and is started anew; Horizon and the scheduler see to that themselves."""
        if self.command != "queue:work" or _ENDS.search(self._options):
            return default("is_recycled", True)
        if any(sign in self._options for sign in ("\0", "$")):
            return unknown("is_recycled", "its options are not all known", self.span)
        return Fact("is_recycled", "written", False, self.span)

    @property
    def recycling(self) -> Fix | None:
        """It ends after an hour, and is started again; None where other files have a say in that."""
        if not self.has_one_file or format_of(self.span.path) != "compose":
            return None
        from ..formats import compose_command

        edits = compose_command.recycled(self._place, self.span, "--max-time=3600")
        return Fix("let the worker end after an hour, and start it again", "unsafe", tuple(edits)) if edits else None

    @property
    def is_separate(self) -> Fact[bool]:
        """Whether the server can tell it from the requests: no web service connects the same way as the same role."""
        if not self.sharer:
            return default("is_separate", True)
        return derive("is_separate", lambda one, other: one != other, self.role, self.web_role)


def build_workers(linkers: Sequence[Linker], project: Project) -> None:
    """The workers of every stack, and the web services that connect as they do."""
    roles = {id(login.target): login.user for login in project.logins if login.client == "laravel"}
    for linker in linkers:
        links: dict[str, list[Link]] = {}
        for link in linker.links:
            if link.service is not None and link.entry is not None:
                links.setdefault(link.service.name, []).append(link)
        clients = [client for server in linker.ends.distinct() for client in server.consumers]
        clients += [client for behind in linker.behind.values() for client in behind]
        known = {client.service.partition("/")[0] for client in clients if client.pool.is_known and client.kind.startswith("laravel-")}
        for service in linker.stack.services.values():
            worker = _worker(service) if service.name in known else None
            if worker is None:
                continue
            worker.has_one_file = linker.stack.project is not None and len(linker.stack.project.sources) == 1
            project.workers.append(worker)
            mine = links.get(service.name, [])
            if len(mine) != 1:
                continue
            worker.connection = mine[0].entry.name if mine[0].entry is not None else ""
            worker.role = roles.get(id(mine[0].target), worker.role)
            for other, theirs in links.items():
                same = [link for link in theirs if link.entry is mine[0].entry and _place(link) == _place(mine[0])]
                if same and not worker.sharer and _is_web(linker, linker.stack.services[other]):
                    worker.sharer, worker.web_role = other, roles.get(id(same[0].target), worker.web_role)


def _place(link: Link) -> tuple[int, str]:
    return id(link.target.server), link.target.pooler


def _is_web(linker: Linker, service: Service) -> bool:
    """Whether a service is known to answer requests."""
    commands = {call.name for call in artisan.calls(service)}
    if commands & {*_WORKERS}:
        return False
    serves = commands & {*artisan.OCTANE, "serve"} or any(_WEB_SERVER.search(text) for text, _ in service.command)
    return bool(serves or linker.fpms.get(service.name))


def _worker(service: Service) -> Worker | None:
    found = next((call for call in artisan.calls(service) if call.name in _WORKERS), None)
    if found is None:
        return None
    command, options = found
    span = next((span for text, span in service.command if command in text), service.span)
    at = span.text.find(command)
    if at >= 0:
        span = Span(span.source, span.start + at, span.start + at + len(command))
    return Worker(service, command, span, options)


def build_role_limits(project: Project) -> None:
    """What a CONNECTION LIMIT leaves the PHP workers that connect directly as that role; superusers have no limit (PostgreSQL manual).

    Only for a project with a single server, as nothing says on which one its SQL is run.
    """
    limits = {limit.of.partition(" ")[2]: limit.value for limit in project.limits if limit.of.startswith("role ")}
    if len(project.servers) != 1 or not limits:
        return
    server = project.servers[0]
    roles: dict[str, set[str]] = {}  # by service
    places: dict[str, set[Span]] = {}  # by role
    for login in project.logins:
        if login.server is server and login.service and login.client in ("laravel", "pdo", "variables"):
            ordinary = login.user.is_known and login.is_superuser.is_known and not login.is_superuser.value and not login.pooler
            roles.setdefault(login.service, set()).add(login.user.value if ordinary else "")
            if ordinary and login.client != "variables":
                places.setdefault(login.user.value, set()).add(login.span)
    for role, spans in places.items():
        mine = {service for service, names in roles.items() if names == {role}}
        workers = [
            client.at_least
            for client in server.direct
            if client.service.partition("/")[0] in mine and client.at_least.is_known and client.kind.startswith(("php-fpm", "laravel-"))
        ]
        connection = next((one for one in project.connections if one.span in spans), None)
        limit = limits.get(role)
        if connection is not None and limit is not None and not (limit.is_known and limit.value < 0):
            connection.role = role
            connection.role_limit = limit
            if workers:
                connection.workers = derive("PHP workers", lambda *counts: sum(counts), *workers)
                connection.fewer_workers = remedies.fewer_workers(connection.workers, connection.most_workers, limit, project.fpms)
