"""Rust crates in the model: which one a service runs, and how much its pools come to together."""

from __future__ import annotations

import pytest

from polint import budget, config, discover, lint
from polint.formats.rust import read_crate
from polint.model.crates import CrateSources, other_libraries, together
from polint.source import Source

USE = "use sqlx::postgres::{PgPool, PgPoolOptions};\n"
POOL = "async fn pool() { PgPoolOptions::new().max_connections(50).connect(&url).await }\n"
COMPOSE = """\
services:
  db:
    image: postgres:16
  app:
    build: {build}
    command: {command}
    environment: {{DATABASE_URL: "postgres://u@db/d"}}
"""


def summary(files: dict[str, str], build: str = "./app", command: str = "[app]") -> str:
    texts = {"compose.yaml": COMPOSE.format(build=build, command=command), **files}
    project = lint.project_of(discover.Files("", (), {path: text.encode() for path, text in texts.items()}), config.Config())
    found = budget.servers(project)
    assert len(found) == 1
    return budget.summary(found[0], budget.name_of(found[0], found))


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        ("async fn main() { pool().await; }", "db: 50 of 97 connections (52 %)"),
        ("async fn main() { pool().await; pool().await; }", "db: 100 of 97 connections (103 %)"),
        ("async fn main() { if x { pool().await; } else { pool().await; } }", "db: 50 of 97 connections (52 %)"),
    ],
)
def test_a_pool_counts_as_often_as_it_is_built(main: str, expected: str) -> None:
    assert summary({"app/src/main.rs": USE + POOL + main}) == expected


def test_a_pool_built_in_a_loop_has_no_bound() -> None:
    main = "async fn main() { for i in 0..9 { v.push(pool().await); } }"
    texts = {"compose.yaml": COMPOSE.format(build="./app", command="[app]"), "app/src/main.rs": USE + POOL + main}
    project = lint.project_of(discover.Files("", (), {path: text.encode() for path, text in texts.items()}), config.Config())
    (server,) = budget.servers(project)
    (consumer,) = server.consumers
    assert consumer.pool.value == 50
    assert consumer.highest is not None
    assert consumer.highest.reason == "its pool is built in a loop"


def test_single_connections_and_other_libraries_count() -> None:
    crate = CrateSources("app", "app")
    crate.crate = read_crate([Source("app/src/main.rs", "fn main() { PgListener::connect(U).await; PgConnection::connect(U).await; }")])
    least, most = together([], [crate])
    assert (least.value, most) == (2, None)
    crate.crate = read_crate([Source("app/src/main.rs", "fn main() { PgListener::connect(U).await; bb8_postgres::x(); }")])
    least, most = together([], [crate])
    assert least.value == 1
    assert most is not None
    assert most.reason == other_libraries([crate]) == "it connects with bb8, which is not read"


@pytest.mark.parametrize("command", ["[api]", "api", "/usr/local/bin/api", "./api", "target/release/api --port 1", "sh -c 'exec api'"])
def test_a_program_is_the_same_by_any_path(command: str) -> None:
    files = {}
    for name, size in (("api", 30), ("worker", 70)):
        files[f"{name}/Cargo.toml"] = f'[package]\nname = "{name}"\n'
        files[f"{name}/src/main.rs"] = USE + POOL.replace("50", str(size)) + "async fn main() { pool().await; }"
    assert summary(files, ".", command) == "db: 30 of 97 connections (31 %)"


def test_a_program_named_by_bin() -> None:
    files = {"one/Cargo.toml": '[package]\nname = "one"\n[[bin]]\nname = "serve"\npath = "src/main.rs"\n', "two/Cargo.toml": "[package]\n"}
    files |= {f"{name}/src/main.rs": USE + POOL + "async fn main() { pool().await; }" for name in ("one", "two")}
    assert summary(files, ".", "[serve]") == "db: 50 of 97 connections (52 %)"
