"""What ``bench.fuzz`` starts from: the parsers to be tried, small files for each, and the tokens of each language."""

# ruff: noqa: E501, W291  # some of what is read ends in a blank
from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

COMPOSE = """\
x-env: &env {DB_HOST: db, DB_PORT: "5432"}
include: [./more.yml, {path: [a.yml, b.yml], env_file: .env, project_directory: ..}]
services:
  db:
    image: postgres:16-alpine
    command: ["postgres", "-c", "max_connections=100", -c, shared_buffers=256MB]
    environment:
      - POSTGRES_PASSWORD=${DB_PASSWORD:?set it}
      - POSTGRES_DB
    volumes: [./postgresql.conf:/etc/postgresql/postgresql.conf:ro, {type: bind, source: ./init, target: /docker-entrypoint-initdb.d}]
    healthcheck: {test: ["CMD-SHELL", "pg_isready -U $$POSTGRES_USER"], interval: 5s, retries: 5}
    stop_grace_period: 1m30s
    deploy: {resources: {limits: {cpus: '0.5', memory: 512M}}}
  api:
    <<: &base {restart: always}
    extends: {file: common.yml, service: base}
    build: {context: ./api, dockerfile: Dockerfile, args: {A: b}, target: run}
    environment: {<<: *env, DATABASE_URL: "postgres://u:${DB_PASSWORD}@db:5432/app?sslmode=${MODE:-disable}"}
    env_file: [.env, {path: ./api/.env, required: false, format: raw}]
    depends_on: {db: {condition: service_healthy}}
    entrypoint: sh -c "exec ./api --pool $${POOL:-10}"
    deploy: {mode: replicated, replicas: 3, update_config: {parallelism: 2, order: start-first}}
    ports: ["127.0.0.1:8080:80/tcp", {target: 5432, published: "5432"}]
    profiles: [web]
    labels: !override
      a: |
        text
      b: >-
        more
    volumes: !reset []
"""
DOTENV = """\
# a comment
DB_HOST=db
export DB_PORT = 5432 # port
DB_PASSWORD='it''s "x" $y'
URL="postgres://u:${DB_PASSWORD:-x}@${DB_HOST}:$DB_PORT/app\\n"
EMPTY=
lower.case-key=a b c
NESTED=${A:-${B-${C:+x}}}
MULTI="first
second"
YAML: style
BARE
"""
FPM = """\
[global]
include=/usr/local/etc/php-fpm.d/*.conf
[www]
user = www-data
listen = 9000
pm = dynamic
pm.max_children = ${CHILDREN}
pm.start_servers = 2
pm.max_requests = 1K
request_terminate_timeout = 30s
env[DB_PASSWORD] = $DB_PASSWORD
php_admin_value[memory_limit] = 128M
php_value["pdo.x"] = "a\\"b" . c | 1 ^ !0 & ~2
; comment
catch_workers_output = yes
"""
CONF = """\
# comment
max_connections = 100
shared_buffers = '256MB'   # comment
work_mem 4MB
idle_in_transaction_session_timeout = '5min'
include_if_exists 'local.conf'
include_dir = conf.d
log_line_prefix = '%m [%p] it''s \\'x\\' '
my.setting = on
statement_timeout = 1.5h
listen_addresses='*'
bad = = 5
"""
PGBOUNCER = """\
;; comment
[databases]
app = host=db,db2 port=5432 dbname=app user=app password='it''s' pool_size=20 connect_query='SELECT 1'
* = host=db auth_user=x
[users]
app = pool_mode=session max_user_connections=5
[pgbouncer]
%include /etc/pgbouncer/more.ini
listen_port = 6432
pool_mode = transaction
max_client_conn = 1000
default_pool_size = 20
server_idle_timeout = 600
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/userlist.txt
ignore_startup_parameters = extra_float_digits, search_path
server_reset_query = DISCARD ALL
[peers]
1 = host=x
"""
SQL = """\
\\set pw `echo x`
CREATE ROLE app LOGIN PASSWORD 'x' CONNECTION LIMIT 10;
ALTER ROLE app IN DATABASE app SET statement_timeout = '30s';
ALTER SYSTEM SET max_connections = 200;
ALTER DATABASE app SET work_mem TO 8192;
SELECT set_config('lock_timeout', '5s', false), pg_advisory_lock(1), current_setting('a.b');
DO $body$ BEGIN EXECUTE 'ALTER SYSTEM SET work_mem = ''1MB'''; END $body$;
/* a /* nested */ comment */ SET SESSION idle_session_timeout = DEFAULT; -- end
BEGIN; SET LOCAL x.y = E'a\\'b' U&'\\0041'; COMMIT;
PREPARE p AS SELECT $1; LISTEN c; CREATE TEMP TABLE t (a int); DECLARE c CURSOR WITH HOLD FOR SELECT 1;
\\connect app
ALTER USER :"user" PASSWORD :'password';
"""
SHELL = """\
#!/bin/bash
set -e
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" <<-'EOSQL'
\tALTER SYSTEM SET max_connections = 100;
\tCREATE USER app PASSWORD 'x' CONNECTION LIMIT 5;
EOSQL
if [ -n "$X" ]; then psql -c "ALTER ROLE app SET statement_timeout = '5s'" -c 'SELECT 1'; fi
echo "ALTER SYSTEM SET work_mem = '4MB'" | psql
exit 0
"""
RUST = """\
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::{env, time::Duration};
const SIZE: u32 = 5 * 2;
#[derive(serde::Deserialize)]
struct Settings { #[serde(default = "size")] max_connections: u32, url: String }
fn size() -> u32 { 10 }
async fn connect(settings: &Settings) -> Result<PgPool, sqlx::Error> {
    let url = env::var("DATABASE_URL").unwrap_or_else(|_| format!("postgres://{}:{}@db/app", "u", "x"));
    let max: u32 = env::var("POOL").ok().and_then(|v| v.parse().ok()).unwrap_or(SIZE);
    PgPoolOptions::new().max_connections(max).min_connections(settings.max_connections as u32)
        .acquire_timeout(Duration::from_secs(3)).idle_timeout(Some(Duration::from_millis(600_000)))
        .after_connect(|c, _| Box::pin(async move { c.execute("SET statement_timeout = 5").await?; Ok(()) }))
        .test_before_acquire(true).connect(&url).await
}
async fn handler(pool: PgPool) {
    let mut tx = pool.begin().await.unwrap();
    let c = pool.acquire().await.unwrap();
    reqwest::get("http://x").await; std::mem::forget(c); tx.commit().await;
    match x { Some(ref y) if y > 1 => loop { break 'a; }, _ => vec![r#"raw "x""#, b'\\'', '\\u{1F600}'] }
}
mod old { fn m() { let m = deadpool_postgres::Config::new(); m.pool = Some(deadpool::PoolConfig::new(16)); m.create_pool(None, tokio_postgres::NoTls); } }
fn r() { r2d2::Pool::builder().max_size(15).build(ConnectionManager::<PgConnection>::new(url)); }
"""
PHP = """\
<?php
namespace App;
use PDO;
return [
    'default' => env('DB_CONNECTION', 'pgsql'),
    'connections' => [
        'pgsql' => ['driver' => 'pgsql', 'url' => env('DATABASE_URL'), 'host' => env('DB_HOST', '127.0.0.1'), 'port' => 5_432,
            'password' => $_ENV['DB_PASSWORD'] ?? getenv("X") ?: 'x', 'sslmode' => 'prefer',
            'options' => extension_loaded('pdo_pgsql') ? array_filter([PDO::ATTR_PERSISTENT => true, PDO::ATTR_TIMEOUT => 5]) : []],
        'read' => [...$base, "a$b{$c['d']}" => <<<EOT
 x {$y} 
 EOT],
    ],
    'environments' => ['production' => ['supervisor-1' => ['maxProcesses' => 10, 'balance' => 'auto', 'timeout' => 60]]],
];
class C { const A = 'x'; public function f(): PDO { static $p; return $p ??= new \\PDO("pgsql:host=" . self::A . ";port=5432", 'u', 'x', [\\PDO::ATTR_EMULATE_PREPARES => false]); } }
$p = pg_pconnect("host=db dbname=app connect_timeout=5"); DB::statement('SET x = 1'); DB::connection('a')->enableQueryLog();
match (true) { default => fn($x) => $x?->y::class };
?> html <?= 1 ?>
"""
DOCKERFILE = """\
# syntax=docker/dockerfile:1
# escape=\\
ARG VERSION=1.80
FROM --platform=$BUILDPLATFORM rust:${VERSION:-1} AS build
WORKDIR /app
COPY --from=deps --chown=1:1 ["a b", "c"] ./
ENV DATABASE_URL=postgres://u:x@db/app POOL="10 \\
  20" OLD value
RUN --mount=type=cache,target=/x <<EOF bash \\
    -c
echo $X
EOF
FROM php:8.3-fpm-alpine
COPY --link www.conf /usr/local/etc/php-fpm.d/
ADD https://x/y /z
HEALTHCHECK --interval=5s CMD curl -f x || exit 1
ENTRYPOINT ["php-fpm", "-F"]
STOPSIGNAL SIGQUIT
CMD php artisan queue:work --max-jobs=100
"""
PROMETHEUS = """\
global: {scrape_interval: 15s}
rule_files: ["rules/*.yml", alerts.yml]
scrape_configs:
- job_name: pg
  static_configs: [{targets: ["exporter:9187", 'pgbouncer:9127'], labels: {a: b}}]
  metrics_path: /metrics
groups:
- name: pool
  rules:
  - alert: Exhausted
    expr: |
      sum by (server) (pg_stat_activity_count{state=~"active|idle", datname!="x"}) / pg_settings_max_connections > 0.8
    for: 5m
    labels: {severity: critical}
  - record: a:b:rate5m
    expr: rate(pgbouncer_pools_client_waiting_connections[5m] offset 1h @ end()) unless on() absent(x{__name__=~"pg_.+"})
"""
GRAFANA = """\
{"title": "x", "panels": [{"type": "row", "panels": [{"targets": [{"expr": "pg_up{job=\\"$job\\"}", "refId": "A"}, {"rawSql": "x"}]}]}],
 "templating": {"list": [{"query": "label_values(pg_stat_activity_count, state)", "expr": 5}]}}
"""
CARGO = """\
[package]
name = "api"
version.workspace = true
[dependencies]
sqlx = { version = "0.8", default-features = false, features = ["postgres", "runtime-tokio"] }
deadpool-postgres = "0.14"
[dependencies.diesel]
version = "=2.2"
[target.'cfg(unix)'.dependencies]
bb8 = { workspace = true, optional = true }
[[package]]
name = "sqlx"
version = "0.8.2"
"""
CONFIGURATION = """\
select = ["PO1", "all"]
ignore = ["PO203"]
exclude = ["old/**"]
fail-on = "error"
[severity]
PO101 = "warning"
[per-file-ignores]
"tests/**" = ["PO2"]
[params.acquire-timeout-out-of-range]
longest = "30s"
[services.api]
replicas = 3
pool = 10
[servers.db]
max-connections = 200
[host]
cores = 8
memory = "16GB"
"""
PLAN = """\
version: 1
server: {name: db, version: 16, max_connections: 200, cores: 4, memory: 8GB}
clients:
  - {name: api, kind: sqlx, replicas: 3, pool: 10}
  - name: web
    kind: php-fpm
    replicas: 2
    children: 20
pooler: {kind: pgbouncer, pool: 40}
"""
RULE = """\
code: PO950
name: pool-odd
since: 0.1.0
severity: warning
summary: A pool is odd.
why: Because.
help: Make it {pool.size_setter}.
refs: ["x"]
params:
  most: {type: int, default: 10, description: at most}
for: pool
when: pool.max_connections.is_written
require: pool.max_connections <= most and pool.min_connections >= 0
at: pool.max_connections
message: "opens {pool.max_connections} of {most}"
"""
BASELINE = """\
{"schema_version": 1, "entries": [
  {"rule": "pool-size-implicit", "subject": "pool a", "path": "a.rs", "text": "x", "measure": 1.5}
]}
"""
SUPPRESSIONS = """\
services:  # polint: ignore[PO203] why
  # polint: ignore[PO101, pool-size-implicit] until=2027-01-31 because
  db: x
# polint: ignore-file[PO4] all
// polint: ignore[PO1]
/* polint: ignore[x] */ -- polint: ignore[] until=soon
"""
EXPRESSION = "pool.max_connections <= 5 and not pool.min_connections.is_known or min(pool.max_connections, 3) / 2 == 1 if True else 'a' in ('a', 'b')"

