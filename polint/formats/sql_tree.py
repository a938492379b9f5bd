"""Statements that pglast has parsed: their tree, and places in it."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from .. import templating
from ..patterns import lazy
from ..source import Source, Span
from ..tuples import NamedTuple
from ..value import Literal, Opaque, Value
from .sql_records import Statement
from .sql_scan import STAND_IN, Piece

_TEMPLATE = lazy(r"\$\{|\{\{|\{%|<%|^\$\w+$|^@\w+@$|^%\w+%$|^<[\w -]+>$")


class _Token(NamedTuple):
    """A token of pglast's lexer, its name and characters of the query, end exclusive."""

    name: str
    start: int
    end: int


class Tree:
    """A statement given to pglast: its text there (``query``), its tokens, and their places in the file."""

    __slots__ = ("_bytes", "_tokens", "base", "holes", "query", "record", "source")

    def __init__(self, source: Source, piece: Piece, query: str, record: Statement) -> None:
        self.source = source
        self.query = query
        self.base = piece.start - len(piece.prefix)
        self.holes = piece.holes
        self.record = record
        self._bytes: Source | None = None
        self._tokens: list[_Token] | None = None

    @property
    def tokens(self) -> list[_Token]:
        """Without comments; none where the lexer gives up."""
        if self._tokens is None:
            from pglast.parser import ParseError, scan

            try:
                found = [token for token in scan(self.query) if token.name not in ("SQL_COMMENT", "C_COMMENT")]
            except ParseError:
                found = []
            self._tokens = [_Token(token.name, token.start, token.end + 1) for token in found]
        return self._tokens

    def token(self, location: int | None) -> int:
        """Index of the token at a byte offset of the parse tree."""
        if self._bytes is None:
            self._bytes = Source("", self.query)
        return bisect_left(self.tokens, self._bytes.char(location or 0), key=lambda token: token.start)

    def text(self, index: int) -> str:
        """The token's text, lower case; "" behind the last."""
        return self.query[self.tokens[index].start : self.tokens[index].end].lower() if 0 <= index < len(self.tokens) else ""

    def place(self, first: int, last: int) -> Span:
        """From the first token to the last, both included; over all of a variable that one of them stands for."""
        tokens = self.tokens
        start, end = tokens[min(first, len(tokens) - 1)].start + self.base, tokens[min(last, len(tokens) - 1)].end + self.base
        for hole in self.holes:
            if hole.start < end <= hole.end and hole.kind != "blank":
                end = hole.end
        return self.source.span(start, end)

    def value(self, content: object, span: Span) -> Value:
        """``content``, or why it is not known."""
        for hole in self.holes:
            if hole.start < span.end and span.start < hole.end and hole.kind != "blank":
                return Opaque(hole.reason, span)
        return Opaque(templating.REASON, span) if is_made(content) else Literal(content, span)


def is_made(content: object) -> bool:
    """Whether a variable or a template makes this text, or part of it."""
    return isinstance(content, str) and (STAND_IN in content or _TEMPLATE.search(content) is not None)


def named(name: object) -> str | None:
    """A role's or database's name; None when it is filled in."""
    return name if isinstance(name, str) and name and not is_made(name) else None


def constant(node: dict[str, Any]) -> str:
    """A constant as a configuration file would have it."""
    if "sval" in node:
        return str(node["sval"].get("sval", ""))
    if "fval" in node:
        return str(node["fval"].get("fval", ""))
    if "boolval" in node:
        return "on" if node["boolval"].get("boolval") else "off"
    return str(node.get("ival", {}).get("ival", 0))


def function(node: dict[str, Any]) -> str:
    """The name of a function, without a schema; "" for one of another schema."""
    names = [part.get("String", {}).get("sval", "") for part in node.get("funcname", [])]
    return str(names[-1]).lower() if names and (len(names) == 1 or names[0] == "pg_catalog") else ""


def is_stand_in(node: dict[str, Any]) -> bool:
    """Whether a node is no column but a variable."""
    fields = node.get("ColumnRef", {}).get("fields", [])
    return bool(fields) and is_made(fields[-1].get("String", {}).get("sval"))


