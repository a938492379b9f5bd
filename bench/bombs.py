"""Projects that are far too large, or meant to be: ``python -m bench.bombs [NAME]...`` times each at a quarter, a half and all of its size.

Every entry of BOMBS builds a project of ``size`` parts; polint's work on one must grow no faster than the project.
``tests/test_bombs.py`` counts that work on small ones.
"""

# ruff: noqa: E501
from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

Files = dict[str, str]
LIMIT = 4_900_000  # bytes of a file: polint leaves larger ones out


class Bomb(NamedTuple):
    """``build(size)`` gives the files; ``full`` is the size for timing, ``small`` the one for counting."""

    build: Callable[[int], Files]
    full: int
    small: int = 40


def lines(form: str, size: int) -> str:
    """``form`` once a line, with the line's number for ``@``."""
    return "".join(form.replace("@", str(number)) + "\n" for number in range(size))


SERVER = "services:\n  db:\n    image: postgres:16\n    environment:\n      POSTGRES_PASSWORD: ${PW}\n"
API = "  api:\n    build: ./api\n    environment:\n      DATABASE_URL: postgres://u:${PW}@db:5432/app\n"
CARGO = '[package]\nname = "api"\nversion = "0.1.0"\n\n[dependencies]\nsqlx = { version = "0.8", features = ["postgres"] }\n'
STACK = {"docker-compose.yml": SERVER + API, ".env": "PW=x\n", "api/Cargo.toml": CARGO, "api/Dockerfile": "FROM rust:1\nCOPY . /app\n"}
FPM = SERVER + (
    "  php:\n    build: ./php\n    environment: {DB_CONNECTION: pgsql, DB_HOST: db, DB_PASSWORD: x}\n"
    "    volumes: [./php/www.conf:/usr/local/etc/php-fpm.d/www.conf, ./php:/var/www]\n"
)
POOLED = SERVER + (
    "  pgbouncer:\n    image: edoburu/pgbouncer\n    volumes: [./pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini, ./pgb:/etc/pgbouncer/pgb]\n"
    "  api:\n    image: api\n    environment:\n      DATABASE_URL: postgres://u:x@pgbouncer:6432/app\n"
)
INI = "[databases]\napp = host=db port=5432 dbname=app\n[pgbouncer]\npool_mode = transaction\n"
MOUNTED = SERVER + "    volumes:\n      - ./postgresql.conf:/etc/postgresql/postgresql.conf\n      - ./init:/docker-entrypoint-initdb.d\n"
MOUNTED += "    command: postgres -c config_file=/etc/postgresql/postgresql.conf\n" + API


def rust(body: str) -> Files:
    return {**STACK, "api/src/main.rs": f"use sqlx::postgres::{{PgPool, PgPoolOptions}};\n{body}\n"}


def php(body: str) -> Files:
    return {"docker-compose.yml": FPM, "php/Dockerfile": "FROM php:8.3-fpm\n", "php/config/database.php": f"<?php\n{body}\n"}


def fpm(body: str) -> Files:
    return {"docker-compose.yml": FPM, "php/Dockerfile": "FROM php:8.3-fpm\n", "php/www.conf": body}


def env(body: str) -> Files:
    return {"docker-compose.yml": SERVER + API + "    env_file: .env\n", ".env": body}


def compose(body: str) -> Files:
    return {"docker-compose.yml": body}


def conf(body: str) -> Files:
    return {"docker-compose.yml": MOUNTED, "postgresql.conf": body}


def sql(body: str) -> Files:
    return {"docker-compose.yml": MOUNTED, "init/10.sql": body}


def shell(body: str) -> Files:
    return {"docker-compose.yml": MOUNTED, "init/10.sh": body}


def pgbouncer(body: str) -> Files:
    return {"docker-compose.yml": POOLED, "pgbouncer.ini": body}


def dockerfile(body: str) -> Files:
    return {**STACK, "api/Dockerfile": body}


def services(size: int) -> Files:
    one = (
        "  s@:\n    image: api:1\n    environment:\n      DATABASE_URL: postgres://u:${PW}@db:5432/app\n      DB_POOL: ${POOL@:-10}\n"
        "    depends_on: [db]\n    deploy:\n      replicas: 2\n"
    )
    return compose(SERVER + lines(one, size))


def chain(size: int, link: str, first: str) -> str:
    return first + "".join(link.replace("@", str(number)).replace("#", str(number - 1)) for number in range(1, size))


def doubling(size: int) -> Files:
    rows = ["x-0: &a0 [x, x, x, x, x, x, x, x, x]\n"]
    rows += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, size)]
    return compose("".join(rows) + SERVER + f"    labels: *a{size - 1}\n    command: *a{size - 1}\n    x-y: *a{size - 1}\n")


def env_doubling(size: int) -> Files:
    return env("A0=xxxxxxxxxx\n" + "".join(f"A{n}=${{A{n - 1}}}${{A{n - 1}}}\n" for n in range(1, size)))


