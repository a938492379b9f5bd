"""What ``polint diagnose`` finds in logs, and what it answers."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import polint

from polint import causes, diagnosis, errortexts
from polint.diagnosis import NotText, Reading
from polint.rule import load_builtin

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples/iss-tracker"

REFUSED = 'connection to server at "10.0.0.2", port 5432 failed: '
# lines that the real programs printed, with other hosts and ports
LINES = [
    ("2026-11-24 02:14:24.401 UTC [8336] app@iss FATAL:  sorry, too many clients already", "too-many-clients"),
    ("FATAL:  remaining connection slots are reserved for non-replication superuser connections", "too-many-clients"),
    ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "too-many-clients"),
    (
        'FATAL:  remaining connection slots are reserved for roles with privileges of the "pg_use_reserved_connections" role',
        "too-many-clients",
    ),
    (f"psql: error: {REFUSED}FATAL:  sorry, too many clients already", "too-many-clients"),
    (f"PDOException: SQLSTATE[08006] [7] {REFUSED}FATAL:  sorry, too many clients already", "too-many-clients"),
    ('2026-11-24 02:14:57.361 UTC [7838] app@iss FATAL:  too many connections for database "iss"', "connection-limit database=iss"),
    ('2026-11-24 02:14:58.347 UTC [7896] lim@iss FATAL:  too many connections for role "lim"', "connection-limit role=lim"),
    ('{"level":"error","error":"db error: FATAL: too many connections for role \\"lim\\""}', "connection-limit role=lim"),
    ("FATAL:  number of requested standby connections exceeds max_wal_senders (currently 1)", "replication-slots"),
    ('FATAL:  number of requested standby connections exceeds "max_wal_senders" (currently 1)', "replication-slots"),
    ("2026-11-24 02:14:52.955 UTC [7545] app@iss ERROR:  canceling statement due to statement timeout", "statement-timeout"),
    ("PDOException: SQLSTATE[57014]: Query canceled: 7 ERROR:  canceling statement due to statement timeout", "statement-timeout"),
    ("ERROR:  canceling statement due to lock timeout at character 36", "lock-timeout"),
    ("FATAL:  terminating connection due to idle-in-transaction timeout", "idle-in-transaction"),
    ("FATAL:  terminating connection due to idle-session timeout", "idle-session"),
    ("FATAL:  terminating connection due to transaction timeout", "transaction-timeout"),
    ("FATAL:  terminating connection due to administrator command", "session-ended"),
    ('2026-11-24 02:14:57.534 UTC [7842] nolog@iss FATAL:  role "nolog" is not permitted to log in', "login-refused role=nolog"),
    ('FATAL:  role "nobody" does not exist', "login-refused role=nobody"),
    ('error returned from database: database "nodb" does not exist', "login-refused database=nodb"),
    ('FATAL:  database "off" is not currently accepting connections', "login-refused database=off"),
    ('FATAL:  password authentication failed for user "app"', "login-refused role=app"),
    ("FATAL:  the database system is starting up", "server-starting"),
    ('ERROR:  could not resize shared memory segment "/PostgreSQL.1" to 8388608 bytes: No space left on device', "shared-memory"),
    ("LOG:  server process (PID 77) was terminated by signal 9: Killed", "out-of-memory"),
    ("Nov 24 01:02:03 db1 kernel: Out of memory: Killed process 812 (postgres) total-vm:1kB", "out-of-memory process=postgres"),
    ("kernel: Memory cgroup out of memory: Kill process 812 (php-fpm8.2) score 900", "out-of-memory process=php-fpm8.2"),
    ("[24-Nov-2026 01:02:03] WARNING: [pool www] child 12 exited on signal 9 (SIGKILL) after 3.1 seconds from start", "out-of-memory"),
    (f"PDOException: SQLSTATE[08006] [7] {REFUSED}Connection refused", "server-unreachable host=10.0.0.2"),
    ('psql: error: connection to server at "db" (10.0.0.2), port 5432 failed: timeout expired', "server-unreachable host=db"),
    ("psql: error: could not connect to server: Connection refused", "server-unreachable"),
    (
        'SQLSTATE[08006] [7] could not translate host name "postgres" to address: Name or service not known',
        "server-unreachable host=postgres",
    ),
    ("Error: error communicating with database: Connection refused (os error 111)", "server-unreachable"),
    ("Error: error communicating with database: unexpected end of file", "connection-lost"),
    ("SQLSTATE[HY000]: General error: 7 no connection to the server", "connection-lost"),
    ("server closed the connection unexpectedly", "connection-lost"),
    ("Illuminate\\Database\\LostConnectionException: no connection", "connection-lost"),
    ("WARNING S-0x55: iss/app@10.0.0.2:5432 closing because: server conn crashed? (age=3s)", "connection-lost"),
    ('SQLSTATE[26000]: Invalid sql statement name: 7 ERROR:  prepared statement "pdo_stmt_00000001" does not exist', "prepared-statements"),
    ('error returned from database: prepared statement "sqlx_s_1" already exists', "prepared-statements"),
    (
        "SQLSTATE[25P02]: In failed sql transaction: 7 ERROR:  current transaction is aborted, commands ignored until end of transaction"
        " block",
        "failed-transaction",
    ),
    ("PDOException: There is already an active transaction", "failed-transaction"),
    ("2026-11-24T01:02:03.123456Z ERROR iss: error=pool timed out while waiting for an open connection", "pool-exhausted"),
    (
        " WARN sqlx::pool::acquire: acquired connection, but time to acquire exceeded slow threshold aquired_after_secs=3.1",
        "pool-exhausted",
    ),
    (
        " WARN sqlx::pool::acquire: acquired connection, but time to acquire exceeded slow threshold acquired_after_secs=3.1",
        "pool-exhausted",
    ),
    ("attempted to acquire a connection on a closed pool", "pool-closed"),
    (f"{REFUSED}FATAL:  no more connections allowed (max_client_conn)", "pooler-full"),
    ("FATAL:  client connections exceeded (max_db_client_connections)", "pooler-full limit=max_db_client_connections"),
    ("FATAL:  query_wait_timeout", "pooler-wait"),
    ("SQLSTATE[08P01]: <<Unknown error>>: 7 FATAL:  query_wait_timeout", "pooler-wait"),
    ("error returned from database: query_wait_timeout", "pooler-wait"),
    (
        "2026-11-24 02:19:37.203 UTC [11498] WARNING C-0x55: iss/app@10.0.0.3:57610 taking connection from reserve_pool",
        "pooler-wait",
    ),
    ("FATAL:  query timeout", "statement-timeout"),
    ("FATAL:  idle transaction timeout", "idle-in-transaction"),
    ("FATAL:  transaction timeout", "transaction-timeout"),
    ("FATAL:  client_idle_timeout", "idle-session"),
    ("FATAL:  unsupported startup parameter: extra_float_digits", "startup-parameter parameter=extra_float_digits"),
    ("FATAL:  unsupported startup parameter in options: geqo", "startup-parameter parameter=geqo"),
    ("FATAL:  no such database: nodb", "login-refused database=nodb"),
    ('FATAL:  database "off" is disabled', "login-refused database=off"),
    ('FATAL:  "trust" authentication failed', "login-refused"),
    ("FATAL:  server login has been failing, try again later (server_login_retry)", "pooler-login"),
    ("server login has been failing, cached error: FATAL: sorry, too many clients already", "too-many-clients"),
    (
        "LOG kernel file descriptor limit: 1024 (hard: 4096); max_client_conn: 2000, max expected fd use: 2032",
        "file-descriptors",
    ),
    ("[24-Nov-2026 01:02:03] WARNING: [pool www] server reached pm.max_children setting (5), consider raising it", "fpm-full"),
    (
        "WARNING: [pool www] seems busy (you may need to increase pm.start_servers, or pm.min/max_spare_servers), spawning 8 children",
        "fpm-full",
    ),
]


def read(data: bytes, step: Callable[[], int] = lambda: 1 << 30) -> Reading:
    reading = Reading()
    stream = io.BytesIO(data)
    reading.read(lambda view: stream.readinto(view[: step()]))
    return reading


def told(data: bytes, step: Callable[[], int] = lambda: 1 << 30) -> dict[str, int]:
    return {group.cause: group.lines for group in read(data, step).groups}


@pytest.mark.parametrize(("line", "expected"), LINES, ids=[line[-60:] for line, _ in LINES])
def test_a_text_is_known(line: str, expected: str) -> None:
    cause, _, name = expected.partition(" ")
    groups = read(f"nothing\n{line}\nnothing\n".encode()).groups
    assert [(group.cause, group.lines) for group in groups] == [(cause, 1)]
    names = [f"{seen.text.names}={name}" for seen in groups[0].seen for name, _ in seen.names]
    assert names == ([name] if name else [])


def test_every_text_has_a_line_here() -> None:
    seen = {one.text.shown for line, _ in LINES for group in read(line.encode()).groups for one in group.seen}
    beaten = {"SQLSTATE[08006] [7] …", "SQLSTATE[25P02]: In failed sql transaction", "server login failed: …"}
    assert {text.shown for text in errortexts.TEXTS} - seen - beaten == {"the database system is shutting down"}


@pytest.mark.parametrize(
    "line",
    [
        "query_wait_timeout = 120",
        "LOG:  parameter query_wait_timeout changed",
        'LOG:  statement: SHOW "query timeout"',
        "connect() failed (111: Connection refused) while connecting to upstream",
        'ERROR:  relation "role" does not exist at character 15',
        'ERROR:  type "role" does not exist',
        "Killed process 812 (redis-server)",
        "Out of memory: Killed process 812 (redis-server)",
        "kernel file descriptor limit: 20000 (hard: 20000); max_client_conn: 5, max expected fd use: 29",
        f"{REFUSED}FATAL:  unbekannter Fehler",
        "C-0x55: iss/app@10.0.0.3:57610 closing because: client close request (age=0s)",
        "WARNING C-0x55: (nodb)/(nouser)@10.0.0.3:57588 unsupported startup parameter: options=-c geqo=off",
        'LOG:  execute <unnamed>: PREPARE prepared statement "x"',
        "remaining connection slots are reserved for later",
    ],
)
def test_what_only_looks_like_one(line: str) -> None:
    assert told(f"{line}\n".encode()) == {}


POOLER_LOG = b"""\
2026-11-24 02:19:28.789 UTC [1] LOG C-0x4f: (nodb)/app@10.0.0.3:5 closing because: no such database: nodb (age=0s)
2026-11-24 02:19:28.789 UTC [1] WARNING C-0x4f: (nodb)/app@10.0.0.3:5 pooler error: no such database: nodb
2026-11-24 02:19:35.897 UTC [1] WARNING C-0x4f: (nodb)/(nouser)@10.0.0.3:6 unsupported startup parameter: options=-c geqo=off
2026-11-24 02:19:35.897 UTC [1] LOG C-0x4f: (nodb)/(nouser)@10.0.0.3:6 closing because: unsupported startup parameter: options (age=0s)
2026-11-24 02:19:35.897 UTC [1] WARNING C-0x4f: (nodb)/(nouser)@10.0.0.3:6 pooler error: unsupported startup parameter: options
2026-11-24 02:19:38.205 UTC [1] LOG C-0x57: iss/app@10.0.0.3:7 closing because: query_wait_timeout (age=2s)
2026-11-24 02:19:38.205 UTC [1] WARNING C-0x57: iss/app@10.0.0.3:7 pooler error: query_wait_timeout
2026-11-24 02:19:59.204 UTC [1] LOG S-0x55: iss/app@10.0.0.2:5432 closing because: query timeout (age=23s)
2026-11-24 02:19:59.204 UTC [1] LOG C-0x52: iss/app@10.0.0.3:8 closing because: query timeout (age=8s)
2026-11-24 02:19:59.204 UTC [1] WARNING C-0x52: iss/app@10.0.0.3:8 pooler error: query timeout
"""
ONCE = {"login-refused": 1, "startup-parameter": 1, "pooler-wait": 1, "statement-timeout": 1}


def test_what_pgbouncer_says_twice_counts_once() -> None:
    assert told(POOLER_LOG) == ONCE
    quiet = b"".join(line for line in POOLER_LOG.splitlines(True) if b"pooler error" not in line and b"S-0x" not in line)
    assert told(quiet) == ONCE


def test_the_more_specific_text_of_a_line_wins_and_counts_once() -> None:
    line = f"SQLSTATE[08006] [7] {REFUSED}FATAL:  sorry, too many clients already (SQLSTATE[08006] [7] sorry, too many clients already)\n"
    assert told(line.encode() * 3) == {"too-many-clients": 3}


def test_the_line_under_the_reason_is_no_second_problem() -> None:
    text = b"FATAL:  terminating connection due to administrator command\nserver closed the connection unexpectedly\n\tThis probably\n"
    assert told(text) == {"session-ended": 1}
    assert told(text.replace(b"\nserver", b"\nweb-1  | server")) == {"session-ended": 1}
    assert told(text.replace(b"\nserver", b"\nanother\nserver")) == {"session-ended": 1, "connection-lost": 1}


def test_an_exception_that_laravel_repeats_counts_once() -> None:
    said = f"SQLSTATE[08006] [7] {REFUSED}FATAL:  sorry, too many clients already"
    text = (
        f'[2026-11-24 01:02:03] production.ERROR: {said} (Connection: pgsql, SQL: select 1) {{"exception":"[object] '
        f"(Illuminate\\\\Database\\\\QueryException(code: 7): {said} (Connection: pgsql, SQL: select 1) at /app/Connection.php:829)\n"
        f'[stacktrace]\n#0 /app/x.php(1)\n[previous exception] [object] (PDOException(code: 7): {said} at /app/y.php:65)\n"}}\n'
    )
    (group,) = read(text.encode()).groups
    assert (group.cause, group.lines, group.first) == ("too-many-clients", 1, "2026-11-24 01:02:03")


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("2026-11-24 01:02:03.123 UTC [77] app@iss FATAL:  {}", "2026-11-24 01:02:03.123 UTC"),
        ("2026-11-24T01:02:03.123456Z ERROR x: {}", "2026-11-24T01:02:03.123456Z"),
        ("2026-11-24T01:02:03+01:00 ERROR x: {}", "2026-11-24T01:02:03+01:00"),
        ("2026-11-24 01:02:03,123 ERROR x: {}", "2026-11-24 01:02:03,123"),
        ("[24-Nov-2026 01:02:03] WARNING: {}", "24-Nov-2026 01:02:03"),
        ("[2026-11-24 01:02:03] production.ERROR: {}", "2026-11-24 01:02:03"),
        ("php-web-1  | [24-Nov-2026 01:02:03] WARNING: {}", "24-Nov-2026 01:02:03"),
        ("Nov 24 01:02:03 db1 postgres[77]: {}", "Nov 24 01:02:03"),
        ('{{"level":"error","msg":"{}","time":"2026-11-24T01:02:03Z"}}', "2026-11-24T01:02:03Z"),
        ("10.0.0.1 - - [24/Nov/2026:01:02:03 +0000] {}", "24/Nov/2026:01:02:03 +0000"),
        ("2026-11-24 01:02:03 UTC [1] ERROR:  x\n\tat y\n{}", "2026-11-24 01:02:03 UTC"),
        ("{}", ""),
    ],
)
def test_times(line: str, time: str) -> None:
    (group,) = read((line.format("sorry, too many clients already") + "\n").encode()).groups
    assert (group.first, group.last) == (time, time)


def test_first_and_last_time() -> None:
    text = b"".join(b"2026-11-24 01:%02d:00 UTC FATAL:  sorry, too many clients already\n" % minute for minute in range(60))
    (group,) = read(text).groups
    assert (group.lines, group.first, group.last) == (60, "2026-11-24 01:00:00 UTC", "2026-11-24 01:59:00 UTC")


def every_line(seed: int, count: int = 400) -> bytes:
    chance = random.Random(seed)
    lines = [line.encode() for line, _ in LINES] + POOLER_LOG.splitlines()
    noise = [b"", b"x" * 700, b"\0\0\0\0", b"2026-11-24 01:02:03 UTC [1] LOG:  checkpoint starting", "žluť".encode()[:-1]]
    ends = [b"\n", b"\n", b"\r\n"]
    return b"".join(chance.choice([*lines, *noise]) + chance.choice(ends) for _ in range(count))


@pytest.mark.parametrize("seed", range(8))
def test_blocks_and_small_reads_change_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = every_line(seed)
    whole = read(data).groups
    monkeypatch.setattr(diagnosis, "_BLOCK", 2048)
    monkeypatch.setattr(diagnosis, "_KEPT", 1024)
    chance = random.Random(seed)
    parts = read(data, lambda: chance.choice([1, 7, 100, 5000])).groups
    assert parts == whole


def test_an_endless_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "_BLOCK", 8192)
    text = b"2026-11-24 01:02:03 UTC " + b"x" * 20_000 + b"sorry, too many clients already" + b"y" * 30_000
    assert told(text) == {"too-many-clients": 1}
    assert told(text + text) == {"too-many-clients": 1}
    assert told(text + b"\n" + text) == {"too-many-clients": 2}
    for cut in range(8192 - 4096 - 40, 8192 - 4096 + 40):
        assert told(b"x" * cut + b"sorry, too many clients already" + b"z" * 9000) == {"too-many-clients": 1}


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\0\0\0", b"\n\xc3"])
def test_ends_of_a_log(end: bytes) -> None:
    assert told(b"\0\0x\r\n2026-11-24 01:02:03 UTC FATAL:  sorry, too many clients already" + end) == {"too-many-clients": 1}
    assert told(end) == {}


@pytest.mark.parametrize("seed", range(3))
def test_many_matches_are_counted_alike(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = [line.encode() for line, expected in LINES if expected in ("too-many-clients", "pool-exhausted", "lock-timeout")]
    chance = random.Random(seed)
    data = b"".join(chance.choice(plain) + b"\n" for _ in range(3000)) + every_line(seed)
    monkeypatch.setattr(diagnosis, "_BLOCK", 32_768)
    slow = read(data).groups
    monkeypatch.setattr(diagnosis, "_MANY", 64)
    assert read(data).groups == slow


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("FATAL:  sorry, too many clients already".encode("utf-16"), "UTF-16"),
        ("FATAL:  sorry, too many clients already".encode("utf-16-le"), "UTF-16"),
        ("FATAL:  sorry, too many clients already".encode("utf-16-be"), "UTF-16"),
        (b"\x1f\x8b\x08\0", "zcat"),
        (b"\x28\xb5\x2f\xfd", "zstdcat"),
    ],
)
def test_what_is_no_text(data: bytes, said: str) -> None:
    with pytest.raises(NotText, match=said):
        read(data)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="this system does not tell a process's own peak")
def test_memory_is_bounded() -> None:
    """getrusage would not do: a child begins with its parent's peak."""
    code = (
        "from polint.diagnosis import Reading\n"
        "line = b'2026-11-24 01:02:03 UTC FATAL:  too many connections for role \"app\"\\n'\n"
        "block, left = line * 16384, [100]\n"
        "def fill(view):\n"
        "    left[0] -= 1\n"
        "    count = min(len(view), len(block)) if left[0] else 0\n"
        "    view[:count] = block[:count]\n"
        "    return count\n"
        "reading = Reading()\n"
        "reading.read(fill)\n"
        "assert reading.size > 90_000_000 and reading.groups[0].lines > 1_000_000\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env={"PYTHONPATH": str(ROOT)}, check=True)
    assert int(done.stdout) < 100_000


def test_what_is_looked_for_fits_the_fast_search() -> None:
    """Up to 64 needles are searched for with SIMD; with more it takes five times as long."""
    assert len({needle for text in errortexts.TEXTS for needle in text.needles} | set(errortexts.MARKS)) <= 64


def test_causes_texts_and_rules_belong_together() -> None:
    assert {text.cause for text in errortexts.TEXTS} == set(causes.BY_ID)
    assert len(causes.BY_ID) == len(causes.CAUSES)
    known = {rule.name for rule in load_builtin().rules}
    for cause in causes.CAUSES:
        assert set(cause.rules) <= known
        assert set(cause.begin) <= set(causes.BY_ID) - {cause.id}
        assert cause.checks
        assert cause.changes


@pytest.mark.parametrize("sql", sorted({check.sql for cause in causes.CAUSES for check in cause.checks if check.sql}))
def test_sql_is_sql_and_fits_a_terminal(sql: str) -> None:
    import pglast

    assert pglast.parse_sql(sql)
    assert max(map(len, sql.splitlines())) <= 68


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text(
        "2026-11-24 01:00:00 UTC [1] app@iss FATAL:  sorry, too many clients already\n" * 3
        + "2026-11-24T01:05:00Z ERROR iss: error=pool timed out while waiting for an open connection\n" * 2
        + 'DATABASE_URL=postgres://iss:hunter2@db/iss FATAL:  too many connections for role "postgres://iss:hunter2@db"\n'
    )
    return path


def test_the_answer_in_a_project(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLE)
    code, out, err = polint("diagnose", str(log), "--root", ".")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].endswith(": 6 lines of 3 known problems in 517 bytes")
    assert lines[1:4] == [
        "  3  PostgreSQL has no connection slot left",
        "  2  the application's own pool has no connection free in time",
        "  1  a role or a database has reached its own CONNECTION LIMIT",
    ]
    first = out.split("\n\n")[1]
    assert "  3 lines, 2026-11-24 01:00:00 UTC\n" in first
    assert "  seen    3  sorry, too many clients already  (PostgreSQL)\n" in first
    assert "postgres: max_connections 100, 97 of them for ordinary roles  postgres/postgresql.conf:4\n" in first
    assert "rust-iss: replicas 3 x max_connections 10 = 30  docker-compose.yml:" in first
    assert "php-web: pm.max_children 20  services/php-web/php-fpm.conf:6\n" in first
    assert "a reload is not enough.  postgres/postgresql.conf:4\n" in first
    assert "PO701 server-variable-ignored reports it here: docker-compose.yml:" in first
    assert "would be caught by PO101 connections-over-budget, " in first
    second = out.split("\n\n")[2]
    assert "This log also says: PostgreSQL has no connection slot left. Begin with that.\n" in second
    assert "max_connections 10, acquire_timeout 30 s (SQLx's default)  services/rust-iss/src/main.rs:" in second
    assert "the rest as above" in second
    assert "hunter2" not in out
    assert "role: postgres://iss:*******@db)" in out