SEEDS: dict[str, list[str]] = {
    "compose": [COMPOSE],
    "dotenv": [DOTENV],
    "php-fpm": [FPM],
    "postgresql.conf": [CONF],
    "pgbouncer": [PGBOUNCER],
    "sql": [SQL],
    "shell": [SHELL],
    "rust": [RUST],
    "php": [PHP],
    "dockerfile": [DOCKERFILE],
    "prometheus": [PROMETHEUS],
    "grafana": [GRAFANA],
    "cargo": [CARGO],
    "expression": [EXPRESSION],
    "message": ["keeps {pool.max_connections} of {most} {pool.wait:x} {{x}} {"],
    "polint.toml": [CONFIGURATION],
    "plan": [PLAN],
    "rule": [RULE],
    "baseline": [BASELINE],
    "suppressions": [SUPPRESSIONS],
    "mask": [DOTENV, RUST, PHP, COMPOSE, SQL],
}
# where a file of each format lies in the stack that it is tried in as a whole
PATHS = {
    "compose": "docker-compose.yml",
    "dotenv": ".env",
    "php-fpm": "php/www.conf",
    "postgresql.conf": "postgresql.conf",
    "pgbouncer": "pgbouncer.ini",
    "sql": "init/10.sql",
    "shell": "init/20.sh",
    "rust": "api/src/main.rs",
    "php": "php/config/database.php",
    "dockerfile": "api/Dockerfile",
    "prometheus": "prometheus.yml",
    "grafana": "dashboard.json",
    "cargo": "api/Cargo.toml",
}
SEEDS |= {f"{name} in a stack": SEEDS[name] for name in PATHS}
STACK = {
    "docker-compose.yml": """\
services:
  db:
    image: postgres:16
    command: postgres -c config_file=/etc/postgresql.conf
    environment: {POSTGRES_PASSWORD: "${DB_PASSWORD}"}
    volumes: [./postgresql.conf:/etc/postgresql.conf, ./init:/docker-entrypoint-initdb.d]
  pgbouncer:
    image: edoburu/pgbouncer
    volumes: [./pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini]
  api:
    build: ./api
    env_file: .env
    environment: {DATABASE_URL: "postgres://u:${DB_PASSWORD}@pgbouncer:6432/app"}
  php:
    build: ./php
    env_file: .env
    environment: {DB_CONNECTION: pgsql, DB_HOST: db}
    volumes: [./php/www.conf:/usr/local/etc/php-fpm.d/www.conf, ./php:/var/www/html]
  prometheus:
    image: prom/prometheus
    volumes: [./prometheus.yml:/etc/prometheus/prometheus.yml]
  exporter:
    image: prometheuscommunity/postgres-exporter
""",
    "php/Dockerfile": "FROM php:8.3-fpm\nCOPY . /var/www/html\n",
    **{PATHS[name]: SEEDS[name][0] for name in PATHS if name not in ("compose", "dockerfile")},
    "api/Dockerfile": "FROM rust:1\nCOPY . /app\nCMD ./api\n",
}

