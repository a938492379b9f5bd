"""How a crate reads its environment: variables by name, .env loaders, and whatever reads all of it at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..treesitter import find_all
from ..value import EnvRead, Literal
from .rust_code import File, arguments, bare_type
from .rust_forms import segments
from .rust_names import Param, Ref, Scope
from .rust_structs import attribute_pairs, env_of_attribute
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node

_LOADERS = ("dotenv", "dotenv_override", "dotenv_iter", "from_filename", "from_filename_override", "from_path", "from_path_override",
            "from_read", "load", "load_override", "var", "vars", "init", "use_default", "overload")  # fmt: skip
_LOADING_CRATES = ("dotenv", "dotenvy", "dotenv_flow", "dotenvs")
# what may fill anything from the environment: text to look for, the last words of the path called, the reason
_WHOLESALE: tuple[tuple[bytes, tuple[str, ...], str], ...] = (
    (b"envy::", ("envy::from_env", "envy::prefixed", "envy::from_iter"), "envy fills a struct from the environment"),
    (b"Environment::", ("Environment::with_prefix", "Environment::default", "Environment::new", "Environment::with_convert_case"),
     "the config crate merges in the environment"),
    (b"Env::", ("Env::prefixed", "Env::raw", "Env::var"), "figment merges in the environment"),
    (b"vars", ("env::vars", "env::vars_os", "dotenvy::vars", "dotenv::vars"), "the code goes through all variables"),
    (b"serde_env::", ("serde_env::from_env", "serde_env::from_env_with_prefix"), "serde-env fills a struct from the environment"),
    (b"envious::", ("envious::Config",), "envious fills a struct from the environment"),
)  # fmt: skip
_COMPUTED = "the code reads a variable whose name is computed"


def environment(reader: Reader) -> tuple[tuple[EnvRead, ...], bool, str]:
    """All reads by a known name (in order of place), whether a .env file is loaded, and why any variable may be read, or ""."""
    passed: set[tuple[str, int, str]] = set()
    reads: dict[tuple[str, str, int], EnvRead] = {}
    loads, wholesale = False, ""

    def add(read: EnvRead) -> None:
        reads.setdefault((read.span.path, read.name, read.span.start), read)

    for file in reader.code.files:
        data = file.data
        if b"env" not in data and b"Env" not in data:
            continue
        if b"var" in data and (b"env::" in data or b"dotenv" in data):
            for node in _reads(reader, file):
                if node.type != "call_expression":
                    wholesale = wholesale or _COMPUTED
                    continue
                names, whole = _names(reader, file, node, passed)
                for read in names:
                    add(read)
                wholesale = wholesale or ("" if whole else _COMPUTED)
        if b"env" in data and (b"#[arg(" in data or b"clap" in data or b"structopt" in data or b"envconfig" in data):
            for read in _attributes(reader, file):
                add(read)
        if b'.env("' in data:
            for read in _builder(reader, file):
                add(read)
        if not loads and b"dotenv" in data:
            loads = any(_loads(reader, file))
        if not wholesale:
            wholesale = _wholesale(reader, file)
    ordered = sorted(reads.values(), key=lambda read: (read.span.path, read.span.start))
    return tuple(ordered), loads, wholesale


def _reads(reader: Reader, file: File) -> Iterator[Node]:
    """Calls of ``env::var`` and its like outside tests, or the bare path where it is passed on."""
    bare = b"use std::env::var" in file.data or b"env::{" in file.data
    for word in (b"var", b"var_os"):
        for at in file.words(word):
            before = file.data[max(0, at - 12) : at]
            qualified = before.endswith((b"env::", b"dotenvy::", b"dotenv::"))
            if not qualified and not (bare and file.data[at + len(word) : at + len(word) + 1] == b"(" and before[-1:] not in (b".", b":")):
                continue
            if reader.code.is_test(file, at):
                continue
            node = file.node(at, at + len(word))
            if node is None:
                continue
            while node.parent is not None and node.parent.type == "scoped_identifier":
                node = node.parent
            parent = node.parent
            if parent is None or parent.type.startswith(("use", "scoped_use")) or file.enclosing(node, "use_declaration") is not None:
                continue
            called = parent.type == "call_expression" and parent.child_by_field_name("function") == node
            if called or parent.type == "arguments":
                yield parent


def _names(reader: Reader, file: File, call: Node, passed: set[tuple[str, int, str]]) -> tuple[list[EnvRead], bool]:
    """The variables one ``env::var(..)`` reads, over all callers of the function it stands in; and whether these are all."""
    args = arguments(call)
    if len(args) != 1:
        return [], True
    scope = Scope(file)
    value = reader.start().value(args[0], scope, "str")
    if isinstance(value, Literal) and isinstance(value.value, str):
        return [EnvRead(value.value, value.span)], True
    return _by_callers(reader, file, args[0], 0, passed)


def _by_callers(reader: Reader, file: File, name: Node, depth: int, passed: set[tuple[str, int, str]]) -> tuple[list[EnvRead], bool]:
    scope = Scope(file)
    inner = name
    while inner.type in ("reference_expression", "parenthesized_expression") and inner.named_children:
        inner = inner.named_children[-1]
    if inner.type == "call_expression":  # name.as_ref(), key.to_string()
        function = inner.child_by_field_name("function")
        receiver = function.child_by_field_name("value") if function is not None else None
        if receiver is not None and receiver.type == "identifier" and not arguments(inner):
            inner = receiver
    if inner.type != "identifier" or depth > 4:
        return [], False
    found = reader.names.find(file.text(inner), inner, scope)
    if not isinstance(found, Param):
        if found is not None and isinstance(found, Ref) and depth < 4:
            return _by_callers(reader, file, found.node, depth + 1, passed)
        return [], False
    key = (file.source.path, found.node.start_byte, found.name)
    if key in passed:
        return [], True  # its callers were asked for another read of the same name
    passed.add(key)
    given = reader.callers(found)
    if given is None:
        return [], False
    reads: list[EnvRead] = []
    complete = True
    for ref in given:
        value = reader.start().value(ref.node, Scope(ref.scope.file), "str")
        if isinstance(value, Literal) and isinstance(value.value, str):
            reads.append(EnvRead(value.value, value.span))
        else:
            more, whole = _by_callers(reader, ref.scope.file, ref.node, depth + 1, passed)
            reads += more
            complete = complete and whole
    return reads, complete


def _attributes(reader: Reader, file: File) -> Iterator[EnvRead]:
    """``#[arg(env = "X")]``, ``#[clap(env)]``, ``#[envconfig(from = "X")]``."""
    seen: set[int] = set()
    for word in (b"env", b"from"):
        if word == b"from" and b"envconfig" not in file.data:
            continue
        for at in file.words(word):
            node = file.syntax.at(at, at + len(word))
            while (
                node.parent is not None and node.type != "attribute_item" and node.type in ("identifier", "token_tree", "attribute", "self")
            ):
                node = node.parent
            if node.type != "attribute_item" or node.start_byte in seen or reader.code.is_test(file, at):
                continue
            seen.add(node.start_byte)
            field = node.next_named_sibling
            while field is not None and field.type in ("attribute_item", "line_comment", "block_comment"):
                field = field.next_named_sibling
            label = field.child_by_field_name("name") if field is not None else None
            said = attribute_pairs(file, node)
            read = env_of_attribute(file, said, file.text(label) if label is not None else "", command_line="from" not in said)
            if read is not None and read.name:
                yield read


