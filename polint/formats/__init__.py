"""Formats turn text into entries with exact spans: syntax only, never meaning.

A format is one module here and one line in FORMATS.  It never imports another
format, and it keeps every byte recoverable, since fixes are edits on its spans.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..diagnostic import Fix
from ..patterns import lazy
from ..source import Source, Span
from ..tuples import NamedTuple
from ..value import Value


class Entry(NamedTuple):
    """One key and value as written, before meaning.

    ``key`` is normalised the way the program compares it; ``section`` is the
    enclosing ``[section]`` or "".  ``span`` covers the whole entry (key through
    value), ``key_span`` and ``value_span`` their text as written, quotes included.
    ``value`` is the text the program would see, as a Value where the file refers to variables.
    """

    key: str
    value: Value
    span: Span
    key_span: Span
    value_span: Span
    section: str = ""


class Fault(NamedTuple):
    """A place the program itself refuses (or, for ``fatal`` False, accepts but not as meant).

    ``message`` is lower case and says what the program makes of it.
    """

    message: str
    span: Span
    fatal: bool = True
    fix: Fix | None = None


class Parsed(NamedTuple):
    """What a line-based file holds: entries in file order (duplicates kept) and faults."""

    source: Source
    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...] = ()


def _stem(base: str, *stems: str) -> bool:
    """Whether the name is one of ``stems``, alone or with something after a separator: ``.env``, ``.env.local``."""
    return any(base.startswith(stem) and base[len(stem) : len(stem) + 1] in ("", ".", "-", "_", " ") for stem in stems)


def _sample(base: str) -> str:
    """The name without what marks a sample: ``postgresql.conf.example`` is read as ``postgresql.conf``."""
    for ending in (".sample", ".example", ".template", ".tmpl", ".dist"):
        base = base.removesuffix(ending)
    return base


def _is_postgresql(base: str) -> bool:
    """Whether a name speaks of PostgreSQL's configuration: ``postgres`` as a word, which leaves PostgREST out."""
    after = base.partition("postgres")[2]
    return base == "pg.conf" or "postgresql" in base or ("postgres" in base and not after[:1].isalpha())


class Format(NamedTuple):
    """A kind of file: how its name looks, and byte strings of which a file must hold one to be worth parsing (none: always).

    Every needle holds one of ``hints``, which are fewer: most files hold none and are done with after these.
    """

    name: str
    matches: Callable[[str], bool]  # of the base name
    needles: tuple[bytes, ...] = ()
    hints: tuple[bytes, ...] = ()


FORMATS: tuple[Format, ...] = (
    Format(
        "rust",
        lambda base: base.endswith(".rs"),
        (
            b"PoolOptions",
            b"PgPool",
            b"Pool::<",
            b"Pool::connect",
            b"PgConnection::",
            b"PgListener::connect",
            b"deadpool_postgres",
            b"deadpool_diesel",
            b"bb8_postgres",
            b"r2d2_postgres",
            b"PgConnection>",
            b"diesel::r2d2",
            b"rocket_db_pools",
            b"tokio_postgres::",
            b"Database::connect",
            b"Client::connect",
        ),
        (
            b"Pool",
            b"PgConnection",
            b"PgListener",
            b"deadpool",
            b"bb8",
            b"r2d2",
            b"tokio_postgres",
            b"rocket_db_pools",
            b"Database::connect",
            b"Client::connect",
        ),
    ),
    Format(
        "php",
        lambda base: base.endswith(".php"),
        (
            b"new PDO",
            b"new \\PDO",
            b"PDO::connect",
            b"ATTR_PERSISTENT",
            b"pg_pconnect",
            b"pg_connect",
            b"'connections'",
            b'"connections"',
            b"'environments'",
            b'"environments"',
            b"Pdo\\Pgsql",
            b"enableQueryLog",
        ),
        (b"PDO", b"connect", b"environments", b"ATTR_PERSISTENT", b"Pdo\\", b"enableQueryLog"),
    ),
    Format("sql", lambda base: base.endswith(".sql")),
    Format("shell", lambda base: base.endswith(".sh")),
    Format("compose", lambda base: base.endswith((".yml", ".yaml")) and _stem(base, "compose", "docker-compose")),
    Format("dotenv", lambda base: base.endswith(".env") or (base[:1] in (".", "e") and _stem(base, ".env", "env"))),
    Format("pgbouncer", lambda base: "pgbouncer" in base and _sample(base).endswith(".ini")),
    Format("php-fpm", lambda base: ("fpm" in base or base.startswith(("www.conf", "zz-"))) and _sample(base).endswith(".conf")),
    Format("postgresql.conf", lambda base: ".conf" in base and _sample(base).endswith(".conf") and _is_postgresql(base)),
    Format(
        "dockerfile", lambda base: _stem(base, "Dockerfile", "dockerfile", "Containerfile") or base.endswith((".Dockerfile", ".dockerfile"))
    ),
    Format(
        "prometheus",
        lambda base: base.endswith((".yml", ".yaml", ".rules")) and any(word in base for word in ("prometheus", "alert", "rules")),
        (b"expr:", b"scrape_configs:", b"rule_files:"),
        (b"expr:", b"_configs:", b"rule_files:"),
    ),
    Format("grafana", lambda base: base.endswith(".json") and ("dashboard" in base or "grafana" in base), (b'"expr"',), (b"expr",)),
    Format("cargo", lambda base: base in ("Cargo.toml", "Cargo.lock")),
)
"""Every format, by name and by what its files are called; the first that matches a name is taken."""

_NOT_ENV = (".py", ".js", ".ts", ".rb", ".go", ".sh", ".md", ".yml", ".yaml", ".json", ".php", ".rs", ".d.ts", ".txt", ".html")


def format_of(path: str) -> str | None:
    """The format a path is read as, going by its name alone; None when it is none of ours."""
    base = path.rpartition("/")[2]
    for one in FORMATS:
        if one.matches(base):
            return None if one.name == "dotenv" and (base == "env" or base.endswith(_NOT_ENV)) else one.name
    return None


_FPM_POOL = lazy(r"^[ \t]*(?:pm|pm\.\w+|request_terminate_timeout)[ \t]*=", re.MULTILINE)


def format_in(source: Source) -> str | None:
    """The format of a text: by its path, or by what only php-fpm reads where a pool's file is called something else."""
    named = format_of(source.path)
    if named is None and source.path.endswith(".conf") and _FPM_POOL.search(source.text):
        return "php-fpm"
    return named


def needles(name: str) -> tuple[bytes, ...]:
    """The byte strings of which a file of that format must hold one to be worth parsing."""
    return next(one.needles for one in FORMATS if one.name == name)


def byte_filter(name: str) -> Callable[[bytes], bool]:
    """A test of a file's bytes: whether a file of this format with these is worth parsing."""
    _, _, needles, hints = next(one for one in FORMATS if one.name == name)

    def is_worth(data: bytes) -> bool:
        for hint in hints:
            if hint in data:
                return any(needle in data for needle in needles)
        return False

    return is_worth