# Tokens of each language, separated by blanks; ␣ is a blank, ⏎ a line end, ⇥ a tab.
_DOLLARS = "$ $$ ${ } ${A} ${A:- ${A:+b} ${A:?no} $A ${A-${B}} "
_YAML = """a:␣ -␣ ?␣ :␣ &a␣ *a␣ <<:␣*a [ ] { } ,␣ ' " |⏎ >-⏎ #␣c⏎ !reset␣ !!str␣ ---⏎ ...⏎ %YAML␣1.2⏎ ~ null 0x1F 1e3 .inf yes 2026-01-01
    x:␣&b⏎ ⇥ é \\ @ ` '' """
_WORDS = {
    "compose": _YAML + _DOLLARS + """services:⏎ ␣␣db:⏎ ␣␣␣␣image:␣postgres:16⏎ ␣␣␣␣image:␣ ␣␣␣␣build:␣ ␣␣␣␣environment:⏎ ␣␣␣␣env_file:␣ ␣␣␣␣␣␣A:␣b⏎
        ␣␣␣␣command:␣ ␣␣␣␣depends_on:␣ ␣␣␣␣deploy:␣ ␣␣␣␣extends:␣ ␣␣␣␣volumes:⏎ include:␣ ␣␣␣␣␣␣-␣A=b⏎ ␣␣␣␣healthcheck:␣ ␣␣␣␣ports:␣
        ␣␣␣␣replicas:␣3⏎ ␣␣␣␣profiles:␣ ␣␣␣␣scale:␣ postgres://u:x@db/a ␣␣␣␣stop_grace_period:␣ ␣␣␣␣labels:␣ configs:⏎ secrets:⏎""",
    "dotenv": _DOLLARS + "A = :␣ ' \" \\ ⏎ # ␣ ⇥ export␣ x \\n A=b⏎ {{␣x␣}} {%␣if␣%} ` é",
    "php-fpm": _DOLLARS + """[www]⏎ [ ] pm␣=␣dynamic⏎ pm.max_children ␣=␣ = ' " ; # \\ ⏎ | & ^ ~ ! ( ) 5 include= env[A] php_value[ on none 1M . PHP_VERSION { }""",
    "postgresql.conf": """max_connections work_mem ␣=␣ = ␣ ' '' \\' 100 4MB 1.5 -1 0x1F 1e3 on # ⏎ include␣ include_dir␣ my.x {{␣x␣}} {%␣if␣%} %x% @X@ '*'
        5min \\ ⇥""",
    "pgbouncer": """[databases]⏎ [pgbouncer]⏎ [users]⏎ [peers]⏎ a␣=␣ *␣=␣ host=db␣ password=' '' ' pool_size=5␣ max_client_conn ␣=␣ = %include␣ ; # ⏎ ␣
        pool_mode␣=␣transaction⏎ 100 5.5 -1 \\ "a␣b"␣=␣ /x.ini auth_query␣=␣ {{␣x␣}} ${A} , ⇥""",
    "sql": """ALTER␣ ROLE␣ SYSTEM␣ DATABASE␣ SET␣ RESET␣ CREATE␣ USER␣ app␣ work_mem␣ =␣ TO␣ ' '' $$ $a$ -- /* */ ; ⏎ ( ) E'\\ U&' " CONNECTION␣LIMIT␣5
        PASSWORD␣'x' DO␣ BEGIN END :x :'x' \\set␣x␣1⏎ \\if␣1⏎ \\gexec⏎ 5 1e5 $1 set_config( LISTEN␣c PREPARE␣p␣AS␣ ` delimiter␣// , ::int""",
    "shell": """psql␣ <<EOF⏎ <<-'E'⏎ EOF⏎ E⏎ -c␣ " ' \\ ⏎ ALTER␣SYSTEM␣SET␣work_mem␣=␣'1MB'; $( ) ` ${A} # if␣x;␣then⏎ fi⏎ | && ; exit⏎ <<< f()␣{⏎ }⏎
        case␣x␣in⏎ esac⏎ $' (( )) CREATE␣ROLE␣a;""",
    "rust": """fn␣f()␣{ } { ( ) [ ] < > PgPoolOptions::new() .max_connections( .connect( &url 5 5_u32 let␣x␣=␣ const␣A:␣u32␣=␣ ; use␣sqlx:: :: .await ? |x|␣
        =>␣ match␣x␣ if␣let␣Some(x)␣=␣ struct␣S␣ x:␣u32,␣ impl␣S␣ self. env::var( "A" " 'a r#" "# // /* */ #[serde(default)] Duration::from_secs( Some(
        .unwrap_or( Pool::builder() deadpool_postgres:: pool.acquire() pool.begin() drop( async␣move␣ return␣ loop␣ &mut␣ .. = + - * as␣u32 ⏎
        macro_rules!␣m␣ $x tokio::spawn( static␣P:␣LazyLock<PgPool>␣=␣ PgPool S␣{␣ mod␣m␣ r2d2:: bb8::""",
    "php": """<?php␣ ?> $a ␣=␣ ; [ ] ( ) { } => , ' " 'pgsql' 'connections' 'driver' env('A',␣'b') new␣PDO( 'pgsql:host=db' -> :: function␣f()␣ class␣C␣
        const␣A␣=␣ return␣ <<<E⏎ E;⏎ ... ?? ? : . # // /* */ PDO::ATTR_PERSISTENT true array( fn()␣=>␣ match( if␣( static␣ {$a} 5 - &
        'environments' 'maxProcesses' use␣A\\B; namespace␣N; \\ ⏎ enableQueryLog pg_connect( $_ENV[ config('a.b') array_merge( @""",
    "dockerfile": _DOLLARS + """FROM␣ rust:1␣ AS␣a⏎ RUN␣ COPY␣ --from=a␣ ENV␣ A=b␣ ARG␣ CMD␣ ENTRYPOINT␣ [ ] " ' , \\⏎ \\ ` ⏎ # #␣escape=`⏎ <<EOF␣ EOF⏎
        HEALTHCHECK␣ STOPSIGNAL␣ WORKDIR␣/a⏎ ONBUILD␣ USER␣x⏎ ␣ /a . --x ⇥ SHELL␣""",
    "prometheus": _YAML + """groups:⏎ -␣name:␣g⏎ ␣␣rules:⏎ ␣␣-␣alert:␣A⏎ ␣␣␣␣expr:␣ pg_up { } a="b" =~ ( ) [5m] ␣offset␣5m ␣by␣(a)␣ sum >␣5
        scrape_configs:⏎ rule_files:␣ '""",
    "grafana": """{ } [ ] "expr":␣ "pg_up" , : " \\ null 1e999 - true "panels":␣ "targets":␣ ␣ ⏎ \\u00 $x "templating":␣""",
    "cargo": """[ ] dependencies . sqlx ␣=␣ "0.8" { } version features␣=␣ , ⏎ " ' \"\"\" # [[package]]⏎ workspace␣=␣true 1979-05-27 1e999 \\u = _ 0x inf""",
    "expression": """pool . max_connections min_connections acquire_timeout ␣and␣ ␣or␣ not␣ ( ) < <= == + - * / // % 5 1.5 'a' ␣in␣ ␣if␣ ␣else␣ min( len( , [ ]
        { } lambda:␣ is_known is_default label True None x := ~ ** f'{ \\ ⏎ # service @ ... await␣ 30s most 99999999999999999999""",
    "polint.toml": """[ ] [[ ]] services . api ⏎ ␣=␣ replicas 3 -1 1.5 " ' \"\"\" params select ignore per-file-ignores severity "PO1" PO203 exclude rules
        baseline templates host cores memory "8GB" { } , # 1979-05-27 inf nan true \\u 0x1F 99999999999999999999 tool polint""",
    "rule": _YAML + """code:␣PO950⏎ name:␣x-y⏎ for:␣pool⏎ when:␣ require:␣ at:␣ message:␣ pool.max_connections { } params:⏎ ␣␣most:␣ fix:⏎ ␣␣set:␣ ␣␣to:␣
        type:␣int default:␣5 severity:␣error⏎ example:␣x⏎ files:⏎ ␣␣a.rs:␣|⏎ [| |] since:␣0.1.0⏎ refs:␣[]⏎ notes:␣""",
    "plan": _YAML + "version:␣1⏎ server:␣ name:␣ clients:⏎ ␣␣-␣ kind:␣sqlx replicas:␣ 3 pool:␣ pooler:␣ memory:␣8GB cores:␣ max_connections:␣ -1 { } ,",
    "baseline": """{ } [ ] "schema_version" "entries" "rule" "subject" "path" "text" "measure" : , 1 "x" "2026-01-01" "2026-13-01" null ⏎ 1e999 \\ " //""",
    "suppressions": """polint: ␣ignore -file [ ] PO203 , ␣ until= 2027-01-31 2027-02-31 #␣ //␣ --␣ ;␣ /*␣ */ ⏎ <!--␣ x␣=␣1 ' " é why""",
}  # fmt: skip
_WORDS["message"] = _WORDS["expression"] + " {{ }} {pool.max_connections}"
_WORDS["mask"] = " ".join(_WORDS[name] for name in ("dotenv", "php", "rust", "sql")) + " password SECRET :// @ u:x@ -u␣ --password␣"
_WORDS |= {f"{name} in a stack": _WORDS[name] for name in PATHS}
TOKENS: dict[str, tuple[str, ...]] = {
    name: tuple(words.replace("␣", " ").replace("⏎", "\n").replace("⇥", "\t") for words in text.split()) for name, text in _WORDS.items()
}


