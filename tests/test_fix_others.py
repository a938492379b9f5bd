"""What a fix must not touch because somebody else relies on it, and the guard that looks at every rule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from polint import edits, fixer, lint, mend
from polint.config import Config
from polint.diagnostic import Diagnostic, Edit, Fix
from polint.source import Source

HEALTH = "    healthcheck: {test: [CMD, pg_isready], interval: 5s}\n"
LIMITED = "    command: postgres -c idle_in_transaction_session_timeout=60s\n"
DB = f"  db:\n    image: postgres:16\n{LIMITED}    environment: {{POSTGRES_PASSWORD: x}}\n{HEALTH}"
CARGO = '[package]\nname = "app"\nversion = "0.1.0"\n[dependencies]\nsqlx = { version = "0.8", features = ["postgres"] }\n'


def mended(root: Path, files: dict[str, str], *, unsafe: bool = False) -> dict[str, str]:
    """What fixing makes of the files that it changes."""
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode())
    outcome = fixer.run(lambda overlay: lint.run(str(root), Config(), overlay=overlay).active, unsafe=unsafe)
    return {path: change.after.decode() for path, change in outcome.changes.items()}


def rust(body: str) -> dict[str, str]:
    main = "use sqlx::postgres::PgPoolOptions;\nuse std::time::Duration;\n#[tokio::main]\nasync fn main() {\n" + body + "}\n"
    return {"app/Cargo.toml": CARGO, "app/src/main.rs": main}


# --- a URL gets longer ------------------------------------------------------------------------

POOL = """    let pool = PgPoolOptions::new().max_connections(5).acquire_timeout(Duration::from_secs(4)).connect(&url).await.unwrap();
    pool.close().await;
