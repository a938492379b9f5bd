"""Edits of PHP: elements of arrays taken away, and where a new one goes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..diagnostic import Edit
from ..patterns import lazy
from ..source import Source, Span
from ..treesitter import Syntax, parse
from ..tuples import NamedTuple
from .php_nodes import arguments, text

if TYPE_CHECKING:
    from tree_sitter import Node

_NAMESPACE = lazy(r"^[ \t]*namespace\s", re.MULTILINE)
_USE = lazy(r"^[ \t]*use\s+\\?PDO\s*;", re.MULTILINE)
_COMMA = lazy(r"\s*,")
_REST = lazy(r"[ \t]*(?:(?://|#)[^\n]*)?\r?(?:\n|\Z)")
_WITHIN = frozenset({"argument", "arguments", "function_call_expression", "class_constant_access_expression", "parenthesized_expression"})


def _at(syntax: Syntax, span: Span) -> Node:
    source = span.source.text
    if source.isascii():
        return syntax.at(span.start, span.end)
    before = len(source[: span.start].encode("utf-8", "surrogateescape"))
    return syntax.at(before, before + len(span.text.encode("utf-8", "surrogateescape")))


def _inside(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]


def removed(span: Span) -> Edit | None:
    """The edit that takes away the array element, or the call that is a statement, whose key or value stands at ``span``."""
    syntax = parse("php", span.source)
    if syntax.root.has_error:
        return None
    node: Node | None = _at(syntax, span)
    statement = node
    while statement is not None and statement.type not in ("expression_statement", "array_element_initializer", "return_statement"):
        statement = statement.parent
    if statement is not None and statement.type == "expression_statement":
        return _statement(syntax, statement)
    while node is not None and node.type != "array_element_initializer":
        parent = node.parent
        whole = parent is not None and (parent.type == "array_element_initializer" or bool({node.type, parent.type} & _WITHIN))
        if parent is None or not (whole or (syntax.span(node) == span and _is_text(parent))):
            return None
        node = parent
    return _element(syntax, node) if node is not None else None


def _is_text(node: Node) -> bool:
    return node.type in ("string", "encapsed_string", "class_constant_access_expression")


def _statement(syntax: Syntax, statement: Node) -> Edit | None:
    """``$pdo->setAttribute(..);`` and ``DB::enableQueryLog();``, whose values nobody uses."""
    call = _inside(statement)[0] if _inside(statement) else None
    name = text(call.child_by_field_name("name")) if call is not None else ""
    if name not in ("setAttribute", "enableQueryLog") or statement.parent is None:
        return None
    if statement.parent.type not in ("compound_statement", "program", "namespace_definition"):
        return None
    return Edit(_with_line(syntax.span(statement)), "")


def _with_line(span: Span) -> Span:
    """The span with its line, where nothing else stands on it."""
    source = span.source.text
    line = source.rfind("\n", 0, span.start) + 1
    rest = _REST.match(source, span.end)
    if source[line : span.start].strip() or rest is None:
        return span
    return Span(span.source, line, rest.end())


def _element(syntax: Syntax, element: Node) -> Edit | None:
    array = element.parent
    if array is None or array.type != "array_creation_expression":
        return None
    source = syntax.source.text
    elements = [child for child in array.named_children if child.type == "array_element_initializer"]
    span, whole = syntax.span(element), syntax.span(array)
    if len(elements) == 1 and array.named_child_count == 1:
        holder = array.parent
        if holder is not None and holder.type == "array_element_initializer" and text(holder.named_children[0])[1:-1] == "options":
            return _element(syntax, holder)
        return Edit(Span(span.source, whole.start + 1, whole.end - 1), "") if text(array)[0] == "[" else None
    comma = _COMMA.match(source, span.end)
    if comma is not None:
        full = _with_line(Span(span.source, span.start, comma.end()))
        if full.start == span.start and full.end == comma.end():  # others stand on its line
            end = comma.end()
            while source[end] in " \t":
                end += 1
            line_ends = source[end] in "\r\n"
            start = span.start
            while line_ends and source[start - 1] in " \t":
                start -= 1
            return Edit(Span(span.source, start, comma.end() if line_ends else end), "")
        return Edit(full, "")
    full = _with_line(span)
    if full != span:
        return Edit(full, "")
    at = elements.index(element)
    if at == 0:
        return None
    before = syntax.span(elements[at - 1]).end
    return Edit(Span(span.source, before, span.end), "") if not source[before : span.start].strip().strip(",") else None


class Place(NamedTuple):
    """Where a new element goes: at ``at``, between ``before`` and ``after``; ``indent`` is that of its further lines.

    ``bare`` says that the array around the element has to be written too.
    """

    at: int
    before: str
    indent: str
    after: str
    bare: bool = False


def spelled_key(source: Source, key: str) -> str:
    """A setting's name as this file writes it: attributes of PDO are constants, keys of a connection texts."""
    if "::" in key:
        return key
    if not key.startswith(("ATTR_", "PGSQL_ATTR_")):
        return f"'{key}'"
    root = "\\" if _NAMESPACE.search(source.text) and not _USE.search(source.text) else ""
    return f"{root}PDO::{key}"


