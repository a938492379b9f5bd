"""What this project itself says about the cause of an error: its numbers, and the places where they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import budget
from .fact import Fact, show
from .source import Span
from .start import within
from .tuples import NamedTuple

if TYPE_CHECKING:
    from .model.project import Project
    from .model.server import Consumer, Server

_MOST_PLACES = 3
_MOST_REASONS = 2


class Place(NamedTuple):
    """A line of a file; None is the file as a whole."""

    path: str
    line: int | None

    def __str__(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"


class Line(NamedTuple):
    """One thing to know, and where it is written."""

    text: str
    places: tuple[Place, ...] = ()


def lines(project: Project, wanted: Iterable[str]) -> list[Line]:
    """What matters of the project; each of ``wanted`` is a kind of thing, and the settings of it."""
    found: list[Line] = []
    for want in wanted:
        kind, *names = want.split()
        found += _VIEWS[kind](project, names)
    return list(dict.fromkeys(found))


def narrow(project: Project, prefixes: Sequence[str]) -> bool:
    """Leave in ``project`` what lies under ``prefixes`` alone; whether a server lies there, as else it stays whole."""
    own = [server for server in budget.servers(project) if any(within(path, prefixes) for path in budget.paths(server))]
    if own:
        project.servers = own
        project.pools = [pool for pool in project.pools if within(pool.span.path, prefixes)]
        project.poolers = [pooler for pooler in project.poolers if within(pooler.span.path, prefixes)]
        project.fpms = [fpm for fpm in project.fpms if within(fpm.span.path, prefixes)]
        project.limits = [limit for limit in project.limits if within(limit.span.path, prefixes)]
        project.logins = [login for login in project.logins if within(login.span.path, prefixes)]
        project.containers = [container for container in project.containers if within(container.span.path, prefixes)]
        project.problems = [problem for problem in project.problems if within(problem.span.path, prefixes)]
    return bool(own)


def places(project: Project, at: str) -> tuple[Place, ...]:
    """Where what ``at`` names is edited."""
    spans: list[Span | None] = []
    if at == "largest":
        for server in budget.servers(project):
            known = [consumer for consumer in server.direct if consumer.at_least.is_known]
            if known:
                largest = max(known, key=lambda consumer: consumer.at_least.value)
                own = _spans(largest.pool if largest.pool.is_written or largest.pool.sources else largest.processes)
                spans += own or [largest.span]
    elif at == "limit":
        spans = [limit.value.span or limit.span for limit in project.limits]
    elif at in _OF_POOLS:
        spans = [span for pool in project.pools for span in _spans(getattr(pool, _OF_POOLS[at])) or [pool.span]]
    elif at in _OF_POOLERS:
        spans = [span for pooler in project.poolers for span in _spans(getattr(pooler, at)) or [pooler.home or pooler.span]]
    elif at == "pooler":
        spans = [pooler.home or pooler.span for pooler in project.poolers]
    elif at in ("fpm", "max_children"):
        spans = [span for fpm in project.fpms for span in _spans(fpm.max_children) or [fpm.home]]
    else:
        for server in budget.servers(project):
            if at in _OF_SERVERS:
                spans += _spans(getattr(server, at)) or [server.home or server.span]
            elif at == "memory":
                spans += _spans(server.memory) or [server.span]
            else:
                spans.append(server.home or server.span if at == "server" else server.span)
    return _places(spans)


_OF_POOLS = {"pool": "max_connections", "acquire_timeout": "acquire_timeout", "idle_timeout": "idle_timeout"}
_OF_POOLERS = frozenset(
    "pool_mode default_pool_size max_client_conn query_wait_timeout max_prepared_statements ignore_startup_parameters".split()
)
_OF_SERVERS = frozenset("max_connections statement_timeout idle_in_transaction_session_timeout idle_session_timeout work_mem".split())


def _servers(project: Project, names: Sequence[str]) -> Iterator[Line]:
    """Each server with the settings of these names; without names, with who opens how many of its connections."""
    found = sorted(budget.servers(project), key=lambda server: -server.known_connections.value)
    for server in found:
        name = budget.name_of(server, found)
        if names:
            yield from _settings(name, server, names)
            continue
        usable = server.usable_connections
        if usable.is_known:
            text = f"{name}: {_said(server.max_connections)}, {usable.value} of them for ordinary roles"
        else:
            text = f"{name}: usable connections unknown: {usable.reason}"
        yield Line(text, _places(_spans(server.max_connections)))
        yield from map(_consumer, sorted(server.direct, key=_weight))
        yield from _sums(server)


def _weight(consumer: Consumer) -> tuple[bool, int]:
    """The largest first, those of unknown size last."""
    return not consumer.at_least.is_known, -consumer.at_least.value if consumer.at_least.is_known else 0


def _consumer(consumer: Consumer) -> Line:
    """Who opens how many, and where each factor is written."""
    total = consumer.at_least
    if not total.is_known:
        return Line(f"{consumer.service}: unknown: {total.reason}", _places(_spans(total) or [consumer.span]))
    factors = [fact for fact in (consumer.replicas, consumer.processes, consumer.pool) if not (fact.is_default and fact.value == 1)]
    product = " x ".join(f"{fact.name} {show(fact.value)}" for fact in factors) or "connections 1"
    text = f"{consumer.service}: {product}" + (f" = {total.value}" if len(factors) > 1 else "")
    most = consumer.at_most
    if not most.is_known:
        text += " or more"
    elif most.value != total.value:
        text += f" to {most.value}"
    return Line(text, _places(_spans(total) or [consumer.span]))


def _sums(server: Server) -> Iterator[Line]:
    """What the clients come to, in each state of the stack, and what that means here."""
    found = budget.scenarios(server)
    usable = server.usable_connections
    if not server.direct:
        yield Line("no client of it was found in these files")
        return
    for one in found:
        count = str(one.at_least) if one.at_most == one.at_least else f"at least {one.at_least}"
        text = f"{one.title}: {count}" + (f" of {usable.value}" if usable.is_known else " connections")
        if usable.is_known and one.verdict == "over":
            yield Line(f"{text}: {one.at_least - usable.value} too many")
        elif one.verdict == "fits":
            yield Line(f"{text}: it fits")
        else:
            missing = [f"{name} ({reason})" if number < _MOST_REASONS else name for number, (name, reason) in enumerate(one.missing)]
            yield Line(f"{text}; unknown: {', '.join(missing)}")
    if all(one.verdict == "fits" for one in found):
        yield Line("as it fits, look for what these files do not show: psql, jobs, other stacks, sessions of superusers")


def _settings(name: str, section: Any, names: Sequence[str]) -> Iterator[Line]:
    """One line for the settings of a thing: values, and where they are written; some only where a file sets them."""
    facts: list[Fact[Any]] = [fact for one in names if (fact := getattr(section, one, None) or section.raw.get(one)) is not None]
    if facts:
        yield Line(f"{name}: {', '.join(map(_said, facts))}", _places([span for fact in facts for span in _spans(fact)]))


def _pools(project: Project, names: Sequence[str]) -> Iterator[Line]:
    for pool in project.pools:
        yield from _settings(pool.label, pool, names)


def _poolers(project: Project, names: Sequence[str]) -> Iterator[Line]:
    """Each PgBouncer with these settings, and what its clients can open."""
    for pooler in project.poolers:
        yield from _settings(pooler.label, pooler, names)
        if "max_client_conn" in names and pooler.has_clients:
            count = pooler.client_connections
            yield Line(f"{pooler.label}: its known clients can open {count.value}", _places(_spans(count)))
        if "default_pool_size" in names and pooler.connections_to_server.is_known and pooler.server is not None:
            count = pooler.connections_to_server
            usable = pooler.server.usable_connections
            room = f", which has {usable.value}" if usable.is_known else ""
            yield Line(f"{pooler.label}: its pools can open {count.value} on {pooler.server.label}{room}")


def _fpms(project: Project, names: Sequence[str]) -> Iterator[Line]:
    for fpm in project.fpms:
        yield from _settings(fpm.label, fpm, names)


def _limits(project: Project, names: Sequence[str]) -> Iterator[Line]:
    for limit in project.limits:
        yield Line(f"{limit.of}: {_said(limit.value)}", _places([limit.value.span or limit.span]))


def _logins(project: Project, names: Sequence[str]) -> Iterator[Line]:
    for login in project.logins:
        if login.user.is_known:
            server = f" to {login.server.label}" if login.server is not None else ""
            via = f" through {login.pooler}" if login.pooler else ""
            yield Line(
                f"{login.service or login.client} logs in{server}{via} as {login.user.value}", _places([login.user.span or login.span])
            )


def _containers(project: Project, names: Sequence[str]) -> Iterator[Line]:
    for container in project.containers:
        if container.memory.is_known and (container.has_fpm or any(server.container is container for server in project.servers)):
            yield from _settings(container.label, container, ["memory"])


def _problems(project: Project, names: Sequence[str]) -> Iterator[Line]:
    """What keeps a server from starting."""
    for problem in project.problems:
        if problem.is_fatal and problem.format == "postgresql.conf":
            yield Line(f"PostgreSQL does not start with this: {problem.message}", _places([problem.span]))


_VIEWS = {
    "servers": _servers,
    "pools": _pools,
    "poolers": _poolers,
    "fpms": _fpms,
    "limits": _limits,
    "logins": _logins,
    "containers": _containers,
    "problems": _problems,
}


def _said(fact: Fact[Any]) -> str:
    """``max_connections 100``, and whose default it is."""
    if not fact.is_known:
        return f"{fact.name} unknown ({fact.reason})"
    whose = f" ({fact.reason}'s default)" if fact.is_default and fact.reason else " (default)" if fact.is_default else ""
    return f"{fact.name} {show(fact.value)}{whose}"


def _spans(fact: Fact[Any]) -> list[Span | None]:
    return [leaf.span for leaf in fact.leaves() if leaf.span is not None]


def _places(spans: Iterable[Span | None]) -> tuple[Place, ...]:
    """Each place once; an empty span is somewhere in its file."""
    found = (Place(span.path, span.place[0] if span.end > span.start else None) for span in spans if span is not None)
    return tuple(dict.fromkeys(found))[:_MOST_PLACES]