def _builder(reader: Reader, file: File) -> Iterator[EnvRead]:
    """clap's ``Arg::new("x").env("X")``; with two arguments ``.env`` sets a variable of a child process."""
    for at in find_all(file.data, b'.env("'):
        node = None if reader.code.is_test(file, at) else file.node(at + 1, at + 4)
        call = file.enclosing(node, "call_expression") if node is not None else None
        args = arguments(call) if call is not None else []
        if len(args) == 1 and args[0].type == "string_literal":
            yield EnvRead(file.text(args[0])[1:-1], file.span(args[0]))


def _loads(reader: Reader, file: File) -> Iterator[bool]:
    """One True for each use of a .env loader outside tests."""
    for at in find_all(file.data, b"dotenv"):
        if reader.code.is_test(file, at):
            continue
        node = file.node(at, at + 6)
        while node is not None and node.parent is not None and node.parent.type == "scoped_identifier":
            node = node.parent
        if node is None or node.parent is None:
            continue
        path = segments(file.text(node))
        called = node.parent.type in ("call_expression", "arguments") and path[-1] in _LOADERS
        if called or (node.parent.type == "attribute" and path[0] in _LOADING_CRATES):
            yield True
        elif node.parent.type in ("use_declaration", "scoped_use_list", "use_as_clause") and path[0] in _LOADING_CRATES:
            yield from _imported(reader, file, node)


def _imported(reader: Reader, file: File, node: Node) -> Iterator[bool]:
    """``use dotenvy::from_filename;`` and a call by that name."""
    declaration = file.enclosing(node, "use_declaration") or node
    text = file.text(declaration)
    for name in _LOADERS:
        if name not in ("var", "vars", "init", "load") and name in text:
            for at in file.words(name.encode()):
                if file.data[at + len(name) : at + len(name) + 1] == b"(" and not reader.code.is_test(file, at):
                    used = file.node(at, at + len(name))
                    if used is not None and used.parent is not None and used.parent.type == "call_expression":
                        yield True


def _wholesale(reader: Reader, file: File) -> str:
    for needle, paths, reason in _WHOLESALE:
        for at in find_all(file.data, needle):
            node = None if reader.code.is_test(file, at) else file.node(at, at + len(needle.rstrip(b":")))
            while node is not None and node.parent is not None and node.parent.type == "scoped_identifier":
                node = node.parent
            if node is None or node.type != "scoped_identifier" or file.enclosing(node, "use_declaration") is not None:
                continue
            path = segments(file.text(node))
            last = "::".join(path[-2:])
            if last in paths and not (path[-2] == "Environment" and b"config" not in file.data) and bare_type(path[-2]):
                return reason
    return ""
