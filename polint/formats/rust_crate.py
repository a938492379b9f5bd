"""Puts a crate together: pools from constructors, settings and ends; what closes them; what the environment gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..source import Source, Span
from ..treesitter import find_all, first_error
from ..tuples import NamedTuple
from ..value import Opaque, Value
from . import Fault
from .rust import Crate, PoolCall, SettingCall
from .rust_built import built
from .rust_code import COMMENTS, Code, File, arguments
from .rust_constructors import Constructor, constructors, says_postgres
from .rust_deadpool import SETS, expanded
from .rust_env import environment
from .rust_libraries import DEADPOOL, SQLX, Library
from .rust_managed import Found, Managed, Undecided
from .rust_names import Scope
from .rust_others import others, singles
from .rust_pools import End, Link, Tracer
from .rust_records import Records
from .rust_structs import same
from .rust_usage import usage
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node

SYNTAX = "the syntax is broken here, so pools and settings in this file may be missed"
_BUILDERS = (b"PoolOptions", b"PgPool::connect", b"Pool::<", b"Pool::connect")
_UNPREPARED = {"tokio-postgres": (b"query_typed",), "diesel": (b"CacheSize::Disabled",), "diesel-async": (b"CacheSize::Disabled",)}
_POOL_WORDS = ("pool", "db", "conn", "database", "pg")


def crate(sources: Sequence[Source]) -> Crate:
    """The pools, reads and closes of one crate."""
    code = Code(sources)
    reader = Reader(code)
    found: list[_Found] = []
    managed = Managed(code, reader)
    lost: list[Undecided] = []
    for one in (*_pools(code, reader, SQLX), *managed.find()):
        if isinstance(one, Undecided):
            lost.append(one)
        elif one.ends:  # a builder that is dropped makes no pool
            found.append(_found(one, reader, managed.records))
    names = {name for one in found for name in one.names}
    reads, loads, wholesale = environment(reader)
    return Crate(
        tuple(_with_choices(found)),
        reads,
        tuple(_closes(code, names)),
        loads,
        wholesale,
        others(code, frozenset(managed.elsewhere) | {one.pool.library for one in found} | {one.library for one in lost}),
        tuple(singles(reader)),
        tuple(_faults(code)),
        lost=tuple((one.library, one.span) for one in lost),
        usage=usage(reader, [(one.file, one.node) for one in found]),
    )


def _faults(code: Code) -> Iterator[Fault]:
    """For each file that names a pool in code the grammar cannot read: the first such place."""
    for file in code.files:
        if not any(needle in file.data for needle in _BUILDERS) or not file.syntax.root.has_error:
            continue
        for at in sorted(at for word in _BUILDERS for at in find_all(file.data, word)):
            if code.is_test(file, at):
                continue
            item = next((child for child in file.syntax.root.children if child.start_byte <= at < child.end_byte), None)
            if item is None or item.type in COMMENTS or item.type == "use_declaration":
                continue
            wrong = first_error(item)
            if wrong is None and not item.type.endswith(("_item", "_invocation")):  # no item: what stands before it broke off
                before = item.prev_sibling
                while before is not None and wrong is None:
                    wrong, before = first_error(before), before.prev_sibling
            if wrong is not None:
                yield Fault(SYNTAX, file.bytes_span(wrong.start_byte, _line_end(file.data, wrong)))
                break


def _line_end(data: bytes, node: Node) -> int:
    """The end of ``node``, or of its first line."""
    line = data.find(b"\n", node.start_byte, node.end_byte)
    return line if line >= 0 else node.end_byte


class _Found(NamedTuple):
    """A pool with the node that decides whether it is built, and the variables it is bound to."""

    pool: PoolCall
    file: File
    node: Node
    names: frozenset[str]


def _pools(code: Code, reader: Reader, library: Library) -> Iterator[Found]:
    tracer = Tracer(reader, library)
    for constructor in constructors(code, library):
        follow = tracer.direct if constructor.direct else tracer.ends
        ends = follow(constructor.file, constructor.call)
        if constructor.generic:
            ends = [end for end in ends if says_postgres(end, library)]
        yield Found(library, constructor, ends, {}, None, "sqlx")


def _found(one: Found, reader: Reader, records: Records) -> _Found:
    """The pool of one constructor; where its builder reaches several connects, what they do not share is unknown."""
    library, constructor, ends = one.library, one.constructor, one.ends
    file, call = constructor.file, constructor.call
    span = file.span(call)
    made = [_settings(end, reader, library, one.settings, records) for end in ends]
    settings, shadowed = made[0]
    for more, _ in made[1:]:
        for name in {**settings, **more}:
            mine, other = settings.get(name), more.get(name)
            if mine is None or other is None or mine.span != other.span:
                settings[name] = _unknown(mine or other, "differs between the pools made from one builder")
    why = next((end.why for end in ends if end.why), "")
    if why:
        for name in library.setters:
            settings.setdefault(name, SettingCall(name, Opaque(f"the pool's builder {why}", span), span, span, span))
    targets: list[Value | None] = []
    lazy: list[bool] = []
    names: set[str] = set()
    for end in ends:
        if end.connect is not None and end.scope is not None:
            method = constructor.direct or _method_name(end.file, end.connect)
            lazy.append(library.connects.get(method, False))
            if library is SQLX:
                targets.append(_target(end, end.connect, end.scope, method, reader, library))
            names |= _bound_names(end.file, end.connect)
    target = targets[0] if targets else one.target
    if target is not None and not all(other is not None and same(target, other) for other in targets):
        target = Opaque("differs between the pools made from one builder", target.span)
    count = built(reader, _places(constructor, ends))
    holder = file.enclosing(call, "function_item")
    label = holder.child_by_field_name("name") if holder is not None else None
    pool = PoolCall(
        library=library.name,
        constructor=constructor.name,
        span=span,
        settings=MappingProxyType(settings),
        shadowed=tuple(shadowed),
        target=target,
        function=file.text(label) if label is not None else "",
        lazy=bool(lazy) and all(lazy),
        unfinished=why,
        connects=tuple(end.file.span(end.connect) for end in ends if end.connect is not None),
        at_least_built=count.least,
        at_most_built=count.most,
        repeated=count.why,
        driver=one.driver,
        is_postgres=one.is_postgres,
        prepares=not any(mark in other.data for other in reader.code.files for mark in _UNPREPARED.get(one.driver, ())),
    )
    at = next((end.connect for end in ends if end.connect is not None and end.file is file), None)
    return _Found(pool, file, at if at is not None and len(ends) == 1 else call, frozenset(names))


def _places(constructor: Constructor, ends: list[End]) -> list[tuple[File, Node]]:
    """Where pools are made of a builder: its connects, or itself where a function that others may call too connects it."""
    places: list[tuple[File, Node]] = []
    for end in ends:
        place = (constructor.file, constructor.call)
        if end.connect is not None and end.scope is not None:
            holder = end.file.enclosing(end.connect, "function_item")
            if holder is None or holder.id not in end.scope.bound:
                place = (end.file, end.connect)
        if place not in places:
            places.append(place)
    return places


def _settings(
    end: End, reader: Reader, library: Library, start: Mapping[str, SettingCall], records: Records
) -> tuple[dict[str, SettingCall], list[SettingCall]]:
    """The settings on the way to one end, from ``start`` on, and those that later ones of the same name replace."""
    settings = dict(start)
    shadowed: list[SettingCall] = []
    for link in end.links:
        several = expanded(link, reader, records) if library is DEADPOOL else None
        if several is not None:
            for name in SETS[link.name]:
                settings.pop(name, None)  # what it does not say goes back to the default
            settings |= several
            continue
        made = _setting(link, reader, library)
        before = settings.get(link.name)
        if before is not None:
            if link.optional:
                made = _unknown(made, "set differently in two branches")
            else:
                shadowed.append(before)
        settings[link.name] = made
    return settings, shadowed


def _target(end: End, connect: Node, scope: Scope, method: str, reader: Reader, library: Library) -> Value | None:
    """The URL a pool connects to; None where options say it that are not made from one URL."""
    given = arguments(connect)
    if not given:
        return None
    value = reader.start().value(given[0], scope, "str")
    return None if method in library.with_options and isinstance(value, Opaque) else value


def _setting(link: Link, reader: Reader, library: Library) -> SettingCall:
    """The setting a link makes."""
    file = link.scope.file
    given = arguments(link.call)
    access = link.call.child_by_field_name("function")
    if access is not None and access.type == "generic_function":
        access = access.child_by_field_name("function")
    label = access.child_by_field_name("field") if access is not None else None
    dot = next((child for child in access.children if child.type == "."), None) if access is not None else None
    span = file.bytes_span((dot or label or link.call).start_byte, link.call.end_byte)
    name_span = file.span(label) if label is not None else span
    value_span = file.span(given[0], given[-1]) if given else file.bytes_span(link.call.end_byte - 1, link.call.end_byte - 1)
    value: Value
    if link.optional:
        value = Opaque("set in only one branch", value_span)
    elif len(given) == 1:
        value = reader.start().value(given[0], link.scope, library.setters.get(link.name, ""))
    else:
        value = Opaque("set with other arguments than one", value_span)
    return SettingCall(link.name, value, span, name_span, value_span)


def _unknown(call: SettingCall | None, reason: str) -> SettingCall:
    assert call is not None
    return SettingCall(call.name, Opaque(reason, call.value_span), call.span, call.name_span, call.value_span)


def _method_name(file: File, call: Node) -> str:
    function = call.child_by_field_name("function")
    return file.text(function).rpartition(".")[2].partition("::")[0].strip() if function is not None else ""


def _bound_names(file: File, connect: Node) -> set[str]:
    """The variables and fields that hold the pool this call makes."""
    for parent in file.ups(connect, 30):
        field = {"let_declaration": "pattern", "field_initializer": "field", "static_item": "name", "assignment_expression": "left"}.get(
            parent.type
        )
        if field is not None:
            label = parent.child_by_field_name(field)
            return {file.text(label).rpartition(".")[2].removeprefix("mut ")} if label is not None else set()
        if parent.type == "function_item":
            break
    return set()


def _with_choices(found: list[_Found]) -> Iterator[PoolCall]:
    """The pools, those of one ``if`` or ``match`` marked as a choice."""
    arms: dict[tuple[str, int], set[int]] = {}
    paths: list[list[tuple[tuple[str, int], int, Span]]] = []
    for one in found:
        path: list[tuple[tuple[str, int], int, Span]] = []
        child = one.node
        for parent in one.file.ups(one.node):
            if parent.type == "if_expression" and child.type in ("block", "else_clause"):
                path.append(((one.file.source.path, parent.id), child.start_byte, one.file.span(parent)))
            elif parent.type == "match_block" and child.type == "match_arm":
                path.append(((one.file.source.path, parent.id), child.start_byte, one.file.span(parent.parent or parent)))
            elif parent.type == "function_item":
                break
            child = parent
        for key, arm, _ in path:
            arms.setdefault(key, set()).add(arm)
        paths.append(path)
    for one, path in zip(found, paths, strict=True):
        choice = next((span for key, _, span in reversed(path) if len(arms[key]) > 1), None)
        yield one.pool._replace(choice=choice) if choice is not None else one.pool


def _closes(code: Code, names: set[str]) -> Iterator[Span]:
    """Calls of ``close`` on what plausibly is a pool, outside tests."""
    for file in code.files:
        for at in find_all(file.data, b".close()"):
            node = None if code.is_test(file, at) else file.node(at + 1, at + 6)
            access = node.parent if node is not None else None
            call = access.parent if access is not None and access.type == "field_expression" else None
            receiver = access.child_by_field_name("value") if access is not None and call is not None else None
            if receiver is None or call is None or call.type != "call_expression":
                continue
            name = _last_name(file, receiver)
            if name in names or any(word in name.lower() for word in _POOL_WORDS) or _is_own_pool(code, file, receiver):
                yield file.span(call)


def _is_own_pool(code: Code, file: File, receiver: Node) -> bool:
    """Whether ``self.inner`` is a field whose type is a pool."""
    owner, field = receiver.child_by_field_name("value"), receiver.child_by_field_name("field")
    if receiver.type != "field_expression" or owner is None or field is None or file.text(owner) != "self":
        return False
    name = file.text(field)
    for struct in code.structs(file.impl_of(receiver)):
        body = struct.node.child_by_field_name("body")
        kinds: list[Node | None] = []
        if body is not None and body.type == "ordered_field_declaration_list":
            kinds.extend(body.children_by_field_name("type")[int(name) : int(name) + 1] if name.isdecimal() else ())
        elif body is not None:
            fields = [child for child in body.named_children if child.type == "field_declaration"]
            kinds = [one.child_by_field_name("type") for one in fields if _field_name(struct.file, one) == name]
        for kind in kinds:
            text = "".join(struct.file.text(kind).split()) if kind is not None else ""
            if any(mark in text for mark in SQLX.pools) or ("Pool<" in text and "Postgres" in text):
                return True
    return False


def _field_name(file: File, field: Node) -> str:
    label = field.child_by_field_name("name")
    return file.text(label) if label is not None else ""


def _last_name(file: File, node: Node) -> str:
    """The last name of ``state.pool``, ``self.db()`` or ``pool.clone()``."""
    for _ in range(8):
        if node.type == "call_expression":
            function = node.child_by_field_name("function")
            if function is None:
                return ""
            label = function.child_by_field_name("field")
            value = function.child_by_field_name("value")
            if label is not None and value is not None and file.text(label) in ("clone", "unwrap", "as_ref", "borrow", "inner"):
                node = value
                continue
            node = label or function
        elif node.type == "field_expression":
            node = node.child_by_field_name("field") or node
            break
        elif (
            node.type in ("parenthesized_expression", "reference_expression", "await_expression", "try_expression") and node.named_children
        ):
            node = node.named_children[-1]
        else:
            break
    return file.text(node) if node.child_count == 0 else ""
