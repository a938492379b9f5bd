"""PHP syntax nodes: what they say, taken by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..tuples import NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Node

# conditions that ask what this PHP can do, not what the program wants
_CAPABILITIES = frozenset({"extension_loaded", "defined", "class_exists", "function_exists", "version_compare"})


def text(node: Node | None) -> str:
    """What is written at a node."""
    return ((node.text if node else None) or b"").decode("utf-8", "surrogateescape")


def parts(node: Node) -> list[Node]:
    """The named children of a node, comments left out."""
    return [child for child in node.named_children if child.type != "comment"]


def bare(node: Node | None) -> str:
    """The last part of a function's or constant's name, without its namespace; "" for anything but a name."""
    if node is None or node.type not in ("name", "qualified_name"):
        return ""
    return text(node).rpartition("\\")[2]


def holder(node: Node) -> str | None:
    """The name under which Writes knows ``$x``, ``$this->x`` or ``self::$x``; None for anything else."""
    if node.type == "variable_name":
        return text(node)[1:]
    if node.type == "member_access_expression":
        name = node.child_by_field_name("name")
        if name is not None and name.type == "name" and text(node.child_by_field_name("object")) == "$this":
            return f"->{text(name)}"
    elif node.type == "scoped_property_access_expression":
        name = node.child_by_field_name("name")
        if name is not None and name.type == "variable_name":
            return f"::{text(name)[1:]}"
    return None


class Call(NamedTuple):
    """Arguments of a call; ``spread`` when ``...$more`` may add some."""

    positional: list[Node]
    named: dict[str, Node]
    spread: bool

    def get(self, position: int, name: str) -> Node | None:
        """An argument by its place or its name."""
        return self.positional[position] if position < len(self.positional) else self.named.get(name)


def arguments(node: Node) -> Call | None:
    """The arguments of a call or ``new``; None for a reference to a function, ``f(...)``."""
    holding = node.child_by_field_name("arguments")
    if holding is None:  # ``new`` has them without a name
        holding = next((child for child in node.named_children if child.type == "arguments"), None)
    positional: list[Node] = []
    named: dict[str, Node] = {}
    spread = False
    for argument in holding.named_children if holding is not None else ():
        if argument.type == "variadic_placeholder":
            return None
        inside = argument.named_children
        if argument.type != "argument" or not inside:
            continue
        last = inside[-1] if inside[-1].type != "comment" else (parts(argument) or inside)[-1]
        if last.type == "variadic_unpacking":
            spread = True
        elif len(inside) > 1 and (name := argument.child_by_field_name("name")) is not None:
            named[text(name)] = last
        else:
            positional.append(last)
    return Call(positional, named, spread)


def members(owner: Node, kind: str, element: str = "") -> Iterator[Node]:
    """Declarations of ``kind`` in a class, or the ``element`` nodes in them."""
    body = owner.child_by_field_name("body") or next(
        (child for child in owner.named_children if child.type.endswith("declaration_list")), None
    )
    for declaration in body.named_children if body is not None else ():
        if declaration.type == kind:
            if element:
                yield from (child for child in declaration.named_children if child.type == element)
            else:
                yield declaration


def parameters(function: Node) -> Iterator[tuple[str, str]]:
    """Name and kind of each parameter of a function."""
    listed = function.child_by_field_name("parameters")
    for parameter in listed.named_children if listed is not None else ():
        name = parameter.child_by_field_name("name")
        if name is not None:
            yield text(name)[1:], parameter.type


def asks_capability(condition: Node, depth: int = 0) -> bool:
    """Whether a condition asks what this PHP can do: ``extension_loaded('pdo_pgsql')``, ``PHP_VERSION_ID >= 80500``."""
    while condition.type in ("parenthesized_expression", "unary_op_expression") and parts(condition):
        condition = parts(condition)[-1]
    if condition.type == "function_call_expression":
        return bare(condition.child_by_field_name("function")).lower() in _CAPABILITIES
    if condition.type == "binary_expression" and depth < 20:
        sides = [condition.child_by_field_name(name) for name in ("left", "right")]
        return any(side is not None and (bare(side).startswith("PHP_") or asks_capability(side, depth + 1)) for side in sides)
    return False
