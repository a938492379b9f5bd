"""Rust code as files and definitions: which code is real, and where a name is defined.

Nothing is parsed before its text was found; names are found in the bytes first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..source import Source, Span
from ..treesitter import Syntax, ancestors, encode, find_all, language, parse, tree_of
from ..tuples import NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Node

COMMENTS = frozenset({"line_comment", "block_comment"})
_NOT_CODE = COMMENTS | {"string_literal", "raw_string_literal", "string_content", "char_literal", "doc_comment"}
_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_CONST_WORDS = (b"const", b"static", b"ref", b"mut")


class File:
    """One source of the crate, parsed when first asked for a node."""

    __slots__ = ("_inner", "_outer", "_parents", "_syntax", "_tests", "data", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.data = encode(source)
        self._syntax: Syntax | None = None
        self._tests: tuple[list[int], list[int]] | None = None
        self._inner: dict[int, Syntax] = {}
        self._outer: dict[int, Node] = {}
        self._parents: dict[int, Node] = {}  # asking the tree costs the depth each time

    @property
    def syntax(self) -> Syntax:
        """The tree of the whole file."""
        if self._syntax is None:
            self._syntax = parse("rust", self.source, self.data)
        return self._syntax

    def text(self, node: Node) -> str:
        """What is written at ``node``."""
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "surrogateescape")

    def span(self, node: Node, end: Node | None = None) -> Span:
        """The characters of ``node``, or from its start to the end of ``end``."""
        return self.bytes_span(node.start_byte, (end or node).end_byte)

    def bytes_span(self, start: int, end: int) -> Span:
        """The characters from byte ``start`` to byte ``end``."""
        return Span(self.source, self.source.char(start), self.source.char(end))

    def node(self, start: int, end: int) -> Node | None:
        """The smallest node over these bytes, arguments of macros read as code; None in comments, strings and macro definitions."""
        found = self.syntax.at(start, end)
        for _ in range(8):
            if found.type in _NOT_CODE:
                return None
            top = None
            for parent in ancestors(found):
                if parent.type == "token_tree":
                    top = parent
                elif parent.type in _NOT_CODE or parent.type == "macro_definition":
                    return None
                elif parent.type not in ("attribute", "macro_rule", "token_tree_pattern"):
                    break
                elif parent.type != "attribute":
                    return None
                else:
                    return found
            if top is None or top.parent is None or top.parent.type != "macro_invocation":
                return found
            found = self.inside(top).at(start, end)
        return found

    def inside(self, tokens: Node) -> Syntax:
        """The arguments of a macro, which the grammar leaves as tokens, read as an expression or a block."""
        known = self._inner.get(tokens.start_byte)
        if known is None:
            from tree_sitter import Parser, Range

            area = Range(tokens.start_point, tokens.end_point, tokens.start_byte, tokens.end_byte)
            tree = tree_of(Parser(language("rust"), included_ranges=[area]), self.data)
            known = self._inner[tokens.start_byte] = Syntax(self.source, tree, self.data)
            if tokens.parent is not None:
                self._outer[known.root.id] = tokens.parent
        return known

    def up(self, node: Node) -> Node | None:
        """The parent, also out of the arguments of a macro."""
        known = self._parents.get(node.id)
        if known is None:
            known = node.parent or self._outer.get(node.id)
            if known is not None:
                self._parents[node.id] = known
        return known

    def ups(self, node: Node, limit: int = 400) -> Iterator[Node]:
        """All parents, nearest first."""
        parent = self.up(node)
        while parent is not None and limit:
            yield parent
            parent = self.up(parent)
            limit -= 1

    def enclosing(self, node: Node, *kinds: str) -> Node | None:
        """The nearest parent of one of ``kinds``."""
        return next((parent for parent in self.ups(node) if parent.type in kinds), None)

    def words(self, word: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
        """Byte offset of each place where ``word`` stands as a whole word."""
        data, size = self.data, len(self.data)
        for at in find_all(data, word, start, end):
            after = at + len(word)
            if (not at or data[at - 1] not in _WORD) and (after == size or data[after] not in _WORD):
                yield at

    def in_test(self, offset: int) -> bool:
        """Whether this byte is compiled for tests only: ``#[cfg(test)]``, ``#[test]``, ``#[tokio::test]``."""
        if self._tests is None:
            self._tests = _test_ranges(self)
        starts, ends = self._tests
        at = bisect_right(starts, offset) - 1
        return at >= 0 and offset < ends[at]

    def impl_of(self, node: Node) -> str:
        """Name of the type whose ``impl`` (or trait) holds ``node``, "" outside one."""
        impl = self.enclosing(node, "impl_item", "trait_item")
        if impl is None:
            return ""
        kind = impl.child_by_field_name("type") or impl.child_by_field_name("name")
        return bare_type(self.text(kind)) if kind is not None else ""

    def module_names(self) -> set[str]:
        """What paths may call this file: ``config`` for src/config.rs and src/config/mod.rs."""
        parts = self.source.path.removesuffix(".rs").split("/")
        return {parts[-2]} if parts[-1] in ("mod", "lib", "main") and len(parts) > 1 else {parts[-1]}


