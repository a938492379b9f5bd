"""Edits of compose files and other YAML: entries and list items taken away, keys added to a service."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

from ..diagnostic import Edit
from ..patterns import lazy
from ..source import Span
from ..tuples import NamedTuple

if TYPE_CHECKING:
    from ..yamltext import Node

DASH = lazy(r"[ \t]*-[ \t]+")
REST = lazy(r"[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z)")
_PAIR = lazy(r"[\"']?[A-Za-z_][\w.-]*=")
_SETTING = lazy(r"(-c|--)?[A-Za-z_][\w.-]*=[^\s\"'\\]*")
_COMMANDS = ("command", "entrypoint")
_SHALLOWEST = 3  # services, a service, and what is in it: an emptied collection goes with its key from here on down


class Step(NamedTuple):
    """A member of a collection on the way down to a place; ``end`` is where it ends here, be it an alias or nothing."""

    parent: Node
    key: Node | None
    node: Node
    end: int

    @property
    def start(self) -> int:
        return self.key.start if self.key is not None else self.node.start


def removed(span: Span) -> Edit | None:
    """The edit that takes away the map entry or list item whose key or value stands at ``span``, or the word of a command."""
    path = path_to(span)
    if not path or (path[-1].node.kind != "scalar" and not _is_key(path[-1], span)):
        return None
    last = path[-1]
    names = [step.key.text for step in path if step.key is not None]
    if any(name in _COMMANDS for name in names[2:3]) and not _is_key(last, span):
        return _without_argument(path, span)
    if not (_is_key(last, span) or is_whole(last.node, span) or _is_pair(last, span)):
        return None
    return _without(path, len(path) - 1)


def path_to(span: Span) -> list[Step]:
    """From the root down to the entry that ``span`` is in."""
    from ..yamltext import kept

    found = kept(span.source)
    node = next((one for one in found.nodes if one.start <= span.start and span.end <= one.end), None)
    path: list[Step] = []
    while node is not None and not found.faults:
        step = _member_at(node, span)
        if step is None:
            break
        path.append(step)
        node = step.node if step.node.end == step.end and step.node.start <= span.start else None
    return path


def _member_at(node: Node, span: Span) -> Step | None:
    """The member of a collection that ``span`` is in."""
    starts, members = _in_order(node)
    near = members[max(0, bisect_right(starts, span.start) - 1) :][:1]
    for step in (*near, *members):  # what an alias stands for may lie inside another member
        if step.start <= span.start and span.end <= step.end:
            return step
    return None


@lru_cache(maxsize=64)
def _in_order(node: Node) -> tuple[list[int], list[Step]]:
    """The members of a collection as they stand in the file, and where each starts."""
    members = sorted(members_of(node), key=lambda step: step.start)
    return [step.start for step in members], members


def members_of(node: Node) -> list[Step]:
    """What a collection holds, as far as it is written in it: neither what a merge brings nor what an alias stands for."""
    members: list[Step] = []
    if node.kind == "map":
        for key, value in node.entries.values():
            if key.source is node.source and node.start <= key.start and key.end <= node.end:
                inside = key.end <= value.start and value.end <= node.end
                members.append(Step(node, key, value, value.end if inside else _alias_end(node.source.text, key.end)))
    elif node.kind == "seq":
        members = [Step(node, None, item, item.end) for item in node.items if node.start <= item.start and item.end <= node.end]
    return members


def _alias_end(text: str, at: int) -> int:
    """Where ``: *alias`` behind a key ends."""
    found = _ALIAS.match(text, at)
    return found.end() if found else at


_ALIAS = lazy(r"[ \t]*:[ \t]*\*[^\s,\]}]+")


def _is_key(step: Step, span: Span) -> bool:
    return step.key is not None and step.key.start <= span.start and span.end <= step.key.end


def is_whole(node: Node, span: Span) -> bool:
    return (node.start, node.end) == (span.start, span.end) or (
        node.style in ("'", '"') and (node.start + 1, node.end - 1) == (span.start, span.end)
    )


def _is_pair(step: Step, span: Span) -> bool:
    """Whether name or value of a ``KEY=value`` item stands at ``span``."""
    text = span.source.text
    pair = _PAIR.match(text, step.node.start, step.node.end)
    if step.key is not None or pair is None:
        return False
    quoted = bool(step.node.style)
    at_name = span.start == step.node.start + quoted and span.end == pair.end() - 1
    return at_name or (span.start == pair.end() and span.end == step.node.end - quoted)


def _without(path: list[Step], depth: int, first: Step | None = None) -> Edit | None:
    """The edit that takes away ``path[depth]``, with the member ``first`` before it; collections it leaves empty go too."""
    step = path[depth]
    members = members_of(step.parent)
    whole = len(members) <= (2 if first is not None else 1) and "<<" not in step.parent.span.text
    if whole:
        return _without(path, depth - 1) if depth >= _SHALLOWEST else None
    if _is_referred(step) or (not step.parent.style and step.key is None and (step.node.tag or step.node.anchor)):
        return None
    at = next((at for at, one in enumerate(members) if one.start == step.start), -1)
    start = first.start if first is not None else step.start
    if at < 0 or [one.start for one in members] != sorted(one.start for one in members):
        return None
    if step.parent.style:
        return _out_of_flow(members, at, at - (first is not None), step.parent)
    return _out_of_block(members, at, start, step)


def _is_referred(step: Step) -> bool:
    """Whether an alias elsewhere means something in what would go."""
    if step.node.end != step.end:
        return False
    todo = [step.node]
    while todo:
        node = todo.pop()
        if node.aliased:
            return True
        todo += [one.node for one in members_of(node)]
    return False


def _out_of_block(members: list[Step], at: int, start: int, step: Step) -> Edit | None:
    source, text = step.parent.source, step.parent.source.text
    line = text.rfind("\n", 0, start) + 1
    rest = REST.match(text, step.end)
    if rest is None:
        return None
    before = text[line:start]
    if step.key is None:
        return Edit(Span(source, line, rest.end()), "") if DASH.fullmatch(before) else None
    if not before.strip():
        return Edit(Span(source, line, rest.end()), "")
    if not DASH.fullmatch(before) or at + 1 >= len(members):
        return None
    after = members[at + 1].start
    return Edit(Span(source, start, after), "") if not text[rest.end() : after].strip() else None


def _out_of_flow(members: list[Step], at: int, first: int, parent: Node) -> Edit | None:
    source, text = parent.source, parent.source.text
    start, end = members[first].start, members[at].end
    if any(one.node.tag or one.node.anchor for one in members):
        return None
    if at + 1 < len(members):
        after = members[at + 1].start
        comma = text.find(",", end, after) + 1
        line = text.rfind("\n", 0, start) + 1
        rest = REST.match(text, comma)
        if not comma or "#" in text[end:comma]:
            return None
        if rest is not None and not text[line:start].strip():
            return Edit(Span(source, line, rest.end()), "")
        return Edit(Span(source, start, after if "\n" not in text[comma:after] else comma), "")
    before = members[first - 1].end if first else start
    return Edit(Span(source, before, end), "") if "#" not in text[before:start] else None


# --- words of a command ----------------------------------------------------------------------


def _without_argument(path: list[Step], span: Span) -> Edit | None:
    """``-c name=value`` out of a command: the option and its value go together."""
    step, source = path[-1], span.source
    if step.key is None:  # one word of a list
        text = step.node.text
        members = members_of(step.parent)
        at = next((at for at, one in enumerate(members) if one.node is step.node), 0)
        found = _SETTING.fullmatch(text)
        if found is None:
            return None
        if found[1]:
            return _without(path, len(path) - 1)
        if at == 0 or members[at - 1].node.text != "-c":
            return None
        return _without(path, len(path) - 1, members[at - 1])
    text, inner, end = source.text, step.node.start, step.node.end
    if step.node.style in ("'", '"'):
        inner, end = inner + 1, end - 1
    start = span.start
    while start > inner and not text[start - 1].isspace():
        start -= 1
    stop = span.end
    while stop < end and not text[stop].isspace():
        stop += 1
    found = _SETTING.fullmatch(text, start, stop)
    if found is None:
        return None
    if not found[1]:
        before = text[inner:start].rstrip()
        if not before.endswith("-c") or not before[:-2].endswith((" ", "\t", "\n")):
            return None
        start = inner + len(before) - 2
    kept = inner + len(text[inner:start].rstrip())
    return Edit(Span(source, kept, stop), "") if kept > inner else None


# --- keys of a service -----------------------------------------------------------------------


class Place(NamedTuple):
    """Where a new key of a service goes: the text is put at ``at`` between ``before`` and ``after``, its lines below ``indent``."""

    at: int
    before: str
    indent: str
    after: str
    flow: bool
    node: Node  # the service
    step: str = "  "  # how far what is in it is indented


def place(span: Span, key: str) -> Place | None:
    """Where the key ``key`` goes in the service whose name (or something in it) stands at ``span``; None when it has one."""
    path = path_to(span)
    if len(path) < 2 or path[0].key is None or path[0].key.text != "services" or path[1].node.kind != "map":
        return None
    step = path[1]
    node, source = step.node, span.source
    members = members_of(node)
    if not members or node.end != step.end or key in node.entries or node.aliased:
        return None
    if node.style:
        last = members[-1].end
        return Place(last, ", ", "", "", True, node)
    first, last_member = members[0], max(members, key=lambda one: one.end)
    line = source.text.rfind("\n", 0, first.start) + 1
    indent = source.text[line : first.start]
    rest = REST.match(source.text, last_member.end)
    if indent.strip() or rest is None or last_member.node.text.endswith("\n\n"):
        return None
    if last_member.node.style in ("|", ">") and last_member.node.text.endswith("\n") and "+" in _header(last_member.node):
        return None
    glued = "" if source.text[: rest.end()].endswith("\n") else "\n"
    outer = source.text[source.text.rfind("\n", 0, step.start) + 1 : step.start]
    wide = len(indent) - len(outer) if not outer.strip() else 0
    return Place(rest.end(), glued + indent, indent, "\n" if not glued else "", False, node, " " * max(wide, 2))


def variable_place(span: Span, name: str) -> tuple[Place, tuple[str, str, str]] | None:
    """Where the variable ``name`` goes in the ``environment`` of the service that stands at ``span``.

    With it what stands before the name, between name and value, and behind them, as the last of the variables there is written.
    None where the service has no environment of its own, or that variable in it.
    """
    path = path_to(span)
    if len(path) < 2 or path[0].key is None or path[0].key.text != "services" or path[1].node.kind != "map":
        return None
    service = path[1].node
    pair = service.entries.get("environment")
    node = pair[1] if pair is not None and service.start <= pair[0].start < service.end else None
    if node is None or node.aliased or service.aliased or not (service.start <= node.start and node.end <= service.end):
        return None
    members = sorted(members_of(node), key=lambda one: one.start)
    last = members[-1] if members else None
    if last is None or last.node.kind != "scalar" or last.node.end != last.end or last.node.style in ("|", ">"):
        return None
    quote = last.node.style if last.node.style in ("'", '"') else ""
    if node.kind == "map":
        form = ("", f": {quote}", quote)
        taken = name in node.entries
    else:
        form = (quote, "=", quote)
        taken = any(one.node.text.partition("=")[0] == name for one in members)
    if taken:
        return None
    text = span.source.text
    if node.style:
        return Place(last.end, ", ", "", "", True, node), form
    line = text.rfind("\n", 0, last.start) + 1
    indent, rest = text[line : last.start], REST.match(text, last.end)
    if rest is None or (node.kind == "seq" and not DASH.fullmatch(indent)) or (node.kind == "map" and indent.strip()):
        return None
    glued = "" if text[: rest.end()].endswith("\n") else "\n"
    return Place(rest.end(), glued + indent, indent, "" if glued else "\n", False, node), form


def _header(node: Node) -> str:
    return node.source.text[node.start : node.start + 4].partition("\n")[0]


def with_argument(service: Node, node: Node, argument: str) -> Edit | None:
    """``-c argument`` behind a service's command: a list, or a line of words."""
    source = service.source
    if node.aliased or not (service.start <= node.start and node.end <= service.end):
        return None
    text = source.text
    if node.kind == "scalar":
        simple = node.style not in ("|", ">") and not any(mark in node.text for mark in "\"'\\|;&#$(")
        at = node.end - (node.style in ("'", '"'))
        return Edit(Span(source, at, at), f" -c {argument}") if simple and node.text.strip() else None
    members = members_of(node)
    if node.kind != "seq" or not members or len(members) != len(node.items):
        return None
    last = members[-1]
    if node.style:
        quote = "'" if last.node.style == "'" else '"'
        return Edit(Span(source, last.end, last.end), f", {quote}-c{quote}, {quote}{argument}{quote}")
    line = text.rfind("\n", 0, last.start) + 1
    rest = REST.match(text, last.end)
    if rest is None or not DASH.fullmatch(text[line : last.start]):
        return None
    dash = text[line : last.start]
    glued = "" if text[: rest.end()].endswith("\n") else "\n"
    lines = f'{dash}-c\n{dash}"{argument}"'
    return Edit(Span(source, rest.end(), rest.end()), f"{glued}{lines}" + ("\n" if not glued else ""))


