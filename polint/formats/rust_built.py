"""How often a process builds a pool: loops, closures, and the callers of the function that does it.

A pool in a helper that two places call is two pools.  What runs are found by going
outwards from the call that connects, over the callers of each function, to ``main``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..tuples import NamedTuple
from .rust_code import Definition, File, owner_of, takes_part
from .rust_names import Ref, Scope, takes_self
from .rust_structs import attributes_of
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node

_ONCE = frozenset({"get_or_init", "get_or_try_init", "call_once", "get_or_insert_with", "get_or_create"})
_LAZY = frozenset({"Lazy", "LazyLock", "LazyCell", "SyncLazy"})
_EACH = frozenset(
    {
        "map",
        "for_each",
        "for_each_concurrent",
        "try_for_each",
        "try_for_each_concurrent",
        "flat_map",
        "filter_map",
        "then",
        "fold",
        "try_fold",
    }
)
_ITERATING = (
    ".iter()",
    ".iter_mut()",
    "into_iter()",
    ".keys()",
    ".values()",
    ".drain(",
    "..",
    "stream::iter",
    ".split(",
    ".chars()",
    ".lines()",
)
_ROUTES = frozenset(
    {"get", "post", "put", "patch", "delete", "any", "route", "to", "service", "fallback", "and_then", "map", "from_fn", "on"}
)
_VERBS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "route", "handler"})
_LOOPS = frozenset({"for_expression", "while_expression", "loop_expression"})
_RUNS = 64
_LONG = 60

IN_LOOP = "is built in a loop"
PER_REQUEST = "is built for each request"


class Built(NamedTuple):
    """At least and at most how many; ``most`` is None, with the reason as a clause, where nothing bounds it."""

    least: int = 1
    most: int | None = 1
    why: str = ""


class _Choice(NamedTuple):
    """One ``if`` or ``match``, which of its ``arms`` is taken."""

    key: tuple[str, int]
    arm: int
    arms: int


class _Run(NamedTuple):
    """One way to reach a call: the choices on it, outermost first, and the function it starts from."""

    root: tuple[str, int]
    is_main: bool
    path: tuple[_Choice, ...]


class _Unbounded(Exception):
    """Nothing bounds how often the call is reached."""


def built(reader: Reader, places: Iterable[tuple[File, Node]]) -> Built:
    """How many pools all the calls at ``places`` make in one process."""
    runs: list[_Run] = []
    try:
        for file, node in places:
            runs += _runs(reader, file, node, (), frozenset())
            if len(runs) > _RUNS:
                raise _Unbounded("is built in more places than are counted")
    except _Unbounded as error:
        return Built(1, None, str(error))
    by_root: dict[tuple[str, int], list[_Run]] = {}
    for run in runs:
        by_root.setdefault(run.root, []).append(run)
    bounds = [(_bounds([run.path for run in group], 0), group[0].is_main) for group in by_root.values()]
    if not bounds:
        return Built()
    least = max(1, min(low for (low, _), _ in bounds))
    # a process runs one main; functions nobody was seen to call may all run in it
    most = max((high for (_, high), is_main in bounds if is_main), default=0) + sum(high for (_, high), is_main in bounds if not is_main)
    return Built(least, max(least, most))


def _bounds(paths: Sequence[tuple[_Choice, ...]], depth: int) -> tuple[int, int]:
    """At least and at most how many of ``paths`` one run takes, from the choice number ``depth`` on."""
    least = most = 0
    choices: dict[tuple[str, int], dict[int, list[tuple[_Choice, ...]]]] = {}
    for path in paths:
        if depth >= len(path):
            least, most = least + 1, most + 1
        else:
            choices.setdefault(path[depth].key, {}).setdefault(path[depth].arm, []).append(path)
    for taken in choices.values():
        arms = next(iter(taken.values()))[0][depth].arms
        each = [_bounds(inner, depth + 1) for inner in taken.values()]
        least += min(low for low, _ in each) if len(taken) == arms else 0
        most += max(high for _, high in each)
    return least, most


def _runs(reader: Reader, file: File, node: Node, inner: tuple[_Choice, ...], active: frozenset[int]) -> list[_Run]:
    """Every way to reach ``node``; ``inner`` are the choices passed so far, ``active`` the functions."""
    child = node
    for parent in file.ups(node):
        kind = parent.type
        if kind in _LOOPS:
            if child == parent.child_by_field_name("body") and not leaves(file, parent, child, node):
                raise _Unbounded(IN_LOOP)
        elif kind == "if_expression":
            if child.type in ("block", "else_clause"):
                inner = (_Choice((file.source.path, parent.id), int(child.type == "else_clause"), 2), *inner)
        elif kind == "match_block":
            arms = sum(arm.type == "match_arm" for arm in parent.named_children)
            inner = (_Choice((file.source.path, parent.id), child.start_byte, arms), *inner)
        elif kind == "closure_expression":
            found = _closure(reader, file, parent, inner, active)
            if found is not None:
                return found
        elif kind in ("static_item", "const_item"):
            break
        elif kind == "function_item":
            return _callers(reader, file, parent, inner, active)
        child = parent
    return [_Run(("", 0), True, ())]  # a static: once, whoever asks


def _callers(reader: Reader, file: File, function: Node, inner: tuple[_Choice, ...], active: frozenset[int]) -> list[_Run]:
    """Every way to reach a function whose body takes the choices ``inner``."""
    label, body = function.child_by_field_name("name"), function.child_by_field_name("body")
    name = file.text(label) if label is not None else ""
    here = _Run((file.source.path, function.id), name == "main", inner[:_LONG])
    if name == "main" or body is None:
        return [here]
    for attribute in attributes_of(function):
        if file.text(attribute).strip("#[] ").partition("(")[0].rpartition("::")[2] in _VERBS:
            raise _Unbounded(PER_REQUEST)
    if _keeps_first(file, body):
        return [_Run(("", 0), True, ())]
    if function.id in active or len(active) > 8:
        return []
    owner, method = owner_of(file, function), takes_self(function)
    definition = Definition(file, function)
    out: list[_Run] = []
    for use in reader.code.calls(name, owner, method):
        inside = use.file is file and function.start_byte <= use.node.start_byte < function.end_byte
        if inside or not takes_part(use.file.source.path) or not _means(reader, use, name, owner, definition):
            continue
        if use.node.type != "call_expression":
            _passed_on(use.file, use.node)
        out += _runs(reader, use.file, use.node, inner[:_LONG], active | {function.id})
        if len(out) > _RUNS:
            raise _Unbounded("is built in more places than are counted")
    return out or [here]


def _means(reader: Reader, use: Definition, name: str, owner: str, definition: Definition) -> bool:
    """Whether a call by this name is one of ``definition``."""
    file, node = use
    function = node.child_by_field_name("function") if node.type == "call_expression" else node
    if function is not None and function.type == "generic_function":
        function = function.child_by_field_name("function")
    if function is None:
        return False
    if function.type == "field_expression":  # methods of this name may be any type's
        receiver = function.child_by_field_name("value")
        return receiver is not None and reader.structs.thing(Ref(receiver, Scope(file))).struct == owner
    if owner:
        return True
    if reader.names.find(name, node, Scope(file)) is not None and function.type == "identifier":
        return False
    path = file.text(function).split("::")
    found = reader.select(name, path[-2].strip() if len(path) > 1 else "", function, Scope(file))
    return found is not None and found.node == definition.node and found.file is definition.file


def _keeps_first(file: File, body: Node) -> bool:
    """Whether a function keeps the pool in a static cell that takes only the first: ``POOL.set(pool)``."""
    data, at = file.data, body.start_byte
    while (at := data.find(b".set(", at, body.end_byte)) >= 0:
        word = at
        while word > body.start_byte and (data[word - 1 : word].isalnum() or data[word - 1 : word] == b"_"):
            word -= 1
        if data[word:at].isupper():
            return True
        at += 5
    return False


def _called(file: File, argument: Node) -> tuple[Node | None, list[str]]:
    """The function that ``argument`` is given to: its node and the names of its path."""
    holder = file.up(argument)
    call = holder.parent if holder is not None and holder.type == "arguments" else None
    function = call.child_by_field_name("function") if call is not None else None
    if function is not None and function.type == "generic_function":
        function = function.child_by_field_name("function")
    if function is None:
        return None, []
    if function.type == "field_expression":
        label = function.child_by_field_name("field")
        return function, [file.text(label) if label is not None else ""]
    return function, file.text(function).partition("<")[0].split("::")


def _goes_through(file: File, function: Node | None, name: str) -> bool:
    """Whether a method calls what it is given for each of many items."""
    if name not in _EACH or function is None:
        return False
    receiver = function.child_by_field_name("value")
    text = file.text(receiver) if receiver is not None else ""
    return name.startswith(("for_each", "try_for_each")) or any(mark in text for mark in _ITERATING)


def _passed_on(file: File, path: Node) -> None:
    """A function given to another: refuse where that calls it again and again."""
    function, names = _called(file, path)
    if not names:
        return
    if _goes_through(file, function, names[-1]):
        raise _Unbounded(IN_LOOP)
    if names[-1] in _ROUTES and names[-1] not in _EACH:
        raise _Unbounded(PER_REQUEST)


def _closure(reader: Reader, file: File, closure: Node, inner: tuple[_Choice, ...], active: frozenset[int]) -> list[_Run] | None:
    """Every way to reach a closure's body; None when it runs once where it is written."""
    function, names = _called(file, closure)
    if names:
        last, before = names[-1], names[-2] if len(names) > 1 else ""
        if last in _ONCE or before in _LAZY:
            return [_Run(("", 0), True, ())]
        if before == "HttpServer":
            raise _Unbounded("is built for each worker of the HTTP server")
        if last in ("or_insert_with", "or_insert_with_key", "repeat_with") or _goes_through(file, function, last):
            raise _Unbounded(IN_LOOP if last != "or_insert_with" else "is built for each entry of a map")
        if function is not None and last in _ROUTES and last not in _EACH and before not in ("", "thread", "task"):
            raise _Unbounded(PER_REQUEST)
        return None
    let = file.up(closure)
    pattern = let.child_by_field_name("pattern") if let is not None and let.type == "let_declaration" else None
    if let is None or pattern is None or pattern.type != "identifier" or let.parent is None:
        return None
    out: list[_Run] = []
    word = file.text(pattern).encode("utf-8", "surrogateescape")
    for at in file.words(word, let.end_byte, let.parent.end_byte):
        node = file.node(at, at + len(word))
        call = node.parent if node is not None else None
        if call is not None and call.type == "call_expression" and call.child_by_field_name("function") == node:
            out += _runs(reader, file, call, inner, active)
    return out or None


