"""Edits of Rust: pools that are made in one call get a builder, so that settings can be said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..patterns import lazy
from ..source import Source, Span
from ..treesitter import Syntax, kept
from ..tuples import NamedTuple
from .rust_code import arguments
from .rust_edit import bytes_of

if TYPE_CHECKING:
    from tree_sitter import Node

_PG_POOL = lazy(r"(?:\w+::)*(?:PgPool|Pool::<(?:\w+::)*Postgres>)::(connect|connect_with|connect_lazy|connect_lazy_with)")
_R2D2_POOL = lazy(r"(?:\w+::)*Pool(?:::<[\w:<>, ]*>)?::new")
_DATABASE = lazy(r"(?:\w+::)*Database::connect")
_SQLX_SETTERS = ("max_connections", "acquire_timeout")
_R2D2_SETTERS = ("max_size", "connection_timeout")


class Builder(NamedTuple):
    """A builder in place of a call: a setter goes between ``before`` and ``after``, which stand for the text at ``span``."""

    span: Span
    before: str
    after: str
    owner: str


def builder(span: Span, key: str) -> Builder | None:
    """How the pool that the call at ``span`` makes is built with the setter ``key`` instead.

    None for calls that are not certain to mean what they mean in the pool's library, or where the builder has no sure name.
    """
    syntax = kept("rust", span.source)
    start, end = bytes_of(syntax, span)
    node = syntax.at(start, end)
    function = node.child_by_field_name("function") if node.type == "call_expression" else None
    if function is None or (node.start_byte, node.end_byte) != (start, end) or syntax.root.has_error:
        return None
    path, given = syntax.text(function), arguments(node)
    at = syntax.span(function)
    if len(given) != 1:
        return None
    if _PG_POOL.fullmatch(path) and key in _SQLX_SETTERS:
        name = _name(span.source, "PgPoolOptions", "sqlx", "sqlx::postgres::PgPoolOptions")
        cut = at.start + path.rindex("::") + 2
        made = Builder(Span(span.source, at.start, cut), f"{name}::new()", ".", name) if name else None
        return _with_import(made, path.rpartition("::")[0]) if made is not None else None
    if _R2D2_POOL.fullmatch(path) and key in _R2D2_SETTERS:
        return Builder(Span(span.source, at.end - len("new"), at.end), "builder()", ".build", "Pool::builder")
    if _DATABASE.fullmatch(path) and key in _SQLX_SETTERS and _is_text(given[0]):
        name = _name(span.source, "ConnectOptions", "sea_orm", "sea_orm::ConnectOptions")
        where = syntax.span(given[0])
        return Builder(where, f"{name}::new({where.text})", ".to_owned()", name) if name else None
    return None


def _with_import(made: Builder, word: str) -> Builder | None:
    """The same where nothing else in the file uses what was imported for the call: then the builder is imported in its place."""
    source = made.span.source
    text = source.text
    if word.startswith("Pool::<"):  # of two imports
        return made if len(re.findall(r"\bPool\b", text)) > 2 else None
    if not word.isidentifier() or len(re.findall(rf"\b{word}\b", text)) > 2:
        return made
    found = re.search(rf"^use sqlx::(?:postgres::)?{word};", text, re.MULTILINE)
    if found is None:
        return made if word not in text[: made.span.start] else None
    between = text[found.end() : made.span.start]
    owner = "PgPoolOptions"
    if owner in text:
        return None
    return Builder(Span(source, found.start(), made.span.end), f"use sqlx::postgres::{owner};{between}{owner}::new()", made.after, owner)


def _is_text(node: Node) -> bool:
    """Whether an argument of ``Database::connect`` is a text for certain: a literal, or a reference, which options never are."""
    return node.type in ("string_literal", "raw_string_literal", "reference_expression")


def _name(source: Source, word: str, crate: str, whole: str) -> str:
    """How this file can name a type of ``crate``: by itself where it is imported, else by its whole path; "" where neither is sure."""
    syntax = kept("rust", source)
    uses = [syntax.text(child) for child in syntax.root.children if child.type == "use_declaration"]
    own = [text for text in uses if _imports(text, word)]
    if own:
        return word if all(_begins(text, crate) for text in own) and len(own) == 1 else ""
    if _declares(syntax, word):
        return ""
    return whole if any(_begins(text, crate) for text in uses) or _mentions(source.text, crate) else ""


def _imports(use: str, word: str) -> bool:
    """Whether a ``use`` brings in ``word`` under its own name."""
    parts = use.replace("{", " ").replace("}", " ").replace(",", " ").replace(";", " ").replace("::", " ").split()
    return word in parts and f"{word} as " not in use


def _begins(use: str, crate: str) -> bool:
    return use.removeprefix("pub ").removeprefix("use ").lstrip(" :").startswith((f"{crate}::", f"{crate};"))


def _declares(syntax: Syntax, word: str) -> bool:
    """Whether the file has a type of that name itself."""
    return any(f"{kind} {word}" in syntax.source.text for kind in ("struct", "type", "enum"))


def _mentions(text: str, crate: str) -> bool:
    """Whether the crate is named by a path somewhere in the file."""
    at = text.find(f"{crate}::")
    while at >= 0:
        before = text[at - 1] if at else " "
        if not (before.isalnum() or before in "_:."):
            return True
        at = text.find(f"{crate}::", at + 1)
    return False
