"""A repository with many findings is adopted in three commands, and from then on only new ones fail."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
from conftest import polint

from polint import baseline, yamltext
from polint.diagnostic import COVERED, Diagnostic
from polint.source import Source

ROOT = Path(__file__).parent.parent
SERVICES = 30
MAIN = """\
async fn main() {{
    let pool = PgPoolOptions::new()
        .max_connections({size})
        .idle_timeout(Duration::from_secs(5))
        .max_lifetime(Duration::from_secs(60))
        .test_before_acquire(false)
        .connect(&std::env::var("DATABASE_URL")?).await?;
}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Thirty services with four findings each, far over the server's connections."""
    monkeypatch.chdir(tmp_path)
    lines = ["services:", "  db:", "    image: postgres:16", "    environment:", "      POSTGRES_MAX_CONNECTIONS: 500"]
    for number in range(SERVICES):
        lines += [f"  api{number}:", f"    build: ./api{number}"]
        lines += ["    environment:", "      DATABASE_URL: postgres://app@db/app"]
        folder = tmp_path / f"api{number}" / "src"
        folder.mkdir(parents=True)
        (folder / "main.rs").write_text(MAIN.format(size=10 + number))
    (tmp_path / "compose.yaml").write_text("\n".join(lines) + "\n")
    return tmp_path


def adopt() -> None:
    code, out, err = polint("init")
    assert (code, err) == (0, "")
    assert out.startswith("wrote polint.toml: 1 server found")
    code, out, err = polint("baseline")
    assert (code, err) == (0, "")
    assert out.startswith("wrote polint-baseline.json: ")


def reported() -> list[str]:
    """Names of what is reported, and whether the exit code says so."""
    code, out, _ = polint("lint", "--format", "json", "--fail-on", "info")
    active = [one for one in json.loads(out)["diagnostics"] if one["suppressed"] is None]
    assert code == (1 if active else 0)
    return [one["name"] for one in active]


def test_three_commands_adopt_a_repository(project: Path) -> None:
    before = reported()
    assert len(before) > 100
    adopt()
    assert reported() == []
    hook = yamltext.to_plain(yamltext.documents(Source("hooks", (ROOT / ".pre-commit-hooks.yaml").read_text())).nodes[0])
    entry = next(one["entry"] for one in hook if one["id"] == "polint")
    assert polint(*shlex.split(entry)[1:])[0] == 0
    assert f"({len(before)} in the baseline" in polint("lint")[1]


def test_lines_move_files_and_services_are_renamed(project: Path) -> None:
    adopt()
    for number in range(SERVICES):
        path = project / f"api{number}" / "src" / "main.rs"
        path.write_text("// one\n// two\n" + path.read_text())
    assert reported() == []
    # a file: the sources of one service move
    shutil.move(project / "api3", project / "backend")
    compose = project / "compose.yaml"
    compose.write_text(compose.read_text().replace("build: ./api3\n", "build: ./backend\n"))
    assert reported() == []
    # a service: its name in every label changes
    compose.write_text(compose.read_text().replace("  api5:", "  orders:"))
    assert reported() == []
    # all at once, for another one
    shutil.move(project / "api7", project / "billing")
    text = compose.read_text().replace("  api7:", "  billing:").replace("build: ./api7\n", "build: ./billing\n")
    compose.write_text(f"# renamed\n{text}")
    assert reported() == []


def test_only_what_is_new_fails(project: Path) -> None:
    adopt()
    path = project / "api4" / "src" / "main.rs"
    path.write_text(path.read_text().replace(".max_connections(14)", ".max_connections(14).min_connections(90)"))
    assert reported() == ["min-above-max"]


def test_a_second_mistake_of_the_same_kind_is_new(project: Path) -> None:
    adopt()
    compose = project / "compose.yaml"
    compose.write_text(compose.read_text() + "  extra:\n    build: ./extra\n    environment: {DATABASE_URL: 'postgres://app@db/app'}\n")
    (project / "extra" / "src").mkdir(parents=True)
    (project / "extra" / "src" / "main.rs").write_text(MAIN.format(size=10))
    names = reported()
    assert "idle-timeout-out-of-range" in names
    assert names.count("max-lifetime-out-of-range") == 1


def test_an_over_commit_that_grows_is_reported_again(project: Path) -> None:
    adopt()
    path = project / "api9" / "src" / "main.rs"
    path.write_text(path.read_text().replace(".max_connections(19)", ".max_connections(18)"))
    assert "connections-over-budget" not in reported()
    path.write_text(path.read_text().replace(".max_connections(18)", ".max_connections(90)"))
    assert "connections-over-budget" in reported()
    out = polint("lint", "--select", "PO101")[1]
    assert "worse than the baseline accepts: 7.58 was recorded, now it is 8.31" in out


def test_what_was_mended_is_told_and_does_not_fail(project: Path) -> None:
    adopt()
    path = project / "api1" / "src" / "main.rs"
    path.write_text(path.read_text().replace("        .test_before_acquire(false)\n", ""))
    assert reported() == ["stale-baseline-entry"]
    assert polint("lint")[0] == 0
    out = polint("lint", "--select", "PO301,PO005")[1]
    assert "health-check-off is not reported any more of service api1 pool, setting test_before_acquire" in out
    assert polint("baseline")[0] == 0
    assert reported() == []


def test_rules_that_did_not_run_leave_their_entries_alone(project: Path) -> None:
    adopt()
    code, out, _ = polint("lint", "--select", "PO203,PO005", "--format", "json")
    assert code == 0
    assert {one["name"] for one in json.loads(out)["diagnostics"]} == {"idle-timeout-out-of-range"}


def test_a_part_of_the_project_is_recorded_alone(project: Path) -> None:
    adopt()
    for number in (2, 6):
        path = project / f"api{number}" / "src" / "main.rs"
        path.write_text(path.read_text().replace(".max_connections(", ".min_connections(90).max_connections("))
    assert polint("baseline", "api2")[0] == 0
    assert reported() == ["min-above-max"]


def test_a_broken_baseline_is_written_anew_only_as_a_whole(project: Path) -> None:
    adopt()
    path = project / "polint-baseline.json"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"entries", b"entires"))
    code, out, err = polint("baseline", "api2")
    assert (code, out) == (2, "")
    assert err.startswith("polint-baseline.json:1:1: entries should be a list")
    assert polint("baseline")[0] == 0
    assert path.read_bytes() == whole


