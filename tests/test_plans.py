"""Plans for over-committed servers: their numbers, what they write in every file, and that the result holds."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import polint

EXAMPLE = Path(__file__).parent.parent / "examples" / "iss-tracker-fixed"

MAIN = """\
use sqlx::postgres::PgPoolOptions;
use std::time::Duration;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::var("DATABASE_URL")?;
    let pool = PgPoolOptions::new()
        .max_connections(SIZE)
        .min_connections(2)
        .acquire_timeout(Duration::from_secs(5))
        .connect(&url)
        .await?;
    serve(&pool).await?;
    pool.close().await;
    Ok(())
}
"""
FROM_ENV = 'std::env::var("POOL_SIZE")?.parse()?'


def put(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def texts(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def fix(root: Path, *arguments: str) -> tuple[int, list[str], str]:
    code, out, errors = polint("fix", "--root", str(root), *arguments, str(root))
    return code, out.splitlines(), errors


def planned(root: Path, plan: str) -> str:
    """What ``polint fix`` says of a plan."""
    return next(line for line in fix(root, "--check")[1] if line.startswith((f"  {plan}:", f"  no {plan}:")))


def carried_out(root: Path, plan: str) -> dict[str, tuple[list[str], list[str]]]:
    """What the plan changes: path -> (lines that went, lines that came); afterwards the server has enough, and no plan is left."""
    before = texts(root)
    code, out, errors = fix(root, "--unsafe", "--plan", plan)
    assert (code, errors) == (0, ""), out
    after = texts(root)
    assert "plans:" not in "\n".join(fix(root, "--check")[1])
    assert fix(root, "--unsafe", "--plan", plan)[1] == ["no server is over its budget"]
    found = {}
    for path, text in after.items():
        if before[path] != text:
            old, new = before[path].splitlines(), text.splitlines()
            found[path] = ([line for line in old if line not in new], [line for line in new if line not in old])
    return found


def errors_of(root: Path) -> list[str]:
    _, out, _ = polint("lint", "--format", "concise", "--root", str(root), str(root))
    return [line for line in out.splitlines() if " error" in line or "error[" in line]


@pytest.fixture
def tracker(tmp_path: Path) -> Path:
    root = tmp_path / "tracker"
    shutil.copytree(EXAMPLE, root)
    (root / "expected.txt").unlink()
    compose = root / "docker-compose.yml"
    compose.write_text(compose.read_text().replace("replicas: 3", "replicas: 10"))
    return root


def test_alternatives_are_listed_with_their_numbers(tracker: Path) -> None:
    _, out, _ = fix(tracker)
    assert out[:4] == [
        "nothing to fix",
        "postgres: 120 of 97 connections; plans:",
        "  shrink: rust-iss 10 -> 6, php-web 20 -> 13: 73 of 97 connections",
        "  raise: max_connections 100 -> 200: 120 of 197 connections; about +1.5 GB memory when all are busy, and it takes a restart",
    ]
    assert out[-1] == "  polint fix --plan NAME --unsafe"
    assert fix(tracker, "--ignore", "PO101")[1] == ["nothing to fix"]


def test_shrinking_changes_each_value_where_it_is_decided(tracker: Path) -> None:
    assert carried_out(tracker, "shrink") == {
        ".env": (["DB_MAX_CONNECTIONS=10"], ["DB_MAX_CONNECTIONS=6"]),
        "services/php-web/php-fpm.conf": (["pm.max_children = 20"], ["pm.max_children = 13"]),
    }
    assert errors_of(tracker) == []


def test_raising_changes_the_configuration_that_the_server_reads(tracker: Path) -> None:
    changes = carried_out(tracker, "raise")
    assert list(changes) == ["postgres/postgresql.conf"]
    gone, come = changes["postgres/postgresql.conf"]
    assert gone == ["max_connections = 100                    # every client of every service together"]
    assert come == ["max_connections = 200                    # every client of every service together"]


def test_a_plan_needs_consent(tracker: Path) -> None:
    before = texts(tracker)
    code, _, errors = fix(tracker, "--plan", "shrink")
    assert (code, errors) == (2, "polint: --plan changes behaviour: it goes with --unsafe; see polint fix --help\n")
    code, out, _ = fix(tracker, "--plan", "raise", "--unsafe", "--check")
    assert (code, out[0]) == (1, "would fix postgres/postgresql.conf")
    assert "+DB_MAX_CONNECTIONS=6" in fix(tracker, "--plan", "shrink", "--unsafe", "--diff")[1]
    assert texts(tracker) == before


LITERALS = {
    "compose.yaml": """\
