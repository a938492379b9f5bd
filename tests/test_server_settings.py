"""What SQL and init scripts make of a server: its settings, those of roles and databases, and what PostgreSQL refuses."""

from __future__ import annotations

from typing import Any

import pytest

from polint.discover import Files
from polint.fact import Fact
from polint.formats.sql_shell import parse_shell
from polint.model.build import build_project
from polint.model.project import Project
from polint.model.server import Server
from polint.source import Source, Span
from polint.value import Literal

COMPOSE = """services:
  db:
    image: postgres:16
    volumes: ["./init:/docker-entrypoint-initdb.d"]
"""


def project(files: dict[str, str]) -> Project:
    return build_project(Files("", (), {path: text.encode() for path, text in files.items()}))


def server(files: dict[str, str]) -> Server:
    (found,) = project(files).servers
    return found


def told(fact: Fact[Any]) -> str:
    """The value with its place, or why there is none."""
    if not fact.is_known:
        return f"unknown: {fact.reason}"
    return f"{fact.value} {fact.span}" if fact.span is not None else f"{fact.value} ({fact.origin})"


INIT = [
    ({"init/a.sql": "ALTER SYSTEM SET max_connections = 200;"}, "200 init/a.sql:1:36"),
    ({"init/a.sql": "ALTER SYSTEM SET max_connections = '200';\nALTER SYSTEM SET max_connections TO 300;"}, "300 init/a.sql:2:37"),
    # by name, whatever the kind
    ({"init/b.sql": "ALTER SYSTEM SET max_connections = 2;", "init/a.sql": "ALTER SYSTEM SET max_connections = 1;"}, "2 init/b.sql:1:36"),
    # only what lies in the folder itself is run
    (
        {"init/more/a.sql": "ALTER SYSTEM SET max_connections = 2;"},
        "unknown: init/more/a.sql may change it when the data directory is made",
    ),
    ({"other/a.sql": "ALTER SYSTEM SET max_connections = 2;"}, "100 (default)"),
    ({"init/a.sql": "ALTER SYSTEM SET max_connections = 2;\nALTER SYSTEM RESET max_connections;"}, "100 (default)"),
    ({"init/a.sql": "ALTER SYSTEM SET max_connections = 2;\nALTER SYSTEM RESET ALL;"}, "100 (default)"),
    (
        {"init/a.sql": "BEGIN;\nALTER SYSTEM SET max_connections = 2;\nCOMMIT;"},
        "unknown: ALTER SYSTEM fails inside a transaction",
    ),
    ({"init/a.sql": "\\if :big\nALTER SYSTEM SET max_connections = 2;\n\\endif"}, "unknown: the statement runs only under a condition"),
    ({"init/a.sql": "ALTER SYSTEM SET max_connections = :max;"}, "unknown: a variable of psql"),
    # spoken of, but not by a statement that can be read
    ({"init/a.sql": "-- max_connections is 200\nSELECT pg_sleep(0);"}, "unknown: init/a.sql may change it when the data directory is made"),
    (
        {"init/a.sql": "ALTER SYSTEM SET max_connections = 5 SCOPE=SPFILE;"},
        "unknown: init/a.sql may change it when the data directory is made",
    ),
    ({"init/a.sql": "CREATE TABLE t (a int);"}, "100 (default)"),
    ({"init/settings.txt": "max_connections = 5"}, "100 (default)"),  # "ignoring": neither .sql nor .sh
    ({"init/a.sh": "#!/bin/sh\npsql -U postgres <<EOSQL\nALTER SYSTEM SET max_connections = 200;\nEOSQL\n"}, "200 init/a.sh:3:36"),
    (
        {"init/a.sh": "#!/bin/sh\necho 'max_connections = 200' >> $PGDATA/postgresql.conf\n"},
        "unknown: init/a.sh may change it when the data directory is made",
    ),
    ({"init/a.sh": "psql -c 'ALTER SYSTEM SET max_connections = 200'\n"}, "200 init/a.sh:1:45"),
    (
        {"init/a.sh": 'psql -c "ALTER SYSTEM SET max_connections = $MAX"\n'},
        "unknown: init/a.sh may change it when the data directory is made",
    ),
    (
        {"init/a.sh": "if x; then\npsql <<E\nALTER SYSTEM SET max_connections = 200;\nE\nfi\n"},
        "unknown: the statement runs only under a condition",
    ),
]


