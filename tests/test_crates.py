"""Rust crates in the model: which one a service runs, and how much its pools come to together."""

from __future__ import annotations

import pytest

from polint import budget, config, discover, lint
from polint.formats import cargo
from polint.formats.rust import read_crate
from polint.model.client import Pool
from polint.model.crate_pools import other_libraries, together
from polint.model.crates import CrateSources
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
    assert most.reason == other_libraries([crate]) == "it connects with bb8, in a way that is not followed"


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


def pools(files: dict[str, str], url: str = "postgres://u@db/d") -> list[Pool]:
    texts = {"compose.yaml": COMPOSE.format(build="./app", command="[app]").replace("postgres://u@db/d", url), **files}
    return lint.project_of(discover.Files("", (), {path: text.encode() for path, text in texts.items()}), config.Config()).pools


DEADPOOL = (
    "use deadpool_postgres::{Config, Runtime};\nfn main() { let mut c = Config::new(); %s c.create_pool(Some(Runtime::Tokio1), NoTls); }"
)
R2D2 = (
    "use diesel::{r2d2::{ConnectionManager, Pool}, PgConnection};\n"
    "fn main() { Pool::builder()%s.build(ConnectionManager::<PgConnection>::new(u)); }"
)
SEAORM = (
    "use sea_orm::{ConnectOptions, Database};\nfn main() {"
    ' let mut o = ConnectOptions::new(std::env::var("DATABASE_URL").unwrap()); %s Database::connect(o); }'
)


@pytest.mark.parametrize(
    ("code", "maker", "facts"),
    [
        (DEADPOOL % "", "deadpool", ["max_size is unknown: deadpool takes it from the machine's CPUs", "min_connections = 0 (default)",
         "wait_timeout = never (default)", "idle_timeout = never (default)", "max_lifetime = never (default)"]),
        (R2D2 % ".max_size(7)", "r2d2", ["max_size = 7", "min_idle = 7 (default)", "connection_timeout = 30 s (default)",
         "idle_timeout = 10 min (default)", "max_lifetime = 30 min (default)"]),
        (R2D2 % ".min_idle(None)", "r2d2", ["max_size = 10 (default)", "min_idle = 10 (default)", "connection_timeout = 30 s (default)",
         "idle_timeout = 10 min (default)", "max_lifetime = 30 min (default)"]),
        (SEAORM % "o.connect_timeout(Duration::from_secs(8));", "SeaORM",
         ["max_connections = 10 (default)", "min_connections = 0 (default)", "connect_timeout = 8 s", "idle_timeout = 10 min (default)",
          "max_lifetime = 30 min (default)"]),
        (SEAORM % "o.connect_timeout(Duration::from_secs(8)).acquire_timeout(Duration::from_secs(5));", "SeaORM",
         ["max_connections = 10 (default)", "min_connections = 0 (default)", "acquire_timeout = 5 s", "idle_timeout = 10 min (default)",
          "max_lifetime = 30 min (default)"]),
    ],
)  # fmt: skip
def test_each_library_has_its_own_names_and_defaults(code: str, maker: str, facts: list[str]) -> None:
    (pool,) = pools({"app/src/main.rs": code})
    found = [pool.max_connections, pool.min_connections, pool.acquire_timeout, pool.idle_timeout, pool.max_lifetime]
    assert (pool.maker, [str(fact) for fact in found]) == (maker, facts)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (DEADPOOL % "c.pool = Some(PoolConfig::new(16));", "db: 16 of 97 connections (16 %)"),
        (DEADPOOL % "", "db: 97 usable connections, for clients of unknown size: app"),
        (R2D2 % "", "db: 10 of 97 connections (10 %)"),
        (SEAORM % "o.max_connections(40);", "db: 40 of 97 connections (41 %)"),
        (R2D2.replace("<PgConnection>", "<Either>") % "", "db: 97 usable connections, for clients of unknown size: app"),
        (R2D2.replace("<PgConnection>", "<MysqlConnection>") % "" + USE + POOL, "db: 50 of 97 connections (52 %)"),
    ],
)
def test_every_librarys_pool_counts(code: str, expected: str) -> None:
    assert summary({"app/src/main.rs": code.replace("deadpool_postgres::{", "deadpool_postgres::{PoolConfig, ")}) == expected


@pytest.mark.parametrize(
    ("url", "features", "found"),
    [
        ("postgres://u@db/d", '["sqlx-sqlite", "sqlx-postgres"]', 1),
        ("sqlite://file.db", '["sqlx-sqlite", "sqlx-postgres"]', 0),
        ("${ELSEWHERE}", '["sqlx-postgres", "runtime-tokio"]', 1),
        ("${ELSEWHERE}", '["sqlx-sqlite", "sqlx-postgres"]', 0),
        ("${ELSEWHERE}", '["sqlx-mysql"]', 0),
    ],
)
def test_seaorm_goes_by_its_url_else_by_its_only_driver(url: str, features: str, found: int) -> None:
    manifest = f'[package]\nname = "app"\n[dependencies]\nsea-orm = {{ version = "1", features = {features} }}\n'
    assert len(pools({"app/Cargo.toml": manifest, "app/src/main.rs": SEAORM % ""}, url)) == found


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('[dependencies]\nsea-orm = { version = "1", features = ["a", "b"] }', {"a", "b"}),
        ('[workspace.dependencies.sea-orm]\nfeatures = ["c"]\nversion = "1"', {"c"}),
        ('[dependencies]\nsea-orm = "1"', set()),
        ("[dependencies\n", set()),
    ],
)
def test_features(table: str, expected: set[str]) -> None:
    assert cargo.features(Source("Cargo.toml", table), ("sea-orm",)) == expected