services:
  api:
    build: ./api
    environment:
      DATABASE_URL: postgres://app@db/app
    deploy: {replicas: 4}
  web:
    image: php:8.3-fpm
    environment: {DB_HOST: db}
    volumes: ["./web:/app", "./web/zz.conf:/usr/local/etc/php-fpm.d/zz.conf:ro"]
  db:
    image: postgres:16
    command: postgres -c max_connections=50
""",
    "api/Cargo.toml": '[package]\nname = "api"\n[dependencies]\nsqlx = "0.8"\n',
    "api/src/main.rs": MAIN.replace("SIZE", "20"),
    "web/zz.conf": """\
[www]
pm = dynamic
pm.max_children = 40
pm.start_servers = 4
pm.min_spare_servers = 2
pm.max_spare_servers = 30
""",
}


def test_spare_servers_stay_within_the_workers(tmp_path: Path) -> None:
    root = put(tmp_path, LITERALS)
    assert planned(root, "shrink") == "  shrink: api 20 -> 6, web 40 -> 13: 37 of 47 connections"
    assert carried_out(root, "shrink") == {
        "api/src/main.rs": (["        .max_connections(20)"], ["        .max_connections(6)"]),
        "web/zz.conf": (
            ["pm.max_children = 40", "pm.max_spare_servers = 30"],
            ["pm.max_children = 13", "pm.max_spare_servers = 13"],
        ),
    }
    assert errors_of(root) == []


def test_no_pool_goes_below_what_it_keeps_open(tmp_path: Path) -> None:
    files = {path: text.replace("max_connections=50", "max_connections=25") for path, text in LITERALS.items()}
    files["web/zz.conf"] = files["web/zz.conf"].replace("start_servers = 4", "start_servers = 8")
    root = put(tmp_path, files)
    assert planned(root, "shrink") == "  shrink: api 20 -> 2, web 40 -> 8: 16 of 22 connections"
    assert carried_out(root, "shrink")["web/zz.conf"][1] == ["pm.max_children = 8", "pm.max_spare_servers = 8"]


def test_shrinking_leaves_room_unless_minimums_forbid_it(tmp_path: Path) -> None:
    roomy = put(tmp_path / "roomy", LITERALS)
    carried_out(roomy, "shrink")
    assert polint("lint", "--select", "PO101,PO102", "--quiet", "--root", str(roomy), str(roomy))[:2] == (0, "")
    files = {path: text.replace("max_connections=50", "max_connections=22") for path, text in LITERALS.items()}
    files["web/zz.conf"] = files["web/zz.conf"].replace("start_servers = 4", "start_servers = 8")
    tight = put(tmp_path / "tight", files)
    assert planned(tight, "shrink") == "  shrink: api 20 -> 2, web 40 -> 8: 16 of 19 connections"


def test_a_limit_on_the_command_line_is_raised_there(tmp_path: Path) -> None:
    root = put(tmp_path, LITERALS)
    assert carried_out(root, "raise") == {
        "compose.yaml": (["    command: postgres -c max_connections=50"], ["    command: postgres -c max_connections=200"])
    }


def test_what_nobody_wrote_is_written_down(tmp_path: Path) -> None:
    files = {**LITERALS, "api/src/main.rs": MAIN.replace("        .max_connections(SIZE)\n", "")}
    files["compose.yaml"] = files["compose.yaml"].replace("    command: postgres -c max_connections=50\n", "").replace("4}", "8}")
    root = put(tmp_path, files)
    assert planned(root, "shrink") == "  shrink: api 10 -> 6, web 40 -> 27: 75 of 97 connections"
    come = carried_out(root, "shrink")["api/src/main.rs"][1]
    assert [line.strip() for line in come] == [".max_connections(6)"]


def test_a_default_limit_is_raised_beside_the_server(tmp_path: Path) -> None:
    files = {path: text.replace("    command: postgres -c max_connections=50\n", "") for path, text in LITERALS.items()}
    files["compose.yaml"] = files["compose.yaml"].replace("4}", "6}")
    root = put(tmp_path, files)
    assert carried_out(root, "raise") == {"compose.yaml": ([], ['    command: ["postgres", "-c", "max_connections=300"]'])}


SHARED = {
    ".env": "POOL_SIZE=30  # of both\n",
    "compose.yaml": """\