@pytest.mark.parametrize(("files", "expected"), INIT)
def test_init_scripts_set_what_the_server_starts_with(files: dict[str, str], expected: str) -> None:
    assert told(server({"compose.yaml": COMPOSE, **files}).max_connections) == expected


def test_alter_system_beats_the_file_and_loses_to_the_command_line() -> None:
    files = {
        "compose.yaml": COMPOSE.replace(
            "    volumes: [", '    command: postgres -c config_file=/c/my.conf\n    volumes: ["./postgresql.conf:/c/my.conf", '
        ),
        "postgresql.conf": "max_connections = 50\n",
        "init/a.sql": "ALTER SYSTEM SET max_connections = 200;\n",
    }
    found = project(files)
    assert told(found.servers[0].max_connections) == "200 init/a.sql:1:36"
    (one,) = found.duplicates
    assert (told(one.beaten), told(one.winner)) == ("50 postgresql.conf:1:19", "200 init/a.sql:1:36")
    files["compose.yaml"] = files["compose.yaml"].replace("my.conf\n", "my.conf -c max_connections=77\n")
    found = project(files)
    assert found.servers[0].max_connections.value == 77
    assert [(told(one.beaten), one.winner.value) for one in found.duplicates] == [
        ("50 postgresql.conf:1:19", "200"),
        ("200 init/a.sql:1:36", "77"),
    ]


@pytest.mark.parametrize(
    ("path", "inside", "expected"),
    [
        ("a.sql", "a.sql", "2 a.sql:1:36"),
        ("a.sql", "b.sql", "2 a.sql:1:36"),
        ("a.sql", "a.txt", "unknown: a.sql may change it when the data directory is made"),  # another script may call it
        ("a.tmpl", "a.sql", "unknown: a.tmpl may change it when the data directory is made"),
    ],
)
def test_a_script_is_run_for_the_name_it_has_in_the_container(path: str, inside: str, expected: str) -> None:
    compose = f"services:\n  db:\n    image: postgres:16\n    volumes: ['./{path}:/docker-entrypoint-initdb.d/{inside}']\n"
    assert told(server({"compose.yaml": compose, path: "ALTER SYSTEM SET max_connections = 2;"}).max_connections) == expected


def test_a_copied_script_counts_as_a_mounted_one() -> None:
    files = {
        "compose.yaml": "services:\n  db:\n    build: ./db\n    environment: {POSTGRES_PASSWORD: x, POSTGRES_DB: y}\n",
        "db/Dockerfile": "FROM postgres:16\nCOPY init.sql /docker-entrypoint-initdb.d/\n",
        "db/init.sql": "ALTER SYSTEM SET max_connections = 20;",
    }
    assert told(server(files).max_connections) == "20 db/init.sql:1:36"


