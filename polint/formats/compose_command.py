"""Edits of a service's command in a compose file: a worker that is to end now and then, and to be started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..diagnostic import Edit
from ..patterns import lazy
from ..source import Span
from .compose_edit import is_whole, members_of, path_to, place

if TYPE_CHECKING:
    from ..yamltext import Node

_DASH = lazy(r"[ \t]*-[ \t]+")
_LINE_END = lazy(r"[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z)")
_NO_LIMIT = lazy(r"--max-(?:time|jobs)=0+(?![\w.])")
_PLAIN = lazy(r"[\w ./:=,@+-]+")


def recycled(service: Span, command: Span, option: str) -> list[Edit] | None:
    """The edits that give the command whose name stands at ``command`` an ``option``, and have the service started again.

    None where a restart policy of another kind is stated, where the command is not that of this service alone, or where it is
    not certain how the option is written there.
    """
    path = path_to(service)
    if len(path) < 2 or path[0].key is None or path[0].key.text != "services" or path[1].node.kind != "map":
        return None
    node = path[1].node
    added = _with_option(node, command, option) if not node.aliased else None
    if added is None or _is_restarted(node):
        return [added] if added is not None else None
    free = place(service, "restart")  # None where it has one
    if free is None or "extends" in node.entries or _policy(node) is not None:
        return None
    return [added, Edit(Span(service.source, free.at, free.at), f"{free.before}restart: unless-stopped{free.after}")]


def _is_restarted(node: Node) -> bool:
    """Whether a container that ends well is started again: ``any`` is Swarm's default."""
    restart, policy = node.get("restart"), _policy(node)
    if restart is not None:
        return restart.text in ("always", "unless-stopped")
    condition = policy.get("condition") if policy is not None and policy.kind == "map" else None
    return policy is not None and (condition is None or condition.text == "any")


def _policy(node: Node) -> Node | None:
    deploy = node.get("deploy")
    return deploy.get("restart_policy") if deploy is not None and deploy.kind == "map" else None


def _with_option(service: Node, command: Span, option: str) -> Edit | None:
    path = path_to(command)
    keys = [step.key.text for step in path if step.key is not None]
    if keys[2:3] not in (["command"], ["entrypoint"]) or not (service.start <= command.start and command.end <= service.end):
        return None
    step = path[-1]
    if step.node.kind != "scalar" or step.node.aliased or step.parent.aliased:
        return None
    source = command.source
    whole = step.parent if step.key is None else step.node
    zero = _NO_LIMIT.search(source.text, whole.start, whole.end)
    if zero is not None:
        return Edit(Span(source, *zero.span()), option)
    if step.key is not None or not is_whole(step.node, command):
        at = command.end
        inner = Span(source, at, step.node.end - (step.node.style in ("'", '"')))
        plain = step.key is not None and step.node.style not in ("|", ">") and (not inner.text or _PLAIN.fullmatch(inner.text))
        at = inner.end if plain else at
        return Edit(Span(source, at, at), f" {option}")
    last = members_of(step.parent)[-1]
    text = source.text
    if step.parent.style:
        quote = last.node.style if last.node.style in ("'", '"') else '"'
        return Edit(Span(source, last.end, last.end), f", {quote}{option}{quote}")
    line, rest = text.rfind("\n", 0, last.start) + 1, _LINE_END.match(text, last.end)
    dash = text[line : last.start]
    if rest is None or not _DASH.fullmatch(dash):
        return None
    quote = last.node.style if last.node.style in ("'", '"') else ""
    glued = "" if text[: rest.end()].endswith("\n") else "\n"
    return Edit(Span(source, rest.end(), rest.end()), f"{glued}{dash}{quote}{option}{quote}" + ("" if glued else "\n"))
