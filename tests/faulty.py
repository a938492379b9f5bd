"""Files of every format with planted faults, decorated at random: comments, line ends, marks, quotes, indentation, odd bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from textwrap import indent
from typing import Any

from hypothesis import strategies as st

Files = dict[str, bytes]
Draw = Callable[..., Any]

WORDS = ("plain", "it's", 'so "quoted"', "a = 1", "ünï", "caf\udce9", "{x}", "[y]", "-- no", "$z", "# #", "100 %")
COMMENTS = st.sampled_from([word for word in WORDS if "\udce9" not in word])
LATIN = st.sampled_from(WORDS)


def encoded(text: str, *, crlf: bool, bom: bool, final: bool) -> bytes:
    text = text if final else text.rstrip("\n")
    data = (text.replace("\n", "\r\n") if crlf else text).encode("utf-8", "surrogateescape")
    return b"\xef\xbb\xbf" + data if bom else data


def certain(names: Iterable[str]) -> set[str]:
    """The rules that must be silent in the end: those of which no planted fault may be left."""
    found = set(filter(None, names))
    return {name for name in found if name[-1] != "?" and f"{name}?" not in found}


class Lines:
    """A format that holds one setting a line.

    ``faults`` are lines (or groups of them) that each plant the rule of their key, ``sound`` ones plant none.  A ``?``
    behind the rule says that what it finds there may be left.
    """

    def __init__(
        self,
        path: str,
        faults: Sequence[tuple[str, Sequence[str]]],
        sound: Sequence[str] = (),
        *,
        head: str = "",
        comment: str = "#",
        trailing: str = "",
        indents: Sequence[str] = ("",),
        bom: bool = False,
        rest: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.faults, self.sound, self.head = path, faults, sound, head
        self.comment, self.trailing, self.indents, self.bom = comment, trailing, indents, bom
        self.rest = {name: text.encode() for name, text in (rest or {}).items()}

    def draw(self, draw: Draw) -> tuple[Files, set[str]]:
        chosen = sorted(draw(st.sets(st.integers(0, len(self.faults) - 1), min_size=1, max_size=4)))
        blocks = [(self.faults[number][0], draw(st.sampled_from(self.faults[number][1]))) for number in chosen]
        blocks += [("", one) for one in draw(st.lists(st.sampled_from(self.sound), unique=True, max_size=2))] if self.sound else []
        blocks = draw(st.permutations(blocks))
        tab = draw(st.sampled_from(self.indents))
        lines = [self.head] if self.head else []
        for _, block in blocks:
            for line in block.split("\n"):
                if draw(st.integers(0, 3)) == 0:
                    lines.append(draw(st.sampled_from(["", f"{tab}{self.comment} {draw(LATIN)}", f"{self.comment}{draw(LATIN)}"])))
                tail = f"{draw(st.sampled_from([' ', '   ', chr(9)]))}{self.trailing} {draw(LATIN)}" if self.trailing else ""
                bare = not line or self.comment in line or "--" in line or draw(st.booleans())
                lines.append(tab + line + ("" if bare else tail))
        text = "\n".join(lines) + "\n" * draw(st.integers(1, 2))
        data = encoded(text, crlf=draw(st.booleans()), bom=self.bom and draw(st.booleans()), final=draw(st.booleans()))
        return {**self.rest, self.path: data}, certain(name for name, _ in blocks)


STACK = """\
services:
  api:
    build: ./api
    environment: {DATABASE_URL: "postgres://app@db/app"}
  db:
    image: postgres:16
    command: postgres -c config_file=/etc/postgresql.conf
    volumes: ["./postgresql.conf:/etc/postgresql.conf:ro", "./init:/docker-entrypoint-initdb.d:ro"]
