"""Laravel's config files: database connections, and Horizon's supervisors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING

from ..treesitter import walk
from ..value import Literal, Opaque, Value
from .php import ConnectionEntry, PhpFile, SettingEntry, Supervisor, as_entry, as_options
from .php_arrays import Array, Item, literal, over
from .php_calls import split_text
from .php_convert import camel
from .php_nodes import text

if TYPE_CHECKING:
    from .php_values import Reader

# settings of a supervisor: an array of ``environments`` with none of them is not Horizon's
_HORIZON = frozenset(
    {"connection", "queue", "balance", "maxProcesses", "minProcesses", "maxTries", "timeout", "memory", "maxTime", "maxJobs"}
)
_MOST_SUPERVISORS = 10_000


def configured(reader: Reader, file: PhpFile) -> PhpFile:
    """``file`` with what the arrays it returns say of connections and of Horizon."""
    for root in _returned(reader):
        file = _configured(reader, root, file)
    if reader.names.root.has_error and not file.connections and not file.supervisors:
        file = _configured(reader, _remains(reader), file)
    return file


def _remains(reader: Reader) -> Array:
    """What is left, in code that does not parse, of the two keys that matter: the elements that follow them."""
    found: dict[str, Item] = {}
    for error in walk(reader.names.root, "ERROR"):
        children = error.named_children
        for number, child in enumerate(children):
            key = text(child)[1:-1] if child.type == "string" else ""
            if key not in ("connections", "environments", "defaults") or key in found:
                continue
            after = children[number + 1 :]
            elements = list(takewhile(lambda node: node.type in ("array_element_initializer", "comment"), after))
            if not elements and after and after[0].type == "array_creation_expression":
                elements = after[0].named_children
            span = reader.span(child)
            array = literal(reader, elements, reader.names.file)
            array.known = False
            found[key] = Item(key, False, span, span, span, reader.names.file, array=array)
    return Array(found, known=False)


def _configured(reader: Reader, root: Array, file: PhpFile) -> PhpFile:
    entry = root.items.get("connections")
    connections = reader.item_array(entry) if entry is not None else None
    if connections is not None:
        default = root.items.get("default")
        file = file._replace(
            connections=tuple(_connection(reader, item) for item in connections.items.values()),
            connections_known=connections.known,
            default_connection=reader.item_value(default) if default is not None else None,
        )
    entry = root.items.get("environments")
    environments = reader.item_array(entry) if entry is not None else None
    if environments is not None:
        supervisors, known = _supervisors(reader, root, environments)
        file = file._replace(supervisors=tuple(supervisors), supervisors_known=known)
    return file


def _returned(reader: Reader) -> Iterator[Array]:
    """The arrays that the file itself returns."""
    stack = list(reversed(reader.syntax.root.named_children))
    while stack:
        node = stack.pop()
        if node.type == "namespace_definition":
            body = node.child_by_field_name("body")
            stack.extend(reversed(body.named_children if body is not None else []))
        elif node.type == "return_statement":
            given = [child for child in node.named_children if child.type not in ("comment", "ERROR")]
            array = reader.array(given[0], reader.names.file) if given else None
            if array is not None:
                yield array


def _connection(reader: Reader, item: Item) -> ConnectionEntry:
    array = reader.item_array(item)
    if array is None:
        return ConnectionEntry(item.key, item.key_span, {}, {}, None, options_known=False, settings_known=False)
    nested = ("options", "read", "write")
    settings = {key: as_entry(reader, inner) for key, inner in array.items.items() if key not in nested}
    options, known, options_span = dict[str, SettingEntry](), array.known, None
    given = array.items.get("options")
    if given is not None:
        options_span = given.value_span
        inner = reader.item_array(given)
        if inner is not None:
            options, known = as_options(reader, inner), inner.known
        else:
            value = reader.item_value(given)
            known = isinstance(value, Literal) and not value.value
    known = known and not any(_has_options(reader, array.items.get(side)) for side in ("read", "write"))
    host = settings.get("host")
    base = () if host is None else host.items or (host.value,)
    return ConnectionEntry(
        item.key,
        item.key_span,
        settings,
        options,
        options_span,
        _hosts(reader, array.items.get("read"), base),
        _hosts(reader, array.items.get("write"), base),
        known,
        array.known,
    )


def _has_options(reader: Reader, item: Item | None) -> bool:
    """Whether one side of a split has PDO options of its own, which replace the connection's."""
    side = reader.item_array(item) if item is not None else None
    if side is None:
        return False
    listed = (reader.item_array(inner) for key, inner in side.items.items() if key.isdigit())
    return "options" in side.items or any(one is not None and "options" in one.items for one in listed)


def _hosts(reader: Reader, item: Item | None, base: tuple[Value, ...]) -> tuple[Value, ...]:
    """The hosts of one side of a split; ``base`` are those of the connection, used where the side names none."""
    if item is None:
        return ()
    side = reader.item_array(item)
    if side is None:
        value = reader.item_value(item)
        return () if isinstance(value, Literal) and value.value is None else (Opaque("a split that could not be read", item.value_span),)
    # one configuration, or a list of them of which Laravel takes any
    listed = [reader.item_array(inner) for key, inner in side.items.items() if key.isdigit()]
    hosts: list[Value] = []
    for configuration in listed or [side]:
        host = configuration.items.get("host") if configuration is not None else None
        if host is None:
            hosts.extend(base)
            continue
        several = reader.item_array(host)
        hosts.extend(map(reader.item_value, several.items.values()) if several is not None else (reader.item_value(host),))
    return tuple(hosts) or (Opaque("a split that names no host", item.value_span),)


def _supervisors(reader: Reader, root: Array, environments: Array) -> tuple[list[Supervisor], bool]:
    """Every environment's supervisors over the defaults, and whether these are all."""
    entry = root.items.get("defaults")
    defaults = reader.item_array(entry) if entry is not None else Array({})
    if defaults is None:
        defaults = Array({}, known=False)
    found: list[Supervisor] = []
    known = environments.known
    for environment, item in environments.items.items():
        if len(found) > _MOST_SUPERVISORS:
            return found, False
        plan = reader.item_array(item)
        if plan is None:
            known = False
            continue
        merged = over(reader, defaults, plan)
        known = known and merged.known
        for name, supervisor in merged.items.items():
            array = reader.item_array(supervisor)
            if array is None:
                continue
            settings = _horizon(reader, array)
            if not _HORIZON.isdisjoint(settings):
                found.append(Supervisor(environment, name, supervisor.key_span, settings, array.known))
    return found, known


def _horizon(reader: Reader, array: Array) -> dict[str, SettingEntry]:
    """Settings under Horizon's own names; of two that mean the same the later one wins."""
    settings: dict[str, SettingEntry] = {}
    for written, item in array.items.items():
        key = camel({"tries": "max_tries", "processes": "max_processes"}.get(written, written))
        old = settings.pop(key, None)
        entry = as_entry(reader, item, key, (old, *old.shadowed) if old is not None else ())
        if key in ("queue", "backoff"):
            entry = _joined(reader, item, entry)
        settings[key] = entry
    return settings


def _joined(reader: Reader, item: Item, entry: SettingEntry) -> SettingEntry:
    """A list of queues as Horizon hands it on: joined with commas."""
    array = reader.item_array(item)
    if array is not None and array.known:
        comma = Literal(",", item.value_span)
        pieces = [piece for value in entry.items for piece in (comma, value)][1:]
        return entry._replace(value=reader.joined(pieces, item.value_span))
    split = split_text(reader, item)
    return entry._replace(value=split) if split is not None else entry
