"""Follows a pool's builder through the code: from its constructor, over setters, names and functions, to ``connect``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..tuples import NamedTuple
from .rust_code import COMMENTS, File, arguments, owner_of, tail
from .rust_forms import segments
from .rust_libraries import Library
from .rust_names import Names, Ref, Scope, conditional, parameters, takes_self
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node


_PASSING = frozenset(
    {"clone", "into", "to_owned", "unwrap", "expect", "by_ref", "as_ref", "map_err", "context", "with_context", "wrap_err"}
)
_WRAPPING = frozenset({"Ok", "Some", "Box::new", "Arc::new", "Rc::new"})
_MOVING = frozenset(
    {"await_expression", "try_expression", "parenthesized_expression", "reference_expression", "async_block", "unsafe_block"}
)
_BRANCHES = frozenset({"if_expression", "match_arm", "else_clause", "loop_expression", "while_expression", "for_expression"})
_STEPS = 3000


class Link(NamedTuple):
    """One setter called on the builder; ``optional`` when only some paths call it."""

    name: str
    call: Node
    scope: Scope
    optional: bool = False


class End(NamedTuple):
    """Where a builder ends up: at the call ``connect`` that makes the pool, back in its variable, or out of sight (``why``)."""

    links: tuple[Link, ...]
    file: File
    connect: Node | None = None
    scope: Scope | None = None
    assigned: str = ""
    why: str = ""
    types: tuple[str, ...] = ()  # types written along the way


class Tracer:
    """Follows one constructor; ``ends`` are grouped by the call that connects."""

    def __init__(self, reader: Reader, library: Library) -> None:
        self.reader = reader
        self.library = library
        self.steps = 0

    def direct(self, file: File, call: Node) -> list[End]:
        """The end of ``PgPool::connect(..)``, which is its own connect."""
        return [End((), file, call, Scope(file))]

    def ends(self, file: File, constructor: Node) -> list[End]:
        """Every place this builder ends up at."""
        self.steps = 0
        return _merged(list(self._trace(constructor, Scope(file), (), None, (), 0)))

    def _trace(
        self, node: Node, scope: Scope, links: tuple[Link, ...], block: Node | None, types: tuple[str, ...], depth: int, name: str = ""
    ) -> Iterator[End]:
        """Follow the value of ``node``; ``block`` holds the variable ``name`` it was taken from, where it was."""
        file = scope.file
        inherited = len(links)
        while True:
            self.steps += 1
            parent = file.up(node)
            if parent is None or depth > 12 or self.steps > _STEPS:
                yield End(links, file, why="is passed on too often to follow", types=types)
                return
            kind = parent.type
            if kind in _MOVING:
                node = parent
            elif kind == "field_expression":
                call, label = _method_call(parent), parent.child_by_field_name("field")
                if call is None or label is None:
                    return
                method = file.text(label)
                if method in self.library.connects:
                    yield End(links, file, call, scope, types=types)
                    return
                if method.startswith("get_"):
                    return
                if method not in _PASSING:
                    links = (*links, Link(method, call, scope))
                    if method not in self.library.setters:
                        yield from self._unsure(call, links, file, types, f"goes through `.{method}()`")
                node = call
            elif kind == "let_declaration":
                yield from self._let(parent, scope, links, types, depth)
                return
            elif kind == "assignment_expression":
                left = parent.child_by_field_name("left")
                if left is None or left.type != "identifier":
                    yield End(links, file, why="is kept in a field", types=types)
                    return
                target = file.text(left)
                if block is not None and in_branch(file, parent, block):
                    links = _optional(links, inherited)
                if target == name and block is not None:
                    yield End(links, file, assigned=target, types=types)
                    return
                binder = binder_of(self.reader.names, file, target, left)
                if binder is None or binder.parent is None:
                    yield End(links, file, why="is kept in a variable that is not followed", types=types)
                    return
                yield from self._uses(target, binder, binder.parent, parent.end_byte, scope, links, types, depth)
                return
            elif kind == "arguments":
                call = parent.parent
                function = call.child_by_field_name("function") if call is not None else None
                path = file.text(function) if function is not None else ""
                if call is not None and (path in _WRAPPING or path.rpartition("::")[2] in ("Ok", "Some")):
                    node = call
                    continue
                if call is not None and self.library.takes and "::".join(segments(path)[-2:]) in self.library.takes:
                    yield End(links, file, call, scope, types=types)
                    return
                if self.library.is_lent and node.type == "reference_expression":
                    yield End(links, file, why="goes through another function", types=types)
                    return
                yield from self._passed(node, call, function, scope, links, types, depth)
                return
            elif kind == "return_expression":
                yield from self._returned(parent, scope, links, types, depth)
                return
            elif kind in ("expression_statement", "block"):
                if kind == "expression_statement":
                    if parent.children and parent.children[-1].type == ";":
                        if self.library.is_lent and block is not None:
                            changed = _optional(links, inherited) if in_branch(file, parent, block) else links
                            yield End(changed, file, assigned=name, types=types)
                        return
                    node = parent
                    continue
                if tail(parent) is None or (parent.named_children and not _is_tail(parent, node)):
                    return
                if block is not None and parent == block:
                    block = None
                holder = file.up(parent)
                if holder is not None and holder.type == "function_item":
                    yield from self._returned(parent, scope, links, types, depth)
                    return
                node = parent
            elif kind in ("else_clause", "match_arm", "if_expression", "match_block", "match_expression", "loop_expression"):
                if kind == "if_expression" and parent.child_by_field_name("condition") == node:
                    return
                if block is not None and kind in ("if_expression", "match_arm") and _strictly_inside(parent, block):
                    links = _optional(links, inherited)
                node = parent
            elif kind in ("field_initializer", "shorthand_field_initializer"):
                yield End(links, file, why="is kept in a struct", types=types)
                return
            elif kind in ("const_item", "static_item", "closure_expression"):
                yield End(links, file, why="is made by a closure" if kind == "closure_expression" else "is kept in a static", types=types)
                return
            elif kind in ("let_condition", "match_pattern", "while_expression", "for_expression", "binary_expression"):
                return
            else:
                yield End(links, file, why="is used in a way that is not followed", types=types)
                return

    def _unsure(self, call: Node, links: tuple[Link, ...], file: File, types: tuple[str, ...], why: str) -> Iterator[End]:
        yield End(links, file, connect=None, why=why, types=types)

    def _let(self, let: Node, scope: Scope, links: tuple[Link, ...], types: tuple[str, ...], depth: int) -> Iterator[End]:
        file = scope.file
        pattern, written, holder = let.child_by_field_name("pattern"), let.child_by_field_name("type"), let.parent
        if pattern is not None and pattern.type == "mut_pattern" and pattern.named_children:
            pattern = pattern.named_children[-1]
        if pattern is None or pattern.type != "identifier" or holder is None:
            yield End(links, file, why="is taken apart", types=types)
            return
        if conditional(file, let):
            yield End(links, file, why="depends on how the program is compiled", types=types)
            return
        if written is not None:
            types = (*types, file.text(written))
        yield from self._uses(file.text(pattern), let, holder, let.end_byte, scope, links, types, depth)

    def _uses(
        self, name: str, binder: Node, block: Node, start: int, scope: Scope, links: tuple[Link, ...], types: tuple[str, ...], depth: int
    ) -> Iterator[End]:
        """Follow every use of variable ``name``, which ``binder`` binds in ``block``, from byte ``start`` on."""
        file = scope.file
        word = name.encode("utf-8", "surrogateescape")
        seen = False
        for at in file.words(word, start, block.end_byte):
            self.steps += 1
            if self.steps > _STEPS:
                yield End(links, file, why="is passed on too often to follow", types=types)
                return
            node = file.node(at, at + len(word))
            if node is None or node.type != "identifier" or node.parent is None or self.reader.code.is_test(file, at):
                continue
            holder = node.parent
            if holder.type == "assignment_expression" and holder.child_by_field_name("left") == node:
                continue
            if holder.type in (
                "field_pattern",
                "tuple_pattern",
                "tuple_struct_pattern",
                "parameter",
                "closure_parameters",
                "match_pattern",
            ):
                continue
            if holder.type == "let_declaration" and holder.child_by_field_name("pattern") == node:
                continue
            if binder_of(self.reader.names, file, name, node) != binder:
                continue
            seen = True
            for end in self._trace(node, scope, links, block, types, depth + 1, name):
                if end.assigned == name:
                    links = end.links
                else:
                    yield end
        if not seen:
            yield End(links, file, types=types)

    def _passed(
        self,
        node: Node,
        call: Node | None,
        function: Node | None,
        scope: Scope,
        links: tuple[Link, ...],
        types: tuple[str, ...],
        depth: int,
    ) -> Iterator[End]:
        """The builder is an argument: follow it into a function of the crate, and out again with what that returns."""
        file = scope.file
        shown = file.text(function).rpartition("::")[2] if function is not None else "a function"
        lost = End(links, file, why=f"is passed to `{shown}`" if len(shown) < 60 and "\n" not in shown else "is passed on", types=types)
        if call is None or function is None or function.type not in ("identifier", "scoped_identifier"):
            yield lost
            return
        path = file.text(function).split("::")
        definition = self.reader.select(path[-1], path[-2] if len(path) > 1 else "", function, scope)
        given = arguments(call)
        if definition is None or depth > 8 or node not in given:
            yield lost
            return
        wanted = parameters(definition.node)
        index = given.index(node) - (1 if takes_self(definition.node) else 0)
        pattern = wanted[index].child_by_field_name("pattern") if 0 <= index < len(wanted) else None
        body = definition.node.child_by_field_name("body")
        if pattern is None or body is None or pattern.type not in ("identifier", "mut_pattern"):
            yield lost
            return
        inside = self.reader.enter(definition, [Ref(arg, scope) for arg in given], scope)
        name = definition.file.text(pattern.named_children[-1] if pattern.type == "mut_pattern" else pattern)
        for end in self._uses(name, definition.node, body, body.start_byte, inside, links, types, depth + 1):
            if end.why == _RETURNED:
                yield from self._trace(call, scope, end.links, None, end.types, depth + 1)
            else:
                yield end

    def _returned(self, node: Node, scope: Scope, links: tuple[Link, ...], types: tuple[str, ...], depth: int) -> Iterator[End]:
        """The builder is what a function returns: go on at its callers."""
        file = scope.file
        holder = file.enclosing(node, "function_item", "closure_expression")
        if holder is None or holder.type != "function_item":
            yield End(links, file, why="is made by a closure", types=types)
            return
        if holder.id in scope.bound:
            yield End(links, file, why=_RETURNED, types=types)
            return
        written = holder.child_by_field_name("return_type")
        if written is not None:
            types = (*types, file.text(written))
        label = holder.child_by_field_name("name")
        name = file.text(label) if label is not None else ""
        uses = self.reader.code.calls(name, owner_of(file, holder), takes_self(holder))
        calls = [use for use in uses if use.node.type == "call_expression" and use.node.parent is not None]
        if not calls or len(calls) != len(uses) or depth > 8:
            yield End(links, file, why=f"is returned from `{name}`, whose callers are not found", types=types)
            return
        for use in calls[:20]:
            yield from self._trace(use.node, Scope(use.file), links, None, types, depth + 1)


_RETURNED = "is returned"


def _merged(ends: list[End]) -> list[End]:
    """Ends at one and the same connect as one; a setter that only some of its paths call becomes optional."""
    groups: dict[tuple[str, int], list[End]] = {}
    for end in ends:
        key = (end.file.source.path, end.connect.start_byte + (end.connect.end_byte << 40)) if end.connect is not None else ("", -1)
        groups.setdefault(key, []).append(end)
    if len(groups) > 1:
        lost = groups.pop(("", -1), [])
        through = [end for end in lost if end.why.startswith("goes through")]
        if through:
            groups = {key: [*group, *through] for key, group in groups.items()}
    out: list[End] = []
    for group in groups.values():
        first = group[0]
        order: dict[int, Link] = {}
        count: dict[int, int] = {}
        real = [end for end in group if end.connect is not None] or group
        for end in real:
            for link in end.links:
                known = order.get(link.call.id)
                order[link.call.id] = link if known is None or link.optional else known
                count[link.call.id] = count.get(link.call.id, 0) + 1
        merged = tuple(
            link if count[key] == len(real) or link.optional else link._replace(optional=True) for key, link in order.items()
        )  # fmt: skip
        why = next((end.why for end in group if end.why), "")
        types = tuple(dict.fromkeys(kind for end in group for kind in end.types))
        out.append((real[0] if first.connect is None else first)._replace(links=merged, why=why, types=types))
    return out


def _optional(links: tuple[Link, ...], start: int) -> tuple[Link, ...]:
    return links[:start] + tuple(link._replace(optional=True) for link in links[start:])


def _method_call(access: Node) -> Node | None:
    """The call of the method that a field expression names."""
    parent = access.parent
    if parent is not None and parent.type == "generic_function":
        access, parent = parent, parent.parent
    if parent is not None and parent.type == "call_expression" and parent.child_by_field_name("function") == access:
        return parent
    return None


def _strictly_inside(node: Node, block: Node) -> bool:
    return node != block and block.start_byte <= node.start_byte and node.end_byte <= block.end_byte


def in_branch(file: File, node: Node, block: Node) -> bool:
    """Whether only some runs through ``block`` reach ``node``."""
    for parent in file.ups(node):
        if parent == block:
            return False
        if parent.type in _BRANCHES:
            return True
    return False


def _is_tail(block: Node, node: Node) -> bool:
    last = [child for child in block.named_children if child.type not in COMMENTS][-1:]
    return bool(last) and last[0] == node


def binder_of(names: Names, file: File, name: str, use: Node) -> Node | None:
    """The statement, function, closure or arm that binds ``name`` where it is used."""
    child = use
    for parent in file.ups(use):
        kind = parent.type
        if kind in ("block", "source_file"):
            for let in reversed(names.lets(file, parent).get(name, ())):
                if let.start_byte < child.start_byte:
                    return let
        elif kind in ("closure_expression", "function_item"):
            holder = parent.child_by_field_name("parameters")
            if holder is not None and name in names.bound_in(file, holder):
                return parent
            if kind == "function_item":
                return None
        elif kind in ("match_arm", "for_expression"):
            pattern = parent.child_by_field_name("pattern")
            if pattern is not None and pattern != child and name in names.bound_in(file, pattern):
                return parent
        elif kind in ("if_expression", "while_expression"):
            condition = parent.child_by_field_name("condition")
            if condition is not None and condition != child and name in names.bound_by_condition(file, condition):
                return parent
        child = parent
    return None
