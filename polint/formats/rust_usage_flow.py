"""What happens while a connection is held: waiting for something else, and a second connection of the same pool.

What stands in another closure or ``async`` block is not the same flow, and is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from ..patterns import lazy
from ..source import Span
from ..treesitter import find_all
from ..value import Value
from . import rust_usage_pools as pools
from .rust_code import File, arguments
from .rust_names import Scope, parameters, takes_self
from .rust_usage import Hold, Nested
from .rust_usage_forms import is_bound, method_of, outermost, pool_name, whole_path
from .rust_usage_guards import Guard, candidates, guard_at, locks
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node

_EXECUTORS = frozenset({"execute", "execute_many", "fetch", "fetch_many", "fetch_one", "fetch_all", "fetch_optional"})
_SEA_EXECUTORS = frozenset({"one", "all", "exec", "exec_with_returning", "insert", "update", "save", "delete", "count"})
_STRAIGHT = frozenset(
    {"await_expression", "try_expression", "parenthesized_expression", "field_expression", "call_expression", "let_declaration",
     "expression_statement", "reference_expression", "arguments"}
)  # fmt: skip
_WORK = (b"sleep(", b"sleep_until(", b".send()", b"reqwest::get(", b".recv()", b".tick()", b".notified()", b"ctrl_c()", b"serve(")
_PHRASES = {
    "sleep": "the task sleeps",
    "send": "a request waits for its answer",
    "get": "a request waits for its answer",
    "recv": "the task waits for a message",
    "tick": "the task waits for the next tick",
    "notified": "the task waits to be notified",
    "ctrl_c": "the program waits for a signal",
    "serve": "the server runs",
}
_CANDIDATES = 2000  # in one file; a function that holds hundreds of connections is no code people wrote
_LOOKS = 20_000  # places looked at in one file
_DOTTED = lazy(r"[\w.]+")


class Flow:
    """Reads the functions of one crate."""

    def __init__(self, reader: Reader, known: pools.Pools) -> None:
        self.reader = reader
        self.code = reader.code
        self.pools = known
        self._looks = 0
        self._gets = any(word in file.data for file in self.code.files for word in (b"deadpool", b"bb8", b"r2d2"))

    def events(self, file: File) -> Iterator[Hold | Nested]:
        """Other work, and second connections, while a connection is held; each place once."""
        seen: set[int] = set()
        locking: dict[int, bool] = {}  # by the function's place
        self._looks = _LOOKS
        for at, window in sorted(islice(candidates(file.data, _WORK, self._gets), _CANDIDATES)):
            if self.code.is_test(file, at):
                continue
            guard = guard_at(self.pools, file, at)
            function = file.enclosing(guard.call, "function_item") if guard is not None else None
            if guard is None or function is None:
                continue
            if function.start_byte not in locking:
                locking[function.start_byte] = locks(file, function)
            if locking[function.start_byte]:
                continue
            for start, end in guard.alive():
                found: list[Hold | Nested] = [*self._waits(guard, start, min(end, window)), *self._seconds(guard, start, min(end, window))]
                for event in found:
                    if event.span.start not in seen:
                        seen.add(event.span.start)
                        yield event

    # --- waiting

    def _waits(self, guard: Guard, start: int, end: int) -> Iterator[Hold]:
        file = guard.file
        for word in _WORK:
            for at in find_all(file.data, word, start, end):
                self._looks -= 1
                if self._looks <= 0:
                    return
                found = self._wait(guard, at + (word[:1] == b"."), word)
                if found is not None:
                    work, call, lasts = found
                    yield Hold(guard.name, guard.way, work, file.span(call), file.span(guard.call), lasts)

    def _wait(self, guard: Guard, at: int, word: bytes) -> tuple[str, Node, Value | None] | None:
        file = guard.file
        node = file.node(at, at + 2)
        call = file.enclosing(node, "call_expression") if node is not None else None
        function = call.child_by_field_name("function") if call is not None else None
        if node is None or call is None or function is None or not function.start_byte <= at < function.end_byte:
            return None
        if not guard.holds(call):
            return None
        given, awaited = arguments(call), outermost(file, call)[1]
        if function.type == "field_expression":
            method, receiver = method_of(file, call)
            if not awaited or given or receiver is None or word[:1] != b".":
                return (_PHRASES[method], call, None) if method == "serve" and awaited and given and receiver is not None else None
            text = file.text(receiver)
            if method == "recv" and (
                text == guard.name or "listen" in text.lower() or "PgListener" in self.pools.type_text(file, receiver)
            ):
                return None
            return _PHRASES[method], call, None
        path = file.text(function)
        last = path.rpartition("::")[2]
        if last in ("sleep", "sleep_until") and len(given) == 1:
            if not awaited and not path.endswith("thread::sleep"):
                return None
            return _PHRASES["sleep"], call, self.reader.start().value(given[0], Scope(file), "duration") if last == "sleep" else None
        if awaited and (path in ("reqwest::get", "axum::serve") or last == "ctrl_c"):
            return _PHRASES[last], call, None
        return None

    # --- a second connection

    def _seconds(self, guard: Guard, start: int, end: int) -> Iterator[Nested]:
        file = guard.file
        names = _DOTTED.findall(guard.pool)
        last = names[-1].rpartition(".")[2] if names else ""
        if not last or guard.pool == guard.name:
            return
        executors = _SEA_EXECUTORS if guard.kind == pools.SEA else _EXECUTORS
        word = last.encode("utf-8", "surrogateescape")
        for at in file.words(word, start, end):
            self._looks -= 1
            node = file.node(at, at + len(word)) if self._looks > 0 else None
            if node is None:
                continue
            whole = whole_path(file, node)
            if guard.pool == last and is_bound(file, node):
                return  # another variable of the same name
            if pool_name(file, whole) != guard.pool or not guard.holds(whole):
                continue
            call = _query(file, whole, executors) or _take(file, whole)
            inside = None
            if call is None:
                call, inside = self._inside(file, whole, guard.kind, executors)
            if call is not None and (outermost(file, call)[1] or guard.kind == pools.BLOCKING):
                yield Nested(guard.name, guard.way, guard.pool, file.span(whole), file.span(guard.call), inside)

    def _inside(self, file: File, whole: Node, kind: str, executors: frozenset[str]) -> tuple[Node | None, Span | None]:
        """The call of a function of the crate that is given the pool and surely takes a connection of it, and where it does."""
        argument = _lent(file, whole)
        holder = file.up(argument)
        call = file.up(holder) if holder is not None and holder.type == "arguments" else None
        function = call.child_by_field_name("function") if call is not None else None
        if call is None or function is None or call.type != "call_expression":
            return None, None
        name = method_of(file, call)[0] or file.text(function).partition("<")[0].rpartition("::")[2].strip()
        found = self.code.functions(name)
        if len(found) != 1 or takes_self(found[0].node) != (function.type == "field_expression"):
            return None, None
        definition = found[0]
        given, body = parameters(definition.node), definition.node.child_by_field_name("body")
        number = next((index for index, one in enumerate(arguments(call)) if one == argument), -1)
        pattern = given[number].child_by_field_name("pattern") if 0 <= number < len(given) == len(arguments(call)) else None
        if pattern is None or pattern.type != "identifier" or body is None:
            return None, None
        other = definition.file
        for at in other.words(other.data[pattern.start_byte : pattern.end_byte], body.start_byte, body.end_byte):
            node = other.node(at, at + pattern.end_byte - pattern.start_byte)
            taken = _query(other, node, executors) or _take(other, node) if node is not None else None
            if node is None or taken is None or not (outermost(other, taken)[1] or kind == pools.BLOCKING):
                return None, None
            return (call, other.span(taken)) if _is_certain(other, taken, body) else (None, None)
        return None, None


def _is_certain(file: File, node: Node, body: Node) -> bool:
    """Whether ``node`` runs each time ``body`` does, unless an error ends it before."""
    if b"return" in file.data[body.start_byte : node.start_byte]:
        return False
    for parent in file.ups(node):
        if parent == body:
            return True
        if parent.type not in _STRAIGHT:
            return False
    return False


def _take(file: File, whole: Node) -> Node | None:
    """The ``acquire``, ``begin``, ``get`` or query that is called on a pool."""
    access = file.up(whole)
    call = file.up(access) if access is not None and access.type == "field_expression" else None
    if access is None or call is None or call.type != "call_expression" or access.child_by_field_name("value") != whole:
        return None
    method, given = method_of(file, call)[0], arguments(call)
    return call if (method in ("acquire", "begin", "get") and not given) or (method in _EXECUTORS and len(given) == 1) else None


def _lent(file: File, node: Node) -> Node:
    """``&*pool`` for the ``pool`` in it."""
    parent = file.up(node)
    while parent is not None and parent.type in ("reference_expression", "unary_expression", "parenthesized_expression"):
        node, parent = parent, file.up(parent)
    return node


def _query(file: File, whole: Node, executors: frozenset[str]) -> Node | None:
    """The ``fetch_one(&pool)`` that a pool is given to."""
    parent = file.up(_lent(file, whole))
    call = parent.parent if parent is not None and parent.type == "arguments" else None
    if call is None or len(arguments(call)) != 1 or method_of(file, call)[0] not in executors:
        return None
    return call
