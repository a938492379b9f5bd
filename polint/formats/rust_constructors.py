"""Where Rust code starts a pool: constructor calls under whatever name they were imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..treesitter import find_all
from ..tuples import NamedTuple
from .rust_code import Code, File, arguments
from .rust_forms import segments
from .rust_libraries import Library
from .rust_pools import End

if TYPE_CHECKING:
    from tree_sitter import Node


class Constructor(NamedTuple):
    """A call like ``PgPoolOptions::new()``; ``generic`` when the database is not part of its type."""

    file: File
    call: Node
    name: str
    direct: str  # the connect method, for ``PgPool::connect(..)``
    generic: bool


def constructors(code: Code, library: Library) -> Iterator[Constructor]:
    """Every constructor outside tests, in order."""
    for file in code.files:
        words = {word: word for word in (*library.builders, *library.generic_builders, *library.pools, *library.generic_pools)}
        words.update(_aliases(code, file, library))
        starts = sorted({(at, word) for word in words for at in file.words(word.encode()) if _is_path(file.data, at + len(word.encode()))})
        for at, word in starts:
            if not code.is_test(file, at):
                made = _constructor(code, file, at, word, words[word], library)
                if made is not None:
                    yield made


def _is_path(data: bytes, end: int) -> bool:
    return data[end : end + 4].lstrip().startswith(b"::")


def _aliases(code: Code, file: File, library: Library) -> dict[str, str]:
    """Other names of the library's types here: ``use .. as Options``, and ``type Db = Pool<Postgres>`` anywhere in the crate."""
    out: dict[str, str] = {}
    kinds = (*library.builders, *library.generic_builders, *library.pools, *library.generic_pools)
    for kind in kinds:
        for at in find_all(file.data, kind.encode() + b" as "):
            node = file.node(at, at + len(kind))
            clause = file.enclosing(node, "use_as_clause") if node is not None else None
            alias = clause.child_by_field_name("alias") if clause is not None else None
            if alias is not None and file.data[max(0, at - 1) : at] in (b":", b" ", b"{", b"\n", b","):
                out[file.text(alias)] = kind
    for name, kind in code.cached(("aliases", library.name), lambda: _type_aliases(code, library)).items():
        out.setdefault(name, kind)
    return out


def _type_aliases(code: Code, library: Library) -> dict[str, str]:
    out: dict[str, str] = {}
    for file in code.files:
        if b"type " not in file.data or not any(needle in file.data for needle in (b"PoolOptions", b"Pool<", b"PgPool")):
            continue
        for at in file.words(b"type"):
            line = file.data[at : at + 200]
            if b"Pool" not in line.partition(b";")[0]:
                continue
            node = file.node(at, at + 4)
            item = node.parent if node is not None else None
            if item is None or item.type != "type_item" or code.is_test(file, at):
                continue
            name, kind = item.child_by_field_name("name"), item.child_by_field_name("type")
            if name is None or kind is None:
                continue
            base, _, inner = file.text(kind).partition("<")
            base = base.rpartition("::")[2].strip()
            bare = inner.rstrip("> ").rpartition("::")[2]
            label = file.text(name)
            if base in library.builders or base in library.pools:
                out[label] = base
            elif base in library.generic_builders and bare in library.database:
                out[label] = next(iter(library.builders))
            elif base in library.generic_pools and bare in library.database:
                out[label] = next(iter(library.pools))
            elif label in library.pools or label in library.builders:
                out[label] = ""  # the crate's own type of that name
    return out


def _constructor(code: Code, file: File, at: int, word: str, kind: str, library: Library) -> Constructor | None:
    start = file.node(at, at + len(word.encode()))
    node = start
    while node is not None and node.type != "call_expression":
        parent = node.parent
        if parent is None or parent.type not in (
            "scoped_identifier",
            "generic_type",
            "call_expression",
            "scoped_type_identifier",
            "generic_function",
        ):
            return None
        if parent.type == "call_expression" and parent.child_by_field_name("function") != node:
            return None
        node = parent
    function = node.child_by_field_name("function") if node is not None else None
    if node is None or function is None or not kind:
        return None
    text = "".join(file.text(function).split())
    path = segments(text)
    method = path[-1]
    if len(path) < 2 or path[-2] != word:
        return None
    if len(path) == 2 and word == kind and code.structs(kind):
        return None  # the crate's own type of that name
    inner = text[text.index("<") + 1 : text.rindex(">")] if "<" in text and ">" in text else ""
    databases = {inner.rpartition("::")[2]} if inner else set()
    generic = kind in library.generic_builders or kind in library.generic_pools
    if databases and not databases & library.database and not any(_alias_of_database(code, name, library) for name in databases):
        if databases != {"_"}:
            return None
        databases = set()
    builds = kind in library.builders or kind in library.generic_builders
    if builds and method in ("new", "default"):
        direct = ""
    elif not builds and method in library.connects:
        direct = method
    else:
        return None
    turbofish = f"::<{next(iter(databases)) if databases & library.database else 'Postgres'}>" if generic and databases else ""
    return Constructor(file, node, f"{kind}{turbofish}::{method}", direct, generic and not databases)


def _alias_of_database(code: Code, name: str, library: Library) -> bool:
    """Whether ``type name = Postgres`` stands somewhere."""
    needle = b"type " + name.encode("utf-8", "surrogateescape")
    for file in code.files:
        for at in file.words(needle):
            line = file.data[at + len(needle) : at + len(needle) + 80].partition(b";")[0]
            if line.strip().startswith(b"=") and line.decode("utf-8", "replace").rpartition("::")[2].strip(" =") in library.database:
                return True
    return False


def says_postgres(end: End, library: Library) -> bool:
    """Whether a type written on the way, or what is connected to, says that an untyped pool is PostgreSQL's."""
    texts = list(end.types)
    if end.connect is not None:
        texts += [end.file.text(arg) for arg in arguments(end.connect) if "PgConnectOptions" in end.file.text(arg)]
        if any(end.file.text(arg).lstrip('&r#"').startswith(("postgres://", "postgresql://")) for arg in arguments(end.connect)):
            return True
        for parent in end.file.ups(end.connect):
            if parent.type in ("let_declaration", "static_item", "const_item", "function_item"):
                written = parent.child_by_field_name("return_type" if parent.type == "function_item" else "type")
                texts += [end.file.text(written)] if written is not None else []
                break
            if parent.type == "expression_statement" and parent.children and parent.children[-1].type == ";":
                break
    marks = (*library.database, *library.pools, *library.builders, "PgConnectOptions")
    return any(mark in text for text in texts for mark in marks)
