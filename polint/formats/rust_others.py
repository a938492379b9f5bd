"""Other clients of PostgreSQL than SQLx's pools: other libraries' pools, of unknown size, and SQLx's single connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..source import Span
from ..treesitter import find_all
from ..tuples import NamedTuple
from .rust import Single
from .rust_built import built
from .rust_code import Code, File, arguments, takes_part
from .rust_names import Scope
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node


class _Mark(NamedTuple):
    """What shows another library at work: a text, and those that the crate must hold as well."""

    text: bytes
    name: str
    beside: tuple[bytes, ...] = ()
    within: tuple[str, ...] = ()  # libraries that it is a part of: where they are at work it shows nothing more


_CONNECT = b"tokio_postgres::connect"
_INTO_DIESEL = (b"AsyncPgConnection::try_from", b"AsyncPgConnection::try_from_client_and_connection")
_MARKS: tuple[_Mark, ...] = (
    _Mark(b"rocket_db_pools", "rocket_db_pools", (b"PgPool",)),
    _Mark(b"rocket_db_pools", "rocket_db_pools", (b"deadpool_postgres",)),
    _Mark(b"rocket_sync_db_pools", "rocket_sync_db_pools", (b"PgConnection",)),
    _Mark(b"deadpool_postgres", "deadpool", (), ("rocket_db_pools",)),
    _Mark(b"deadpool_diesel", "deadpool", (b"postgres",)),
    _Mark(b"pooled_connection::deadpool", "deadpool", (b"AsyncPgConnection",)),
    _Mark(b"bb8_postgres", "bb8"),
    _Mark(b"PostgresConnectionManager", "bb8", (b"bb8",)),
    _Mark(b"pooled_connection::bb8", "bb8", (b"AsyncPgConnection",)),
    _Mark(b"pooled_connection::mobc", "mobc", (b"AsyncPgConnection",)),
    _Mark(b"r2d2_postgres", "r2d2"),
    _Mark(b"diesel::r2d2", "r2d2", (b"PgConnection",)),
    _Mark(b"PgConnection::establish", "diesel"),
    _Mark(b"Database::connect", "sea-orm", (b"sea_orm",)),
    _Mark(_CONNECT, "tokio-postgres"),
    _Mark(b"tokio_postgres::Config", "tokio-postgres", (), ("deadpool", "bb8", "rocket_db_pools")),
    _Mark(b"postgres::Client::connect", "postgres"),
    _Mark(b"Client::connect", "postgres", (b"use postgres::",)),
    _Mark(b"AnyPoolOptions::", "SQLx's AnyPool"),
    _Mark(b"AnyPool::connect", "SQLx's AnyPool"),
    _Mark(b"Pool::<Any>::connect", "SQLx's AnyPool"),
    _Mark(b"Pool::<sqlx::Any>::connect", "SQLx's AnyPool"),
)
_SINGLES = (b"PgListener::connect", b"PgConnection::connect")


def others(code: Code, known: frozenset[str]) -> tuple[tuple[str, Span], ...]:
    """The other libraries that the crate opens connections with, each at its first place; ``known`` are those whose pools were found."""
    found: dict[str, Span] = {}
    for mark in _MARKS:
        seen = {*found, *known}
        if mark.name in seen or not seen.isdisjoint(mark.within) or not _stand(code, mark.beside):
            continue
        place = next(_places(code, mark.text), None)
        if mark.text == _CONNECT and len(list(_places(code, _CONNECT))) <= sum(len(list(_places(code, one))) for one in _INTO_DIESEL):
            place = None  # it makes the connections of a pool of diesel-async
        if place is not None:
            file, at, _ = place
            found[mark.name] = file.bytes_span(at, at + len(mark.text))
    return tuple(found.items())


def _stand(code: Code, texts: tuple[bytes, ...]) -> bool:
    return all(any(text in file.data for file in code.files) for text in texts)


def singles(reader: Reader) -> Iterator[Single]:
    """Each ``PgListener::connect`` and ``PgConnection::connect``; a listener that takes a pool is the pool's."""
    for word in _SINGLES:
        for file, at, node in _places(reader.code, word):
            after = file.data[at + len(word) : at + len(word) + 12]
            method = word.rpartition(b"::")[2] + (b"_with" if after.startswith(b"_with") else b"")
            if not after.removeprefix(b"_with").lstrip().startswith(b"(") or (word[:10] == b"PgListener" and method != b"connect"):
                continue
            call = file.enclosing(node, "call_expression")
            if call is None:
                continue
            given = arguments(call)
            target = reader.start().value(given[0], Scope(file), "str") if given and method == b"connect" else None
            count = built(reader, [(file, call)])
            yield Single(
                f"{word.partition(b'::')[0].decode()}::{method.decode()}", file.span(call), target, count.least, count.most, count.why
            )


def _places(code: Code, text: bytes) -> Iterator[tuple[File, int, Node]]:
    """Where ``text`` is code of the program: no comment, string, test or longer name."""
    for file in code.files:
        if not takes_part(file.source.path):
            continue
        for at in find_all(file.data, text):
            before = file.data[at - 1 : at]
            after = file.data[at + len(text) : at + len(text) + 1]
            if before.isalnum() or before == b"_" or ((after.isalnum() or after == b"_") and not text.endswith((b"connect", b"::"))):
                continue
            node = None if code.is_test(file, at) else file.node(at, at + len(text.partition(b"::")[0]))
            if node is not None:
                yield file, at, node