ELSEWHERE = [
    ({}, False),
    ({"init/a.sql": "ALTER ROLE app SET statement_timeout = '30s';"}, True),
    ({"migrations/1.sql": "ALTER DATABASE app SET statement_timeout = 30000;"}, True),
    ({"init/a.sql": "ALTER ROLE batch SET statement_timeout = 0;"}, False),
    ({"init/a.sql": "ALTER ROLE app SET statement_timeout = :t;"}, True),
    ({"init/a.sql": "ALTER ROLE app SET statement_timeout = '30s';\nALTER ROLE app RESET statement_timeout;"}, True),
    # a session's own business
    ({"init/a.sql": "SET statement_timeout = '5s';"}, False),
    ({"migrations/1.sql": "SET LOCAL statement_timeout = '5s';\nSET statement_timeout = '5s';"}, False),
    ({"dump.sql": "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\nSET lock_timeout = 0;\n"}, False),
    # what the application may send, and what cannot be read
    ({"queries/setup.sql": "SET statement_timeout = '5s';"}, True),
    ({"init/a.sql": "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET statement_timeout = 1 AS 'SELECT 1';"}, True),
    ({"init/a.sql": "DO $$ BEGIN EXECUTE 'ALTER ROLE ' || r || ' SET statement_timeout = 5'; END $$;"}, True),
    ({"init/a.sh": "psql <<E\nALTER ROLE app SET statement_timeout = '30s';\nE\n"}, True),
    ({"init/a.sh": "psql <<E\nALTER ROLE app SET statement_timeout = 0;\nE\n"}, False),
]


@pytest.mark.parametrize(("files", "expected"), ELSEWHERE)
def test_a_role_may_limit_what_the_server_does_not(files: dict[str, str], expected: bool) -> None:
    assert server({"compose.yaml": COMPOSE, "init/0.sql": "SELECT 1;", **files}).statement_timeout_elsewhere is expected


def test_init_scripts_that_are_not_in_the_repository_may_limit_a_role() -> None:
    assert server({"compose.yaml": COMPOSE}).statement_timeout_elsewhere


SESSIONS = [
    ({}, "never (default)"),
    ({"init/a.sql": "ALTER ROLE ALL SET idle_session_timeout = '5min';"}, "5 min init/a.sql:1:43"),
    ({"init/a.sql": "ALTER SYSTEM SET idle_session_timeout = '5min';"}, "5 min init/a.sql:1:41"),
    ({"init/a.sql": "ALTER ROLE app SET idle_session_timeout = '5min';"}, "unknown: a role or a database has a value of its own"),
    ({"migrations/1.sql": "ALTER ROLE ALL SET idle_session_timeout = '1s';"}, "1 s migrations/1.sql:1:43"),
    ({"init/a.sql": "ALTER DATABASE app SET idle_session_timeout = 0;"}, "unknown: a role or a database has a value of its own"),
    ({".env": "X=idle_session_timeout\n"}, "unknown: another file speaks of it, so that a role or a client may set it"),
]


@pytest.mark.parametrize(("files", "expected"), SESSIONS)
def test_what_holds_for_every_session(files: dict[str, str], expected: str) -> None:
    assert told(server({"compose.yaml": COMPOSE, "init/0.sql": "SELECT 1;", **files}).session_idle_timeout(None)) == expected


ROLES = """ALTER ROLE app SET statement_timeout = '30s';
ALTER ROLE ALL SET statement_timeout = '20s';
ALTER ROLE report SET statement_timeout = 0;
ALTER ROLE audit IN DATABASE app SET statement_timeout = '40s';
"""


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("app", "30 s init/a.sql:1:40"),
        ("other", "20 s init/a.sql:2:40"),
        ("report", "never init/a.sql:3:43"),
        ("audit", "unknown: a role or a database has a value of its own"),
        (None, "unknown: a role or a database has a value of its own"),
    ],
)
def test_a_role_has_its_own_value(role: str | None, expected: str) -> None:
    found = server({"compose.yaml": COMPOSE + "    command: -c statement_timeout=5s\n", "init/a.sql": ROLES})
    assert told(found.session_statement_timeout(role)) == expected


TWO = """services:
  a:
    image: postgres:15
    volumes: ["./a:/docker-entrypoint-initdb.d"]
  b:
    image: postgres:17
    volumes: ["./b:/docker-entrypoint-initdb.d"]
"""