def nodes(tree: Any, kind: str) -> list[dict[str, Any]]:
    """Every node of a kind."""
    found: list[dict[str, Any]] = []
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node)
        elif isinstance(node, dict):
            for key, child in node.items():
                if key == kind and isinstance(child, dict):
                    found.append(child)
                stack.append(child)
    return found


def names(tree: Any) -> frozenset[str]:
    """The columns named anywhere, lower case and without their table."""
    fields = (column.get("fields", []) for column in nodes(tree, "ColumnRef"))
    columns = (str(one[-1].get("String", {}).get("sval", "")).lower() for one in fields if one)
    return frozenset(column for column in columns if column and STAND_IN not in column)


def conditions(tree: Any) -> frozenset[str]:
    """The columns that conditions name, and ``name()`` for the functions they call."""
    found: set[str] = set()
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node)
        elif isinstance(node, dict):
            for key, child in node.items():
                if key in ("whereClause", "havingClause", "quals", "agg_filter", "usingClause"):
                    found |= names(child)
                    found.update(f"{function(call)}()" for call in nodes(child, "FuncCall"))
                else:
                    stack.append(child)
    return frozenset(found)


def has_open_condition(tree: Any) -> bool:
    """Whether a variable stands for a whole condition, or for the column that one compares with a constant."""
    stack = [clause for kind in ("whereClause", "havingClause", "quals", "agg_filter") for clause in nodes(tree, kind)]
    while stack:
        node = stack.pop()
        expression = node.get("A_Expr", {})
        if is_stand_in(node) or (is_stand_in(expression.get("lexpr", {})) and "ColumnRef" not in expression.get("rexpr", {})):
            return True
        stack.extend(node.get("BoolExpr", {}).get("args", []))
    return False


def with_queries(tree: Any) -> list[dict[str, Any]]:
    """What WITH names."""
    return nodes(tree, "CommonTableExpr")


def reads_activity(tree: Any) -> bool:
    """Whether pg_stat_activity is read anywhere."""
    return any(relation.get("relname") == "pg_stat_activity" for relation in nodes(tree, "RangeVar"))


def relations(select: dict[str, Any], tree: Any) -> list[dict[str, Any]]:
    """The tables a SELECT reads rows from, through its subqueries and WITH; not those of its expressions."""
    queries: dict[Any, Any] | None = None
    found: list[dict[str, Any]] = []
    stack: list[Any] = list(select.get("fromClause", []))
    while stack:
        node = stack.pop()
        if "RangeVar" in node:
            relation = node["RangeVar"]
            if queries is None:
                queries = {one.get("ctename"): one.get("ctequery", {}) for one in with_queries(tree)}
            query = queries.pop(relation.get("relname"), None) if not relation.get("schemaname") else None
            if query is None:
                if relation.get("schemaname", "pg_catalog") == "pg_catalog":
                    found.append(relation)
                continue
            stack.extend(query.get("SelectStmt", {}).get("fromClause", []))
        elif "JoinExpr" in node:
            stack.extend((node["JoinExpr"].get("larg", {}), node["JoinExpr"].get("rarg", {})))
        elif "RangeSubselect" in node:
            stack.extend(node["RangeSubselect"].get("subquery", {}).get("SelectStmt", {}).get("fromClause", []))
    return found


def picks_pid(tree: Any) -> bool:
    """Whether the sessions are picked by written pids: ``pid = 4711``, ``pid IN (1, 2)``."""
    for expression in nodes(tree, "A_Expr"):
        operator = [part.get("String", {}).get("sval") for part in expression.get("name", [])]
        left, right = expression.get("lexpr", {}), expression.get("rexpr", {})
        if operator != ["="] or not isinstance(left, dict) or "pid" not in names(left):
            continue
        items = right.get("List", {}).get("items", [right])
        if items and all("A_Const" in item or "ParamRef" in item or is_stand_in(item) for item in items):
            return True
    return False
