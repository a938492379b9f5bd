"""The plan that puts PgBouncer between the applications and their server: a service more, and every application pointed at it."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from math import ceil

from . import edits, sizing
from .diagnostic import Edit
from .fact import Fact
from .formats import compose_edit
from .model.addresses import decoded
from .model.logins import Login
from .model.postgres import server_image
from .model.project import Project, Service, Stack
from .model.server import Server
from .patterns import lazy
from .source import Span
from .spelling import SIMPLE
from .tuples import NamedTuple
from .units import INFINITY

NAME = "pgbouncer"

_SIZE = 20  # server connections, PgBouncer's own default, where the server's cores are not known
_LEAST_CLIENTS = 200
_WAIT = 15  # seconds
_DIRECT = ("exporter", "pgbouncer")  # kinds of clients that stay where they are
_BEFORE = lazy(r"//([^\s:/@\"'`]+):([^\s@\"'`]+)@$")  # user and password of a URL, up to its host
_BEHIND = lazy(r"(?::(\d+|\$\{\w+\}))?(?:/([A-Za-z0-9_\-]+))?(?=[?\s\"'`]|\Z)")  # its port and database
_REFERENCE = lazy(r"\$\{\w+\}")
_VARIABLE = lazy(r"([A-Z_][A-Z0-9_]*_|PG)HOST")
_PREPARES = "PDO::PGSQL_ATTR_DISABLE_PREPARES"


class Client(NamedTuple):
    """An application that is to go through PgBouncer, and where its host stands."""

    login: Login
    service: Service
    host: Span


class No(Exception):
    """Why the plan cannot be carried out by edits alone."""


def pooler(server: Server, project: Project) -> tuple[str, list[Edit]]:
    """The numbers and the edits; without edits why there are none."""
    try:
        return _pooler(server, project)
    except No as reason:
        return str(reason), []


def _pooler(server: Server, project: Project) -> tuple[str, list[Edit]]:
    stack = next((stack for stack in project.stacks if server in stack.servers and server.service in stack.services), None)
    if stack is None:
        raise No("the server is in no compose file")
    if any(pooler.server is server for pooler in project.poolers) or (server.has_pooler and not project.poolers):
        raise No("a pooler is there already: point every client at it")
    name = NAME if len(stack.servers) == 1 else f"{NAME}-{server.service}"
    clients = _clients(server, stack, project)
    names = {client.service.name for client in clients}
    usable = server.usable_connections.value
    consumers = [one for one in server.direct if one.service.partition("/")[0] in names]
    count = sum(one.at_least.value for one in consumers if one.at_least.is_known)
    rest = server.known_connections.value - count
    best = server.best_connections
    size = min(int(best.value) if best.is_known and best.value >= 1 else _SIZE, usable - sizing.SPARE - rest)
    if size < 1:
        raise No(f"clients that cannot go through it open {rest} of {usable} connections")
    made = [_service(name, server, stack, clients, size, _most_clients(count), _patience(server, names, project), project.templates)]
    for client in clients:
        made += _pointed(client, server, name)
    made += _unprepared(names, project)
    numbers = f"PgBouncer with {size} server connections for {count} client connections: {rest + size} of {usable} connections"
    return numbers, list({(edit.span, edit.replacement): edit for edit in made}.values())


def _most_clients(count: int) -> int:
    """Room for all clients, and some that come later."""
    return max(_LEAST_CLIENTS, sizing.client_room(count))


def _patience(server: Server, names: set[str], project: Project) -> int:
    """How long a client may wait for a server connection, in seconds: less than it would wait by itself, so that it hears why."""
    waits = [pool.acquire_timeout for pool in project.pools if pool.server is server]
    waits += [fpm.request_terminate_timeout for fpm in project.fpms if fpm.service in names]
    shortest = min((wait.value for wait in waits if wait.is_known), default=INFINITY)
    return max(1, ceil(min(shortest, _WAIT + 1)) - 1)


# --- who goes through it -------------------------------------------------------------------


def _clients(server: Server, stack: Stack, project: Project) -> list[Client]:
    """The logins that are to go through it; every application must have one whose host is written plainly."""
    here = [login for login in project.logins if login.server is server and not login.pooler and login.service in stack.services]
    known = {login.service for login in here}
    for consumer in server.direct:
        name = consumer.service.partition("/")[0]
        if name not in known and consumer.kind not in _DIRECT:
            raise No(f"no file that is read says where {name} connects")
    clients = [_client(login, stack.services[login.service]) for login in here if not login.is_tool]
    if not clients:
        raise No("no application connects to the server")
    _check_shared({client.host for client in clients}, clients, project)
    users = {client.login.user.value if client.login.user.is_known else None for client in clients}
    if len(users) > 1 or None in users:
        named = ", ".join(dict.fromkeys(client.service.name for client in clients))
        raise No(f"the roles of {named} differ or are not known, and PgBouncer needs the password of each")
    return clients


def _client(login: Login, service: Service) -> Client:
    if service.entry.network_mode is not None or login.target.inferred:
        raise No(f"{service.name} does not connect by the server's name")
    span = login.host.span
    if login.host.is_known and span is None:  # a URL of which another part is a variable
        texts = [variable.value_span for variable in service.entry.environment.values() if variable.value is not None]
        found = [text for text in texts if text.text.count(f"@{login.host.value}") == 1]
        if len(found) == 1:
            start = found[0].start + found[0].text.index(f"@{login.host.value}") + 1
            span = Span(found[0].source, start, start + len(login.host.value))
    if not login.host.is_known or span is None or span.source.text[span.end : span.end + 1].isalnum():
        raise No(f"the host of {service.name} is not written plainly")
    return Client(login, service, span)


def _check_shared(places: set[Span], clients: Sequence[Client], project: Project) -> None:
    """Nobody else may take the host from the same place."""
    for login in project.logins:
        if login.host.span in places and not any(login is client.login for client in clients):
            raise No(f"{login.host.span} names the host of {login.service or login.span.path} elsewhere as well")
    for stack in project.stacks:
        servers = {server.service for server in stack.servers}
        for service in stack.services.values():
            held = {fact.span for fact in service.environment.variables.values()}
            if server_image(service) is not None and service.name not in servers and held & places:
                raise No(f"{service.name} runs PostgreSQL's own tools with the same host, and they need the server itself")


def _pointed(client: Client, server: Server, name: str) -> list[Edit]:
    """A client's host, and what it waits for, named PgBouncer."""
    host = client.login.host.value
    edit = Edit(client.host, name) if client.host.text == host else edits.changed(client.host, host, name)
    if edit is None:
        raise No(f"the host of {client.service.name} is not written plainly")
    return [edit, *(Edit(one, name) for one in compose_edit.dependencies(client.service.span, server.service))]