def test_an_init_script_speaks_of_its_own_server() -> None:
    scripts = {"a/1.sql": "ALTER ROLE app SET statement_timeout = '30s'; ALTER SYSTEM SET max_connections = 7;", "b/1.sql": "SELECT 1;"}
    found = project({"compose.yaml": TWO, **scripts})
    assert [one.statement_timeout_elsewhere for one in found.servers] == [True, False]
    assert [one.max_connections.value for one in found.servers] == [7, 100]


REFUSED = [
    ("init/a.sql", "ALTER SYSTEM SET max_conections = 5;", "max_conections", 'PostgreSQL 16 has no setting "max_conections"; did you mean'),
    ("init/a.sql", "ALTER SYSTEM SET nonsense = 5;", "nonsense", 'PostgreSQL 16 has no setting "nonsense"'),
    ("init/a.sql", "ALTER SYSTEM SET transaction_timeout = 5000;", "transaction_timeout", "PostgreSQL 16 has no setting"),
    ("init/a.sql", "ALTER SYSTEM SET max_connections = '10MB';", "'10MB'", "max_connections is a plain number and takes no unit"),
    ("init/a.sql", "ALTER ROLE app SET statement_timeout = '5m';", "'5m'", 'statement_timeout cannot be "5m", write "5min"'),
    (
        "init/a.sql",
        "ALTER ROLE app SET max_connections = 5;",
        "max_connections",
        "max_connections cannot be set for a role: it changes only",
    ),
    ("init/a.sql", "ALTER DATABASE app SET port = 5;", "port", "port cannot be set for a database: it changes only with a restart"),
    (
        "a.sql",
        "ALTER ROLE app IN DATABASE d SET checkpoint_timeout = 500;",
        "checkpoint_timeout",
        "checkpoint_timeout cannot be set for a role in",
    ),
    (
        "a.sql",
        "ALTER ROLE app SET log_connections = on;",
        "log_connections",
        "log_connections cannot be set for a role: it is fixed when a session",
    ),
    ("a.sql", "ALTER ROLE app SET statment_timeout = 5000;", "statment_timeout", "no PostgreSQL from 12 to 18 has a setting"),
    ("init/a.sh", "psql <<E\nALTER SYSTEM SET max_connections = 0;\nE\n", "0", 'max_connections is at least 1, not "0"'),
]


@pytest.mark.parametrize(("path", "text", "place", "message"), REFUSED)
def test_what_postgresql_refuses_in_sql(path: str, text: str, place: str, message: str) -> None:
    (one,) = project({"compose.yaml": COMPOSE, path: text}).problems
    assert one.span.text == place
    assert one.message.startswith(message)
    assert one.format == "sql"


@pytest.mark.parametrize(
    "text",
    [
        "ALTER SYSTEM SET open_cursors = 300;",  # Oracle
        "ALTER SYSTEM SET processes=300 SCOPE=SPFILE;",
        "ALTER DATABASE shop SET COMPATIBILITY_LEVEL = 130;",  # SQL Server
        "ALTER DATABASE shop SET READ_COMMITTED_SNAPSHOT ON;",
        "ALTER ROLE app SET role = 'owner';",
        "ALTER ROLE app SET my.setting = 'x';",
        "ALTER ROLE app SET search_path TO a, b;",
        "ALTER ROLE app SET work_mem = '64MB';",
        "ALTER DATABASE app SET timezone TO 'UTC';",
        "ALTER ROLE app SET max_connections = DEFAULT;",
        "ALTER ROLE app RESET ALL;",
        "SET max_conections = 5; SET LOCAL sql_mode = 'x';",
    ],
)
def test_what_is_no_business_of_postgresql(text: str) -> None:
    assert project({"compose.yaml": COMPOSE, "a.sql": text}).problems == []


