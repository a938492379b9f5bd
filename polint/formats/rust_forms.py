"""Shapes of Rust expressions: paths, patterns, format strings, and how to speak of what is not understood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..patterns import lazy
from .rust_code import COMMENTS

if TYPE_CHECKING:
    from tree_sitter import Node


_ENDINGS = (b"panic!", b"unreachable!", b"todo!", b"unimplemented!", b"bail!", b"anyhow::bail!", b"std::process::exit(", b"process::exit(",
            b"exit(", b"std::process::abort(")  # fmt: skip
_STRINGS = lazy(r'"(?:[^"\\]|\\.)*"')


def segments(path: str) -> list[str]:
    """The names of a path, generic arguments left out: ``a::B::<C>::d`` is a, B, d."""
    if "<" in path:
        out, depth = [], 0
        for character in path:
            if character == "<":
                depth += 1
            elif character == ">":
                depth -= 1
            elif not depth:
                out.append(character)
        path = "".join(out)
    return [part.strip() for part in path.split("::") if part.strip()] or [""]


def unknown_reason(text: str) -> str:
    """Why an expression has no value in the files, quoting it where it is short, without the texts in it."""
    flat = _STRINGS.sub('"…"', " ".join(text[:400].split()))
    if len(flat) <= 60 and flat.count('"') % 2 == 0 and "`" not in flat:
        return f"`{flat}` is decided at run time"
    return "decided at run time"


def bare_is_url(kinds: str) -> bool:
    """Whether the type arguments of ``parse`` name something that keeps a URL whole."""
    return any(kinds.strip("<>: ").endswith(name) for name in ("PgConnectOptions", "Url", "Uri"))


def is_present(pattern: str) -> bool:
    return pattern.startswith(("Ok(", "Some(", "Option::Some(", "Result::Ok("))


def diverges(node: Node, data: bytes) -> bool:
    """Whether an expression never yields a value: it returns, panics or exits."""
    while node.type in ("block", "expression_statement"):
        last = [child for child in node.named_children if child.type not in COMMENTS][-1:]
        if not last:
            return False
        node = last[0]
    if node.type in ("return_expression", "break_expression", "continue_expression"):
        return True
    return data[node.start_byte : node.end_byte].startswith(_ENDINGS)


def returned(block: Node) -> Node | None:
    """The expression of a block that does nothing but return it."""
    statements = [child for child in block.named_children if child.type not in COMMENTS]
    if len(statements) != 1:
        return None
    only = statements[0].named_children[0] if statements[0].type == "expression_statement" else statements[0]
    return only.named_children[0] if only.type == "return_expression" and only.named_children else None


def elements(root: Node) -> list[Node]:
    """The expressions inside a macro's brackets, read by ``File.inside``."""
    for child in root.named_children:
        inner = child.named_children[0] if child.type == "expression_statement" and child.named_children else child
        if inner.type in ("tuple_expression", "parenthesized_expression", "array_expression"):
            return inner.named_children
    return []


def template(text: str) -> list[tuple[bool, str]] | None:
    """The parts of a format string: (is a hole, text or what the hole names); None for holes that change how a value looks."""
    parts: list[tuple[bool, str]] = []
    plain: list[str] = []
    at = 0
    while at < len(text):
        opening, closing = text.find("{", at), text.find("}", at)
        brace = min(x for x in (opening, closing, len(text)) if x >= 0)
        plain.append(text[at:brace])
        if brace == len(text):
            break
        if text[brace : brace + 2] in ("{{", "}}"):
            plain.append(text[brace])
            at = brace + 2
            continue
        end = text.find("}", brace)
        name = text[brace + 1 : end].strip() if text[brace] == "{" and end >= 0 else ":"
        if not all(character.isalnum() or character == "_" for character in name):
            return None
        if joined := "".join(plain):
            parts.append((False, joined))
        plain = []
        parts.append((True, name))
        at = end + 1
    if joined := "".join(plain):
        parts.append((False, joined))
    return parts
