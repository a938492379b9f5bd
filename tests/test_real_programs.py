"""polint's reading beside that of the programs themselves; skipped where those are not installed."""

from __future__ import annotations

import os
import pwd
import random
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import polint.catalogue
from polint import lint
from polint.catalogue import NEWEST, OLDEST, Setting, judge_name, judge_value
from polint.catalogue import setting as postgres_setting
from polint.formats.ini import parse_fpm
from polint.formats.pgbouncer import connect_string
from polint.formats.pgbouncer import parse as parse_bouncer
from polint.formats.postgresql_conf import parse, parse_arguments
from polint.model.pgbouncer_faults import of_parsed
from polint.pgbouncer_settings import DATABASE_SETTINGS, USER_SETTINGS, Unclear, read_pair
from polint.pgbouncer_settings import SETTINGS as BOUNCER_SETTINGS
from polint.pgbouncer_settings import read as read_bouncer
from polint.pgunits import read_boolean, read_integer, read_memory, read_real, read_time
from polint.source import Source
from polint.value import Computed, EnvRead, Fallback, Literal, Value


def program(pattern: str, folders: tuple[str, ...]) -> str | None:
    """The newest program of that name, on the PATH or where packages put it."""
    for folder in [*os.environ.get("PATH", "").split(os.pathsep), *folders]:
        parent = Path(folder.partition("*")[0]) if "*" in folder else Path(folder)
        rest = folder[len(str(parent)) + 1 :] if "*" in folder else ""
        if folder and parent.is_dir():
            found = [
                path for path in sorted(parent.glob(f"{rest}/{pattern}" if rest else pattern), reverse=True) if os.access(path, os.X_OK)
            ]
            if found:
                return str(found[0])
    return None


