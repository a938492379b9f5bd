"""What a name in a function stands for: a local, a parameter, a binding of a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..patterns import lazy
from ..tuples import NamedTuple
from ..value import Opaque, Value
from .rust_code import COMMENTS, File

if TYPE_CHECKING:
    from tree_sitter import Node


class Scope(NamedTuple):
    """Where an expression is read: its file, what calls and closures bound (by node id), and how many hops led here."""

    file: File
    bound: Mapping[int, Mapping[str, Bound]] = {}
    hops: int = 0

    def bind(self, node: Node, names: Mapping[str, Bound]) -> Scope:
        """The same scope with ``names`` known inside ``node``."""
        return Scope(self.file, {**self.bound, node.id: names}, self.hops)


class Ref(NamedTuple):
    """An expression still to be read, in its own scope; ``hint`` is its type where one is written."""

    node: Node
    scope: Scope
    hint: str = ""


class FieldRef(NamedTuple):
    """Field ``name`` of the struct that ``base`` yields."""

    base: Ref
    name: str


class Param(NamedTuple):
    """Parameter ``name`` of function ``node``; ``number`` counts from 0, without ``self``."""

    file: File
    node: Node
    number: int
    name: str
    hint: str


Bound = Ref | FieldRef | Value

_INTEGERS = ("u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize")
_SCALARS = {
    **{name: name for name in (*_INTEGERS, "f32", "f64", "bool", "str")},
    **{f"NonZero{name.capitalize()}": name for name in _INTEGERS},
    "String": "str",
    "SecretString": "str",
    "Duration": "duration",
}
_WORDS = lazy(r"\w+")


def scalar(type_text: str) -> str:
    """The plain type inside ``Option<u32>``, ``&'static str``, ``Result<Duration, E>``; "" where it is none we know."""
    for word in _WORDS.findall(type_text.replace("'static", "")):
        if word in _SCALARS:
            return _SCALARS[word]
    return ""


def hint_of(file: File, node: Node, name: str = "type") -> str:
    """The plain type written at field ``name`` of ``node``."""
    kind = node.child_by_field_name(name)
    return scalar(file.text(kind)) if kind is not None else ""


def parameters(function: Node) -> list[Node]:
    """The parameters of a function, ``self`` left out."""
    holder = function.child_by_field_name("parameters")
    return [child for child in holder.named_children if child.type == "parameter"] if holder is not None else []


def takes_self(function: Node) -> bool:
    """Whether a function is a method."""
    holder = function.child_by_field_name("parameters")
    return holder is not None and any(child.type == "self_parameter" for child in holder.named_children)


def _names_in(file: File, pattern: Node, depth: int = 0) -> Iterator[str]:
    if pattern.type in ("identifier", "shorthand_field_identifier"):
        yield file.text(pattern)
    elif depth < 12:
        skip = pattern.child_by_field_name("type")
        for child in pattern.named_children:
            if child != skip:
                yield from _names_in(file, child, depth + 1)


def destructure(file: File, pattern: Node, name: str, value: Node, scope: Scope, hint: str = "", depth: int = 0) -> Bound | None:
    """What ``name`` is when ``value`` is matched against ``pattern``; None when the pattern does not bind it."""
    kind = pattern.type
    if kind in ("identifier", "shorthand_field_identifier"):
        return Ref(value, scope, hint) if file.text(pattern) == name else None
    if depth > 12:
        return None
    parts = [child for child in pattern.named_children if child.type not in COMMENTS and child.type != "mutable_specifier"]
    if kind in ("match_pattern", "mut_pattern", "ref_pattern", "reference_pattern", "captured_pattern") and parts:
        return destructure(file, parts[0], name, value, scope, hint, depth + 1)
    if kind == "tuple_struct_pattern" and len(parts) == 2 and file.text(parts[0]).rpartition("::")[2] in ("Ok", "Some"):
        return destructure(file, parts[1], name, value, scope, hint, depth + 1)
    if kind == "tuple_pattern" and value.type == "tuple_expression":
        values = [child for child in value.named_children if child.type not in COMMENTS]
        if len(values) == len(parts):
            for part, element in zip(parts, values, strict=True):
                found = destructure(file, part, name, element, scope, "", depth + 1)
                if found is not None:
                    return found
            return None
    if kind == "struct_pattern":
        for part in parts:
            if part.type != "field_pattern":
                continue
            label = part.child_by_field_name("name")
            inner = part.child_by_field_name("pattern")
            if label is None:
                continue
            if (inner is None or inner.type == "identifier") and file.text(inner or label) == name:
                return FieldRef(Ref(value, scope), file.text(label))
    if name in _names_in(file, pattern):
        return Opaque(f"`{name}` is taken apart from a larger value", file.span(pattern))
    return None


def _changes(file: File, name: str, start: int, end: int) -> bool:
    """Whether variable ``name`` is assigned again, or lent out to be changed, between two bytes."""
    word = re.escape(name.encode("utf-8", "surrogateescape"))
    assigned = rb"(?<![\w.])" + word + rb"\s*(?:[-+*/%]|<<|>>)?=(?![=>])|&mut\s+" + word + rb"\b"
    changed = rb"|(?<![\w.])" + word + rb"\s*\.\s*(?:push|insert|clear|truncate|replace_range|set_|extend|append|remove|retain|take\()"
    return re.compile(assigned + changed).search(file.data, start, end) is not None