DOCUMENTS = [
    ("psql <<EOF\nALTER ROLE a SET jit = off;\nEOF\n", [("jit", "off", False)]),
    (
        "psql -v ON_ERROR_STOP=1 \\\n  --username \"$POSTGRES_USER\" <<-'EOSQL'\n\tALTER ROLE a SET jit = off;\n\tEOSQL\n",
        [("jit", "off", False)],
    ),
    ("PGPASSWORD=x psql <<EOF\nALTER ROLE a SET jit = $JIT;\nEOF\n", [("jit", None, False)]),
    ("gosu postgres psql <<EOF\nALTER ROLE a SET jit = off;\nEOF\n", [("jit", "off", False)]),
    ("if true; then\n  psql <<EOF\nALTER ROLE a SET jit = off;\nEOF\nfi\n", [("jit", "off", True)]),
    ("for d in a b; do echo; done\npsql <<EOF\nALTER ROLE a SET jit = off;\nEOF\n", [("jit", "off", False)]),
    ("make() {\n  true\n}\npsql <<EOF\nALTER ROLE a SET jit = off;\nEOF\n", [("jit", "off", False)]),
    ("make() {\npsql <<EOF\nALTER ROLE a SET jit = off;\nEOF\n}\n", [("jit", "off", True)]),
    ('[ -n "$X" ] || exit 0\npsql <<EOF\nALTER ROLE a SET jit = off;\nEOF\n', [("jit", "off", True)]),
    ('[ -n "$X" ] || exit 1\npsql <<EOF\nALTER ROLE a SET jit = off;\nEOF\n', [("jit", "off", False)]),
    ("f() {\n  return\n}\npsql <<EOF\nALTER ROLE a SET jit = off;\nEOF\n", [("jit", "off", False)]),
    ("psql <<EOF\nDO \\$\\$ BEGIN\nIF x THEN\n SELECT 1;\nALTER ROLE a SET jit = off;\nEND IF; END \\$\\$;\nEOF\n", []),
    ("psql <<EOF\n$(cat more.sql)\nALTER ROLE a SET jit = off;\nEOF\n", []),
    ("psql <<'EOF'\nALTER ROLE \"$(a)\" SET jit = off;\nEOF\n", [("jit", "off", False)]),
    ('[ -n "$X" ] && psql <<EOF\nALTER ROLE a SET jit = off;\nEOF\n', []),
    ("psql -h other <<EOF\nALTER ROLE a SET jit = off;\nEOF\n", []),
    ("psql -f x.sql <<EOF\nALTER ROLE a SET jit = off;\nEOF\n", []),
    ("cat > x.sql <<EOF\nALTER ROLE a SET jit = off;\nEOF\n", []),
    ("cat <<EOF\npsql <<EOF2\nEOF\npsql <<EOF\nALTER ROLE a SET jit = off;\nEOF\n", [("jit", "off", False)]),
    ("psql <<< 'ALTER ROLE a SET jit = off'\npsql <<EOF\nALTER ROLE b SET jit = on;\nEOF\n", [("jit", "on", False)]),
    ("psql <<EOF\nALTER ROLE a SET jit = off;\n", []),
    ("# psql <<EOF\nALTER ROLE a SET jit = off;\nEOF\n", []),
    ("""psql -U "$POSTGRES_USER" -c "ALTER ROLE a SET jit = 'off'"\n""", [("jit", "off", False)]),
    ("psql -tAc 'ALTER ROLE a SET jit = off;' || exit 1", [("jit", "off", False)]),
    ("psql --command='ALTER ROLE a SET jit = off' -c 'ALTER ROLE b SET jit = on'", [("jit", "off", False), ("jit", "on", False)]),
    (
        "if true; then\n  psql -c 'ALTER ROLE a SET jit = off'\nfi\npsql -c 'ALTER ROLE b SET jit = on'",
        [("jit", "off", True), ("jit", "on", False)],
    ),
    ("psql <<EOF\nALTER ROLE a SET jit = off;\nEOF\npsql -c 'ALTER ROLE b SET jit = on'", [("jit", "off", False), ("jit", "on", False)]),
    ('psql -c "ALTER ROLE a SET jit = $JIT"\n', []),
    ("psql -c 'ALTER ROLE a SET jit = '\\''off'\\'", []),
    ("psql -h other -c 'ALTER ROLE a SET jit = off'", []),
    ("echo psql -c 'ALTER ROLE a SET jit = off'", []),
    ("cat > x.sh <<EOF\npsql -c 'ALTER ROLE a SET jit = off'\nEOF\n", []),
]


