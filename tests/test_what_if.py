"""``--set``: facts for one run, in the model, so that everything that rests on them follows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from budget_stacks import POOL, URL, found, pooled, project, said, stack
from conftest import polint

FPM = {
    "compose.yaml": (
        "services:\n  web:\n    image: php:8.3-fpm\n    environment: {DB_HOST: db}\n"
        "    volumes: ['./web:/app', './web/zz.conf:/usr/local/etc/php-fpm.d/zz.conf']\n  db:\n    image: postgres:16\n"
    ),
    "web/zz.conf": "[www]\npm = static\npm.max_children = 20\n",
    "web/db.php": "<?php\n$pdo = new PDO('pgsql:host=db;dbname=app');\n",
}


@pytest.mark.parametrize(
    ("assumed", "expected"),
    [
        (["api.replicas=6"], 60),
        (["api.pool=4"], 12),
        (["api.processes=2"], 60),
        (["api.replicas=6", "api.pool=1"], 6),
        (["api.replicas=6", "api.replicas=2"], 20),
        (["api.replicas=0"], 0),
    ],
)
def test_clients(assumed: list[str], expected: int) -> None:
    assert said(stack({"api": (10, 3, "")}), assumed=assumed)[0][1] == expected


def test_workers_of_php_fpm() -> None:
    (one,) = found(FPM, assumed=["web.processes=40"])
    (client,) = one.server.consumers
    assert (client.kind, client.at_least.value) == ("php-fpm", 40)
    (fpm,) = [one for one in project(FPM, assumed=["web.processes=40"]).fpms if one.service == "web"]
    assert (fpm.max_children.value, str(fpm.max_children.span)) == (40, "--set:1:15")


def test_the_pool_itself_and_the_server_follow() -> None:
    changed = project(stack({"api": (10, 3, "")}), assumed=["api.pool=50", "db.max_connections=60"])
    assert changed.pools[0].max_connections.value == 50
    (server,) = changed.servers
    assert (server.usable_connections.value, server.known_connections.value) == (57, 150)
    assert [str(leaf.span) for leaf in server.max_connections.leaves()] == ["--set:2:20"]


def test_the_only_server_has_another_name() -> None:
    assert found(stack({"api": (10, 3, "")}), assumed=["server.max_connections=50"])[0].usable == 47
    assert found(stack({"api": (10, 3, "")}), assumed=["db.max-connections=50"])[0].usable == 47
    assert found(stack({"api": (10, 3, "")}), assumed=["db.superuser_reserved_connections=10"])[0].usable == 90


def test_surge_and_maximum() -> None:
    states = said(stack({"api": (10, 2, "")}), assumed=["api.surge=50%", "api.max-replicas=4"])
    assert [state[:2] for state in states] == [("steady", 20), ("deploy", 30), ("autoscale", 40), ("peak", 60)]


def test_a_pooler_and_who_stands_behind_it() -> None:
    assert said(pooled(), assumed=["web.replicas=9"])[0][1] == 25  # its clients change nothing at the server
    assert said(pooled(), assumed=["pgbouncer.pool=40"])[0][1] == 45


def test_polint_toml_is_beaten() -> None:
    toml = "[services.api]\nreplicas = 2\npool = 7\n[servers.db]\nmax-connections = 40\n"
    files = stack({"api": (10, 3, "")})
    assert said(files, toml)[0][1:] == (14, 14, "fits")
    assert said(files, toml, ["api.pool=20"])[0][1:] == (40, 40, "over")
    assert said(files, toml, ["api.replicas=1", "db.max_connections=7"])[0][1:] == (7, 7, "over")


def test_what_no_file_tells() -> None:
    more = f"  search:\n    image: registry.example.test/search:1\n    {URL}\n"
    assert said(stack({"api": (10, 3, "")}, more), assumed=["search.pool=5"])[0][1:] == (35, 35, "fits")


def test_a_program_that_no_compose_file_has() -> None:
    files = {"postgresql.conf": "max_connections = 50\n", "src/main.rs": POOL.format(8), "Cargo.toml": '[package]\nname = "tool"\n'}
    assert said(files)[0][1] == 8
    assert said(files, assumed=["tool.replicas=3", "tool.pool=5"])[0][1] == 15


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path, text in stack({"api": (10, 3, ""), "web": (5, 1, "")}, "  cache:\n    image: redis:7\n").items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("ap.replicas=6", "no service ap; did you mean 'api'?"),
        (
            "api.replics=6",
            "there is no replics; did you mean 'replicas'? (a service has replicas, processes, pool, surge, max-replicas;",
        ),
        ("api.replicas=x", "replicas must be a whole number"),
        ("api.replicas=-1", "replicas must be a whole number"),
        ("api.surge=x%", "surge must be a whole number or a share such as 25%"),
        ("db.max_connections=0", "max-connections must be a whole number, 1 or more"),
        ("dbb.max_connections=9", "no server dbb; did you mean 'db'?"),
        ("api.max_connections=9", "no server api"),
        ("api.replicas", "write it as NAME.FACT=VALUE, such as api.replicas=6"),
        ("replicas=6", "write it as NAME.FACT=VALUE, such as api.replicas=6"),
        ("cache.pool=6", "cache opens no connection that polint knows of; [services.cache] in polint.toml can state its pool"),
    ],
)
def test_mistakes(folder: Path, option: str, message: str) -> None:
    for command in ("budget", "lint"):
        code, out, err = polint(command, "--set", option)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"polint: --set {option}: {message}")


def test_places_say_where_it_comes_from(folder: Path) -> None:
    text = polint("budget", "--set", "api.replicas=6", env={"PYTHONIOENCODING": "utf-8"})[1]
    assert "  api: replicas = 6  --set\n" in text
    report = json.loads(polint("budget", "--set", "api.replicas=6", "--format", "json")[1])
    origin = report["servers"][0]["consumers"][0]["origin"][0]
    assert origin == {"fact": "replicas", "value": 6, "path": "--set", "line": None}


def test_lint_follows_and_mends_nothing(folder: Path) -> None:
    assert "connections-over-budget" not in polint("lint", "--format", "concise")[1]
    code, out, _ = polint("lint", "--format", "json", "--set", "api.replicas=12", "--select", "PO1")
    (found_one,) = [one for one in json.loads(out)["diagnostics"] if one["name"] == "connections-over-budget"]
    assert (code, found_one["message"]) == (1, "pools can open 125 of 97 usable connections")
    assert found_one["fix"] is None
    assert [note["path"] for note in found_one["notes"] if note["message"] == "replicas = 12"] == ["--set"]
    assert "replicas = 12  --> --set:1:14" in polint("lint", "--set", "api.replicas=12", "--select", "PO101")[1]
    assert polint("lint", "--set", "server.max_connections=30", "--select", "PO101")[0] == 1


def test_a_path_keeps_what_the_option_is_to_blame_for(folder: Path) -> None:
    assert polint("lint", "api", "--root", ".", "--set", "db.max_connections=20", "--select", "PO101")[0] == 1
