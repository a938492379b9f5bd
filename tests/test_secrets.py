"""Secrets planted in every format, wherever a diagnostic, a fix or a report could show them: no output of any command holds one."""

# ruff: noqa: E501
from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from conftest import polint

from polint.mask import mask
from polint.reporters import FORMATS

# every secret is SEC, a number and a tail that no other text holds
COMPOSE = """\
x-shared: &shared
  DB_PASSWORD: sec01-qzx
  POOLER_AUTH_TOKEN: "sec02-qzx"
services:
  db:
    image: postgres:16
    command: ["postgres", "-c", "max_connections=20", "-c", "config_file=/etc/postgresql.conf"]
    environment:
      POSTGRES_PASSWORD: sec03-qzx
    volumes:
      - ./postgres/postgresql.conf:/etc/postgresql.conf
      - ./postgres/init:/docker-entrypoint-initdb.d
  pgbouncer:
    image: edoburu/pgbouncer:1.18.0
    environment:
      - DATABASE_URL=postgres://app:sec04-qzx@db:5432/app
      - DB_PASSWORD=sec05-qzx
      - "AUTH_SECRET=sec06-qzx"
    volumes: [./pgbouncer:/etc/pgbouncer]
  api:
    build: ./api
    env_file: .env
    environment:
      DATABASE_URL: "postgres://postgres:sec07-qzx@pgbouncer:6432/app?sslmode=disable&connect_timeout=0"
      DIRECT_URL: postgres://postgres:sec08-qzx@db/app
      REDIS_URL: redis://:sec09-qzx@cache:6379/0
      API_KEY: sec10-qzx
      JWT_SECRET: >-
        sec11-qzx
      PRIVATE_KEY: |
        -----BEGIN KEY-----
        sec12-qzx
        -----END KEY-----
      <<: *shared
    deploy: {replicas: 9}
  php:
    build: ./php
    environment: {DB_CONNECTION: pgsql, DB_HOST: pgbouncer, DB_PORT: "6432", DB_USERNAME: postgres, DB_PASSWORD: sec13-qzx, POOL_SIZE: x}
    command: ["php-fpm", "--password", "sec14-qzx"]
    volumes: ["./php:/var/www/html", "./php/www.conf:/usr/local/etc/php-fpm.d/www.conf"]
    depends_on: [db]
  worker:
    build: ./php
    command: sh -c "PGPASSWORD=sec15-qzx psql -h db && php artisan queue:work"
    depends_on:
      db:
        condition: service_started
  exporter:
    image: prometheuscommunity/postgres-exporter
    environment:
      DATA_SOURCE_NAME: "postgresql://postgres:sec16-qzx@db:5432/postgres?sslmode=disable"
      DATA_SOURCE_PASS: sec17-qzx
"""
DOTENV = """\
# DB_PASSWORD=sec20-qzx
DB_PASSWORD=sec21-qzx
DATABASE_URL="postgres://app:sec22-qzx@db:5432/app"  # was postgres://app:sec23-qzx@db/app
export SECRET_KEY='sec24-qzx'
APP_KEY=base64:sec25-qzx
AUTH_TOKEN = sec26-qzx # a note
POSTGRES_PASSWORD=first"sec27-qzx
DB_PASSWORD=sec28-qzx
POOL_SIZE=10
MAX_CONNECTIONS=
TLS_KEY_PASSPHRASE="line one
sec29-qzx
line three"
"""
CONF = """\
max_connections = 20
max_connections = 30
primary_conninfo = 'host=x user=r password=sec30-qzx'
ssl_passphrase_command = 'echo sec31-qzx'
work_mem = 4
statement_timeout = 5 # password=sec32-qzx
idle_in_transaction_session_timeout = 'x password=sec33-qzx'
"""
INIT_SQL = """\
CREATE ROLE app LOGIN PASSWORD 'sec34-qzx' CONNECTION LIMIT 900;
ALTER USER app WITH ENCRYPTED PASSWORD 'sec35-qzx'; ALTER ROLE app SET statement_timeout = '5'; ALTER SYSTEM SET max_connections = 20;
ALTER ROLE app PASSWORD 'md5aaaaaaaaaaaaaaaaaaaaaaaaa36aaaaa' SUPERUSER;
CREATE USER MAPPING FOR app SERVER s OPTIONS (user 'x', password 'sec37-qzx');
CREATE ROLE other PASSWORD E'sec38-qzx' BROKEN BROKEN;
ALTER SYSTEM SET shared_buffers = 'x'; CREATE ROLE a PASSWORD $$sec39-qzx$$ CONNECTION LIMIT 0;
"""
INIT_SH = """\
psql <<EOS
CREATE USER app2 PASSWORD 'sec40-qzx' CONNECTION LIMIT 900; ALTER SYSTEM SET max_connections = 10;
EOS
PGPASSWORD=sec41-qzx psql -c "ALTER SYSTEM SET work_mem = 'y'; ALTER ROLE app PASSWORD 'sec42-qzx'"
"""
PGBOUNCER = """\
[databases]
app = host=db port=5432 dbname=app user=app password=sec50-qzx pool_size=900
two = host=db password='sec51-qzx' pool_size=x
* = host=db user=postgres password = 'sec52-qzx'
[users]
app = pool_mode=session max_user_connections=5 password=sec53-qzx
[pgbouncer]
auth_type = plain
auth_file = /etc/pgbouncer/userlist.txt
pool_mode = transaction
default_pool_size = 900
max_client_conn = 10
server_tls_key_password = sec54-qzx
stats_users = app ; password=sec55-qzx
nonsense_password = sec56-qzx
"""
USERLIST = '"app" "sec57-qzx"\n"other" "md5bbbbbbbbbbbbbbbbbbbbbbbbbb58bbbb"\n'
FPM = """\
[www]
user = www-data
listen = 9000
pm = static
pm.max_children = 900
pm.max_requests = 0
env[DB_PASSWORD] = sec60-qzx
env[DATABASE_URL] = "postgres://app:sec61-qzx@db/app"
php_admin_value[session.save_path] = "tcp://cache?auth=sec62-qzx&password=sec62-qzx"
clear_env = no
pm.start_servers = 5 password=sec63-qzx
"""
RUST = """\
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
const PASSWORD: &str = "sec70-qzx";

pub async fn pools() -> Result<(), sqlx::Error> {
    let one = PgPoolOptions::new().max_connections(900).min_connections(901).connect("postgres://postgres:sec71-qzx@pgbouncer:6432/app").await?;
    let two = PgPool::connect("postgres://postgres:sec72-qzx@db/app").await?; let c = one.acquire().await?; std::mem::forget(c);
    let options = PgConnectOptions::new().host("db").username("postgres").password("sec73-qzx").application_name("x");
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "postgres://app:sec74-qzx@db/app".to_string());
    let three = PgPoolOptions::new().acquire_timeout(std::time::Duration::from_secs(0)).connect(&url).await?;
    let four = PgPool::connect(&format!("postgres://{}:{}@db/app", "app", "sec75-qzx")).await?;
    sqlx::query("SET statement_timeout = 5; ALTER ROLE app PASSWORD 'sec76-qzx'").execute(&one).await?;
    let five = PgPoolOptions::new().idle_timeout(None).connect_with(options).await?;
    Ok(())
}
"""
PHP = """\
<?php

return [
    'default' => 'pgsql',
    'connections' => [
        'pgsql' => ['driver' => 'pgsql', 'url' => env('DATABASE_URL', 'postgres://app:sec80-qzx@db/app'), 'host' => 'pgbouncer', 'port' => 6432,
            'username' => env('DB_USERNAME', 'postgres'), 'password' => env('DB_PASSWORD', 'sec81-qzx'), 'sslmode' => 'prefer',
            'options' => [PDO::ATTR_PERSISTENT => true, PDO::ATTR_EMULATE_PREPARES => false]],
        'two' => ['driver' => 'pgsql', 'host' => 'db', 'username' => 'postgres', 'password' => 'sec82-qzx', 'options' => [PDO::ATTR_PERSISTENT => true]],
        'three' => [
            'driver' => 'pgsql',
            'host' => 'db',
            'password' => 'sec83-qzx',
            'application_name' => 'x', 'statement_timeout' => 5,
        ],
    ],
];
"""
PHP_CALLS = """\
<?php
$p = new PDO('pgsql:host=db;dbname=app;password=sec84-qzx', 'postgres', 'sec85-qzx', [PDO::ATTR_PERSISTENT => true]);
$q = pg_pconnect("host=db user=postgres password=sec86-qzx connect_timeout=0");
$r = new PDO("pgsql:host=db", "postgres",
    "sec87-qzx");
DB::connection('two')->enableQueryLog(); DB::statement("ALTER ROLE app PASSWORD 'sec88-qzx'"); $p->exec('SET search_path = x');
"""
DOCKERFILE = """\
FROM rust:1
ENV DATABASE_URL=postgres://app:sec90-qzx@db/app DB_PASSWORD=sec91-qzx
ENV SECRET_TOKEN sec92-qzx
ARG API_KEY=sec93-qzx
COPY . /app
"""
PROMETHEUS = """\
scrape_configs:
- job_name: pg
  basic_auth: {username: x, password: sec94-qzx}
  authorization:
    credentials: sec95-qzx
  static_configs: [{targets: ["exporter:9187"]}]
groups:
- name: g
  rules:
  - {alert: A, expr: "pg_nonsense_metric{password='sec96-qzx'} > 1"}
"""
FILES = {
    "docker-compose.yml": COMPOSE,
    ".env": DOTENV,
    "postgres/postgresql.conf": CONF,
    "postgres/init/10.sql": INIT_SQL,
    "postgres/init/20.sh": INIT_SH,
    "pgbouncer/pgbouncer.ini": PGBOUNCER,
    "pgbouncer/userlist.txt": USERLIST,
    "api/Cargo.toml": '[package]\nname = "api"\nversion = "0.1.0"\n[dependencies]\nsqlx = { version = "0.8", features = ["postgres"] }\n',
    "api/src/main.rs": RUST,
    "api/Dockerfile": DOCKERFILE,
    "php/Dockerfile": "FROM php:8.3-fpm\nCOPY . /var/www/html\nENV DB_PASSWORD=sec97-qzx\n",
    "php/artisan": "#!/usr/bin/env php\n",
    "php/composer.json": '{"require": {"laravel/framework": "^11"}}\n',
    "php/www.conf": FPM,
    "php/config/database.php": PHP,
    "php/app/calls.php": PHP_CALLS,
    "prometheus.yml": PROMETHEUS,
}
PLANTED = re.compile(r"sec\d\d-qzx|md5(?:a{25}36|b{26}58)")


