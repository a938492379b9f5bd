"""Structs of other crates that hold settings: deadpool's Config, PoolConfig and Timeouts, as literals and field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..source import Span
from ..tuples import NamedTuple
from ..units import Seconds
from ..value import Value
from . import rust_scalars as scalars
from .rust_code import COMMENTS, File, arguments, returns, tail
from .rust_forms import segments, unknown_reason
from .rust_names import Bound, Param, Ref, Scope, conditional
from .rust_paths import Paths
from .rust_pools import binder_of, in_branch
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node

_DEPTH = 10
_INSIDE = frozenset({"parenthesized_expression", "reference_expression", "try_expression", "await_expression", "unsafe_block"})
_PASSING = frozenset({"into", "clone", "unwrap", "expect", "to_owned"})
_EMPTY = frozenset({"Config", "PoolConfig", "Timeouts", "Default"})  # types of which `new()` and `default()` set nothing
_LENDING = ("mut", "insert", "replace", "take", "set")


class Field(NamedTuple):
    """One field as it is set."""

    value: Bound
    span: Span  # the whole ``name: value`` or ``config.name = value``
    name_span: Span
    value_span: Span


class Record(NamedTuple):
    """The fields that are set, by name (``timeouts.wait`` for one set inside another).

    ``why`` says why more may be set than these, as in "the pool's settings ..."; "" when the others have their defaults.
    """

    fields: Mapping[str, Field]
    why: str = ""


class Records:
    """Reads struct values of one crate."""

    def __init__(self, reader: Reader, paths: Paths) -> None:
        self._reader = reader
        self._paths = paths

    def read(self, node: Node, scope: Scope, depth: int = 0) -> Record:
        """The struct that ``node`` yields."""
        kind = node.type
        inner = [child for child in node.named_children if child.type not in COMMENTS and child.type != "mutable_specifier"]
        if depth > _DEPTH or scope.hops > _DEPTH:
            return Record({}, "are passed on too often to follow")
        if kind in _INSIDE and inner:
            return self.read(inner[-1], scope, depth + 1)
        if kind == "block":
            last = tail(node)
            return self.read(last, scope, depth + 1) if last is not None else self._lost(node, scope)
        if kind == "struct_expression":
            return self._literal(node, scope, depth)
        if kind == "call_expression":
            return self._call(node, scope, depth)
        if kind == "identifier" and scope.file.text(node) == "None":
            return Record({})
        if kind == "identifier":
            return self._variable(node, scope, depth)
        return self._lost(node, scope)

    def inner(self, record: Record, name: str, depth: int = 0) -> Record | None:
        """The struct that field ``name`` holds, with what is set inside it later; None where the field is not set."""
        field = record.fields.get(name)
        prefix = f"{name}."
        below = {key[len(prefix) :]: one for key, one in record.fields.items() if key.startswith(prefix)}
        if field is None:
            return Record(below, record.why) if below or record.why else None
        if not isinstance(field.value, Ref):
            return Record(below, "are not followed")
        found = self.read(field.value.node, field.value.scope, depth + 1)
        return Record({**found.fields, **below}, found.why)

    def _lost(self, node: Node, scope: Scope) -> Record:
        shown, _, decided = unknown_reason(scope.file.text(node)).partition(" is ")
        return Record({}, f"come from {shown}, {decided}" if decided else f"are {shown}")

    def _literal(self, node: Node, scope: Scope, depth: int) -> Record:
        file = scope.file
        body = node.child_by_field_name("body")
        fields: dict[str, Field] = {}
        base = Record({})
        for child in body.named_children if body is not None else ():
            if child.type == "shorthand_field_initializer":
                label = child.named_children[-1]
                span = file.span(label)
                fields[file.text(label)] = Field(Ref(label, scope), span, span, span)
            elif child.type == "field_initializer":
                name = child.child_by_field_name("field") or child.child_by_field_name("name")
                value = child.child_by_field_name("value")
                if name is not None and value is not None:
                    fields[file.text(name)] = Field(Ref(value, scope), file.span(child), file.span(name), file.span(value))
            elif child.type == "base_field_initializer" and child.named_children:
                base = self.read(child.named_children[-1], scope, depth + 1)
        return Record({**base.fields, **fields}, base.why)

    def _call(self, node: Node, scope: Scope, depth: int) -> Record:
        file, given = scope.file, arguments(node)
        function = node.child_by_field_name("function")
        if function is None:
            return self._lost(node, scope)
        if function.type == "field_expression":
            receiver, label = function.child_by_field_name("value"), function.child_by_field_name("field")
            if receiver is not None and label is not None and file.text(label) in _PASSING:
                return self.read(receiver, scope, depth + 1)
            return self._lost(node, scope)
        path = segments(file.text(function))
        name, before = path[-1], path[-2] if len(path) > 1 else ""
        if name in ("Some", "Ok") and len(given) == 1:
            return self.read(given[0], scope, depth + 1)
        full = self._paths.full(file, "::".join(path[:-1])) if before not in ("", "Default") else (before,)
        kinds = {one.rpartition("::")[2] for one in full if one == "Default" or one.startswith("deadpool")}
        definition = None if kinds else self._reader.select(name, before, function, scope)
        if definition is not None:
            body = definition.node.child_by_field_name("body")
            if body is None or returns(body, definition.file.data):
                return self._lost(node, scope)
            return self.read(body, self._reader.enter(definition, [Ref(arg, scope) for arg in given], scope), depth + 1)
        if not kinds.isdisjoint(_EMPTY):
            if name in ("new", "default") and not given:
                return Record({})
            if "PoolConfig" in kinds and name == "new" and len(given) == 1:
                return Record({"max_size": Field(Ref(given[0], scope), file.span(node), file.span(function), file.span(given[0]))})
            if "Timeouts" in kinds and name == "wait_millis" and len(given) == 1:
                milliseconds = self._reader.start().value(given[0], scope, "u64")
                wait = self._reader.compute(lambda ms: Seconds(scalars.whole(ms) / 1000), [milliseconds], file.span(node))
                return Record({"wait": Field(wait, file.span(node), file.span(function), file.span(given[0]))})
        return self._lost(node, scope)

    def _variable(self, node: Node, scope: Scope, depth: int) -> Record:
        file, reader = scope.file, self._reader
        name = file.text(node)
        binder = binder_of(reader.names, file, name, node)
        found: Bound | Param | None = None if binder is not None and binder.id in scope.bound else _let_value(file, binder, name, scope)
        found = found or reader.names.find(name, node, scope)
        if isinstance(found, Ref):
            record = self.read(found.node, found.scope, depth + 1)
        elif isinstance(found, Param):
            callers = reader.callers(found)
            if callers is None or len(callers) != 1:
                return Record({}, f"come from parameter `{name}`, given by callers not found")
            record = self.read(callers[0].node, Scope(callers[0].scope.file, hops=scope.hops + 1), depth + 1)
        else:
            return self._lost(node, scope)
        return self._assigned(record, name, binder, node, scope) if binder is not None else record

    def _assigned(self, record: Record, name: str, binder: Node, use: Node, scope: Scope) -> Record:
        """``record`` with what statements between the ``let`` and ``use`` set in it."""
        file = scope.file
        fields, why = dict(record.fields), record.why
        block = binder.parent if binder.type == "let_declaration" else binder
        start = binder.end_byte if binder.type == "let_declaration" else binder.start_byte
        for at in file.words(name.encode("utf-8", "surrogateescape"), start, use.start_byte):
            node = file.node(at, at + len(name.encode("utf-8", "surrogateescape")))
            if node is None or node.type != "identifier" or binder_of(self._reader.names, file, name, node) != binder:
                continue
            parts = list(_fields_of(file, node))
            top = parts[-1][1] if parts else node
            holder = top.parent
            if holder is None:
                continue
            if holder.type == "assignment_expression" and holder.child_by_field_name("left") == node:
                why = why or "are put together in more than one place"
            elif holder.type == "assignment_expression" and holder.child_by_field_name("left") == top:
                value = holder.child_by_field_name("right")
                if value is None:
                    continue
                key = ".".join(label for label, _ in parts)
                for old in [one for one in fields if one.startswith(f"{key}.")]:
                    del fields[old]
                if block is not None and in_branch(file, holder, block):
                    why = why or f"are set in only one branch (`{key}`)"
                    fields.pop(key, None)
                else:
                    fields[key] = Field(Ref(value, scope), file.span(holder), file.span(top), file.span(value))
            elif holder.type == "reference_expression" and any(child.type == "mutable_specifier" for child in holder.children):
                why = why or "are lent to another function"
            elif parts and any(word in parts[-1][0] for word in _LENDING):
                why = why or f"are changed through `.{parts[-1][0]}()`"
        return Record(fields, why)


def _let_value(file: File, binder: Node | None, name: str, scope: Scope) -> Ref | None:
    """What a plain ``let mut name = value`` binds; changes to it are looked for one by one."""
    if binder is None or binder.type != "let_declaration" or conditional(file, binder):
        return None
    pattern, value = binder.child_by_field_name("pattern"), binder.child_by_field_name("value")
    is_plain = pattern is not None and file.text(pattern).removeprefix("mut ").strip() == name
    return Ref(value, scope) if is_plain and value is not None else None


def _fields_of(file: File, node: Node) -> Iterator[tuple[str, Node]]:
    """``a``, ``b`` of ``node.a.b``, each with the expression that ends there."""
    current: Node | None = node
    while current is not None:
        parent = current.parent
        if parent is None or parent.type != "field_expression" or parent.child_by_field_name("value") != current:
            return
        label = parent.child_by_field_name("field")
        yield file.text(label) if label is not None else "", parent
        current = parent


def value_of(reader: Reader, field: Field, hint: str) -> Value:
    """What a field is set to."""
    reader.start()
    return reader.force(field.value, hint)