"""
CLIENT = """\
async fn main() {
    let pool = PgPoolOptions::new().max_connections(10).acquire_timeout(Duration::from_secs(4)).connect(&url).await?;
}
"""
CONF = Lines(
    "postgresql.conf",
    [
        ("conf-syntax", ["port = 5432 -- all of them", "port = 5432;", "port : 5432", "-- what is this"]),
        ("conf-syntax", ["listen_addresses = *", 'listen_addresses = "*"', "listen_addresses = a, b"]),
        ("conf-syntax", ["shared_buffers = 256 MB", "wal-buffers = 16MB", "log_directory = /var/log/pg"]),
        ("conf-unknown-setting", ["max_conections = 100", "max_conections=100", "Max_Conections 100"]),
        ("conf-value-invalid", ["temp_buffers = 16mb", "temp_buffers = '16 mb'", "lock_timeout = '30 sec'"]),
        ("conf-duplicate", ["work_mem = 4MB\nwork_mem = 8MB", "work_mem=4MB\njit = on\nwork_mem '8MB'", "work_mem = 4MB\nwork_mem = 4MB"]),
        ("reserve-invalid?", ["superuser_reserved_connections = 0", "superuser_reserved_connections=200"]),
        ("keepalive-slow?", ["tcp_keepalives_idle = 7200", "tcp_keepalives_idle=2h", "tcp_keepalives_idle = '0'"]),
        ("bare-time-number?", ["statement_timeout = 30000", "idle_session_timeout = '60'", "statement_timeout = 30"]),
        ("shared-buffers-off?", ["shared_buffers = 8GB", "shared_buffers = '16 MB'", "work_mem = 1GB"]),
        ("idle-in-transaction-timeout-missing", ["idle_in_transaction_session_timeout = 0", "idle_in_transaction_session_timeout=0"]),
    ],
    ["vacuum_cost_delay = 2ms", "log_line_prefix = '%m [%p] '", "cluster_name = 'it''s'", "huge_pages try", "x.y = 'on'"],
    trailing="#",
    indents=("", "", "  ", "\t"),
    rest={"compose.yaml": STACK, "api/src/main.rs": CLIENT, "init/10.sql": "SELECT 1;\n"},
)
SQL = Lines(
    "init/10.sql",
    [
        ("conf-unknown-setting", ["ALTER SYSTEM SET max_conections = 200;", "alter system set max_conections to '200';"]),
        ("conf-value-invalid", ["ALTER ROLE app SET statement_timeout = '5m';", "ALTER ROLE app\n  SET statement_timeout TO '5m';"]),
        ("conf-duplicate", ["ALTER SYSTEM SET work_mem = '4MB';\nALTER SYSTEM SET work_mem = '8MB';"]),
        ("activity-count-unfiltered", ["SELECT count(*) FROM pg_stat_activity;", "select COUNT(*)\nfrom pg_stat_activity;"]),
        ("terminate-unfiltered", ["SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle';"]),
    ],
    ["SELECT 1;", "SELECT 'it''s; -- no comment';", "CREATE TABLE t (id int); /* ; */"],
    comment="--",
    trailing="--",
    indents=("", "  "),
    rest={"compose.yaml": STACK, "api/src/main.rs": CLIENT, "postgresql.conf": "max_connections = 100\n"},
)
POOLED = """\
services:
  api:
    build: ./api
    environment: {DATABASE_URL: "postgres://app@pooler:6432/app"}
    deploy: {replicas: 3}
  pooler:
    image: edoburu/pgbouncer:v1.25.2-p0
    volumes: ["./pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini:ro"]
  db:
    image: postgres:16