def many_crates(size: int) -> Files:
    main = 'fn main() { let p = PgPoolOptions::new().max_connections(5).connect(&std::env::var("DATABASE_URL").unwrap()); }\n'
    files = {"docker-compose.yml": SERVER + lines("  s@:\n    build: ./c@\n    environment: {DATABASE_URL: postgres://u:x@db/app}", size)}
    for number in range(size):
        files[f"c{number}/Cargo.toml"] = CARGO
        files[f"c{number}/Dockerfile"] = "FROM rust:1\nCOPY . .\n"
        files[f"c{number}/src/main.rs"] = main
    return files


def includes(size: int) -> Files:
    files = compose("include:\n" + lines("  - ./part@.yml", size) + SERVER)
    for number in range(size):
        files[f"part{number}.yml"] = f"services:\n  s{number}:\n    image: redis\n"
    return files


def included_chain(size: int) -> Files:
    files = compose("include: [./part0.yml]\n" + SERVER)
    for number in range(size):
        files[f"part{number}.yml"] = f"include: [./part{number + 1}.yml]\nservices:\n  s{number}:\n    image: redis\n"
    return files


def suppressed(size: int) -> Files:
    return compose(
        SERVER + lines("  s@:  # polint: ignore[PO203] as is\n    image: redis  # polint: ignore[PO101, pool-size-implicit] why", size)
    )


def accepted(size: int) -> Files:
    entry = '{{"rule": "pool-size-implicit", "subject": "pool @", "path": "docker-compose.yml", "text": "x@"}}'
    rows = ",\n".join(entry.replace("@", str(number)).replace("{{", "{").replace("}}", "}") for number in range(size))
    return {**STACK, "polint-baseline.json": f'{{"schema_version": 1, "entries": [\n{rows}\n]}}\n'}


def stated(size: int) -> Files:
    return {**STACK, "polint.toml": lines("[services.s@]\nreplicas = 2\npool = 5\n", size)}


def wide(form: str, size: int) -> str:
    """``form`` again and again on one line."""
    return "".join(form.replace("@", str(number)) for number in range(size))