@pytest.mark.parametrize(("text", "expected"), DOCUMENTS)
def test_here_documents_for_psql(text: str, expected: list[tuple[str, object, bool]]) -> None:
    found = parse_shell(Source("a.sh", text)).settings
    assert [(one.name, one.value.value if isinstance(one.value, Literal) else None, one.statement.conditional) for one in found] == expected
    assert all(one.name_span.text == one.name for one in found)


def test_statements_in_one_argument_are_one_transaction() -> None:
    text = "psql -c 'ALTER SYSTEM SET jit = off; SELECT pg_reload_conf();'\npsql -c 'ALTER SYSTEM SET jit = on;'\n"
    found = parse_shell(Source("a.sh", text)).settings
    assert [(one.value_span.text if one.value_span else "", one.statement.in_transaction) for one in found] == [
        ("off", True),
        ("on", False),
    ]


def test_a_long_script_is_read_in_linear_time() -> None:
    text = "psql <<EOF\n" * 20_000 + "cat << x\n" * 20_000 + "psql -c '" * 20_000 + "\n" + "a<<" * 100_000
    assert parse_shell(Source("a.sh", text)).settings == ()


HOST = [
    ("", "unknown: neither a cpu limit nor [host] of polint.toml states them"),
    ("    cpus: 1.5\n", "1.5 compose.yaml:4:11"),
    ('    deploy: {resources: {limits: {cpus: "4"}}}\n', "4.0 compose.yaml:4:41"),
    ("    cpus: 0\n", "unknown: neither a cpu limit nor [host] of polint.toml states them"),
    ("    cpus: ${CPUS}\n", "unknown: neither a cpu limit nor [host] of polint.toml states them"),
]


@pytest.mark.parametrize(("line", "expected"), HOST)
def test_cores(line: str, expected: str) -> None:
    assert told(server({"compose.yaml": "services:\n  db:\n    image: postgres:16\n" + line}).cores) == expected


@pytest.mark.parametrize(("cpus", "host", "expected"), [("2", 8, 2), ("16", 8, 8), ("2", 2, 2)])
def test_the_lesser_of_limit_and_host_counts(cpus: str, host: int, expected: int) -> None:
    tree = Files("", (), {"compose.yaml": f"services:\n  db:\n    image: postgres:16\n    cpus: {cpus}\n".encode()})
    place = Span(Source("polint.toml", "cores"), 0, 5)
    (found,) = build_project(
        tree, host={"cores": Fact("cores", "written", host, place), "spindles": Fact("s", "written", 3, place)}
    ).servers
    assert found.cores.value == expected
    assert found.best_connections.value == expected * 2 + 3


KEEPALIVES = [
    ("", "unknown: what the operating system does is not known", "7875 s"),
    ("tcp_keepalives_idle = 60\n", "unknown: what the operating system does is not known", "735 s"),
    ("tcp_keepalives_idle = 60\ntcp_keepalives_interval = 10\ntcp_keepalives_count = 6\n", "2 min", "2 min"),
    ("tcp_keepalives_idle = 1min\ntcp_keepalives_interval = 10\n", "unknown: what the operating system does is not known", "150 s"),
    ("tcp_keepalives_idle = 60\ntcp_user_timeout = 10s\n", "unknown: it ends the wait sooner", "unknown: it ends the wait sooner"),
]


