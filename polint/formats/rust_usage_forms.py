"""Shapes of Rust expressions around pools and connections: receivers, what a result passes through, which pool is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rust_code import COMMENTS, File

if TYPE_CHECKING:
    from tree_sitter import Node

# what a Result or a future goes through on its way to the connection
_UNWRAPS = frozenset(
    {"unwrap", "expect", "map_err", "context", "with_context", "wrap_err", "wrap_err_with", "ok", "unwrap_or_else", "or_raise"}
)
_STEPS = frozenset({"await_expression", "try_expression", "parenthesized_expression"})
_PATTERNS = frozenset({"let_declaration", "let_condition", "match_arm", "parameter", "closure_parameters", "for_expression"})
_SAME_POOL = ("clone", "as_ref", "get_ref", "deref")


def method_of(file: File, call: Node) -> tuple[str, Node | None]:
    """The name and the receiver of a method call; ("", None) for another call."""
    function = call.child_by_field_name("function")
    if function is not None and function.type == "generic_function":
        function = function.child_by_field_name("function")
    if function is None or function.type != "field_expression":
        return "", None
    label = function.child_by_field_name("field")
    return (file.text(label) if label is not None else ""), function.child_by_field_name("value")


def outermost(file: File, call: Node, *, same: bool = False) -> tuple[Node, bool]:
    """The expression that a call's result ends up in after ``await``, ``?`` and methods on it, and whether it was awaited.

    With ``same`` only as far as it still is what the call gives.
    """
    node, awaited = call, False
    while True:
        parent = file.up(node)
        if parent is None:
            return node, awaited
        if parent.type in _STEPS:
            awaited = awaited or parent.type == "await_expression"
            node = parent
            continue
        outer = file.up(parent) if parent.type == "field_expression" else None
        if outer is not None and outer.type == "call_expression" and parent.child_by_field_name("value") == node:
            if (awaited or same) and method_of(file, outer)[0] not in (*_UNWRAPS, "boxed", "instrument"):
                return node, awaited
            node = outer
            continue
        return node, awaited


def unwrapped(file: File, node: Node) -> Node | None:
    """The innermost call of ``pool.acquire().await?``."""
    for _ in range(12):
        if node.type in _STEPS and node.named_children:
            node = node.named_children[0]
        elif node.type == "call_expression":
            name, receiver = method_of(file, node)
            if name not in _UNWRAPS or receiver is None:
                return node
            node = receiver
        else:
            return None
    return None


def is_bound(file: File, node: Node) -> bool:
    """Whether this name is being bound anew here."""
    child = node
    for parent in file.ups(node, 6):
        if parent.type in _PATTERNS:
            return parent.child_by_field_name("pattern") == child or parent.type in ("parameter", "closure_parameters")
        child = parent
    return False


def whole_path(file: File, node: Node) -> Node:
    """The longest path that ends in this name: ``self.pool``, ``state.pool()``, and what is the same pool: ``pool.clone()``."""
    while True:
        parent = file.up(node)
        if parent is None:
            return node
        if parent.type == "field_expression" and parent.child_by_field_name("field") == node:
            node = parent
            continue
        if parent.type == "call_expression" and parent.child_by_field_name("function") == node and node.type == "field_expression":
            node = parent
            continue
        outer = file.up(parent) if parent.type == "field_expression" and parent.child_by_field_name("value") == node else None
        if outer is not None and outer.type == "call_expression" and method_of(file, outer)[0] in _SAME_POOL:
            node = outer
            continue
        return node


def pool_name(file: File, node: Node) -> str:
    """A pool's expression without what does not change which pool it is: ``&``, ``clone()``."""
    for _ in range(12):
        if node.type in ("reference_expression", "unary_expression", "parenthesized_expression"):
            inner = [child for child in node.named_children if child.type not in COMMENTS and child.type != "mutable_specifier"]
            if not inner:
                break
            node = inner[-1]
        elif node.type == "call_expression" and method_of(file, node)[0] in _SAME_POOL:
            receiver = method_of(file, node)[1]
            if receiver is None:
                break
            node = receiver
        else:
            break
    if node.type not in ("identifier", "field_expression", "call_expression", "self"):
        return ""
    text = "".join(file.text(node).split())
    return text if len(text) <= 80 and "|" not in text and "{" not in text else ""


def past_brackets(file: File, node: Node) -> Node | None:
    """The nearest parent that is no bracket."""
    parent = file.up(node)
    while parent is not None and parent.type == "parenthesized_expression":
        parent = file.up(parent)
    return parent