POSTGRES = program("postgres", ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"))
FPM = program("php-fpm*", ("/usr/sbin", "/usr/local/sbin"))

LINES = """
work_mem = 8MB
work_mem 8MB
work_mem '8 MB'
WORK_MEM=8MB#c
work_mem = 8MB -- c
work_mem = 8MB;
work_mem = 8MB // c
work_mem == 8MB
work_mem: 8MB
work_mem : 8MB
work_mem = "8MB"
work_mem = 8MB,
work_mem = 8MB 9MB
work_mem =
work_mem
work_mem = 1.5MB
work_mem = '1.5MB'
work_mem = 1e4
listen_addresses = *
listen_addresses = '*'
listen_addresses = a,b
unix_socket_directories = /tmp
application_name = foo.bar
application_name = foo-bar/baz:1
application_name = .
application_name = 'a''b\\'c'
application_name = 'open
application_name = caf\u00e9
application_name = x\u00a0
port = 0x1538
port = 5432\r
port = -
-- c
// c
# c
; c
[section]
"port" = 5
max-connections = 5
x.y = 1
x.y.z = 1
include_if_exists = 'nowhere.conf'
""".strip("\n").split("\n")

PIECES = [
    "application_name",
    "x.y",
    "a-b",
    "=",
    "==",
    " ",
    "\t",
    "1",
    "20",
    ".5",
    "1.5MB",
    "-",
    "--",
    "#",
    "c",
    "'a b'",
    "'a''b'",
    "'a\\tb'",
    "'",
]
PIECES += [
    '"',
    '"x"',
    "*",
    ",",
    ";",
    "/",
    "//",
    "on",
    "\u00e9",
    "\u00a0",
    "\r",
    "0x1F",
    "0x",
    "+",
    "%",
    "\f",
    "$",
    "\\",
    "e5",
    "[",
    ":",
    "@",
    "1e2",
    "_",
]


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A folder the postgres account may read, PostgreSQL refusing to run as root."""
    if POSTGRES is None:
        pytest.skip("postgres is not installed")
    folder = Path(tempfile.mkdtemp(prefix="polint-"))
    try:
        if os.geteuid() == 0:
            try:
                account = pwd.getpwnam("postgres")
            except KeyError:
                pytest.skip("running as root, without a postgres account")
            os.chown(folder, account.pw_uid, account.pw_gid)
        (folder / "PG_VERSION").write_text("15\n")
        yield folder
    finally:
        shutil.rmtree(folder)


def postgres(data: Path, name: str, conf: bytes = b"", arguments: tuple[str, ...] = ()) -> tuple[str | None, str]:
    """What ``postgres -C name`` prints (None: it refuses), and its log."""
    (data / "postgresql.conf").write_bytes(conf)
    command = [str(POSTGRES), "-D", str(data), *arguments, "-C", name]
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    if os.geteuid() == 0:
        done = subprocess.run(
            command, capture_output=True, env=environment, user="postgres", group="postgres", extra_groups=[], check=False
        )
    else:
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
    printed = done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")
    return printed if done.returncode == 0 else None, done.stderr.decode("utf-8", "replace")


def generated(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return (
            rng.choice(["x.y", "application_name"]) + rng.choice([" = ", "=", " ", ""]) + "".join(rng.choices(PIECES, k=rng.randint(0, 3)))
        )
    return "".join(rng.choices(PIECES, k=rng.randint(0, 6)))


@pytest.mark.parametrize("seed", range(12))
def test_postgres_refuses_the_same_lines(data: Path, seed: int) -> None:
    rng = random.Random(seed)
    lines = LINES if seed == 0 else [generated(rng) for _ in range(90)]  # it gives up after 100 mistakes
    conf = ("\n".join(lines) + "\n").encode()
    _, log = postgres(data, "port", conf)
    theirs = {int(number) for number in re.findall(r"syntax error in file .* line (\d+)", log)}
    faults = parse(Source.from_bytes("postgresql.conf", conf)).faults
    ours = [fault.span.place[0] for fault in faults]
    assert len(ours) == len(set(ours))
    assert [(number, lines[number - 1]) for number in sorted(theirs ^ set(ours))] == []
    assert theirs


def test_postgres_reads_the_same_values(data: Path) -> None:
    rng = random.Random(1)
    bits = [
        "a",
        "''",
        "\\'",
        "\\t",
        "\\n",
        "\\101",
        "\\8",
        " ",
        "#",
        ";",
        "\u00e9",
        "\\303\\251",
        "\\\\",
        "\\q",
        "x.y",
        "-",
        "\\0",
        "\\1234",
    ]
    texts = ["'" + "".join(rng.choices(bits, k=rng.randint(0, 5))) + "'" for _ in range(90)]
    texts += ["a-b", "on", "-.5e3", "0x1F", "20MB", ".", "a:/b.c", "caf\u00e9"]
    for text in texts:
        conf = f"x.y = {text} # c\n".encode()
        printed, log = postgres(data, "x.y", conf)
        (entry,) = parse(Source.from_bytes("postgresql.conf", conf)).entries
        assert isinstance(entry.value, Literal)
        assert printed == entry.value.value, (text, log)
        assert entry.value_span.text == text


@pytest.mark.parametrize("conf", [b"\xef\xbb\xbfport = 1\n", b"\xef\xbb\xbf# c\n", b"\xef\xbb\xbf\nport = 1\n"])
def test_postgres_refuses_a_byte_order_mark(data: Path, conf: bytes) -> None:
    assert postgres(data, "port", conf)[0] is None
    assert parse(Source.from_bytes("postgresql.conf", conf)).faults


COMMANDS = [
    "-c max_connections=20",
    "-cmax_connections=20",
    "--max-connections=20",
    "--MAX-connections=20",
    "-N 20",
    "-N20",
    "-FN 20",
    "-c max_connections=20 -c max_connections=30",
    "-N 20 --max-connections=30",
    "-c max_connections = 20",
    "-c max_connections =20",
    "-c max_connections= 20",
    "-c max_connections",
    "--max-connections",
    "--max-connections 20",
    "-c port=1 max_connections=20",
    "-S 100",
    "-F",
    "-i",
    "-l",
    "-B 64MB -p 5433",
    "-h x -k /tmp",
    "-s -O -P",
    "-e",
    "-W 0",
]
FLAGS: tuple[str, ...] = (
    "max_connections",
    "work_mem",
    "fsync",
    "listen_addresses",
    "ssl",
    "shared_buffers",
    "port",
    "unix_socket_directories",
)
FLAGS += ("log_statement_stats", "allow_system_table_mods", "ignore_system_indexes", "post_auth_delay", "datestyle")


@pytest.mark.parametrize("command", COMMANDS)
def test_postgres_reads_the_same_command_line(data: Path, command: str) -> None:
    source = Source("command", command)
    words = [(found[0], source.span(*found.span())) for found in re.finditer(r"\S+", command)]
    parsed = parse_arguments(words)
    names = [entry.key for entry in parsed.entries] or ["port"]
    printed, log = postgres(data, names[-1], arguments=tuple(command.split()))
    assert (printed is None) == bool(parsed.faults), log
    if printed is None:
        return
    for name in set(names):
        assert name in FLAGS
        last = [entry.value for entry in parsed.entries if entry.key == name][-1]
        assert isinstance(last, Literal)
        alone = postgres(data, name, arguments=("-c", f"{name}={last.value}"))
        assert postgres(data, name, arguments=tuple(command.split()))[0] == alone[0]


NUMBERS = [
    "0",
    "1",
    "5",
    "020",
    "08",
    "0x1F",
    "0x",
    "1e2",
    "1e",
    "99.6",
    "99.5",
    "100.5",
    ".5",
    "5.",
    "-1",
    "+7",
    " 8",
    "8 ",
    "0.1",
    "30.1",
]
NUMBERS += [
    "2147483647",
    "2147483648",
    "99999999999999999999",
    "0x1p3",
    "0x10.8",
    "inf",
    "nan",
    "",
    "-",
    "1_0",
    "1e-3",
    "0.0005",
    "1024",
    "1e400",
]
UNITS = ["", "", "B", "kB", "MB", "GB", "TB", "KB", "mb", " kB", "us", "ms", "s", "min", "h", "d", "S", " s", "m"]
SETTINGS: dict[str, Callable[[str], str]] = {
    "autovacuum_freeze_max_age": lambda text: str(read_integer(text)),
    "track_activity_query_size": lambda text: str(int(read_memory(text, "B"))),
    "work_mem": lambda text: str(read_memory(text, "kB") >> 10),
    "shared_buffers": lambda text: str(read_memory(text, "8kB") >> 13),
    "min_wal_size": lambda text: str(read_memory(text, "MB") >> 20),
    "statement_timeout": lambda text: str(round(read_time(text, "ms") * 1000)),
    "checkpoint_timeout": lambda text: str(round(read_time(text, "s"))),
    "log_rotation_age": lambda text: str(round(read_time(text, "min") / 60)),
    "hash_mem_multiplier": lambda text: f"{read_real(text):g}",
    "fsync": lambda text: "on" if read_boolean(text) else "off",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_postgres_reads_the_same_numbers(data: Path, name: str) -> None:
    rng = random.Random(name)
    texts = [rng.choice(NUMBERS) + rng.choice(UNITS) for _ in range(24)]
    if name == "fsync":
        texts = ["on", "ON", "of", "o", "t", "Tr", "ye", "n", "1", "0", "2", "", "enabled", "on ", " on", "falsee"]
    compared = 0
    for text in texts:
        printed, log = postgres(data, name, arguments=("-c", f"{name}={text}"))
        try:
            ours: str | None = SETTINGS[name](text)
        except ValueError:
            ours = None
        if printed is None and "outside the valid range" in log:
            continue  # ranges are the model's business
        assert printed == ours, text
        compared += 1
    assert compared > 5


ENVIRONMENT = {"FOO": "foo", "N": "8", "PATH": "/usr/bin:/bin"}
BITS = [
    "a",
    "1",
    "08",
    " ",
    "\t",
    '"',
    "'",
    "${FOO}",
    "${N}",
    "${U}",
    "$FOO",
    "\\",
    '\\"',
    "\\$",
    "|",
    "&",
    "^",
    "~",
    "!",
    "(",
    ")",
    "on",
    "no",
]
BITS += ["=", ";", "#", "E_ERROR", "x.y", "-1", "]", "[", "\u00e9", "'q'", '"w"', ".", "/", "null", ":", "$pool"]
VALUES = [
    "5",
    "",
    "5 ; c",
    "5 # c",
    "x=y",
    "no such",
    "yes",
    '"a" b',
    "it's",
    "''",
    '"open',
    "${N}",
    "${U}x",
    "${FOO",
    "E_WARNING|E_NOTICE",
    "/run/$pool",
]


def fpm(folder: Path, lines: str) -> tuple[bool | None, str | None]:
    """Whether php-fpm's parser refuses ``lines`` in a pool that is otherwise fine, and what it makes of ``env[x]``.

    None: it stopped for an empty value, which its parser is not to blame for.
    """
    path = folder / "php-fpm.conf"
    path.write_bytes(f"[www]\nlisten = 9000\nuser = nobody\npm = static\npm.max_children = 5\n{lines}\n".encode())
    done = subprocess.run([str(FPM), "-tt", "-y", str(path)], capture_output=True, env=ENVIRONMENT, check=False)
    printed = (done.stderr + done.stdout).decode("utf-8", "replace")
    value = re.search(r"\tenv\[x\] = (.*?)\n\[\d\d-", printed, re.DOTALL)
    if "empty value" in printed:
        return None, None
    return "syntax error" in printed or "value is NULL" in printed, value[1] if value else None


def resolve(value: Value) -> str | None:
    match value:
        case Literal(value=known):
            return str(known)
        case EnvRead(name=name):
            return ENVIRONMENT.get(name)
        case Fallback(first, second):
            found = resolve(first)
            return resolve(second) if found is None else found
        case Computed(apply=apply, args=args):
            return str(apply(*map(resolve, args)))
    return None


@pytest.mark.skipif(FPM is None, reason="php-fpm is not installed")
@pytest.mark.parametrize("seed", range(8))
def test_php_fpm_reads_the_same(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    values = VALUES if seed == 0 else ["".join(rng.choices(BITS, k=rng.randint(0, 5))) for _ in range(22)]
    for text in values:
        line = f"env[x] = {text}"
        refused, printed = fpm(tmp_path, line)
        if refused is None:
            continue
        parsed = parse_fpm(Source("www.conf", line + "\n"), (8, 2))
        assert refused == any(fault.fatal for fault in parsed.faults), line
        if not refused and printed is not None:
            # $pool is the model's to fill in
            assert (resolve(parsed.entries[-1].value) or "").replace("$pool", "www") == printed.replace("$pool", "www"), line


@pytest.mark.skipif(FPM is None, reason="php-fpm is not installed")
@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("# c", True),
        ("user: x", True),
        ("user", True),
        ("[www", True),
        ("[www] ; c", False),
        ("; c", False),
        ("\tPM.MAX_CHILDREN = 6", False),
    ],
)
def test_php_fpm_refuses_the_same_lines(tmp_path: Path, line: str, refused: bool) -> None:
    assert fpm(tmp_path, line)[0] is refused
    assert bool(parse_fpm(Source("www.conf", line + "\n")).faults) is refused


def pool_settings(rng: random.Random) -> dict[str, str]:
    """A pool that is nearly right: each setting there or not, its number in range or just outside."""
    number = [str(count) for count in (-1, 0, 1, 2, 3, 4, 5, 6)]
    names = {
        "pm": ["dynamic", "dynamic", "dynamic", "static", "ondemand", "Dynamic", "forking", "STATIC"],
        "pm.max_children": ["5", "5", "4", "6", *number, "5.5", "abc", '"5"', "${N}"],
        "pm.start_servers": number,
        "pm.min_spare_servers": ["1", "2", *number],
        "pm.max_spare_servers": ["3", "4", "5", *number],
        "pm.max_requests": ["0", "500", "x"],
        "pm.max_spawn_rate": ["32", "1", "0"],
        "pm.process_idle_timeout": ["10s", "1m", "0", "5x", "7"],
        "request_terminate_timeout": ["30", "30s", "1m", "30ms", "5 s", "1.5h", "5S", "x", "-1"],
        "request_slowlog_timeout": ["0", "5s"],
        "catch_workers_output": ["yes", "no", "maybe", "on"],
        "rlimit_files": ["1024", "many"],
        "rlimit_core": ["unlimited", "0", "-1"],
        "process.priority": ["-19", "20", "21", "high"],
        "pm.status_path": ["/status", "status", "/", "/a b"],
        "php_admin_flag[log_errors]": ["on", "perhaps"],
    }
    always = {"pm": 0.97, "pm.max_children": 0.97, "pm.min_spare_servers": 0.9, "pm.max_spare_servers": 0.9, "pm.start_servers": 0.5}
    return {name: rng.choice(values) for name, values in names.items() if rng.random() < always.get(name, 0.12)}


@pytest.mark.skipif(FPM is None, reason="php-fpm is not installed")
@pytest.mark.parametrize("seed", range(6))
def test_php_fpm_judges_the_same_pools(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    path = tmp_path / "php-fpm.conf"
    verdicts = set()
    for _ in range(40):
        text = "[www]\nlisten = 9000\nuser = nobody\n" + "".join(f"{key} = {value}\n" for key, value in pool_settings(rng).items())
        path.write_text(text)
        done = subprocess.run([str(FPM), "-tt", "-y", str(path)], capture_output=True, env=ENVIRONMENT, check=False)
        printed = (done.stderr + done.stdout).decode("utf-8", "replace")
        compose = "services:\n  web:\n    image: php:8.2-fpm\n    environment: {N: '" + ENVIRONMENT.get("N", "") + "'}\n"
        compose += "    volumes: ['./php-fpm.conf:/usr/local/etc/php-fpm.conf:ro']\n"
        files = {"compose.yaml": compose, "php-fpm.conf": text}
        (subjects,) = lint.subjects_of(files)
        problems = [problem for problem in subjects["problem"] if problem.is_fatal]
        assert (done.returncode != 0) == bool(problems), (text, printed, [problem.message for problem in problems])
        verdicts.add(bool(problems))
        if problems:
            continue
        (pool,) = subjects["fpm"]
        for name in ("pm", "pm.max_children", "pm.max_requests", "request_terminate_timeout"):
            theirs = re.search(rf"\t{re.escape(name)} = (.*)", printed)
            ours = {"pm": pool.pm, "pm.max_children": pool.max_children, "pm.max_requests": pool.max_requests}.get(name)
            if theirs is not None and ours is not None:
                assert str(ours.value) == theirs[1].lower(), (text, printed)
            elif theirs is not None and pool.request_terminate_timeout.is_known:  # negative ones are nobody's wish
                seconds = pool.request_terminate_timeout.value
                assert (0 if seconds == float("inf") else int(seconds)) == int(theirs[1].removesuffix("s")), (text, printed)
    assert verdicts == {True, False}


PGBOUNCER = program("pgbouncer", ("/usr/sbin", "/usr/local/sbin"))
KEYS = [
    "a",
    "db-1",
    "x.y",
    "*",
    "'q r'",
    '"d"',
    "a b",
    "caf\u00e9",
    "",
    "pgbouncer2",
    ";c",
    "#c",
    "[users]",
    "[databases] z",
    "[x",
]
CONNECT = ["host=a", "port=5433", "user=u", "pool_size=10s", "pool_mode=Transaction", "dbname='a b'", "dbname='it''s'", "password="]
CONNECT += [
    "dbname=''",
    "'",
    "; c",
    "# c",
    "host",
    "= ",
    "=",
    "\t",
    "  ",
    "'x'y",
    "port=0",
    "pool_mode=x",
    "bogus=1",
    "host= port=1",
    "a'b",
    ";",
]
WORDS = [
    "20",
    "020",
    "08",
    "0x1F",
    "0x",
    "-1",
    "+3",
    "1.5",
    ".5",
    "5.",
    "1e2",
    "1e400",
    "1e-400",
    "inf",
    "nan",
    "-0",
    "-0.5",
    "99999999999",
]
WORDS += [
    "",
    "10s",
    "10 s",
    "'20'",
    '"20"',
    "true",
    "on",
    "1",
    "0",
    "20 ; c",
    "20 # c",
    "20;",
    "session",
    "MD5",
    "md 5",
    "require",
    "trust",
    "0b1",
]
KINDS = [
    "listen_port",
    "server_lifetime",
    "log_stats",
    "pool_mode",
    "auth_type",
    "server_tls_sslmode",
    "max_packet_size",
    "tcp_defer_accept",
]


@pytest.fixture(scope="module")
def bouncer_version() -> tuple[int, ...]:
    if PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed")
    printed = subprocess.run([PGBOUNCER, "-V"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)\.(\d+)", printed)
    assert found, printed
    return tuple(map(int, found.groups()))


def bouncer(folder: Path, text: str) -> tuple[bool, list[tuple[str, str]], list[tuple[str, str]], str]:
    """Whether PgBouncer refuses ``text``, the settings and the pairs it saw in it, and its log.

    A last line it does not know keeps it from ever starting.
    """
    (folder / "pgbouncer.ini").write_bytes(f"{text}\n[pgbouncer]\npolint_end = 1\n".encode())
    command = [str(PGBOUNCER), "-v", "-v", "-v", "pgbouncer.ini"]
    log = subprocess.run(command, capture_output=True, cwd=folder, check=False).stderr.decode("utf-8", "replace")
    settings = re.findall(r"parse_ini_file: '(.*?)' = '(.*)'$", log, re.MULTILINE)
    pairs = re.findall(r'cstr_get_pair: "(.*?)"="(.*)"$', log, re.MULTILINE)
    return "pgbouncer/polint_end" not in log, [pair for pair in settings if pair[0] != "polint_end"], pairs, log


def judged(text: str, version: tuple[int, ...]) -> tuple[bool, list[tuple[str, str]], list[tuple[str, str]]]:
    """The same by polint."""
    parsed = parse_bouncer(Source("pgbouncer.ini", text), version)
    refused = any(fault.fatal for fault in parsed.faults)
    pairs: list[tuple[str, str]] = []
    for entry in parsed.entries:
        assert isinstance(entry.value, Literal)
        setting = BOUNCER_SETTINGS.get(entry.key)
        table = {"databases": DATABASE_SETTINGS, "users": USER_SETTINGS}.get(entry.section)
        try:
            if entry.section.startswith("pgbouncer") and entry.key != "%include":
                refused = refused or setting is None or not setting.known_in(version)
                if setting is not None:
                    read_bouncer(setting, str(entry.value.value), version)
            elif table is not None:
                split = connect_string(entry)
                refused = refused or any(fault.fatal for fault in split.faults)
                for pair in split.entries if entry.key != "*" or entry.section == "users" else ():
                    assert isinstance(pair.value, Literal)
                    pairs.append((pair.key, str(pair.value.value)))
                    if pair.key not in table or not table[pair.key].known_in(version):
                        raise ValueError(pair.key)
                    read_pair(table[pair.key], str(pair.value.value), version)
        except Unclear:
            pass
        except ValueError:
            refused = True
    return refused, [(entry.key, str(entry.value.value)) for entry in parsed.entries if isinstance(entry.value, Literal)], pairs


@pytest.mark.parametrize("seed", range(6))
def test_pgbouncer_reads_the_same_connect_strings(tmp_path: Path, bouncer_version: tuple[int, ...], seed: int) -> None:
    rng = random.Random(seed)
    verdicts = set()
    for _ in range(40):
        value = rng.choice([" ", " ", ""]).join(rng.choices(CONNECT, k=rng.randint(0, 4)))
        text = f"[{rng.choice(['databases', 'databases', 'users'])}]\n{rng.choice(['a', 'a', 'b', '*'])} = {value}"
        refused, settings, pairs, log = bouncer(tmp_path, text)
        ours = judged(text, bouncer_version)
        assert ours[0] == refused, (text, log)
        assert ours[1] == settings, (text, log)
        if refused:  # it stops at the first mistake
            assert ours[2][: len(pairs)] == pairs, (text, log)
        else:
            assert ours[2] == pairs, (text, log)
        verdicts.add(refused)
    assert verdicts == {True, False}


@pytest.mark.parametrize("seed", range(4))
def test_pgbouncer_reads_the_same_lines(tmp_path: Path, bouncer_version: tuple[int, ...], seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(30):
        line = rng.choice(["", " ", "\t", "\x0b"]) + rng.choice(KEYS) + rng.choice([" = ", "=", "\t=\t", " ", ":", "", "\r\n"])
        text = f"[databases]\n{line}{rng.choice(['', 'host=a', 'host=a ', '=', 'host=a' + chr(13), chr(11) + 'host=a'])}"
        refused, settings, _, log = bouncer(tmp_path, text)
        ours = judged(text, bouncer_version)
        assert ours[0] == refused, (text, log)
        assert ours[1][: len(settings)] == settings, (text, log)
        assert refused or ours[1] == settings, (text, log)


@pytest.mark.parametrize("name", KINDS)
def test_pgbouncer_refuses_the_same_values(tmp_path: Path, bouncer_version: tuple[int, ...], name: str) -> None:
    verdicts = set()
    for word in WORDS:
        text = f"[pgbouncer]\n{name} = {word}"
        refused, settings, _, log = bouncer(tmp_path, text)
        assert settings == [(name, word)]
        assert judged(text, bouncer_version)[0] == refused, (text, log)
        verdicts.add(refused)
    assert verdicts == {True, False}


def test_pgbouncer_knows_the_same_settings(tmp_path: Path, bouncer_version: tuple[int, ...]) -> None:
    unsafe = ("logfile", "syslog", "verbose", "conffile")  # they would take the log away
    for name, setting in BOUNCER_SETTINGS.items():
        if name not in unsafe:
            value = setting.default_in(bouncer_version) or "1"
            refused, _, _, log = bouncer(tmp_path, f"[pgbouncer]\n{name} = {value}")
            assert refused != setting.known_in(bouncer_version), log


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff[pgbouncer]",
        "listen_port = 5\n[pgbouncer]",
        "[PgBouncer]",
        "[peers]\n1 = host=x",
        "[databases] ; c\na =",
        "%include nowhere",
        "[pgbouncer]\r\njob_name = x\r\n",
        "[databases]\n* = nonsense",
    ],
)
def test_pgbouncer_judges_the_same_files(tmp_path: Path, bouncer_version: tuple[int, ...], text: str) -> None:
    parsed = parse_bouncer(Source.from_bytes("pgbouncer.ini", text.encode()), bouncer_version)
    if any(entry.key == "%include" for entry in parsed.entries):  # whether the file is there is not the format's business
        (tmp_path / "nowhere").write_text("[databases]\n")
    refused, _, _, log = bouncer(tmp_path, text)
    assert refused == any(fault.fatal for fault in parsed.faults), log


PLACES = {
    "pgbouncer": [
        "default_pool_size = 020",
        "default_pool_size = 20 ; twenty",
        "server_idle_timeout = 1.5",
        "server_idle_timeout = 10s",
        "pool_mode = Transaction",
        "pool_size = 5",
        "timezone = UTC",
        "auth_type = plain",
        "query_wait_timeout = 0",
        "so_reuseport = 1",
        "so_reuseport = yes",
        "max_prepared_statements = 10",
        "job_name = 'a' ; b",
        "%include more.ini",
    ],
    "databases": [
        "a = host=x pool_size=5 reserve_pool=2 pool_mode=session",
        "b = host=x pool_mode=none",
        "* = host=x",
        "* = bogus",
        "c = host=x password='it''s ; # all' user=u",
        "d = host=x ; c",
        "e = max_db_connections=x",
        "client_encoding = UTF8",
        "f = host=x auth_query='select 1'",
        "g = port=0",
        "pgbouncer = host=x",
        "%include more.ini",
    ],
    "users": [
        "u = pool_mode=transaction max_user_connections=3",
        "v = pool_size=4",
        "w = max_db_connections=4",
        "x =",
        "* = pool_mode=bogus",
        "%include more.ini",
    ],
}
MORE = ["", "y = pool_mode=session", "server_lifetime = 60", "[users]\nz = max_user_connections=1", "[databases]", "%include more.ini", "x"]


@pytest.mark.parametrize("seed", range(4))
def test_pgbouncer_judges_the_same_folders(tmp_path: Path, bouncer_version: tuple[int, ...], seed: int) -> None:
    rng = random.Random(seed)
    verdicts = []
    for _ in range(50):
        more = rng.choice(MORE)
        parts = []
        for section in rng.choices(["pgbouncer", "databases", "users"], k=rng.randint(1, 3)):
            parts += [f"[{section}]", *rng.choices(PLACES[section], weights=[4, 1] * (len(PLACES[section]) // 2), k=rng.randint(0, 2))]
        text = "\n".join(parts)
        (tmp_path / "more.ini").write_text(more)
        included = Source("more.ini", more)
        parsed = parse_bouncer(Source("pgbouncer.ini", text), bouncer_version, {"more.ini": included}.get)
        ours = [fault for fault in of_parsed(parsed, bouncer_version) if fault.fatal]
        refused, settings, _, log = bouncer(tmp_path, text)
        assert refused == bool(ours), (text, more, log, ours)
        if not refused:
            assert settings == [(entry.key, str(entry.value.value)) for entry in parsed.entries if isinstance(entry.value, Literal)]
        verdicts.append(refused)
    assert 5 < sum(verdicts) < 45


def shown(folder: Path, settings: str, *commands: str) -> list[list[list[str]]]:
    """The answers of a PgBouncer that runs with these lines to commands of its console, as rows of texts."""
    socket = Path(tempfile.mkdtemp(dir="/tmp"))
    socket.chmod(0o777)
    account = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    text = f"unix_socket_dir = {socket}\nadmin_users = {account.pw_name}\nauth_type = any\nlisten_port = 6499\n"
    (folder / "pgbouncer.ini").write_text(settings.replace("[pgbouncer]\n", f"[pgbouncer]\n{text}", 1))
    for path in (folder, *folder.parents):  # whoever runs it must get there
        if path.owner() == pwd.getpwuid(os.getuid()).pw_name and path.parts[:2] == ("/", "tmp") and len(path.parts) > 2:
            path.chmod(0o755)
    user = account.pw_uid if os.getuid() == 0 else None
    process = subprocess.Popen([str(PGBOUNCER), "-q", "pgbouncer.ini"], cwd=folder, stderr=subprocess.PIPE, user=user)
    try:
        answers = []
        for command in commands:
            call = [str(PSQL), "-h", str(socket), "-p", "6499", "-U", account.pw_name, "-At", "-c", command, "pgbouncer"]
            for _ in range(50):
                done = subprocess.run(call, capture_output=True, text=True, check=False)
                if done.returncode == 0 or process.poll() is not None:
                    break
                time.sleep(0.05)
            assert done.returncode == 0, (done.stderr, process.poll())
            answers.append([line.split("|") for line in done.stdout.splitlines()])
        return answers
    finally:
        process.kill()
        process.communicate()
        shutil.rmtree(socket)


PSQL = program("psql", ("/usr/lib/postgresql/*/bin",))
UNSHOWN = frozenset(
    """logfile syslog verbose conffile user unix_socket_mode unix_socket_group listen_addr peer_id pkt_buf disable_pqexec""".split()
)
OWN = ("listen_port", "admin_users", "auth_type", "unix_socket_dir", "sbuf_loopcnt", "listen_backlog", "max_packet_size")


@pytest.mark.skipif(PSQL is None, reason="psql is not installed")
@pytest.mark.parametrize("seed", range(3))
def test_pgbouncer_shows_the_same_values(tmp_path: Path, bouncer_version: tuple[int, ...], seed: int) -> None:
    rng = random.Random(seed)
    forms = {
        "count": ["1", "007", "0x1F", "+3", "12", " 5"],
        "seconds": ["1", "1.5", ".25", "2e1", "30", "0x10"],
        "flag": ["0", "1", "2", "01"],
    }
    written: dict[str, str] = {}
    for name, setting in BOUNCER_SETTINGS.items():
        if name in (*UNSHOWN, *OWN) or not setting.known_in(bouncer_version) or setting.kind not in (*forms, "enum") or "tls" in name:
            continue
        if name in ("max_db_connections", "max_user_connections"):
            continue  # so that the sum below stays plain
        choices = [word for word in setting.choices if word not in ("hba", "pam", "ldap")]
        written[name] = rng.choice(forms.get(setting.kind) or [rng.choice((word, word.upper())) for word in choices])
    databases = "a = host=/x pool_size=7x reserve_pool=2 pool_mode=Statement max_db_connections=9\nb = host=/x max_db_connections=0\n"
    lines = "".join(f"{name} = {value}\n" for name, value in written.items())
    text = f"[databases]\n{databases}[pgbouncer]\n{lines}"
    config, pools = shown(tmp_path, text, "show config", "show databases")
    theirs = {row[0]: row[1] for row in config}
    for name, value in written.items():
        ours = read_bouncer(BOUNCER_SETTINGS[name], value, bouncer_version)
        got = theirs[name]
        if isinstance(ours, bool):
            assert (got != "0") == ours, (name, value, got)
        else:
            assert got == (f"{float(ours):g}" if isinstance(ours, float) else str(ours)), (name, value, got)
    assert len(written) > 35
    for name, setting in BOUNCER_SETTINGS.items():  # and the defaults of all others
        if name in theirs and name not in (*written, *UNSHOWN, *OWN, "auth_query", "auth_file") and setting.kind in ("text", "list"):
            assert theirs[name] == (setting.default_in(bouncer_version) or ""), name
    image = f"pgbouncer/pgbouncer:{'.'.join(map(str, bouncer_version))}"
    mount = "volumes: ['./pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini']"
    compose = f"services:\n  p:\n    image: {image}\n    {mount}\n  db:\n    image: postgres:16\n"
    (pooler,) = lint.subjects_of({"compose.yaml": compose, "pgbouncer.ini": text})[0]["pooler"]
    sizes = {row[0]: int(row[5]) + (int(row[7]) if float(theirs["reserve_pool_timeout"]) else 0) for row in pools}
    assert pooler.server_connections.value == min(sizes["a"], 9) + sizes["b"]


# decided by the build, the machine or other settings, not by the value alone
UNDECIDED = {"bonjour", "log_statement_stats", "max_stack_depth", "huge_page_size"}
# too many together
SUMMED = {"max_connections", "autovacuum_max_workers", "autovacuum_worker_slots", "max_worker_processes", "max_wal_senders"}
# only some builds know them; and log_min_messages so high that the server keeps silent
SKIPPED = {"lz4", "zstd", "windows", "none", "fsync_writethrough", "io_uring", "fatal", "panic"}


@pytest.fixture(scope="module")
def major() -> int:
    """That of the server at hand, if the catalogue has it."""
    if POSTGRES is None:
        pytest.skip("postgres is not installed")
    done = subprocess.run([POSTGRES, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"(\d+)", done.stdout)
    if found is None or not OLDEST <= int(found[1]) <= NEWEST:
        pytest.skip("the catalogue does not have this server's major")
    return int(found[1])


def every_name() -> list[str]:
    """The names in the data, of all majors."""
    data = Path(polint.catalogue.__file__).parent / "data"
    lines = [line.split("\t") for name in ("settings", "history") for line in (data / f"postgresql-{name}.txt").read_text().split("\n")]
    words = [line[1] if line[0] in ("alias", "hidden", "removed") else line[0] for line in lines if len(line) > 2 and line[0][:1] != "#"]
    return sorted({word.lower() for word in words if word not in ("words", "built")})


def tried(rng: random.Random, known: Setting) -> str:
    """A value that may or may not suit."""
    if known.vartype == "enum" and rng.random() < 0.7:
        word = rng.choice(known.words + known.hidden)
        return rng.choice([word, word.upper(), word + "x", word[:-1], " " + word])
    if known.vartype == "bool" or rng.random() < 0.1:
        return rng.choice(["on", "OFF", "tru", "f", "Ye", "o", "1", "0", "2", "", "enabled", "auto", "archive", "debug"])
    if rng.random() < 0.4 and known.least is not None and known.most is not None:
        low, high = known.least, known.most
        return f"{rng.choice([low, low - 1, low + 1, high - 1, high, high + 1]):.17g}"
    return rng.choice(NUMBERS) + rng.choice(UNITS)


@pytest.mark.parametrize("seed", range(4))
def test_postgres_takes_the_same_values(data: Path, major: int, seed: int) -> None:
    rng = random.Random(seed)
    cases: list[tuple[str, str]] = []
    for name in every_name():
        known = postgres_setting(name, major)
        if known is None or known.vartype == "string" or "." in name or known.name.lower() != name or name in UNDECIDED:
            continue
        text = tried(rng, known)
        if text.lower() not in SKIPPED and not (name in SUMMED and text.startswith("26214")):
            cases.append((name, text))
    conf = "".join(f"{name.upper() if seed % 2 else name} = '{text}'\n" for name, text in cases)
    _, log = postgres(data, "port", conf.encode())
    theirs = {name.lower() for name in re.findall(r'LOG: .* parameter "(\w+)"', log)}
    if "WITH OIDS" in log:
        theirs.add("default_with_oids")
    ours = {name for name, text in cases if judge_value(name, text, major) is not None}
    assert [(name, text) for name, text in cases if (name in ours) != (name in theirs)] == []
    assert len(cases) > 200
    assert 60 < len(ours) < len(cases) - 60


def test_postgres_knows_the_same_names(data: Path, major: int) -> None:
    rng = random.Random(1)
    names = set()
    for name in every_name():
        if "." not in name:
            at = rng.randrange(1, len(name))
            names |= {name, name.upper(), name[:at] + name[at + 1 :], name[:at] + rng.choice("xyz_") + name[at + 1 :]}
    names |= {"x.y", "include_x", "max_conections"}
    _, log = postgres(data, "port", "".join(f"{name} = 1\n" for name in sorted(names)).encode())
    theirs = set(re.findall(r'unrecognized configuration parameter "([^"]+)"', log))
    assert sorted(theirs ^ {name for name in names if judge_name(name, major) is not None}) == []
    assert len(theirs) > 500


@pytest.mark.parametrize(("old", "text", "new"), [("sort_mem", "8MB", "work_mem"), ("vacuum_mem", "9MB", "maintenance_work_mem")])
def test_postgres_hands_old_names_on(data: Path, major: int, old: str, text: str, new: str) -> None:
    printed, _ = postgres(data, new, arguments=("-c", f"{old}={text}"))
    assert printed == postgres(data, new, arguments=("-c", f"{new}={text}"))[0]
    assert printed is not None
    found = postgres_setting(old, major)
    assert found is not None
    assert found.name == new
