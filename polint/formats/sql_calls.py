"""Calls of functions that concern connections, and counts of sessions, in a parsed statement."""

from __future__ import annotations

from typing import Any

from ..diagnostic import Edit, Fix
from ..source import Span
from ..value import Opaque
from .sql_records import ActivityCount, FunctionCall, Records, SettingChange, Terminate
from .sql_tree import (
    Tree,
    conditions,
    constant,
    function,
    has_open_condition,
    is_made,
    is_stand_in,
    names,
    picks_pid,
    reads_activity,
    relations,
    with_queries,
)


class Calls:
    """The calls and counts in one parsed statement."""

    __slots__ = ("_columns", "_tree", "out", "statement")

    def __init__(self, out: Records, statement: Tree) -> None:
        self.out = out
        self.statement = statement
        self._columns: frozenset[str] | None = None
        self._tree: Any = None

    def walk(self, tree: Any) -> None:
        """Visit every call with the SELECT it stands in, in the order written."""
        self._tree = tree
        found: list[tuple[int, str, dict[str, Any], dict[str, Any]]] = []
        stack: list[tuple[Any, dict[str, Any]]] = [(tree, {})]
        while stack:
            node, select = stack.pop()
            if isinstance(node, list):
                stack.extend((part, select) for part in node)
                continue
            for key, part in node.items():
                if not isinstance(part, (dict, list)):
                    continue
                inside: Any = select
                if key == "SelectStmt" or (key in ("larg", "rarg") and "op" in part):
                    inside = part
                elif key == "FuncCall" and isinstance(part, dict):
                    found.append((part.get("location", 0), function(part), part, select))
                stack.append((part, inside))
        found.sort(key=lambda one: one[0])
        for _, name, call, select in found:
            if name == "count":
                self._count(call, select)
            elif name == "set_config":
                self._config(call)
            elif name == "pg_terminate_backend" or name in ("pg_reload_conf", "pg_cancel_backend") or "advisory_" in name:
                self._call(name, call, select)

    def _span(self, node: dict[str, Any]) -> Span:
        """A call from its name to its closing parenthesis."""
        statement = self.statement
        first = at = statement.token(node.get("location"))
        level = 0
        while at < len(statement.tokens):
            word = statement.text(at)
            level += (word == "(") - (word == ")")
            if word == ")" and not level:
                break
            at += 1
        return statement.place(first, at)

    def _call(self, name: str, node: dict[str, Any], select: dict[str, Any]) -> None:
        statement = self.statement
        span = self._span(node)
        self.out.calls.append(FunctionCall(statement.record, name, span))
        if name != "pg_terminate_backend":
            return
        if self._columns is None:
            self._columns = conditions(self._tree)
        columns = self._columns
        arguments = node.get("args", [])
        literal = bool(arguments) and ("A_Const" in arguments[0] or "ParamRef" in arguments[0] or is_stand_in(arguments[0]))
        literal = literal or picks_pid(self._tree)
        own = "pg_backend_pid()" in columns
        narrowed = self._condition(select, "datname = current_database()" + ("" if own else " AND pid <> pg_backend_pid()"))
        self.out.terminates.append(
            Terminate(
                statement.record,
                span,
                bool(columns & {"usename", "usesysid", "application_name", "client_addr"}),
                bool(columns & {"datname", "datid"}),
                own,
                literal,
                reads_activity(self._tree),
                frozenset(column for column in columns if not column.endswith("()")),
                has_open_condition(self._tree),
                Fix("end sessions of the current database only", "unsafe", (narrowed,)) if narrowed is not None else None,
            )
        )

    def _config(self, node: dict[str, Any]) -> None:
        arguments = [argument.get("A_Const", {}) for argument in node.get("args", [])]
        if len(arguments) != 3 or "sval" not in arguments[0]:
            return
        statement = self.statement
        name = constant(arguments[0]).lower()
        if is_made(name):
            return
        at = statement.token(arguments[0].get("location"))
        name_span = statement.place(at, at)
        local = "boolval" in arguments[2] and bool(arguments[2]["boolval"].get("boolval"))
        if arguments[1] and not arguments[1].get("isnull"):
            at = statement.token(arguments[1].get("location"))
            place = statement.place(at, at)
            value = statement.value(constant(arguments[1]), place)
        else:
            place = self._span(node)
            value = Opaque("computed when it runs", place)
        scope = "local" if local else "session"
        self.out.settings.append(SettingChange(statement.record, scope, name, value, statement.record.span, name_span, place))

    def _count(self, node: dict[str, Any], select: dict[str, Any]) -> None:
        tables = relations(select, self._tree)
        if not any(relation.get("relname") == "pg_stat_activity" for relation in tables):
            return
        statement = self.statement
        filters = [select, {"agg_filter": node.get("agg_filter", {})}, with_queries(self._tree)]
        columns = conditions(filters)
        mentioned = "backend_type" in columns or "backend_type" in names(
            [select.get("groupClause", []), select.get("targetList", []), node.get("args", [])]
        )
        cure = None if mentioned else self._condition(select, "backend_type = 'client backend'")
        self.out.counts.append(
            ActivityCount(
                statement.record,
                self._span(node),
                mentioned,
                frozenset(column for column in columns if not column.endswith("()")),
                Fix("count client backends only", "safe" if self._is_plain_query() else "unsafe", (cure,)) if cure is not None else None,
                has_open_condition(filters),
            )
        )

    def _is_plain_query(self) -> bool:
        """Whether nobody else sees its result later: no view, function or table is made of it."""
        return not self.statement.record.within and "intoClause" not in self._tree.get("SelectStmt", {"intoClause": {}})

    def _condition(self, select: dict[str, Any], condition: str) -> Edit | None:
        """Add a condition, where pg_stat_activity alone is read and OR does not hold the others together."""
        tables = relations(select, self._tree)
        origin = select.get("fromClause", [])
        where = select.get("whereClause")
        if len(origin) != 1 or not tables or origin[0].get("RangeVar") is not tables[0] or "colnames" in tables[0].get("alias", {}):
            return None
        statement = self.statement
        at = statement.token(tables[0].get("location"))
        while statement.text(at + 1) == ".":
            at += 2
        alias = tables[0].get("alias", {}).get("aliasname")
        if alias:
            at += 1 + (statement.text(at + 1) == "as")
        edit = None
        if where is None:
            place = statement.place(at, at)
            edit = Edit(statement.source.span(place.end, place.end), f" WHERE {condition}")
        elif where.get("BoolExpr", {}).get("boolop") != "OR_EXPR" and statement.text(at + 1) == "where":
            place = statement.place(at + 2, at + 2)
            edit = Edit(statement.source.span(place.start, place.start), f"{condition} AND ")
        inside = statement.source.text[statement.base - 1 : statement.base] == "'"
        known = tables[0].get("relname") == "pg_stat_activity"
        return edit if known and not (inside and "'" in condition) else None  # in a string its quotes would have to be doubled