def bare_type(text: str) -> str:
    """``Config`` of ``&'a crate::Config<T>``."""
    head = text.partition("<")[0].strip().lstrip("&")
    return head.rpartition("::")[2].split(" ")[-1].strip()


def _is_test_attribute(text: str) -> bool:
    body = text.strip("#![] \n\t")
    path, _, rest = body.partition("(")
    path = path.strip()
    if path == "cfg":
        flat = "".join(rest.split())
        return any(
            flat[at - 1 : at] in ("(", ",", "") and flat[at + 4 : at + 5] in (")", ",") and "not(" not in flat[:at]
            for at in _positions(flat, "test")
        )
    return path.rpartition("::")[2] in ("test", "rstest", "test_case", "bench", "quickcheck", "proptest")


def _positions(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + 1)


def _test_ranges(file: File) -> tuple[list[int], list[int]]:
    found: list[tuple[int, int]] = []
    data = file.data
    for at in (*find_all(data, b"test"), *find_all(data, b"#[bench]")):
        opening = data.rfind(b"#", max(0, at - 120), at + 1)
        if found and opening < found[-1][1]:
            continue  # inside what is for tests anyway
        if opening < 0 or data[opening + 1 : opening + 2] not in (b"[", b"!") or b"]" in data[opening:at]:
            continue
        node: Node | None = file.syntax.at(opening, at + 4)
        while node is not None and node.type not in ("attribute_item", "inner_attribute_item"):
            node = node.parent
        if node is None or not _is_test_attribute(file.text(node)):
            continue
        if node.type == "inner_attribute_item":
            item = node.parent
            if item is not None and item.type == "declaration_list":
                item = item.parent
        else:
            item = node.next_named_sibling
            while item is not None and (item.type == "attribute_item" or item.type in COMMENTS):
                item = item.next_named_sibling
        if item is not None:
            found.append((opening, item.end_byte) if item.type != "source_file" else (0, len(data) + 1))
    for at in find_all(data, b"cfg!(test)"):  # its branch never runs outside tests
        branch = file.syntax.at(at, at + 3)
        macro = branch.parent if branch.type == "identifier" else branch
        holder = macro.parent if macro is not None else None
        if holder is not None and holder.type == "if_expression" and holder.child_by_field_name("condition") == macro:
            then = holder.child_by_field_name("consequence")
            if then is not None:
                found.append((then.start_byte, then.end_byte))
    found.sort()
    starts: list[int] = []
    ends: list[int] = []
    for start, end in found:
        if not ends or start >= ends[-1]:
            starts.append(start)
            ends.append(end)
        elif end > ends[-1]:
            ends[-1] = end
    return starts, ends


class Definition(NamedTuple):
    """Where something is defined."""

    file: File
    node: Node