"""
BOUNCER = Lines(
    "pgbouncer.ini",
    [
        ("pgbouncer-syntax", ["default_pool_size = 20 ; twenty", "default_pool_size=20 # twenty"]),
        ("pgbouncer-syntax?", ["server_idle_timeout = 10s", "server_idle_timeout=10min"]),
        ("pgbouncer-syntax?", ["Max_Client_Conn = 200", "max_clients_conn = 200"]),
        ("server-lifetime-zero", ["server_lifetime = 0", "server_lifetime=0"]),
        ("health-check-off?", ["server_check_query = ", "server_check_query ="]),
        ("pgbouncer-session-mode?", ["pool_mode = session", "pool_mode=Session"]),
        ("pgbouncer-clients-below-demand?", ["max_client_conn = 5"]),
        ("query-wait-timeout-long?", ["query_wait_timeout = 0", "query_wait_timeout=600"]),
        ("auth-weak?", ["auth_type = trust", "auth_type=any"]),
        ("startup-parameter-refused?", ["ignore_startup_parameters = search_path"]),
    ],
    ["listen_port = 6432", "server_reset_query = ", "admin_users = a, b", "stats_period = 60"],
    head="[databases]\napp = host=db dbname=app\n[pgbouncer]",
    rest={"compose.yaml": POOLED, "api/src/main.rs": CLIENT},
    comment=";",
    indents=("", "  "),
)
FPM = Lines(
    "php-fpm.conf",
    [
        ("fpm-invalid", ["pm.start_servers = 9\npm.min_spare_servers = 2\npm.max_spare_servers = 6"]),
        ("fpm-invalid?", ["request_terminate_timeout = 30ms", "request_terminate_timeout=30sec"]),
        ("fpm-terminate-timeout-missing?", ["request_terminate_timeout = 0", "request_slowlog_timeout = 0"]),
    ],
    ["pm.max_requests = 500", "catch_workers_output = yes", 'env[A] = "x ; y"', "slowlog = /proc/self/fd/2"],
    head="[www]\npm = dynamic\npm.max_children = 20",
    comment=";",
    trailing=";",
    indents=("", "  "),
)
ENV = Lines(
    ".env",
    [
        ("env-dialect-hazard", ["DB_PASSWORD=ab#cd", "DB_PASSWORD=ab#cd#"]),
        ("pool-variable-unread?", ["DB_MAX_CONNECTIONS=10", "export DB_POOL_SIZE='20'"]),
        ("env-dialect-hazard?", ["DB_HOST=a\nDB_HOST=b", "A=$B", "C='x'y"]),
        ("env-dialect-hazard", ["MAIL_FROM=App Team", "MAIL_FROM=The App Team"]),
    ],
    ["DB_HOST='db'", "APP_NAME=shop", 'DB_URL="pgsql://app:ab%23cd@db/app"', "EMPTY="],
    indents=("",),
    trailing="#",
    rest={
        "artisan": "",
        "compose.yaml": "services:\n  app:\n    build: .\n    env_file: .env\n  db:\n    image: postgres:16\n",
    },
)


def compose(draw: Draw) -> tuple[Files, set[str]]:
    """A compose file with a variable its image ignores, a signal that comes too early and an empty size."""
    step = draw(st.sampled_from(["  ", "    ", " "]))
    quote = draw(st.sampled_from(["", '"', "'"]))
    names = ["server-variable-ignored", "stop-signal-mismatch?", "interpolation-empty?"]
    chosen = draw(st.sets(st.sampled_from(names), min_size=1))

    def tail() -> str:
        return draw(st.sampled_from(["", "", f" # {draw(COMMENTS)}", f"   # {draw(COMMENTS)}"]))

    def block(name: str, keys: Sequence[str]) -> list[str]:
        lines = [f"{name}:{tail()}"]
        for key in draw(st.permutations(keys)):
            if draw(st.integers(0, 4)) == 0:
                lines.append(draw(st.sampled_from(["", f"{step}# {draw(COMMENTS)}", f"# {draw(COMMENTS)}"])))
            lines += [step + line for line in key.split("\n")]
        return lines

    def entries(name: str, pairs: Sequence[tuple[str, str]]) -> str:
        match draw(st.sampled_from(["map", "list", "flow"])):
            case "map":
                return "\n".join([f"{name}:", *(f"{step}{key}: {quote}{value}{quote}{tail()}" for key, value in pairs)])
            case "list":
                dash = draw(st.sampled_from([f"{step}- ", "- "]))
                return "\n".join([f"{name}:", *(f"{dash}{quote}{key}={value}{quote}{tail()}" for key, value in pairs)])
        either = quote or '"'
        return f"{name}: {{{', '.join(f'{key}: {either}{value}{either}' for key, value in pairs)}}}{tail()}"

    variables = [("POSTGRES_PASSWORD", "x"), ("POSTGRES_DB", "app")]
    if "server-variable-ignored" in chosen:
        variables.insert(draw(st.integers(0, 2)), ("POSTGRES_MAX_CONNECTIONS", "200"))
    keys = [f"image: {quote}postgres:16{quote}{tail()}", entries("environment", variables)]
    keys += draw(st.sampled_from([[], [], ["command: postgres -c jit=off"], ['command: ["postgres", "-c", "jit=off"]']]))
    keys += draw(st.sampled_from([[], [f"command:\n{step}- postgres\n{step}- -c\n{step}- jit=off"]])) if len(keys) == 2 else []
    services = [block("db", keys)]
    image = f"image: edoburu/pgbouncer:v1.25.2-p0{tail()}"
    settings = [("DB_HOST", "db"), ("DB_USER", "app"), ("DEFAULT_POOL_SIZE", "${SIZE}" if "interpolation-empty?" in chosen else "20")]
    stop = [] if "stop-signal-mismatch?" in chosen else ["stop_signal: SIGINT"]
    services.append(block("pooler", [image, entries("environment", settings), *stop]))
    lines = ["services:", *(step + line for service in draw(st.permutations(services)) for line in service)]
    lines += draw(st.sampled_from([[], ["", "volumes:", f"{step}data:"]]))
    text = "".join(f"{line.rstrip() if not line.strip() else line}\n" for line in lines)
    data = encoded(text, crlf=draw(st.booleans()), bom=draw(st.booleans()), final=draw(st.booleans()))
    return {"compose.yaml": data}, certain(chosen)


CARGO = """\
[package]
name = "api"
version = "0.1.0"
edition = "2021"