def test_the_answer_as_json(log: Path) -> None:
    code, out, err = polint("diagnose", str(log), "--root", str(EXAMPLE), "--format", "json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert {key: report[key] for key in ("schema_version", "bytes", "project")} == {"schema_version": 1, "bytes": 517, "project": True}
    first = report["causes"][0]
    assert (first["id"], first["lines"], first["first"]) == ("too-many-clients", 3, "2026-11-24 01:00:00 UTC")
    assert first["here"][0]["places"] == [{"path": "postgres/postgresql.conf", "line": 4}]
    assert {"code": "PO101", "name": "connections-over-budget", "places": []} in first["rules"]
    assert "hunter2" not in out


def test_a_wider_terminal_is_not_needed(log: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    command = f"stty cols 80; {sys.executable} -m polint diagnose --color never --root {EXAMPLE} {log}"
    if subprocess.run(["which", "script"], capture_output=True, check=False).returncode:
        pytest.skip("script is not installed")
    done = subprocess.run(["script", "-qec", command, "/dev/null"], capture_output=True, env=environment, check=True)
    assert b"PostgreSQL has no connection slot left" in done.stdout
    assert max(len(line.rstrip()) for line in done.stdout.decode().splitlines()[1:]) <= 80


def test_outside_of_a_project(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = polint("diagnose", "app.log")
    assert (code, err) == (0, "")
    assert "no PostgreSQL server in .: for the numbers of a project run it in the project's folder, or with --root DIR\n" in out
    assert "  here " not in out
    assert "would be caught by PO101 connections-over-budget, " in out


def test_nothing_known(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("all is well\n")
    code, out, err = polint("diagnose", str(tmp_path / "x.log"))
    assert (code, err) == (0, "")
    assert "x.log: no known error text about PostgreSQL connections in 12 bytes\n" in out


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = b"FATAL:  sorry, too many clients already\n"
    for arguments in (("diagnose", "-"), ("diagnose",)):
        code, out, err = polint(*arguments, stdin=line)
        assert (code, err, out.splitlines()[0]) == (0, "", "standard input: 1 line of 1 known problem in 40 bytes")


def test_a_pipe_is_read_until_it_is_interrupted(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(
        [sys.executable, "-m", "polint", "diagnose", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, env=environment
    )
    assert run.stdin is not None
    run.stdin.write(b"FATAL:  sorry, too many clients already\n")
    run.stdin.flush()
    time.sleep(1.5)
    assert run.poll() is None
    run.send_signal(signal.SIGINT)
    out = run.communicate(timeout=20)[0]
    assert run.returncode == 0
    assert b"1 line of 1 known problem" in out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.log", "polint: missing.log: no such file or directory\n"),
        ("folder", "polint: folder: is a folder; name a log file\n"),
        ("wide.log", "polint: wide.log: not UTF-8 text but UTF-16: iconv -f UTF-16 -t UTF-8 LOG | polint diagnose -\n"),
    ],
)
def test_what_cannot_be_read(name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "wide.log").write_text("x", encoding="utf-16")
    assert polint("diagnose", name) == (2, "", said)


POOLED = {
    "compose.yaml": """\
services:
  db:
    image: postgres:16
    command: postgres -c max_connections=40
    environment: {POSTGRES_PASSWORD: "${DB_PASSWORD}"}
  pgbouncer:
    image: edoburu/pgbouncer:v1.24.1-p1
    volumes:
      - ./pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini:ro
  web:
    build: ./web
    volumes:
      - ./www.conf:/usr/local/etc/php-fpm.d/zz-www.conf:ro
    environment: {DATABASE_URL: "postgres://app@pgbouncer:6432/iss"}
""",
    "pgbouncer.ini": """\
[databases]
iss = host=db
[pgbouncer]
pool_mode = transaction
max_client_conn = 20
default_pool_size = 15
idle_transaction_timeout = 30
auth_type = scram-sha-256
auth_file = users.txt
""",
    "users.txt": '"app" "SCRAM-SHA-256$4096:x"\n',
    "www.conf": "[www]\npm = static\npm.max_children = 30\n",
    "init.sql": "CREATE ROLE app LOGIN CONNECTION LIMIT 12;\n",
    "web/Dockerfile": "FROM php:8.3-fpm\n",
    "web/config/database.php": "<?php\nreturn ['connections' => ['pgsql' => ['driver' => 'pgsql', 'url' => env('DATABASE_URL')]]];\n",
}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "FATAL:  query_wait_timeout",
            [
                "service pgbouncer: pool_mode transaction, default_pool_size 15, ",
                "service pgbouncer: its pools can open 15 on db, which has 37\n",
                "db: max_connections 40, 37 of them for ordinary roles  compose.yaml:4\n",
                "as far as the server has slots.  pgbouncer.ini:6\n",
            ],
        ),
        (
            "FATAL:  no more connections allowed (max_client_conn)",
            [
                "service pgbouncer: max_client_conn 20  pgbouncer.ini:5\n",
                "service pgbouncer: its known clients can open 30  www.conf:3\n",
                "PO604 pgbouncer-clients-below-demand reports it here: ",
            ],
        ),
        ("FATAL:  idle transaction timeout", ["service pgbouncer: idle_transaction_timeout 30  pgbouncer.ini:7\n"]),
        ('FATAL:  too many connections for role "app"', ["role app: CONNECTION LIMIT 12  init.sql:1\n", "for new sessions.  init.sql:1\n"]),
        (
            "WARNING: [pool www] server reached pm.max_children setting (30), consider raising it",
            ["pm.max_children 30, request_terminate_timeout never", "of the server go.  www.conf:3\n"],
        ),
    ],
)
def test_the_numbers_that_matter(line: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in POOLED.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path / "project")
    code, out, err = polint("diagnose", "-", stdin=line.encode())
    assert (code, err) == (0, "")
    missing = [one for one in expected if one not in out]
    assert not missing, out
