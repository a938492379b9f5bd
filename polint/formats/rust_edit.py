"""Edits of Rust: values of setters rewritten, links of method chains taken away, and where a new link goes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ..diagnostic import Edit
from ..patterns import lazy
from ..source import Source, Span
from ..spelling import CODE, amount, product, spelled
from ..treesitter import Syntax, kept
from ..tuples import NamedTuple
from ..units import INFINITY, Seconds
from .rust_libraries import BB8, DEADPOOL, LIBRARIES, R2D2, SEAORM, SQLX

if TYPE_CHECKING:
    from tree_sitter import Node

_DURATION = lazy(r"((?:\w+::)*Duration::)(from_\w+|new)\(\s*(.*?)\s*,?\s*\)", re.DOTALL)
_FACTORS = {"from_secs": 1.0, "from_millis": 1e3, "from_micros": 1e6, "from_nanos": 1e9, "from_mins": 1 / 60, "from_hours": 1 / 3600}
_PLAIN = lazy(r"[0-9_. ,*()iufsize]+")
_USE = lazy(r"^(?:pub )?use [^;]*;", re.MULTILINE)
_DURATION_WORD = lazy(r"\bDuration\b(?!\s+as\b)")
_STD_TIME = ("std::time::", "core::time::", "tokio::time::")
_WAITS = lazy(r"\b(?:wait|create|recycle)\s*:\s*\Z")
_SETTERS = frozenset(name for library in LIBRARIES for name in library.setters)
_DEADPOOL = ("wait_timeout", "create_timeout", "recycle_timeout")  # without a runtime, a pool with one of them cannot be built
_COMMENTS = ("line_comment", "block_comment")


def changed(span: Span, before: float, after: float) -> str | None:
    """The expression that says ``after``: a ``Duration`` call, an option, or a product of numbers, each in its own form."""
    text = span.text
    if text.startswith("Some(") and text.endswith(")"):
        if after == INFINITY:
            return "None" if isinstance(before, Seconds) else None
        inner = changed(Span(span.source, span.start + 5, span.end - 1), before, after)
        return f"Some({inner})" if inner is not None else None
    if text == "None":
        return _from_none(span, after) if isinstance(after, Seconds) and before == INFINITY else None
    call = _DURATION.fullmatch(text)
    if call is None:
        whole = product(text)
        if whole is None:
            return amount(text, before, after, CODE)
        return amount(str(whole), before, after, CODE)
    prefix, name, inside = call.groups()
    if after == INFINITY:
        return "None" if _is_optional(span) else None
    if not _PLAIN.fullmatch(inside) or not isinstance(after, Seconds):
        return None
    if name in _FACTORS and "*" not in inside:
        factor = _FACTORS[name]
        one = amount(inside, float(before) * factor, float(after) * factor, CODE)
        if one is not None:
            return text[: call.start(3)] + one + text[call.end(3) :]
    if name.startswith("from_secs_f"):
        one = amount(inside, Seconds(before), Seconds(after), CODE)
        return text[: call.start(3)] + one + text[call.end(3) :] if one is not None else None
    return duration(after, prefix)


def duration(seconds: float, prefix: str = "Duration::") -> str | None:
    """``Duration::from_secs(5)``, with a finer constructor where whole seconds do not do."""
    for name, factor in (("from_secs", 1), ("from_millis", 1000), ("from_micros", 10**6)):
        count = round(seconds * factor, 6)
        if count == int(count):
            return f"{prefix}{name}({int(count)})"
    return None


@lru_cache(maxsize=8)
def duration_path(source: Source) -> str:
    """How this file can name std's Duration: by itself where the file imports it as such at its top, else by its whole path."""
    paths = [_imported(found[0], word.start()) for found in _USE.finditer(source.text) for word in _DURATION_WORD.finditer(found[0])]
    return "Duration::" if paths and all(path in _STD_TIME for path in paths) else "std::time::Duration::"


def _imported(use: str, at: int) -> str:
    """The path before the name at ``at`` in a ``use``, out of its braces: ``std::time::``."""
    path, depth, beside = "", 0, False
    for char in reversed(use[use.index("use") + 3 : at]):
        if char == "}":
            depth += 1
        elif char == "{":
            beside = beside and depth > 0
            depth = max(depth - 1, 0)
        elif not depth and char == ",":
            beside = True
        elif not depth and not beside and not char.isspace():
            path = char + path
    return path.removeprefix("::")