def place(span: Span, key: str) -> Place | None:
    """Where the element ``key`` (as PHP writes it) goes in the connection at ``span``: a Laravel one by its name, or ``new PDO(..)``."""
    syntax = parse("php", span.source)
    if syntax.root.has_error:
        return None
    node = _at(syntax, span)
    while node.parent is not None and syntax.span(node.parent) == span:
        node = node.parent
    if node.type == "object_creation_expression":
        return _of_pdo(syntax, node, key)
    element = node.parent
    while element is not None and element.type != "array_element_initializer":
        element = element.parent if element.type in ("encapsed_string", "string") else None
    inside = _inside(element) if element is not None else []
    if len(inside) != 2 or syntax.span(inside[0]) != span or inside[1].type != "array_creation_expression":
        return None
    connection = inside[1]
    if "::" not in key:
        return _in_array(syntax, connection, key)
    options = _value_of(connection, "options")
    if options is None:
        found = _in_array(syntax, connection, "'options'")
        return found._replace(bare=True) if found is not None else None
    array = _literal(options)
    return _in_array(syntax, array, key) if array is not None else None


def _of_pdo(syntax: Syntax, node: Node, key: str) -> Place | None:
    call = arguments(node)
    if call is None or call.spread or call.named:
        return None
    if len(call.positional) == 4:
        array = _literal(call.positional[3])
        return _in_array(syntax, array, key) if array is not None else None
    if len(call.positional) != 3:
        return None
    return Place(syntax.span(call.positional[2]).end, ", [", "", "]")


def _value_of(array: Node, key: str) -> Node | None:
    for element in array.named_children:
        inside = _inside(element)
        if element.type == "array_element_initializer" and len(inside) == 2 and text(inside[0])[1:-1] == key:
            return inside[1]
    return None


def _literal(node: Node) -> Node | None:
    """The array written at ``node``, be it filtered or only there where the driver is: what Laravel's own file has."""
    if node.type == "array_creation_expression":
        return node
    if node.type == "parenthesized_expression":
        return _literal(_inside(node)[0])
    if node.type == "conditional_expression":
        body = node.child_by_field_name("body")
        return _literal(body) if body is not None else None
    if node.type == "function_call_expression" and text(node.child_by_field_name("function")).lstrip("\\") == "array_filter":
        call = arguments(node)
        return _literal(call.positional[0]) if call is not None and len(call.positional) == 1 and not call.spread else None
    return None


def _in_array(syntax: Syntax, array: Node, key: str) -> Place | None:
    """The end of an array that has no such key."""
    source, span = syntax.source.text, syntax.span(array)
    bare = key.strip("'\"").lstrip("\\")
    elements = [child for child in array.named_children if child.type == "array_element_initializer"]
    for element in elements:
        inside = _inside(element)
        if len(inside) == 2 and text(inside[0]).strip("'\"").lstrip("\\") == bare:
            return None
    if not elements:
        empty = not source[span.start + 1 : span.end - 1].strip() and text(array)[:1] == "["
        return Place(span.start + 1, "", "", "") if empty and "\n" not in span.text else None
    last = syntax.span(elements[-1])
    comma = _COMMA.match(source, last.end)
    end = comma.end() if comma is not None else last.end
    line = source.rfind("\n", 0, last.start) + 1
    first = syntax.span(elements[0])
    if "\n" not in source[span.start : first.start]:
        return Place(end, " " if comma is not None else ", ", "", "")
    indent = source[source.rfind("\n", 0, first.start) + 1 : first.start]
    if indent.strip() or line == 0:
        return None
    if comma is None:
        return Place(end, f",\n{indent}", indent, ",")
    rest = _REST.match(source, end)
    if rest is not None and source[end : rest.end()].strip():  # a comment stands behind it
        return Place(rest.end(), indent, indent, ",\n")
    return Place(end, f"\n{indent}", indent, ",")


def value(given: object) -> str | None:
    """A value as PHP writes it."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, (int, float)):
        return str(int(given)) if given == given // 1 and abs(given) < 1e15 else None
    if isinstance(given, str) and given.isprintable():
        if given.startswith("PDO::"):
            return given
        escaped = given.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return None