def test_ignores_can_be_left_out(project: Path) -> None:
    before = reported()
    adopt()
    code, out, _ = polint("lint", "--no-ignores", "--format", "json")
    assert code == 1
    assert [one["name"] for one in json.loads(out)["diagnostics"]] == before


def test_a_configuration_is_not_overwritten(project: Path) -> None:
    (project / "polint.toml").write_text("# mine\n")
    code, out, err = polint("init")
    assert (code, err) == (0, "")
    assert out.startswith("wrote polint-plan.yaml: server db")
    assert polint("init")[0] == 2
    assert (project / "polint.toml").read_text() == "# mine\n"


def test_secrets_are_not_kept(project: Path) -> None:
    compose = project / "compose.yaml"
    compose.write_text(compose.read_text().replace("postgres://app@db/app", "postgres://app:hunter2hunter2@db/app"))
    adopt()
    assert "hunter2" not in (project / "polint-baseline.json").read_text()


def test_the_order_of_entries_does_not_follow_lines() -> None:
    source = Source("a", "x\ny\nz\n")
    found = [
        Diagnostic("PO203", "b-rule", "warning", "m", source.span(at, at + 1), subject=f"s{subject}")
        for at, subject in ((0, 2), (2, 1), (4, 3))
    ]
    entries = [baseline.entry_of(one) for one in found]
    assert baseline.dump(entries) == baseline.dump(reversed(entries))
    assert [entry.subject for entry in baseline.parse(Source("b", baseline.dump(entries)))] == ["s1", "s2", "s3"]


def test_one_entry_accepts_one_diagnostic() -> None:
    source = Source("a", "x\nx\n")
    twice = [Diagnostic("PO203", "r", "warning", "m", source.span(at, at + 1), subject="s") for at in (0, 2)]
    found, used = baseline.match([baseline.entry_of(twice[0])], twice)
    assert [one.suppressed for one in found] == [COVERED, None]
    assert used == [True]
