"""Plans for a server whose clients can open more connections than it has: alternatives with their numbers, each a fix over many files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import edits, sizing
from .budget import name_of
from .diagnostic import Diagnostic, Edit, Fix
from .fact import Fact
from .model.project import Project
from .model.server import Consumer, Server
from .sizing import Need
from .source import Span
from .tuples import NamedTuple

if TYPE_CHECKING:
    from .model.client import Fpm

RULE = "connections-over-budget"
NAMES = ("shrink", "raise", "pooler")

_LIMITS = (100, 150, 200, *range(300, 1000, 100), *range(1000, 10_001, 500))  # values of max_connections that people choose
_SLOT = 50e3  # bytes of shared memory a slot takes, used or not


class Plan(NamedTuple):
    """One way to make the connections fit: ``numbers`` say what becomes of them; without a ``fix`` they say why there is none."""

    name: str
    numbers: str
    fix: Fix | None = None


def over_committed(project: Project) -> list[Server]:
    """The servers whose known clients can open more connections than there are, as rule PO101 has them."""
    return [server for server in project.servers if server.has_clients and server.utilisation.is_known and server.left.value < 0]


def plans(server: Server, project: Project) -> list[Plan]:
    """The alternatives for one over-committed server."""
    return [plan(name, server, project) for name in NAMES]


def plan(name: str, server: Server, project: Project) -> Plan:
    """One of them, by its name."""
    if name == "pooler":
        from .plan_pooler import pooler

        return _finished(*pooler(server, project), name, "put PgBouncer in between")
    if name == "shrink":
        return _finished(*shrink(server, project), name, "shrink the pools")
    return _finished(*raise_limit(server, project.templates), name, "raise max_connections")


def _finished(numbers: str, made: Sequence[Edit], name: str, title: str) -> Plan:
    return Plan(name, numbers, Fix(f"{title}: {numbers}", "unsafe", tuple(made)) if made else None)


def attach(name: str, diagnostics: Iterable[Diagnostic], project: Project, concerns: Callable[[Diagnostic], bool]) -> list[Diagnostic]:
    """The diagnostics with the plan as the only fix: that of each over-committed server which is reported and ``concerns`` the caller."""
    servers = over_committed(project)

    def mend(diagnostic: Diagnostic) -> Callable[[], Fix | None] | None:
        server = reported(diagnostic, servers) if diagnostic.name == RULE and concerns(diagnostic) else None
        return (lambda: plan(name, server, project).fix) if server is not None else None

    return [one._replace(mend=mend(one)) for one in diagnostics]


def reported(diagnostic: Diagnostic, servers: Iterable[Server]) -> Server | None:
    """The server that a diagnostic is about."""
    for server in servers:
        span = server.max_connections.span or server.span
        if (span.path, span.start) == (diagnostic.span.path, diagnostic.span.start):
            return server
    return None


def lines(servers: Sequence[Server], project: Project) -> Iterator[str]:
    """What could be done about each of the servers, a line a plan, and the command that does it."""
    for server in servers:
        yield f"{name_of(server, servers)}: {_of(server, server.known_connections.value, server.usable_connections.value)}; plans:"
        ready = plans(server, project)
        for one in ready:
            yield f"  {'' if one.fix is not None else 'no '}{one.name}: {one.numbers}"
        names = [one.name for one in ready if one.fix is not None]
        if names:
            yield f"  polint fix --plan {names[0] if len(names) == 1 else 'NAME'} --unsafe"


def _of(server: Server, count: int, usable: int) -> str:
    return f"{server.bound}{count} of {usable} connections"


# --- shrink --------------------------------------------------------------------------------


class Knob:
    """A number that decides how many connections clients open: ``weight`` of them for each unit of ``value``."""

    def __init__(self, fact: Fact[int], least: int, place: Span, fpms: Sequence[Fpm] = (), templates: Sequence[str] = ()) -> None:
        self.fact = fact
        self.value: int = fact.value
        self.least = min(max(least, 1), self.value)
        self.place = place  # where it is written down if nobody has
        self.fpms = fpms
        self.templates = templates
        self.weight = 0
        self.names: list[str] = []

    def edits(self, size: int) -> list[Edit] | None:
        """The edits that make it ``size``; None when it cannot be told how its file says that."""
        if self.fact.is_written and self.fact.span is not None:
            made = [edits.changed(self.fact.span, self.value, size)]
        elif self.fact.is_default:
            made = [edits.inserted(self.place, self.fact.name, size, self.templates)]
        else:
            return None
        for fpm in self.fpms:
            spare = fpm.max_spare_servers
            if _is_dynamic(fpm) and spare.is_known and spare.value > size and spare.span != self.fact.span:
                made.append(edits.changed(spare.span, spare.value, size) if spare.span is not None else None)
        whole = [edit for edit in made if edit is not None]
        return whole if len(whole) == len(made) else None


def shrink(server: Server, project: Project) -> tuple[str, list[Edit]]:
    """Every pool in proportion, until all fit with room left, or some to spare where minimums are in the way: (the numbers, the edits)."""
    usable = server.usable_connections.value
    knobs, rest, stuck = _knobs(server, project)
    while True:
        needs = [Need(knob.value, knob.least, knob.weight) for knob in knobs]
        sizes = sizing.in_proportion(needs, sizing.room(usable) - rest)
        if sizes is None:
            sizes = sizing.in_proportion(needs, usable - sizing.SPARE - rest)
        if sizes is None:
            least = rest + sum(knob.weight * knob.least for knob in knobs)
            return f"it cannot fit: {_least(least, usable, stuck)}", []
        made = {id(knob): knob.edits(size) if size < knob.value else [] for knob, size in zip(knobs, sizes, strict=True)}
        fixed = [knob for knob in knobs if made[id(knob)] is None]
        if not fixed:
            break
        for knob in fixed:  # then the others have to give more
            rest += knob.weight * knob.value
            stuck.append(f"the {knob.fact.name} of {_and(knob.names)} cannot be changed where it is written")
        knobs = [knob for knob in knobs if knob not in fixed]
    changes = [f"{_and(knob.names)} {knob.value} -> {size}" for knob, size in zip(knobs, sizes, strict=True) if size < knob.value]
    total = rest + sum(knob.weight * size for knob, size in zip(knobs, sizes, strict=True))
    every = {(edit.span, edit.replacement): edit for found in made.values() for edit in found or ()}
    return f"{', '.join(changes)}: {_of(server, total, usable)}", list(every.values())


def _least(least: int, usable: int, stuck: Sequence[str]) -> str:
    text = f"with each pool at its least there are {least} of {usable} connections, and {sizing.SPARE} are to spare"
    return f"{text}; {'; '.join(stuck)}" if stuck else text


def _knobs(server: Server, project: Project) -> tuple[list[Knob], int, list[str]]:
    """What can be turned, the connections that nothing here changes, and whose they are."""
    makers = _makers(project)
    found: dict[object, Knob] = {}
    rest = 0
    stuck: list[str] = []
    for consumer in server.direct:
        if not consumer.at_least.is_known or not consumer.at_least.value:
            continue
        factors = (consumer.replicas.value, consumer.processes.value, consumer.pool.value)
        terms = _terms(consumer, makers)
        if terms is None:
            terms = []
            stuck.append(f"{consumer.service} opens {consumer.at_least.value}, and what decides that cannot be changed by itself")
        turned = 0
        for fact, each in terms:
            knob = makers[id(fact)]()
            key = (knob.fact.span.path, knob.fact.span.start) if knob.fact.span is not None else id(fact)
            knob = found.setdefault(key, knob)
            if knob.value != fact.value:  # it is made of the same text in another way
                continue
            knob.weight += each
            turned += each * fact.value
            if consumer.service not in knob.names:
                knob.names.append(consumer.service)
        rest += factors[0] * factors[1] * factors[2] - turned
    return list(found.values()), rest, stuck


def _terms(consumer: Consumer, makers: dict[int, Callable[[], Knob]]) -> list[tuple[Fact[int], int]] | None:
    """The facts that a client's connections grow with, and by how much each; None when it is not that simple."""
    if id(consumer.processes) in makers:
        return [(consumer.processes, consumer.replicas.value * consumer.pool.value)]
    parts = _parts(consumer.pool)
    if parts is None:
        return None
    times = consumer.replicas.value * consumer.processes.value
    return [(fact, each * times) for fact, each in parts if id(fact) in makers] or None


