"""How Compose lays one definition over another, as nodes: override files, extends, includes.

Nothing here knows what a key means beyond how it merges [read and run: compose-go 2.13.0 override].  Nodes keep
the place they were written at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..source import Span
from ..tuples import NamedTuple
from ..yamltext import Node, scalar
from . import Fault

Pair = tuple[Node, Node]

_MAX_COPIED = 300_000  # entries copied by merging
_TOO_MUCH = "the files merge into too much to follow"


class Written(NamedTuple):
    """One variable of an ``environment`` or ``args``: ``key`` is None for a list item ``A=1``, which is then ``value``."""

    name: str
    key: Node | None
    value: Node


class Reports:
    """Everything wrong on the way: faults, and what could not be followed, each once and in order."""

    __slots__ = ("faults", "unread")

    def __init__(self) -> None:
        self.faults: dict[tuple[str, Span], Fault] = {}
        self.unread: dict[tuple[str, Span], None] = {}

    def fault(self, message: str, span: Span, fatal: bool = True) -> None:
        """Record a fault."""
        self.faults.setdefault((message, span), Fault(message, span, fatal))

    def refuse(self, message: str, span: Span) -> None:
        """Record something for which Compose refuses the file."""
        self.fault(message + "; Compose refuses the file", span)

    def miss(self, reason: str, span: Span) -> None:
        """Record that something could not be followed."""
        self.unread[reason, span] = None


class Merge:
    """Merges nodes; what does not fit goes to ``reports``."""

    __slots__ = ("_copied", "reports")

    def __init__(self, reports: Reports) -> None:
        self.reports = reports
        self._copied = 0

    def service(self, base: Node, over: Node, beaten: list[Written] | None) -> Node:
        if beaten is not None and "environment" in base.entries and "environment" in over.entries:
            below = base.entries["environment"][1]
            names = {written.name for written in environment_of(over.entries["environment"][1])}
            beaten.extend(written for written in environment_of(below) if written.name in names)
        return self.nodes(base, over, _SERVICE)

    def nodes(self, base: Node, over: Node, special: dict[str, str] | None = None, depth: int = 0) -> Node:
        """Maps by key, lists one after the other, else ``over``; ``!reset`` takes away, ``!override`` replaces."""
        if is_null(over):
            return base
        if base.kind != "map" or over.kind != "map":
            if base.kind == over.kind == "seq":
                return self._chain(base, over, [*base.items, *over.items])
            if base.kind != "scalar":
                self.reports.refuse(f"{what(over)} cannot override {what(base)}", over.span)
            return over
        self._copied += len(base.entries)
        if depth > 30 or self._copied > _MAX_COPIED:
            self.reports.miss(_TOO_MUCH, over.span)
            return over
        entries = dict(base.entries)
        for name, pair in over.entries.items():
            if pair[1].tag == "!reset":
                entries.pop(name, None)
            elif name not in entries or pair[1].tag == "!override":
                entries[name] = pair
            else:
                how = special.get(name, "") if special else ""
                entries[name] = (pair[0], self._combine(how, entries[name][1], pair[1], depth))
        return over.replaced(entries=entries, aliased=False)

    def _combine(self, how: str, base: Node, over: Node, depth: int) -> Node:
        null = is_null(over)
        match how:
            case "replace":
                return over
            case "variables" | "list" if null:
                return base
            case "variables":
                gone = {name for name, pair in over.entries.items() if is_reset(pair)} if base.kind == over.kind == "map" else set()
                items = {_name_of(item): item for item in (*_as_list(base, gone), *_as_list(over))}
                return self._chain(base, over, list(items.values()))
            case "list":
                listed = [*(base.items if base.kind == "seq" else (base,)), *(over.items if over.kind == "seq" else (over,))]
                return self._chain(base, over, listed)
            case "names":
                return base if null else self.nodes(_as_map(base), _as_map(over), _NAMES, depth + 1)
            case "name":  # a bare name under what another file says of it
                return over if over.kind == "map" or base.kind != "map" else base
            case "build":
                return base if null else self.nodes(_as_build(base), _as_build(over), _BUILD, depth + 1)
            case "healthcheck":
                return self.nodes(base, over, _HEALTHCHECK, depth + 1)
            case _:
                return self.nodes(base, over, None, depth + 1)

    def _chain(self, base: Node, over: Node, items: list[Node]) -> Node:
        self._copied += len(items)
        if self._copied > _MAX_COPIED:
            self.reports.miss(_TOO_MUCH, over.span)
            return over
        return over.replaced(kind="seq", items=items, style="", aliased=False)


class _Every(dict[str, str]):
    """The same way of merging for every key."""

    def get(self, key: str, default: object = None) -> str:
        return self[""]


_SERVICE = {
    **dict.fromkeys(("command", "entrypoint", "dns", "dns_opt", "dns_search", "extra_hosts", "labels", "label_file"), "replace"),
    **dict.fromkeys(("annotations", "sysctls", "tmpfs", "ulimits", "models", "logging", "extends"), "replace"),
    "environment": "variables",
    "env_file": "list",
    "depends_on": "names",
    "networks": "names",
    "build": "build",
    "healthcheck": "healthcheck",
}
_BUILD = {"args": "variables", **dict.fromkeys(("additional_contexts", "labels", "extra_hosts", "ssh"), "replace")}
_HEALTHCHECK = {"test": "replace"}
_NAMES = _Every({"": "name"})


def environment_of(node: Node) -> Iterator[Written]:
    """The variables of an ``environment`` or ``args`` in either form, or merged; entries of a wrong shape are passed over."""
    if node.kind == "map":
        for name, (key, value) in node.entries.items():
            if value.tag != "!reset":
                yield Written(name, key, value)
    for item in node.items:
        if item.kind == "map" and item.style == _PAIR:
            yield from environment_of(item)
        elif item.kind == "scalar" and item.tag != "!reset":
            name, _, _ = item.text.partition("=")
            if "$" not in name:
                yield Written(name, None, item)


_PAIR = "="  # the style of a map made of one entry of another


def _as_list(node: Node, gone: Collection[str] = ()) -> list[Node]:
    if node.kind != "map":
        return list(node.items) if node.kind == "seq" else [node]
    return [
        Node(
            "map",
            key.source,
            key.start,
            max(key.end, value.end if value.source is key.source else 0),
            style=_PAIR,
            entries={name: (key, value)},
        )
        for name, (key, value) in node.entries.items()
        if value.tag != "!reset" and name not in gone
    ]


def _name_of(item: Node) -> str | int:
    """The variable an item of an ``environment`` sets."""
    if item.kind == "map" and item.style == _PAIR:
        return next(iter(item.entries))
    return item.text.partition("=")[0] if item.kind == "scalar" else id(item)


def _as_map(node: Node) -> Node:
    if node.kind != "seq":
        return node
    return node.replaced(kind="map", items=(), entries={item.text: (item, item) for item in node.items if item.kind == "scalar"})


def _as_build(node: Node) -> Node:
    return node.replaced(kind="map", text="", entries={"context": (node, node)}) if node.kind == "scalar" else node


def is_null(node: Node) -> bool:
    """Whether a node is null, written out or left empty."""
    return node.kind == "scalar" and scalar(node) is None


def is_reset(pair: Pair) -> bool:
    return pair[1].tag == "!reset"


def where(pair: Pair) -> Span:
    return pair[1].span if pair[1].end > pair[1].start else pair[0].span


def what(node: Node) -> str:
    if node.kind != "scalar":
        return "a list" if node.kind == "seq" else "a map"
    value = scalar(node)
    return "null" if value is None else "a boolean" if isinstance(value, bool) else "a number" if isinstance(value, int | float) else "text"
