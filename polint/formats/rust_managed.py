"""Pools of other libraries than SQLx: bb8, r2d2 and deadpool over a connection manager, SeaORM's over a URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..source import Span
from ..treesitter import find_all, walk
from ..tuples import NamedTuple
from ..value import Opaque, Value
from .rust import SettingCall
from .rust_code import Code, File, arguments, takes_part
from .rust_constructors import Constructor
from .rust_deadpool import pool_config, takes_tls
from .rust_forms import segments
from .rust_libraries import BB8, DEADPOOL, R2D2, SEAORM, Library
from .rust_managers import Manager, Managers
from .rust_names import Param, Ref, Scope, parameters
from .rust_paths import Paths
from .rust_pools import End, Tracer
from .rust_records import Records, value_of
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node

_TYPES = (b"Pool", b"Builder", b"ConnectOptions")
_POSTGRES = (b"postgres", b"Postgres", b"PgConnection", b"PgPool")


class Found(NamedTuple):
    """A pool's constructor with where its builder ends up; ``driver`` speaks to PostgreSQL."""

    library: Library
    constructor: Constructor
    ends: list[End]
    settings: Mapping[str, SettingCall]  # that it starts with
    target: Value | None
    driver: str
    is_postgres: bool = True


class Undecided(NamedTuple):
    """A pool of which the files do not say to which database it connects; ``library`` by its short name."""

    library: str
    span: Span


