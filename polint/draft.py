"""A first polint-plan.yaml for a project: what its files say, and as comments what had to be assumed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from . import sizing
from .budget import name_of
from .bundle.plan import ADDED
from .bundle.planfile import NAME as NAME
from .bundle.planfile import PlanError, parse
from .fact import Fact
from .model.project import Project, Service
from .model.resolve import resolve
from .model.server import Consumer, Server
from .patterns import lazy
from .reporters import clean
from .source import Source
from .tuples import NamedTuple
from .units import Bytes

_HEAD = """\
# What polint generate makes a bundle of; polint init took it from this project's files.
# "assumed" marks what no file says: look at these lines first.
"""
_NO_NAME = lazy(r"[^a-z0-9_]+")
_IDENTIFIER = lazy(r"[a-z_][a-z0-9_]{0,62}\Z")
_MOST = 1000  # a plan has no larger numbers of anything
_LONGEST = 100  # characters of a comment
_GUESS = 5  # connections of a client that nothing is known of
_LEFT_OUT = ("exporter", "pgbouncer")  # the bundle has its own


_GIVES_WAY = ("max-connections", "memory")
"""What of today's server gives way, one after the other, where the services of today do not fit it."""


class Line(NamedTuple):
    """A key with its value, and the comment behind it."""

    key: str
    value: object
    note: str = ""


def draft(project: Project, servers: Sequence[Server], root: str) -> tuple[str, Server] | None:
    """The plan's text and the server it is about, the one with most clients; None without a server that has any."""
    candidates = [server for server in servers if any(one.kind not in _LEFT_OUT for one in server.consumers)]
    if not candidates:
        return None
    server = max(candidates, key=lambda one: len(one.consumers))
    for given_up in range(len(_GIVES_WAY) + 1):
        text = _text(project, server, servers, root, _GIVES_WAY[:given_up])
        try:
            parse(Source("", text)).laid_out()
        except PlanError:
            continue
        return text, server
    return None


def _text(project: Project, server: Server, servers: Sequence[Server], root: str, left_out: Sequence[str]) -> str:
    lines = [*_HEAD.splitlines()]
    others = [name_of(other, servers) for other in servers if other is not server]
    if others:
        lines.append(f"# It is about the server {name_of(server, servers)}; a plan has one, and there are others:")
        lines += [f"#   {_comment(other)}" for other in others]
    stack = next((stack for stack in project.stacks if server in stack.servers), None)
    model = stack.project if stack is not None else None
    stated = resolve("name", model.name, stack.outer) if stack is not None and model is not None and model.name is not None else None
    name = str(stated.value) if stated is not None and stated.is_known else os.path.basename(os.path.abspath(root))
    lines.append(f"project: {_name(name)}")
    services = stack.services if stack is not None else {}
    lines += ["", "services:"]
    taken = dict.fromkeys(ADDED, 1)
    for consumers in _by_service(server):
        lines += _service(consumers, server, project, taken)
    lines += ["", "database:"]
    lines += [_line(one) for one in _database(server, services.get(server.service), left_out)]
    lines += ["", _line(Line("requests-per-minute", 600, "assumed: no file says it"), "")]
    if any(one.kind == "pgbouncer" for one in server.direct) or any(pooler.server is server for pooler in project.poolers):
        lines.append(_line(Line("pgbouncer", "always", "as today"), ""))
    return "\n".join(lines) + "\n"


# --- the server ----------------------------------------------------------------------------


def _database(server: Server, service: Service | None, left_out: Sequence[str]) -> Iterator[Line]:
    variables = service.environment.variables if service is not None else {}
    name = variables.get("POSTGRES_DB")
    if name is not None and name.is_known and _IDENTIFIER.match(str(name.value)) and not _refused(f"{{name: {name.value}}}"):
        yield Line("name", name.value)
    if server.major is not None and not _refused(f"{{version: {server.major}}}"):
        yield Line("version", server.major)
    else:
        yield Line("version", 17, f"assumed: {f'the files have {server.major}' if server.major else 'no file says it'}")
    cores = server.cores
    if cores.is_known and 0 < cores.value <= 1024:
        yield Line("cores", f"{cores.value:g}")
    else:
        yield Line("cores", 4, f"assumed: {cores.reason or 'it is none of a machine'}")
    if server.spindles.is_known and not server.spindles.is_default and server.spindles.value:
        yield Line("spindles", server.spindles.value)
    memory = server.memory
    if "memory" in left_out and memory.is_known:
        yield Line("memory", "64GB", f"assumed: today's {memory.value} has no room for these services")
    elif memory.is_known and not _refused(f"{{memory: {_size(memory.value)}}}"):
        yield Line("memory", _size(memory.value))
    else:
        yield Line("memory", "4GB", f"assumed: {memory.reason or 'it is too little'}")
    limit = server.max_connections
    if limit.is_written and limit.is_known:
        if "max-connections" not in left_out and 5 <= limit.value <= 10_000:
            yield Line("max-connections", limit.value)
        else:
            yield Line("# max-connections", limit.value, "today's, which has no room for these services")


