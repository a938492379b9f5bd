"""Connections that never go back to their pool, and the idle connections of a pool miscounted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..diagnostic import Edit, Fix
from ..source import Span
from ..treesitter import find_all, walk
from . import rust_usage_pools as pools
from .rust_code import File, arguments
from .rust_names import Scope
from .rust_usage import Difference, Leak
from .rust_usage_forms import is_bound, method_of, past_brackets, unwrapped
from .rust_usage_guards import locks
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node

_SUBTRACTIONS = ("saturating_sub", "wrapping_sub", "checked_sub", "abs_diff")


class Leaks:
    """Reads the functions of one crate."""

    def __init__(self, reader: Reader, known: pools.Pools) -> None:
        self.reader = reader
        self.code = reader.code
        self.pools = known

    def leaks(self, file: File) -> Iterator[Leak]:
        """``mem::forget``, ``leak`` and ``detach`` of a connection, and one kept in a static."""
        for word in (b"forget(", b".leak()", b".detach()"):
            for at in find_all(file.data, word):
                node = None if self.code.is_test(file, at) else file.node(at + (word[:1] == b"."), at + len(word.rstrip(b"()")))
                call = file.enclosing(node, "call_expression") if node is not None else None
                if call is None:
                    continue
                leak = self._forgotten(file, call) if word == b"forget(" else self._given_up(file, call, word.strip(b".()").decode())
                if leak is not None:
                    yield leak
        for word in (b"PoolConnection", b"PooledConnection"):
            for at in file.words(word):
                node = None if self.code.is_test(file, at) else file.node(at, at + len(word))
                item = file.enclosing(node, "static_item") if node is not None else None
                written = item.child_by_field_name("type") if item is not None else None
                if item is None or written is None or not written.start_byte <= at < written.end_byte:
                    continue
                text = file.text(written)
                if "Postgres" in text or "PgConnection" in text or self.pools.kind_of(file, text):
                    label = item.child_by_field_name("name")
                    yield Leak("static", file.text(label) if label is not None else "", file.span(written))

    def _forgotten(self, file: File, call: Node) -> Leak | None:
        function, given = call.child_by_field_name("function"), arguments(call)
        if function is None or file.text(function).rpartition("::")[2] != "forget" or len(given) != 1:
            return None
        taken = self._taken(file, given[0])
        if taken is None:
            return None
        name = file.text(given[0]) if given[0].type == "identifier" else ""
        return Leak("mem::forget", name, file.span(call), file.span(taken) if name else None)

    def _given_up(self, file: File, call: Node, way: str) -> Leak | None:
        """``leak()`` always; ``detach()`` only of a connection that is closed after this one use: others may be meant to live apart."""
        function = call.child_by_field_name("function")
        receiver = function.child_by_field_name("value") if function is not None and function.type == "field_expression" else None
        taken = self._taken(file, receiver) if receiver is not None else None
        if receiver is None or taken is None:
            return None
        function = file.enclosing(call, "function_item")
        if way == "detach" and (function is None or not _is_lent(call) or locks(file, function)):
            return None
        name = file.text(receiver) if receiver.type == "identifier" else ""
        return Leak(way, name, file.span(call), file.span(taken) if name else None)

    def _taken(self, file: File, node: Node) -> Node | None:
        """The call that takes the connection ``node`` from a pool of PostgreSQL's; None where it is another thing or not known."""
        if node.type == "identifier":
            found = self.reader.names.find(file.text(node), node, Scope(file))
            value = getattr(found, "node", None)
            if value is None or value.type == "function_item":
                return None
            node = value
        call = unwrapped(file, node)
        if call is None:
            return None
        method, receiver = method_of(file, call)
        if receiver is None or arguments(call):
            return None
        kind = self.pools.kind(file, receiver)
        return call if method in ({"acquire", "begin"} if kind == pools.SQLX else {"get"} if kind else ()) else None

    def differences(self, file: File) -> Iterator[Difference]:
        """``size()`` and ``num_idle()`` subtracted without a cast, directly or from variables."""
        if b".num_idle()" not in file.data or self.code.functions("num_idle"):
            return
        for at in find_all(file.data, b".num_idle()"):
            node = None if self.code.is_test(file, at) else file.node(at + 1, at + 9)
            call = file.enclosing(node, "call_expression") if node is not None else None
            if call is None or not any(b"sqlx" in one.data or b"PgPool" in one.data for one in self.code.files):
                continue
            for operand in (call, *_uses_of(file, call)):
                sides = _sides(file, operand)
                if sides is None:
                    continue
                left, right = sides
                other = right if left.start_byte <= operand.start_byte < left.end_byte else left
                if self._is_size(file, other):
                    yield Difference(file.bytes_span(_begin(left), right.end_byte), file.span(operand), _cast(file.span(operand)))

    def _is_size(self, file: File, node: Node) -> bool:
        while node.type == "parenthesized_expression" and node.named_children:
            node = node.named_children[0]
        if node.type == "identifier":
            found = self.reader.names.find(file.text(node), node, Scope(file))
            value = getattr(found, "node", None)
            if value is None or value.type != "call_expression":
                return False
            node = value
        return node.type == "call_expression" and method_of(file, node)[0] == "size" and not arguments(node)


