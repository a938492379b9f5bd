"""PHP: queries that leave something behind in their session, outside tests and migrations.

Only literals that are given to a query for certain count: ``DB::statement('…')``, ``->exec('…')``, ``->query('…')``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import treesitter
from ..patterns import lazy
from ..sessionsql import NEEDLES, traces
from ..source import Source, Span
from ..tuples import NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Node

_WORTH = tuple(needle.encode() for needle in NEEDLES)
_CANDIDATE = lazy(rb"(?i)\b(?:listen|temp|temporary|set|set_config|prepare)\b|advisory_lock")
_STATIC = frozenset("statement unprepared select selectone scalar affectingstatement".split())
_MEMBER = frozenset("exec query prepare execute executestatement executequery statement unprepared select selectone".split())
_ASIDE = ("tests", "test", "migrations", "seeders", "seeds", "factories", "vendor", "node_modules")
_FUNCTIONS = frozenset("pg_query pg_query_params pg_send_query".split())
_INSIDE = ("string_content", "string_value", "escape_sequence", "nowdoc_string", "nowdoc_body", "heredoc_body")
_HOLDERS = ("method_declaration", "function_definition", "anonymous_function", "anonymous_function_creation_expression")


class SqlUse(NamedTuple):
    """One thing that stays with the session of a connection: a Trace's ``feature`` and ``name``.

    ``in_transaction``: the function that holds it speaks of a transaction, whose end may undo it.  ``connection`` is
    what ``DB::connection('…')`` names, "" for the default one, None where another object runs the query.
    """

    feature: str
    name: str
    span: Span
    in_transaction: bool
    connection: str | None


def is_worth(path: str, data: bytes) -> bool:
    """Whether a file may hold such a query; tests, migrations and seeders run elsewhere."""
    if any(part.lower() in _ASIDE for part in path.split("/")[:-1]):
        return False
    low = data.lower()
    return any(needle in low for needle in _WORTH) and any(word in low for word in (b"db::", b"->", b"pg_query"))


def read(source: Source) -> list[SqlUse]:
    """What the queries of one file leave behind, in order."""
    syntax = treesitter.parse("php", source)
    return list(_uses(syntax))


def _uses(syntax: treesitter.Syntax) -> Iterator[SqlUse]:
    seen: set[int] = set()
    for match in _CANDIDATE.finditer(syntax.data):
        node: Node | None = syntax.at(match.start(), match.end())
        while node is not None and node.type in _INSIDE:
            node = node.parent
        if node is None or node.type not in ("string", "encapsed_string", "nowdoc", "heredoc") or node.start_byte in seen:
            continue
        seen.add(node.start_byte)
        connection = _connection(syntax, node)
        if connection is _NO_QUERY:
            continue
        written = syntax.text(node)
        opening = written.find("\n") + 1 if written.startswith("<<<") else 1 + written.startswith(("b'", 'b"'))
        text = written[opening:-1] if opening else ""
        start = node.start_byte + opening
        for trace in traces(text):
            at = start + len(text[: trace.start].encode("utf-8", "surrogateescape"))
            end = start + len(text[: trace.end].encode("utf-8", "surrogateescape"))
            yield SqlUse(trace.feature, trace.name, syntax.bytes_span(at, end), _in_transaction(syntax, node), connection)


_NO_QUERY = "\0"


def _connection(syntax: treesitter.Syntax, node: Node) -> str | None:
    """What runs a literal as a query, as in SqlUse; _NO_QUERY when nothing is seen to."""
    argument = node.parent
    holding = argument.parent if argument is not None and argument.type == "argument" else None
    call = holding.parent if holding is not None and holding.type == "arguments" else None
    if argument is None or holding is None or call is None:
        return _NO_QUERY
    place = [child.start_byte for child in holding.named_children if child.type == "argument"].index(argument.start_byte)
    name = syntax.text(call.child_by_field_name("name") or call.child_by_field_name("function") or call).lower().lstrip("\\")
    if call.type == "function_call_expression":
        return None if name in _FUNCTIONS and place <= 1 else _NO_QUERY
    if place:
        return _NO_QUERY
    if call.type == "scoped_call_expression":
        scope = syntax.text(call.child_by_field_name("scope") or call).rpartition("\\")[2]
        return "" if scope == "DB" and name in _STATIC else _NO_QUERY
    if call.type not in ("member_call_expression", "nullsafe_member_call_expression") or name not in _MEMBER:
        return _NO_QUERY
    owner = syntax.text(call.child_by_field_name("object") or call)
    if owner.startswith("DB::connection("):
        named = owner.removeprefix("DB::connection(").partition(")")[0].strip()
        return "" if not named else named[1:-1] if named[:1] in "'\"" and named[:1] == named[-1:] else None
    return None


def _in_transaction(syntax: treesitter.Syntax, node: Node) -> bool:
    for parent in treesitter.ancestors(node):
        if parent.type in _HOLDERS:
            text = syntax.data[parent.start_byte : parent.end_byte].lower()
            if b"transaction" in text or b"begin" in text:
                return True
    return False