class Code:
    """The files of one crate, and what they define."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.files = [File(source) for source in sources]
        self._test_only: dict[str, bool] = {}
        self._by_path = {file.source.path: file for file in self.files}
        self._functions: dict[str, list[Definition]] = {}
        self._owned: dict[str, dict[str, list[Definition]]] = {}
        self._consts: dict[str, list[Definition]] = {}
        self._module_names: frozenset[str] | None = None
        self._uses: dict[str, dict[str, list[tuple[File, int]]]] = {}
        self._calls: dict[tuple[str, str, bool], list[Definition]] = {}
        self._structs: dict[str, list[Definition]] = {}
        self._literals: dict[str, list[Definition]] = {}
        self._owners: dict[str, list[Definition]] = {}
        self._cache: dict[tuple[str, str], dict[str, str]] = {}

    def cached(self, key: tuple[str, str], make: Callable[[], dict[str, str]]) -> dict[str, str]:
        """What ``make`` returned when first asked for ``key``."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def is_test(self, file: File, offset: int) -> bool:
        """Whether the code at this byte exists for tests only, the file's own ``mod`` line included."""
        return self._is_test_file(file) or file.in_test(offset)

    def _is_test_file(self, file: File) -> bool:
        path = file.source.path
        known = self._test_only.get(path)
        if known is not None:
            return known
        self._test_only[path] = False  # also ends cycles
        folder, _, base = path.rpartition("/")
        name = base.removesuffix(".rs")
        if name == "mod":
            folder, _, name = folder.rpartition("/")
        if name in ("main", "lib", "build", ""):
            return False
        above, _, stem = folder.rpartition("/")
        prefix = f"{folder}/" if folder else ""
        parents = [f"{prefix}mod.rs", f"{prefix}lib.rs", f"{prefix}main.rs", f"{above}/{stem}.rs" if above else f"{stem}.rs"]
        needle = b"mod " + name.encode("utf-8", "surrogateescape")
        for parent in (self._by_path.get(candidate) for candidate in parents):
            if parent is None or parent is file:
                continue
            if self._is_test_file(parent) and needle in parent.data:
                self._test_only[path] = True
            elif b"test" in parent.data and any(
                parent.data[at + len(needle) : at + len(needle) + 1] == b";" for at in parent.words(needle)
            ):
                self._test_only[path] = all(parent.in_test(at) for at in parent.words(needle))
        return self._test_only[path]

    def _find(self, file: File, word: bytes, kind: str, field: str = "name") -> Iterator[Definition]:
        """Items of ``kind`` whose ``field`` is the last word of ``word``, outside tests."""
        name = word.rpartition(b" ")[2]
        for at in file.words(word):
            start = at + len(word) - len(name)
            node = file.node(start, start + len(name))
            parent = node.parent if node is not None else None
            if (
                node is not None
                and parent is not None
                and parent.type == kind
                and parent.child_by_field_name(field) == node
                and not self.is_test(file, start)
            ):
                yield Definition(file, parent)

    def functions_of(self, name: str, owner: str) -> list[Definition]:
        """Functions of this name in impls of the type ``owner``, free ones for ""."""
        known = self._owned.get(name)
        if known is None:
            known = self._owned[name] = {}
            for definition in self.functions(name):
                known.setdefault(owner_of(definition.file, definition.node), []).append(definition)
        return known.get(owner, [])

    def functions(self, name: str) -> list[Definition]:
        """Functions and methods of this name that have a body."""
        known = self._functions.get(name)
        if known is None:
            word = b"fn " + name.encode("utf-8", "surrogateescape")
            known = self._functions[name] = [
                found for file in self.files for found in self._find(file, word, "function_item")
            ]  # fmt: skip
        return known

    def consts(self, name: str) -> list[Definition]:
        """Consts and statics of this name, also inside ``lazy_static!``."""
        known = self._consts.get(name)
        if known is None:
            known = self._consts[name] = []
            word = name.encode("utf-8", "surrogateescape")
            for file in self.files:
                for at in file.words(word):
                    if not file.data[max(0, at - 24) : at].rstrip().endswith(_CONST_WORDS):
                        continue
                    node = file.node(at, at + len(word))
                    if node is None or node.parent is None or node.parent.type not in ("const_item", "static_item"):
                        continue
                    if not self.is_test(file, at):
                        known.append(Definition(file, node.parent))
        return known

    def structs(self, name: str) -> list[Definition]:
        """Structs of this name."""
        known = self._structs.get(name)
        if known is None:
            word = b"struct " + name.encode("utf-8", "surrogateescape")
            known = self._structs[name] = [found for file in self.files for found in self._find(file, word, "struct_item")]
        return known

    def structs_with(self, field: str) -> list[Definition]:
        """Structs that have a field of this name."""
        known = self._owners.get(field)
        if known is None:
            known = self._owners[field] = []
            word = field.encode("utf-8", "surrogateescape")
            for file in self.files:
                for at in file.words(word):
                    if not file.data[at + len(word) : at + len(word) + 2].lstrip().startswith(b":"):
                        continue
                    node = file.node(at, at + len(word))
                    parent = node.parent if node is not None else None
                    if parent is None or parent.type != "field_declaration" or self.is_test(file, at):
                        continue
                    owner = file.enclosing(parent, "struct_item", "enum_item", "union_item")
                    if owner is not None:
                        known.append(Definition(file, owner))
        return known

    def literals(self, struct: str) -> list[Definition]:
        """Expressions that build this struct: ``Config { .. }``, and ``Self { .. }`` in its impls."""
        known = self._literals.get(struct)
        if known is None:
            known = self._literals[struct] = []
            word = struct.encode("utf-8", "surrogateescape")
            for file in self.files:
                if word not in file.data:
                    continue
                for name in (word, b"Self"):
                    for at in file.words(name):
                        if not file.data[at + len(name) : at + len(name) + 2].lstrip().startswith(b"{"):
                            continue
                        node = file.node(at, at + len(name))
                        while node is not None and node.type in ("type_identifier", "scoped_type_identifier", "self"):
                            node = node.parent
                        if node is None or node.type != "struct_expression" or self.is_test(file, at):
                            continue
                        if name == word or file.impl_of(node) == struct:
                            known.append(Definition(file, node))
        return known

    def calls(self, name: str, owner: str, method: bool) -> list[Definition]:
        """Uses of a function outside tests: each call, or its bare path where it is passed on.

        ``owner`` is the type whose impl defines it, "" for a free function; ``method`` says that it takes ``self``.
        """
        key = (name, owner, method)
        known = self._calls.get(key)
        if known is None:
            uses = self._uses_of(name)
            places = [*uses.get(owner, ()), *(uses.get(".", ()) if method else ())]
            if owner:
                places += [(file, at) for file, at in uses.get("Self", ()) if self._impl_at(file, at, len(name.encode())) == owner]
            known = self._calls[key] = []
            size = len(name.encode("utf-8", "surrogateescape"))
            for file, at in places:
                node = None if self.is_test(file, at) else file.node(at, at + size)
                use = call_of(node) if node is not None else None
                if use is not None:
                    known.append(Definition(file, use))
        return known

    def sees(self, file: File, name: str, definition: File) -> bool:
        """Whether the bare ``name`` in ``file`` can be the function that ``definition`` holds, going by ``use`` declarations."""
        if file is definition:
            return True
        word = name.encode("utf-8", "surrogateescape")
        for at in file.words(word):
            start = file.data.rfind(b"use ", 0, at)
            if start < 0 or b";" in file.data[start:at]:
                continue
            path = [part.strip(" {\n\t") for part in file.data[start + 4 : at].decode("utf-8", "replace").split("::")]
            if path[0] in ("crate", "self", "super") or path[0] in self._modules():
                return True
            return len(path) < 2 or definition.source.path.endswith("/lib.rs") or path[-2] in definition.module_names()
        return b"::*" in file.data

    def _modules(self) -> frozenset[str]:
        if self._module_names is None:
            self._module_names = frozenset(name for file in self.files for name in file.module_names())
        return self._module_names

    def _uses_of(self, name: str) -> dict[str, list[tuple[File, int]]]:
        """Places of a word by what is written before it: a type's name, ``Self``, ``.``, or "" for nothing and for modules."""
        known = self._uses.get(name)
        if known is None:
            known = self._uses[name] = {}
            word = name.encode("utf-8", "surrogateescape")
            for file in self.files:
                for at in file.words(word):
                    before = _before(file.data, at)
                    if before is not None:
                        known.setdefault(before, []).append((file, at))
        return known

    def _impl_at(self, file: File, at: int, size: int) -> str:
        node = file.node(at, at + size)
        return file.impl_of(node) if node is not None else ""


