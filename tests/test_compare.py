"""``polint budget --compare``: two trees of one repository, read without touching either."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from budget_stacks import POOL, START_FIRST, stack
from conftest import polint

from polint import gittree

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

WHO = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.test", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.test"}


def git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, **WHO, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    write(tmp_path, stack({"api": (10, 3, ""), "web": (5, 1, "")}))
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_change(repository: Path) -> None:
    assert polint("budget", "--compare", "HEAD") == (0, "Connection budget: no change since `HEAD`: `db` (35 of 97 connections).\n", "")


def test_a_change(repository: Path) -> None:
    write(repository, stack({"api": (10, 6, START_FIRST % 2), "mail": (4, 1, "")}))
    code, out, err = polint("budget", "--compare", "main")
    assert (code, err) == (0, "")
    assert out == (
        "### Connection budget of `db`: 35 → 64 of 97 connections (36 % → 66 %), fits\n"
        "\n"
        "| Service | At `main` | Now | Change |\n"
        "|---|--:|--:|--:|\n"
        "| `api` | 3 × 1 × 10 = 30 | 6 × 1 × 10 = 60 | +30 |\n"
        "| `mail` |  | 1 × 1 × 4 = 4 | new |\n"
        "| `web` | 1 × 1 × 5 = 5 |  | gone |\n"
        "\n"
        "| Scenario | Before | After | Change | |\n"
        "|---|--:|--:|--:|---|\n"
        "| steady | 35 of 97 | 64 of 97 | +29 | fits |\n"
        "| rolling deploy |  | 84 of 97 | new | fits |\n"
        "\n"
        "- `api`: `replicas` 3 → 6 (`compose.yaml:8:24`)\n"
        "- `api`: `order` = start-first (`compose.yaml:8:50`)\n"
        "- `api`: `parallelism` = 2 (`compose.yaml:8:76`)\n"
        "- `mail`: `replicas` = 1 (`compose.yaml:12:24`)\n"
        "- `mail`: `max_connections` = 4 (`mail/src/main.rs:1:49`)\n"
    )


def test_from_bad_to_good_and_back(repository: Path) -> None:
    write(repository, {"api/src/main.rs": POOL.format(40)})
    out = polint("budget", "--compare", "HEAD")[1]
    assert "> More connections than the server has: 125 of 97, steady.\n" in out
    assert "| steady | 35 of 97 | 125 of 97 | +90 | fits → **over** |\n" in out
    git(repository, "commit", "-qam", "two")
    write(repository, {"api/src/main.rs": POOL.format(2)})
    assert "| steady | 125 of 97 | 11 of 97 | −114 | over → fits |\n" in polint("budget", "--compare", "HEAD")[1]


def test_a_server_that_comes_and_one_that_goes(repository: Path) -> None:
    shutil.rmtree(repository / "api")
    shutil.rmtree(repository / "web")
    write(repository, {"compose.yaml": "services:\n  store:\n    image: postgres:16\n"})
    out = polint("budget", "--compare", "HEAD")[1]
    assert "### Connection budget of `store`: new, at least 0 of 97 connections, unknown\n" in out
    assert "### Connection budget of `db`: it is gone\n" in out


def test_a_stack_of_its_own_beside_it_and_a_file_of_another_name(repository: Path) -> None:
    other = "services:\n  db:\n    image: postgres:16\n"
    write(repository, {"other/compose.yaml": other})
    out = polint("budget", "--compare", "HEAD")[1]
    assert "### Connection budget of `db in other/compose.yaml`: new, at least 0 of 97 connections, unknown\n" in out
    assert out.endswith("Not changed: `db in compose.yaml` (35 of 97 connections).\n")
    (repository / "other/compose.yaml").unlink()
    os.rename("compose.yaml", "docker-compose.yml")
    assert "no change" in polint("budget", "--compare", "HEAD")[1]


def test_what_if_is_compared_with_a_commit(repository: Path) -> None:
    out = polint("budget", "--compare", "HEAD", "--set", "api.replicas=4")[1]
    assert "| `api` | 3 × 1 × 10 = 30 | 4 × 1 × 10 = 40 | +10 |\n" in out
    assert "- `api`: `replicas` 3 → 4 (`--set`)\n" in out


def test_each_side_has_its_own_configuration(repository: Path) -> None:
    write(repository, {"polint.toml": "[services.api]\nreplicas = 1\n"})
    assert "| `api` | 3 × 1 × 10 = 30 | 1 × 1 × 10 = 10 | −20 |" in polint("budget", "--compare", "HEAD")[1]
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "two")
    (repository / "polint.toml").unlink()
    assert "| `api` | 1 × 1 × 10 = 10 | 3 × 1 × 10 = 30 | +20 |" in polint("budget", "--compare", "HEAD")[1]
    write(repository, {"other.toml": "[services.api]\nreplicas = 2\n"})
    assert "no change" in polint("budget", "--compare", "HEAD", "--config", "other.toml")[1]


def test_files_that_git_ignores_are_the_same_on_both_sides(repository: Path) -> None:
    text = (repository / "compose.yaml").read_text().replace("replicas: 3", "replicas: '${COPIES}'")
    write(repository, {"compose.yaml": text, ".gitignore": ".env\nold/\n", ".env": "COPIES=3\n"})
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "two")
    assert "no change" in polint("budget", "--compare", "HEAD")[1]


def test_a_project_in_a_folder_of_the_repository(repository: Path) -> None:
    write(repository, {"deploy/polint.toml": "", "deploy/compose.yaml": "services:\n  db:\n    image: postgres:16\n"})
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "two")
    out = polint("budget", "deploy", "--compare", "HEAD")[1]
    assert out == "Connection budget: no change since `HEAD`: `db` (at least 0 of 97 connections).\n"


def test_links_and_folders_that_are_not_read(repository: Path) -> None:
    (repository / "linked").mkdir()
    os.symlink("../compose.yaml", repository / "linked/compose.yaml")
    os.symlink("/etc/passwd", repository / "compose.override.yaml")
    write(repository, {"node_modules/x/compose.yaml": "services:\n  z:\n    image: postgres:16\n"})
    git(repository, "add", "-f", ".")
    git(repository, "commit", "-q", "-m", "two")
    tree = gittree.read(str(repository), "HEAD")
    assert tree.target("linked/compose.yaml") == "compose.yaml"
    assert (tree.target("compose.override.yaml"), tree["compose.override.yaml"]) == ("", b"")
    found = gittree.files_of(tree, str(repository))
    assert found.data("linked/compose.yaml") == (repository / "compose.yaml").read_bytes()
    assert "node_modules/x/compose.yaml" not in [file.path for file in found]
    reasons = {file.path: file.skip_reason for file in found if file.skip_reason}
    assert reasons == {"compose.override.yaml": "link out of the project"}
    tree.close()


def test_nothing_is_run_or_changed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = repository / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {repository}/sprung\n")
    trap.chmod(0o755)
    for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-commit"):
        shutil.copy(trap, repository / ".git/hooks" / name)
    for key in ("core.fsmonitor", "core.pager", "filter.x.smudge", "core.sshCommand", "diff.external", "core.editor"):
        git(repository, "config", key, str(trap))
    write(repository, {".gitattributes": "* filter=x\n"})
    git(repository, "config", "filter.x.clean", "cat")
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")  # as in a hook
    monkeypatch.setenv("GIT_DIR", "/nowhere/git")
    assert polint("budget", "--compare", "HEAD")[0] == 0
    assert not (repository / "sprung").exists()
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("mian", "the repository has no such commit; did you mean 'main'?"),
        ("", "the repository has no such commit"),
        ("--all", "the repository has no such commit"),
        ("HEAD:compose.yaml", "the repository has no such commit"),
        ("a\nb", "the repository has no such commit"),
    ],
)
def test_no_such_commit(repository: Path, ref: str, message: str) -> None:
    code, out, err = polint("budget", f"--compare={ref}")
    assert (code, out) == (2, "")
    assert err.rstrip("\n").endswith(message)


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    write(tmp_path, stack({"api": (10, 3, "")}))
    code, out, err = polint("budget", "--root", ".", "--compare", "HEAD")
    assert (code, out, err) == (2, "", f"polint: --compare HEAD: {tmp_path} is in no git repository\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert polint("budget", "--root", ".", "--compare", "HEAD")[2] == "polint: --compare HEAD: git is not installed\n"


def test_a_broken_configuration_of_then(repository: Path) -> None:
    write(repository, {"polint.toml": "[services.api]\nreplicas = 'x'\n"})
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "two")
    (repository / "polint.toml").unlink()
    code, _, err = polint("budget", "--compare", "HEAD")
    assert code == 2
    assert (
        err == "polint: --compare HEAD: its configuration cannot be used: polint.toml:2:12: services.api.replicas: must be a whole number\n"
    )