def _unprepared(names: set[str], project: Project) -> list[Edit]:
    """PDO's prepared statements switched off in the connections of PHP services: older PDOs lose theirs behind PgBouncer."""
    made = []
    for connection in project.connections:
        off = (connection.emulate_prepares, connection.disable_prepares)
        if not names & set(connection.services) or any(fact.is_known and fact.value for fact in off):
            continue
        edit = edits.inserted(connection.span, _PREPARES, True, project.templates)
        if edit is None:
            raise No(f"PDO's options at {connection.span} need {_PREPARES}, and where it goes cannot be told")
        made.append(edit)
    return made


# --- the service ---------------------------------------------------------------------------


def _service(
    name: str, server: Server, stack: Stack, clients: Sequence[Client], size: int, most: int, wait: int, templates: Sequence[str]
) -> Edit:
    own = stack.services[server.service]
    place = compose_edit.service_place(own.span, name)
    if place is None or name in stack.services:
        raise No(f"where the service {name} would go in {own.span.path} cannot be told")
    port, user = _port(server, own), clients[0].login.user.value
    for client in clients:
        if _client_port(client) != port:
            raise No(f"the server listens on port {port}, and that {client.service.name} connects there is not certain")
    password = next(filter(None, (_password(client, stack, own) for client in clients)), None)
    if password is None:
        raise No(f"PgBouncer needs the password of {user}, and no variable of .env holds it")
    databases = {_database(client) for client in clients}
    networks = dict.fromkeys(net for one in (own, *(client.service for client in clients)) for net in one.entry.networks or ("default",))
    is_checked = own.entry.healthcheck is not None and own.entry.healthcheck_off is None
    from .edits_added import rendered

    text = rendered(
        "pooler-service",
        templates,
        name=name,
        host=server.service,
        port=port,
        database=_scalar(next(iter(databases))) if len(databases) == 1 and "" not in databases else "",
        user=_scalar(user),
        password=password,
        size=size,
        clients=most,
        wait=wait,
        condition="service_healthy" if is_checked else "service_started",
        networks=list(networks) if list(networks) != ["default"] else [],
        profiles=own.entry.profiles,
    )
    lines = text.replace("\n", f"\n{place.indent}")
    return Edit(Span(own.span.source, place.at, place.at), f"{place.before}{lines}{place.after}")


