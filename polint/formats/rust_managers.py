"""Connection managers: to which database the pool over one connects, with which driver, and by which URL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..tuples import NamedTuple
from ..value import Literal, Opaque, Value
from .rust_code import COMMENTS, Code, File, arguments, tail
from .rust_names import Param, Ref, Scope, parameters
from .rust_paths import Paths
from .rust_structs import same
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node

_DEPTH = 8
_INSIDE = frozenset(
    {"parenthesized_expression", "reference_expression", "try_expression", "await_expression", "unsafe_block", "async_block"}
)
_PASSING = frozenset({"into", "clone", "unwrap", "expect", "to_owned", "map_err", "context", "with_context"})
# names of types, each with the driver that speaks to PostgreSQL
_POSTGRES = {
    "PostgresConnectionManager": "tokio-postgres",
    "AsyncPgConnection": "diesel-async",
    "PgConnection": "diesel",
}
_CLIENTS = ("tokio_postgres::Client", "postgres::Client")
_ELSEWHERE = frozenset(
    {"SqliteConnection", "SyncConnectionWrapper", "MysqlConnection", "AsyncMysqlConnection", "RedisConnectionManager", "AnyConnection"}
)
_UNDECIDED = "?"
_LIBRARIES = ("diesel", "r2d2", "bb8", "deadpool", "tokio_postgres", "postgres", "sqlx", "async_bb8_diesel")
_OWN = ("crate", "self", "super", "Self")
_OPEN = frozenset({"ConnectionManager", "AsyncDieselConnectionManager", "DieselConnectionManager", "Manager"})  # any database's


class Manager(NamedTuple):
    """What the files say of a pool's manager: the full paths of its types, and its URL, None where that is not one text."""

    types: frozenset[str] = frozenset()
    target: Value | None = None


