"""What the catalogue of PostgreSQL's settings knows, and how it judges names and values."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from polint import catalogue
from polint.catalogue import NEWEST, OLDEST, Setting, context, judge_name, judge_value, setting

ROOT = Path(catalogue.__file__).parent.parent
DATA = ROOT / "polint" / "data"
TOOL = ROOT / "tools" / "build_catalogue.py"
MAJORS = range(OLDEST, NEWEST + 1)
UNITS = "units are case-sensitive: B, kB, MB, GB, TB"
TIMES = "units are case-sensitive: us, ms, s, min, h, d"


def of(name: str, major: int | None) -> Setting:
    found = setting(name, major)
    assert found is not None
    return found


def test_a_setting_as_pg_settings_has_it() -> None:
    assert of("WORK_MEM", 16) == Setting("work_mem", "integer", "kB", 64, 2147483647, (), (), "4096", "user")
    assert of("seed", 12) == Setting("seed", "real", None, -1.0, 1.0, (), (), "0", "user")
    assert of("block_size", 18) == Setting("block_size", "integer", None, None, None, (), (), None, "internal")
    assert of("search_path", 12).boot == '"$user", public'
    assert of("log_line_prefix", 12).boot == "%m [%p] "
    level = of("wal_level", 18)
    assert (level.words, level.hidden) == (("minimal", "replica", "logical"), ("archive", "hot_standby"))


@pytest.mark.parametrize(("written", "own"), [("datestyle", "DateStyle"), ("TIMEZONE", "TimeZone"), ("intervalStyle", "IntervalStyle")])
def test_names_come_in_the_servers_spelling(written: str, own: str) -> None:
    assert [of(written, major).name for major in (12, 18, None)] == [own] * 3


def test_a_letter_that_only_looks_alike_is_another() -> None:
    assert setting("wor\N{KELVIN SIGN}_mem", 16) is None
    assert judge_name("wor\N{KELVIN SIGN}_mem", 16) is not None
    assert judge_value("ssl", "o\N{LATIN SMALL LIGATURE FF}", 16) is not None


@pytest.mark.parametrize(
    ("name", "major", "own"),
    [
        ("sort_mem", 12, "work_mem"),
        ("Vacuum_Mem", 18, "maintenance_work_mem"),
        ("ssl_ecdh_curve", 17, "ssl_ecdh_curve"),
        ("ssl_ecdh_curve", 18, "ssl_groups"),
        ("ssl_ecdh_curve", None, "ssl_groups"),
        ("force_parallel_mode", None, "force_parallel_mode"),
        ("pg_stat_statements.MAX", 12, "pg_stat_statements.max"),
    ],
)
def test_old_names_mean_the_new_setting(name: str, major: int | None, own: str) -> None:
    assert of(name, major).name == own
    assert judge_name(name, major) is None


def test_majors_differ() -> None:
    assert [of("log_connections", major).vartype for major in (17, 18)] == ["bool", "string"]
    assert [of("maintenance_work_mem", major).least for major in (16, 17, None)] == [1024, 64, 64]
    assert [of("shared_buffers", major).boot for major in (14, 15)] == ["1024", "16384"]
    assert [of("password_encryption", major).hidden for major in (13, 14)] == [("on", "true", "yes", "1"), ()]
    assert [setting("idle_session_timeout", major) is not None for major in MAJORS] == [False, False, True, True, True, True, True]


@pytest.mark.parametrize(
    ("name", "major", "when"),
    [
        ("max_connections", 16, "postmaster"),
        ("autovacuum_max_workers", 17, "postmaster"),
        ("autovacuum_max_workers", 18, "sighup"),
        ("autovacuum_max_workers", None, "sighup"),
        ("log_connections", 16, "superuser-backend"),
        ("wal_keep_segments", 13, None),
        ("wal_keep_segments", None, "sighup"),
        ("no_such", None, None),
        ("max_connections", 19, None),
    ],
)
def test_context(name: str, major: int | None, when: str | None) -> None:
    assert context(name, major) == when


def test_extension() -> None:
    assert of("auto_explain.log_level", 15).extension == "auto_explain"
    assert of("log_min_messages", 15).extension is None


@pytest.mark.parametrize(
    ("name", "major", "verdict"),
    [
        ("max_conections", 16, 'PostgreSQL 16 has no setting "max_conections"; did you mean "max_connections"?'),
        ("max_connection", None, 'no PostgreSQL from 12 to 18 has a setting "max_connection"; did you mean "max_connections"?'),
        ("maxConnections", 16, 'PostgreSQL 16 has no setting "maxConnections"; did you mean "max_connections"?'),
        ("max-connections", 16, 'PostgreSQL 16 has no setting "max-connections"; did you mean "max_connections"?'),
        ("statment_tiemout", 16, 'PostgreSQL 16 has no setting "statment_tiemout"; did you mean "statement_timeout"?'),
        ("time_zone", 16, 'PostgreSQL 16 has no setting "time_zone"; did you mean "TimeZone"?'),
        (
            "idle_in_transaction_timeout",
            16,
            'PostgreSQL 16 has no setting "idle_in_transaction_timeout"; did you mean "idle_in_transaction_session_timeout"?',
        ),
        ("pool_mode", 16, 'PostgreSQL 16 has no setting "pool_mode"'),
        ("x" * 5000, 16, f'PostgreSQL 16 has no setting "{"x" * 37}..."'),
        ("", 16, 'PostgreSQL 16 has no setting ""'),
        ("idle_session_timeout", 13, 'PostgreSQL 13 has no setting "idle_session_timeout", new in 14'),
        ("ssl_groups", 17, 'PostgreSQL 17 has no setting "ssl_groups", new in 18'),
        ("WAL_keep_segments", 13, 'PostgreSQL 13 has no setting "WAL_keep_segments", removed in 13: use wal_keep_size'),
        ("old_snapshot_threshold", 17, 'PostgreSQL 17 has no setting "old_snapshot_threshold", removed in 17'),
        (
            "checkpoint_segments",
            None,
            'no PostgreSQL from 12 to 18 has a setting "checkpoint_segments", removed in 9.5: use max_wal_size',
        ),
        (
            "pg_stat_statements.trak",
            16,
            'pg_stat_statements of PostgreSQL 16 has no setting "pg_stat_statements.trak"; did you mean "pg_stat_statements.track"?',
        ),
        ("auto_explain.log_wal", 12, 'auto_explain of PostgreSQL 12 has no setting "auto_explain.log_wal", new in 13'),
    ],
)
def test_names_that_are_refused(name: str, major: int | None, verdict: str) -> None:
    assert judge_name(name, major) == verdict


@pytest.mark.parametrize(
    ("name", "major"),
    [
        ("wal_keep_segments", 12),
        ("wal_keep_segments", None),
        ("idle_session_timeout", None),
        ("MAX_CONNECTIONS", 15),
        ("role", 15),
        ("default_with_oids", 18),
        ("wal_debug", 16),
        ("include_dir", 16),
        ("app.user_id", 16),
        ("rds.force_ssl", None),
        ("pg_stat_statements.query_plan_length", 16),
        ("auto_explain.", 16),
        (".", 16),
        ("io_nonsense", 19),
        ("io_nonsense", 11),
    ],
)
def test_names_that_are_not(name: str, major: int | None) -> None:
    assert judge_name(name, major) is None


@pytest.mark.parametrize(
    ("name", "text", "major", "verdict"),
    [
        ("work_mem", "8mb", 16, f'work_mem cannot be "8mb", write "8MB"; {UNITS}'),
        ("work_mem", "8192KB", 16, f'work_mem cannot be "8192KB", write "8192kB"; {UNITS}'),
        ("work_mem", "1.5 G", 16, f'work_mem cannot be "1.5 G", write "1.5GB"; {UNITS}'),
        ("work_mem", "30s", 16, f'work_mem cannot be "30s"; {UNITS}'),
        ("statement_timeout", "5m", 16, f'statement_timeout cannot be "5m", write "5min"; {TIMES}'),
        ("vacuum_cost_delay", "10MS", 16, f'vacuum_cost_delay cannot be "10MS", write "10ms"; {TIMES}'),
        ("work_mem", "8", 16, 'work_mem is at least 64kB, not "8" (8kB)'),
        ("sort_mem", "8", 16, 'work_mem is at least 64kB, not "8" (8kB)'),
        ("shared_buffers", "8", 16, 'shared_buffers is at least 128kB, not "8" (64kB)'),
        ("authentication_timeout", "1h", 16, 'authentication_timeout is at most 10min, not "1h"'),
        ("vacuum_cost_delay", "0.2s", 16, 'vacuum_cost_delay is at most 100ms, not "0.2s"'),
        ("max_connections", "0", None, 'max_connections is at least 1, not "0"'),
        ("max_connections", "-1", 16, 'max_connections is at least 1, not "-1"'),
        ("max_connections", "100MB", 16, 'max_connections is a plain number and takes no unit, not "100MB"'),
        ("max_connections", "many", 16, 'max_connections takes a number, not "many"'),
        ("max_connections", "", 16, 'max_connections takes a number, not ""'),
        ("max_connections", "080", 16, 'max_connections takes a number, not "080": a leading 0 makes it octal'),
        ("max_connections", "3000000000", 16, 'max_connections takes no number as large as "3000000000"'),
        ("hash_mem_multiplier", "0.5", 16, 'hash_mem_multiplier is at least 1, not "0.5"'),
        ("ssl", "enabled", 16, 'ssl takes on or off, not "enabled"'),
        ("log_connections", "receipt", 17, 'log_connections takes on or off, not "receipt"'),
        ("wal_level", "hot", 16, 'wal_level takes minimal, replica or logical, not "hot"'),
        ("synchronous_commit", "tru", 16, 'synchronous_commit takes local, remote_write, remote_apply, on or off, not "tru"'),
        ("password_encryption", "on", 14, 'password_encryption takes md5 or scram-sha-256, not "on"'),
        (
            "ssl_max_protocol_version",
            "TLS1.2",
            16,
            'ssl_max_protocol_version takes an empty value, TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3, not "TLS1.2"',
        ),
        ("maintenance_work_mem", "512kB", 16, 'maintenance_work_mem is at least 1MB, not "512kB"'),
        ("maintenance_work_mem", "32kB", None, 'maintenance_work_mem is at least 64kB, not "32kB"'),
        ("server_version", "16", 16, "server_version cannot be set: the server works it out itself"),
        ("default_with_oids", "on", 16, "default_with_oids takes off only, tables have no OIDs since 12"),
        ("ssl_renegotiation_limit", "512", 16, 'ssl_renegotiation_limit takes 0 only, not "512"'),
        ("vacuum_buffer_usage_limit", "64kB", 16, 'vacuum_buffer_usage_limit is 0 or at least 128kB, not "64kB"'),
        ("subtransaction_buffers", "40", 17, 'subtransaction_buffers is a multiple of 16 blocks, not "40"'),
        ("io_max_concurrency", "0", 18, "io_max_concurrency is -1 or at least 1, not 0"),
        ("pg_stat_statements.max", "50", 16, 'pg_stat_statements.max is at least 100, not "50"'),
        ("ssl", "on\n\x1b[2J", 16, 'ssl takes on or off, not "on??[2J"'),
        ("ssl", "y" * 5_000_000, 16, f'ssl takes on or off, not "{"y" * 37}..."'),
        ("work_mem", "8" * 5_000_000, 16, f'work_mem takes no number as large as "{"8" * 37}..."'),
        ("work_mem", "k" * 5_000_000, 16, f'work_mem takes a number, not "{"k" * 37}..."'),
    ],
)
def test_values_that_are_refused(name: str, text: str, major: int | None, verdict: str) -> None:
    assert judge_value(name, text, major) == verdict


@pytest.mark.parametrize(
    ("name", "text", "major"),
    [
        ("work_mem", " 8 MB ", 16),
        ("work_mem", "0x40", 16),
        ("maintenance_work_mem", "512kB", 17),
        ("maintenance_work_mem", "512kB", None),
        ("password_encryption", "on", 13),
        ("password_encryption", "on", None),
        ("statement_timeout", "500us", 16),
        ("vacuum_cost_delay", "0x1Fms", 16),
        ("vacuum_cost_delay", "1e-3h", 16),
        ("vacuum_cost_delay", "0.1s", 16),
        ("unix_socket_permissions", "0777", 16),
        ("ssl", "YE", 16),
        ("wal_level", "Hot_Standby", 18),
        ("wal_compression", "zstd", 16),
        ("wal_compression", "t", 14),
        ("io_method", "io_uring", 18),
        ("synchronous_commit", "1", 16),
        ("log_connections", "receipt", 18),
        ("log_connections", "receipt", None),
        ("ssl_max_protocol_version", "", 16),
        ("subtransaction_buffers", "48", 17),
        ("vacuum_buffer_usage_limit", "0", 16),
        ("search_path", "anything, at all", 16),
        ("shared_preload_libraries", "no_such", 16),
        ("DateStyle", "nonsense", 16),
        ("app.limit", "8mb", 16),
        ("no_such", "8mb", 16),
        ("max_connections", "0", 19),
        ("idle_session_timeout", "x", 13),
    ],
)
def test_values_that_are_not(name: str, text: str, major: int | None) -> None:
    assert judge_value(name, text, major) is None


def test_every_boot_value_is_accepted() -> None:
    names = [line.split("\t")[0] for line in (DATA / "postgresql-settings.txt").read_text("utf-8").splitlines() if line[0] != "#"]
    seen = 0
    for name in sorted(set(names)):
        for major in MAJORS:
            found = setting(name, major)
            if found is not None and found.boot is not None:
                assert judge_value(name, found.boot, major) is None, (name, major)
                seen += 1
    assert seen > 2000


def test_the_history_agrees_with_the_settings() -> None:
    known = catalogue._catalogue()
    own = {name: {major for major in MAJORS if setting(name, major)} for name in known.rows}
    gone = {name for name, majors in own.items() if majors and NEWEST not in majors}
    assert gone - set(known.aliases) == {name for name in known.removed if name in own}
    for name, (version, advice) in known.removed.items():
        last = max(own.get(name) or {OLDEST - 1})
        assert float(version) == last + 1 if last >= OLDEST else float(version) <= OLDEST, name
        if advice.startswith("use ") and " " not in advice[4:]:
            assert own[advice[4:]] >= set(range(last + 1, NEWEST + 1)), name
    assert not known.other & set(known.rows)
    for name, spans in known.hidden.items():
        for majors, words in spans:
            first, _, end = majors.partition("-")
            for major in range(int(first), int(end or first) + 1):
                listed = of(name, major)
                assert listed.vartype == "enum"
                assert not set(listed.words) & set(words.split("|")), name
    assert all(of(meant, NEWEST) for _, meant in known.aliases.values())


def test_nothing_is_read_before_it_is_asked_for() -> None:
    code = (
        "import polint.catalogue as c, sys\n"
        "assert c._catalogue.cache_info().currsize == 0\n"
        "c.judge_name('max_conections', 16)\n"
        "assert c._catalogue.cache_info().currsize == 1\n"
        "assert not {'difflib', 'json', 'dataclasses', 'pathlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-S", "-c", code], check=True, env={"PYTHONPATH": str(ROOT)})


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    if not TOOL.exists():
        pytest.skip("the tools are not part of this copy")
    spec = importlib.util.spec_from_file_location("build_catalogue", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_data_is_as_the_tool_writes_it(tool: ModuleType) -> None:
    text = (DATA / "postgresql-settings.txt").read_text("utf-8")
    assert tool.write(tool.read(text)) == text


def row(name: str, **cells: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("unit", "min_val", "max_val", "enumvals", "boot_val"))
    return {"name": name, "vartype": "bool", "context": "user", **empty, **cells}


def test_the_tool_replaces_the_majors_it_is_given(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "settings.txt"
    monkeypatch.setattr(tool, "DATA", data)
    size = {"vartype": "integer", "unit": "kB", "min_val": "1", "max_val": "9", "boot_val": "2"}
    documents: list[dict[str, Any]] = [
        {"postgresql_major": 16, "settings": [row("b", **size), row("A", enumvals=["", "x y"], vartype="enum", boot_val="")]},
        {"postgresql_major": 17, "settings": [row("b", **size), row("gone")]},
        {"16": [row("e.x", boot_val="on")], "17": []},
        {"postgresql_major": 17, "settings": [row("b", **size), row("fixed", **{**size, "context": "internal"})]},
    ]
    for number, document in enumerate(documents):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(document))
        monkeypatch.setattr(sys, "argv", ["build_catalogue", str(path)])
        tool.main()
    lines = [line for line in data.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert lines == [
        "A\t16\tuser\tenum\t|x y\t''",
        "b\t16-17\tuser\tinteger kB\t1..9\t'2'",
        "e.x\t16\tuser\tbool\t-\t'on'",
        "fixed\t17\tinternal\tinteger kB\t-\t-",
    ]
