"""What Rust code does with its pools and the connections it takes from them: kept, held, taken twice, shared, miscounted, rebuilt.

Only what one function shows by itself is said, and only outside tests, benchmarks and examples.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..diagnostic import Fix
from ..source import Span
from ..tuples import NamedTuple
from ..value import Value

if TYPE_CHECKING:
    from tree_sitter import Node

    from .rust_code import File
    from .rust_values import Reader


class Leak(NamedTuple):
    """A connection that never goes back to its pool.

    ``way`` is ``mem::forget``, ``leak``, ``detach`` or ``static``; ``taken`` is where it was taken from the pool, where that is elsewhere.
    """

    way: str
    name: str  # what holds it, "" where nothing is named
    span: Span
    taken: Span | None = None


class Hold(NamedTuple):
    """Work that has nothing to do with the database while ``name`` keeps a connection.

    ``work`` says what is waited for, as a clause; ``lasts`` is how long a sleep is, None where nothing bounds it.
    """

    name: str
    way: str  # "connection", "transaction" or "result set"
    work: str
    span: Span
    taken: Span
    lasts: Value | None = None


class Nested(NamedTuple):
    """A second connection of ``pool`` while ``name`` keeps one; ``pool`` is as written: ``self.pool``.

    ``inside`` is where a function that is given the pool takes it.
    """

    name: str
    way: str
    pool: str
    span: Span
    taken: Span
    inside: Span | None = None


class Shared(NamedTuple):
    """One connection outside any pool for many users: ``kind`` is its type as written, ``holder`` what keeps it."""

    kind: str
    holder: str
    span: Span


class Difference(NamedTuple):
    """``size() - num_idle()`` without a cast; ``idle`` is the side that is a usize, which ``fix`` casts."""

    span: Span
    idle: Span
    fix: Fix


class Rebuilt(NamedTuple):
    """A pool that is built again and again: ``how`` says when as a clause, ``where`` names the function or loop."""

    how: str
    span: Span
    where: Span


class Usage(NamedTuple):
    """All of it for one crate, each in the order of the files."""

    leaks: tuple[Leak, ...] = ()
    holds: tuple[Hold, ...] = ()
    nested: tuple[Nested, ...] = ()
    shared: tuple[Shared, ...] = ()
    differences: tuple[Difference, ...] = ()
    rebuilt: tuple[Rebuilt, ...] = ()


NO_USAGE = Usage()

_GUARDS = (b".acquire()", b".begin()", b".get()", b".fetch(", b".leak()", b".detach()", b"forget(", b"PoolConnection", b"num_idle()")
_LOCKS = (b"Mutex<", b"RwLock<")


def usage(reader: Reader, made: Iterable[tuple[File, Node]]) -> Usage:
    """What the crate does; ``made`` are the places where its pools are connected."""
    files = [file for file in reader.code.files if not _aside(file.source.path)]
    leaks: list[Leak] = []
    holds: list[Hold] = []
    nested: list[Nested] = []
    differences: list[Difference] = []
    shared: list[Shared] = []
    guarded = [file for file in files if any(needle in file.data for needle in _GUARDS)]
    if guarded:
        from .rust_usage_flow import Flow
        from .rust_usage_leaks import Leaks
        from .rust_usage_pools import Pools

        known = Pools(reader)
        flow, lost = Flow(reader, known), Leaks(reader, known)
        for file in guarded:
            leaks += lost.leaks(file)
            differences += lost.differences(file)
            for event in flow.events(file):
                if isinstance(event, Hold):
                    holds.append(event)
                else:
                    nested.append(event)
    if any(b"PgConnection" in file.data and any(lock in file.data for lock in _LOCKS) for file in files):
        from .rust_usage_shared import shared_connections

        shared = list(shared_connections(reader, files))
    rebuilt: list[Rebuilt] = []
    for file, node in made:
        if not _aside(file.source.path):
            from .rust_usage_builds import rebuilt_at

            rebuilt += rebuilt_at(reader, file, node)
    return Usage(tuple(leaks), tuple(holds), tuple(nested), tuple(shared), tuple(differences), tuple(rebuilt))


def _aside(path: str) -> bool:
    """Whether a file is a test, a benchmark or an example."""
    folders = path.split("/")
    return not {"tests", "test", "benches", "examples"}.isdisjoint(folders[:-1]) or folders[-1] in ("build.rs", "tests.rs", "test.rs")