def _from_none(span: Span, after: Seconds) -> str | None:
    text = duration(after, duration_path(span.source))
    syntax = kept("rust", span.source)
    link = _link_of(syntax, span)
    if text is None or link is None:
        code = span.source.text
        lasts = _WAITS.search(code[max(span.start - 30, 0) : span.start]) is not None and "create_pool(Some(" not in code
        return f"Some({text})" if text is not None and not lasts else None
    if link.name in _DEADPOOL and ".runtime(" not in _chain(syntax, link.call).replace(" ", ""):
        return None
    return text if takes_into_option(link.chain) else f"Some({text})"


def takes_into_option(chain: str) -> bool:
    """Whether the setters of a chain take ``Into<Option<Duration>>``: SQLx's and sea-orm's do, bb8's and r2d2's do not."""
    return "PoolOptions" in chain or "ConnectOptions" in chain


def _is_optional(span: Span) -> bool:
    """Whether the duration is the value of a setter that also takes None."""
    link = _link_of(kept("rust", span.source), span)
    return link is not None and link.name in ("idle_timeout", "max_lifetime") and takes_into_option(link.chain)


class Link(NamedTuple):
    """One call of a method chain: ``chain`` is what stands before its dot."""

    name: str
    call: Node
    receiver: Node
    chain: str


def _link_of(syntax: Syntax, span: Span) -> Link | None:
    """The call whose only argument, or whose name, stands at ``span``."""
    start, end = bytes_of(syntax, span)
    node = syntax.at(start, end)
    if node.type == "field_identifier" and node.parent is not None and node.parent.type == "field_expression":
        node = node.parent
        return _as_link(syntax, node.parent)
    while node.parent is not None:
        parent = node.parent
        if parent.type == "arguments" and parent.parent is not None:
            function = parent.parent.child_by_field_name("function")
            if len([child for child in parent.named_children if child.type not in _COMMENTS]) != 1 or function is None:
                return None
            if function.type == "field_expression":
                return _as_link(syntax, parent.parent)
            if syntax.text(function) != "Some" and "Duration::" not in syntax.text(function):
                return None
            node = parent.parent
        elif parent.type in ("parenthesized_expression", "reference_expression", "binary_expression", "type_cast_expression"):
            node = parent
        else:
            return _as_link(syntax, node) if (node.start_byte, node.end_byte) == (start, end) else None
    return None


def _as_link(syntax: Syntax, call: Node | None) -> Link | None:
    function = call.child_by_field_name("function") if call is not None and call.type == "call_expression" else None
    receiver = function.child_by_field_name("value") if function is not None and function.type == "field_expression" else None
    field = function.child_by_field_name("field") if function is not None else None
    if call is None or receiver is None or field is None or syntax.text(field) not in _SETTERS:
        return None
    return Link(syntax.text(field), call, receiver, syntax.text(receiver))


def bytes_of(syntax: Syntax, span: Span) -> tuple[int, int]:
    """Where a span begins and ends in the bytes of the file."""
    text = syntax.source.text
    if text.isascii():
        return span.start, span.end
    before = len(text[: span.start].encode("utf-8", "surrogateescape"))
    return before, before + len(text[span.start : span.end].encode("utf-8", "surrogateescape"))


def removed(span: Span) -> Edit | None:
    """The edit that takes the setter at ``span`` out of its chain, or the statement it makes up."""
    source, text = span.source, span.source.text
    syntax = kept("rust", source)
    link = _link_of(syntax, span)
    if link is None or syntax.root.has_error:
        return None
    call = syntax.span(link.call)
    statement = link.call.parent
    if statement is not None and statement.type == "expression_statement" and link.receiver.type in ("identifier", "field_expression"):
        return Edit(_with_line(source, syntax.span(statement)), "")
    if link.receiver.type == "identifier" and (statement is None or statement.type != "field_expression"):
        return None  # ``let opts = opts.idle_timeout(..)``: what is left would say nothing
    dot = text.rindex(".", syntax.span(link.receiver).end, text.index(link.name, syntax.span(link.receiver).end) + 1)
    start = dot
    while text[start - 1] in " \t\r\n":
        start -= 1
    end = call.end
    newline = text.find("\n", end)
    rest = text[end : newline if newline >= 0 else len(text)]
    if rest.lstrip().startswith("//") and "\n" in text[start:dot]:
        end += len(rest.rstrip("\r"))
    line = text.rfind("\n", 0, start) + 1
    comment = next((child for child in link.call.children[0].children if child.type == "line_comment"), None)
    if comment is not None and syntax.span(comment).start >= line and not text[end:].lstrip(" \t\r").startswith("\n"):
        start = dot  # what follows would become part of the comment
    return Edit(Span(source, start, end), "")