services:
  api:
    build: ./api
    env_file: .env
    environment:
      DATABASE_URL: postgres://app@db/app
    deploy: {replicas: 2}
  worker:
    build: ./worker
    env_file: .env
    environment:
      DATABASE_URL: postgres://app@db/app
  db:
    image: postgres:16
    command: -c max_connections=60 -c reserved_connections=2
""",
    "api/src/main.rs": MAIN.replace("SIZE", FROM_ENV),
    "worker/src/main.rs": MAIN.replace("SIZE", FROM_ENV).replace("min_connections(2)", "min_connections(5)"),
    "api/Cargo.toml": '[package]\nname = "api"\n[dependencies]\nsqlx = "0.8"\n',
    "worker/Cargo.toml": '[package]\nname = "worker"\n[dependencies]\nsqlx = "0.8"\n',
}


def test_a_value_of_two_services_changes_once(tmp_path: Path) -> None:
    root = put(tmp_path, SHARED)
    assert planned(root, "shrink") == "  shrink: api and worker 30 -> 14: 42 of 55 connections"
    assert carried_out(root, "shrink") == {".env": (["POOL_SIZE=30  # of both"], ["POOL_SIZE=14  # of both"])}


def test_the_most_careful_of_them_decides_how_far_it_goes(tmp_path: Path) -> None:
    files = {**SHARED, "compose.yaml": SHARED["compose.yaml"].replace("max_connections=60", "max_connections=20")}
    root = put(tmp_path, files)
    assert planned(root, "shrink") == (
        "  no shrink: it cannot fit: with each pool at its least there are 15 of 15 connections, and 3 are to spare"
    )
    code, _, errors = fix(root, "--plan", "shrink", "--unsafe")
    assert (code, errors) == (
        2,
        "polint: compose.yaml:15:33: no shrink: it cannot fit: with each pool at its least there are 15 of 15 connections, "
        "and 3 are to spare; nothing was written\n",
    )
    assert texts(root) == files


def test_what_cannot_be_changed_counts_as_it_is(tmp_path: Path) -> None:
    files = {**SHARED, "polint.toml": "[services.worker]\npool = 30\n"}
    root = put(tmp_path, files)
    assert planned(root, "shrink") == "  shrink: api 30 -> 7: 44 of 55 connections"


def test_nothing_is_changed_where_no_server_is_short(tmp_path: Path) -> None:
    files = {**SHARED, ".env": "POOL_SIZE=10\n"}
    root = put(tmp_path, files)
    assert fix(root, "--plan", "shrink", "--unsafe")[:2] == (0, ["no server is over its budget"])
    assert texts(root) == files


def test_a_server_that_is_over_its_budget_unreported_is_not_denied(tmp_path: Path) -> None:
    compose = LITERALS["compose.yaml"].replace("connections=50", "connections=50  # polint: ignore[PO101] half of them sleep")
    root = put(tmp_path, {**LITERALS, "compose.yaml": compose})
    assert fix(root, "--plan", "shrink", "--unsafe")[:2] == (0, ["nothing to fix"])


# --- PgBouncer in between ------------------------------------------------------------------


def test_pgbouncer_comes_in_between_and_nothing_is_reported_then(tracker: Path) -> None:
    before = texts(tracker)
    assert fix(tracker)[1][4] == "  pooler: PgBouncer with 20 server connections for 120 client connections: 20 of 97 connections"
    changes = carried_out(tracker, "pooler")
    assert set(changes) == {".env", "docker-compose.yml", "services/php-web/laravel-patches/config/database.php"}
    assert changes[".env"] == (
        ["DATABASE_URL=postgresql://iss_user:secret@postgres:5432/iss_tracker?application_name=rust-iss", "DB_HOST=postgres"],
        ["DATABASE_URL=postgresql://iss_user:secret@pgbouncer:5432/iss_tracker?application_name=rust-iss", "DB_HOST=pgbouncer"],
    )
    assert changes["services/php-web/laravel-patches/config/database.php"][1] == [
        "                PDO::PGSQL_ATTR_DISABLE_PREPARES => true,"
    ]
    service = """
  pgbouncer:
    image: edoburu/pgbouncer:v1.25.2-p0
    environment:
      DB_HOST: postgres
      DB_NAME: iss_tracker
      DB_USER: iss_user
      DB_PASSWORD: ${DB_PASSWORD}
      AUTH_TYPE: scram-sha-256
      POOL_MODE: transaction
      DEFAULT_POOL_SIZE: 20
      MAX_DB_CONNECTIONS: 20
      MAX_CLIENT_CONN: 200
      QUERY_WAIT_TIMEOUT: 4
      MAX_PREPARED_STATEMENTS: 200
      IGNORE_STARTUP_PARAMETERS: extra_float_digits
    # SIGTERM would wait until every client has left
    stop_signal: SIGINT
    healthcheck:
      test: ["CMD", "pg_isready", "-h", "localhost", "-p", "5432"]
      interval: 5s
    depends_on:
      postgres:
        condition: service_healthy
