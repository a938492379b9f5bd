"""Syntax trees of code: grammars loaded on first need, and nodes turned into spans.

Offsets of tree-sitter count bytes, those of polint characters; ``Syntax`` is the
only place that knows both.  Climbing from a byte offset is far cheaper than
walking a tree or compiling a query, so look for the text first.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from types import ModuleType
from typing import TYPE_CHECKING

from .source import Source, Span

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Parser, Tree

# language -> package, and the function of its extension module that makes the grammar
_GRAMMARS = {"rust": ("tree_sitter_rust", "language"), "php": ("tree_sitter_php", "language_php")}


def _binding(package: str) -> ModuleType:
    """The extension module of a grammar; the package itself would import importlib.resources first."""
    from importlib import import_module
    from importlib.machinery import PathFinder

    found = PathFinder.find_spec(package)
    name = f"{package}._binding"
    spec = PathFinder.find_spec(name, found.submodule_search_locations) if found else None
    if spec is None or spec.loader is None:
        return import_module(name)
    module = spec.loader.create_module(spec)
    if module is None:
        return import_module(name)
    spec.loader.exec_module(module)
    return module


@cache
def language(name: str) -> Language:
    """The grammar of ``rust`` or ``php``; KeyError for any other."""
    from tree_sitter import Language

    package, function = _GRAMMARS[name]
    return Language(getattr(_binding(package), function)())


@cache
def parser(name: str) -> Parser:
    """The one parser of ``rust`` or ``php``; KeyError for any other."""
    from tree_sitter import Parser

    return Parser(language(name))


class Syntax:
    """A source with its tree.

    ``data`` is the text as bytes (without a byte-order mark), which the offsets of nodes count.
    """

    __slots__ = ("data", "root", "source", "tree")

    def __init__(self, source: Source, tree: Tree, data: bytes) -> None:
        self.source = source
        self.data = data
        self.tree = tree
        self.root: Node = tree.root_node

    def text(self, node: Node) -> str:
        """What is written at ``node``."""
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "surrogateescape")

    def span(self, node: Node, end: Node | None = None) -> Span:
        """The characters of ``node``, or from its start to the end of ``end``."""
        return self.bytes_span(node.start_byte, (end or node).end_byte)

    def bytes_span(self, start: int, end: int) -> Span:
        """The characters from byte ``start`` to byte ``end``."""
        return Span(self.source, self.source.char(start), self.source.char(end))

    def at(self, start: int, end: int) -> Node:
        """The smallest node that covers the bytes from ``start`` to ``end``."""
        return self.root.descendant_for_byte_range(start, end) or self.root


def encode(source: Source) -> bytes:
    """The text of ``source`` as the bytes tree-sitter offsets count: no byte-order mark."""
    return source.text.encode("utf-8", "surrogateescape")


def parse(name: str, source: Source, data: bytes | None = None) -> Syntax:
    """The tree of ``source`` read as ``name``; ``data`` saves encoding it again.  Broken code still gives a tree."""
    if data is None:
        data = encode(source)
    return Syntax(source, tree_of(parser(name), data), data)


@lru_cache(maxsize=4)
def kept(name: str, source: Source) -> Syntax:
    """As ``parse``, and the same tree when asked again soon: for edits, which look into one file many times."""
    return parse(name, source)


_CHUNK = 1 << 16
_STUCK = 2000  # looks at one place, besides one for every 16 bytes: sound files need 226 of them, and one for 60 bytes at their end


def tree_of(reader: Parser, data: bytes) -> Tree:
    """The tree of ``data``, an empty one where the grammar never gets past some broken place: ``(P=l(e(>();}`` in Rust."""
    furthest, looks, most = 0, 0, _STUCK + len(data) // 16

    def is_stuck(offset: int, _: bool) -> bool:
        nonlocal furthest, looks
        furthest, looks = (offset, 0) if offset > furthest else (furthest, looks + 1)
        return looks > most

    try:
        return reader.parse(lambda offset, _: data[offset : offset + _CHUNK], progress_callback=is_stuck)
    except ValueError:
        reader.reset()
        return reader.parse(b"")


def find_all(data: bytes, needle: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Byte offset of each place where ``needle`` is written; nowhere for an empty one."""
    if not needle:
        return
    stop = len(data) if end is None else end
    at = data.find(needle, start, stop)
    while at >= 0:
        yield at
        at = data.find(needle, at + len(needle), stop)


def walk(node: Node, *kinds: str) -> Iterator[Node]:
    """``node`` and all named nodes below it in text order, or only those of ``kinds``; any depth."""
    stack = [node]
    while stack:
        top = stack.pop()
        if not kinds or top.type in kinds:
            yield top
        stack.extend(reversed(top.named_children))


def ancestors(node: Node, limit: int = 400) -> Iterator[Node]:
    """Parents of ``node``, nearest first, up to ``limit`` (each step costs the depth)."""
    parent = node.parent
    while parent is not None and limit:
        yield parent
        parent = parent.parent
        limit -= 1


def first_error(node: Node) -> Node | None:
    """The first place below ``node`` that the grammar cannot read, or the bracket left open there; None where all is well."""
    if not node.has_error:
        return None
    while not (node.is_error or node.is_missing):
        inner = next((child for child in node.children if child.has_error or child.is_missing), None)
        if inner is None:
            break
        node = inner
    open_: list[Node] = []  # a long stretch in error is most often a bracket that is never closed
    for child in node.children:
        if child.type in ("(", "[", "{"):
            open_.append(child)
        elif child.type in (")", "]", "}") and open_:
            open_.pop()
    return open_[-1] if open_ else node
