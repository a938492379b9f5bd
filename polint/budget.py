"""The budget: who can open how many connections to which server in which situation, and whether it fits.

Only the computation is here; polint.budgets has the views of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from . import sizing
from .fact import Fact
from .model.project import Project
from .model.server import Consumer, Server
from .tuples import NamedTuple

TITLES = {
    "steady": "steady",
    "deploy": "rolling deploy",
    "autoscale": "autoscaled",
    "jobs": "with one-off jobs",
    "peak": "all at once",
}
"""The scenarios in their order, and what people call them."""


class Copies(NamedTuple):
    """How many copies of a service run: at least, and (None: not known) at most; ``factors`` are what decides beside its replicas."""

    at_least: int | None
    at_most: int | None
    factors: tuple[Fact[Any], ...] = ()
    reason: str = ""  # why it is not known at most


class Part(NamedTuple):
    """What one client can open in a scenario; None where that is not known, and ``reason`` why."""

    consumer: Consumer
    copies: Copies
    at_least: int | None
    at_most: int | None
    reason: str = ""


class Scenario(NamedTuple):
    """One state of the stack: what all clients can open, at least and (None: not known) at most, and whether it fits.

    ``missing`` is (name, reason) of everything that is not known about it.
    """

    name: str
    verdict: str  # fits, over, unknown
    at_least: int
    at_most: int | None
    parts: tuple[Part, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """What people call it."""
        return TITLES[self.name]


def steady(server: Server) -> Scenario:
    """Every service at its stated size, nothing rolling out."""
    return _scenario("steady", server)


def scenarios(server: Server) -> list[Scenario]:
    """The steady state, and every other one in which the files say that more is open."""
    first = steady(server)
    found = [first]
    deploy, autoscale = _scenario("deploy", server), _scenario("autoscale", server)
    if _counts(deploy) != _counts(first):
        found.append(deploy)
    if _counts(autoscale) != _counts(first):
        found.append(autoscale)
    if server.jobs:
        found.append(_scenario("jobs", server))
    if len(found) > 2:
        found.append(_scenario("peak", server))
    return found


def worst(found: Sequence[Scenario]) -> Scenario:
    """The one that decides: over before unknown before fits, and of several the one with most connections."""
    order = ("fits", "unknown", "over")
    decisive = found[0]
    for one in found[1:]:
        if (order.index(one.verdict), one.at_least) > (order.index(decisive.verdict), decisive.at_least):
            decisive = one
    return decisive


def _counts(scenario: Scenario) -> list[Copies]:
    return [part.copies for part in scenario.parts]


def _scenario(name: str, server: Server) -> Scenario:
    scaled, updated = name in ("autoscale", "peak"), name in ("deploy", "peak")
    parts = [_part(consumer, copies(consumer, server, scaled=scaled, updated=updated)) for consumer in server.direct]
    if name in ("jobs", "peak"):
        parts += [_part(consumer, copies(consumer, server)) for consumer in server.jobs]
    at_least = sum(part.at_least or 0 for part in parts)
    most = [part.at_most for part in parts]
    known = [count for count in most if count is not None]
    at_most = sum(known) if len(known) == len(most) else None
    missing = [(part.consumer.service, part.reason) for part in parts if part.at_most is None]
    if not parts:  # a server is there for somebody
        at_most, missing = None, [(server.label, "no file says who connects to it")]
    usable = server.usable_connections
    if not usable.is_known:
        verdict = "unknown"
        missing.insert(0, (server.label, usable.reason))
    elif at_least > usable.value:
        verdict = "over"
    elif at_most is not None and at_most <= usable.value:
        verdict = "fits"
    else:
        verdict = "unknown"
    return Scenario(name, verdict, at_least, at_most, tuple(parts), tuple(dict.fromkeys(missing)))


def copies(consumer: Consumer, server: Server, *, scaled: bool = False, updated: bool = False, replicas: int | None = None) -> Copies:
    """How many copies of a client run: ``scaled`` as far as an autoscaler goes, ``updated`` while new ones replace the old.

    With ``replicas``, as if there were so many.
    """
    factors: list[Fact[Any]] = []
    count, most = consumer.replicas, consumer.max_replicas
    if replicas is None:
        if scaled and most is not None and (not count.is_known or most.value > count.value):
            count = most
            factors.append(most)
        if not count.is_known:
            return Copies(None, None, (), count.reason)
        replicas = count.value
    if not updated:
        return Copies(replicas, replicas, tuple(factors))
    at_least, at_most, more, reason = _overlap(consumer, server, replicas)
    return Copies(at_least, at_most, (*factors, *more), reason)


def _overlap(consumer: Consumer, server: Server, replicas: int) -> tuple[int, int | None, list[Fact[Any]], str]:
    """Copies while an update is under way, at least and at most, with what says so, and why it is not known exactly.

    What polint.toml states comes first; else Swarm's update_config counts, by which an old copy stops before a new one starts.
    """
    said = consumer.surge
    if said is not None:
        at_once = math.ceil(replicas * int(said.value[:-1]) / 100) if isinstance(said.value, str) else said.value
        count = sizing.overlap(replicas, at_once) if at_once else replicas
        return count, count, [said] if at_once else [], ""
    container = server.containers.get(consumer.service.partition("/")[0])
    if container is None or container.replicas is not consumer.replicas:
        return replicas, replicas, [], ""
    order, parallelism = container.update_order, container.update_parallelism
    if order.is_known and order.value != "start-first":
        return replicas, replicas, [], ""
    all_of_them = sizing.overlap(replicas, 0)
    most = sizing.overlap(replicas, _whole(parallelism.value)) if parallelism.is_known else all_of_them
    if not order.is_known:
        return replicas, most, [order], f"update_config.order: {order.reason}"
    if not parallelism.is_known:
        return sizing.overlap(replicas, 1), most, [order, parallelism], f"update_config.parallelism: {parallelism.reason}"
    return most, most, [order, parallelism], ""


def _whole(parallelism: float) -> int:
    """Containers updated at a time as ``sizing.overlap`` takes it, 0 for all."""
    return int(parallelism) if math.isfinite(parallelism) else 0


def per_copy(consumer: Consumer) -> tuple[int | None, int | None]:
    """Connections of one copy: at least and at most, None where that is not known."""
    processes, pool, highest = consumer.processes, consumer.pool, consumer.highest or consumer.pool
    if not processes.is_known:
        return None, None
    least = processes.value * pool.value if pool.is_known else None
    most = processes.value * highest.value if highest.is_known and math.isfinite(highest.value) else None
    return least, most


def _part(consumer: Consumer, count: Copies) -> Part:
    least, most = per_copy(consumer)
    at_least = count.at_least * least if count.at_least is not None and least is not None else None
    at_most = count.at_most * most if count.at_most is not None and most is not None else None
    if at_most is None and count.at_most is not None and most is None:
        return Part(consumer, count, at_least, at_most, why_unknown(consumer))
    return Part(consumer, count, at_least, at_most, count.reason)


def why_unknown(consumer: Consumer) -> str:
    """Why its connections are not known, "" when they are."""
    for fact in (consumer.replicas, consumer.processes, consumer.highest or consumer.pool):
        if not fact.is_known:
            return fact.reason
        if not math.isfinite(fact.value):
            return "nothing limits it"
    return ""


def servers(project: Project) -> list[Server]:
    """The servers that have a budget: those some application could use."""
    return [server for server in project.servers if server.has_application]


def paths(server: Server) -> set[str]:
    """The files that a server's budget rests on."""
    spans = [server.span, server.max_connections.span]
    for consumer in server.consumers:
        spans += [consumer.span, *(leaf.span for fact in (consumer.replicas, consumer.processes, consumer.pool) for leaf in fact.leaves())]
    return {span.path for span in spans if span is not None}