@pytest.mark.parametrize(("conf", "alone", "inside"), KEEPALIVES)
def test_when_a_dead_client_is_noticed(conf: str, alone: str, inside: str) -> None:
    def after(one: Server) -> str:
        fact = one.dead_client_after
        return str(fact.value) if fact.is_known else f"unknown: {fact.reason}"

    mounted = "services:\n  db:\n    image: postgres:16\n    command: -c config_file=/c.conf\n    volumes: ['./postgresql.conf:/c.conf']\n"
    assert after(server({"postgresql.conf": conf or "port = 5432\n"})) == alone
    assert after(server({"postgresql.conf": conf, "compose.yaml": mounted})) == inside
    if "unknown" not in inside and inside != alone:
        assert after(server({"postgresql.conf": conf, "compose.yaml": mounted + "    sysctls: {a: b}\n"})) == alone


API = """\
services:
  api:
    image: example.test/api
    environment: {DATABASE_URL: "postgres://app@db.example.test/app"}
  db:
    image: postgres:16
"""


def stated(**values: Any) -> dict[str, Fact[Any]]:
    """As polint.toml states them."""
    text = "\n".join(values)
    keys = {name.replace("_", "-"): value for name, value in values.items()}
    return {key: Fact(key, "written", value, Span(Source("polint.toml", text), 0, 1)) for key, value in keys.items()}


def test_what_is_stated_of_a_server_counts() -> None:
    tree = Files("", (), {"compose.yaml": API.encode()})
    facts = stated(max_connections=50, superuser_reserved_connections=5, reserved_connections=2, version="15.4")
    (found,) = build_project(tree, servers={"db": facts}).servers
    assert (found.usable_connections.value, found.major) == (43, 15)
    tree = Files("", (), {"postgresql.conf": b"max_connections = 10\n"})
    (found,) = build_project(tree, servers={"postgresql": facts}).servers
    assert (found.usable_connections.value, found.major) == (43, 15)


def test_a_server_elsewhere_is_reached_by_its_host_name() -> None:
    tree = Files("", (), {"compose.yaml": API.encode(), "old/compose.yaml": API.replace("api:", "web:").encode()})
    servers = {"db.example.test": stated(max_connections=50), "unused.example.test": stated(max_connections=9)}
    found = build_project(
        tree,
        {"api": stated(pool=20), "batch": stated(pool=2, connects_to=["db.example.test"])},
        servers,
    ).servers
    outside = [one for one in found if one.label != "db"]
    shown = [
        (one.label, one.stack, one.usable_connections.value, one.known_connections.value, [client.service for client in one.consumers])
        for one in outside
    ]
    # each stack has its own: they are mostly alternatives of each other
    assert shown == [
        ("db.example.test", "compose.yaml", 47, 22, ["api", "batch"]),
        ("db.example.test", "old/compose.yaml", 47, 2, ["web", "batch"]),
    ]
    assert not outside[0].statement_timeout.is_known
    assert not outside[0].memory.is_known


@pytest.mark.parametrize(
    ("limit", "host", "expected"),
    [
        ("", "8GB", "8 GB polint.toml:1:1"),
        ("    mem_limit: 2g\n", "8GB", "2 GB compose.yaml:4:16"),
        ("    mem_limit: 16g\n", "8GB", "8 GB polint.toml:1:1"),
        ("    mem_limit: 2g\n", None, "2 GB compose.yaml:4:16"),
        ("    mem_limit: ${LIMIT}\n", "8GB", "unknown"),
        ("", None, "unknown: neither a limit nor [host] of polint.toml states it"),
    ],
)
def test_memory(limit: str, host: str | None, expected: str) -> None:
    tree = Files("", (), {"compose.yaml": f"services:\n  db:\n    image: postgres:16\n{limit}".encode()})
    (found,) = build_project(tree, host=stated(memory=host) if host else {}).servers
    assert told(found.memory).startswith(expected)