def _source(data: bytes, path: str = "file") -> Any:
    from polint.source import Source

    return Source.from_bytes(path, data)


def _compose(data: bytes) -> None:
    from polint.formats import compose

    main = _source(data, "docker-compose.yml")
    compose.load(
        main, (_source(data, "docker-compose.override.yml"),), lambda path: _source(data, path) if path.endswith((".yml", ".env")) else None
    )


def _dotenv(data: bytes) -> None:
    from polint.formats import dotenv

    for dialect in dotenv.DIALECTS:
        dotenv.parse(_source(data, ".env"), dialect)


def _fpm(data: bytes) -> None:
    from polint.formats import ini

    ini.parse_fpm(_source(data, "www.conf"))
    ini.parse_fpm(_source(data, "www.conf"), (8, 4))


def _conf(data: bytes) -> None:
    from polint.formats import postgresql_conf

    source = _source(data, "postgresql.conf")
    postgresql_conf.parse(source)
    postgresql_conf.parse_arguments([(word, source.span(0, 0)) for word in source.text.split()[:50]])


def _pgbouncer(data: bytes) -> None:
    from polint.formats import pgbouncer

    source = _source(data, "pgbouncer.ini")
    for entry in pgbouncer.parse(source, (1, 18, 0), lambda path, *_: source).entries:
        pgbouncer.inline_comment(entry)
        if entry.section == "databases":
            pgbouncer.connect_string(entry)