def image(node: Node) -> str:
    """The image a service names, "" when it has none of its own or an entrypoint of its own."""
    found = node.get("image")
    return found.text if found is not None and found.kind == "scalar" and node.get("entrypoint") is None else ""


def is_service_key(key: str) -> bool:
    """Whether Compose knows the key for a service."""
    from .compose import _KEYS

    return key in _KEYS


def starts_postgres(command: Node) -> bool:
    """Whether a command starts the server itself, or only adds to how the image starts it."""
    words = command.text.split() if command.kind == "scalar" else [item.text for item in command.items]
    first = words[0] if words else ""
    return first in ("postgres", "docker-entrypoint.sh") or first.startswith("-")


def service_place(span: Span, name: str) -> Place | None:
    """Where a further service ``name`` goes in the file of the service that stands at ``span``: behind the last one."""
    path = path_to(span)
    if len(path) < 2 or path[0].key is None or path[0].key.text != "services":
        return None
    node, source = path[0].node, span.source
    members = sorted(members_of(node), key=lambda one: one.start)
    if node.style or node.aliased or node.end != path[0].end or name in node.entries or not members:
        return None
    text, end = source.text, members[-1].end
    line = text.rfind("\n", 0, members[0].start) + 1
    indent = text[line : members[0].start]
    rest = None if text[end - 1] == "\n" else REST.match(text, end)
    if indent.strip() or not indent or (rest is None and text[end - 1] != "\n"):
        return None
    at = rest.end() if rest is not None else end
    glued = "" if text[at - 1] == "\n" else "\n"
    gap = "\n" if len(members) < 2 or "\n\n" in text[members[-2].end : members[-1].start].replace("\r", "") else ""
    return Place(at, glued + gap + indent, indent, "" if glued else "\n", False, node)


def dependencies(span: Span, name: str) -> list[Span]:
    """Where the service whose name stands at ``span`` says that it depends on the service ``name``."""
    path = path_to(span)
    given = path[1].node.get("depends_on") if len(path) > 1 and path[1].node.kind == "map" else None
    if given is None or given.aliased or given.source is not span.source:
        return []
    found = [step.key or step.node for step in members_of(given)]
    return [Span(span.source, one.start, one.end) for one in found if one.kind == "scalar" and one.text == name]