def _before(data: bytes, at: int) -> str | None:
    """What qualifies the word at ``at``; None where the word is declared rather than used."""
    before = data[max(0, at - 80) : at].rstrip()
    if before.endswith(b"."):
        return "." if not before.endswith(b"..") else None
    if not before.endswith(b"::"):
        return None if before.endswith((b"fn", b"mod", b"struct", b"let", b"mut")) else ""
    path = before[:-2].rstrip()
    end = len(path)
    while end and path[end - 1] in _WORD:
        end -= 1
    last = path[end:].decode("utf-8", "replace")
    return last if last[:1].isupper() else ""


def owner_of(file: File, function: Node) -> str:
    """The type whose ``impl`` directly holds ``function``, "" for a free function."""
    holder = function.parent
    impl = holder.parent if holder is not None and holder.type == "declaration_list" else None
    return file.impl_of(function) if impl is not None and impl.type in ("impl_item", "trait_item") else ""


def call_of(name: Node) -> Node | None:
    """The call whose function ends in ``name``; ``name``'s path where it is not called; None where it is no expression."""
    node = name
    while True:
        parent = node.parent
        if parent is None:
            return None
        if parent.type == "call_expression":
            return parent if parent.child_by_field_name("function") == node else node
        if parent.type == "scoped_identifier" and parent.child_by_field_name("name") == node:
            node = parent
        elif parent.type == "field_expression" and parent.child_by_field_name("field") == node:
            if parent.parent is not None and parent.parent.type in ("call_expression", "generic_function"):
                node = parent
            else:
                return None  # a field of the same name
        elif parent.type == "generic_function":
            node = parent
        elif parent.type == "arguments":
            return node
        else:
            return None