POOL = '    let p@ = PgPoolOptions::new().max_connections(5).connect("postgres://u:x@db/app").await?;\n'.replace("x@db", "x\\u{40}db")
BOMBS: dict[str, Bomb] = {
    # compose and YAML
    "compose-services": Bomb(services, 10_000),
    "compose-crates": Bomb(many_crates, 1_500, 20),
    "compose-one-line": Bomb(lambda n: compose(SERVER + "    labels: {" + wide("a@: b, ", n) + "}\n"), 400_000),
    "compose-long-scalar": Bomb(lambda n: compose(SERVER + "    command: " + "x " * n + "\n"), LIMIT // 2, 400),
    "compose-dollars": Bomb(lambda n: compose(SERVER + "    command: " + "${A}$$" * n + "\n"), 500_000, 400),
    "compose-nested-defaults": Bomb(lambda n: compose(SERVER + '    command: "' + "${A:-" * n + "}" * n + '"\n'), 500_000, 400),
    "compose-open-defaults": Bomb(lambda n: compose(SERVER + '    command: "' + "${A:-" * n + '"\n'), 500_000, 400),
    "compose-environment": Bomb(lambda n: compose(SERVER + API + lines("      V@: ${V@:-x}", n)), 100_000),
    "compose-environment-list": Bomb(lambda n: compose(SERVER + "  api:\n    image: a\n    environment:\n" + lines("      - V@=${V@}", n)), 100_000),
    "compose-same-key": Bomb(lambda n: compose(SERVER + API + "      A: x\n" * n), 200_000),
    "compose-anchors-nested": Bomb(lambda n: compose("x: " + "".join(f"&a{i} [" for i in range(n)) + "]" * n + "\n" + SERVER), 200_000, 200),
    "compose-anchors": Bomb(lambda n: compose("x:\n" + lines("  - &a@ {k: v}", n) + SERVER), 100_000, 200),
    "compose-aliases": Bomb(lambda n: compose("x: &a {k: v}\ny: [" + "*a, " * n + "]\n" + SERVER), 500_000, 200),
    "compose-alias-bomb": Bomb(doubling, 200, 20),
    "compose-merge-list": Bomb(
        lambda n: compose("x: &a {k: v}\n" + SERVER + API + "      <<: [" + "*a, " * n + "]\n"), 100_000, 200
    ),
    "compose-merge-chain": Bomb(
        lambda n: compose(chain(n, "x-@: &a@\n  <<: *a#\n  K@: v\n", "x-0: &a0 {K: v}\n") + SERVER + f"  s:\n    image: x\n    environment: *a{n - 1}\n"),
        2_000,
    ),
    "compose-extends-chain": Bomb(
        lambda n: compose(SERVER + chain(n, "  s@:\n    extends: s#\n", "  s0:\n    image: redis\n    environment: {A: b}\n")), 2_000
    ),
    "compose-extends-star": Bomb(lambda n: compose(SERVER + lines("  s@:\n    extends: db", n)), 5_000),
    "compose-depends-chain": Bomb(
        lambda n: compose(SERVER + chain(n, "  s@:\n    image: api\n    depends_on: [s#]\n", "  s0:\n    image: api\n    depends_on: [db]\n")), 4_000
    ),
    "compose-nested-flow": Bomb(lambda n: compose("x: " + "[" * n + "]" * n + "\n" + SERVER), 1_000_000, 400),
    "compose-nested-maps": Bomb(lambda n: compose("x: " + "{a: " * n + "}" * n + "\n" + SERVER), 500_000, 400),
    "compose-open-flow": Bomb(lambda n: compose("x: " + "[" * n), LIMIT, 400),
    "compose-dashes": Bomb(lambda n: compose("x:\n  " + "- " * n + "a\n" + SERVER), 1_000_000, 400),
    "compose-indents": Bomb(lambda n: compose("".join(" " * i + "a:\n" for i in range(n)) + " " * n + "b\n"), 2_000, 100),
    "compose-faults": Bomb(lambda n: compose(SERVER + "    command: [" + "'${', " * n + "]\n"), 100_000, 100),
    "compose-profiles": Bomb(lambda n: compose(SERVER + lines("  s@:\n    image: redis\n    profiles: [p@]", n)), 2_000),
    "compose-env-files": Bomb(lambda n: compose(SERVER + API + "    env_file:\n" + lines("      - .env.@", n)), 10_000),
    "compose-volumes": Bomb(lambda n: compose(SERVER + "    volumes:\n" + lines("      - ./v@:/v@", n)), 20_000),
    "compose-ports": Bomb(lambda n: compose(SERVER + "    ports:\n" + lines("      - '@:5432'", n)), 50_000),
    "compose-include-missing": Bomb(lambda n: compose("include:\n" + lines("  - ./part@.yml", n) + SERVER), 10_000),
    "compose-include": Bomb(includes, 3_000, 30),
    "compose-include-chain": Bomb(included_chain, 1_000, 220),
    "compose-overrides": Bomb(
        lambda n: {**compose(services(5)["docker-compose.yml"]), **{f"docker-compose.o{i}.yml": "services:\n  db:\n    cpus: 2\n" for i in range(n)}},
        500,
    ),
    # environment files
    "env-variables": Bomb(lambda n: env(lines("VARIABLE_@=value@", n)), 100_000),
    "env-chain": Bomb(lambda n: env(chain(n, "A@=${A#}\n", "A0=x\n")), 100_000),
    "env-growing": Bomb(lambda n: env(chain(n, "A@=${A#}x\n", "A0=x\n")), 20_000),
    "env-doubling": Bomb(env_doubling, 200, 20),
    "env-same": Bomb(lambda n: env("A=x\n" * n), 500_000),
    "env-one-line": Bomb(lambda n: env("A=" + "x y" * n), LIMIT // 3, 400),
    "env-references": Bomb(lambda n: env('A="' + "${B}" * n + '"'), LIMIT // 4, 400),
    "env-nested": Bomb(lambda n: env("A=" + "${B:-" * n + "}" * n), 500_000, 400),
    "env-open": Bomb(lambda n: env("A=" + "${B:-" * n), 500_000, 400),
    "env-quotes": Bomb(lambda n: env("A='x\n" * n), 500_000, 400),
    "env-open-quote": Bomb(lambda n: env('A="' + "x\n" * n), 1_000_000, 400),
    "env-backslashes": Bomb(lambda n: env('A="' + "\\" * n), LIMIT, 400),
    "env-comments": Bomb(lambda n: env("#" * n + "\nA=b #" + " #" * n), LIMIT // 3, 400),
    "env-export": Bomb(lambda n: env("export " * n), 500_000, 400),
    # php-fpm
    "fpm-pools": Bomb(lambda n: fpm(lines("[p@]\nlisten = 900@\npm = static\npm.max_children = 5", n)), 50_000),
    "fpm-lines": Bomb(lambda n: fpm("[www]\npm = static\n" + lines("env[V@] = $V@", n)), 100_000),
    "fpm-same": Bomb(lambda n: fpm("[www]\npm = static\n" + "pm.max_children = 5\n" * n), 150_000),
    "fpm-include": Bomb(lambda n: fpm("[www]\npm = static\n" + lines("include = /etc/p@.conf", n)), 10_000),
    "fpm-one-line": Bomb(lambda n: fpm("[www]\npm = " + "x " * n), LIMIT // 2, 400),
    "fpm-dollars": Bomb(lambda n: fpm("[www]\npm = " + "${X}" * n), LIMIT // 4, 400),
    "fpm-open-dollars": Bomb(lambda n: fpm("[www]\npm = " + "${" * n), LIMIT // 2, 400),
    "fpm-quotes": Bomb(lambda n: fpm("[www]\npm = " + '"a" ' * n), LIMIT // 4, 400),
    "fpm-open-quote": Bomb(lambda n: fpm('[www]\npm = "' + "x\n" * n), LIMIT // 2, 400),
    "fpm-brackets": Bomb(lambda n: fpm("[" * n), LIMIT, 400),
    "fpm-operators": Bomb(lambda n: fpm("[www]\npm = " + "!" * n + "(" * n), LIMIT // 2, 400),
    "fpm-pipes": Bomb(lambda n: fpm("[www]\npm = " + "1|" * n), LIMIT // 2, 400),
    # postgresql.conf
    "conf-lines": Bomb(lambda n: conf("max_connections = 100\n" * n), 200_000),
    "conf-unknown": Bomb(lambda n: conf(lines("made_up_@ = 'x'", n)), 200_000),
    "conf-extensions": Bomb(lambda n: conf(lines("my.set_@ = 'x'", n)), 200_000),
    "conf-include": Bomb(lambda n: conf(lines("include 'p@.conf'", n)), 10_000),
    "conf-include-dir": Bomb(lambda n: conf(lines("include_dir 'd@'", n)), 10_000),
    "conf-include-self": Bomb(lambda n: conf("include 'postgresql.conf'\n" * n), 10_000),
    "conf-include-same": Bomb(lambda n: {**conf("include 'p.conf'\n" * n), "p.conf": "work_mem = 4MB\n" * n}, 300, 30),
    "conf-one-line": Bomb(lambda n: conf("max_connections = " + "1 " * n), LIMIT // 2, 400),
    "conf-open-quote": Bomb(lambda n: conf("work_mem = '" + "x" * n), LIMIT, 400),
    "conf-quotes": Bomb(lambda n: conf("work_mem = '" + "''" * n), LIMIT // 2, 400),
    "conf-template": Bomb(lambda n: conf("work_mem = " + "{{" * n + "\n"), LIMIT // 2, 400),
    "conf-templates": Bomb(lambda n: conf("{% if x %}\nwork_mem = {{ x }}\n{% endif %}\n" * n), 100_000),
    "conf-percent": Bomb(lambda n: conf("work_mem = " + "%a" * n + "\n"), LIMIT // 2, 400),
    "conf-number": Bomb(lambda n: conf("max_connections = " + "9" * n + "\nwork_mem = 1" + "0" * n), LIMIT // 2, 400),
    # PgBouncer
    "pgbouncer-databases": Bomb(lambda n: pgbouncer("[databases]\n" + lines("d@ = host=db dbname=d@ pool_size=5", n) + "[pgbouncer]\n"), 50_000),
    "pgbouncer-users": Bomb(lambda n: pgbouncer(INI + "[users]\n" + lines("u@ = pool_mode=session max_user_connections=5", n)), 50_000),
    "pgbouncer-lines": Bomb(lambda n: pgbouncer(INI + "default_pool_size = 20\n" * n), 150_000),
    "pgbouncer-unknown": Bomb(lambda n: pgbouncer(INI + lines("made_up_@ = 1", n)), 100_000),
    "pgbouncer-include": Bomb(lambda n: pgbouncer(INI + lines("%include /etc/pgbouncer/p@.ini", n)), 10_000),
    "pgbouncer-include-self": Bomb(lambda n: pgbouncer(INI + "%include /etc/pgbouncer/pgbouncer.ini\n" * n), 10_000),
    "pgbouncer-one-line": Bomb(lambda n: pgbouncer(INI + "logfile = " + "x " * n), LIMIT // 2, 400),
    "pgbouncer-connstr": Bomb(lambda n: pgbouncer("[databases]\na = " + wide("k@=v ", n)), LIMIT // 12, 400),
    "pgbouncer-connstr-quotes": Bomb(lambda n: pgbouncer("[databases]\na = host='" + "''" * n), LIMIT // 2, 400),
    "pgbouncer-hosts": Bomb(lambda n: pgbouncer("[databases]\na = host=" + wide("h@,", n) + "\n[pgbouncer]\n"), LIMIT // 9, 400),
    "pgbouncer-parameters": Bomb(lambda n: pgbouncer(INI + "ignore_startup_parameters = " + wide("p@,", n)), LIMIT // 9, 400),
    # SQL and shell
    "sql-settings": Bomb(lambda n: sql("ALTER SYSTEM SET max_connections = 100;\n" * n), 50_000),
    "sql-roles": Bomb(lambda n: sql(lines("CREATE ROLE r@ LOGIN CONNECTION LIMIT 5;", n)), 50_000),
    "sql-role-settings": Bomb(lambda n: sql(lines("ALTER ROLE r@ SET statement_timeout = '5s';", n)), 50_000),
    "sql-databases": Bomb(lambda n: sql(lines("ALTER DATABASE d@ SET work_mem = '5MB';", n)), 50_000),
    "sql-mixed": Bomb(lambda n: sql(lines("CREATE TABLE t@ (a int);\nSET work_mem = '1MB';\nSELECT pg_advisory_lock(@);", n)), 20_000),
    "sql-inserts": Bomb(lambda n: sql(lines("INSERT INTO t VALUES (@, 'max_connections');", n)), 90_000),
    "sql-one-statement": Bomb(lambda n: sql("INSERT INTO t VALUES " + wide("(@, 'x'), ", n) + "(1, 'y');\nALTER SYSTEM SET work_mem = '1MB';"), 300_000, 400),
    "sql-nested": Bomb(lambda n: sql("ALTER SYSTEM SET work_mem = '1MB'; SELECT " + "(" * n + "1" + ")" * n + ";"), LIMIT // 2, 400),
    "sql-comments": Bomb(lambda n: sql("ALTER SYSTEM SET work_mem = '1MB';" + "/*" * n), LIMIT // 2, 400),
    "sql-comment-lines": Bomb(lambda n: sql("ALTER SYSTEM SET work_mem = '1MB';\n" + "-- x\n" * n), LIMIT // 5, 400),
    "sql-dollars": Bomb(lambda n: sql("ALTER SYSTEM SET work_mem = '1MB';\n" + wide("$a@$ ", n)), LIMIT // 9, 400),
    "sql-do": Bomb(lambda n: sql("DO $$ BEGIN ALTER SYSTEM SET work_mem = '1MB'; END $$;\n" * n), 50_000),
    "sql-open-quote": Bomb(lambda n: sql("ALTER SYSTEM SET work_mem = '" + "x\n" * n), LIMIT // 2, 400),
    "sql-broken": Bomb(lambda n: sql("ALTER SYSTEM SET SET work_mem;\n" * n), 50_000),
    "sql-psql": Bomb(lambda n: sql("\\set x 1\nALTER SYSTEM SET work_mem = :x;\n\\if :x\n\\endif\n" * n), 50_000),
    "shell-psql": Bomb(lambda n: shell('psql -c "ALTER SYSTEM SET max_connections = 100"\n' * n), 50_000),
    "shell-heredocs": Bomb(lambda n: shell("psql <<EOF\nALTER SYSTEM SET max_connections = 100;\nEOF\n" * n), 50_000),
    "shell-heredoc": Bomb(lambda n: shell("psql <<EOF\n" + "ALTER SYSTEM SET max_connections = 100;\n" * n + "EOF\n"), 50_000),
    "shell-open-heredocs": Bomb(lambda n: shell(lines("psql <<E@ ALTER SYSTEM SET work_mem", n)), 50_000),
    "shell-quotes": Bomb(lambda n: shell('psql -c "' + "ALTER SYSTEM SET x='" * n), LIMIT // 20, 400),
    "shell-dollars": Bomb(lambda n: shell('psql -c "ALTER SYSTEM SET x=' + "$(" * n), LIMIT // 2, 400),
    # Rust
    "rust-pools": Bomb(lambda n: rust("async fn main() -> R {\n" + lines(POOL.rstrip("\n").replace("\\u{40}", "@").replace("x@db", "x%40db"), n) + "}"), 20_000),
    "rust-functions": Bomb(
        lambda n: rust(lines('async fn f@() { PgPoolOptions::new().max_connections(5).connect(&env::var("DATABASE_URL").unwrap()).await; }', n)), 20_000
    ),
    "rust-acquires": Bomb(
        lambda n: rust("async fn f(pool: &PgPool) {\n" + lines("    let c@ = pool.acquire().await?; drop(c@);", n) + "}"), 50_000
    ),
    "rust-shadows": Bomb(
        lambda n: rust("async fn main() {\n" + "let size = size + 1;\n" * n + 'PgPoolOptions::new().max_connections(size).connect("").await; }'), 100_000
    ),
    "rust-constants": Bomb(
        lambda n: rust(chain(n, "const C@: u32 = C#;\n", "const C0: u32 = 5;\n") + f'fn main() {{ PgPoolOptions::new().max_connections(C{n - 1}).connect(""); }}'),
        50_000,
    ),
    "rust-constant-sums": Bomb(
        lambda n: rust(
            chain(n, "const C@: u32 = C# + C#;\n", "const C0: u32 = 5;\n") + f'fn main() {{ PgPoolOptions::new().max_connections(C{n - 1}).connect(""); }}'
        ),
        50_000, 20,
    ),
    "rust-calls": Bomb(
        lambda n: rust(chain(n, "fn f@() -> u32 { f#() }\n", "fn f0() -> u32 { 5 }\n") + f'fn main() {{ PgPoolOptions::new().max_connections(f{n - 1}()).connect(""); }}'),
        50_000,
    ),
    "rust-structs": Bomb(
        lambda n: rust(lines("struct S@ { pool: PgPool, max_connections: u32 }", n) + 'fn main(c: S0) { PgPoolOptions::new().max_connections(c.max_connections).connect(""); }'),
        50_000,
    ),
    "rust-settings": Bomb(lambda n: rust("fn main() { PgPoolOptions::new()" + ".max_connections(5)" * n + '.connect(""); }'), 100_000),
    "rust-sum": Bomb(lambda n: rust("fn main() { PgPoolOptions::new().max_connections(" + "1 + " * n + '1).connect(""); }'), 500_000, 400),
    "rust-parens": Bomb(lambda n: rust("fn main() { PgPoolOptions::new().max_connections(" + "(" * n + "1" + ")" * n + ').connect(""); }'), 500_000, 400),
    "rust-braces": Bomb(lambda n: rust("fn main() " + "{" * n + 'PgPoolOptions::new().max_connections(5).connect("");' + "}" * n), 500_000, 400),
    "rust-brackets": Bomb(lambda n: rust("fn main() { PgPoolOptions::new().max_connections(" + "[" * n), 500_000, 400),
    "rust-angles": Bomb(lambda n: rust("type T = " + "Option<" * n + "PgPool" + ">" * n + ";"), 500_000, 400),
    "rust-ifs": Bomb(lambda n: rust("async fn f(p: &PgPool) { " + "if a { let c = p.acquire().await?; " * n + "}" * n + "}"), 50_000),
    "rust-closures": Bomb(lambda n: rust("fn main() { let p = " + "|| " * n + 'PgPoolOptions::new().connect(""); }'), 200_000),
    "rust-strings": Bomb(lambda n: rust('fn main() { PgPoolOptions::new().connect(concat!(' + '"a", ' * n + ")); }"), 500_000),
    "rust-needles": Bomb(lambda n: rust("fn main() {" + "PgPool; " * n + "}"), 500_000),
    "rust-comments": Bomb(lambda n: rust("/*" * n + " PgPoolOptions::new().connect()"), LIMIT // 2),
    "rust-one-string": Bomb(lambda n: rust('fn main() { PgPoolOptions::new().connect("' + "x" * n + '"); }'), LIMIT - 200),
    "rust-json": Bomb(lambda n: rust('fn main() { PgPoolOptions::new().connect(""); }\nstatic X: &[(&str, u32)] = &[' + '("a", 1), ' * n + "];"), 300_000),
    "rust-modules": Bomb(lambda n: rust("mod a { " * n + 'fn m() { PgPoolOptions::new().connect(""); }' + "}" * n), 100_000),
    "rust-uses": Bomb(lambda n: rust(lines("use a@::PgPool as P@;", n) + 'fn main() { PgPoolOptions::new().connect(""); }'), 50_000),
    "rust-statements": Bomb(lambda n: rust("async fn f(p: &PgPool) {\n" + 'sqlx::query("SET work_mem = 1").execute(p).await?;\n' * n + "}"), 50_000),
    # PHP
    "php-connections": Bomb(
        lambda n: php("return ['default' => 'c0', 'connections' => [\n" + lines("'c@' => ['driver' => 'pgsql', 'host' => env('DB_HOST', 'db'), 'options' => [PDO::ATTR_PERSISTENT => true]],", n) + "]];"),
        20_000,
    ),
    "php-calls": Bomb(lambda n: php("$p = new PDO('pgsql:host=db;dbname=app', 'u', 'x');\n" * n), 50_000),
    "php-nested": Bomb(lambda n: php("return ['connections' => " + "[" * n + "]" * n + "];"), 1_000_000, 400),
    "php-open": Bomb(lambda n: php("return ['connections' => " + "[" * n), 1_000_000, 400),
    "php-parens": Bomb(lambda n: php("return ['connections' => ['pgsql' => ['driver' => " + "(" * n + "'pgsql'" + ")" * n + "]]];"), 500_000, 400),
    "php-concat": Bomb(lambda n: php("return ['connections' => ['pgsql' => ['driver' => 'pgsql', 'host' => " + "'a' . " * n + "'b']]];"), 500_000, 400),
    "php-ternaries": Bomb(lambda n: php("return ['connections' => ['pgsql' => ['driver' => " + "$a ? 'b' : (" * n + "'pgsql'" + ")" * n + "]]];"), 200_000, 400),
    "php-coalesce": Bomb(lambda n: php("return ['connections' => ['pgsql' => ['driver' => " + "$a ?? " * n + "'pgsql']]];"), 500_000, 400),
    "php-env": Bomb(lambda n: php("return ['connections' => ['pgsql' => ['driver' => " + "env('A', " * n + "'pgsql'" + ")" * n + "]]];"), 300_000, 400),
    "php-variables": Bomb(lambda n: php(chain(n, "$v@ = $v#;\n", "$v0 = 'pgsql:host=db';\n") + f"$p = new PDO($v{n - 1}, 'u', 'x');"), 50_000),
    "php-doubling": Bomb(lambda n: php(chain(n, "$v@ = $v# . $v#;\n", "$v0 = 'pgsql:host=db';\n") + f"$p = new PDO($v{n - 1}, 'u', 'x');"), 50_000, 20),
    "php-appends": Bomb(lambda n: php("$v = 'pgsql:host=db';\n" + "$v .= 'x';\n" * n + "$p = new PDO($v, 'u', 'x');"), 100_000),
    "php-assigned": Bomb(lambda n: php("$c = ['driver' => 'pgsql'];\n" + lines("$c['k@'] = '@';", n) + "return ['connections' => ['pgsql' => $c]];"), 50_000),
    "php-spread": Bomb(
        lambda n: php(chain(n, "$v@ = [...$v#, ...$v#];\n", "$v0 = ['driver' => 'pgsql'];\n") + f"return ['connections' => ['pgsql' => $v{n - 1}]];"), 20_000, 20
    ),
    "php-keys": Bomb(lambda n: php("return ['connections' => ['pgsql' => ['driver' => 'pgsql', " + wide("'k@' => 1, ", n) + "]]];"), 200_000),
    "php-needles": Bomb(lambda n: php("'connections';\n" * n), 300_000),
    "php-functions": Bomb(lambda n: php(lines("function f@() { return new PDO('pgsql:host=db', 'u', 'x'); }", n)), 30_000),
    "php-classes": Bomb(lambda n: php(lines("class C@ { const A = 'x'; function f() { return new PDO('pgsql:host=' . self::A, 'u', 'x'); } }", n)), 20_000),
    "php-string": Bomb(lambda n: php("$p = new PDO('pgsql:host=db" + ";a=b" * n + "', 'u', 'x');"), LIMIT // 5, 400),
    "php-heredoc": Bomb(lambda n: php("$p = new PDO(<<<E\n" + "$a {$b}\n" * n + "E, 'u', 'x');"), LIMIT // 9, 400),
    # Dockerfile
    "dockerfile-lines": Bomb(lambda n: dockerfile("FROM rust:1\n" + "RUN x\n" * n), 500_000, 400),
    "dockerfile-stages": Bomb(lambda n: dockerfile(chain(n, "FROM s# AS s@\n", "FROM rust:1 AS s0\n")), 50_000),
    "dockerfile-args": Bomb(lambda n: dockerfile(chain(n, "ARG A@=${A#}\n", "ARG A0=rust\n") + f"FROM $A{n - 1}\n"), 50_000),
    "dockerfile-growing": Bomb(lambda n: dockerfile(chain(n, "ARG A@=${A#}${A#}\n", "ARG A0=rust\n") + f"FROM $A{n - 1}\n"), 200, 20),
    "dockerfile-env": Bomb(lambda n: dockerfile("FROM rust:1\nENV " + wide("V@=x ", n)), 300_000, 400),
    "dockerfile-copies": Bomb(lambda n: dockerfile("FROM rust:1\n" + lines("COPY a@ /app/a@", n)), 50_000),
    "dockerfile-continued": Bomb(lambda n: dockerfile("FROM rust:1\nRUN x \\\n" + "  y \\\n" * n), 500_000, 400),
    "dockerfile-heredocs": Bomb(lambda n: dockerfile("FROM rust:1\n" + "RUN <<EOF\nx\nEOF\n" * n), 200_000, 400),
    "dockerfile-open-heredocs": Bomb(lambda n: dockerfile("FROM rust:1\n" + lines("RUN <<E@", n)), 300_000, 400),
    "dockerfile-many-heredocs": Bomb(lambda n: dockerfile("FROM rust:1\nRUN " + wide("<<E@ ", n) + "\n"), 300_000, 400),
    "dockerfile-one-line": Bomb(lambda n: dockerfile("FROM rust:1\nCMD " + "x " * n), LIMIT // 2, 400),
    "dockerfile-json": Bomb(lambda n: dockerfile("FROM rust:1\nCMD [" + '"x", ' * n + '"y"]'), LIMIT // 6, 400),
    "dockerfile-nested-json": Bomb(lambda n: dockerfile("FROM rust:1\nCMD " + "[" * n), LIMIT // 2, 400),
    # Cargo
    "cargo-dependencies": Bomb(lambda n: {**STACK, "api/Cargo.toml": CARGO + lines('d@ = "1"', n)}, 100_000),
    "cargo-lock": Bomb(
        lambda n: {**rust('fn main() { PgPoolOptions::new().connect(""); }'), "api/Cargo.lock": lines('[[package]]\nname = "d@"\nversion = "1.0.@"\n', n)}, 60_000
    ),
    "cargo-nested": Bomb(lambda n: {**rust('fn main() { PgPoolOptions::new().connect(""); }'), "api/Cargo.toml": CARGO + "x = " + "[" * n}, LIMIT // 2, 400),
    "cargo-members": Bomb(lambda n: {**STACK, "Cargo.toml": "[workspace]\nmembers = [" + wide('"m@", ', n) + "]\n"}, 100_000),
    # monitoring
    "prometheus-rules": Bomb(lambda n: monitored("groups:\n- name: g\n  rules:\n" + lines("  - alert: A@\n    expr: pg_stat_activity_count > @", n)), 20_000),
    "prometheus-expression": Bomb(lambda n: monitored("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: " + "pg_up + " * n + "1\n"), 400_000, 400),
    "prometheus-parens": Bomb(lambda n: monitored("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: " + "(" * n + "pg_up\n"), LIMIT // 2, 400),
    "prometheus-labels": Bomb(lambda n: monitored("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: pg_up{" + 'a="b",' * n + "}\n"), LIMIT // 8, 400),
    "grafana-panels": Bomb(lambda n: {**monitored("groups: []\n"), "dashboard.json": '{"panels": [' + ",\n".join(['{"targets": [{"expr": "pg_up"}]}'] * n) + "]}"}, 80_000),
    "grafana-nested": Bomb(lambda n: {**monitored("groups: []\n"), "dashboard.json": '{"panels": ' * n + '[{"expr": "pg_up"}]' + "}" * n}, 300_000),
    # polint's own files
    "suppressions": Bomb(suppressed, 20_000),
    "baseline": Bomb(accepted, 20_000),
    "configuration": Bomb(stated, 20_000),
    "configuration-nested": Bomb(lambda n: {**STACK, "polint.toml": "x = " + "[" * n + "]" * n}, LIMIT // 2, 400),
    "gitignore": Bomb(lambda n: {**services(5), ".gitignore": lines("*.a@", n), **{f"d{i}/.env": "A=b\n" for i in range(100)}}, 2_000),
    "files": Bomb(lambda n: {**STACK, **{f"d{i // 50}/x{i}.php": "<?php\n" for i in range(n)}}, 10_000),
    "stacks": Bomb(lambda n: {f"s{i}/{name}": text for i in range(n) for name, text in rust("fn main() { PgPoolOptions::new().connect(&env); }").items()}, 500, 10),
}  # fmt: skip


def monitored(rules: str) -> Files:
    body = (
        SERVER
        + "  prometheus:\n    image: prom/prometheus\n    volumes: [./prometheus.yml:/etc/prometheus/prometheus.yml, ./rules.yml:/etc/prometheus/rules.yml]\n"
    )
    main = "rule_files: [rules.yml]\nscrape_configs:\n- job_name: pg\n  static_configs:\n  - targets: ['exporter:9187']\n"
    return {
        "docker-compose.yml": body + "  exporter:\n    image: prometheuscommunity/postgres-exporter\n",
        "prometheus.yml": main,
        "rules.yml": rules,
    }


@contextmanager
def written(files: Files) -> Iterator[str]:
    """A temporary folder that holds ``files``."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        yield folder


def explode(folder: str, reporters: tuple[str, ...] = ("text", "json")) -> int:
    """Lint the project in ``folder`` and write its reports; how many diagnostics there are."""
    from polint import config, lint, start
    from polint import reporters as shown

    try:
        report = lint.run(folder, config.load(folder))
    except (config.ConfigError, start.CannotRun):
        return -1
    for name in reporters:
        import_module(f"polint.reporters.{name}").report(report, shown.Style())
    return len(report.diagnostics)


def main() -> None:
    """Time bombs, worst first when all are asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.bombs", description="Time polint on projects of excessive size.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="these bombs, or those whose names begin so [all]")
    parser.add_argument("--part", type=float, default=1.0, help="this part of each full size [1]")
    parser.add_argument("--slow", type=float, default=20.0, help="seconds after which a bomb's larger sizes are left out [20]")
    arguments = parser.parse_args()
    print(f"{'':26}{'seconds at 1/4':>15}{'1/2':>8}{'1':>8}{'growth':>8}{'MiB so far':>12}  diagnostics")
    sys.setrecursionlimit(1000)
    for name, bomb in BOMBS.items():
        if arguments.names and not name.startswith(tuple(arguments.names)):
            continue
        taken: list[float] = []
        found = 0
        for part in (4, 2, 1):
            with written(bomb.build(max(1, int(bomb.full * arguments.part / part)))) as folder:
                start = time.process_time()
                try:
                    found = explode(folder)
                except Exception as error:
                    print(f"{name}: {type(error).__name__}: {str(error)[:100]}")
                taken.append(time.process_time() - start)
            if taken[-1] * (4 if len(taken) < 2 else taken[-1] / taken[-2]) > arguments.slow * 4:
                break
        growth = taken[-1] / max(taken[-2], 0.01) if len(taken) > 1 else 0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        row = "".join(f"{one:8.2f}" for one in taken) + "       -" * (3 - len(taken))
        print(f"{name:26}{'':7}{row}{growth:8.1f}{peak:12.0f}  {found}", flush=True)


if __name__ == "__main__":
    main()