class Managed:
    """Finds the pools of one crate."""

    def __init__(self, code: Code, reader: Reader) -> None:
        self._code = code
        self._reader = reader
        self._paths = Paths(code)
        self.records = Records(reader, self._paths)
        self._managers = Managers(code, reader, self._paths)
        self.elsewhere: set[str] = set()  # libraries of pools that connect to other databases
        self._lent: list[End] = []  # where SeaORM's options were seen to go
        self._speaks = any(mark in file.data for file in code.files for mark in _POSTGRES)

    def find(self) -> Iterator[Found | Undecided]:
        """Every such pool outside tests."""
        if not any(word in file.data for file in self._code.files for word in (b"bb8", b"r2d2", b"deadpool", b"sea_orm")):
            return
        for file, call, library, path in self._constructors():
            yield from self._built(file, call, library, path)
        if any(b"deadpool_postgres" in file.data for file in self._code.files):
            yield from self._configured()
        if any(b"sea_orm" in file.data for file in self._code.files):
            yield from self._connected()

    # --- constructors

    def _constructors(self) -> Iterator[tuple[File, Node, Library, list[str]]]:
        """Calls like ``Pool::builder()``, with the names of their path."""
        names = dict.fromkeys(_TYPES)
        for file in self._code.files:
            for at in file.words(b"type"):
                line = file.data[at + 5 : at + 400].partition(b";")[0]
                if any(word in line for word in _TYPES):
                    names[line.partition(b"=")[0].partition(b"<")[0].strip()] = None
            for word in _TYPES:
                for at in find_all(file.data, word + b" as "):
                    names[_word_at(file.data, at + len(word) + 4)] = None
        for file in self._code.files:
            if not takes_part(file.source.path):
                continue
            for at, name in sorted((at, word) for word in names if word for at in file.words(word)):
                if not file.data[at + len(name) : at + len(name) + 4].lstrip().startswith(b"::") or self._code.is_test(file, at):
                    continue
                found = self._constructor(file, at, name)
                if found is not None:
                    yield found

    def _constructor(self, file: File, at: int, name: bytes) -> tuple[File, Node, Library, list[str]] | None:
        node = file.node(at, at + len(name))
        while node is not None and node.type != "call_expression":
            parent = node.parent
            kinds = ("scoped_identifier", "generic_type", "call_expression", "scoped_type_identifier", "generic_function")
            if parent is None or parent.type not in kinds:
                return None
            if parent.type == "call_expression" and parent.child_by_field_name("function") != node:
                return None
            node = parent
        function = node.child_by_field_name("function") if node is not None else None
        if node is None or function is None:
            return None
        path = segments("".join(file.text(function).split()))
        if len(path) < 2 or path[-2] != name.decode("utf-8", "replace") or (len(path) == 2 and self._code.structs(path[-2])):
            return None
        meant = {one: _library(one) for one in self._paths.full(file, "::".join(path[:-1]))}
        starts = {
            (library.name, one.rpartition("::")[2], path[-1], len(arguments(node))): library for one, library in meant.items() if library
        }
        if len(starts) != 1 or next(iter(starts)) not in _STARTS:
            return None
        return file, node, next(iter(starts.values())), path

    def _built(self, file: File, call: Node, library: Library, path: list[str]) -> Iterator[Found | Undecided]:
        """The pool of one constructor."""
        method, given = path[-1], arguments(call)
        is_direct = method in ("new", "from_config") and bool(given) and library is not SEAORM
        tracer = Tracer(self._reader, library)
        ends = tracer.direct(file, call) if is_direct else tracer.ends(file, call)
        constructor = Constructor(file, call, f"{library.name}::{path[-2]}::{method}", method if is_direct else "", False)
        if library is SEAORM:
            self._lent += ends
            target = self._reader.start().value(given[0], Scope(file), "str")
            yield Found(
                library,
                constructor,
                ends,
                {},
                None if isinstance(target, Opaque) else target,
                "sqlx",
                self._is_postgres(given[0], Scope(file)),
            )
            return
        settings: dict[str, SettingCall] = {}
        if library is DEADPOOL and is_direct:  # deadpool before 0.9: Pool::new(manager, 16), Pool::from_config(manager, config)
            if method == "new":
                span = file.span(given[1])
                settings["max_size"] = SettingCall("max_size", self._reader.start().value(given[1], Scope(file), "usize"), span, span, span)
            else:
                settings = pool_config(self._reader, self.records, self.records.read(given[1], Scope(file)), file.span(call))
        function = call.child_by_field_name("function")
        written = file.text(function).rpartition("::")[0] if function is not None else ""
        manager = self._manager(file, given[0] if library is DEADPOOL or is_direct else None, ends)
        driver = self._managers.driver(manager.types)
        if driver is None:
            types = self._paths.named(file, written)
            for end in ends:
                for place, text in (*((end.file, one) for one in (*end.types, *_annotations(end))), *self._kept(end)):
                    types |= self._paths.named(place, text)
            driver = self._managers.driver(types if not manager.types else types | manager.types)
        if driver is None and self._speaks:
            yield Undecided(library.name, file.span(call))
        elif driver:
            yield Found(library, constructor, ends, settings, manager.target, driver)
        else:
            self.elsewhere.add(library.name)

    def _kept(self, end: End) -> Iterator[tuple[File, str]]:
        """The types of what the variable with the pool goes into: the result of its function, a field of a struct."""
        file = end.file
        let = file.enclosing(end.connect, "let_declaration", "function_item") if end.connect is not None else None
        pattern = let.child_by_field_name("pattern") if let is not None and let.type == "let_declaration" else None
        block = let.parent if let is not None else None
        if let is None or block is None or pattern is None or pattern.type != "identifier":
            return
        word = file.data[pattern.start_byte : pattern.end_byte]
        for at in file.words(word, let.end_byte, block.end_byte):
            node = file.node(at, at + len(word))
            holder = file.up(node) if node is not None else None
            if node is None or holder is None:
                continue
            if holder.type in ("shorthand_field_initializer", "field_initializer"):
                label = node if holder.type[0] == "s" else holder.child_by_field_name("field") or holder.child_by_field_name("name")
                literal = file.enclosing(holder, "struct_expression")
                name = literal.child_by_field_name("name") if literal is not None else None
                if label is not None and name is not None:
                    struct = file.text(name).rpartition("::")[2]
                    yield from self._field(file.impl_of(node) if struct == "Self" else struct, file.text(label))
            elif holder.type == "block" or (holder.type == "arguments" and file.data.endswith((b"Ok", b"Some"), 0, holder.start_byte)):
                function = file.enclosing(holder, "function_item")
                written = function.child_by_field_name("return_type") if function is not None else None
                if written is not None:
                    yield file, file.text(written)

    def _field(self, struct: str, field: str) -> Iterator[tuple[File, str]]:
        """The type of a field of the crate's struct."""
        for file, node in self._code.structs(struct):
            for one in walk(node, "field_declaration"):
                label, kind = one.child_by_field_name("name"), one.child_by_field_name("type")
                if label is not None and kind is not None and file.text(label) == field:
                    yield file, file.text(kind)

    def _manager(self, file: File, node: Node | None, ends: list[End]) -> Manager:
        """The manager given to the constructor, or to the call that builds."""
        if node is not None:
            return self._managers.read(node, Scope(file))
        made = [
            self._managers.read(arguments(end.connect)[0], end.scope)
            for end in ends
            if end.connect is not None and end.scope is not None and arguments(end.connect)
        ]
        types = frozenset(kind for one in made for kind in one.types)
        return Manager(types, made[0].target if len(made) == 1 else None)

    # --- deadpool's Config

    def _configured(self) -> Iterator[Found]:
        """``config.create_pool(..)`` and ``config.builder(..)`` of deadpool_postgres::Config."""
        for file in self._code.files:
            for word in (b".create_pool", b".builder"):
                for at in find_all(file.data, word + b"("):
                    node = None if not takes_part(file.source.path) or self._code.is_test(file, at) else file.node(at + 1, at + len(word))
                    access = node.parent if node is not None else None
                    call = access.parent if access is not None and access.type == "field_expression" else None
                    config = access.child_by_field_name("value") if access is not None else None
                    if call is None or config is None or call.type != "call_expression" or not takes_tls(file, call, word):
                        continue
                    record = self.records.read(config, Scope(file))
                    span = file.span(call)
                    inner = self.records.inner(record, "pool")
                    settings = pool_config(self._reader, self.records, inner, span) if inner is not None else {}
                    url = record.fields.get("url")
                    target = value_of(self._reader, url, "str") if url is not None else None
                    name = f"deadpool::Config{word.decode()}".replace(".", "::")
                    direct = "create_pool" if word == b".create_pool" else ""
                    tracer = Tracer(self._reader, DEADPOOL)
                    ends = tracer.direct(file, call) if direct else tracer.ends(file, call)
                    constructor = Constructor(file, call, name, direct, False)
                    yield Found(DEADPOOL, constructor, ends, settings, None if isinstance(target, Opaque) else target, "tokio-postgres")

    # --- SeaORM

    def _connected(self) -> Iterator[Found]:
        """``Database::connect(url)``; where it is given options, their constructor was found before, or nothing is known of them."""
        for file in self._code.files:
            for at in file.words(b"Database::connect"):
                node = None if not takes_part(file.source.path) or self._code.is_test(file, at) else file.node(at, at + 8)
                call = file.enclosing(node, "call_expression") if node is not None else None
                function = call.child_by_field_name("function") if call is not None else None
                if call is None or function is None or "::".join(segments(file.text(function))[-2:]) != "Database::connect":
                    continue
                given = arguments(call)
                path = segments(file.text(function))[:-1]
                if len(given) != 1 or not any(_library(one) is SEAORM for one in self._paths.full(file, "::".join(path))):
                    continue
                kind = self._is_url(given[0], Scope(file))
                if kind is None:
                    continue
                target = self._reader.start().value(given[0], Scope(file), "str")
                end = End((), file, call, Scope(file), why="" if kind else "takes options that are not followed")
                constructor = Constructor(file, call, "sea-orm::Database::connect", "connect", False)
                url = None if isinstance(target, Opaque) else target
                yield Found(SEAORM, constructor, [end], {}, url, "sqlx", self._is_postgres(given[0], Scope(file)))

    def _is_postgres(self, node: Node, scope: Scope, depth: int = 0) -> bool:
        """Whether an expression for a URL shows that its scheme is PostgreSQL's, as ``format!("postgres://…")`` does."""
        file, text = scope.file, scope.file.text(node)
        if "postgres://" in text or "postgresql://" in text:
            return "sqlite:" not in text and "mysql:" not in text
        names = [node] if node.type == "identifier" else [one for one in walk(node, "identifier") if one != node]
        for name in names[:4] if depth < 4 else ():
            found = self._reader.names.find(file.text(name), name, scope)
            if isinstance(found, Ref) and self._is_postgres(found.node, found.scope, depth + 1):
                return True
        return False

    def _makes_text(self, node: Node, scope: Scope) -> bool:
        """Whether a variable holds what a function of the crate returns as text."""
        found = self._reader.names.find(scope.file.text(node), node, scope) if node.type == "identifier" else None
        call = found.node if isinstance(found, Ref) else node
        function = call.child_by_field_name("function") if call.type == "call_expression" else None
        name = function.child_by_field_name("field") if function is not None and function.type == "field_expression" else function
        made = self._code.functions(scope.file.text(name).rpartition("::")[2]) if name is not None else []
        written = [
            one.file.text(kind) if kind is not None else "" for one in made for kind in [one.node.child_by_field_name("return_type")]
        ]
        return bool(written) and all("str" in kind.lower() and "Options" not in kind for kind in written)

    def _is_url(self, node: Node, scope: Scope) -> bool | None:
        """Whether ``Database::connect`` is given a URL; None where it is given options of a constructor that is read."""
        file = scope.file
        text = file.text(node)
        if any(_covers(end, file, node) for end in self._lent):
            return None
        if node.type in ("reference_expression", "string_literal", "macro_invocation") or text.endswith((".as_str()", ".to_string()")):
            return True  # From<&str>, From<String>: there is none from a borrowed ConnectOptions
        if node.type == "identifier":
            found = self._reader.names.find(text, node, scope)
            if isinstance(found, Param) and found.number >= 0:
                written = parameters(found.node)[found.number].child_by_field_name("type")
                kind = found.file.text(written) if written is not None else ""
                return "str" in kind.lower()
        value = self._reader.start().value(node, scope, "str")
        if isinstance(value, Opaque) and self._makes_text(node, scope):
            return True
        return not isinstance(value, Opaque) and "ConnectOptions" not in "".join(_annotations(End((), file, node)))