[dependencies]
sqlx = { version = "0.8", features = ["postgres", "runtime-tokio"] }
tokio = { version = "1", features = ["full"] }
"""
CALLS = {
    "acquire-timeout-missing": [""],
    "acquire-timeout-out-of-range": [".acquire_timeout(@secs(60))", ".acquire_timeout(@millis(60_000))", ".acquire_timeout(@secs(2 * 60))"],
    "connect-timeout-renamed": [".connect_timeout(@secs(5))", ".connect_timeout( @secs(5) )"],
    "idle-timeout-out-of-range": [".idle_timeout(@secs(10))", ".idle_timeout(None)", ".idle_timeout(Some(@secs(7200)))"],
    "max-lifetime-out-of-range": [".max_lifetime(@secs(60))", ".max_lifetime(None)", ".max_lifetime(@secs(24 * 60 * 60))"],
    "health-check-off": [".test_before_acquire(false)", ".test_before_acquire( false )"],
    "min-above-max": [".max_connections(10).min_connections(20)", ".min_connections(20u32).max_connections(10)"],
    "pool-size-implicit": [""],
}
WAITS = ("acquire-timeout-missing", "acquire-timeout-out-of-range", "connect-timeout-renamed")


def rust(draw: Draw) -> tuple[Files, set[str]]:
    """A pool's builder, in one line or many."""
    wait = draw(st.sampled_from([*WAITS, ""]))
    others = draw(st.sets(st.sampled_from(sorted(set(CALLS) - set(WAITS))), min_size=0 if wait else 1, max_size=3))
    if "min-above-max" in others:
        others -= {"pool-size-implicit"}
    chosen = others | ({wait} if wait else set())
    calls = [draw(st.sampled_from(CALLS[name])) for name in sorted(chosen)]
    calls += [] if wait else [".acquire_timeout(@secs(4))"]
    calls += [] if {"min-above-max", "pool-size-implicit"} & chosen else [".max_connections(10)"]
    duration = draw(st.sampled_from(["Duration", "std::time::Duration", "time::Duration"]))
    uses = {"Duration": "use std::time::Duration;\n", "time::Duration": "use std::time;\n"}.get(duration, "")
    calls = draw(st.permutations([call.replace("@", f"{duration}::from_") for call in calls if call]))
    comment = draw(COMMENTS)
    if draw(st.booleans()):
        tab = draw(st.sampled_from([" " * 8, "\t", ""]))
        tails = [draw(st.sampled_from(["", "", f" // {comment}", f" /* {comment} */"])) for _ in calls]
        chain = "".join(f"\n{tab}{call}{tail}" for call, tail in zip(calls, tails, strict=True)) + f"\n{tab}"
    else:
        chain = draw(st.sampled_from(["", f" /* {comment} */ "])).join(calls)
    text = f"""\
// {comment}
use sqlx::postgres::PgPoolOptions;
{uses}
#[tokio::main]
async fn main() -> Result<(), sqlx::Error> {{
    let url = std::env::var("DATABASE_URL").unwrap();
    let pool = PgPoolOptions::new(){chain}.connect(&url).await?;
    pool.close().await;
    Ok(())
}}
"""
    data = encoded(text, crlf=draw(st.booleans()), bom=draw(st.booleans()), final=draw(st.booleans()))
    return {"Cargo.toml": CARGO.encode(), "src/main.rs": data}, chosen