"""
    compose = before["docker-compose.yml"]
    compose = compose.replace("      postgres:\n        condition", "      pgbouncer:\n        condition")
    compose = compose.replace("\n\nvolumes:\n", "\n" + service + "\nvolumes:\n")
    assert (tracker / "docker-compose.yml").read_text() == compose
    assert polint("lint", "--quiet", "--root", str(tracker), str(tracker))[:2] == (0, "")


POOLED = {
    ".env": "APP_PASSWORD=kept-elsewhere\n",
    "compose.yaml": """\
services:
  api:
    build: ./api
    networks: [back]
    environment:
      DATABASE_URL: postgres://app:${APP_PASSWORD}@db:5433/shop
    depends_on: [db]
    deploy: {replicas: 6}
  db:
    image: postgres:16
    networks: [back]
    command: ["postgres", "-c", "port=5433"]
networks: {back: {}}
""",
    "api/Cargo.toml": '[package]\nname = "api"\n[dependencies]\nsqlx = "0.8"\n',
    "api/src/main.rs": MAIN.replace("SIZE", "50"),
}


def test_the_pooler_listens_where_the_server_did(tmp_path: Path) -> None:
    root = put(tmp_path, POOLED)
    gone, come = carried_out(root, "pooler")["compose.yaml"]
    assert gone == ["      DATABASE_URL: postgres://app:${APP_PASSWORD}@db:5433/shop", "    depends_on: [db]"]
    assert come[:2] == ["      DATABASE_URL: postgres://app:${APP_PASSWORD}@pgbouncer:5433/shop", "    depends_on: [pgbouncer]"]
    assert {"      DB_PORT: 5433", "      LISTEN_PORT: 5433", "      DB_PASSWORD: ${APP_PASSWORD}", "      MAX_CLIENT_CONN: 400"} <= set(
        come
    )
    assert (root / "compose.yaml").read_text().endswith("        condition: service_started\n    networks: [back]\nnetworks: {back: {}}\n")
    assert errors_of(root) == []


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        ("compose.yaml", "@db:5433", "@${DB_HOST}:5433", "api does not connect by the server's name"),
        (
            "compose.yaml",
            "  db:\n    image",
            "  reports:\n    image: example.test/reports:1\n    networks: [back]\n"
            "    environment: {DATABASE_URL: 'postgres://reports:x@db:5433/shop'}\n  db:\n    image",
            "the roles of api, reports differ or are not known, and PgBouncer needs the password of each",
        ),
        ("compose.yaml", "@db:5433", "@db", "the server listens on port 5433, and that api connects there is not certain"),
        ("compose.yaml", "app:${APP_PASSWORD}@", "app@", "PgBouncer needs the password of app, and no variable of .env holds it"),
        (
            "compose.yaml",
            "  db:\n    image",
            "  odyssey:\n    image: edoburu/pgbouncer:v1.25.2-p0\n    environment: {DB_HOST: db}\n  db:\n    image",
            "a pooler is there already: point every client at it",
        ),
        (
            "compose.yaml",
            "services:\n",
            "services:\n  pgbouncer: {image: 'example.test/own:1'}\n",
            "where the service pgbouncer would go in compose.yaml cannot be told",
        ),
    ],
)
def test_why_there_can_be_no_pooler(tmp_path: Path, path: str, old: str, new: str, reason: str) -> None:
    assert old in POOLED[path]
    root = put(tmp_path, {**POOLED, path: POOLED[path].replace(old, new)})
    found = [line for line in fix(root)[1] if "no pooler" in line]
    assert found == [f"  no pooler: {reason}"]


def test_two_servers_get_a_pooler_each(tmp_path: Path) -> None:
    compose = POOLED["compose.yaml"].replace('-c", "port=5433', '-c", "work_mem=8MB').replace(":5433", "")
    second = (
        compose.partition("  api:")[2].partition("networks: {back")[0].replace("db", "archive").replace("build: ./api", "build: ./worker")
    )
    compose = compose.replace("networks: {back: {}}", f"  worker:{second}networks: {{back: {{}}}}")
    files = {
        **POOLED,
        "compose.yaml": compose,
        "worker/src/main.rs": POOLED["api/src/main.rs"],
        "worker/Cargo.toml": SHARED["worker/Cargo.toml"],
    }
    root = put(tmp_path, files)
    assert [line for line in fix(root)[1] if "plans" in line] == [
        "db: 300 of 97 connections; plans:",
        "archive: 300 of 97 connections; plans:",
    ]
    _, come = carried_out(root, "pooler")["compose.yaml"]
    assert [line for line in come if "DATABASE_URL" in line] == [
        "      DATABASE_URL: postgres://app:${APP_PASSWORD}@pgbouncer-db/shop",
        "      DATABASE_URL: postgres://app:${APP_PASSWORD}@pgbouncer-archive/shop",
    ]
    assert ("  pgbouncer-db:" in come, "  pgbouncer-archive:" in come) == (True, True)


def test_what_counts_at_the_first_start_only_is_not_raised(tmp_path: Path) -> None:
    given = '    environment: {POSTGRES_INITDB_ARGS: "-c max_connections=50"}'
    compose = LITERALS["compose.yaml"].replace("    command: postgres -c max_connections=50", given)
    root = put(tmp_path, {**LITERALS, "compose.yaml": compose})
    assert planned(root, "raise") == (
        "  no raise: compose.yaml:13:61 counts only when the data directory is made; a server that runs needs ALTER SYSTEM and a restart"
    )


def test_only_servers_under_the_path_are_planned_for(tmp_path: Path) -> None:
    root = put(tmp_path, {f"{folder}/{path}": text for folder in ("one", "two") for path, text in LITERALS.items()})
    code, out, errors = polint("fix", "--root", str(root), "--plan", "raise", "--unsafe", str(root / "one"))
    assert (code, errors, out.splitlines()[0]) == (0, "", "fixed one/compose.yaml")
    assert "max_connections=50" in (root / "two" / "compose.yaml").read_text()


def test_a_plan_that_would_break_something_is_not_carried_out(tmp_path: Path) -> None:
    listening = MAIN.replace("SIZE", "50").replace(
        "    serve(&pool)", '    sqlx::query("LISTEN orders").execute(&pool).await?;\n    serve(&pool)'
    )
    root = put(tmp_path, {**POOLED, "api/src/main.rs": listening})
    before = texts(root)
    code, _, errors = fix(root, "--plan", "pooler", "--unsafe")
    assert code == 2
    assert "no pooler: with it polint would report a new error: PO608 " in errors
    assert texts(root) == before
