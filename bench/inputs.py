"""What ``python -m bench`` lints: the example, a large file of each format, and trees in which stacks lie among other code."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

EXAMPLE = Path(__file__).parent.parent / "examples" / "iss-tracker"
NOISE = {
    "rs": "/// Adds one row.\npub fn row_{n}(items: &[u64]) -> u64 {{\n    items.iter().filter(|x| **x > {n}).sum()\n}}\n" * 12,
    "php": "<?php\nfinal class Row{n}\n{{\n    public function sum(array $rows): int {{ return array_sum($rows) + {n}; }}\n}}\n",
    "md": "# Notes {n}\n\nA row of the report waits for its lock.\n" * 20,
    "yaml": "kind: ConfigMap\nmetadata:\n  name: row-{n}\ndata:\n  limit: '{n}'\n",
    "js": "export const row{n} = (rows) => rows.filter((row) => row.id > {n});\n" * 30,
}
LARGE = 2_000_000  # bytes of a large file


class Big(NamedTuple):
    """A large file at ``path`` of a small stack: ``first``, then ``again`` with its number for ``@`` until it is LARGE, then ``last``.

    ``peers`` are the programs that read such a file.
    """

    path: str
    first: str
    again: str
    last: str = ""
    peers: tuple[str, ...] = ()


_SERVER = """\
services:
  db:
    image: postgres:16
    command: postgres -c config_file=/etc/postgresql/postgresql.conf
    environment:
      POSTGRES_PASSWORD: ${DB_PASSWORD}
    volumes:
      - ./postgresql.conf:/etc/postgresql/postgresql.conf
      - ./init:/docker-entrypoint-initdb.d
  pgbouncer:
    image: edoburu/pgbouncer
    volumes:
      - ./pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini
  api:
    build: ./api
    env_file: .env
    environment:
      DATABASE_URL: postgres://app:${DB_PASSWORD}@db:5432/app
  php:
    build: ./php
    environment:
      DB_CONNECTION: pgsql
      DB_HOST: db
      DB_PASSWORD: ${DB_PASSWORD}
    volumes:
      - ./php/www.conf:/usr/local/etc/php-fpm.d/www.conf
"""
_STACK = {
    "docker-compose.yml": _SERVER,
    ".env": "DB_PASSWORD=\n",
    "api/Cargo.toml": '[package]\nname = "api"\nversion = "0.1.0"\n\n[dependencies]\nsqlx = { version = "0.8", features = ["postgres"] }\n',
    "api/Dockerfile": "FROM rust:1\nCOPY . /app\n",
    "php/Dockerfile": "FROM php:8.3-fpm\nCOPY . /var/www/html\n",
}
BIG = {
    "compose": Big(
        "docker-compose.yml",
        _SERVER,
        "  job@:\n    image: api:1\n    environment:\n      LEVEL: ${LEVEL:-info}\n",
        peers=("yamllint", "ast-grep"),
    ),
    ".env": Big(".env", "DB_PASSWORD=\n", "# what row @ is called\nROW_@=${DB_PASSWORD}-row-@\n"),
    "postgresql.conf": Big("postgresql.conf", "max_connections = 100\n", "# row @\napp.row_@ = 'a row'   # and why\n"),
    "php-fpm": Big("php/www.conf", "[www]\npm = static\npm.max_children = 20\n", "; row @\nenv[ROW_@] = a row\n"),
    "pgbouncer": Big(
        "pgbouncer.ini",
        "[pgbouncer]\npool_mode = transaction\n[databases]\n",
        "; row @\nrow_@ = host=db port=5432 dbname=row_@ pool_size=1\n",
    ),
    "sql": Big("init/10.sql", "CREATE ROLE app LOGIN CONNECTION LIMIT 50;\n", "INSERT INTO rows (id, name) VALUES (@, 'row @');\n"),
    "rust": Big(
        "api/src/main.rs",
        "use sqlx::postgres::PgPoolOptions;\n",
        NOISE["rs"].format(n="@").partition("}\n")[0] + "}\n",
        'fn main() {\n    let _ = PgPoolOptions::new().max_connections(5).connect(&std::env::var("DATABASE_URL").unwrap());\n}\n',
        ("ast-grep",),
    ),
    "php": Big(
        "php/config/database.php",
        "<?php\n",
        "function row_@(array $rows): int { return array_sum($rows) + @; }\n",
        "return ['default' => 'pgsql', 'connections' => ['pgsql' => ['driver' => 'pgsql', 'host' => env('DB_HOST')]]];\n",
        ("ast-grep",),
    ),
}


def write_example(root: Path) -> None:
    """The example alone."""
    shutil.copytree(EXAMPLE, root)


def write_without_sql(root: Path) -> None:
    """The example without its SQL, whose parser alone takes as long to load as all that is left to do."""
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns("*.sql"))


def write_small(root: Path) -> None:
    """Three files of the example: a commit in a hook."""
    for name in (".env", "docker-compose.yml", "postgres/postgresql.conf"):
        _write(root / name, (EXAMPLE / name).read_text("utf-8"))


def write_big(root: Path, name: str) -> None:
    """A small stack with one large file."""
    big = BIG[name]
    _write(root / big.path, big.first + "".join(_repeated(big.again, LARGE)) + big.last)
    for path, text in _STACK.items():
        if path != big.path:
            _write(root / path, text)


def _repeated(text: str, size: int) -> Iterator[str]:
    written = 0
    for number in count():
        part = text.replace("@", str(number))
        written += len(part)
        if written > size:
            return
        yield part


def write_tree(root: Path, stacks: int, files: int) -> None:
    """The example ``stacks`` times over, among ``files`` others that hold no pool."""
    for number in range(stacks):
        shutil.copytree(EXAMPLE, root / "stacks" / f"stack-{number:04}")
    kinds = list(NOISE)
    for number in range(files):
        kind = kinds[number % len(kinds)]
        _write(root / "code" / f"part-{number // 50:04}" / f"row_{number}.{kind}", NOISE[kind].format(n=number))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
