"""``--format json``: the shape of schema/budget.schema.json."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from typing import Any

from .. import budget
from ..budget import Scenario
from ..fact import Fact
from ..model.server import Consumer
from ..reporters import Style, encodable
from ..whatif import NAME as ASSUMED
from . import Budget


def report(found: Sequence[Budget], style: Style) -> str:
    """The JSON text; the same for the same files, whatever the terminal is."""
    unknown = [
        {"service": encodable(consumer.service), "reason": encodable(budget.why_unknown(consumer))}
        for one in found
        for consumer in one.server.unknown_consumers
    ]
    document = {"schema_version": 1, "servers": [_server(one) for one in found], "unknown": unknown}
    return dumps(document, indent=2, ensure_ascii=False) + "\n"


def _server(one: Budget) -> dict[str, Any]:
    server, answers = one.server, one.answers
    return {
        "name": encodable(one.name),
        "max_connections": _value(server.max_connections),
        "reserved": _value(server.reserved),
        "usable": one.usable,
        "scenarios": [_scenario(one, scenario) for scenario in one.scenarios],
        "consumers": [_consumer(consumer) for consumer in server.consumers],
        "answers": {
            "max_connections": {"needed": answers.needed, "needed_with_room": answers.needed_with_room},
            "clients": [{**answer._asdict(), "service": encodable(answer.service)} for answer in answers.clients],
            "is_bound": answers.is_bound,
        },
        "origin": [_origin("max_connections", leaf) for fact in (server.max_connections, server.reserved) for leaf in _known(fact)],
    }


def _scenario(one: Budget, scenario: Scenario) -> dict[str, Any]:
    usable = one.usable
    return {
        "name": scenario.name,
        "verdict": scenario.verdict,
        "demand": {"at_least": scenario.at_least, "at_most": scenario.at_most},
        "utilisation": round(scenario.at_least / usable, 3) if usable else None,
        "missing": [{"name": encodable(name), "reason": encodable(reason)} for name, reason in scenario.missing],
        "parts": [
            {
                "service": encodable(part.consumer.service),
                "copies": {"at_least": part.copies.at_least, "at_most": part.copies.at_most},
                "connections": {"at_least": part.at_least, "at_most": part.at_most},
                "origin": [_origin(fact.name, fact) for fact in part.copies.factors if fact.is_known],
            }
            for part in scenario.parts
        ],
    }


def _consumer(consumer: Consumer) -> dict[str, Any]:
    facts = (("replicas", consumer.replicas), ("processes", consumer.processes), ("pool", consumer.pool))
    least, most = consumer.at_least, consumer.at_most
    return {
        "service": encodable(consumer.service),
        "kind": consumer.kind,
        "replicas": _value(consumer.replicas),
        "processes": _value(consumer.processes),
        "pool": _value(consumer.pool),
        "connections": _value(least),
        "at_most": int(most.value) if most.is_known and most.value < float("inf") else None,
        "through": encodable(consumer.through) if consumer.through is not None else None,
        "once": bool(consumer.once),
        "origin": [_origin(label, leaf) for label, fact in facts for leaf in _known(fact)],
    }


def _known(fact: Fact[Any]) -> list[Fact[Any]]:
    return [leaf for leaf in fact.leaves() if leaf.is_known]


def _origin(label: str, leaf: Fact[Any]) -> dict[str, Any]:
    span = leaf.span
    line = span.place[0] if span is not None and span.path != ASSUMED else None
    value = leaf.value if isinstance(leaf.value, (int, float)) and leaf.value != float("inf") else encodable(str(leaf.value))
    return {
        "fact": leaf.name if span is not None else label,
        "value": value,
        "path": encodable(span.path) if span is not None else None,
        "line": line,
    }


def _value(fact: Fact[int]) -> int | None:
    return fact.value if fact.is_known else None
