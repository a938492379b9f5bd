"""Edits of compose files and other YAML: entries and list items taken away, keys added to a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..diagnostic import Edit
from ..patterns import lazy
from ..source import Span
from ..tuples import NamedTuple

if TYPE_CHECKING:
    from ..yamltext import Node

_FIRST = lazy(r"[ \t]*-[ \t]+")
_REST = lazy(r"[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z)")
_PAIR = lazy(r"[\"']?[A-Za-z_][\w.-]*=")
_SETTING = lazy(r"(-c|--)?[A-Za-z_][\w.-]*=[^\s\"'\\]*")
_COMMANDS = ("command", "entrypoint")
_SHALLOWEST = 3  # services, a service, and what is in it: an emptied collection goes with its key from here on down


class _Step(NamedTuple):
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
    path = _path(span)
    if not path or (path[-1].node.kind != "scalar" and not _is_key(path[-1], span)):
        return None
    last = path[-1]
    names = [step.key.text for step in path if step.key is not None]
    if any(name in _COMMANDS for name in names[2:3]) and not _is_key(last, span):
        return _without_argument(path, span)
    if not (_is_key(last, span) or _is_whole(last.node, span) or _is_pair(last, span)):
        return None
    return _without(path, len(path) - 1)


def _path(span: Span) -> list[_Step]:
    """From the root down to the entry that ``span`` is in."""
    from ..yamltext import documents

    found = documents(span.source)
    node = next((one for one in found.nodes if one.start <= span.start and span.end <= one.end), None)
    path: list[_Step] = []
    while node is not None and not found.faults:
        step = next((step for step in _members(node) if step.start <= span.start and span.end <= step.end), None)
        if step is None:
            break
        path.append(step)
        node = step.node if step.node.end == step.end and step.node.start <= span.start else None
    return path


def _members(node: Node) -> list[_Step]:
    """What a collection holds, as far as it is written in it: neither what a merge brings nor what an alias stands for."""
    members: list[_Step] = []
    if node.kind == "map":
        for key, value in node.entries.values():
            if key.source is node.source and node.start <= key.start and key.end <= node.end:
                inside = key.end <= value.start and value.end <= node.end
                members.append(_Step(node, key, value, value.end if inside else _alias_end(node.source.text, key.end)))
    elif node.kind == "seq":
        members = [_Step(node, None, item, item.end) for item in node.items if node.start <= item.start and item.end <= node.end]
    return members


def _alias_end(text: str, at: int) -> int:
    """Where ``: *alias`` behind a key ends."""
    found = _ALIAS.match(text, at)
    return found.end() if found else at


_ALIAS = lazy(r"[ \t]*:[ \t]*\*[^\s,\]}]+")


def _is_key(step: _Step, span: Span) -> bool:
    return step.key is not None and step.key.start <= span.start and span.end <= step.key.end


def _is_whole(node: Node, span: Span) -> bool:
    return (node.start, node.end) == (span.start, span.end) or (
        node.style in ("'", '"') and (node.start + 1, node.end - 1) == (span.start, span.end)
    )


def _is_pair(step: _Step, span: Span) -> bool:
    """Whether name or value of a ``KEY=value`` item stands at ``span``."""
    text = span.source.text
    pair = _PAIR.match(text, step.node.start, step.node.end)
    if step.key is not None or pair is None:
        return False
    quoted = bool(step.node.style)
    at_name = span.start == step.node.start + quoted and span.end == pair.end() - 1
    return at_name or (span.start == pair.end() and span.end == step.node.end - quoted)


def _without(path: list[_Step], depth: int, first: _Step | None = None) -> Edit | None:
    """The edit that takes away ``path[depth]``, with the member ``first`` before it; collections it leaves empty go too."""
    step = path[depth]
    members = _members(step.parent)
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


def _is_referred(step: _Step) -> bool:
    """Whether an alias elsewhere means something in what would go."""
    if step.node.end != step.end:
        return False
    todo = [step.node]
    while todo:
        node = todo.pop()
        if node.aliased:
            return True
        todo += [one.node for one in _members(node)]
    return False


def _out_of_block(members: list[_Step], at: int, start: int, step: _Step) -> Edit | None:
    source, text = step.parent.source, step.parent.source.text
    line = text.rfind("\n", 0, start) + 1
    rest = _REST.match(text, step.end)
    if rest is None:
        return None
    before = text[line:start]
    if step.key is None:
        return Edit(Span(source, line, rest.end()), "") if _FIRST.fullmatch(before) else None
    if not before.strip():
        return Edit(Span(source, line, rest.end()), "")
    if not _FIRST.fullmatch(before) or at + 1 >= len(members):
        return None
    after = members[at + 1].start
    return Edit(Span(source, start, after), "") if not text[rest.end() : after].strip() else None


def _out_of_flow(members: list[_Step], at: int, first: int, parent: Node) -> Edit | None:
    source, text = parent.source, parent.source.text
    start, end = members[first].start, members[at].end
    if any(one.node.tag or one.node.anchor for one in members):
        return None
    if at + 1 < len(members):
        after = members[at + 1].start
        comma = text.find(",", end, after) + 1
        line = text.rfind("\n", 0, start) + 1
        rest = _REST.match(text, comma)
        if not comma or "#" in text[end:comma]:
            return None
        if rest is not None and not text[line:start].strip():
            return Edit(Span(source, line, rest.end()), "")
        return Edit(Span(source, start, after if "\n" not in text[comma:after] else comma), "")
    before = members[first - 1].end if first else start
    return Edit(Span(source, before, end), "") if "#" not in text[before:start] else None


# --- words of a command ----------------------------------------------------------------------


def _without_argument(path: list[_Step], span: Span) -> Edit | None:
    """``-c name=value`` out of a command: the option and its value go together."""
    step, source = path[-1], span.source
    if step.key is None:  # one word of a list
        text = step.node.text
        members = _members(step.parent)
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


def place(span: Span, key: str) -> Place | None:
    """Where the key ``key`` goes in the service whose name (or something in it) stands at ``span``; None when it has one."""
    path = _path(span)
    if len(path) < 2 or path[0].key is None or path[0].key.text != "services" or path[1].node.kind != "map":
        return None
    step = path[1]
    node, source = step.node, span.source
    members = _members(node)
    if not members or node.end != step.end or key in node.entries or node.aliased:
        return None
    if node.style:
        last = members[-1].end
        return Place(last, ", ", "", "", True, node)
    first, last_member = members[0], max(members, key=lambda one: one.end)
    line = source.text.rfind("\n", 0, first.start) + 1
    indent = source.text[line : first.start]
    rest = _REST.match(source.text, last_member.end)
    if indent.strip() or rest is None or last_member.node.text.endswith("\n\n"):
        return None
    if last_member.node.style in ("|", ">") and last_member.node.text.endswith("\n") and "+" in _header(last_member.node):
        return None
    glued = "" if source.text[: rest.end()].endswith("\n") else "\n"
    return Place(rest.end(), glued + indent, indent, "\n" if not glued else "", False, node)


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
    members = _members(node)
    if node.kind != "seq" or not members or len(members) != len(node.items):
        return None
    last = members[-1]
    if node.style:
        return Edit(Span(source, last.end, last.end), f', "-c", "{argument}"')
    line = text.rfind("\n", 0, last.start) + 1
    rest = _REST.match(text, last.end)
    if rest is None or not _FIRST.fullmatch(text[line : last.start]):
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
    path = _path(span)
    if len(path) < 2 or path[0].key is None or path[0].key.text != "services":
        return None
    node, source = path[0].node, span.source
    members = sorted(_members(node), key=lambda one: one.start)
    if node.style or node.aliased or node.end != path[0].end or name in node.entries or not members:
        return None
    text, end = source.text, members[-1].end
    line = text.rfind("\n", 0, members[0].start) + 1
    indent = text[line : members[0].start]
    rest = None if text[end - 1] == "\n" else _REST.match(text, end)
    if indent.strip() or not indent or (rest is None and text[end - 1] != "\n"):
        return None
    at = rest.end() if rest is not None else end
    glued = "" if text[at - 1] == "\n" else "\n"
    gap = "\n" if len(members) < 2 or "\n\n" in text[members[-2].end : members[-1].start].replace("\r", "") else ""
    return Place(at, glued + gap + indent, indent, "" if glued else "\n", False, node)


def dependencies(span: Span, name: str) -> list[Span]:
    """Where the service whose name stands at ``span`` says that it depends on the service ``name``."""
    path = _path(span)
    given = path[1].node.get("depends_on") if len(path) > 1 and path[1].node.kind == "map" else None
    if given is None or given.aliased or given.source is not span.source:
        return []
    found = [step.key or step.node for step in _members(given)]
    return [Span(span.source, one.start, one.end) for one in found if one.kind == "scalar" and one.text == name]