def plant(folder: Path) -> Path:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return plant(tmp_path / "project")


def leaks(*texts: str) -> set[str]:
    return {f"{found[0]}: …{text[max(found.start() - 60, 0) : found.end()]}" for text in texts for found in PLANTED.finditer(text)}


def test_the_project_is_reported_about() -> None:
    """Else the other tests would pass whatever is shown."""
    assert len(set(PLANTED.findall("".join(FILES.values())))) >= 70


@pytest.mark.parametrize("format_name", FORMATS)
def test_reports(project: Path, format_name: str, tmp_path: Path) -> None:
    code, out, err = polint("lint", str(project), "--format", format_name, "--color", "always")
    assert code == 1, err
    assert out.count("PO") > 30
    assert not leaks(out, err)
    written = tmp_path / "report"
    polint("lint", str(project), "--format", format_name, "--output", str(written), "-v", "--no-ignores")
    assert not leaks(written.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("lint", "-v", "{}"),
        ("lint", "-vv", "--set", "api.replicas=50", "{}"),
        ("lint", "--statistics", "{}"),
        ("fix", "--diff", "{}"),
        ("fix", "--diff", "--unsafe", "{}"),
        ("fix", "--diff", "--unsafe", "--plan", "shrink", "{}"),
        ("fix", "--diff", "--unsafe", "--plan", "raise", "{}"),
        ("fix", "--diff", "--unsafe", "--plan", "pooler", "{}"),
        ("fix", "--check", "-v", "{}"),
        ("fix", "--unsafe", "-v", "{}"),
        ("budget", "{}"),
        ("budget", "-v", "{}"),
        ("budget", "--format", "json", "{}"),
        ("budget", "--format", "markdown", "{}"),
        ("budget", "--format", "mermaid", "{}"),
        ("budget", "--format", "svg", "{}"),
        ("files", "-v", "{}"),
        ("files", "--root", "{}", "{}"),
    ],
    ids=" ".join,
)
def test_commands(project: Path, arguments: tuple[str, ...]) -> None:
    code, out, err = polint(*(argument.format(project) for argument in arguments))
    assert code in ((0, 1, 2) if "--plan" in arguments else (0, 1)), err  # a plan may not be possible
    assert out or err
    assert not leaks(out, err)


