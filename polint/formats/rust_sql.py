"""Rust: queries that leave something behind in their session, migrations that lock it, and listeners, outside tests.

Only texts that are given to a query for certain count: ``query("…")``, ``query!("…")``, ``.execute("…")``, also by the
name of a constant or of a variable of the same file, and with ``format!``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..patterns import lazy
from ..sessionsql import NEEDLES, traces
from ..source import Source, Span
from ..tuples import NamedTuple
from .rust_code import Code, File

if TYPE_CHECKING:
    from tree_sitter import Node

_WORTH = (*(needle.encode() for needle in NEEDLES), b"migrat")
_CANDIDATE = lazy(rb"(?i)\b(?:listen|(?:try_)?advisory_lock|temp|temporary|set|set_config|prepare)\b|advisory_lock")
_QUERIES = frozenset(
    """query query_as query_scalar query_with query_as_with query_scalar_with query_unchecked query_as_unchecked query_scalar_unchecked
    raw_sql execute execute_raw execute_many execute_unprepared fetch fetch_one fetch_all fetch_optional fetch_many batch_execute
    simple_query sql_query query_one query_opt query_raw""".split()
)
_BY_NAME = (
    rb"\b(?:query\w*|raw_sql|execute\w*|fetch\w*|batch_execute|simple_query|sql_query)!?"
    rb"(?:::<[^<>()]*(?:<[^<>()]*>)?[^<>()]*>)?\s*\(\s*&?\s*"
)
_AS_TEXT = ("as_str", "as_ref", "to_string", "to_owned", "into")
_ASIDE = ("tests", "benches", "examples")


class SqlUse(NamedTuple):
    """One thing that stays with the session of a connection: a Trace's ``feature`` and ``name``, or ``migrate`` for SQLx's migrator.

    ``in_transaction``: the function that holds it speaks of a transaction, whose end may undo it.
    """

    feature: str
    name: str
    span: Span
    in_transaction: bool = False


def read(sources: Sequence[Source]) -> list[SqlUse]:
    """What the queries of one crate leave behind, in the order of its files."""
    code = Code([source for source in sources if not any(part in _ASIDE for part in source.path.split("/")[:-1])])
    found: list[SqlUse] = []
    # a migrator without its lock, or perhaps of another database
    unlocked = any(word in file.data for file in code.files for word in (b"set_locking(false)", b"Sqlite", b"MySql"))
    for file in code.files:
        low = file.data.lower()
        if not any(needle in low for needle in _WORTH) or file.source.path.endswith("build.rs"):
            continue
        found += _queries(code, file)
        if not unlocked:
            found += _migrations(code, file)
        found += _listeners(code, file)
    return sorted(found, key=lambda use: (use.span.path, use.span.start))


def _queries(code: Code, file: File) -> Iterator[SqlUse]:
    seen: set[int] = set()
    for match in _CANDIDATE.finditer(file.data):
        node: Node | None = file.syntax.at(match.start(), match.end())
        if node is not None and node.type == "string_content":
            node = node.parent
        if node is None or node.type not in ("string_literal", "raw_string_literal") or node.start_byte in seen:
            continue
        seen.add(node.start_byte)
        if code.is_test(file, node.start_byte) or not _is_query(file, node):
            continue
        start, text = _content(file, node)
        for trace in traces(text):
            at = start + len(text[: trace.start].encode("utf-8", "surrogateescape"))
            end = start + len(text[: trace.end].encode("utf-8", "surrogateescape"))
            yield SqlUse(trace.feature, trace.name, file.bytes_span(at, end), _in_transaction(file, node))


def _content(file: File, node: Node) -> tuple[int, str]:
    """Where the text between the quotes starts, and that text with blanks for the escapes of line ends."""
    written = file.text(node)
    opening = written.index('"') + 1
    closing = written.rindex('"')
    text = written[opening:closing]
    if node.type == "string_literal":
        text = text.replace("\\n", "  ").replace("\\t", "  ").replace("\\\n", " \n")
    return node.start_byte + opening, text


def _is_query(file: File, node: Node) -> bool:
    """Whether a literal is the text of a query: an argument, or what a name stands for that is one."""
    top, parent = node, node.parent
    for _ in range(8):
        if parent is None:
            return False
        if parent.type in ("reference_expression", "parenthesized_expression", "arguments", "token_tree"):
            if parent.type in ("arguments", "token_tree") and not _leads(file, parent, top):
                return False
            top, parent = parent, parent.parent
            continue
        if parent.type == "macro_invocation":
            name = file.text(parent.child_by_field_name("macro") or parent).rpartition("::")[2]
            if name in ("format", "concat"):
                top, parent = parent, parent.parent
                continue
            return name in _QUERIES
        if parent.type == "field_expression" and parent.parent is not None and parent.parent.type == "call_expression":
            if file.text(parent.child_by_field_name("field") or parent) not in _AS_TEXT:
                return False
            top, parent = parent.parent, parent.parent.parent
            continue
        if parent.type == "call_expression":
            function = parent.child_by_field_name("function")
            name = _last(file, function) if function is not None else ""
            if name == "AssertSqlSafe":
                top, parent = parent, parent.parent
                continue
            return name in _QUERIES
        if parent.type in ("const_item", "static_item", "let_declaration"):
            name_node = parent.child_by_field_name("name") or parent.child_by_field_name("pattern")
            if name_node is None or name_node.type != "identifier":
                return False
            name_text = re.escape(file.data[name_node.start_byte : name_node.end_byte])
            return re.search(_BY_NAME + name_text + rb"\b(?!\s*[.(:])", file.data) is not None
        return False
    return False


def _leads(file: File, inside: Node, node: Node) -> bool:
    """Whether ``node`` is the first argument, but for the row type that ``query_as!`` takes before it."""
    before = file.data[inside.start_byte + 1 : node.start_byte].strip(b" \t\r\n&")
    return not before or (before.endswith(b",") and b'"' not in before and b"(" not in before and inside.type == "token_tree")


def _last(file: File, function: Node) -> str:
    """The name of what is called, without its path, receiver and type arguments."""
    while function.type == "generic_function":
        inner = function.child_by_field_name("function")
        if inner is None:
            return ""
        function = inner
    named = function.child_by_field_name("field") or function.child_by_field_name("name") or function
    return file.text(named) if named.type in ("identifier", "field_identifier") else ""


def _in_transaction(file: File, node: Node) -> bool:
    function = file.enclosing(node, "function_item")
    if function is None:
        return True  # a constant: who uses it is not looked at
    text = file.data[function.start_byte : function.end_byte]
    return b"begin(" in text or b"Transaction" in text or b"BEGIN" in text or b"transaction(" in text


def _migrations(code: Code, file: File) -> Iterator[SqlUse]:
    """``migrate!(…).run(…)`` of SQLx, also by way of a name."""
    for at in file.words(b"migrate"):
        if file.data[at + 7 : at + 8] != b"!" or code.is_test(file, at):
            continue
        node: Node | None = file.syntax.at(at, at + 7)
        while node is not None and node.type != "macro_invocation":
            node = node.parent if node.type in ("identifier", "scoped_identifier") else None
        if node is None:
            continue
        path = file.text(node.child_by_field_name("macro") or node)
        if path != "sqlx::migrate" and not (path == "migrate" and b"sqlx::migrate" in file.data):
            continue
        run = _run(file, node)
        holder = file.enclosing(node, "static_item", "const_item", "let_declaration") if run is None else None
        name = holder.child_by_field_name("name") or holder.child_by_field_name("pattern") if holder is not None else None
        if run is None and name is not None and name.type == "identifier":
            pattern = re.compile(rb"\b" + re.escape(file.data[name.start_byte : name.end_byte]) + rb"\s*\.\s*run\s*\(")
            for other in code.files:
                found = next((one for one in pattern.finditer(other.data) if not code.is_test(other, one.start())), None)
                if found is not None:
                    yield SqlUse("migrate", "migrate!", other.bytes_span(found.start(), found.end() - 1))
                    break
        elif run is not None:
            yield SqlUse("migrate", "migrate!", file.span(node))


def _run(file: File, macro: Node) -> Node | None:
    """The ``.run(…)`` on the migrator that a macro makes."""
    for parent in file.ups(macro, 6):
        if parent.type == "field_expression" and file.text(parent.child_by_field_name("field") or parent) == "run":
            return parent
        if parent.type not in ("field_expression", "call_expression", "try_expression", "await_expression"):
            return None
    return None


def _listeners(code: Code, file: File) -> Iterator[SqlUse]:
    """``PgListener::connect_with(&pool)``, which keeps a connection of the pool for its LISTEN."""
    needle = b"PgListener::connect_with"
    at = file.data.find(needle)
    while at >= 0:
        node = file.node(at, at + len(needle))
        if node is not None and not code.is_test(file, at):
            yield SqlUse("listen", "PgListener", file.bytes_span(at, at + len(needle)))
        at = file.data.find(needle, at + 1)