def conditional(file: File, statement: Node) -> bool:
    """Whether a statement is compiled under a ``#[cfg(..)]`` of its own."""
    before = statement.prev_named_sibling
    return before is not None and before.type == "attribute_item" and b"cfg" in file.data[before.start_byte : before.end_byte]


class Names:
    """Look-up of local names, with an index of every block it has seen."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int], dict[str, list[Node]]] = {}

    def lets(self, file: File, block: Node) -> dict[str, list[Node]]:
        """The ``let`` statements (and inner consts) of a block by the names they bind, in order."""
        key = (id(file), block.id)
        known = self._blocks.get(key)
        if known is None:
            known = self._blocks[key] = {}
            for child in block.named_children:
                if child.type in ("let_declaration", "const_item", "static_item"):
                    pattern = child.child_by_field_name("pattern" if child.type == "let_declaration" else "name")
                    for name in set(_names_in(file, pattern)) if pattern is not None else ():
                        known.setdefault(name, []).append(child)
        return known

    def bound_in(self, file: File, pattern: Node) -> set[str]:
        """The names a pattern (or a parameter list) binds."""
        return set(_names_in(file, pattern))

    def bound_by_condition(self, file: File, condition: Node) -> set[str]:
        """The names that ``if let`` binds."""
        parts = [condition] if condition.type == "let_condition" else condition.named_children
        patterns = (part.child_by_field_name("pattern") for part in parts if part.type == "let_condition")
        return {name for pattern in patterns if pattern is not None for name in _names_in(file, pattern)}

    def find(self, name: str, node: Node, scope: Scope) -> Bound | Param | None:
        """What ``name`` stands for at ``node``; None when it is nothing local."""
        file = scope.file
        child = node
        for parent in file.ups(node):
            bound = scope.bound.get(parent.id)
            if bound is not None and name in bound:
                return bound[name]
            kind = parent.type
            found: Bound | None = None
            if kind in ("block", "source_file", "async_block", "match_block"):
                found = self._in_block(name, parent, child, scope)
            elif kind in ("if_expression", "while_expression"):
                condition = parent.child_by_field_name("condition")
                if condition is not None and condition != child and child.type == "block":
                    found = self._in_condition(name, condition, scope)
            elif kind == "match_arm":
                found = self._in_arm(name, parent, child, scope)
            elif kind == "closure_expression":
                holder = parent.child_by_field_name("parameters")
                if holder is not None and name in _names_in(file, holder):
                    found = Opaque(f"`{name}` is given by the caller of a closure", file.span(holder))
            elif kind == "for_expression":
                pattern = parent.child_by_field_name("pattern")
                if pattern is not None and name in _names_in(file, pattern):
                    found = Opaque(f"`{name}` changes from one pass of a loop to the next", file.span(pattern))
            elif kind == "function_item":
                return self._parameter(name, parent, file)
            if found is not None:
                return found
            child = parent
        return None

    def _parameter(self, name: str, function: Node, file: File) -> Param | None:
        for index, parameter in enumerate(parameters(function)):
            pattern = parameter.child_by_field_name("pattern")
            if pattern is not None and name in _names_in(file, pattern):
                plain = pattern.type == "identifier" or pattern.type in ("mut_pattern", "ref_pattern")
                return Param(file, function, index if plain else -1, name, hint_of(file, parameter))
        return None

    def _in_block(self, name: str, block: Node, child: Node, scope: Scope) -> Bound | None:
        file = scope.file
        lets = self.lets(file, block).get(name, ())
        for let in reversed(lets):
            if let.type != "let_declaration":
                if block.type != "block" or len(lets) > 1 or conditional(file, let):
                    return None  # of the crate's consts the right one is chosen elsewhere
                value = let.child_by_field_name("value")
                return Ref(value, scope, hint_of(file, let)) if value is not None else None
            if let.start_byte >= child.start_byte:
                continue
            pattern, value = let.child_by_field_name("pattern"), let.child_by_field_name("value")
            if pattern is None:
                continue
            if conditional(file, let):
                return Opaque(f"`{name}` depends on how the program is compiled", file.span(pattern))
            mutable = any(part.type == "mutable_specifier" for part in let.named_children) or pattern.type == "mut_pattern"
            if (value is None or mutable) and _changes(file, name, let.end_byte, block.end_byte):
                return Opaque(f"`{name}` is set in more than one place", file.span(pattern))
            if value is None:
                return Opaque(f"`{name}` is set in another place", file.span(pattern))
            found = destructure(file, pattern, name, value, scope, hint_of(file, let))
            if found is not None:
                return found
        return None

    def _in_condition(self, name: str, condition: Node, scope: Scope) -> Bound | None:
        file = scope.file
        conditions = [condition] if condition.type == "let_condition" else condition.named_children
        for part in conditions:
            if part.type != "let_condition":
                continue
            pattern, value = part.child_by_field_name("pattern"), part.child_by_field_name("value")
            if pattern is not None and value is not None:
                found = destructure(file, pattern, name, value, scope)
                if found is not None:
                    return found
        return None

    def _in_arm(self, name: str, arm: Node, child: Node, scope: Scope) -> Bound | None:
        file = scope.file
        pattern = arm.child_by_field_name("pattern")
        if pattern is None or pattern == child:
            return None
        match = file.enclosing(arm, "match_expression")
        value = match.child_by_field_name("value") if match is not None else None
        if value is None:
            return None
        first = pattern.named_children[0] if pattern.named_children else pattern
        if first.type == "identifier" and file.text(first)[:1].isupper():
            return None  # None, or a const
        return destructure(file, pattern, name, value, scope)
