"""Rust: connection pools built in code, read with tree-sitter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..source import Source, Span
from ..tuples import NamedTuple
from ..value import EnvRead, Value
from . import Fault, needles
from .rust_usage import NO_USAGE, Usage

# A file without any of these byte strings holds no pool and is not parsed for its own sake.
NEEDLES: tuple[bytes, ...] = needles("rust")


class SettingCall(NamedTuple):
    """One link of a builder chain: ``.max_connections(10)``.  ``value`` of ``Duration`` arguments is Seconds, ``None`` is Literal(None).

    Where a builder leaves what can be followed, each setter not seen by then stands as an
    Opaque whose spans are the constructor's: it may be set elsewhere.
    """

    name: str
    value: Value
    span: Span  # from the dot to the closing parenthesis
    name_span: Span
    value_span: Span  # the argument


class PoolCall(NamedTuple):
    """One place where code builds a connection pool for PostgreSQL.

    ``settings`` holds the link that wins for each setter, ``shadowed`` the ones
    overwritten later in the same chain.  ``target`` is the URL given to
    ``connect``; None when options are passed instead.  ``choice`` is the ``if`` or
    ``match`` of which only one branch builds its pool, shared by the pools of its
    branches.  ``driver`` is what speaks to the server: ``sqlx``, ``tokio-postgres``, ``diesel`` or ``diesel-async``;
    ``prepares`` says that it prepares statements by name; ``is_postgres`` is False where only the URL decides on the
    database.  ``connects`` are the calls that make pools of the builder:
    more than one where it is shared.  ``unfinished`` says why there may be other settings than these, or "".
    One process has ``at_least_built`` to ``at_most_built`` of this pool, None with the reason as
    a clause in ``repeated`` where nothing bounds it.
    """

    library: str  # "sqlx", "sea-orm", "bb8", "r2d2", "deadpool"
    constructor: str  # "PgPoolOptions::new", "PoolOptions::<Postgres>::new", "PgPool::connect"
    span: Span  # of the constructor expression
    settings: Mapping[str, SettingCall]
    shadowed: tuple[SettingCall, ...]
    target: Value | None
    function: str  # name of the enclosing function, "" outside one
    lazy: bool = False
    connects: tuple[Span, ...] = ()
    choice: Span | None = None
    unfinished: str = ""
    at_least_built: int = 1
    at_most_built: int | None = 1
    repeated: str = ""  # "is built in a loop"
    driver: str = "sqlx"
    prepares: bool = True
    is_postgres: bool = True

    @property
    def in_loop(self) -> bool:
        """Whether nothing bounds how many of this pool there are."""
        return self.at_most_built is None


class Single(NamedTuple):
    """One connection outside a pool: ``PgListener::connect``, ``PgConnection::connect``; counts as PoolCall's.

    ``target`` is the URL given, None where options are.
    """

    constructor: str
    span: Span
    target: Value | None
    at_least_built: int = 1
    at_most_built: int | None = 1
    repeated: str = ""


class Crate(NamedTuple):
    """What the given sources of one crate say.

    ``env_names`` are all variables read by a literal name (also through helper
    functions and clap's ``env = "…"``); ``reads_environment_wholesale`` says why when
    any variable may be read (envy, config, figment, ``env::vars``), else "".
    ``others`` are the libraries, by name, that open connections too and are not read; ``lost`` those that are, but
    of which some pool could not be followed.
    ``faults`` are the places where broken syntax may hide settings or pools.
    ``usage`` is what the code does with its pools and connections.
    """

    pools: tuple[PoolCall, ...]
    env_reads: tuple[EnvRead, ...]
    closes: tuple[Span, ...]  # ``pool.close()`` calls
    loads_dotenv: bool
    reads_environment_wholesale: str
    others: tuple[tuple[str, Span], ...] = ()
    singles: tuple[Single, ...] = ()
    faults: tuple[Fault, ...] = ()
    lost: tuple[tuple[str, Span], ...] = ()
    usage: Usage = NO_USAGE

    @property
    def env_names(self) -> frozenset[str]:
        """All variables read by a literal name."""
        return frozenset(read.name for read in self.env_reads)


def read_crate(sources: Sequence[Source]) -> Crate:
    """Read the sources of one crate, following consts, functions and struct fields between them; never raises on broken code."""
    from .rust_crate import crate

    return crate(sources)