def laravel(draw: Draw) -> tuple[Files, set[str]]:
    """Laravel's config/database.php: arrays of either kind, on one line or many."""
    faults = {
        "pdo-connect-timeout-missing?": [],
        "persistent-connections?": ["PDO::ATTR_PERSISTENT => true", "\\PDO::ATTR_PERSISTENT=>true"],
        "redundant-pdo-option?": ["PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION"],
        "application-name-missing?": [],
    }
    chosen = draw(st.sets(st.sampled_from(sorted(faults)), min_size=1))
    options = [draw(st.sampled_from(faults[name])) for name in sorted(chosen) if faults[name]]
    options += [] if "pdo-connect-timeout-missing?" in chosen else ["PDO::ATTR_TIMEOUT => 5"]
    left, right = draw(st.sampled_from([("[", "]"), ("array(", ")")]))
    quote = draw(st.sampled_from(["'", '"']))
    tab = draw(st.sampled_from(["    ", "  ", "\t"]))

    def array(pairs: Sequence[str]) -> str:
        comma = draw(st.sampled_from(["", ","]))
        if draw(st.booleans()) and not any("\n" in pair or "//" in pair for pair in pairs):
            return f"{left}{', '.join(pairs)}{right}"
        mark = draw(st.sampled_from(["", "", f" // {draw(LATIN)}", f" /* {draw(LATIN)} */", f" # {draw(LATIN)}"]))
        body = f",{mark}\n".join(pairs) + comma + mark
        return f"{left}\n{indent(body, tab)}\n{right}"

    pairs = [f"{quote}{key}{quote} => {value}" for key, value in (("driver", "'pgsql'"), ("host", "env('DB_HOST', 'db')"))]
    if options or draw(st.booleans()):
        pairs.append(f"{quote}options{quote} => {array(draw(st.permutations(options)))}")
    inner = array(draw(st.permutations(pairs)))
    text = f"<?php\n\nreturn {array([f'{quote}connections{quote} => ' + array([f'{quote}pgsql{quote} => {inner}'])])};\n"
    data = encoded(text, crlf=draw(st.booleans()), bom=False, final=draw(st.booleans()))
    return {"config/database.php": data, "artisan": b""}, certain(chosen)


WATCHED = """\
services:
  db:
    image: postgres:16
  exporter:
    image: prometheuscommunity/postgres-exporter:v0.17.1
  prometheus:
    image: prom/prometheus:v3.5.0
    volumes:
      - ./monitoring:/etc/prometheus
"""
SCRAPES = """\
rule_files: [alerts.yml]
scrape_configs:
  - job_name: postgres
    static_configs:
      - targets: ["exporter:9187"]
"""


def prometheus(draw: Draw) -> tuple[Files, set[str]]:
    """Alerts on a metric that nobody exports, and none on connections running out."""
    step = draw(st.sampled_from(["  ", "    ", ""]))
    metric = draw(st.sampled_from(["pg_stat_activity_max_connections", "pg_settings_max_connections"]))
    expression = draw(st.sampled_from([f"sum(pg_stat_activity_count) / sum({metric}) > 0.9", f"{metric} < 100"]))
    written = draw(st.sampled_from([expression, f"'{expression}'", f'"{expression}"', f"|\n@  {expression}", f">-\n@  {expression}"]))
    tail = draw(st.sampled_from(["", f" # {draw(COMMENTS)}"])) if "\n" not in written else ""
    rules = [f"- alert: Connections{tail}\n  expr: {written}{tail}", "- alert: Lag\n  expr: pg_replication_lag_seconds > 30"]
    rules = rules[draw(st.integers(0, 1)) :]
    rules = [rule.replace("@", "  ") for rule in draw(st.permutations(rules))]
    body = f"name: database\nrules:\n{indent(chr(10).join(rules), step)}"
    text = f"groups:\n{step}- " + indent(body, step + "  ")[len(step) + 2 :] + "\n"
    data = encoded(text, crlf=draw(st.booleans()), bom=draw(st.booleans()), final=draw(st.booleans()))
    return {"compose.yaml": WATCHED.encode(), "monitoring/prometheus.yml": SCRAPES.encode(), "monitoring/alerts.yml": data}, set()