def _sql(data: bytes) -> None:
    from polint.formats import sql

    sql.interesting(data)
    sql.parse(_source(data, "a.sql"))


def _shell(data: bytes) -> None:
    from polint.formats import sql_shell

    sql_shell.parse_shell(_source(data, "a.sh"))


def _rust(data: bytes) -> None:
    from polint.formats import rust, rust_sql

    sources = [_source(data, "src/main.rs"), _source(RUST.encode(), "src/lib.rs")]
    rust.read_crate(sources)
    list(rust_sql.read(sources))


def _php(data: bytes) -> None:
    from polint.formats import php, php_sql

    php.parse(_source(data, "config/database.php"))
    list(php_sql.read(_source(data, "a.php")))


def _dockerfile(data: bytes) -> None:
    from polint.formats import dockerfile

    dockerfile.parse(_source(data, "Dockerfile"))


def _prometheus(data: bytes) -> None:
    from polint.formats import prometheus

    prometheus.parse(_source(data, "rules.yml"))


def _grafana(data: bytes) -> None:
    from polint.formats import grafana

    grafana.parse(_source(data, "dashboard.json"))


def _cargo(data: bytes) -> None:
    from polint.formats import cargo

    source = _source(data, "Cargo.toml")
    cargo.package_name(data)
    cargo.locked(data, "sqlx")
    cargo.features(source, ("sqlx",))
    found = cargo.requirement(source, "sqlx")
    if found is not None:
        cargo.major_minor(str(found))


