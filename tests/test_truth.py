"""The harness that compares polint with what people found by reading: on a small folder of projects, and on the real one.

POLINT_CORPUS names the folder of projects that truth.tsv and budgets.tsv speak of; without it that test is skipped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import truth

CORPUS = os.environ.get("POLINT_CORPUS", "")
FPM = "[www]\nuser = www-data\nlisten = 9000\npm = static\npm.max_children = 5\n"
COMPOSE = """services:
  pooler:
    image: edoburu/pgbouncer:v1.25.2-p0
    stop_signal: SIGINT
    volumes: ["./pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini:ro"]
  db:
    image: postgres:16
"""
POOLER = "[databases]\napp = host=db user=app\n[pgbouncer]\ndefault_pool_size = 7\n"
PROJECTS = {
    "shop": {"www.conf": FPM + "request_terminate_timeout = 30ms\n", "compose.yaml": COMPOSE, "pgbouncer.ini": POOLER},
    "blog": {"www.conf": FPM},
    "unread": {"www.conf": FPM},
}
JUDGED = """shop\twww.conf\t6\tfpm-invalid\ttrue\ta time of 30 minutes or so
shop\tcompose.yaml\t5\tpassword-in-file\tmissed\tnothing of the kind
blog\twww.conf\t5\tfpm-terminate-timeout-missing\tfalse\tno database
blog\twww.conf\t9\tfpm-invalid\ttrue\tthere is no such line
"""
BUDGETS = """shop\tdb\t7\t97\tone pool
blog\t-\tunknown\tunknown\tno server
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three projects, two of which somebody read."""
    for project, files in PROJECTS.items():
        for name, text in files.items():
            (tmp_path / "projects" / project).mkdir(parents=True, exist_ok=True)
            (tmp_path / "projects" / project / name).write_text(text)
    return tmp_path / "projects"


def tables(tmp_path: Path, judged: str = JUDGED, budgets: str = BUDGETS) -> truth.Table:
    (tmp_path / "truth.tsv").write_text("project\tfile\tline\trule\tverdict\twhy\n" + judged)
    (tmp_path / "budgets.tsv").write_text("project\tserver\tworst\tusable\twhy\n" + budgets)
    return truth.recorded(str(tmp_path))


def places(found: truth.Found) -> Mapping[str, str]:
    return {str(place): severity for place, severity in found.severities.items() if severity != "info"}


def test_what_polint_says(folder: Path) -> None:
    found = truth.run(str(folder))
    assert places(found) == {"shop/www.conf:6 fpm-invalid": "error"}
    assert {(project, name): (str(one.worst), str(one.usable)) for (project, name), one in found.budgets.items()} == {
        ("shop", "db"): ("7", "97")
    }


def test_right_reports_and_budgets_pass(folder: Path, tmp_path: Path) -> None:
    outcome = truth.compare(tables(tmp_path), truth.run(str(folder)))
    assert outcome.passed
    lines = [line.rstrip() for line in outcome.lines]
    row = next(line for line in lines if line.startswith("fpm-invalid"))
    assert row.split() == ["fpm-invalid", "error", "1", "0", "0", "100.0%", "0", "0"]
    row = next(line for line in lines if line.startswith("password-in-file"))
    assert row.split() == ["password-in-file", "0", "0", "0", "1", "0"]
    assert "  blog/www.conf:9 fpm-invalid (true)" in lines[lines.index("no longer reported: 1") + 1 :]
    assert lines[-1] == "1 budgets equal, 0 wider, 0 wrong; 1 projects with reports were not read"
    assert not any(line.startswith("  unread/") for line in lines)


@pytest.mark.parametrize("verdict", ["false", "doubtful"])
def test_an_error_that_is_not_right_fails(folder: Path, tmp_path: Path, verdict: str) -> None:
    outcome = truth.compare(tables(tmp_path, JUDGED.replace("\ttrue\ta", f"\t{verdict}\ta")), truth.run(str(folder)))
    assert not outcome.passed
    assert any(line.startswith("fpm-invalid") and line.endswith("too low") for line in outcome.lines)


@pytest.mark.parametrize(("right", "wrong", "passed"), [(19, 1, True), (18, 1, False), (0, 0, True)])
def test_warnings_may_be_wrong_once_in_twenty(right: int, wrong: int, passed: bool) -> None:
    verdicts = [truth.Judged("true", "")] * right + [truth.Judged("false", "")] * wrong
    table = truth.Table(
        {truth.Place("p", "f", line, "r"): verdict for line, verdict in enumerate(verdicts)},
        {("p", "-"): truth.Counted(truth.UNKNOWN, truth.UNKNOWN)},
    )
    found = truth.Found(dict.fromkeys(table.judged, "warning"), truth.Counter(table.judged.keys()), {})
    assert truth.compare(table, found).passed is passed


def test_reports_nobody_read_are_shown(folder: Path, tmp_path: Path) -> None:
    outcome = truth.compare(tables(tmp_path, ""), truth.run(str(folder)))
    assert outcome.passed
    lines = outcome.lines
    start = next(at for at, line in enumerate(lines) if line.startswith("not judged: "))
    assert "  shop/www.conf:6 fpm-invalid" in lines[start:]


@pytest.mark.parametrize(
    ("worst", "passed"),
    [("7", True), ("7..", False), ("6", False), ("unknown", False), ("8..9", False)],
)
def test_a_number_must_be_the_readers(folder: Path, tmp_path: Path, worst: str, passed: bool) -> None:
    outcome = truth.compare(tables(tmp_path, budgets=BUDGETS.replace("\t7\t", f"\t{worst}\t")), truth.run(str(folder)))
    assert outcome.passed is passed


@pytest.mark.parametrize(
    ("polint", "reader", "contained"),
    [
        ("2..", "5", True),
        ("2..", "unknown", False),
        ("unknown", "5..9", True),
        ("2..6", "3..7", False),
        ("2..", "2..9", True),
        ("4", "4", True),
    ],
)
def test_an_interval_contains_another(polint: str, reader: str, contained: bool) -> None:
    assert truth.number(polint).contains(truth.number(reader)) is contained
    assert str(truth.number(polint)) == polint


def test_a_server_that_only_one_of_both_has(folder: Path, tmp_path: Path) -> None:
    found = truth.run(str(folder))
    outcome = truth.compare(tables(tmp_path, budgets=BUDGETS.replace("\tdb\t", "\tother\t")), found)
    assert not outcome.passed
    assert "  shop: server db: polint has one more server than the reader" in outcome.lines
    assert "  shop: server other: polint has no such server" in outcome.lines


def test_write_adds_what_is_new(folder: Path, tmp_path: Path) -> None:
    table = tables(tmp_path, "shop\twww.conf\t6\tfpm-invalid\tmissed\tseconds\n")
    truth.write(truth.written_back(table, truth.run(str(folder))), str(tmp_path))
    written = truth.recorded(str(tmp_path)).judged
    assert written[truth.Place("shop", "www.conf", 6, "fpm-invalid")] == truth.Judged("true", "seconds")
    assert written[truth.Place("blog", "www.conf", 5, "fpm-terminate-timeout-missing")] == truth.Judged("unjudged", "")
    assert {place.project for place in written} == {"shop", "blog"}


@pytest.mark.parametrize(
    ("judged", "message"),
    [
        ("shop\twww.conf\t6\tfpm-invalid\tperhaps\t\n", "no verdict is called 'perhaps'"),
        ("shop\twww.conf\t6\tfpm-invalid\ttrue\n", "5 columns, not 6"),
        ("shop\twww.conf\t6\tfpm-invalid\ttrue\t\n" * 2, "judged twice"),
    ],
)
def test_a_row_that_says_nothing_usable(tmp_path: Path, judged: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        tables(tmp_path, judged)


def test_the_tables_themselves() -> None:
    table = truth.recorded()
    assert len(table.projects) >= 40
    assert not [str(place) for place, judged in table.judged.items() if judged.verdict == "unjudged"]
    from polint import rule

    names = {one.name for one in rule.load_builtin().rules}
    assert {place.rule for place in table.judged} <= names


@pytest.mark.skipif(not CORPUS, reason="POLINT_CORPUS names no folder of projects")
def test_the_real_projects() -> None:
    outcome = truth.compare(truth.recorded(), truth.run(CORPUS))
    print("\n".join(outcome.lines))
    assert outcome.passed