"""
READ = '    let url = std::env::var("DATABASE_URL").unwrap();\n'


def named(command: str = "") -> str:
    other = '  web:\n    image: php:8.3-fpm\n    environment: {DATABASE_URL: "pgsql://web@db/d"}\n    volumes: ["./web:/app"]\n'
    url = "    environment:\n      DATABASE_URL: postgres://app@db:5432/d\n"
    return f"services:\n{DB}{other}  app:\n    build: ./app\n{command}{url}"


@pytest.mark.parametrize(
    ("body", "command", "more", "safe"),
    [
        (READ, "", {}, True),
        ('    let base = std::env::var("DATABASE_URL").unwrap();\n    let url = format!("{}?sslmode=disable", base);\n', "", {}, False),
        (READ + '    let other = url.clone() + "_test";\n', "", {}, False),
        (READ, "    command: sh -c 'psql $${DATABASE_URL}_test -c \"select 1\" && app'\n", {}, False),
        (READ, "", {"backup.sh": '#!/bin/sh\npsql -d "${DATABASE_URL##*/}"\n'}, False),
        (READ, "", {"backup.sh": '#!/bin/sh\npg_dump "$DATABASE_URL" > dump\n'}, True),
    ],
)
def test_a_url_is_named_where_all_take_it_whole(tmp_path: Path, body: str, command: str, more: dict[str, str], safe: bool) -> None:
    web = {"web/index.php": "<?php\n$p = new PDO('pgsql:host=db;application_name=web', 'u', 'p', [PDO::ATTR_TIMEOUT => 5]);\n"}
    made = mended(tmp_path, {"compose.yaml": named(command), **rust(body + POOL), **web, **more})
    assert ("d?application_name=app" in made.get("compose.yaml", "")) is safe


def test_a_url_that_ends_in_a_joint_gets_no_second_one() -> None:
    from polint.spelling import with_parameter

    assert with_parameter("postgres://db/d?a=b&", "c", "d") == "postgres://db/d?a=b&c=d"
    assert with_parameter("postgres://db/d?", "c", "d") == "postgres://db/d?c=d"


# --- variables and anchors with other readers -------------------------------------------------


def kept(minimum: str, after: str = "") -> dict[str, str]:
    read = READ + '    let m: u32 = std::env::var("DB_MIN_CONNECTIONS").unwrap().parse().unwrap();\n'
    pool = "    PgPoolOptions::new().max_connections(5).min_connections(m).acquire_timeout(Duration::from_secs(4)).connect(&url).await;\n"
    app = f"  app:\n    build: ./app\n    environment:\n      DATABASE_URL: postgres://app@db/d\n      DB_MIN_CONNECTIONS: {minimum}\n"
    return {"compose.yaml": f"services:\n{DB}{app}", **rust(read + pool + after)}


def test_a_minimum_is_lowered_where_it_means_only_that(tmp_path: Path) -> None:
    assert "DB_MIN_CONNECTIONS: 5\n" in mended(tmp_path, kept("9"))["compose.yaml"]


@pytest.mark.parametrize(("minimum", "after"), [("&m 9\n      WORKERS: *m", ""), ("9", "    spawn(m);\n")])
def test_a_minimum_stays_where_it_means_something_else_too(tmp_path: Path, minimum: str, after: str) -> None:
    assert mended(tmp_path, kept(minimum, after)) == {}


# --- php-fpm's mode, PostgreSQL's optional files ----------------------------------------------

WWW = "[www]\npm = static\npm.max_children = 5\npm.start_servers = 2\nrequest_terminate_timeout = 30s\n"
FPM = {"compose.yaml": "services:\n  web:\n    build: .\n", "www.conf": WWW}
FROM = "FROM php:8.3-fpm\nCOPY www.conf /usr/local/etc/php-fpm.d/www.conf\n"


@pytest.mark.parametrize(
    ("more", "goes"),
    [
        ({"Dockerfile": FROM}, True),
        ({"Dockerfile": FROM + "RUN sed -i 's/pm = static/pm = dynamic/' /usr/local/etc/php-fpm.d/www.conf\n"}, False),
        ({"Dockerfile": FROM, "run.sh": '#!/bin/sh\nsed -i "s/^pm = .*/pm = $PM/" /usr/local/etc/php-fpm.d/www.conf\n'}, False),
    ],
)
def test_what_another_mode_reads_stays_where_something_may_switch_it(tmp_path: Path, more: dict[str, str], goes: bool) -> None:
    assert ("www.conf" in mended(tmp_path, FPM | more)) is goes


@pytest.mark.parametrize(("include", "goes"), [("include", True), ("include_if_exists", False)])
def test_a_setting_stays_as_what_holds_without_an_optional_file(tmp_path: Path, include: str, goes: bool) -> None:
    volumes = '    volumes: ["./pg.conf:/etc/pg.conf", "./local.conf:/etc/local.conf"]\n'
    compose = "services:\n" + DB.replace(LIMITED, f"    command: postgres -c config_file=/etc/pg.conf\n{volumes}")
    conf = f"max_connections = 100\n{include} = 'local.conf'\nidle_in_transaction_session_timeout = 60s\n"
    made = mended(tmp_path, {"compose.yaml": compose, "pg.conf": conf, "local.conf": "max_connections = 200\n"})
    assert ("pg.conf" in made) is goes


def test_no_unit_is_written_against_the_comment_beside_it(tmp_path: Path) -> None:
    text = "statement_timeout = 30  # seconds\nlock_timeout = 5 # ms\n"
    assert mended(tmp_path, {"postgresql.conf": text})["postgresql.conf"] == text.replace("5 #", "5ms #")


# --- SQL in a shell ---------------------------------------------------------------------------


def test_a_number_with_a_unit_is_quoted_in_a_shell_where_that_can_be(tmp_path: Path) -> None:
    script = """#!/bin/sh
psql <<-EOSQL
	ALTER SYSTEM SET statement_timeout = 30;
