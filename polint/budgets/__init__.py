"""How a budget is shown: one module here is one value of ``polint budget --format``, and none imports another.

What they share is here: the servers with what was computed of them, the order of clients, and where each number stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .. import budget
from ..budget import Part, Scenario
from ..budget_answers import Answers, answers
from ..fact import Fact, show
from ..model.server import Consumer, Server
from ..reporters import clean
from ..tuples import NamedTuple
from ..whatif import NAME as ASSUMED

FORMATS = ("text", "json", "markdown", "mermaid", "svg")


class Budget(NamedTuple):
    """One server's budget, computed."""

    name: str
    server: Server
    scenarios: Sequence[Scenario]
    answers: Answers

    @property
    def steady(self) -> Scenario:
        """The first scenario."""
        return self.scenarios[0]

    @property
    def worst(self) -> Scenario:
        """The scenario that decides."""
        return budget.worst(self.scenarios)

    @property
    def usable(self) -> int | None:
        """Slots that ordinary roles can have, None when that is not known."""
        usable = self.server.usable_connections
        return usable.value if usable.is_known else None


class Row(NamedTuple):
    """One client as tables show it: ``depth`` is 1 for those behind the pooler above it.

    ``at_least`` and ``at_most`` are what it opens in the steady state, or while it runs if it runs ``once``.
    """

    consumer: Consumer
    depth: int
    factors: tuple[str, str, str]  # replicas, processes, pool
    at_least: int | None
    at_most: int | None
    reason: str

    @property
    def counts(self) -> bool:
        """Whether its connections are the server's own; those of clients behind a pooler are not."""
        return self.consumer.through is None

    @property
    def total(self) -> str:
        """Its connections: ``30``, ``30 to 40``, ``at least 30``, ``?``."""
        if self.at_least is None:
            return "?" if self.at_most is None else f"up to {self.at_most}"
        return budget.interval(self.at_least, self.at_most)


def budgets(found: Sequence[Server]) -> list[Budget]:
    """The budgets of these servers, in their order."""
    listed = []
    for server in found:
        scenarios = budget.scenarios(server)
        listed.append(Budget(clean(budget.name_of(server, found)), server, scenarios, answers(server, scenarios)))
    return listed


def rows(server: Server) -> list[Row]:
    """The clients: those of a pooler under it, and what runs once at the end."""
    ordered: list[tuple[Consumer, int]] = []
    poolers = {consumer.service for consumer in server.consumers if consumer.kind == "pgbouncer"}
    behind: dict[str, list[Consumer]] = {}
    for consumer in server.consumers:
        if consumer.through is not None:
            behind.setdefault(consumer.through, []).append(consumer)

    def place(consumer: Consumer, depth: int, seen: frozenset[str]) -> None:
        ordered.append((consumer, depth))
        if consumer.kind == "pgbouncer" and consumer.service not in seen:
            for client in behind.pop(consumer.service, ()):
                place(client, depth + 1, seen | {consumer.service})

    for consumer in (*server.direct, *server.jobs):
        place(consumer, 0, frozenset())
    for name in [*behind]:  # their pooler is not seen here
        for consumer in behind.pop(name, ()):
            place(consumer, 1 if name in poolers else 0, frozenset())
    return [_row(consumer, depth, server) for consumer, depth in ordered]


def _row(consumer: Consumer, depth: int, server: Server) -> Row:
    count = budget.copies(consumer, server)
    least, most = budget.per_copy(consumer)
    known = count.at_least
    return Row(
        consumer,
        depth,
        (number(consumer.replicas), number(consumer.processes), _pool(consumer)),
        known * least if known is not None and least is not None else None,
        known * most if known is not None and most is not None else None,
        budget.why_unknown(consumer),
    )


def number(fact: Fact[Any]) -> str:
    """A factor as tables show it."""
    return show(fact.value) if fact.is_known else "?"


def _pool(consumer: Consumer) -> str:
    least, most = consumer.pool, consumer.highest or consumer.pool
    if least.is_known and most.is_known and least.value != most.value:
        return f"{show(least.value)}-{show(most.value)}"
    return number(least)


class Origin(NamedTuple):
    """Where one number stands: ``place`` is ``path:line:column``, "" where no file has it; ``note`` says what else there is to say."""

    service: str
    fact: str
    value: Any
    place: str
    note: str = ""
    source: Fact[Any] | None = None


def origins(one: Budget) -> Iterator[Origin]:
    """Where every factor stands: of the server, of each client, of each scenario."""
    server = one.server
    for fact in (server.max_connections, server.reserved):
        for leaf in fact.leaves():
            if leaf.is_written and leaf.is_known:
                yield _origin(one.name, leaf)
    extra = _extra_factors(one.scenarios)
    for consumer in server.consumers:
        yield from _of_client(consumer, extra.get(id(consumer), []))


