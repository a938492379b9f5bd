"""Small stacks that the tests of the budget share, and their budgets."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from polint import budget, config, discover, lint
from polint.budgets import Budget, budgets
from polint.model.project import Project
from polint.source import Source

POOL = "let pool = PgPoolOptions::new().max_connections({}).connect(&url).await?;\n"
START_FIRST = ", update_config: {order: start-first, parallelism: %s}"
URL = "environment: {DATABASE_URL: 'postgres://app@db/app'}"
POOLED = """\
  pgbouncer:
    image: edoburu/pgbouncer:v1.23.1-p2
    volumes: ["./pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini", "./userlist.txt:/etc/pgbouncer/userlist.txt"]
  web:
    build: ./web
    environment: {DATABASE_URL: 'postgres://app@pgbouncer:6432/app'}
"""
PGBOUNCER_INI = """\
[databases]
app = host=db dbname=app
[pgbouncer]
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/userlist.txt
default_pool_size = 20
"""


def stack(services: Mapping[str, tuple[int, int, str]], more: str = "", limit: str = "100") -> dict[str, str]:
    """A compose file with a server ``db`` and services by (pool, replicas, the rest of ``deploy``), and their sources."""
    lines = ["services:", "  db:", "    image: postgres:16", f"    command: postgres -c max_connections={limit}"]
    files = {}
    for name, (pool, replicas, rest) in services.items():
        lines += [f"  {name}:", f"    build: ./{name}", f"    {URL}", f"    deploy: {{replicas: {replicas}{rest}}}"]
        files[f"{name}/src/main.rs"] = POOL.format(pool)
    return {"compose.yaml": "\n".join(lines) + "\n" + more, **files}


def pooled() -> dict[str, str]:
    """A service ``api`` that connects itself, and ``web`` behind a PgBouncer."""
    files = stack({"api": (5, 1, "")}, POOLED)
    return {**files, "web/src/main.rs": POOL.format(30), "pgbouncer.ini": PGBOUNCER_INI, "userlist.txt": '"app" "x"\n'}


def project(files: Mapping[str, str], toml: str = "", assumed: Sequence[str] = ()) -> Project:
    texts = {path: text.encode() for path, text in files.items()}
    settings = config.parse(Source("polint.toml", textwrap.dedent(toml))) if toml else config.Config()
    return lint.project_of(discover.Files("", (), texts), settings, assumed)


def found(files: Mapping[str, str], toml: str = "", assumed: Sequence[str] = ()) -> list[Budget]:
    return budgets(budget.servers(project(files, toml, assumed)))


def said(files: Mapping[str, str], toml: str = "", assumed: Sequence[str] = ()) -> list[tuple[str, int, int | None, str]]:
    """(name, at least, at most, verdict) of every scenario of the only server."""
    (one,) = found(files, toml, assumed)
    return [(scenario.name, scenario.at_least, scenario.at_most, scenario.verdict) for scenario in one.scenarios]