EOSQL
psql -c "ALTER SYSTEM SET lock_timeout = 5"
psql -c 'ALTER SYSTEM SET transaction_timeout = 32'
psql -c '
ALTER SYSTEM SET max_standby_streaming_delay = 300'
"""
    volumes = '    volumes: ["./sql:/docker-entrypoint-initdb.d"]\n'
    made = mended(tmp_path, {"compose.yaml": f"services:\n{DB}{volumes}", "sql/a.sh": script})
    assert made["sql/a.sh"] == script.replace("= 30;", "= '30ms';").replace('= 5"', "= '5ms'\"")


# --- PHP --------------------------------------------------------------------------------------


def added(text: str) -> str:
    source = Source("config/database.php", text)
    at = text.index("'pgsql'")
    edit = edits.inserted(source.span(at, at + 7), "application_name", "web")
    assert edit is not None
    return fixer.splice(source, [edit])


def test_a_comment_behind_the_last_element_stays_there() -> None:
    text = "<?php\nreturn ['connections' => [\n    'pgsql' => [\n        'a' => 1,\n        'b' => 2 // two\n    ],\n]];\n"
    assert added(text) == text.replace("2 // two\n", "2, // two\n        'application_name' => 'web',\n")
    ended = "<?php\nreturn ['connections' => [\n    'pgsql' => [\n        'a' => 1]\n]];\n"
    assert added(ended) == ended.replace("1]", "1,\n        'application_name' => 'web']")


def test_options_that_others_may_use_stay(tmp_path: Path) -> None:
    options = "$opts = [\n    PDO::ATTR_TIMEOUT => 5,\n    PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,\n];\n"
    held = "['driver' => 'pgsql', 'host' => env('DB_HOST'), 'options' => $opts]"
    assert mended(tmp_path, {"config/database.php": f"<?php\n{options}return ['connections' => ['pgsql' => {held}]];\n"}) == {}


# --- compose and Rust: idiom ------------------------------------------------------------------


def test_what_is_added_to_a_service_is_indented_as_the_file_is() -> None:
    text = "services:\n    db:\n        image: postgres:16\n"
    source = Source("compose.yaml", text)
    edit = edits.inserted(source.span(text.index("db:"), text.index("db:") + 2), "healthcheck", "pg_isready")
    assert edit is not None
    assert edit.replacement.startswith('        healthcheck:\n            test: ["CMD-SHELL", "pg_isready"]\n')


def test_an_argument_is_quoted_as_the_others_are() -> None:
    text = "services:\n  db:\n    image: postgres:16\n    command: ['postgres', '-c', 'fsync=off']\n"
    source = Source("compose.yaml", text)
    edit = edits.inserted(source.span(text.index("db:"), text.index("db:") + 2), "max_connections", 50)
    assert edit is not None
    assert edit.replacement == ", '-c', 'max_connections=50'"


def test_a_pool_with_the_old_name_of_a_setter_gets_no_second_one() -> None:
    text = "use sqlx::postgres::PgPoolOptions;\nfn a() { PgPoolOptions::new().connect_timeout(d).connect(u); }\n"
    source = Source("src/main.rs", text)
    at = text.index("PgPoolOptions::new()")
    assert edits.inserted(source.span(at, at + len("PgPoolOptions::new()")), "acquire_timeout", 5) is None


# --- the guard --------------------------------------------------------------------------------


def test_new_errors_are_looked_for_beyond_what_is_selected() -> None:
    source = Source("f", "abc\n")
    wish = Diagnostic("PO900", "n", "warning", "m", source.span(0, 1), subject="s")
    wish = wish._replace(mend=lambda: Fix("t", "safe", (Edit(source.span(0, 1), "A"),)))
    broken = Diagnostic("PO901", "o", "error", "m", source.span(0, 1), subject="s")

    def found(overlay: object) -> Sequence[Diagnostic]:
        return [] if overlay else [wish]

    assert fixer.run(found).changes
    outcome = fixer.run(found, guard=lambda overlay: [broken] if overlay else [])
    assert not outcome.changes
    assert [left.reason for left in outcome.left] == [fixer.BREAKS]
    assert fixer.run(found, guard=lambda overlay: [broken]).changes


def test_select_guards_with_every_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "postgresql.conf").write_text("work_mem = 4MB\nwork_mem = 8MB\n")
    guards: list[object] = []
    monkeypatch.setattr(fixer, "run", lambda report, *, unsafe, guard: guards.append(guard) or fixer.Outcome({}, (), (), 0))
    mend.fix((), root=str(tmp_path))
    mend.fix((), root=str(tmp_path), select=("conf-duplicate",))
    mend.fix((), root=str(tmp_path), ignore=("conf-duplicate",))
    assert [guard is not None for guard in guards] == [False, True, True]
