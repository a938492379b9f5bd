"""Edits of compose files: services that depend on another one wait for its health."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import TYPE_CHECKING

from ..diagnostic import Edit
from ..source import Source, Span
from .compose_edit import DASH, REST, Step, members_of, path_to

if TYPE_CHECKING:
    from ..yamltext import Node

_SWARM = ("placement", "update_config", "rollback_config", "mode", "endpoint_mode")


def waiting(span: Span, name: str, services: Collection[str]) -> list[Edit] | None:
    """The edits that let the service whose name stands at ``span`` wait for the health of ``name``, on which it depends.

    What other services share with it is changed where all of them are among ``services``.  A list becomes a mapping, but not
    in a file for Swarm, whose own reader takes lists alone.  None where it cannot be told.
    """
    path = path_to(span)
    if len(path) < 2 or path[0].key is None or path[0].key.text != "services":
        return None
    every, key = path[0].node, path[1].key
    own = path[1].node if key is None else every.get(key.text)
    given = own.get("depends_on") if own is not None else None
    if own is None or given is None or given.source is not span.source or given.tag:
        return None
    if own.aliased or given.aliased or not own.start <= given.start < given.end <= own.end:
        if any(name not in services for name, (_, node) in every.entries.items() if node.get("depends_on") is given):
            return None
    elif key is None or key.text not in services:
        return None
    path = path_to(given.span)
    at = next((at for at, step in enumerate(path) if (step.node.start, step.end) == (given.start, given.end)), 0)
    if not at or path[at].key is None:
        return None
    given = path[at].node
    if given.kind == "map":
        return _healthy(given, name)
    members = members_of(given)
    plain = all(one.node.kind == "scalar" and not (one.node.aliased or one.node.anchor or one.node.tag) for one in members)
    if given.kind != "seq" or not plain or len(members) != len(given.items) or name not in [one.node.text for one in members]:
        return None
    if _is_for_swarm(every):
        return None
    return _mapped(members, given, name) if given.style else _mapped_lines(members, path[at], path[at - 1], name)


@lru_cache(maxsize=8)
def _is_for_swarm(services: Node) -> bool:
    """Whether a service among ``services`` says what only Swarm reads."""
    deploys = (node.get("deploy") for _, node in services.entries.values())
    return any(key in _SWARM for deploy in deploys if deploy is not None for key in deploy.entries)


def _healthy(given: Node, name: str) -> list[Edit] | None:
    """``condition: service_started`` of one dependency becomes ``service_healthy``."""
    one = next((one for one in members_of(given) if one.key is not None and one.key.text == name), None)
    condition = one.node.get("condition") if one is not None and one.node.kind == "map" and one.node.end == one.end else None
    if one is None or condition is None or one.node.aliased or not one.start <= condition.start < condition.end <= one.end:
        return None
    text = condition.span.text
    if condition.aliased or condition.text != "service_started" or text.strip("\"'") != condition.text:
        return None
    return [Edit(condition.span, text.replace(condition.text, "service_healthy"))]


def _condition(member: Step, name: str) -> str:
    return f"condition: {'service_healthy' if member.node.text == name else 'service_started'}"


def _mapped(members: list[Step], given: Node, name: str) -> list[Edit]:
    """``[db]`` becomes ``{db: {condition: service_healthy}}``."""
    source = given.source
    inside = [Edit(one.node.span, f"{one.node.span.text}: {{{_condition(one, name)}}}") for one in members]
    return [Edit(Span(source, given.start, given.start + 1), "{"), *inside, Edit(Span(source, given.end - 1, given.end), "}")]


def _mapped_lines(members: list[Step], depends: Step, service: Step, name: str) -> list[Edit] | None:
    """Each ``- db`` becomes ``db:`` with its condition below; comments stay behind it."""
    source, text = service.node.source, service.node.source.text
    outer, own = _indent(service, text), _indent(depends, text)
    if outer is None or own is None or not own.startswith(outer) or len(own) <= len(outer):
        return None
    step = own[len(outer) :]
    made = []
    for one in members:
        line = text.rfind("\n", 0, one.start) + 1
        before, rest = text[line : one.start], REST.match(text, one.end)
        if rest is None or not DASH.fullmatch(before):
            return None
        dash = before[: before.index("-")]
        indent = dash if len(dash) > len(own) else own + step
        comment = rest[0].rstrip("\r\n")
        lines = f"{indent}{one.node.span.text}:{comment.rstrip()}\n{indent}{step}{_condition(one, name)}"
        made.append(Edit(Span(source, line, one.end + len(comment)), lines))
    return made


def _indent(step: Step, text: str) -> str | None:
    """The blanks before a key that begins its line."""
    before = text[text.rfind("\n", 0, step.start) + 1 : step.start]
    return before if not before.strip() else None


def depends(source: Source, service: str) -> bool:
    """Whether a file says what ``service`` depends on."""
    from ..yamltext import kept

    for document in kept(source).nodes:
        services = document.get("services")
        own = services.get(service) if services is not None else None
        if own is not None and (own.get("depends_on") or own.get("extends")) is not None:
            return True
    return False
