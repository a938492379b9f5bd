"""Which expressions are pools of PostgreSQL connections, going by the types the crate writes down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..patterns import lazy
from .rust_code import COMMENTS, File, bare_type
from .rust_names import FieldRef, Param, Ref, Scope
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node

SQLX = "sqlx"
"""Connections by ``acquire``, transactions by ``begin``."""
SEA = "sea-orm"
"""Transactions by ``begin``."""
ASYNC = "async"
"""deadpool, bb8: connections by an awaited ``get``."""
BLOCKING = "blocking"
"""r2d2: connections by ``get``."""

_NAMES = lazy(r"[A-Za-z_]\w*")
_OTHERS = ("Sqlite", "MySql", "Mssql", "Any", "Exasol")
_OTHER_POOLS = (b"SqlitePool", b"MySqlPool", b"AnyPool", b"Pool<Sqlite", b"Pool<MySql", b"Pool<Any", b"Pool<DB")
_DEPTH = 12
_SAME = frozenset(
    {
        "clone",
        "as_ref",
        "get_ref",
        "deref",
        "inner",
        "to_owned",
        "borrow",
        "unwrap",
        "expect",
        "map_err",
        "context",
        "with_context",
        "into_inner",
    }
)
_NAMED = frozenset(
    {"pool", "db_pool", "pg_pool", "pgpool", "dbpool", "database_pool", "conn_pool", "connection_pool", "db", "database", "pg"}
)
_MAKERS = ("PgPool::connect", "PgPoolOptions::", "PoolOptions::<Postgres>", "Pool::<Postgres>::connect")


class Pools:
    """Says of expressions whether they are pools, and of which kind."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._aliases: dict[str, str] = {}
        self._sqlx: bool | None = None
        self._sea: bool | None = None

    def kind(self, file: File, node: Node) -> str:
        """SQLX, SEA, ASYNC or BLOCKING; "" where nothing says that ``node`` is a pool of PostgreSQL's.

        Its type says so, or where that is of another crate its name, in a crate whose only database is SQLx's PostgreSQL.
        """
        text = self.type_text(file, node)
        found = self.kind_of(file, text)
        if found == SEA:
            return SEA if self._is_sea() else ""
        if found or not self._is_sqlx():
            return found
        if text and not ("Pool" in text or text.startswith("&Db")):
            return ""
        words = _NAMES.findall(file.text(node))
        while words and words[-1] in _SAME:
            words.pop()
        return SQLX if words and words[-1] in _NAMED else ""

    def _is_sqlx(self) -> bool:
        if self._sqlx is None:
            files = self.reader.code.files
            own = (b"fn acquire", b"fn begin", b"sea_orm", *_OTHER_POOLS)
            self._sqlx = (
                any(b"sqlx" in file.data for file in files)
                and any(b"Postgres" in file.data or b"PgPool" in file.data for file in files)
                and not any(word in file.data for file in files for word in own)
            )
        return self._sqlx

    def _is_sea(self) -> bool:
        if self._sea is None:
            files = self.reader.code.files
            others = (b"sqlite", b"Sqlite", b"mysql", b"MySql")
            self._sea = any(b"ostgres" in file.data for file in files) and not any(word in file.data for file in files for word in others)
        return self._sea

    def kind_of(self, file: File, text: str) -> str:
        """The same for a type as ``file`` writes it; aliases of the crate are looked up."""
        for _ in range(3):
            found = _kind(file, text) if "PgPool" not in text or not self._alias("PgPool") else ""
            if found:
                return found
            names = [name for name in _NAMES.findall(text) if name[:1].isupper() and self._alias(name)]
            if not names:
                return ""
            text = self._alias(names[0])
        return ""

    def _alias(self, name: str) -> str:
        known = self._aliases.get(name)
        if known is None:
            known = ""
            word = b"type " + name.encode("utf-8", "surrogateescape")
            for file in self.reader.code.files:
                for at in file.words(word):
                    line = file.data[at + len(word) : at + len(word) + 300].partition(b";")[0]
                    if line.lstrip().startswith(b"="):
                        known = line.decode("utf-8", "replace")
                        if b"deadpool_postgres" in file.data and known.split() == ["=", "Pool"]:
                            known = "deadpool_postgres::Pool"
            self._aliases[name] = known
        return known

    def type_text(self, file: File, node: Node, depth: int = 0) -> str:
        """The type of an expression as written where it is declared; "" where that is not found."""
        if depth > _DEPTH:
            return ""
        kind = node.type
        if kind in ("reference_expression", "unary_expression", "parenthesized_expression", "await_expression", "try_expression"):
            inner = [child for child in node.named_children if child.type not in COMMENTS and child.type != "mutable_specifier"]
            return self.type_text(file, inner[-1], depth + 1) if inner else ""
        if kind in ("identifier", "shorthand_field_identifier"):
            return self._name(file, node, depth)
        if kind == "scoped_identifier":
            return self._constant(file.text(node).rpartition("::")[2])
        if kind == "field_expression":
            return self._field(file, node)
        if kind == "call_expression":
            return self._call(file, node, depth)
        return ""

    def _name(self, file: File, node: Node, depth: int) -> str:
        name = file.text(node)
        scope = Scope(file)
        found = self.reader.names.find(name, node, scope)
        if isinstance(found, Param):
            holder = found.node.child_by_field_name("parameters")
            for parameter in holder.named_children if holder is not None else ():
                pattern, written = parameter.child_by_field_name("pattern"), parameter.child_by_field_name("type")
                if pattern is not None and written is not None and name in self.reader.names.bound_in(found.file, pattern):
                    return found.file.text(written)
            return ""
        if isinstance(found, Ref):
            let = found.node.parent
            written = let.child_by_field_name("type") if let is not None and let.type == "let_declaration" else None
            return file.text(written) if written is not None else self.type_text(file, found.node, depth + 1)
        if isinstance(found, FieldRef):
            return self._declared(self.reader.structs.thing(found.base).struct, found.name)
        closure = file.enclosing(node, "closure_expression") if found is not None else None
        holder = closure.child_by_field_name("parameters") if closure is not None else None
        for parameter in holder.named_children if holder is not None else ():
            pattern, written = parameter.child_by_field_name("pattern"), parameter.child_by_field_name("type")
            if pattern is not None and written is not None and file.text(pattern) == name:
                return file.text(written)
        return self._constant(name) if found is None else ""

    def _constant(self, name: str) -> str:
        kinds = [one.node.child_by_field_name("type") for one in self.reader.code.consts(name)]
        if len(kinds) != 1 or kinds[0] is None:
            return ""
        return self.reader.code.consts(name)[0].file.text(kinds[0])

    def _field(self, file: File, node: Node) -> str:
        base, label = node.child_by_field_name("value"), node.child_by_field_name("field")
        if base is None or label is None:
            return ""
        return self._declared(self.reader.structs.thing(Ref(base, Scope(file))).struct, file.text(label))

    def _declared(self, struct: str, name: str) -> str:
        """The type of a field; of an unknown struct the type that all fields of that name have."""
        code = self.reader.code
        if name.isdecimal() and not struct:
            return ""
        texts = {
            text for one in (code.structs(struct) if struct else code.structs_with(name)) if (text := _field_type(one.file, one.node, name))
        }
        return texts.pop() if len(texts) == 1 else ""

    def _call(self, file: File, node: Node, depth: int) -> str:
        function = node.child_by_field_name("function")
        if function is None:
            return ""
        if any(maker in file.text(function)[:200].replace("\n", "") for maker in _MAKERS):
            return "PgPool"
        if function.type == "field_expression":
            label, value = function.child_by_field_name("field"), function.child_by_field_name("value")
            name = file.text(label) if label is not None else ""
            if name in _SAME and value is not None:
                return self.type_text(file, value, depth + 1)
        else:
            name = bare_type(file.text(function))
        texts = set()
        for one in self.reader.code.functions(name):
            written = one.node.child_by_field_name("return_type")
            texts.add(one.file.text(written) if written is not None else "")
        return texts.pop() if len(texts) == 1 else ""