def _refused(database: str) -> bool:
    """Whether a plan cannot have these facts of its database."""
    try:
        parse(Source("", f"project: x\nservices: {{x: sqlx}}\ndatabase: {database}\n"))
    except PlanError:
        return True
    return False


# --- the services --------------------------------------------------------------------------


def _by_service(server: Server) -> list[list[Consumer]]:
    """The clients that a plan names, those of one service and kind together."""
    found: dict[tuple[str, str], list[Consumer]] = {}
    for one in server.consumers:
        if one.kind not in _LEFT_OUT and not (one.replicas.is_known and one.replicas.value < 1):
            found.setdefault((one.service, one.kind), []).append(one)
    return list(found.values())


def _service(consumers: Sequence[Consumer], server: Server, project: Project, taken: dict[str, int]) -> Iterator[str]:
    first = consumers[0]
    name = _name(first.service)
    taken[name] = taken.get(name, 0) + 1
    yield f"  {name}{f'-{taken[name]}' if taken[name] > 1 else ''}:"
    container = server.containers.get(first.service.partition("/")[0])
    lines = [*_sizes(consumers, project)]
    if container is not None:
        order, parallelism = container.update_order, container.update_parallelism
        if order.is_known and order.value == "start-first":
            lines.append(Line("deploy", "start-first"))
            if parallelism.is_known and not parallelism.is_default:
                lines.append(Line("parallelism", int(parallelism.value) if parallelism.value <= _MOST else 0))
        memory = container.memory
        if memory.is_written and memory.is_known and Bytes(1 << 20) <= memory.value <= 64 << 40:
            lines.append(Line("memory", _size(memory.value)))
    yield from (_line(line, "    ") for line in lines)


def _sizes(consumers: Sequence[Consumer], project: Project) -> Iterator[Line]:
    """The kind of a service, and the numbers that make its connections."""
    one = consumers[0]
    replicas = _number("replicas", one.replicas, 1)
    pool = _sum([each.highest if each.highest is not None and each.highest.is_known else each.pool for each in consumers])
    if one.kind == "sqlx":
        yield Line("kind", "sqlx")
        yield replicas
        if pool is not None and not all(each.pool.is_default for each in consumers):
            yield Line("pool", pool)
        elif pool is None:
            yield Line("# pool", sizing.POOL, f"assumed: {one.pool.reason}")
    elif one.kind == "php-fpm" or (one.kind == "php" and project.connections):
        sure = one.kind == "php-fpm" and project.connections
        yield Line("kind", "laravel-fpm", "" if sure else f"assumed: {one.pool.reason or 'php-fpm, and no Laravel configuration was read'}")
        yield replicas
        yield from _workers(one)
        yield Line("memory-per-worker", "64MB", "assumed: measure it at its peak")
    elif one.kind == "laravel-horizon":
        yield Line("kind", "laravel-horizon")
        yield replicas
        yield from _workers(one)
    elif one.kind == "laravel-queue":
        yield Line("kind", "laravel-queue")
        yield replicas
    else:
        yield Line("kind", "other", {"stated": "as polint.toml states it", "unknown": ""}.get(one.kind, one.kind))
        yield replicas
        processes = one.processes.value if one.processes.is_known else None
        if pool is None or processes is None:
            yield Line("pool", _GUESS, f"assumed: {one.pool.reason or one.processes.reason}")
        else:
            yield Line("pool", min(max(pool * processes, 1), _MOST))


def _workers(one: Consumer) -> Iterator[Line]:
    if one.kind == "php":
        return  # as many as its memory has room for
    if not one.processes.is_known:
        yield Line("# processes", 10, f"assumed: {one.processes.reason}")
    elif not one.processes.is_default:
        yield Line("processes", min(max(one.processes.value, 1), _MOST))


def _sum(sizes: Sequence[Fact[int]]) -> int | None:
    known = [size.value for size in sizes if size.is_known]
    return min(max(sum(known), 1), _MOST) if len(known) == len(sizes) else None


def _number(key: str, fact: Fact[int], otherwise: int) -> Line:
    return Line(key, min(max(fact.value, 1), _MOST)) if fact.is_known else Line(key, otherwise, f"assumed: {fact.reason}")


# --- as YAML -------------------------------------------------------------------------------


def _name(text: str) -> str:
    """The nearest name that a plan takes."""
    name = _NO_NAME.sub("-", text.lower()).strip("-_")
    return (name if name[:1].isalpha() else f"app-{name}".rstrip("-"))[:36].rstrip("-_")


def _size(size: int) -> str:
    return f"{max(int(size) >> 20, 1)}MB" if size % (1 << 30) else f"{int(size) >> 30}GB"


def _line(line: Line, indent: str = "  ") -> str:
    key, value, note = line
    text = f"{indent}{key}: {value}"
    return f"{text}  # {_comment(note)}" if note else text


def _comment(text: str) -> str:
    """A text that ends where its line does, without secrets."""
    text = clean(" ".join(text.split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