def leaves(file: File, loop: Node, body: Node, place: Node) -> bool:
    """Whether a loop ends once the call at ``place`` succeeded: it only tries again."""
    statement = place
    for parent in file.ups(place):
        if parent == body:
            break
        statement = parent
    if _has_exit(file, statement):
        return True
    names: set[bytes] = set()
    let = statement if statement.type == "let_declaration" else None
    pattern = let.child_by_field_name("pattern") if let is not None else None
    if pattern is not None:
        names = {file.text(child).encode() for child in (pattern, *pattern.named_children) if child.type == "identifier"}
    after = statement.next_named_sibling
    while after is not None:
        plain = after.named_children[0] if after.type == "expression_statement" and after.named_children else after
        if plain.type in ("break_expression", "return_expression"):
            return True
        if any(next(file.words(name, after.start_byte, after.end_byte), None) is not None for name in names) and _has_exit(file, after):
            return True
        after = after.next_named_sibling
    return False


def _has_exit(file: File, node: Node) -> bool:
    """Whether ``node`` holds a ``break``, or a ``return`` that reports no error, of its own function."""
    data = file.data
    if data.find(b"break", node.start_byte, node.end_byte) < 0 and data.find(b"return", node.start_byte, node.end_byte) < 0:
        return False
    stack = [node]
    while stack:
        top = stack.pop()
        if top.type == "break_expression":
            return True
        if top.type == "return_expression":
            if not data[top.start_byte + 6 : top.end_byte].lstrip().startswith((b"Err(", b"Err (")):
                return True
        elif top.type not in ("closure_expression", "function_item", "token_tree", *_LOOPS):
            stack.extend(top.named_children)
    return False