def _port(server: Server, own: Service) -> int:
    """Where the server listens; PgBouncer takes the same port, so that no client has to change it."""
    fact = server.raw.get("port")
    if "PGPORT" in own.environment.variables or (fact is not None and not fact.is_known):
        raise No("which port the server listens on is not known")
    return int(fact.value) if fact is not None else 5432


def _client_port(client: Client) -> int | None:
    """The port a client connects to, None when that is not known."""
    text = client.host.source.text
    if text[: client.host.start].endswith(("@", "//")):
        found = _BEHIND.match(text, client.host.end)
        written = (found[1] or "5432") if found is not None else ""
    else:
        fact = _beside(client, ("PORT",))
        written = "5432" if fact is None else fact.value if fact.is_known else ""
    return int(written) if written.isdigit() else None


def _database(client: Client) -> str:
    """The database a client uses, "" when that is not plain."""
    text = client.host.source.text
    if text[: client.host.start].endswith(("@", "//")):
        found = _BEHIND.match(text, client.host.end)
        return found[2] or "" if found is not None else ""
    fact = _beside(client, ("DATABASE", "NAME", "DB"))
    return fact.value if fact is not None and fact.is_known else ""


def _beside(client: Client, endings: Sequence[str]) -> Fact[str] | None:
    """A variable that goes with the one that names the host: DB_PASSWORD with DB_HOST."""
    variables = client.service.environment.variables
    for name, fact in variables.items():
        found = _VARIABLE.fullmatch(name) if fact.span == client.host else None
        if found is not None:
            return next((variables[found[1] + ending] for ending in endings if found[1] + ending in variables), None)
    return None


def _password(client: Client, stack: Stack, own: Service) -> str | None:
    """The password of a client as the compose file can say it: by a variable, or as it stands there already."""
    host = client.host
    found = _BEFORE.search(host.source.text, max(host.start - 500, 0), host.start)
    if found is None:
        fact = _beside(client, ("PASSWORD", "PASS"))
        return _variable(fact.value, stack) if fact is not None and fact.is_known else None
    written, is_here = found[2], host.path == own.span.path
    if "$" in written:
        return written if is_here and _REFERENCE.fullmatch(written) else None
    return _variable(decoded(written), stack) or (_scalar(decoded(written)) if is_here else None)


def _variable(password: str, stack: Stack) -> str | None:
    """``${NAME}`` of the variable for compose files that holds a password; that of the applications before an administrator's."""
    names = [name for name, fact in stack.outer.variables.items() if "PASS" in name and fact.is_known and fact.value == password]
    names.sort(key=lambda name: (any(word in name for word in ("ADMIN", "ROOT", "SUPER")), not name.startswith(("DB", "PG", "POSTGRES"))))
    return f"${{{names[0]}}}" if names else None


def _scalar(text: str) -> str:
    """A text as YAML writes it in a compose file."""
    return text if SIMPLE.fullmatch(text) and not text.isdigit() and text[-1] != ":" else dumps(text.replace("$", "$$"), ensure_ascii=False)