def takes_part(path: str) -> bool:
    """Whether a file may be part of the program: not a test, a benchmark or a build script."""
    folders = path.split("/")
    return "tests" not in folders[:-1] and "benches" not in folders[:-1] and folders[-1] != "build.rs"


def tail(block: Node) -> Node | None:
    """The expression whose value a block has; None when it ends in a statement."""
    last: Node | None = None
    for child in block.named_children:
        if child.type not in COMMENTS:
            last = child
    if last is None or last.type in ("let_declaration", "empty_statement") or last.type.endswith("_item"):
        return None
    if last.type == "expression_statement":
        final = last.children[-1] if last.children else None
        if final is None or final.type == ";":
            return None
        return last.named_children[0] if last.named_children else None
    return last


def returns(block: Node, data: bytes) -> list[Node]:
    """The ``return`` expressions of a body that give a value; one that reports an error is no result, one of a closure not its own."""
    if b"return" not in data[block.start_byte : block.end_byte]:
        return []
    found: list[Node] = []
    stack = [block]
    while stack and len(found) < 8:
        node = stack.pop()
        if node.type == "return_expression":
            if not data[node.start_byte + 6 : node.end_byte].lstrip().startswith((b"Err(", b"Err (")):
                found.append(node)
        elif node.type not in ("closure_expression", "function_item", "token_tree", "async_block"):
            stack.extend(reversed(node.named_children))
    return found


def arguments(call: Node) -> list[Node]:
    """The arguments of a call, comments left out."""
    holder = call.child_by_field_name("arguments")
    return [child for child in holder.named_children if child.type not in COMMENTS] if holder is not None else []