def _parts(fact: Fact[int]) -> list[tuple[Fact[int], int]] | None:
    """A number as a sum of multiples of others, told from the values; None when it is neither sum nor multiple."""
    if fact.origin != "derived":
        return [(fact, 1)]
    sources = [source for source in fact.sources if source.name != "users"]  # how many share a PgBouncer: a plain factor
    values = [source.value for source in sources]
    if len(values) == 1 and values[0] and fact.value % values[0] == 0:
        each = fact.value // values[0]
    elif len(values) > 1 and sum(values) == fact.value:
        each = 1
    else:
        return None
    parts: list[tuple[Fact[int], int]] = []
    for source in sources:
        inner = _parts(source)
        if inner is None:
            return None
        parts += [(one, times * each) for one, times in inner]
    return parts


def _makers(project: Project) -> dict[int, Callable[[], Knob]]:
    """What makes a knob of each size that files can state, by the fact it is."""

    def of(fact: Fact[Any], place: Span) -> Callable[[], Knob]:
        pools = [pool for pool in project.pools if pool.max_connections is fact or _same(pool.max_connections, fact)]
        fpms = [fpm for fpm in project.fpms if fpm.max_children is fact or _same(fpm.max_children, fact)]
        least = [pool.min_connections for pool in pools if not pool.min_connections.is_default]
        for fpm in fpms if any(map(_is_dynamic, fpms)) else ():
            least += [fpm.start_servers, fpm.min_spare_servers]
        bound = [fact.value if not one.is_known else one.value for one in least if not _same(one, fact)]
        return lambda: Knob(fact, max(bound, default=1), place, fpms, project.templates)

    found: dict[int, Callable[[], Knob]] = {}
    for fact, place in [
        *((pool.max_connections, pool.span) for pool in project.pools),
        *((fpm.max_children, fpm.span) for fpm in project.fpms),
        *((pooler.default_pool_size, pooler.span) for pooler in project.poolers),
    ]:
        if fact.is_known and not _is_stated(fact):
            found[id(fact)] = of(fact, place)
    return found