def _cast(idle: Span) -> Fix:
    """``num_idle()`` as the u32 that ``size()`` is; in brackets before a ``<``, which would open the type's parameters."""
    brackets = idle.source.text[idle.end : idle.end + 100].lstrip().startswith("<")
    cast = f"{idle.text} as u32"
    return Fix("cast num_idle() to u32", "safe", (Edit(idle, f"({cast})" if brackets else cast),))


def _sides(file: File, operand: Node) -> tuple[Node, Node] | None:
    """Both sides of the subtraction that ``operand`` is a part of: ``a - b``, ``a.saturating_sub(b)``."""
    outer = past_brackets(file, operand)
    if outer is not None and outer.type == "binary_expression":
        operator, left = outer.child_by_field_name("operator"), outer.child_by_field_name("left")
        right = outer.child_by_field_name("right")
        return (left, right) if operator is not None and operator.type == "-" and left is not None and right is not None else None
    call = outer.parent if outer is not None and outer.type == "arguments" else None
    method, receiver = method_of(file, call) if call is not None and call.type == "call_expression" else ("", None)
    return (receiver, outer) if method in _SUBTRACTIONS and receiver is not None and outer is not None else None


def _is_lent(call: Node) -> bool:
    """Whether a value is lent out on the spot, so that it ends with the statement: ``&mut conn.detach()``."""
    outer = call.parent
    return outer is not None and outer.type == "reference_expression" and outer.parent is not None and outer.parent.type == "arguments"


def _uses_of(file: File, call: Node) -> Iterator[Node]:
    """Where the plain variable that holds the result of ``call`` is named in its block."""
    let = file.up(call)
    if let is None or let.type != "let_declaration" or let.child_by_field_name("type") is not None:
        return
    pattern, block = let.child_by_field_name("pattern"), file.up(let)
    if pattern is None or pattern.type != "identifier" or block is None:
        return
    word = file.data[pattern.start_byte : pattern.end_byte]
    for at in file.words(word, let.end_byte, block.end_byte):
        node = file.node(at, at + len(word))
        if node is None or node.type != "identifier":
            continue
        if is_bound(file, node):
            return
        yield node


def _begin(node: Node) -> int:
    """Where an expression begins, after what a macro writes before it: ``"used": pool.size()``."""
    wrong = list(walk(node, "ERROR")) if node.has_error else []
    if not wrong:
        return node.start_byte
    return wrong[-1].named_children[-1].start_byte if wrong[-1].named_children else wrong[-1].end_byte