@cache
def _scope() -> Any:
    from polint.expr import Scope
    from polint.model import subject_class

    return Scope("pool", subject_class("pool"), {"most": int})


def _expression(data: bytes) -> None:
    from polint.exprtext import ExprError

    text = data.decode("utf-8", "surrogateescape")
    scope = _scope()
    for entry in (scope.condition, scope.number, scope.value, scope.thing):
        try:
            entry(text)
        except ExprError as error:
            str(error)


def _message(data: bytes) -> None:
    from polint.exprtext import ExprError

    try:
        _scope().template(data.decode("utf-8", "surrogateescape"))
    except ExprError as error:
        str(error)


def _configuration(data: bytes) -> None:
    from polint import config, start

    try:
        found = config.parse(_source(data, "polint.toml"))
        start.settled("/nonexistent", found)
    except (config.ConfigError, start.CannotRun) as error:
        str(error)


def _plan(data: bytes) -> None:
    from polint.bundle import planfile
    from polint.config import ConfigError

    try:
        planfile.parse(_source(data, "polint-plan.yaml"))
    except ConfigError as error:
        str(error)


def _rule(data: bytes) -> None:
    import tempfile

    from polint import rule

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.yaml").write_bytes(data)
        for error in rule.load_rules([folder], known=()).errors:
            str(error)


