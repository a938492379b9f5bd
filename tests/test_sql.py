"""SQL: which statements are found, where, and what is left alone."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from polint.formats.sql import interesting, parse
from polint.formats.sql_records import SqlFile
from polint.source import Source, Span
from polint.value import Literal, Opaque, Value


def read(text: str) -> SqlFile:
    return parse(Source("a.sql", text))


def at(span: Span | None) -> tuple[int, int, str] | None:
    return (*span.place, span.text) if span else None


def known(value: Value) -> object:
    return value.value if isinstance(value, Literal) else value.reason if isinstance(value, Opaque) else value


def patched(text: str, fix: object) -> str:
    edits = sorted(fix.edits, key=lambda edit: -edit.span.start)  # type: ignore[attr-defined]
    for edit in edits:
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


SETTINGS = [
    ("ALTER SYSTEM SET max_connections = 200;", "system", None, None, "max_connections", "200", (1, 18), (1, 36, "200")),
    ("ALTER SYSTEM SET max_connections TO '200'", "system", None, None, "max_connections", "200", (1, 18), (1, 37, "'200'")),
    ("alter system\n  set Work_Mem = '64MB'", "system", None, None, "work_mem", "64MB", (2, 7), (2, 18, "'64MB'")),
    ("-- число\nALTER SYSTEM SET lock_timeout='3s' -- ага", "system", None, None, "lock_timeout", "3s", (2, 18), (2, 31, "'3s'")),
    ("ALTER ROLE роль SET work_mem = '4MB'", "role", "роль", None, "work_mem", "4MB", (1, 21), (1, 32, "'4MB'")),
    ("alter user a in database b set x.y = -5.5", "role-in-database", "a", "b", "x.y", "-5.5", (1, 32), (1, 38, "-5.5")),
    ("ALTER ROLE ALL SET jit = off", "role", None, None, "jit", "off", (1, 20), (1, 26, "off")),
    ('alter database d set search_path to a, "B"', "database", None, "d", "search_path", "a, B", (1, 22), (1, 37, 'a, "B"')),
    ("SET statement_timeout = '5s'", "session", None, None, "statement_timeout", "5s", (1, 5), (1, 25, "'5s'")),
    ("SET SESSION lock_timeout TO 5000", "session", None, None, "lock_timeout", "5000", (1, 13), (1, 29, "5000")),
    ("SET LOCAL lock_timeout = 1", "local", None, None, "lock_timeout", "1", (1, 11), (1, 26, "1")),
    ("set time zone 'UTC'", "session", None, None, "timezone", "UTC", (1, 5), (1, 15, "'UTC'")),
    ("SELECT set_config('work_mem', '5MB', true)", "local", None, None, "work_mem", "5MB", (1, 19), (1, 31, "'5MB'")),
    ("ALTER ROLE a RESET work_mem", "role", "a", None, "work_mem", None, (1, 20), None),
    ("ALTER SYSTEM RESET ALL", "system", None, None, "all", None, (1, 20), None),
    ("SET x = DEFAULT", "session", None, None, "x", None, (1, 5), None),
    ("ALTER ROLE a SET b FROM CURRENT", "role", "a", None, "b", "taken from the session that runs it", (1, 18), (1, 25, "CURRENT")),
    ("ALTER SYSTEM SET port = :p", "system", None, None, "port", "a variable of psql", (1, 18), (1, 25, ":p")),
    ("ALTER SYSTEM SET a = :'long name'", None, None, None, None, None, None, None),
    ("ALTER SYSTEM SET a = :'long_name'", "system", None, None, "a", "a variable of psql", (1, 18), (1, 22, ":'long_name'")),
    ("ALTER SYSTEM SET a = '${A}MB'", "system", None, None, "a", "filled in by a template", (1, 18), (1, 22, "'${A}MB'")),
    ("ALTER SYSTEM SET a = {{ a }};", "system", None, None, "a", "filled in by a template", (1, 18), (1, 22, "{{ a }}")),
]


@pytest.mark.parametrize(("text", "scope", "role", "database", "name", "value", "name_place", "value_place"), SETTINGS)
def test_settings(text, scope, role, database, name, value, name_place, value_place):
    found = read(text).settings
    if scope is None:
        assert found == ()
        return
    (one,) = found
    assert (one.scope, one.role, one.database, one.name) == (scope, role, database, name)
    assert (known(one.value), at(one.value_span), one.name_span.place) == (value, value_place, name_place)
    assert one.is_reset is (value_place is None)


@pytest.mark.parametrize(
    ("text", "kind", "name", "limit", "place"),
    [
        ("CREATE ROLE a LOGIN CONNECTION LIMIT 5 SUPERUSER", "role", "a", 5, (1, 38, "5")),
        ('alter user "A b" connection\n limit -1', "role", "A b", -1, (2, 8, "-1")),
        ("ALTER ROLE a CONNECTION LIMIT 0", "role", "a", 0, (1, 31, "0")),
        ("CREATE DATABASE d WITH CONNECTION LIMIT = 7 OWNER x", "database", "d", 7, (1, 43, "7")),
        ("ALTER DATABASE d CONNECTION LIMIT 8", "database", "d", 8, (1, 35, "8")),
        ('ALTER ROLE :"who" CONNECTION LIMIT :n', "role", None, "a variable of psql", (1, 36, ":n")),
        ("ALTER ROLE a CONNECTION LIMIT ${LIMIT}", "role", "a", "filled in by a template", (1, 31, "${LIMIT}")),
    ],
)
def test_connection_limits(text, kind, name, limit, place):
    (one,) = read(text).limits
    assert (one.kind, one.name, known(one.limit), at(one.value_span)) == (kind, name, limit, place)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CREATE ROLE a", ("a", False, False, False, False, None)),
        ("CREATE USER a PASSWORD 'тайна'", ("a", False, True, True, False, (1, 24, "'тайна'"))),
        ("CREATE ROLE a SUPERUSER LOGIN PASSWORD NULL", ("a", True, True, False, False, None)),
        ("ALTER ROLE a NOSUPERUSER", ("a", False, None, False, False, None)),
        ("ALTER ROLE a PASSWORD :'pw'", ("a", None, None, False, False, None)),
        ("ALTER ROLE a PASSWORD '${PW}'", ("a", None, None, False, False, None)),
        ("ALTER ROLE a PASSWORD 'SCRAM-SHA-256$4096:x$y:z'", ("a", None, None, False, True, (1, 23, "'SCRAM-SHA-256$4096:x$y:z'"))),
    ],
)
def test_roles(text, expected):
    (one,) = read(text).roles
    assert (one.name, one.superuser, one.login, one.password_written, one.password_hashed, at(one.password_span)) == expected
    assert "тайна" not in repr([value for value in one if isinstance(value, str)])


COUNTS = [
    (
        "SELECT count(*) FROM pg_stat_activity;",
        (1, 8),
        False,
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend';",
    ),
    (
        "select state, COUNT(*)\nfrom pg_catalog.pg_stat_activity as a group by state",
        (1, 15),
        False,
        "select state, COUNT(*)\nfrom pg_catalog.pg_stat_activity as a WHERE backend_type = 'client backend' group by state",
    ),
    (
        "SELECT 100 - (SELECT count(pid) FROM pg_stat_activity WHERE state = 'idle')",
        (1, 22),
        False,
        "SELECT 100 - (SELECT count(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND state = 'idle')",
    ),
    ("select count(*) from pg_stat_activity where a = 1 or b = 2", (1, 8), False, None),
    ("select count(*) from pg_stat_activity a join pg_locks using (pid)", (1, 8), False, None),
    ("with q as (select * from pg_stat_activity) select count(*) from q where state = 'idle'", (1, 51), False, None),
    ("with q as (select * from pg_stat_activity where backend_type = 'x') select count(*) from q", (1, 76), True, None),
    ("select count(*) from (select pid from pg_stat_activity where backend_type = 'x') t", (1, 8), True, None),
    ("select count(*) from pg_stat_activity where backend_type = 'client backend'", (1, 8), True, None),
    ("select count(*) filter (where backend_type = 'client backend') from pg_stat_activity", (1, 8), True, None),
    ("select backend_type, count(*) from pg_stat_activity group by 1", (1, 22), True, None),
    ("create view v as select count(*) from pg_stat_activity where backend_type <> 'x'", (1, 25), True, None),
]


@pytest.mark.parametrize(("text", "place", "filtered", "mended"), COUNTS)
def test_counts(text, place, filtered, mended):
    (one,) = read(text).counts
    assert (one.span.place, one.filtered) == (place, filtered)
    assert (patched(text, one.fix) if one.fix else None) == mended
    if mended:
        assert [count.filtered for count in read(mended).counts] == [True]


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("select count(*) from pg_stat_activity", "safe"),
        ("select 1 union select count(*) from pg_stat_activity", "safe"),
        ("create view v as select count(*) from pg_stat_activity", "unsafe"),
        ("create materialized view v as select count(*) from pg_stat_activity", "unsafe"),
        ("create table t as select count(*) from pg_stat_activity", "unsafe"),
        ("select count(*) into t from pg_stat_activity", "unsafe"),
        ("insert into t select count(*) from pg_stat_activity", "unsafe"),
        ("create function f() returns bigint language sql as $$ select count(*) from pg_stat_activity $$", "unsafe"),
        ("create function f() returns bigint language sql return (select count(*) from pg_stat_activity)", "unsafe"),
        ("do $$ declare n int := (select count(*) from pg_stat_activity); begin end $$", "unsafe"),
    ],
)
def test_a_count_that_others_use_changes_with_consent_only(text, how):
    (one,) = read(text).counts
    assert one.fix.applicability == how


@pytest.mark.parametrize(
    "text",
    [
        "select pid from pg_stat_activity",
        "select count(*) from t where n in (select pid from pg_stat_activity)",
        "select count(*) from other.pg_stat_activity",
        "insert into t values ('select count(*) from pg_stat_activity')",
        "select 'count(*) from pg_stat_activity'",
        "-- select count(*) from pg_stat_activity",
        "/* select count(*) /* nested */ from pg_stat_activity; */",
    ],
)
def test_no_count(text):
    assert read(text).counts == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle'", (False, False, False, False, True)),
        (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'd' AND pid <> pg_backend_pid()",
            (False, True, True, False, True),
        ),
        ("SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE usename = 'u'", (True, False, False, False, True)),
        ("SELECT pg_terminate_backend(4711)", (False, False, False, True, False)),
        ("SELECT pg_terminate_backend(:pid)", (False, False, False, True, False)),
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN (1, 2)", (False, False, False, True, True)),
        (
            "with x as (select pid from pg_stat_activity where datname='d') select pg_terminate_backend(pid) from x",
            (False, True, False, False, True),
        ),
    ],
)
def test_terminate(text, expected):
    file = read(text)
    (one,) = file.terminates
    assert (one.has_user_filter, one.has_database_filter, one.guards_own_pid, one.by_pid_literal, one.from_activity) == expected
    assert at(file.calls[0].span) == at(one.span)
    assert one.span.text.startswith("pg_terminate_backend(")
    assert one.span.text.endswith(")")


def test_order_and_transaction():
    file = read(
        "SELECT 1;\nALTER SYSTEM SET port = 1;\nSELECT pg_reload_conf();\n"
        "BEGIN; ALTER SYSTEM SET port = 2; COMMIT; ALTER SYSTEM SET port = 3"
    )
    assert [(one.statement.order, one.statement.in_transaction) for one in file.settings] == [(1, False), (4, True), (6, False)]
    assert [(one.statement.order, one.name, at(one.span)) for one in file.calls] == [(2, "pg_reload_conf", (3, 8, "pg_reload_conf()"))]


def test_body_of_do():
    file = read(
        "DO $x$\nDECLARE n int := (SELECT count(*) FROM pg_stat_activity);\nBEGIN\n"
        "  IF n > 5 THEN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'u'; END IF;\n"
        "  FOR r IN SELECT pid FROM pg_stat_activity LOOP PERFORM pg_terminate_backend(r.pid); END LOOP;\n"
        "  SELECT count(*) INTO STRICT n, m FROM pg_stat_activity;\n"
        "  EXECUTE 'ALTER ROLE a CONNECTION LIMIT 7';\n"
        "  EXECUTE format('ALTER ROLE %I CONNECTION LIMIT %s', a, b);\n"
        "  SET LOCAL lock_timeout = '3s';\n"
        "END $x$;\nALTER ROLE z CONNECTION LIMIT 9"
    )
    assert [one.span.place for one in file.counts] == [(2, 26), (6, 10)]
    assert [(one.span.place, one.has_user_filter, one.from_activity) for one in file.terminates] == [
        ((4, 25), True, True),
        ((5, 58), False, False),
    ]
    assert [(one.name, known(one.limit), at(one.value_span)) for one in file.limits] == [
        ("a", 7, (7, 42, "7")),
        (None, "computed when it runs", (8, 50, "%s")),
        ("z", 9, (11, 31, "9")),
    ]
    assert [(one.scope, at(one.value_span), one.statement.within) for one in file.settings] == [("local", (9, 28, "'3s'"), "do")]
    assert [one.statement.order for one in file.limits] == [0, 0, 1]


def test_body_of_function_is_not_run_yet():
    file = read("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT count(*) FROM pg_stat_activity $$;")
    assert [(one.span.place, one.statement.within, one.statement.conditional) for one in file.counts] == [((1, 59), "function", True)]


def test_psql_and_data_are_passed_over():
    file = read(
        "\\set n 5\n\\c other\nCOPY t FROM stdin;\nALTER ROLE a CONNECTION LIMIT 1;\nit's\n\\.\nALTER ROLE b CONNECTION LIMIT 2;\n"
        "\\if :x\nALTER ROLE c CONNECTION LIMIT 3;\n\\endif\nSELECT 'x' \\gexec\nALTER ROLE d CONNECTION LIMIT 4"
    )
    assert [(one.name, one.span.place, one.statement.conditional) for one in file.limits] == [
        ("b", (7, 14), False),
        ("c", (9, 14), True),
        ("d", (12, 14), False),
    ]
    assert file.faults == ()


@pytest.mark.parametrize(
    ("text", "message", "place", "mended"),
    [
        (
            "-- это\nALTER ROLE a CONNECTION LIMIT = 5;",
            "PostgreSQL reads = as a syntax error here: CONNECTION LIMIT of a role takes none",
            (2, 31, "="),
            "-- это\nALTER ROLE a CONNECTION LIMIT 5;",
        ),
        (
            "ALTER ROLE a CONNECTION LIMIT=5",
            "PostgreSQL reads = as a syntax error here: CONNECTION LIMIT of a role takes none",
            (1, 30, "="),
            "ALTER ROLE a CONNECTION LIMIT 5",
        ),
        (
            "ALTER ROLE a CONNECTION LIMIT 'x'",
            "PostgreSQL reads this as a syntax error: CONNECTION LIMIT takes a whole number",
            (1, 31, "'x'"),
            None,
        ),
        ("ALTER SYSTEM SET max_connections 200", "PostgreSQL reads this as a syntax error", (1, 34, "200"), None),
        (
            "ALTER SYSTEM SET work_mem = 64MB",
            "PostgreSQL reads a value with a unit as a syntax error: put it in single quotes",
            (1, 29, "64MB"),
            "ALTER SYSTEM SET work_mem = '64MB'",
        ),
        (
            "SELECT count(*) FROM pg_stat_activity WHERE",
            "PostgreSQL reads the end of this statement as a syntax error",
            (1, 39, "WHERE"),
            None,
        ),
    ],
)
def test_faults(text, message, place, mended):
    (fault,) = read(text + "\n;ALTER ROLE ok CONNECTION LIMIT 1").faults
    assert (fault.message, at(fault.span)) == (message, place)
    assert (patched(text, fault.fix) if fault.fix else None) == mended


@pytest.mark.parametrize(
    "text",
    [
        "ALTER SYSTEM SET processes = 300 SCOPE=BOTH;",
        "ALTER SYSTEM SET db_recovery_file_dest_size = 10G;",
        "CREATE USER 'x'@'%' IDENTIFIED BY 'y';",
        "CREATE TABLE `a` (b int) ENGINE=InnoDB; SET GLOBAL max_connections = 200; SET foreign_key_checks = 0;",
        "CREATE USER a FOR LOGIN b\nGO\nALTER ROLE c ADD MEMBER d\nGO\n",
        "create user a connection limit unlimited",
        "ALTER ROLE %(name)s CONNECTION LIMIT %(limit)s",
        "\\if :a\nselect count(*) from pg_stat_activity where :cond\n",
        "'unterminated ; ALTER ROLE",
        "DO $$ BEGIN ALTER ROLE a CONNECTION LIMIT = 5; END $$",
    ],
)
def test_other_dialects_are_no_faults(text):
    file = read(text)
    assert (file.faults, file.settings, file.limits, file.roles) == ((), (), (), ())


def test_one_bad_statement_hides_no_other():
    file = read("SELEC 1; ALTER ROLE a CONNECTION LIMIT 1; SELECT $x; it's ; ALTER ROLE b CONNECTION LIMIT 2;")
    assert [one.name for one in file.limits] == ["a", "b"]


def test_dump_settings_are_its_own():
    dump = "--\n-- PostgreSQL database dump\n--\nSET idle_in_transaction_session_timeout = 0;\n"
    dump += "SELECT pg_catalog.set_config('search_path', '', false);\n"
    assert not interesting(dump.encode())
    assert read(dump).settings == ()
    assert [one.name for one in read(dump + "ALTER ROLE a SET lock_timeout = 1;").settings] == ["lock_timeout"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"Alter System SET x = 1", True),
        (b"ALTER\n  ROLE a SUPERUSER", True),
        (b"connection   limit 5", True),
        (b"SET Statement_Timeout = 1", True),
        (b"SELECT * FROM PG_STAT_ACTIVITY", True),
        (b"CREATE TABLE role (x int); UPDATE t SET a = 1;", False),
        (b"", False),
    ],
)
def test_interesting(data, expected):
    assert interesting(data) is expected


def test_undecodable_bytes():
    file = parse(Source.from_bytes("a.sql", b'-- \xff\xd0\nALTER ROLE "\xff" CONNECTION LIMIT 3; ALTER ROLE a CONNECTION LIMIT 4'))
    assert [(one.name, at(one.value_span)) for one in file.limits] == [(None, (2, 33, "3")), ("a", (2, 66, "4"))]


@pytest.mark.parametrize(
    "middle",
    ["(" * 50_000, "1+" * 5_000 + "1", "1+" * 25_000 + "1", "not " * 5_000 + "true", "(select " * 3_000],
)
def test_deep_nesting_is_skipped(middle):
    file = read(f"select pg_reload_conf(), {middle}; ALTER ROLE a CONNECTION LIMIT 1;")
    assert [one.name for one in file.limits] == ["a"]
    assert file.calls == ()


@pytest.mark.parametrize(
    "unit",
    [
        "'",
        "/* ",
        "$a$ $",
        "E'\\' ",
        "INSERT INTO t VALUES (1, 'it''s', 'pg_stat_activity');\n",
        "\\x\n",
        ";",
        "{{ ",
        "{% if a %}",
        "do $$",
        ":a ",
    ],
)
def test_linear(unit):
    text = "ALTER ROLE a CONNECTION LIMIT 1;\n" + unit * (300_000 // len(unit))
    start = time.perf_counter()
    assert [one.name for one in read(text).limits] == ["a"]
    assert time.perf_counter() - start < 2  # takes about 0.1; quadratic would be minutes


def test_pglast_only_for_statements_that_matter():
    code = (
        "import sys\nfrom polint.source import Source\nfrom polint.formats.sql import parse\n"
        "parse(Source('a.sql', \"INSERT INTO t VALUES ('pg_stat_activity'); UPDATE t SET a = 1; CREATE TABLE x (y int);\"))\n"
        "print('pglast' in sys.modules)\n"
        "parse(Source('a.sql', 'ALTER ROLE a CONNECTION LIMIT 1'))\nprint('pglast' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
