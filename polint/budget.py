"""The budget: who can open how many connections to which server, and whether it fits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from .fact import Fact, show
from .model.project import Project
from .model.server import Consumer, Server
from .tuples import NamedTuple


class Scenario(NamedTuple):
    """One state of the stack: what all clients can open, at least and (None: not known) at most, and whether it fits."""

    name: str
    verdict: str  # fits, over, unknown
    at_least: int
    at_most: int | None


def steady(server: Server) -> Scenario:
    """Every service at its stated size, nothing rolling out."""
    at_least = server.known_connections.value
    peak = server.peak_connections
    at_most = int(peak.value) if peak.is_known and math.isfinite(peak.value) else None
    usable = server.usable_connections
    if not usable.is_known:
        verdict = "unknown"
    elif at_least > usable.value:
        verdict = "over"
    elif at_most is not None and at_most <= usable.value:
        verdict = "fits"
    else:
        verdict = "unknown"
    return Scenario("steady", verdict, at_least, at_most)


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
    count = _interval(scenario)
    if not usable.is_known:
        demand = f"{count} connections planned, " if scenario.at_least else ""
        return f"{name}: {demand}usable connections unknown: {usable.reason}"
    missing = ", ".join(dict.fromkeys(consumer.service for consumer in server.unknown_consumers))
    if not scenario.at_least and (missing or not server.consumers):
        return f"{name}: {usable.value} usable connections, " + (
            f"for clients of unknown size: {missing}" if missing else "no client found"
        )
    share = f" ({_percent(scenario.at_least, usable.value)})" if scenario.at_least or scenario.at_most == 0 else ""
    text = f"{name}: {count} of {usable.value} connections{share}"
    if missing:
        text += f"; unknown: {missing}"
    return text


def _interval(scenario: Scenario) -> str:
    if scenario.at_most == scenario.at_least:
        return str(scenario.at_least)
    if scenario.at_most is None:
        return f"at least {scenario.at_least}"
    return f"{scenario.at_least} to {scenario.at_most}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "no usable connection"


def _number(fact: Fact[Any]) -> str:
    return show(fact.value) if fact.is_known else "?"


def _why(consumer: Consumer) -> str:
    for fact in (consumer.replicas, consumer.processes, consumer.highest or consumer.pool):
        if not fact.is_known:
            return fact.reason
    return ""


def as_text(found: Sequence[Server]) -> str:
    """The budget as tables, one server after another."""
    if not found:
        return "no PostgreSQL server found\n"
    blocks = []
    for server in found:
        scenario = steady(server)
        usable, limit = server.usable_connections, server.max_connections
        head = f"server {name_of(server, found)}: "
        if usable.is_known and limit.is_known:
            head += f"{usable.value} usable connections (max_connections {limit.value} - {limit.value - usable.value} reserved)"
        else:
            head += f"usable connections unknown: {usable.reason}"
        rows: list[tuple[str, ...]] = [("service", "kind", "through", "replicas", "processes", "pool", "connections")]
        details: list[str] = []
        for consumer in server.consumers:
            total = consumer.at_least
            most = consumer.at_most
            count = _number(total)
            if total.is_known and not (most.is_known and most.value == total.value):
                count += f" to {_number(most)}"
            rows.append((consumer.service, consumer.kind, consumer.through or "", _number(consumer.replicas), _number(consumer.processes),
                         _number(consumer.pool), count))  # fmt: skip
            details.extend(_details(consumer))
        if not any(row[2] for row in rows[1:]):  # nobody goes through a pooler
            rows = [(*row[:2], *row[3:]) for row in rows]
        lefts = len(rows[0]) - 4  # texts stand left, numbers right
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [head, ""]
        for row in rows:
            cells = [
                cell.ljust(width) if column < lefts else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  " + "  ".join(cells).rstrip())
        if not server.consumers:
            lines = [head, "", "  no client found"]
        lines.append("")
        if usable.is_known:
            share = f" ({_percent(scenario.at_least, usable.value)})"
            profile = f", with the profile {server.profile}" if server.profile else ""
            lines.append(f"  steady{profile}: {_interval(scenario)} of {usable.value}{share}: {scenario.verdict}")
        else:
            lines.append(f"  steady: {_interval(scenario)}: {scenario.verdict}")
        if server.left_out:
            named = ", ".join(f"{consumer.service} (profile {', '.join(consumer.profiles)})" for consumer in server.left_out)
            lines.append(f"  not counted, as profiles are taken one at a time: {named}")
        if details:
            lines += ["", *details]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _details(consumer: Consumer) -> Iterable[str]:
    """Where each factor stands, one line each."""
    for label, fact in (("replicas", consumer.replicas), ("processes", consumer.processes), ("pool", consumer.highest or consumer.pool)):
        for leaf in fact.leaves():
            if leaf.is_known and leaf.span is not None:
                yield f"  {consumer.service}: {leaf.name} = {show(leaf.value)}  {leaf.span}"
            elif leaf.is_default and leaf.reason and leaf.value != 1:
                yield f"  {consumer.service}: {leaf.name} = {show(leaf.value)}  (default of {leaf.reason.removeprefix('the image ')})"
            elif not leaf.is_known:
                place = f"  {leaf.span}" if leaf.span is not None else ""
                yield f"  {consumer.service}: {label} unknown: {leaf.reason}{place}"
    if consumer.inferred:
        yield (
            f"  {consumer.service}: linked by {consumer.inferred}"
            if consumer.inferred.startswith("depends_on")
            else (f"  {consumer.service}: {consumer.inferred}")
        )


def as_json(found: Sequence[Server]) -> str:
    """The budget as the JSON of schema_version 1."""
    report: dict[str, Any] = {"schema_version": 1, "servers": [], "unknown": []}
    for server in found:
        scenario = steady(server)
        usable = server.usable_connections
        share = round(scenario.at_least / usable.value, 3) if usable.is_known and usable.value else None
        report["servers"].append(
            {
                "name": name_of(server, found),
                "max_connections": _json(server.max_connections),
                "reserved": _json(server.reserved),
                "usable": _json(usable),
                "scenarios": [
                    {
                        "name": scenario.name,
                        "verdict": scenario.verdict,
                        "demand": {"at_least": scenario.at_least, "at_most": scenario.at_most},
                        "utilisation": share,
                    }
                ],
                "consumers": [_consumer(consumer) for consumer in server.consumers],
            }
        )
        report["unknown"] += [{"service": consumer.service, "reason": _why(consumer)} for consumer in server.unknown_consumers]
    from json import dumps

    return dumps(report, indent=2, ensure_ascii=False) + "\n"


def _json(fact: Fact[int]) -> int | None:
    return fact.value if fact.is_known else None


def _consumer(consumer: Consumer) -> dict[str, Any]:
    origin = []
    for label, fact in (("replicas", consumer.replicas), ("processes", consumer.processes), ("pool", consumer.pool)):
        for leaf in fact.leaves():
            if leaf.is_known:
                origin.append(
                    {
                        "fact": leaf.name if leaf.span is not None else label,
                        "value": leaf.value,
                        "path": leaf.span.path if leaf.span is not None else None,
                        "line": leaf.span.place[0] if leaf.span is not None else None,
                    }
                )
    return {
        "service": consumer.service,
        "kind": consumer.kind,
        "replicas": _json(consumer.replicas),
        "processes": _json(consumer.processes),
        "pool": _json(consumer.pool),
        "connections": _json(consumer.at_least),
        "through": consumer.through,
        "origin": origin,
    }