@pytest.mark.parametrize("command", ["init", "baseline"])
def test_written_files(project: Path, command: str) -> None:
    code, out, err = polint(command, str(project))
    assert code == 0, err
    made = [path for path in project.rglob("*") if path.is_file() and str(path.relative_to(project)) not in FILES]
    assert made
    assert not leaks(out, err, *(path.read_text(encoding="utf-8") for path in made))
    if command == "init":
        code, out, err = polint("generate", str(project / "polint-plan.yaml"), "--out", str(project / "bundle"), "--explain", "--force")
        made = [path for path in (project / "bundle").rglob("*") if path.is_file()]
        assert not leaks(out, err, *(path.read_text(encoding="utf-8") for path in made))


def test_diagnosis(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    log = (
        'FATAL:  password authentication failed for user "app" (password sec98-qzx)\n'
        "error: connection to postgres://app:sec98-qzx@db:5432/app failed: FATAL: sorry, too many clients already\n"
        "PoolTimedOut while connecting with DB_PASSWORD=sec99-qzx\nFATAL: remaining connection slots are reserved, token=sec99-qzx\n"
    )
    Path("app.log").write_text(log, encoding="utf-8")
    for more in ((), ("-v",), ("--format", "json")):
        _, out, err = polint("diagnose", "app.log", *more)
        assert not leaks(out, err)


def test_mistakes_in_polint_s_own_files(project: Path) -> None:
    (project / "polint.toml").write_text(
        '[services.api]\nreplicas = "postgres://u:sec01-qzx@h/d"\nDB_PASSWORD = "sec02-qzx"\n', encoding="utf-8"
    )
    code, out, err = polint("lint", str(project))
    assert code == 2
    assert not leaks(out, err)


# --- polint.mask alone: hides values, and no more than it must --------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "    secrets: [db_password, tls]",
        "secrets: [x]",
        "    secrets: [ db-password ]",
        "ALTER USER app PASSWORD :'password';",
        "ALTER USER :\"user\" PASSWORD :'password' VALID UNTIL :'then';",
        "CREATE ROLE app LOGIN PASSWORD :password;",
        "POSTGRES_PASSWORD: ${DB_PASSWORD}",
        "POSTGRES_PASSWORD_FILE: /run/secrets/db",
        "password = env('DB_PASSWORD')",
        "max_tokens: 5",
    ],
)
def test_no_secret(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("DB_SECRETS: [x-sec]", "x-sec"),
        ("secrets: x-sec", "x-sec"),
        ('secrets: ["x-sec"]', "x-sec"),
        ("'secrets' => ['x-sec']", "x-sec"),
        ("SECRETS=[x-sec]", "x-sec"),
        ("secret: [x-sec]", "x-sec"),
        ("ALTER USER a PASSWORD 'x-sec'", "x-sec"),
        ("ALTER USER a PASSWORD E'x-sec'", "x-sec"),
        ("ALTER USER a PASSWORD U&'x-sec'", "x-sec"),
        ("ALTER USER a PASSWORD $$x-sec$$", "x-sec"),
        ("ALTER USER a PASSWORD $tag$x-sec$tag$", "x-sec"),
        ("ALTER USER a PASSWORD'x-sec'", "x-sec"),
        ("CREATE ROLE a PASSWORD\n  'x-sec'", "x-sec"),
        ("CREATE ROLE a PASSWORD\n  $$x-sec$$", "x-sec"),
        ("ALTER USER a PASSWORD 'it''s x-sec'", "x-sec"),
        ("ALTER USER a PASSWORD : 'x-sec'", "x-sec"),
        ("PASSWORD :'it'; ALTER USER a PASSWORD 'x-sec'", "x-sec"),
        ("password: 'x-sec'", "x-sec"),
        ("password :'x-sec'", "x-sec"),
        ("password :x-sec", "x-sec"),
        ("DB_PASSWORD :'x-sec'", "x-sec"),
        ("options (password 'x-sec')", "x-sec"),
        ("primary_conninfo = 'host=h password=x-sec'", "x-sec"),
        ('"app" "md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"', "md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ],
)
def test_secret(text: str, hidden: str) -> None:
    assert hidden in text
    masked = mask(text)
    assert hidden not in masked
    assert len(masked) == len(text)


def test_secret_on_the_lines_of_a_list() -> None:
    lines = ["services:", "  a:", "    environment:", "      TOKENS_SECRET:", "        - x-sec"]
    assert "x-sec" not in mask(lines[-1], "\n".join(lines[:-1]))


def test_written_environment_is_clean() -> None:
    assert not PLANTED.search(str(dict(os.environ)))
