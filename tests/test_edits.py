"""Edits: the new text exactly, nothing else touched, and read again it says what was asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polint import edits, edits_lines, lint, yamltext
from polint.diagnostic import Edit
from polint.fixer import splice
from polint.model import read
from polint.pgunits import read_memory, read_time
from polint.rendering import BadTemplate
from polint.source import Source, Span
from polint.units import INFINITY, Bytes, Seconds
from polint.value import Literal

NEVER = Seconds(INFINITY)
S = Seconds
MB = 1 << 20


def marked(path: str, text: str) -> Span:
    start, end = text.index("[|"), text.index("|]") - 2
    return Source(path, text.replace("[|", "").replace("|]", "")).span(start, end)


def after(span: Span, edit: Edit | None) -> str | None:
    return None if edit is None else splice(span.source, [edit])


CHANGED = [
    # one number: the scale is told from what it meant before
    (".env", "DB_ACQUIRE_TIMEOUT=[|60|]\n", S(60), S(5), "DB_ACQUIRE_TIMEOUT=5\n"),
    (".env", "TIMEOUT_MS=[|60000|] # ms\n", S(60), S(4.5), "TIMEOUT_MS=4500 # ms\n"),
    (".env", 'A=[|"60"|]', S(60), S(5), 'A="5"'),
    (".env", "A=[|30s|]\n", S(30), S(5), "A=5s\n"),
    (".env", "A=[|5m|]\n", S(300), S(90), "A=90s\n"),
    (".env", "A=[|false|]\n", False, True, "A=true\n"),
    (".env", "A=[|FALSE|]\n", False, True, "A=TRUE\n"),
    (".env", "A=[|'prefer'|]\n", "prefer", "verify-full", "A='verify-full'\n"),
    (".env", "A=[|prefer|]\n", "prefer", "a b", 'A="a b"\n'),
    (".env", "A=[|60|]\n", S(60), S(0.5), None),
    (".env", "A=[|60|]\n", S(37), S(5), None),
    (".env", "A=[|0|]\n", NEVER, S(60), None),
    (".env", "A=[|0|]\n", 0, 100, "A=100\n"),
    (".env", "A=[|${B:-5}|]\n", S(5), S(3), None),
    ("postgresql.conf", "statement_timeout = [|30000|] # x\n", S(30), S(5), "statement_timeout = 5000 # x\n"),
    ("postgresql.conf", "statement_timeout=[|10min|]\n", S(600), S(300), "statement_timeout=5min\n"),
    ("postgresql.conf", "statement_timeout=[|10min|]\n", S(600), S(90), "statement_timeout=90s\n"),
    ("postgresql.conf", "statement_timeout = [|'1.5min'|]\n", S(90), S(5), "statement_timeout = '5s'\n"),
    ("postgresql.conf", "statement_timeout = [|'60 s'|]\n", S(60), S(5), "statement_timeout = '5 s'\n"),
    ("postgresql.conf", "idle_session_timeout = [|0|]\n", NEVER, S(60), "idle_session_timeout = 60s\n"),
    ("postgresql.conf", "idle_session_timeout = [|'0'|]\n", NEVER, S(60), "idle_session_timeout = '60s'\n"),
    ("postgresql.conf", "idle_session_timeout = [|60s|]\n", S(60), NEVER, "idle_session_timeout = 0\n"),
    ("postgresql.conf", "shared_buffers = [|512MB|]\n", Bytes(512 * MB), Bytes(1024 * MB), "shared_buffers = 1024MB\n"),
    ("postgresql.conf", "shared_buffers = [|1GB|]\n", Bytes(1024 * MB), Bytes(512 * MB), "shared_buffers = 512MB\n"),
    ("postgresql.conf", "shared_buffers = [|16384|]\n", Bytes(128 * MB), Bytes(64 * MB), "shared_buffers = 8192\n"),
    ("postgresql.conf", "max_connections = [|020|]\n", 16, 100, "max_connections = 100\n"),
    ("postgresql.conf", "jit = [|On|]\n", True, False, "jit = Off\n"),
    ("postgresql.conf", "jit = [|1|]\n", True, False, "jit = 0\n"),
    ("postgresql.conf", "ssl_min_protocol_version = [|off|]\n", "off", "it's", "ssl_min_protocol_version = 'it''s'\n"),
    ("php-fpm.conf", "request_terminate_timeout = [|0|]\n", NEVER, S(60), "request_terminate_timeout = 60s\n"),
    ("php-fpm.conf", "request_terminate_timeout = [|2m|]\n", S(120), S(90), "request_terminate_timeout = 90s\n"),
    ("php-fpm.conf", "request_terminate_timeout = [|30ms|]\n", S(30), S(60), "request_terminate_timeout = 60s\n"),
    ("php-fpm.conf", "request_terminate_timeout = [|30|]\n", S(30), S(60), "request_terminate_timeout = 60\n"),
    ("php-fpm.conf", "request_terminate_timeout = [|30s|]\n", S(30), S(0.5), None),
    ("php-fpm.conf", "pm = [|dynamic|]\n", "dynamic", "static", "pm = static\n"),
    ("php-fpm.conf", "env[A] = [|x|]\n", "x", "on", 'env[A] = "on"\n'),
    ("php-fpm.conf", "pm.max_requests = [|0|]\n", 0, 500, "pm.max_requests = 500\n"),
    ("pgbouncer.ini", "query_wait_timeout = [|0|]\n", NEVER, S(60), "query_wait_timeout = 60\n"),
    ("pgbouncer.ini", "query_wait_timeout = [|4.5|]\n", S(4.5), S(5.25), "query_wait_timeout = 5.25\n"),
    ("pgbouncer.ini", "server_lifetime = [|0|]\n", S(0), S(3600), "server_lifetime = 3600\n"),
    ("pgbouncer.ini", "max_db_connections = [|0|]\n", INFINITY, 20.0, "max_db_connections = 20\n"),
    ("pgbouncer.ini", "max_db_connections = [|20|]\n", 20.0, INFINITY, "max_db_connections = 0\n"),
    ("pgbouncer.ini", "default_pool_size = [|20|]\n", 20, INFINITY, None),
    ("pgbouncer.ini", "pool_mode = [|session|]\n", "session", "transaction", "pool_mode = transaction\n"),
    ("pgbouncer.ini", "ignore_startup_parameters = [|a|]\n", "a", "a, b", "ignore_startup_parameters = a, b\n"),
    # compose
    ("compose.yaml", "x: {MAX: [|20|], B: 1}\n", 20, 10, "x: {MAX: 10, B: 1}\n"),
    ("compose.yaml", 'MAX: [|"30"|]\n', 30, 10, 'MAX: "10"\n'),
    ("compose.yaml", "- MAX=[|30|]\n", 30, 10, "- MAX=10\n"),
    ("compose.yaml", "- [|MAX=30|]\n", 30, 10, "- MAX=10\n"),
    (
        "compose.yaml",
        "command: postgres -c max_connections=[|200|] -c b=1\n",
        200,
        100,
        "command: postgres -c max_connections=100 -c b=1\n",
    ),
    ("compose.yaml", "command: postgres -c idle_session_timeout=[|0|]\n", NEVER, S(60), "command: postgres -c idle_session_timeout=60s\n"),
    ("compose.yaml", "command: [-c, 'x_timeout=[|10min|]']\n", S(600), S(90), "command: [-c, 'x_timeout=90s']\n"),
    ("compose.yaml", "command:\n- -c\n- x_timeout=[|1h|]\n", S(3600), S(600), "command:\n- -c\n- x_timeout=10min\n"),
    ("compose.yaml", "stop_grace_period: [|1m30s|]\n", S(90), S(30), "stop_grace_period: 30s\n"),
    ("compose.yaml", "stop_grace_period: [|1m|]\n", S(60), S(90), "stop_grace_period: 90s\n"),
    ("compose.yaml", "- [|MAX=${MAX:-30}|]\n", 30, 10, "- MAX=${MAX:-10}\n"),
    ("compose.yaml", "- MAX=[|${MAX}|]\n", 30, 10, None),
    ("compose.yaml", "FPM_TIMEOUT: [|0|]\n", NEVER, S(60), None),
    ("compose.yaml", "mem_limit: [|1g|]\n", Bytes(1024 * MB), Bytes(512 * MB), "mem_limit: 512m\n"),
    ("compose.yaml", "stop_signal: [|QUIT|]\n", "SIGQUIT", "SIGINT", "stop_signal: SIGINT\n"),
    ("compose.yaml", "A: [|on|]\n", "on", "true", 'A: "true"\n'),
    ("compose.yaml", "A: [|on|]\n", "on", "a $b", 'A: "a $$b"\n'),
    ("compose.yaml", "A: [|'on'|]\n", "on", "it's", "A: 'it''s'\n"),
    ("compose.yaml", 'A: [|"true"|]\n', True, False, 'A: "false"\n'),
    # code
    ("a.rs", "x.t([|Duration::from_secs(60)|])", S(60), S(5), "x.t(Duration::from_secs(5))"),
    ("a.rs", "x.t([|Duration::from_secs(60)|])", S(60), S(4.5), "x.t(Duration::from_millis(4500))"),
    ("a.rs", "x.t([|time::Duration::from_millis(60_000)|])", S(60), S(5), "x.t(time::Duration::from_millis(5_000))"),
    ("a.rs", "x.t(Duration::from_millis([|60000|]))", S(60), S(5), "x.t(Duration::from_millis(5000))"),
    ("a.rs", "x.t([|Duration::from_secs(10 * 60)|])", S(600), S(300), "x.t(Duration::from_secs(300))"),
    ("a.rs", "x.t([|Duration::new(60, 0)|])", S(60), S(5), "x.t(Duration::from_secs(5))"),
    ("a.rs", "x.t([|Duration::from_mins(1)|])", S(60), S(120), "x.t(Duration::from_mins(2))"),
    ("a.rs", "x.t([|Duration::from_mins(1)|])", S(60), S(90), "x.t(Duration::from_secs(90))"),
    ("a.rs", "x.t([|Duration::from_secs_f64(1.5)|])", S(1.5), S(5), "x.t(Duration::from_secs_f64(5.0))"),
    ("a.rs", "x.t([|Some(Duration::from_secs(1))|])", S(1), S(5), "x.t(Some(Duration::from_secs(5)))"),
    ("a.rs", "x.t([|Some(Duration::from_secs(1))|])", S(1), NEVER, "x.t(None)"),
    ("a.rs", "x.t([|Duration::from_secs(LIMIT)|])", S(60), S(5), None),
    ("a.rs", "x.t([|patience|])", S(60), S(5), None),
    ("a.rs", "x.t([|60u64|])", S(60), S(5), "x.t(5u64)"),
    ("a.rs", "x.min([|Some(8)|])", 8, 10, "x.min(Some(10))"),
    ("a.rs", "const MAX: u32 = [|2 * 5|];", 10, 8, "const MAX: u32 = 8;"),
    ("a.rs", 'var("A").unwrap_or([|"10"|].into())', 10, 5, 'var("A").unwrap_or("5".into())'),
    ("a.rs", "x.t([|true|])", True, False, "x.t(false)"),
    (
        "a.rs",
        "use std::time::Duration;\nfn f() { PgPoolOptions::new().idle_timeout([|None|]); }",
        NEVER,
        S(600),
        "use std::time::Duration;\nfn f() { PgPoolOptions::new().idle_timeout(Duration::from_secs(600)); }",
    ),
    (
        "a.rs",
        "use chrono::Duration;\nfn f() { bb8::Pool::builder().idle_timeout([|None|]); }",
        NEVER,
        S(600),
        "use chrono::Duration;\nfn f() { bb8::Pool::builder().idle_timeout(Some(std::time::Duration::from_secs(600))); }",
    ),
    (
        "a.rs",
        "fn f() { PgPoolOptions::new().idle_timeout([|Duration::from_secs(5)|]); }",
        S(5),
        NEVER,
        "fn f() { PgPoolOptions::new().idle_timeout(None); }",
    ),
    ("a.rs", "fn f() { PgPoolOptions::new().acquire_timeout([|Duration::from_secs(5)|]); }", S(5), NEVER, None),
    ("a.php", "[PDO::ATTR_TIMEOUT => [|60|]]", S(60), S(5), "[PDO::ATTR_TIMEOUT => 5]"),
    ("a.php", "[PDO::ATTR_TIMEOUT => [|'60'|]]", S(60), S(5), "[PDO::ATTR_TIMEOUT => '5']"),
    ("a.php", "[PDO::ATTR_TIMEOUT => [|5 * 60|]]", S(300), S(5), "[PDO::ATTR_TIMEOUT => 5]"),
    ("a.php", "[PDO::X => [|TRUE|]]", True, False, "[PDO::X => FALSE]"),
    ("a.php", "['sslmode' => [|'prefer'|]]", "prefer", "it's", "['sslmode' => 'it\\'s']"),
    ("a.php", "['sslmode' => [|env('A', 1)|]]", 1, 2, None),
    ("a.sql", "SET statement_timeout = [|5000|];", S(5), S(10), "SET statement_timeout = 10000;"),
    ("a.sql", "SET statement_timeout = [|'5s'|];", S(5), S(10), "SET statement_timeout = '10s';"),
    ("a.sql", "SET statement_timeout TO [|0|];", NEVER, S(10), "SET statement_timeout TO '10s';"),
    ("a.sql", "ALTER ROLE app CONNECTION LIMIT [|-1|];", INFINITY, 20, "ALTER ROLE app CONNECTION LIMIT 20;"),
    ("rules.yml", "for: [|5m|]\n", S(300), S(60), "for: 1m\n"),
    ("any/fpm-like.txt", "pm.max_children = [|10|]\n", 10, 5, "pm.max_children = 5\n"),
]


@pytest.mark.parametrize(("path", "text", "before", "wanted", "result"), CHANGED)
def test_changed(path: str, text: str, before: object, wanted: object, result: str | None) -> None:
    span = marked(path, text)
    assert after(span, edits.changed(span, before, wanted)) == result


def test_kinds_do_not_mix() -> None:
    span = marked(".env", "A=[|60|]")
    assert edits.changed(span, S(60), Bytes(5)) is None
    assert edits.changed(span, 60, True) is None
    assert edits.changed(span, "60", 5) is None
    assert edits.changed(span, None, 5) is None
    assert edits.changed(marked(".env", "A=[||]"), "", "x") is None


A = "services:\n  a:\n"

REMOVED = [
    ("postgresql.conf", "a = 1\n# about b\nb = [|2|] # x\nc = 3\n", "a = 1\n# about b\nc = 3\n"),
    ("postgresql.conf", "a = 1\n[|b|] = 2", "a = 1\n"),
    ("postgresql.conf", "a = 1\n# [|b|] = 2\n", None),
    ("php-fpm.conf", "[www]\npm = static\npm.max_requests = [|0|]\n", "[www]\npm = static\n"),
    ("pgbouncer.ini", "[pgbouncer]\npool_mode = [|session|]\nlisten_port = 1\n", "[pgbouncer]\nlisten_port = 1\n"),
    ("pgbouncer.ini", "[databases]\na = host=db pool_size=[|20|] port=1\n", "[databases]\na = host=db port=1\n"),
    ("pgbouncer.ini", "[databases]\na = [|pool_size|]=20 host=db\n", "[databases]\na = host=db\n"),
    ("pgbouncer.ini", "[databases]\na = host=[|db|]\n", None),
    (".env", 'A=1\nexport [|B|]="x\ny"\nC=2\n', "A=1\nC=2\n"),
    (".env", "A=1\r\nB=[|2|]\r\nC=3\r\n", "A=1\r\nC=3\r\n"),
    # block style
    ("compose.yaml", A + "    image: x\n    stop_signal: [|QUIT|] # c\n", A + "    image: x\n"),
    ("compose.yaml", A + "    image: x\n    environment:\n      [|A|]: 5\n    init: true", A + "    image: x\n    init: true"),
    ("compose.yaml", A + "    environment:\n      - A=[|5|]\n      - B=1\n", A + "    environment:\n      - B=1\n"),
    (
        "compose.yaml",
        A + "    image: x\n    [|healthcheck|]:\n      test:\n        - |\n          b\n          c\n\n    init: true\n",
        A + "    image: x\n\n    init: true\n",
    ),
    (
        "compose.yaml",
        A + "    image: x\n    deploy:\n      resources:\n        limits: {memory: [|1g|]}\n",
        A + "    image: x\n",
    ),
    (
        "compose.yaml",
        A + "    volumes:\n      - type: [|bind|]\n        source: x\n",
        A + "    volumes:\n      - source: x\n",
    ),
    ("compose.yaml", A + "    image: [|x|]\n", None),
    ("compose.yaml", A + "    image: x\n    environment: &e\n      A: [|5|]\n  b:\n    environment: *e\n", None),
    ("compose.yaml", A + "    image: x\n    environment:\n      URL: postgres://h/d?pool=[|5|]\n", None),
    # flow style
    ("compose.yaml", "services:\n  a: {image: x, stop_signal: [|QUIT|]}\n", "services:\n  a: {image: x}\n"),
    ("compose.yaml", "services:\n  a: {stop_signal: [|QUIT|], image: x}\n", "services:\n  a: {image: x}\n"),
    ("compose.yaml", A + "    environment: {\n      A: [|1|],\n      B: 2\n    }\n", A + "    environment: {\n      B: 2\n    }\n"),
    ("compose.yaml", A + "    environment: {\n      A: 1,\n      B: [|2|]\n    }\n", A + "    environment: {\n      A: 1\n    }\n"),
    # commands
    ("compose.yaml", A + "    command: postgres -c b=[|20|] -c x=1\n", A + "    command: postgres -c x=1\n"),
    (
        "compose.yaml",
        A + "    command: >\n      postgres\n      -c b=[|2|]\n      -c x=1\n",
        A + "    command: >\n      postgres\n      -c x=1\n",
    ),
    ("compose.yaml", A + "    command: [postgres, -c, b=[|20|], -c, x=1]\n", A + "    command: [postgres, -c, x=1]\n"),
    ("compose.yaml", A + "    command:\n      - postgres\n      - -c\n      - b=[|2|]\n", A + "    command:\n      - postgres\n"),
    ("compose.yaml", A + "    command: [postgres, --b=[|20|]]\n", A + "    command: [postgres]\n"),
    ("compose.yaml", A + "    command: run --max [|20|]\n", None),
    # code
    (
        "a.rs",
        "fn f() {\n    PgPoolOptions::new()\n        // why\n"
        "        .idle_timeout([|Duration::from_secs(5)|]) // five\n        .connect(u);\n}\n",
        "fn f() {\n    PgPoolOptions::new()\n        // why\n        .connect(u);\n}\n",
    ),
    ("a.rs", "fn f() { PgPoolOptions::new().idle_timeout([|None|]).connect(u); }", "fn f() { PgPoolOptions::new().connect(u); }"),
    ("a.rs", "fn f() {\n    o.[|idle_timeout|](x);\n    y();\n}\n", "fn f() {\n    y();\n}\n"),
    ("a.rs", "fn f() {\n    o.idle_timeout([|Some(Duration::from_secs(60 * 5))|]);\n}\n", "fn f() {\n}\n"),
    ("a.rs", "fn f() { let o = o.idle_timeout([|x|]); }", None),
    ("a.rs", "fn f() { o.idle_timeout(x.unwrap_or([|D|])); }", None),
    ("a.rs", "fn f() { let c = Config { wait: [|None|] }; }", None),
    (
        "a.php",
        "<?php return [\n    'x' => 1,\n    // why\n    PDO::A => [|PDO::B|], // c\n    'y' => 2,\n];\n",
        "<?php return [\n    'x' => 1,\n    // why\n    'y' => 2,\n];\n",
    ),
    ("a.php", "<?php return ['x' => 1, 'y' => [|env('A', 2)|]];", "<?php return ['x' => 1];"),
    ("a.php", "<?php return ['y' => env([|'A'|], 2), 'x' => 1];", "<?php return ['x' => 1];"),
    ("a.php", "<?php return ['y' => [[|PDO::A|] => 1], 'x' => 1];", "<?php return ['y' => [], 'x' => 1];"),
    ("a.php", "<?php return ['x' => 1, 'options' => [PDO::A => [|true|]], 'z' => 1];", "<?php return ['x' => 1, 'z' => 1];"),
    ("a.php", "<?php\n[|DB::enableQueryLog()|];\n$x = 1;\n", "<?php\n$x = 1;\n"),
    ("a.php", "<?php\n$pdo->setAttribute(PDO::A, [|true|]);\n$x = 1;\n", "<?php\n$x = 1;\n"),
    ("a.php", "<?php\n$x = f([|true|]);\n", None),
    ("a.sql", "ALTER SYSTEM SET a.b = 1;\nSET statement_timeout = [|'5s'|]; -- x\nSELECT 1;\n", "ALTER SYSTEM SET a.b = 1;\nSELECT 1;\n"),
    (
        "prometheus.yml",
        "groups:\n  - name: a\n    rules:\n      - alert: A\n        expr: up\n        for: [|5m|]\n",
        "groups:\n  - name: a\n    rules:\n      - alert: A\n        expr: up\n",
    ),
    ("Dockerfile", "ENV A=[|5|]\n", None),
]


@pytest.mark.parametrize(("path", "text", "result"), REMOVED)
def test_removed(path: str, text: str, result: str | None) -> None:
    span = marked(path, text)
    assert after(span, edits.removed(span)) == result


SERVICE = "services:\n  [|app|]:\n    image: x\n    ports:\n      - 1\n\n  # the database\n  db:\n    image: postgres:16\n"
DATABASE = "services:\n  app:\n    image: x\n  [|db|]:\n    image: postgres:16\n"
PLAIN_DATABASE = DATABASE.replace("[|", "").replace("|]", "")
PHP = "<?php return ['connections' => [\n    [|'pgsql'|] => [\n        'driver' => 'pgsql',\n    ],\n]];\n"

INSERTED = [
    (
        "a.rs",
        "use std::time::Duration;\nfn f() {\n    let p = [|PgPoolOptions::new()|]\n        .max_connections(5)\n        .connect(u);\n}\n",
        "acquire_timeout",
        S(5),
        "use std::time::Duration;\nfn f() {\n    let p = PgPoolOptions::new()\n        .acquire_timeout(Duration::from_secs(5))\n"
        "        .max_connections(5)\n        .connect(u);\n}\n",
    ),
    (
        "a.rs",
        "fn f() { let p = [|PgPoolOptions::new()|].connect(u); }",
        "acquire_timeout",
        S(0.5),
        "fn f() { let p = PgPoolOptions::new().acquire_timeout(std::time::Duration::from_millis(500)).connect(u); }",
    ),
    (
        "a.rs",
        "fn f() { let p = [|PgPoolOptions::new()|]; }",
        "max_connections",
        5,
        "fn f() { let p = PgPoolOptions::new().max_connections(5); }",
    ),
    (
        "a.rs",
        "fn f() {\n    let mut opt = [|ConnectOptions::new(url)|];\n    opt.max_connections(5);\n}\n",
        "test_before_acquire",
        True,
        "fn f() {\n    let mut opt = ConnectOptions::new(url);\n    opt.test_before_acquire(true);\n    opt.max_connections(5);\n}\n",
    ),
    ("a.rs", "fn f() {\n    let opt = [|ConnectOptions::new(url)|];\n}\n", "max_connections", 5, None),
    (
        "a.rs",
        "use std::time::{Duration, Instant};\nfn f() { let p = [|r2d2::Pool::builder()|].build(m); }",
        "idle_timeout",
        S(300),
        "use std::time::{Duration, Instant};\n"
        "fn f() { let p = r2d2::Pool::builder().idle_timeout(Some(Duration::from_secs(300))).build(m); }",
    ),
    ("a.rs", "fn f() { let p = [|Pool::builder(m)|].build(); }", "wait_timeout", S(5), None),
    ("a.rs", "fn f() { let p = [|Pool::builder(m)|].build(); }", "acquire_timeout", S(5), None),
    (
        "a.rs",
        "use std::time::Duration;\nfn f() { let p = [|Pool::builder(m)|].runtime(r).build(); }",
        "wait_timeout",
        S(5),
        "use std::time::Duration;\nfn f() { let p = Pool::builder(m).wait_timeout(Some(Duration::from_secs(5))).runtime(r).build(); }",
    ),
    ("a.rs", "fn f() { let p = [|PgPool::connect(u)|]; }", "acquire_timeout", S(5), None),
    ("a.rs", "fn f() { let p = [|PgPoolOptions::new()|].max_connections(1); }", "max_connections", 5, None),
    (
        "php-fpm.conf",
        "[www]\n[|pm|] = static\npm.max_children=5\n\n; the other\n[b]\npm = static\n",
        "request_terminate_timeout",
        S(60),
        "[www]\npm = static\npm.max_children=5\nrequest_terminate_timeout=60s\n\n; the other\n[b]\npm = static\n",
    ),
    (
        "php-fpm.conf",
        "[a]\npm = static\n[b]\n[|pm|] = static",
        "pm.max_requests",
        500,
        "[a]\npm = static\n[b]\npm = static\npm.max_requests = 500",
    ),
    ("php-fpm.conf", "[[|www|]]\n\n[b]\npm = static\n", "pm", "static", "[www]\npm = static\n\n[b]\npm = static\n"),
    ("php-fpm.conf", "[www]\n[|pm|] = static\n", "pm", "dynamic", None),
    (
        "pgbouncer.ini",
        "[databases]\n[|*|] = host=db\n[pgbouncer]\npool_mode=session\n; end\n",
        "query_wait_timeout",
        S(60),
        "[databases]\n* = host=db\n[pgbouncer]\npool_mode=session\nquery_wait_timeout=60\n; end\n",
    ),
    ("pgbouncer.ini", "[databases]\n[|*|] = host=db\n", "query_wait_timeout", S(60), None),
    ("postgresql.conf", "[||]a = 1", "idle_session_timeout", S(60), "a = 1\nidle_session_timeout = 60s"),
    ("postgresql.conf", "[||]a = 1\n# end\n", "shared_buffers", Bytes(512 * MB), "a = 1\n# end\nshared_buffers = 512MB\n"),
    ("postgresql.conf", "[||]", "jit", False, "jit = off\n"),
    ("postgresql.conf", "[||]a = 1\r\nb = 2\r\n", "listen_addresses", "*", "a = 1\r\nb = 2\r\nlisten_addresses = '*'\r\n"),
    (
        "a.php",
        PHP,
        "ATTR_TIMEOUT",
        S(5),
        "<?php return ['connections' => [\n    'pgsql' => [\n        'driver' => 'pgsql',\n        'options' => [\n"
        "            PDO::ATTR_TIMEOUT => 5,\n        ],\n    ],\n]];\n",
    ),
    (
        "a.php",
        PHP,
        "application_name",
        "my app",
        "<?php return ['connections' => [\n    'pgsql' => [\n        'driver' => 'pgsql',\n"
        "        'application_name' => 'my app',\n    ],\n]];\n",
    ),
    (
        "a.php",
        "<?php return ['c' => [\n  [|'pgsql'|] => [\n"
        "    'options' => extension_loaded('p') ? array_filter([\n      PDO::X => 1\n    ]) : [],\n  ],\n]];",
        "ATTR_TIMEOUT",
        S(5),
        "<?php return ['c' => [\n  'pgsql' => [\n    'options' => extension_loaded('p') ? array_filter([\n      PDO::X => 1,\n"
        "      PDO::ATTR_TIMEOUT => 5,\n    ]) : [],\n  ],\n]];",
    ),
    ("a.php", "<?php return ['c' => ['pgsql' => [|$x|]]];", "ATTR_TIMEOUT", S(5), None),
    ("a.php", "<?php $x = [|new PDO($a, 'b', 'c')|];", "ATTR_TIMEOUT", S(5), "<?php $x = new PDO($a, 'b', 'c', [PDO::ATTR_TIMEOUT => 5]);"),
    ("a.php", "<?php $x = [|new PDO($a)|];", "ATTR_TIMEOUT", S(5), None),
    (
        "a.php",
        "<?php\nnamespace A;\n$x = [|new \\PDO($a, 'b', 'c', [\\PDO::X => 1])|];",
        "ATTR_TIMEOUT",
        S(5),
        "<?php\nnamespace A;\n$x = new \\PDO($a, 'b', 'c', [\\PDO::X => 1, \\PDO::ATTR_TIMEOUT => 5]);",
    ),
    ("a.php", "<?php $x = [|new PDO($a, 'b', 'c', [PDO::ATTR_TIMEOUT => 1])|];", "ATTR_TIMEOUT", S(5), None),
    (
        "compose.yaml",
        SERVICE,
        "stop_signal",
        "SIGINT",
        "services:\n  app:\n    image: x\n    ports:\n      - 1\n    stop_signal: SIGINT\n\n"
        "  # the database\n  db:\n    image: postgres:16\n",
    ),
    (
        "compose.yaml",
        DATABASE,
        "healthcheck",
        {"test": ["CMD-SHELL", "pg_isready -U $PGUSER"], "interval": S(10), "retries": 5},
        PLAIN_DATABASE + '    healthcheck:\n      test: ["CMD-SHELL", "pg_isready -U $$PGUSER"]\n      interval: 10s\n      retries: 5\n',
    ),
    (
        "compose.yaml",
        DATABASE[:-1],
        "healthcheck",
        "pg_isready -U $PGUSER",
        PLAIN_DATABASE
        + '    healthcheck:\n      test: ["CMD-SHELL", "pg_isready -U $$PGUSER"]\n'
        + "      interval: 5s\n      timeout: 5s\n      retries: 5\n      start_period: 1m",
    ),
    (
        "compose.yaml",
        DATABASE,
        "command",
        ["postgres", "-c", "max_connections=100"],
        PLAIN_DATABASE + '    command: ["postgres", "-c", "max_connections=100"]\n',
    ),
    # a setting of the server goes into its command
    ("compose.yaml", DATABASE, "max_connections", 100, PLAIN_DATABASE + '    command: ["postgres", "-c", "max_connections=100"]\n'),
    (
        "compose.yaml",
        DATABASE + "    command: postgres -c a=1\n",
        "statement_timeout",
        S(60),
        PLAIN_DATABASE + "    command: postgres -c a=1 -c statement_timeout=60s\n",
    ),
    (
        "compose.yaml",
        DATABASE + "    command: [postgres, -c, a=1]\n",
        "statement_timeout",
        S(60),
        PLAIN_DATABASE + '    command: [postgres, -c, a=1, "-c", "statement_timeout=60s"]\n',
    ),
    (
        "compose.yaml",
        DATABASE + "    command:\n    - -c\n    - a=1\n    init: true\n",
        "statement_timeout",
        S(60),
        PLAIN_DATABASE + '    command:\n    - -c\n    - a=1\n    - -c\n    - "statement_timeout=60s"\n    init: true\n',
    ),
    ("compose.yaml", DATABASE + "    command: sh -c run\n", "statement_timeout", S(60), None),
    ("compose.yaml", DATABASE + "    command: postgres -c jit=on\n", "jit", False, None),
    ("compose.yaml", DATABASE, "no_such_setting", 1, None),
    ("compose.yaml", SERVICE, "statement_timeout", S(60), None),
    ("compose.yaml", SERVICE, "image", "y", None),
    ("compose.yaml", "services: {[|db|]: {image: x}}\n", "stop_signal", "SIGINT", "services: {db: {image: x, stop_signal: SIGINT}}\n"),
    (".env", "A=[|1|]\n", "B", 2, None),
]


@pytest.mark.parametrize(("path", "text", "key", "value", "result"), INSERTED)
def test_inserted(path: str, text: str, key: str, value: object, result: str | None) -> None:
    span = marked(path, text)
    assert after(span, edits.inserted(span, key, value)) == result


def test_a_team_may_have_its_own_templates(tmp_path: Path) -> None:
    (tmp_path / "fix").mkdir()
    (tmp_path / "fix/postgresql.conf.j2").write_text("# by the book\n{{ key }} = {{ value }}\n")
    span = marked("postgresql.conf", "[||]a = 1\n")
    assert after(span, edits.inserted(span, "jit", True, [str(tmp_path)])) == "a = 1\n# by the book\njit = on\n"
    (tmp_path / "fix/postgresql.conf.j2").write_text("{{ nothing }}")
    with pytest.raises(BadTemplate, match="'nothing' is undefined"):
        edits.inserted(span, "jit", True, [str(tmp_path)])
    (tmp_path / "fix/postgresql.conf.j2").write_text("{{ key.__class__.__mro__ }}")
    with pytest.raises(BadTemplate, match="unsafe"):
        edits.inserted(span, "jit", True, [str(tmp_path)])


# --- what is written reads back ---------------------------------------------------------------

WHOLE = st.integers(1, 100_000)


def check(span: Span, before: object, wanted: object, reread: Callable[[str], object]) -> None:
    """Itself changes nothing, another value reads back as that, and all around it stays."""
    text = span.source.text
    assert after(span, edits.changed(span, before, before)) == text
    edit = edits.changed(span, before, wanted)
    made = after(span, edit)
    assert edit is not None
    assert made is not None
    assert (edit.span.start, edit.span.end) == (span.start, span.end)
    assert made.startswith(text[: span.start])
    assert made.endswith(text[span.end :])
    assert reread(made) == wanted


def value_of(path: str, format_name: str, key: str) -> Callable[[str], str]:
    def found(text: str) -> str:
        entry = next(one for one in edits_lines.entries(Source(path, text), format_name) if one.key == key)
        assert isinstance(entry.value, Literal)
        return str(entry.value.value)

    return found


@given(WHOLE, WHOLE, st.sampled_from(["", "ms", "s", "min", "h"]), st.sampled_from(["", "'"]), st.sampled_from(["\n", "\r\n"]))
def test_postgresql_times(before: int, wanted: int, unit: str, quote: str, end: str) -> None:
    value = before % 596 + 1  # 596 h are the most that PostgreSQL takes
    old = read_time(f"{value}{unit}", "ms")
    span = marked("postgresql.conf", f"a = 1 # ö{end}statement_timeout = [|{quote}{value}{unit}{quote}|]\t# x{end}b = 2")
    reread = value_of("postgresql.conf", "postgresql.conf", "statement_timeout")
    check(span, old, Seconds(wanted), lambda text: read_time(reread(text), "ms"))


@given(WHOLE, WHOLE, st.sampled_from(["", "kB", "MB", "GB"]))
def test_postgresql_sizes(before: int, wanted: int, unit: str) -> None:
    value = before % 900 + 1
    old = read_memory(f"{value}{unit}", "8kB")
    span = marked("postgresql.conf", f"shared_buffers = [|{value}{unit}|]\n")
    reread = value_of("postgresql.conf", "postgresql.conf", "shared_buffers")
    if old != Bytes(value * {"": 8192, "kB": 1 << 10, "MB": MB, "GB": 1 << 30}[unit]):
        return  # PostgreSQL rounds to blocks
    check(span, old, Bytes(wanted * 8192), lambda text: read_memory(reread(text), "8kB"))


@given(WHOLE, WHOLE, st.sampled_from(["", "s", "m", "h", "d", "ms", "sec"]))
def test_fpm_times(before: int, wanted: int, unit: str) -> None:
    span = marked("php-fpm.conf", f"[www]\nrequest_terminate_timeout = [|{before}{unit}|] ; x\npm = static\n")
    reread = value_of("php-fpm.conf", "php-fpm", "request_terminate_timeout")
    check(span, read.fpm_seconds(f"{before}{unit}"), Seconds(wanted), lambda text: read.fpm_seconds(reread(text)))


@given(WHOLE, WHOLE, st.booleans())
def test_pgbouncer_times(before: int, wanted: int, has_fraction: bool) -> None:
    written = f"{before}.5" if has_fraction else str(before)
    span = marked("pgbouncer.ini", f"[pgbouncer]\nquery_wait_timeout = [|{written}|]\npool_mode = session")
    reread = value_of("pgbouncer.ini", "pgbouncer", "query_wait_timeout")
    check(span, Seconds(float(written)), Seconds(wanted), lambda text: Seconds(float(reread(text))))


@given(WHOLE, WHOLE, st.sampled_from([1, 1000]), st.sampled_from(["", "'", '"']))
def test_dotenv_numbers(before: int, wanted: int, scale: int, quote: str) -> None:
    span = marked(".env", f"A=ö\nWAIT=[|{quote}{before * scale}{quote}|]\nB=1")
    reread = value_of(".env", "dotenv", "WAIT")
    check(span, Seconds(before), Seconds(wanted), lambda text: Seconds(int(reread(text)) / scale))


@given(
    st.text("abc $'\"\\#:{}[],ö-", min_size=1, max_size=8),
    st.sampled_from(["", "'", '"']),
    st.sampled_from(["A: {}\n", "x: [{}, b]\n", "x: {{a: {}}}\n"]),
)
def test_compose_texts(wanted: str, quote: str, around: str) -> None:
    span = marked("compose.yaml", around.format(f"[|{quote}old{quote}|]"))
    made = after(span, edits.changed(span, "old", wanted))
    assert made is not None
    found = yamltext.documents(Source("compose.yaml", made))
    assert not found.faults
    todo = list(found.nodes)
    texts = []
    while todo:
        node = todo.pop()
        if node.kind == "scalar":
            texts.append(yamltext.scalar(node))
        todo += [*node.items, *(value for _, value in node.entries.values())]
    assert wanted.replace("$", "$$") in texts


@given(WHOLE, WHOLE, st.sampled_from(["MAX: {}", "- MAX={}", "- 'MAX={}'", 'x: {{MAX: "{}"}}']))
def test_compose_numbers(before: int, wanted: int, around: str) -> None:
    span = marked("compose.yaml", around.format(f"[|{before}|]") + "\n")
    check(span, before, wanted, lambda text: int(re.findall(r"\d+", text)[0]))


RUST = {
    "Duration::from_secs({})": 1.0,
    "std::time::Duration::from_millis({})": 0.001,
    "Some(Duration::from_secs({}u64))": 1.0,
    "Duration::from_secs({} * 60)": 60.0,
    "Duration::new({}, 0)": 1.0,
}


@settings(max_examples=25, deadline=None)
@given(WHOLE, st.integers(1, 10_000_000), st.sampled_from(list(RUST)))
def test_rust_durations(before: int, wanted: int, form: str) -> None:
    code = 'fn main() {{ let p = PgPoolOptions::new().idle_timeout({}).connect("postgres://db/a"); }}'
    span = marked("src/main.rs", code.format(f"[|{form.format(before)}|]"))

    def reread(text: str) -> object:
        (subjects,) = lint.subjects_of({"src/main.rs": text, "Cargo.toml": '[dependencies]\nsqlx = "0.8"\n'}, None)
        return subjects["pool"][0].idle_timeout.value

    check(span, Seconds(round(before * RUST[form], 9)), Seconds(wanted / 1000), reread)


@settings(max_examples=25, deadline=None)
@given(WHOLE, WHOLE, st.sampled_from(["{}", "'{}'", '"{}"']))
def test_php_numbers(before: int, wanted: int, form: str) -> None:
    code = "<?php\n$pdo = new PDO('pgsql:host=db', 'a', 'b', [PDO::ATTR_TIMEOUT => {}, PDO::ATTR_PERSISTENT => false]);\n"
    span = marked("index.php", code.format(f"[|{form.format(before)}|]"))

    def reread(text: str) -> object:
        (subjects,) = lint.subjects_of({"index.php": text, "compose.yaml": "services: {web: {build: .}}\n"}, None)
        return subjects["connection"][0].connect_timeout.value

    check(span, Seconds(before), Seconds(wanted), reread)


@given(WHOLE, WHOLE, st.sampled_from(["", "'"]), st.sampled_from(["ms", "s", "min"]))
def test_sql_times(before: int, wanted: int, quote: str, unit: str) -> None:
    written = f"{before % 500 + 1}{unit if quote else ''}"
    span = marked("a.sql", f"SET statement_timeout = [|{quote}{written}{quote}|];\nSELECT 1;\n")
    check(span, read_time(written, "ms"), Seconds(wanted), lambda text: read_time(text.split("=")[1].split(";")[0].strip(" '"), "ms"))


@given(WHOLE, WHOLE, st.sampled_from(["for: {}m", "for: {}s", "for: {}h"]))
def test_prometheus_times(before: int, wanted: int, around: str) -> None:
    unit = around[-1]
    sizes = {"s": 1, "m": 60, "h": 3600}
    span = marked("alert.rules", around.format(f"[|{before}")[:-1] + f"{unit}|]\n")

    def reread(text: str) -> Seconds:
        found = re.search(r"(\d+)([smh])", text)
        assert found is not None
        return Seconds(int(found[1]) * sizes[found[2]])

    check(span, Seconds(before * sizes[unit]), Seconds(wanted), reread)


@pytest.mark.parametrize(
    ("use", "path"),
    [
        ("use std::{env, time::{Duration, Instant}, x::{a, b}};", "Duration::"),
        ("use tokio::{net::{A, B}, time::{self, sleep, Duration}};", "Duration::"),
        ("use chrono::{DateTime, Duration as ChronoDuration};\nuse std::time::Duration;", "Duration::"),
        ("use {std::time::Instant, chrono::Duration};", "std::time::Duration::"),
        ("use chrono::Duration;\nuse std::time::Duration as StdDuration;", "std::time::Duration::"),
        ("mod tests {\n    use std::time::Duration;\n}", "std::time::Duration::"),
    ],
)
def test_a_duration_is_named_as_the_file_imports_it(use: str, path: str) -> None:
    from polint.formats.rust_edit import duration_path

    assert duration_path(Source("src/main.rs", f"{use}\nfn main() {{ Duration::from_secs(1); }}\n")) == path
