"""The example projects: what a user sees on them, and that the broken one can be told from the mended one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from polint.cli import cli

EXAMPLES = Path(__file__).parent.parent / "examples"
PROJECTS = sorted(path.parent.name for path in EXAMPLES.glob("*/expected.txt"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, env={"NO_COLOR": "1"})


@pytest.mark.parametrize("name", PROJECTS)
def test_report_is_as_expected(name: str, request: pytest.FixtureRequest) -> None:
    root = EXAMPLES / name
    result = run("lint", "--root", str(root), str(root))
    expected = root / "expected.txt"
    if request.config.getoption("--update"):
        expected.write_text(result.output, encoding="utf-8")
    assert result.output == expected.read_text(encoding="utf-8")


def report(root: Path) -> dict[str, object]:
    result = run("lint", "--root", str(root), "--format", "json", str(root))
    loaded = json.loads(result.stdout)
    assert isinstance(loaded, dict)
    return loaded


def places(root: Path, name: str) -> list[tuple[str, int, int, str]]:
    found = report(root)["diagnostics"]
    assert isinstance(found, list)
    return [
        (one["path"], one["range"]["start"]["line"], one["range"]["start"]["column"], one["severity"])
        for one in found
        if one["name"] == name
    ]


def test_iss_tracker_shows_what_is_wrong_with_the_seed() -> None:
    root = EXAMPLES / "iss-tracker"
    assert run("lint", "--root", str(root), str(root)).exit_code == 1
    syntax = places(root, "conf-syntax")
    assert ("postgres/postgresql.conf", 4, 42, "error") in syntax
    assert len(syntax) == (root / "postgres/postgresql.conf").read_text().count("--")
    assert places(root, "server-variable-ignored") == [("docker-compose.yml", 27, 34, "error")]
    assert places(root, "acquire-timeout-missing") == [("services/rust-iss/src/main.rs", 35, 19, "info")]
    assert [line for _, line, _, _ in places(root, "fpm-env-not-interpolated")] == [20, 21, 22, 23]
    assert [line for _, line, _, _ in places(root, "pool-variable-unread")] == [5, 6, 7, 8, 9]


def test_fixed_iss_tracker_is_clean_and_half_full() -> None:
    root = EXAMPLES / "iss-tracker-fixed"
    result = run("lint", "--root", str(root), str(root))
    assert result.exit_code == 0
    assert "50 of 97 connections (52 %)" in result.output
    assert report(root)["diagnostics"] == []


def test_ten_replicas_are_one_error_with_every_factor(tmp_path: Path) -> None:
    root = tmp_path / "iss"
    shutil.copytree(EXAMPLES / "iss-tracker-fixed", root)
    compose = root / "docker-compose.yml"
    compose.write_text(compose.read_text().replace("replicas: 3", "replicas: 10"))
    found = report(root)["diagnostics"]
    assert isinstance(found, list)
    (diagnostic,) = (one for one in found if one["severity"] != "info")
    assert (diagnostic["code"], diagnostic["severity"]) == ("PO101", "error")
    assert diagnostic["message"] == "pools can open 120 of 97 usable connections"
    assert (diagnostic["path"], diagnostic["range"]["start"]["line"]) == ("postgres/postgresql.conf", 2)
    notes = [(note["message"], note["path"]) for note in diagnostic["notes"]]
    assert ("replicas = 10", "docker-compose.yml") in notes
    assert ("max_connections = 10", ".env") in notes
    assert ("read here", "services/rust-iss/src/main.rs") in notes
    assert ("pm.max_children = 20", "services/php-web/php-fpm.conf") in notes
    assert ("superuser_reserved_connections = 3", "postgres/postgresql.conf") in notes