def _with_line(source: Source, span: Span) -> Span:
    text = source.text
    start = text.rfind("\n", 0, span.start) + 1
    newline = text.find("\n", span.end)
    end = len(text) if newline < 0 else newline + 1
    alone = not text[start : span.start].strip() and not text[span.end : end].strip()
    return Span(source, start, end) if alone else span


class Place(NamedTuple):
    """Where a new setter goes: ``before`` and ``after`` stand around it, ``owner`` is the code it belongs to."""

    at: int
    before: str
    after: str
    owner: str


def place(span: Span, key: str) -> Place | None:
    """Where ``.key(..)`` goes for the builder whose constructor stands at ``span``; None where none is built."""
    source, text = span.source, span.source.text
    syntax = kept("rust", source)
    start, end = bytes_of(syntax, span)
    node = syntax.at(start, end)
    if node.type != "call_expression" or (node.start_byte, node.end_byte) != (start, end) or syntax.root.has_error:
        return None
    function = node.child_by_field_name("function")
    path = syntax.text(function) if function is not None else ""
    kind, _, name = path.rpartition("::")
    is_builder = name == "builder" or (name in ("new", "default") and kind.endswith(("Options", "Builder")))
    if not is_builder or key not in _setters(path):
        return None
    parent = node.parent
    if parent is None or parent.type != "field_expression":
        return _unchained(syntax, node, parent, path, key)
    chain = _chain(syntax, node).replace(" ", "")
    if any(f".{name}(" in chain for name in (key, *_OLD.get(key, ()))) or (key in _DEADPOOL and ".runtime(" not in chain):
        return None
    field = parent.child_by_field_name("field")
    dot = text.rindex(".", span.end, syntax.span(field).start) if field is not None else span.end
    line = text.rfind("\n", span.end, dot)
    indent = text[line + 1 : dot] if line >= 0 else ""
    return Place(span.end, f"\n{indent}" if line >= 0 and not indent.strip() else "", "", path)


_OLD = {"acquire_timeout": ("connect_timeout",)}  # what SQLx called them before


def _setters(path: str) -> frozenset[str]:
    """The setters that what ``path`` makes can have."""
    libraries = (SEAORM,) if "ConnectOptions" in path else (SQLX,) if "PoolOptions" in path else (BB8, R2D2, DEADPOOL)
    return frozenset(name for library in libraries for name in library.setters)


def _chain(syntax: Syntax, node: Node) -> str:
    """The whole chain that ``node`` is the start of, or a part from the start on."""
    while node.parent is not None and node.parent.type in ("field_expression", "call_expression") and node.parent.child(0) == node:
        node = node.parent
    return syntax.text(node)


def _unchained(syntax: Syntax, node: Node, parent: Node | None, path: str, key: str) -> Place | None:
    """A builder that is kept in a variable: SQLx's setters hand it on, sea-orm's change it in place."""
    if "ConnectOptions" not in path:
        return Place(syntax.span(node).end, "", "", path) if "PoolOptions" in path else None
    if parent is None or parent.type != "let_declaration":
        return None
    name = parent.child_by_field_name("pattern")
    if name is None or name.type != "identifier" or not any(child.type == "mutable_specifier" for child in parent.children):
        return None
    block = syntax.text(parent.parent) if parent.parent is not None else ""
    if f".{key}(" in block.replace(" ", ""):
        return None
    text, span = syntax.source.text, syntax.span(parent)
    start = text.rfind("\n", 0, span.start) + 1
    if text[start : span.start].strip():
        return None
    return Place(span.end, f"\n{text[start : span.start]}{syntax.text(name)}", ";", path)


def value(source: Source, key: str, given: object, owner: str) -> str | None:
    """A value as the argument of the setter ``key``."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, Seconds):
        if given == INFINITY:
            return "None"
        text = duration(given, duration_path(source))
        optional = key in ("idle_timeout", "max_lifetime", *_DEADPOOL) and not takes_into_option(owner)
        return f"Some({text})" if optional and text is not None else text
    if isinstance(given, (int, float)):
        return spelled(given, CODE)
    if isinstance(given, str):
        escaped = given.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"' if escaped.isprintable() else None
    return None