def _of_client(consumer: Consumer, extra: Sequence[Fact[Any]]) -> Iterator[Origin]:
    name = clean(consumer.service)
    for label, fact in (("replicas", consumer.replicas), ("processes", consumer.processes), ("pool", consumer.highest or consumer.pool)):
        for leaf in fact.leaves():
            if leaf.is_known and leaf.span is not None:
                yield _origin(name, leaf)
            elif leaf.is_default and leaf.reason and leaf.value != 1:
                yield Origin(name, leaf.name, leaf.value, "", f"default of {leaf.reason.removeprefix('the image ')}", leaf)
            elif not leaf.is_known:
                yield Origin(name, label, None, place_of(leaf), clean(leaf.reason), leaf)
    for leaf in extra:
        if leaf.is_known and leaf.span is not None:
            yield _origin(name, leaf)
        elif not leaf.is_known:
            yield Origin(name, leaf.name, None, place_of(leaf), clean(leaf.reason), leaf)
    if consumer.once:
        yield Origin(name, "runs once", None, "", clean(consumer.once))
    if consumer.inferred:
        said = f"linked by {consumer.inferred}" if consumer.inferred.startswith("depends_on") else consumer.inferred
        yield Origin(name, "", None, "", clean(said))


def _origin(service: str, leaf: Fact[Any]) -> Origin:
    return Origin(service, leaf.name, clean(leaf.value) if isinstance(leaf.value, str) else leaf.value, place_of(leaf), "", leaf)


def place_of(leaf: Fact[Any]) -> str:
    """Where a fact stands, ``--set`` for what was given there."""
    if leaf.span is None:
        return ""
    return ASSUMED if leaf.span.path == ASSUMED else clean(str(leaf.span))


def _extra_factors(scenarios: Sequence[Scenario]) -> dict[int, list[Fact[Any]]]:
    """What scenarios other than the steady one rest on, by client."""
    found: dict[int, list[Fact[Any]]] = {}
    for scenario in scenarios:
        for part in scenario.parts:
            known = found.setdefault(id(part.consumer), [])
            known += [fact for fact in part.copies.factors if not any(fact is other for other in known)]
    return found


def described(one: Origin) -> str:
    """What an origin says, without its place: ``rust-iss: replicas = 3``."""
    if one.value is not None:
        return f"{one.service}: {one.fact} = {show(one.value)}" + (f"  ({one.note})" if one.note else "")
    said = f"{one.fact} unknown: " if one.fact not in ("", "runs once") else f"{one.fact}: " if one.fact else ""
    return f"{one.service}: {said}{one.note}"


def head(one: Budget) -> str:
    """What the server offers: ``97 usable connections (max_connections 100 - 3 reserved)``."""
    usable, limit = one.server.usable_connections, one.server.max_connections
    if usable.is_known and limit.is_known:
        return f"{usable.value} usable connections (max_connections {limit.value} - {limit.value - usable.value} reserved)"
    return f"usable connections unknown: {clean(usable.reason)}"


def demand(one: Budget, scenario: Scenario) -> str:
    """``50 of 97``, or ``50`` where the server's part is not known."""
    count = budget.interval(scenario.at_least, scenario.at_most)
    return f"{count} of {one.usable}" if one.usable is not None else count


def share(one: Budget, at_least: int | None, at_most: int | None = None) -> str:
    """``52 %`` of the usable connections; "" where that cannot be said."""
    if at_least is None or one.usable is None:
        return ""
    least = budget.percent(at_least, one.usable)
    if at_most is not None and at_most != at_least and one.usable:
        return f"{least.removesuffix(' %')}-{budget.percent(at_most, one.usable)}"
    return least


def part_of(scenario: Scenario, consumer: Consumer) -> Part | None:
    """What a client opens in a scenario; None when it takes no part in it."""
    return next((part for part in scenario.parts if part.consumer is consumer), None)


def left_out(one: Budget) -> str:
    """Clients of other profiles, "" when there are none."""
    return ", ".join(f"{clean(client.service)} (profile {clean(', '.join(client.profiles))})" for client in one.server.left_out)


def advice(one: Budget) -> list[tuple[str, str]]:
    """(name, reason) of everything that is not known in any scenario, each once."""
    found = dict.fromkeys(pair for scenario in one.scenarios for pair in scenario.missing)
    return [(clean(name), clean(reason)) for name, reason in found]