class Managers:
    """Reads the managers of one crate."""

    def __init__(self, code: Code, reader: Reader, paths: Paths) -> None:
        self._code = code
        self._reader = reader
        self._paths = paths

    def read(self, node: Node, scope: Scope) -> Manager:
        """The manager that ``node`` yields; of an ``if``'s branches all types, and the URL they share."""
        types: set[str] = set()
        targets: list[Value | None] = []
        for file, text, call in self._made(node, scope, 0):
            types |= self._paths.named(file, text)
            if call is not None:
                targets.append(self._target(call))
        first = targets[0] if targets else None
        shared = first is not None and all(other is not None and same(first, other) for other in targets)
        return Manager(frozenset(types), first if shared else None)

    def driver(self, types: frozenset[str]) -> str | None:
        """The driver of a pool over these types; "" when it is another database's, None when the files do not decide."""
        drivers: set[str] = set()
        for path in types:
            last = path.rpartition("::")[2]
            if last in _POSTGRES:
                drivers.add(_POSTGRES[last])
            elif path.startswith("deadpool_postgres::") or any(path == one or path.endswith(f"::{one}") for one in _CLIENTS):
                drivers.add("tokio-postgres")
            elif path.startswith("deadpool_diesel::postgres"):
                drivers.add("diesel")
            elif last in _ELSEWHERE or path.startswith(("deadpool_diesel::sqlite", "deadpool_diesel::mysql")):
                drivers.add("")
            elif last.endswith("Manager") and (last not in _OPEN or self._is_own(path)):
                drivers |= self._own(last)
        return drivers.pop() if len(drivers) == 1 and _UNDECIDED not in drivers else None

    def _is_own(self, path: str) -> bool:
        return bool(self._code.structs(path.rpartition("::")[2])) and not path.startswith(_LIBRARIES)

    def _own(self, name: str) -> set[str]:
        """The drivers of a manager by that name: by the connection type of its ``impl`` where it is the crate's."""
        if not self._code.structs(name):
            return {""}
        found: set[str] = set()
        word = name.encode("utf-8", "surrogateescape")
        for file in self._code.files:
            for at in file.words(word):
                if not file.data[max(0, at - 40) : at].rstrip().endswith(b" for"):
                    continue
                node = file.node(at, at + len(word))
                impl = file.enclosing(node, "impl_item") if node is not None else None
                body = impl.child_by_field_name("body") if impl is not None else None
                for item in body.named_children if body is not None else ():
                    label, kind = item.child_by_field_name("name"), item.child_by_field_name("type")
                    if label is None or kind is None or file.text(label) not in ("Connection", "Type"):
                        continue
                    types = frozenset(one for one in self._paths.named(file, file.text(kind)) if one.rpartition("::")[2] != name)
                    inner = self.driver(types)
                    if inner is None and all("::" in one and not one.startswith((*_LIBRARIES, *_OWN)) for one in types):
                        inner = ""  # another library's connection
                    found.add(_UNDECIDED if inner is None else inner)
        return found or {_UNDECIDED}

    def _made(self, node: Node, scope: Scope, depth: int) -> Iterator[tuple[File, str, Ref | None]]:
        """The types written on the way to the calls that make the value of ``node``, and these calls: (file, type, call or None)."""
        kind = node.type
        inner = [child for child in node.named_children if child.type not in COMMENTS and child.type != "mutable_specifier"]
        if depth > _DEPTH:
            return
        if kind in _INSIDE and inner:
            yield from self._made(inner[-1], scope, depth + 1)
        elif kind == "block":
            last = tail(node)
            if last is not None:
                yield from self._made(last, scope, depth + 1)
        elif kind == "if_expression":
            for branch in ("consequence", "alternative"):
                body = node.child_by_field_name(branch)
                if body is not None:
                    yield from self._made(body.named_children[-1] if body.type == "else_clause" else body, scope, depth + 1)
        elif kind == "match_expression":
            body = node.child_by_field_name("body")
            for arm in body.named_children if body is not None else ():
                value = arm.child_by_field_name("value") if arm.type == "match_arm" else None
                if value is not None:
                    yield from self._made(value, scope, depth + 1)
        elif kind == "identifier":
            yield from self._variable(node, scope, depth)
        elif kind == "call_expression":
            yield from self._call(node, scope, depth)

    def _variable(self, node: Node, scope: Scope, depth: int) -> Iterator[tuple[File, str, Ref | None]]:
        found = self._reader.names.find(scope.file.text(node), node, scope)
        if isinstance(found, Ref):
            holder = found.node.parent
            written = holder.child_by_field_name("type") if holder is not None and holder.type == "let_declaration" else None
            if written is not None:
                yield found.scope.file, found.scope.file.text(written), None
            yield from self._made(found.node, found.scope, depth + 1)
        elif isinstance(found, Param) and found.number >= 0:
            written = parameters(found.node)[found.number].child_by_field_name("type")
            if written is not None:
                yield found.file, found.file.text(written), None
            callers = self._reader.callers(found)
            if callers is not None and len(callers) == 1:
                yield from self._made(callers[0].node, Scope(callers[0].scope.file, hops=scope.hops + 1), depth + 1)

    def _call(self, node: Node, scope: Scope, depth: int) -> Iterator[tuple[File, str, Ref | None]]:
        file = scope.file
        function = node.child_by_field_name("function")
        if function is None:
            return
        if function.type == "field_expression":
            receiver, label = function.child_by_field_name("value"), function.child_by_field_name("field")
            if receiver is not None and label is not None and file.text(label) in _PASSING:
                yield from self._made(receiver, scope, depth + 1)
            return
        text = file.text(function)
        name = text.rpartition("::")[2]
        if name in ("Ok", "Some") and arguments(node):
            yield from self._made(arguments(node)[0], scope, depth + 1)
            return
        before = text.removesuffix(name).rstrip(":").partition("<")[0].rpartition("::")[2]
        definition = self._reader.select(name, before, function, scope)
        if definition is None:
            yield file, text.removesuffix(name), Ref(node, scope)
            return
        written, body = definition.node.child_by_field_name("return_type"), definition.node.child_by_field_name("body")
        if written is not None:
            yield definition.file, definition.file.text(written), None
        if body is not None:
            given = [Ref(arg, scope) for arg in arguments(node)]
            yield from self._made(body, self._reader.enter(definition, list(given), scope), depth + 1)

    def _target(self, call: Ref) -> Value | None:
        """The URL a manager is made with: its first argument, where that is a text the files follow."""
        given = arguments(call.node)
        value = self._reader.start().value(given[0], call.scope, "str") if given else None
        is_text = not isinstance(value, Opaque) and not (isinstance(value, Literal) and not isinstance(value.value, str))
        return value if is_text else None