def _same(one: Fact[Any], other: Fact[Any]) -> bool:
    """Whether both are decided at one place."""
    return one.span is not None and one.span == other.span


def _is_dynamic(fpm: Fpm) -> bool:
    return fpm.pm.is_known and fpm.pm.value == "dynamic"


def _is_stated(fact: Fact[Any]) -> bool:
    """Whether only polint's own configuration says so, which changes nothing that runs."""
    return fact.span is not None and fact.span.path.rpartition("/")[2] in ("polint.toml", "pyproject.toml")


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# --- raise ---------------------------------------------------------------------------------


def raise_limit(server: Server, templates: Sequence[str] = ()) -> tuple[str, list[Edit]]:
    """max_connections as high as the clients need, a fifth to spare: (the numbers and what it costs, the edits)."""
    fact, count, reserved = server.max_connections, server.known_connections.value, server.reserved.value
    limit = next((one for one in _LIMITS if one > fact.value and count <= sizing.room(one - reserved)), None)
    if limit is None:
        return f"{_of(server, count, server.usable_connections.value)} are beyond what one server can serve", []
    if _is_stated(fact):
        return f"only polint's configuration states max_connections ({fact.span})", []
    if fact.span is not None and _is_of_first_start(fact.span):
        return f"{fact.span} counts only when the data directory is made; a server that runs needs ALTER SYSTEM and a restart", []
    if fact.is_written and fact.span is not None:
        edit = edits.changed(fact.span, fact.value, limit)
    else:
        edit = edits.inserted(_conf(server) or server.span, "max_connections", limit, templates)
    if edit is None:
        return f"how max_connections at {fact.span or server.span} would become {limit} cannot be told", []
    numbers = f"max_connections {fact.value} -> {limit}: {_of(server, count, limit - reserved)}"
    return f"{numbers}; about +{_memory(server, limit - fact.value)} memory when all are busy, and it takes a restart", [edit]


def _is_of_first_start(span: Span) -> bool:
    """Whether a running server would not notice a change there: init scripts, and variables that only initdb and its like read."""
    line = span.source.line(span.place[0])
    return span.path.endswith((".sql", ".sh")) or any(name in line for name in ("POSTGRES_INITDB_ARGS", "TS_TUNE_"))


def _conf(server: Server) -> Span | None:
    """A setting in the configuration file of the server, beside which another one can stand."""
    spans = [fact.span for fact in server.raw.values() if fact.is_written and fact.span is not None]
    return next((span for span in reversed(spans) if span.path.endswith(".conf") and not span.path.endswith(".auto.conf")), None)


def _memory(server: Server, more: int) -> str:
    """What so many further connections take: their slots, and backends with warm caches and one work_mem each."""
    work_mem = server.work_mem
    size = more * (_SLOT + sizing.BACKEND + (work_mem.value if work_mem.is_known else 0))
    return f"{size / 1e9:.1f} GB" if size >= 95e6 else f"{size / 1e6:.0f} MB"
