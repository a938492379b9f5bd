"""What fixes write: names, values, comments and lines that go or are put right."""

from __future__ import annotations

from pathlib import Path

import pytest

from polint import baseline, catalogue, fixer, mend, suppress
from polint.diagnostic import Edit, Fix
from polint.formats import dotenv_edit
from polint.lint import subjects_of
from polint.source import Source


def spliced(source: Source, fix: Fix | Edit | None) -> str | None:
    if fix is None:
        return None
    return fixer.splice(source, (fix,) if isinstance(fix, Edit) else fix.edits)


@pytest.mark.parametrize(
    ("path", "text", "after"),
    [
        ("a.rs", "f(1); // polint: ignore[PO203] why\ng();\n", "f(1);\ng();\n"),
        ("a.rs", "f(1); // polint: ignore[PO203] why", "f(1);"),
        ("a.rs", "    // polint: ignore[PO203]\r\n    f(1);\r\n", "    f(1);\r\n"),
        ("a.rs", "f(/* polint: ignore[PO203] why */ 1);\n", "f(1);\n"),
        ("a.rs", "f(1); /* polint: ignore[PO203] why */\n", "f(1);\n"),
        ("a.rs", "/* polint: ignore[PO203]\n   more */\nf(1);\n", None),
        ("a.php", "/**\n * polint: ignore[PO203] why\n */\nf(1);\n", "/**\n */\nf(1);\n"),
        ("a.php", "/**\n * polint: ignore[PO203] why */\nf(1);\n", None),
        ("compose.yaml", "a: 1 ## polint: ignore[PO203]\n", "a: 1\n"),
        ("pgbouncer.ini", "; polint: ignore[PO203]\na = 1\n", "a = 1\n"),
        ("a.sql", "-- polint: ignore[PO801]\nSELECT 1;\n", "SELECT 1;\n"),
        ("a.rs", "f(1); // polint: ignore[PO203, PO204] why\n", "f(1); // polint: ignore[PO204] why\n"),
    ],
)
def test_a_suppression_goes(path: str, text: str, after: str | None) -> None:
    source = Source(path, text)
    (comment,) = suppress.find(source)
    assert spliced(source, suppress.removal(comment, "PO203")) == after


def test_a_name_goes_out_of_a_suppression() -> None:
    source = Source("a.rs", "f(1); // polint: ignore[PO202 , PO203, PO204] why\n")
    (comment,) = suppress.find(source)
    assert spliced(source, suppress.removal(comment, "PO203")) == "f(1); // polint: ignore[PO202, PO204] why\n"
    assert spliced(source, suppress.removal(comment, "PO204")) == "f(1); // polint: ignore[PO202 , PO203] why\n"


ENTRY = '{"rule": "r", "subject": "s", "path": "p", "text": "t"}'


@pytest.mark.parametrize(
    ("entries", "after"),
    [
        (f"[\n  {ENTRY}\n ]", "[]"),
        (f"[{ENTRY}]", "[]"),
        (f"[\n  {ENTRY},\n  {ENTRY}\n ]", f"[\n  {ENTRY}\n ]"),
    ],
)
def test_an_entry_goes_out_of_a_baseline(entries: str, after: str) -> None:
    text = '{\n "schema_version": 1,\n "entries": %s\n}\n'
    source = Source("polint-baseline.json", text % entries)
    for entry in baseline.parse(source):
        assert spliced(source, baseline.removal(entry)) == text % after


@pytest.mark.parametrize(
    ("name", "major", "meant"),
    [
        ("max_conections", 16, "max_connections"),
        ("max-connections", None, "max_connections"),
        ("force_parallel_mode", 16, "debug_parallel_query"),
        ("force_parallel_mode", 15, None),  # which has it
        ("wal_keep_segments", 16, None),  # its successor counts megabytes
        ("trigger_file", 16, None),
        ("transaction_timeout", 16, None),  # of a later version
        ("open_cursors", 16, None),
    ],
)
def test_the_name_that_was_meant(name: str, major: int | None, meant: str | None) -> None:
    assert catalogue.meant_name(name, major) == meant


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("shared_buffers", "256mb", "256MB"),
        ("shared_buffers", "256 Mb", "256MB"),
        ("statement_timeout", "5m", "5min"),
        ("statement_timeout", "30 seconds", "30s"),
        ("statement_timeout", "5min", None),
        ("max_connections", "10MB", None),
        ("work_mem", "1kb", None),  # too little
        ("wal_level", "full", None),
    ],
)
def test_the_value_that_was_meant(name: str, text: str, meant: str | None) -> None:
    assert catalogue.meant_value(name, text, 16) == meant