def name_of(server: Server, among: Sequence[Server]) -> str:
    """The server's name, with its compose file where another stack has a server of the same name."""
    shared = any(other.label == server.label and other is not server for other in among)
    return f"{server.label} in {server.stack}" if shared and server.stack else server.label


def summary(server: Server, name: str) -> str:
    """One line: ``postgres: 50 of 97 connections (52 %)``."""
    scenario = steady(server)
    usable = server.usable_connections
    count = interval(scenario.at_least, scenario.at_most)
    if not usable.is_known:
        demand = f"{count} connections planned, " if scenario.at_least else ""
        return f"{name}: {demand}usable connections unknown: {usable.reason}"
    missing = ", ".join(dict.fromkeys(consumer.service for consumer in server.unknown_consumers))
    if not scenario.at_least and (missing or not server.direct):
        return f"{name}: {usable.value} usable connections, " + (
            f"for clients of unknown size: {missing}" if missing else "no client found"
        )
    share = f" ({percent(scenario.at_least, usable.value)})" if scenario.at_least or scenario.at_most == 0 else ""
    text = f"{name}: {count} of {usable.value} connections{share}"
    if missing:
        text += f"; unknown: {missing}"
    return text


def interval(at_least: int, at_most: int | None) -> str:
    """``50``, ``at least 50``, ``50 to 80``."""
    if at_most == at_least:
        return str(at_least)
    if at_most is None:
        return f"at least {at_least}"
    return f"{at_least} to {at_most}"


def percent(part: int, whole: int) -> str:
    """``52 %`` of the usable connections."""
    return f"{100 * part / whole:.0f} %" if whole else "no usable connection"
