"""PHP: which writes of a variable reach a place in the same function.

Only what the text decides is decided: a write under a condition is told apart
from one that always happens, and anything more tangled (a later write in a
loop, ``extract``, references) is unknown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..tuples import NamedTuple
from .php_nodes import holder, parts, text

if TYPE_CHECKING:
    from tree_sitter import Node

MOST_WRITES = 60  # of one variable before one place; more are not followed
_DEEPEST = 200

CLASSES = frozenset({"class_declaration", "trait_declaration", "enum_declaration", "anonymous_class", "interface_declaration"})
FUNCTIONS = frozenset({"function_definition", "method_declaration", "anonymous_function", "arrow_function"})
SCOPES = CLASSES | FUNCTIONS | {"property_hook_list"}

# statement -> the fields of it that run in any case; its other parts are blocks of their own
_BRANCHES = {
    "if_statement": ("condition",),
    "while_statement": (),
    "do_statement": (),
    "for_statement": ("initialize",),
    "foreach_statement": (),
    "switch_block": (),
    "match_block": (),
    "try_statement": (),
    "conditional_expression": ("condition",),
    "binary_expression": ("left",),
}
_LOOPS = frozenset({"while_statement", "do_statement", "for_statement", "foreach_statement"})
_EXCLUSIVE = frozenset({"if_statement", "switch_block", "match_block", "conditional_expression"})
_SHORT_CIRCUIT = frozenset({"&&", "||", "and", "or", "??"})
_LEAVES = frozenset({"return_statement", "exit_statement", "throw_expression", "continue_statement"})
_HOLDERS = frozenset({"variable_name", "member_access_expression", "scoped_property_access_expression"})


class Block(NamedTuple):
    """A stretch of bytes that runs as a whole or not at all; ``group`` is common to blocks of which only one runs."""

    start: int
    end: int
    parent: Block | None = None
    loop: bool = False
    leaves: bool = False
    group: int = -1

    def holds(self, at: int) -> bool:
        """Whether byte ``at`` lies within."""
        return self.start <= at < self.end


class Write(NamedTuple):
    """Something is put into a variable, from byte ``at`` on.

    ``how`` is ``=``, ``.=``, ``+=`` or ``??=``, ``[]`` (the element ``key``), ``unset`` (that element),
    ``global`` or ``?`` (no telling what).  ``node`` is the value written, ``whole`` the expression that writes.
    """

    at: int
    how: str
    block: Block
    whole: Node
    node: Node | None = None
    key: Node | None = None


class Writes(NamedTuple):
    """All writes of one function, by name: ``x``, ``->x`` of ``$this``, ``::x`` of a static property."""

    by_name: dict[str, list[Write]]
    blocks: list[Block]  # by start, outer first
    tangled: bool

    def reaching(self, name: str, place: int) -> list[tuple[Write, bool]] | None:
        """The writes whose effect byte ``place`` can see, oldest first, each with whether it surely happens.

        The first is a whole, sure write if there is one.  None: the text does not decide it.
        """
        writes = self.by_name.get(name, ())
        if not writes:
            return []
        if self.tangled:
            return None
        count = bisect_right(writes, place, key=lambda write: write.at)
        found: list[tuple[Write, bool]] = []
        for index in range(count - 1, -1, -1):
            write = writes[index]
            sure = write.block.holds(place)
            if not sure and self._apart(write.block, place):
                continue
            found.append((write, sure))
            if sure and write.how in ("=", "?", "global"):
                break
            if len(found) > MOST_WRITES:
                return None
        if count < len(writes) and not self._loops_agree(writes, count, place, found):
            return None
        found.reverse()
        return found

    def _block_at(self, place: int) -> Block:
        at: Block = self.blocks[max(0, bisect_right(self.blocks, place, key=lambda block: block.start) - 1)]
        while at.parent is not None and not at.holds(place):
            at = at.parent
        return at

    def _apart(self, block: Block, place: int) -> bool:
        """Whether what happens in ``block`` cannot be followed by ``place``: it leaves first, or the other branch runs."""
        top = block
        while not top.holds(place):
            if top.leaves:
                return True
            if top.parent is None or top.parent.holds(place):
                break
            top = top.parent
        if top.group < 0:
            return False
        here: Block | None = self._block_at(place)
        while here is not None and here.parent is not top.parent:
            here = here.parent
        return here is not None and here.group == top.group

    def _loops_agree(self, writes: list[Write], count: int, place: int, found: list[tuple[Write, bool]]) -> bool:
        """Whether no write further down comes round to ``place`` in the next turn of a loop."""
        base = found[-1][0] if found and found[-1][1] else None
        loop: Block | None = self._block_at(place)
        while loop is not None:
            if loop.loop and writes[count].at <= loop.end:
                return base is not None and loop.holds(base.whole.start_byte)
            loop = loop.parent
        return True


def scan(scope: Node) -> Writes:
    """The writes of a function, a method or the top level of a file; functions and classes inside are not entered."""
    root = Block(scope.start_byte, scope.end_byte + 1)
    blocks = [root]
    found: list[tuple[str, Write]] = []
    tangled = False
    stack: list[tuple[Node, Block, int]] = [(child, root, 0) for child in scope.named_children]
    while stack:
        node, block, depth = stack.pop()
        kind = node.type
        if kind in SCOPES:
            if kind == "anonymous_function":
                found.extend((name, Write(node.end_byte, "?", block, node)) for name in _references(node))
            continue
        if kind == "function_call_expression":
            function = node.child_by_field_name("function")
            tangled = tangled or (function is not None and text(function).lower() in ("extract", "parse_str"))
        elif kind in _WRITERS:
            found.extend(_written(node, block))
        fields = _BRANCHES.get(kind)
        if fields is None or (kind == "binary_expression" and text(node.child_by_field_name("operator")) not in _SHORT_CIRCUIT):
            stack.extend((child, block, depth) for child in node.named_children)
            continue
        if depth >= _DEEPEST:
            tangled = True
            continue
        same = {child.id for field in fields for child in node.children_by_field_name(field)}
        first = node.start_byte if kind in _EXCLUSIVE else -1
        for position, child in enumerate(node.named_children):
            if child.id in same or child.type == "finally_clause" or (kind == "foreach_statement" and position == 0):
                stack.append((child, block, depth))
                continue
            inner = Block(child.start_byte, child.end_byte, block, kind in _LOOPS, kind != "switch_block" and _leaves(child), first)
            blocks.append(inner)
            stack.append((child, inner, depth + 1))
            if kind == "foreach_statement" and position == 1:
                found.extend((name, Write(child.start_byte, "?", block, child)) for name in _names(child))
    blocks.sort(key=lambda block: (block.start, -block.end))
    by_name: dict[str, list[Write]] = {}
    for name, write in sorted(found, key=lambda pair: pair[1].at):
        by_name.setdefault(name, []).append(write)
    return Writes(by_name, blocks, tangled)


def _leaves(node: Node) -> bool:
    """Whether a branch ends by leaving the code around it."""
    for _ in range(4):
        if node.type in _LEAVES:
            return True
        inner = parts(node)
        if node.type not in ("compound_statement", "colon_block", "else_clause", "else_if_clause", "expression_statement") or not inner:
            return False
        node = inner[-1]
    return False


def _names(node: Node) -> Iterator[str]:
    """Variables in a list, pair or reference that is written to."""
    stack = [node]
    while stack:
        top = stack.pop()
        name = holder(top) if top.type in _HOLDERS else None
        if name is not None:
            yield name
        else:
            stack.extend(top.named_children)


def _references(function: Node) -> Iterator[str]:
    """Variables a closure takes by reference: it can write to them whenever it is called."""
    for clause in function.named_children:
        if clause.type == "anonymous_function_use_clause":
            for captured in clause.named_children:
                if captured.type == "by_ref":
                    yield from _names(captured)


_WRITERS = frozenset(
    {
        "assignment_expression",
        "augmented_assignment_expression",
        "reference_assignment_expression",
        "update_expression",
        "unset_statement",
        "global_declaration",
        "function_static_declaration",
        "catch_clause",
    }
)


def _written(node: Node, block: Block) -> Iterator[tuple[str, Write]]:
    end = node.end_byte
    match node.type:
        case "assignment_expression":
            yield from _assigned(node, block, "=")
        case "augmented_assignment_expression":
            how = text(node.child_by_field_name("operator"))
            yield from _assigned(node, block, how if how in (".=", "+=", "??=") else "?")
        case "unset_statement":
            for child in parts(node):
                if child.type == "subscript_expression":
                    yield from _element(child, Write(end, "unset", block, node))
                else:
                    yield from ((name, Write(end, "?", block, node)) for name in _names(child))
        case "global_declaration":
            yield from ((name, Write(end, "global", block, node)) for name in _names(node))
        case "catch_clause":
            caught = node.child_by_field_name("name")
            if caught is not None:
                inner = Block(node.start_byte, node.end_byte, block)
                yield text(caught)[1:], Write(caught.end_byte, "?", inner, caught)
        case _:
            yield from ((name, Write(end, "?", block, node)) for name in _names(node))


def _assigned(node: Node, block: Block, how: str) -> Iterator[tuple[str, Write]]:
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if left is None:
        return
    name = holder(left)
    if name is not None:
        yield name, Write(node.end_byte, how, block, node, right)
    elif left.type == "subscript_expression":
        yield from _element(left, Write(node.end_byte, "[]", block, node, right if how == "=" else None))
    elif left.type in ("list_literal", "array_creation_expression", "dynamic_variable_name"):
        yield from ((found, Write(node.end_byte, "?", block, node)) for found in _names(left))


def _element(target: Node, write: Write) -> Iterator[tuple[str, Write]]:
    """``$x[key] = …``; of ``$x[key][more] = …`` only the outer key is known, and not what becomes of it."""
    deep = -1
    while target.type == "subscript_expression":
        inside = parts(target)
        if not inside:
            return
        target, deep, key = inside[0], deep + 1, inside[1] if len(inside) > 1 else None
    name = holder(target)
    if name is not None:
        how = "[]" if deep and write.how == "unset" else write.how
        yield name, Write(write.at, how, write.block, write.whole, None if deep else write.node, key)