def _field_type(file: File, struct: Node, name: str) -> str:
    body = struct.child_by_field_name("body")
    if body is None:
        return ""
    if body.type == "ordered_field_declaration_list":
        kinds = body.children_by_field_name("type")[int(name) : int(name) + 1] if name.isdecimal() else []
        return file.text(kinds[0]) if kinds else ""
    for child in body.named_children:
        label, kind = child.child_by_field_name("name"), child.child_by_field_name("type")
        if child.type == "field_declaration" and label is not None and kind is not None and file.text(label) == name:
            return file.text(kind)
    return ""


def _kind(file: File, text: str) -> str:
    flat = "".join(text.split())
    names = set(_NAMES.findall(text))
    if "PgPool" in names or ("Pool" in names and "Postgres" in names and names.isdisjoint(_OTHERS)):
        return SQLX
    if not names.isdisjoint({"DatabaseConnection", "DbConn"}) and b"sea_orm" in file.data:
        return SEA
    if "Pool<" in flat or "deadpool_postgres" in names:
        if "ConnectionManager" in names and "PgConnection" in names and names.isdisjoint({"bb8", "deadpool"}):
            return BLOCKING if b"diesel_async" not in file.data else ""
        if "AsyncPgConnection" in names:
            return ASYNC
        if "PostgresConnectionManager" in names:
            return ASYNC if b"bb8" in file.data else BLOCKING if b"r2d2" in file.data else ""
    if flat.lstrip("&").rpartition("::")[2].rstrip(">") == "Pool" and (
        b"use deadpool_postgres::" in file.data or "deadpool_postgres" in names
    ):
        return ASYNC
    return ""
