"""What code does with pools and connections, as rules look at it: each thing found is a subject of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..diagnostic import Fix, Note
from ..fact import Fact, written
from ..formats import rust_usage as found
from ..source import Span
from ..units import INFINITY, Seconds
from .client import Pool
from .project import Project
from .resolve import NOTHING, resolve

if TYPE_CHECKING:
    from .crates import Crates

_WAYS = {
    "mem::forget": "mem::forget keeps a connection from going back",
    "leak": "leak() takes a connection out of the pool and its place with it",
    "detach": "detach() takes a connection out of the pool, and it is closed after this one use",
    "static": "a static keeps a connection as long as the program runs",
}


class Leak:
    """A connection that never goes back to its pool; ``what`` says how, as a clause."""

    kind = "leak"

    def __init__(self, leak: found.Leak) -> None:
        self.span: Span = leak.span
        self.way: str = leak.way  # mem::forget, leak, detach or static
        self.what: str = _WAYS[leak.way]
        self.label: str = f"connection in {leak.span.path}"
        self.notes: tuple[Note, ...] = (Note("taken here", leak.taken),) if leak.taken is not None else ()

    @property
    def goes_back(self) -> bool:
        """Never: that is what makes it a leak."""
        return False


class Hold:
    """Waiting that has nothing to do with the database while a connection is held.

    ``held`` is ``connection``, ``transaction`` or ``result set``; ``lasts`` is unlimited where nothing in the code bounds the wait.
    """

    kind = "hold"

    def __init__(self, hold: found.Hold) -> None:
        self.span: Span = hold.span
        self.name: str = hold.name  # the variable that holds the connection
        self.held: str = hold.way
        self.work: str = hold.work  # what is waited for, as a clause
        self.lasts: Fact[Seconds] = (
            resolve("wait", hold.lasts, NOTHING) if hold.lasts is not None else written("wait", Seconds(INFINITY), hold.span)
        ).at(hold.span)
        self.label: str = f"{hold.way} {hold.name} in {hold.span.path}"
        self.notes: tuple[Note, ...] = (Note(f"`{hold.name}` is taken here", hold.taken),)


class Nesting:
    """A second connection of a pool, asked for while a first is held; ``pool`` is the pool where it is known."""

    kind = "nesting"

    def __init__(self, nested: found.Nested, pool: Pool | None) -> None:
        self.span: Span = nested.span
        self.name: str = nested.name  # the variable that holds the first
        self.held: str = nested.way  # connection, transaction or result set
        self.pool_name: str = nested.pool  # the pool, as written
        self.pool: Pool | None = pool
        self.connections: int = 2  # how many one task asks for
        self.label: str = f"pool {nested.pool} in {nested.span.path}"
        self.notes: tuple[Note, ...] = (Note(f"`{nested.name}` is taken here", nested.taken),)
        if nested.inside is not None:
            self.notes += (Note("the second is taken here", nested.inside),)

    @property
    def outcome(self) -> str:
        """What that comes to where the pool's size is known: with 1 it can never succeed, else so many tasks at once block each other."""
        size = self.pool.max_connections if self.pool is not None else None
        if size is None or not size.is_known:
            return ""
        if size.value <= 1:
            return "; the pool has 1, so this can only time out"
        return f"; {size.value} tasks that do so at once use up the pool and wait for each other"


class Sharing:
    """One connection outside any pool behind a lock; ``type`` is its type as written, ``holder`` what keeps it."""

    kind = "sharing"

    def __init__(self, shared: found.Shared) -> None:
        self.span: Span = shared.span
        self.type: str = shared.kind
        self.holder: str = shared.holder
        self.label: str = f"connection in {shared.span.path}"

    @property
    def is_pooled(self) -> bool:
        """Never: it is a connection of its own."""
        return False


class Difference:
    """``size()`` and ``num_idle()`` subtracted without a cast."""

    kind = "difference"

    def __init__(self, difference: found.Difference) -> None:
        self.span: Span = difference.span
        self.idle: Span = difference.idle  # the side of num_idle()
        self.fix: Fix | None = difference.fix
        self.label: str = f"subtraction in {difference.span.path}"

    @property
    def compiles(self) -> bool:
        """Never: SQLx's ``size()`` is a u32, ``num_idle()`` a usize (sqlx-core, pool/mod.rs)."""
        return False


class Rebuild:
    """A pool that is built again and again; ``how`` says when: ``for each request``."""

    kind = "rebuild"

    def __init__(self, rebuilt: found.Rebuilt) -> None:
        self.span: Span = rebuilt.span
        self.how: str = rebuilt.how
        self.label: str = f"pool in {rebuilt.span.path}"
        self.notes: tuple[Note, ...] = (
            (Note(f"this runs {rebuilt.how}", rebuilt.where),) if rebuilt.how != "in each pass of the loop" else ()
        )

    @property
    def is_kept(self) -> bool:
        """Never: the next time another one is built."""
        return False


def build_usage(crates: Crates, project: Project) -> None:
    """What the crates that were read do, each place once."""
    for crate in crates.under(("",)):
        if crate.crate is None:
            continue
        usage = crate.crate.usage
        project.leaks += map(Leak, usage.leaks)
        project.holds += map(Hold, usage.holds)
        pool = _pool_of([call.span for call in crate.crate.pools], project) if usage.nested else None
        project.nestings += [Nesting(one, pool) for one in usage.nested]
        project.sharings += map(Sharing, usage.shared)
        project.differences += map(Difference, usage.differences)
        project.rebuilds += map(Rebuild, usage.rebuilt)


def _pool_of(spans: list[Span], project: Project) -> Pool | None:
    """The only pool of a crate; where several services run it, the smallest known."""
    mine = [pool for pool in project.pools if pool.span in spans] if len(spans) == 1 else []
    known = [pool for pool in mine if pool.max_connections.is_known]
    if not mine or len(known) < len(mine):
        return None
    return min(known, key=lambda pool: pool.max_connections.value)