OTHER_CARGO = CARGO.replace(
    "tokio =", 'bb8 = "0.8"\nbb8-postgres = "0.8"\nr2d2 = "0.8"\nr2d2_postgres = "0.18"\ndeadpool-postgres = "0.14"\ntokio ='
)
OTHER_POOLS = [
    "sqlx::PgPool::connect(&url).await?",
    "sqlx::Pool::<sqlx::Postgres>::connect( &url ).await?",
    "bb8::Pool::builder()@.max_size(10)@.idle_timeout(None)@.build(bb8_postgres::$).await?",
    "bb8::Pool::builder()@.min_idle(Some(20))@.max_size(10)@.test_on_check_out(false)@.build(bb8_postgres::$).await?",
    "r2d2::Pool::builder()@.max_size(10)@.max_lifetime(Some(Duration::from_secs(60)))@.build(r2d2_postgres::$)?",
    "r2d2::Pool::builder()@.min_idle(Some(0))@.connection_timeout(Duration::from_secs(90))@.build(r2d2_postgres::$)?",
    "deadpool_postgres::Pool::builder(deadpool_postgres::Manager::new(config, NoTls))@.max_size(16)@.runtime(Runtime::Tokio1)@.build()?",
]


def other_rust(draw: Draw) -> tuple[Files, set[str]]:
    """Pools of other libraries, and those built in one call."""
    comment = draw(COMMENTS)
    built = draw(st.sampled_from(OTHER_POOLS)).replace("$", "PostgresConnectionManager::new(config, NoTls)")
    built = built.replace("@", draw(st.sampled_from(["", "\n        ", f" // {comment}\n\t", f"/* {comment} */"])))
    gauge = draw(st.sampled_from(["", f"    let busy = pool.size() - pool.num_idle(); // {comment}\n"]))
    text = f"""\
use std::time::Duration;
async fn main() -> Result<(), Error> {{
    let url = std::env::var("DATABASE_URL").unwrap(); // {comment}
    let pool = {built};
{gauge}    pool.close().await;
    Ok(())
}}
"""
    data = encoded(text, crlf=draw(st.booleans()), bom=draw(st.booleans()), final=draw(st.booleans()))
    return {"Cargo.toml": OTHER_CARGO.encode(), "src/main.rs": data}, set()


WHOLE = """\
services:
  api:
    build: ./api
    env_file: .env
    depends_on: [db]
    deploy: {replicas: 3}
  web:
    image: php:8.3-fpm
    env_file: .env
    volumes: ["./web:/var/www/html", "./php-fpm.conf:/usr/local/etc/php-fpm.d/zz.conf:ro"]
  db:
    image: postgres:16
    command: postgres -c config_file=/etc/postgresql.conf
    environment: {POSTGRES_USER: app, POSTGRES_MAX_CONNECTIONS: 200}
    volumes: ["./postgresql.conf:/etc/postgresql.conf:ro", "./init:/docker-entrypoint-initdb.d:ro"]
"""
VARIABLES = "DATABASE_URL=postgres://app@db/app\nDB_CONNECTION=pgsql\nDB_HOST=db\nDB_USERNAME=app\nPHP_FPM_MAX_CHILDREN=20\n"


def whole(draw: Draw) -> tuple[Files, set[str]]:
    """Faulty files of every kind in one stack: fixes meet each other, and several rounds pass."""
    files: Files = {"compose.yaml": WHOLE.encode(), ".env": VARIABLES.encode()}
    for one in (CONF, SQL, FPM):
        files[one.path] = one.draw(draw)[0][one.path]
    files |= {f"api/{path}": data for path, data in rust(draw)[0].items()}
    files |= {f"web/{path}": data for path, data in laravel(draw)[0].items()}
    return files, set()


FORMATS: Mapping[str, Callable[[Draw], tuple[Files, set[str]]]] = {
    "postgresql.conf": CONF.draw,
    "sql": SQL.draw,
    "pgbouncer.ini": BOUNCER.draw,
    "php-fpm.conf": FPM.draw,
    ".env": ENV.draw,
    "compose": compose,
    "rust": rust,
    "other pools": other_rust,
    "laravel": laravel,
    "prometheus": prometheus,
    "whole stack": whole,
}
