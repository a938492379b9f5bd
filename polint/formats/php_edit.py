"""Edits of PHP: elements of arrays taken away, and where a new one goes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from ..diagnostic import Edit
from ..patterns import lazy
from ..source import Source, Span
from ..treesitter import Syntax, kept
from ..tuples import NamedTuple
from .php_nodes import arguments, text

if TYPE_CHECKING:
    from tree_sitter import Node

_NAMESPACE = lazy(r"^[ \t]*namespace\s", re.MULTILINE)
_USE = lazy(r"^[ \t]*use\s+\\?PDO\s*;", re.MULTILINE)
_COMMA = lazy(r"\s*,")
_REST = lazy(r"[ \t]*(?:(?://|#)[^\n]*)?\r?(?:\n|\Z)")
_READS = lazy(r"\bget(?:Raw)?QueryLog\b", re.IGNORECASE)
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
    edits = removed_all((span,))
    return edits[0] if len(edits) == 1 else None


def removed_all(spans: Sequence[Span]) -> tuple[Edit, ...]:
    """The edits that take away all of several such things of one file; none when one of them cannot be."""
    syntax = kept("php", spans[0].source)
    if syntax.root.has_error or any(span.source is not spans[0].source for span in spans):
        return ()
    found = [_thing(syntax, span) for span in spans]
    gone = {node.id for node in found if node is not None}
    edits = [_without(syntax, node, gone) for node in found if node is not None]
    whole = sorted((edit for edit in edits if edit is not None), key=lambda edit: (edit.span.start, edit.span.end))
    if len(whole) < len(spans):
        return ()
    return _merged([_closed_up(edit) for edit in _merged([_closed_up(edit) for edit in _merged(whole)])])


def _merged(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """Those that touch in one; in order."""
    merged: list[Edit] = []
    for edit in edits:
        if merged and edit.span.start <= merged[-1].span.end:
            last = merged.pop().span
            edit = Edit(Span(last.source, last.start, max(last.end, edit.span.end)), "")
        merged.append(edit)
    return tuple(merged)


def _thing(syntax: Syntax, span: Span) -> Node | None:
    """The statement or the array element that goes when what stands at ``span`` does."""
    node: Node | None = _at(syntax, span)
    statement = node
    while statement is not None and statement.type not in ("expression_statement", "array_element_initializer", "return_statement"):
        statement = statement.parent
    if statement is not None and statement.type == "expression_statement":
        return statement
    while node is not None and node.type != "array_element_initializer":
        parent = node.parent
        whole = parent is not None and (parent.type == "array_element_initializer" or bool({node.type, parent.type} & _WITHIN))
        if parent is None or not (whole or (syntax.span(node) == span and _is_text(parent))):
            return None
        node = parent
    return node


def _without(syntax: Syntax, node: Node, gone: AbstractSet[int]) -> Edit | None:
    return _statement(syntax, node) if node.type == "expression_statement" else _element(syntax, node, gone)


def is_within(span: Span, owner: Span) -> bool:
    """Whether ``span`` stands in the connection at ``owner``: in the array under a name, or in the call itself."""
    if span.source is not owner.source:
        return False
    if owner.start <= span.start and span.end <= owner.end:
        return True
    syntax = kept("php", span.source)
    element: Node | None = _at(syntax, owner)
    while element is not None and element.type != "array_element_initializer":
        element = element.parent
    return element is not None and syntax.span(element).start <= span.start and span.end <= syntax.span(element).end


def renamed(span: Span, name: str) -> Edit | None:
    """The edit that calls the function ``name`` in the call at ``span``, in place of the one there."""
    syntax = kept("php", span.source)
    node: Node | None = _at(syntax, span)
    while node is not None and node.type != "function_call_expression":
        node = node.parent
    called = node.child_by_field_name("function") if node is not None else None
    if called is None or syntax.span(called).start != span.start:
        return None
    place = syntax.span(called)
    return Edit(Span(span.source, place.start + place.text.rfind("\\") + 1, place.end), name)


def log_ended(span: Span) -> Edit | None:
    """The edit that ends the log of queries that the call at ``span`` begins, behind the last statement of its block that reads it.

    None where something else in the file reads it, or hands it on.
    """
    syntax = kept("php", span.source)
    source = span.source.text
    statement: Node | None = _at(syntax, span)
    while statement is not None and statement.type != "expression_statement":
        statement = statement.parent
    block = statement.parent if statement is not None else None
    if statement is None or block is None or syntax.root.has_error or not source.startswith(span.text, syntax.span(statement).start):
        return None
    readers = [one for one in block.named_children if one.start_byte > statement.start_byte and _READS.search(text(one))]
    last = readers[-1] if readers else None
    count = len(_READS.findall(source))
    if last is None or last.type != "expression_statement" or sum(len(_READS.findall(text(one))) for one in readers) != count:
        return None
    place = syntax.span(last)
    line = source.rfind("\n", 0, place.start) + 1
    rest = _REST.match(source, place.end)
    indent = source[line : place.start]
    if indent.strip() or rest is None or not rest[0].endswith("\n"):
        return None
    owner = span.text[: span.text.rfind("enableQueryLog")]
    return Edit(Span(span.source, rest.end(), rest.end()), "".join(f"{indent}{owner}{end}QueryLog();\n" for end in ("disable", "flush")))


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


def _with_remark(lines: Span) -> Span:
    """Whole lines with the comment right above that is about them alone."""
    source, start, end = lines.source.text, lines.start, lines.end
    after = source[end : source.find("\n", end)].strip()
    while start and (not after or after[0] in "])/#"):
        line = source.rfind("\n", 0, start - 1) + 1
        if not source[line:start].lstrip().startswith(("//", "#")):
            break
        start = line
    return Span(lines.source, start, end)


def _closed_up(edit: Edit) -> Edit:
    """Whole lines that go, with the empty line that would be left at an edge or beside another one."""
    span = edit.span
    source, start, end = span.source.text, span.start, span.end
    if source[start - 1 : start] != "\n" or source[end - 1 : end] != "\n" or source.find("\n", end) < 0:
        return edit
    line = source.rfind("\n", 0, start - 1) + 1
    above, after = source[line:start].strip(), source[end : source.find("\n", end)].strip()
    if not after and (not above or above[-1] in "[({"):
        end = source.find("\n", end) + 1
    elif not above and after[:1] in ("]", ")", "}"):
        start = line
    return Edit(Span(span.source, start, end), "")


def _element(syntax: Syntax, element: Node, gone: AbstractSet[int]) -> Edit | None:
    """An element, or all of its array where every element is ``gone``."""
    array = element.parent
    if array is None or array.type != "array_creation_expression":
        return None
    source = syntax.source.text
    elements = [child for child in array.named_children if child.type == "array_element_initializer"]
    span, whole = syntax.span(element), syntax.span(array)
    if len(elements) == array.named_child_count and all(one.id in gone for one in elements):
        holder = _holder(array)
        if holder is not None and text(_inside(holder)[0])[1:-1] == "options":
            return _element(syntax, holder, gone)
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
        return Edit(_with_remark(full), "")
    full = _with_line(span)
    if full != span:
        return Edit(_with_remark(full), "")
    kept = [one for one in elements[: elements.index(element)] if one.id not in gone]
    if not kept:
        return None
    before = syntax.span(kept[-1]).end
    comments = [syntax.span(child).start for child in array.named_children if child.type == "comment"]
    return Edit(Span(span.source, before, span.end), "") if not any(before <= at < span.start for at in comments) else None


def _holder(array: Node) -> Node | None:
    """The element whose value is an array, be it filtered or only there where the driver is."""
    element = array.parent
    while element is not None and element.type != "array_element_initializer":
        element = element.parent
    inside = _inside(element) if element is not None else []
    literal = _literal(inside[1]) if len(inside) == 2 else None
    return element if literal is not None and literal.id == array.id else None


class Place(NamedTuple):
    """Where a new element goes: at ``at``, between ``before`` and ``after``; ``indent`` is that of its further lines.

    ``bare`` says that the array around the element has to be written too.  What stands up to ``until`` is part of ``before``.
    """

    at: int
    before: str
    indent: str
    after: str
    bare: bool = False
    until: int = 0


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
    syntax = kept("php", span.source)
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
    rest = _REST.match(source, end)
    if comma is None:
        if rest is None:  # the array ends on this line
            return Place(end, f",\n{indent}", indent, "")
        remark = source[end : rest.end()].rstrip()
        return Place(end, f",{remark}\n{indent}", indent, ",", until=end + len(remark))
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