@pytest.mark.parametrize(
    ("line", "dialects", "after"),
    [
        ("A=b#c", ("compose", "phpdotenv", "dotenvy"), 'A="b#c"'),
        ("export A = b c # note", ("dotenvy",), 'export A = "b c" # note'),
        ("A=b$c", ("compose", "phpdotenv", "dotenvy"), "A='b$c'"),
        ('A=b"c', ("compose",), "A='b\"c'"),
        ("A=b$c'", ("compose",), None),
        ("A=b\\c#d", ("compose",), None),
        ("A=${B}#c", ("compose",), None),
        ("A=b c", ("raw",), None),  # quotes would be part of the value
        ("A='b#c'", ("compose",), None),
    ],
)
def test_quotes_that_all_readers_take_alike(line: str, dialects: tuple[str, ...], after: str | None) -> None:
    source = Source(".env", f"Z=1\n{line}\nB=2\n")
    edit = dotenv_edit.quoted(source.span(6, 6), dialects)
    assert spliced(source, edit) == (None if after is None else f"Z=1\n{after}\nB=2\n")


def test_a_variable_is_set_once() -> None:
    assert dotenv_edit.line_of(Source(".env.example", "A=\nB=5 # five\nC='x'\nD=${B}\n"), "B") == "B=5"
    assert [dotenv_edit.line_of(Source(".env.example", "A=\nC='x'\nD=${B}\n"), name) for name in "ACDE"] == [None] * 4
    for text, after in (("A=1", "A=1\nB=5"), ("A=1\n", "A=1\nB=5\n"), ("", "B=5\n"), ("B=\nA=1\n", "B=5\nA=1\n"), ("B=4\n", None)):
        source = Source(".env", text)
        assert spliced(source, dotenv_edit.set_to(source, "B", "B=5")) == after


COMPOSE = """\
services:
  db: {image: "postgres:16", mem_limit: 4g, command: -c config_file=/a.conf, volumes: ["./a/postgresql.conf:/a.conf"]}
  %s
"""
OTHER = 'db2: {image: "postgres:16", mem_limit: %s, command: -c config_file=/a.conf, volumes: ["./a/postgresql.conf:/a.conf"]}'


@pytest.mark.parametrize(("other", "known"), [("x: {image: redis}", True), (OTHER % "4g", True), (OTHER % "1g", False)])
def test_servers_that_share_a_file_must_want_the_same(other: str, known: bool) -> None:
    files = {"compose.yaml": COMPOSE % other, "a/postgresql.conf": "shared_buffers = 64MB\n"}
    for server in subjects_of(files)[0]["server"]:
        assert server.quarter_of_memory.is_known is known
        assert server.home.path == "a/postgresql.conf"


def test_a_stale_entry_of_the_baseline_goes_for_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "postgresql.conf").write_bytes(b"work_mem = 4 mb\r\nport = 5432 -- as ever\r\n")
    path = tmp_path / "polint-baseline.json"
    other = ENTRY.replace('"s"', '"z"')
    path.write_text(f'{{\n "schema_version": 1,\n "entries": [\n  {ENTRY},\n  {other}\n ]\n}}\n')
    assert not mend.fix([str(tmp_path)], root=str(tmp_path))
    assert path.read_text() == '{\n "schema_version": 1,\n "entries": []\n}\n'
    assert (tmp_path / "postgresql.conf").read_bytes() == b"work_mem = '4 MB'\r\nport = 5432 # as ever\r\n"
    assert "fixed polint-baseline.json" in capsys.readouterr().out
