"""Connections in the variables of one function: where each is taken from a pool, and how long it surely lives.

A connection lives from its ``let`` to the end of the block, or to the first place that may
end it: a move, ``commit``, a method that is not known to leave it alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..patterns import lazy
from ..treesitter import find_all
from ..tuples import NamedTuple
from . import rust_usage_pools as pools
from .rust_code import COMMENTS, File, arguments
from .rust_forms import diverges
from .rust_usage_forms import method_of, outermost, pool_name

if TYPE_CHECKING:
    from tree_sitter import Node

_TAKES = (b".acquire()", b".begin()", b".fetch(")
_GET = b".get()"
_FUNCTION = 40_000  # bytes; no further is looked for the end of a function
# methods that leave a connection or transaction as it is; any other may end it
_USES = frozenset(
    {"as_mut", "as_ref", "deref", "deref_mut", "borrow", "borrow_mut", "by_ref", "execute", "execute_many", "fetch", "fetch_many",
     "fetch_one", "fetch_all", "fetch_optional", "prepare", "prepare_with", "prepare_cached", "prepare_typed", "prepare_typed_cached",
     "describe", "ping", "begin", "savepoint", "transaction", "build_transaction", "query", "query_one", "query_opt", "query_raw",
     "query_typed", "simple_query", "batch_execute", "copy_in", "copy_out", "copy_in_raw", "copy_out_raw", "is_closed", "is_valid",
     "next", "try_next", "connection"}
)  # fmt: skip
_APART = frozenset({"closure_expression", "async_block", "function_item", "macro_definition"})
_LOOPS = frozenset({"for_expression", "while_expression", "loop_expression"})
# who locks on purpose keeps its connection on purpose
_LOCKS = lazy(r"(?i)advisory|skip[ _]locked|_lock\b|\block_|\blisten\b|leader")


class Guard(NamedTuple):
    """A connection in a variable."""

    file: File
    name: str
    call: Node  # `pool.acquire()`
    way: str  # "connection", "transaction" or "result set"
    pool: str  # the receiver, without what does not change which pool it is
    body: Node  # the block it lives in
    start: int
    kind: str  # of pool

    def holds(self, node: Node) -> bool:
        """Whether ``node`` runs in the same flow, and not in a closure or task of its own."""
        for parent in self.file.ups(node):
            if parent == self.body:
                return True
            if parent.type in _APART:
                return False
            if parent.type == "macro_invocation" and "select" in self.file.text(parent)[:20]:
                return False
        return False

    def alive(self) -> Iterator[tuple[int, int]]:
        """The stretches of bytes in which the connection is surely held."""
        file, start = self.file, self.start
        word = self.name.encode("utf-8", "surrogateescape")
        for at in file.words(word, self.start, self.body.end_byte):
            if at < start:
                continue  # in a block that is left anyway
            node = file.node(at, at + len(word))
            if node is None or node.type != "identifier":
                continue
            task = self._task(node)
            if task is None and _is_borrow(file, node):
                continue
            yield start, at if task is None else task.start_byte
            leaves = self._left(task or node)
            if leaves is None:
                return
            start = leaves.end_byte
        yield start, self.body.end_byte

    def _task(self, node: Node) -> Node | None:
        """The outermost closure or ``async`` block around ``node`` that may take the connection with it."""
        found = None
        for parent in self.file.ups(node):
            if parent == self.body:
                break
            if parent.type in _APART:
                found = parent
        return found

    def _left(self, node: Node) -> Node | None:
        """The block around ``node`` after which what follows in this body is not reached; None where it is."""
        found: Node | None = None
        for parent in self.file.ups(node):
            if parent == self.body:
                return found
            if parent.type in _APART or (found is not None and parent.type in _LOOPS and _breaks(found)):
                return None
            if found is None and (
                parent.type in ("return_expression", "break_expression") or (parent.type == "block" and diverges(parent, self.file.data))
            ):
                found = parent
        return None


def candidates(data: bytes, work: tuple[bytes, ...], gets: bool) -> Iterator[tuple[int, int]]:
    """Byte of each ``.acquire()`` and the like, and the end of its function, where the bytes between hold anything to be reported.

    ``gets`` says that ``.get()`` may take a connection too.
    """
    for take in (*_TAKES, _GET) if gets else _TAKES:
        for at in find_all(data, take):
            end = data.find(b"fn ", at, at + _FUNCTION)
            end = end if end >= 0 else min(len(data), at + _FUNCTION)
            if take == _GET and data[at + 6 : at + 40].lstrip()[:1] not in (b".", b"?"):
                continue
            window = data[at + len(take) : end]
            if any(word in window for word in work) or _names_again(data, at, take, window):
                yield at, end


def _names_again(data: bytes, at: int, take: bytes, window: bytes) -> bool:
    """Whether the last word of the receiver of the call at ``at`` (or of its argument) stands in ``window`` too."""
    if take == b".fetch(":
        close = window.find(b")")
        words = window[:close].replace(b".", b" ").replace(b"&", b" ").split()
        return bool(words) and words[-1] in window[close:]
    before = data[max(0, at - 160) : at].rstrip()
    word = before.rstrip(b"()")
    start = len(word)
    while start and (word[start - 1 : start].isalnum() or word[start - 1 : start] == b"_"):
        start -= 1
    name = word[start:]
    if name in (b"clone", b"as_ref", b"get_ref"):
        return True
    return bool(name) and name in window


def locks(file: File, function: Node) -> bool:
    """Whether a function locks something by a connection, which it then keeps on purpose."""
    return _LOCKS.search(file.text(function)) is not None


def guard_at(known: pools.Pools, file: File, at: int) -> Guard | None:
    """The variable that holds what is taken at byte ``at``."""
    node = file.node(at + 1, at + 2)
    access = node.parent if node is not None else None
    call = access.parent if access is not None and access.type == "field_expression" else None
    if call is None or call.type != "call_expression":
        return None
    method, receiver = method_of(file, call)
    streams = method == "fetch"
    if streams:
        given = arguments(call)
        receiver = given[0] if len(given) == 1 else None
    if receiver is None:
        return None
    value, awaited = outermost(file, call, same=not streams)
    holder = file.up(value)
    if holder is not None and holder.type == "reference_expression":
        value, holder = holder, file.up(holder)  # `let tx = &mut pool.begin().await?` lives as long
    if holder is None or (streams == awaited and method != "get"):
        return None
    pattern = _bound(file, holder, value)
    if pattern is None:
        return None
    name, body, start = pattern
    kind = known.kind(file, receiver)
    if not kind or (kind == pools.SEA and method != "begin"):
        return None
    if (method == "get") != (kind in (pools.ASYNC, pools.BLOCKING)) or (method == "get" and awaited != (kind == pools.ASYNC)):
        return None
    if streams:
        return _stream(file, call, receiver, name, body, start) if kind == pools.SQLX else None
    way = "transaction" if method == "begin" else "connection"
    return Guard(file, name, call, way, pool_name(file, receiver), body, start, kind)


def _stream(file: File, call: Node, receiver: Node, name: str, body: Node, start: int) -> Guard | None:
    """A result set that is read in a loop: it keeps a connection of the pool as long as the loop goes on."""
    if receiver.type not in ("reference_expression", "identifier", "field_expression", "unary_expression"):
        return None
    for at in file.words(name.encode("utf-8", "surrogateescape"), start, body.end_byte):
        node = file.node(at, at + 1)
        loop = file.enclosing(node, "while_expression") if node is not None else None
        condition = loop.child_by_field_name("condition") if loop is not None else None
        inner = loop.child_by_field_name("body") if loop is not None else None
        if condition is None or inner is None or condition.type != "let_condition" or not condition.start_byte <= at < condition.end_byte:
            return None
        if file.text(condition.child_by_field_name("value") or condition).split(".")[-1].strip() not in ("await", "await?"):
            return None
        return Guard(file, name, call, "result set", pool_name(file, receiver), inner, inner.start_byte, pools.SQLX)
    return None


def _bound(file: File, holder: Node, value: Node) -> tuple[str, Node, int] | None:
    """The variable that ``holder`` binds ``value`` to, the block it lives in, and where its life begins."""
    if holder.type == "match_expression" and holder.child_by_field_name("value") == value:
        outer = file.up(holder)
        if outer is None or outer.type != "let_declaration" or not _passes_on(file, holder):
            return None
        holder = outer
    pattern = holder.child_by_field_name("pattern")
    name = _plain_name(file, pattern) if pattern is not None else ""
    if not name:
        return None
    if holder.type == "let_declaration":
        block = file.up(holder)
        return (name, block, holder.end_byte) if block is not None and block.type in ("block", "async_block") else None
    if holder.type == "let_condition":
        outer = file.up(holder)
        if outer is not None and outer.type == "if_expression":
            block = outer.child_by_field_name("consequence")
            return (name, block, block.start_byte) if block is not None else None
    return None


def _plain_name(file: File, pattern: Node) -> str:
    """``conn`` of ``conn``, ``mut conn``, ``Ok(mut conn)``."""
    if pattern.type == "identifier":
        return file.text(pattern)
    parts = [child for child in pattern.named_children if child.type not in COMMENTS and child.type != "mutable_specifier"]
    if pattern.type == "mut_pattern" and parts:
        return _plain_name(file, parts[0])
    if pattern.type == "tuple_struct_pattern" and len(parts) == 2 and file.text(parts[0]) in ("Ok", "Some"):
        return _plain_name(file, parts[1])
    return ""


def _passes_on(file: File, match: Node) -> bool:
    """Whether a ``match`` yields what its ``Ok`` holds, and leaves the function otherwise."""
    body = match.child_by_field_name("body")
    arms = [arm for arm in body.named_children if arm.type == "match_arm"] if body is not None else []
    kept = 0
    for arm in arms:
        pattern, value = arm.child_by_field_name("pattern"), arm.child_by_field_name("value")
        if pattern is None or value is None or not pattern.named_children:
            return False
        if not diverges(value, file.data):
            kept += _plain_name(file, pattern.named_children[0]) == file.text(value)
            if not kept:
                return False
    return kept == 1


def _is_borrow(file: File, node: Node) -> bool:
    """Whether a variable is only lent or used where it stands, or is another thing of that name."""
    parent = file.up(node)
    if parent is None:
        return False
    if parent.type == "reference_expression":
        return True
    if parent.type == "unary_expression":
        return file.text(parent)[:1] == "*"
    if parent.type == "field_expression" and parent.child_by_field_name("value") == node:
        call = file.up(parent)
        label = parent.child_by_field_name("field")
        if call is None or call.type != "call_expression" or call.child_by_field_name("function") != parent:
            return True
        return label is not None and file.text(label) in _USES
    return parent.type in ("scoped_identifier", "macro_invocation")


def _breaks(node: Node) -> bool:
    """Whether a diverging block ends in ``break``."""
    while node.type in ("block", "expression_statement") and node.named_children:
        node = next((child for child in reversed(node.named_children) if child.type not in COMMENTS), node.named_children[-1])
    return node.type == "break_expression"
