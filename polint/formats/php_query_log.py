"""Calls of Laravel's ``enableQueryLog()``: whether they run in any case, and whether the file ends the log again."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ..source import Span
from ..tuples import NamedTuple
from .php_nodes import text

if TYPE_CHECKING:
    from tree_sitter import Node

    from ..treesitter import Syntax


class QueryLogCall(NamedTuple):
    """One ``…->enableQueryLog()`` or ``…::enableQueryLog()``.

    ``is_conditional``: an ``if``, an early return before it, or a method that is itself a switch (``enableDebug``)
    may keep it from running.  ``is_ended``: the file also disables or flushes the log.
    """

    span: Span
    is_conditional: bool
    is_ended: bool


_BRANCHES = frozenset(
    {
        "if_statement",
        "else_clause",
        "else_if_clause",
        "conditional_expression",
        "switch_statement",
        "switch_block",
        "case_statement",
        "match_expression",
        "match_block",
        "catch_clause",
        "binary_expression",
        "while_statement",
    }
)
_CALLS = frozenset({"member_call_expression", "nullsafe_member_call_expression", "scoped_call_expression", "function_call_expression"})
_WHEN = ("when", "unless", "environment")
_SWITCHES = ("enable", "debug", "log", "profil", "trace", "monitor", "start")
_LEAVES = (b"return", b"throw", b"abort", b"exit", b"die", b"continue")
_GUARDS = (b"abort_if", b"abort_unless", b"throw_if", b"throw_unless")
_ENDS = (b"disableQueryLog", b"flushQueryLog")


def query_log(syntax: Syntax, path: list[Node]) -> QueryLogCall | None:
    """The call whose name is the last node of ``path``, None when that is something else."""
    call = path[-2]
    name = call.child_by_field_name("name") if call.type in _CALLS else None
    if name is None or name.id != path[-1].id:
        return None
    ended = any(word in syntax.data for word in _ENDS)
    return QueryLogCall(syntax.span(call), _is_conditional(path[:-1]), ended)


def _is_conditional(path: list[Node]) -> bool:
    for number in range(len(path) - 1, 0, -1):
        inner, node = path[number], path[number - 1]
        if node.type in _BRANCHES and not _is_condition(node, inner):
            return True
        if node.type in _CALLS and _name(node) in _WHEN and inner.type == "arguments":
            return True
        if node.type == "method_declaration":
            return _leaves_before(path[number:]) or any(word in _name(node) for word in _SWITCHES)
        if node.type in ("function_definition", "class_declaration"):
            break
    return _leaves_before(path)


def _is_condition(node: Node, inner: Node) -> bool:
    """Whether ``inner`` is what ``node`` asks first, and so always run."""
    first = node.child_by_field_name("condition") or node.child_by_field_name("left")
    return first is not None and first.id == inner.id


def _leaves_before(path: list[Node]) -> bool:
    """Whether something earlier in one of the blocks of ``path`` may leave it."""
    for block, statement in pairwise(path):
        if block.type not in ("compound_statement", "program", "colon_block"):
            continue
        for earlier in block.named_children:
            if earlier.start_byte >= statement.start_byte:
                break
            said = earlier.text or b""
            if earlier.type == "if_statement" and any(word in said for word in _LEAVES):
                return True
            if any(word in said for word in _GUARDS):
                return True
    return False


def _name(node: Node) -> str:
    return text(node.child_by_field_name("name") or node.child_by_field_name("function")).lower()