def _baseline(data: bytes) -> None:
    from polint import baseline

    try:
        baseline.parse(_source(data, "polint-baseline.json"))
    except baseline.BaselineError as error:
        str(error)


def _suppressions(data: bytes) -> None:
    from polint import suppress

    for path in ("a.yml", "a.rs", "a.php", "a.sql", "a.ini", "Dockerfile"):
        for found in suppress.find(_source(data, path)):
            for name in found.names:
                suppress.removal(found, name)


def _mask(data: bytes) -> None:
    from polint.mask import mask

    text = data.decode("utf-8", "surrogateescape")
    assert len(mask(text)) == len(text)
    line, _, before = text.partition("\n")
    assert len(mask(line, before)) == len(line)


@cache
def _rules() -> Any:
    from polint.rule import load_builtin

    return load_builtin().rules


def _whole(name: str) -> Callable[[bytes], None]:
    """A run over a whole stack, with its reports and its fixes."""

    def run(data: bytes) -> None:
        from importlib import import_module

        from polint import discover, engine, lint, reporters
        from polint.config import Config
        from polint.model import LATE

        overlay = {path: text.encode() for path, text in STACK.items()} | {PATHS[name]: data}
        project = lint.project_of(discover.Files("", (), overlay), Config())
        rules = [rule for rule in _rules() if rule.subject not in LATE]
        found = engine.check(rules, project.subjects())
        report = reporters.Report("", found.diagnostics, [], (), found.silenced)
        for shown in ("text", "json"):
            import_module(f"polint.reporters.{shown}").report(report, reporters.Style())

    return run


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "compose": _compose,
    "dotenv": _dotenv,
    "php-fpm": _fpm,
    "postgresql.conf": _conf,
    "pgbouncer": _pgbouncer,
    "sql": _sql,
    "shell": _shell,
    "rust": _rust,
    "php": _php,
    "dockerfile": _dockerfile,
    "prometheus": _prometheus,
    "grafana": _grafana,
    "cargo": _cargo,
    "expression": _expression,
    "message": _message,
    "polint.toml": _configuration,
    "plan": _plan,
    "rule": _rule,
    "baseline": _baseline,
    "suppressions": _suppressions,
    "mask": _mask,
    **{f"{name} in a stack": _whole(name) for name in PATHS},
}