def _word_at(data: bytes, at: int) -> bytes:
    end = at
    while data[end : end + 1].isalnum() or data[end : end + 1] == b"_":
        end += 1
    return data[at:end]


def _covers(end: End, file: File, node: Node) -> bool:
    return end.file is file and end.connect is not None and end.connect.start_byte <= node.start_byte < end.connect.end_byte


_STARTS = frozenset(
    {
        ("bb8", "Pool", "builder", 0),
        ("bb8", "Builder", "new", 0),
        ("bb8", "Builder", "default", 0),
        ("r2d2", "Pool", "builder", 0),
        ("r2d2", "Pool", "new", 1),
        ("r2d2", "Builder", "new", 0),
        ("r2d2", "Builder", "default", 0),
        ("deadpool", "Pool", "builder", 1),
        ("deadpool", "Pool", "new", 2),
        ("deadpool", "Pool", "from_config", 2),
        ("sea-orm", "ConnectOptions", "new", 1),
        ("sea-orm", "ConnectOptions", "from", 1),
    }
)
"""How chains start: the library, its type, the function, and how many arguments that takes."""


def _library(path: str) -> Library | None:
    """The library whose pool or builder ``path`` is."""
    names = path.split("::")
    last, before = names[-1], names[-2] if len(names) > 1 else ""
    if names[0].startswith("sea_orm"):
        return SEAORM if last in ("ConnectOptions", "Database") else None
    if last not in ("Pool", "Builder"):
        return None
    if before in ("bb8", "r2d2"):
        return BB8 if before == "bb8" else R2D2
    if last == "Pool" and (before == "deadpool" or names[0] in ("deadpool", "deadpool_postgres", "deadpool_diesel")):
        return DEADPOOL
    return None


def _annotations(end: End) -> Iterator[str]:
    """The type written for what a call makes: of its ``let`` or static, or of the function that returns it."""
    if end.connect is None:
        return
    for parent in end.file.ups(end.connect):
        if parent.type in ("let_declaration", "static_item", "const_item", "function_item"):
            written = parent.child_by_field_name("return_type" if parent.type == "function_item" else "type")
            if written is not None:
                yield end.file.text(written)
            return
        if parent.type == "expression_statement" and parent.children and parent.children[-1].type == ";":
            return
