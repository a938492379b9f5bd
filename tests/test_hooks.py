"""The hooks in a real repository, run by pre-commit on a real commit."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from installing import ROOT, context, environment, installed, run

from polint import config, discover, yamltext
from polint.formats import FORMATS, format_of
from polint.source import Source

MANIFEST = ROOT / ".pre-commit-hooks.yaml"
HOOKS = yamltext.to_plain(yamltext.documents(Source("hooks", MANIFEST.read_text("utf-8"))).nodes[0])
RUNS = re.compile(HOOKS[0]["files"])
COMPOSE = "services:\n  db:\n    image: postgres:16\n"
SOUND = "max_connections = 100\n"
VIOLATION = "max_connections = 100 -- for now\n"  # the server does not start with it; the fix writes #


def test_the_manifest() -> None:
    assert [(one["id"], one["entry"]) for one in HOOKS] == [("polint", "polint lint"), ("polint-fix", "polint fix")]
    for one in HOOKS:
        assert (one["language"], one["pass_filenames"], one["require_serial"]) == ("python", False, True)
        assert one["files"] == HOOKS[0]["files"]


NAMES = {
    "rust": ("main.rs",),
    "php": ("database.php",),
    "sql": ("10-roles.sql",),
    "shell": ("init.sh",),
    "compose": ("compose.yml", "compose.override.yaml", "docker-compose.prod.yml", "docker-compose_ci.yml", "compose-dev.yaml"),
    "dotenv": (".env", ".env.local", ".env-prod", "env.example", "api.env", ".env.db.sample"),
    "pgbouncer": ("pgbouncer.ini", "pgbouncer-ro.ini.template"),
    "php-fpm": ("www.conf", "www.conf.default", "php-fpm.conf", "zz-docker.conf", "zz-polint.conf.example"),
    "postgresql.conf": ("postgresql.conf", "postgresql.auto.conf", "postgresql.conf.sample", "pg.conf", "my-postgres.conf"),
    "dockerfile": ("Dockerfile", "Dockerfile.prod", "Dockerfile-dev", "api.Dockerfile", "web.dockerfile", "Containerfile"),
    "prometheus": ("prometheus.yml", "alerts.yaml", "db-rules.yml", "pg.rules"),
    "grafana": ("grafana-db.json", "pool-dashboard.json"),
    "cargo": ("Cargo.toml", "Cargo.lock"),
}


def test_every_format_starts_the_hooks() -> None:
    assert NAMES.keys() == {one.name for one in FORMATS}
    for name, files in NAMES.items():
        for file in files:
            assert format_of(file) in (name, None)
            assert RUNS.search(file), file
            assert RUNS.search(f"services/api/{file}"), file
        assert any(format_of(file) == name for file in files), name


PIECES = """
.env env - _ . compose docker- .yml .yaml .rules Dockerfile dockerfile Containerfile pgbouncer .ini postgres postgresql pg fpm www zz-
.conf .sample .example .template .tmpl .dist prometheus alert rules dashboard grafana .json Cargo .toml .lock .rs .php .sql .sh a
""".split()


@example(["prometheus", ".rules"])
@example([" ", ".env", " "])
@given(st.lists(st.sampled_from([*PIECES, " ", "1", "Ж"]), min_size=1, max_size=6))
def test_whatever_is_read_by_its_name_starts_the_hooks(pieces: list[str]) -> None:
    name = "".join(pieces)
    if format_of(name) is not None:
        assert RUNS.search(name), name


def test_what_is_read_by_other_means_starts_the_hooks() -> None:
    for name in (config.NAME, "pyproject.toml", config.BASELINE, "fpm/api.conf", "userlist.txt"):
        assert RUNS.search(name), name
    for name in ("README.md", "main.py", "package.json", "values.yaml", ".github/workflows/ci.yml", "composer.lock", "go.mod", "Makefile"):
        assert not RUNS.search(name), name


def test_every_file_of_the_examples_starts_the_hooks() -> None:
    found = discover.walk(str(ROOT / "examples"))
    assert len(found) > 15
    assert not [file.path for file in found if not RUNS.search(file.path)]


def git(repository: Path, *arguments: str) -> str:
    done = run("git", *arguments, cwd=repository, env=environment())
    assert done.returncode == 0, done.stdout
    return done.stdout


def commit_all(repository: Path) -> None:
    git(repository, "init", "-q")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "start")


class Repository(NamedTuple):
    """A repository with the hooks installed."""

    path: Path
    env: dict[str, str]

    def commit(self, name: str, text: str) -> subprocess.CompletedProcess[str]:
        (self.path / name).write_text(text, encoding="utf-8")
        git(self.path, "add", "-A")
        return run("git", "commit", "-m", name, cwd=self.path, env=self.env)

    @property
    def commits(self) -> int:
        return int(git(self.path, "rev-list", "--count", "HEAD"))


@pytest.fixture(scope="module")
def polint_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not here")
    path = context(tmp_path_factory.mktemp("hooks") / "polint", MANIFEST.name)
    commit_all(path)
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """pre-commit's own folder: polint is installed there once."""
    return environment(PRE_COMMIT_HOME=str(tmp_path_factory.mktemp("pre-commit")))


@pytest.fixture
def repository(polint_repository: Path, home: dict[str, str], tmp_path: Path) -> Repository:
    path = tmp_path / "project"
    path.mkdir()
    revision = git(polint_repository, "rev-parse", "HEAD").strip()
    hooks = "      - id: polint-fix\n      - id: polint\n"
    text = f"repos:\n  - repo: {polint_repository}\n    rev: {revision}\n    hooks:\n{hooks}"
    (path / ".pre-commit-config.yaml").write_text(text, encoding="utf-8")
    (path / "compose.yaml").write_text(COMPOSE, encoding="utf-8")
    commit_all(path)
    installed(run("pre-commit", "install", "--install-hooks", cwd=path, env=home))
    return Repository(path, home)


def test_the_manifest_is_what_pre_commit_wants() -> None:
    done = run("pre-commit", "validate-manifest", MANIFEST, cwd=ROOT, env=environment())
    assert (done.returncode, done.stdout) == (0, "")


def test_a_violation_stops_the_commit_and_the_fix_mends_it(repository: Repository) -> None:
    done = repository.commit("postgresql.conf", VIOLATION)
    assert (done.returncode, repository.commits) == (1, 1)
    assert "- hook id: polint-fix\n- files were modified by this hook\n" in done.stdout, done.stdout
    assert re.search(r"^polint\.+Passed", done.stdout, re.MULTILINE)  # it is mended already
    mended = (repository.path / "postgresql.conf").read_text("utf-8")
    assert mended == VIOLATION.replace("--", "#")
    assert repository.commit("postgresql.conf", mended).returncode == 0
    assert repository.commits == 2


def test_what_no_fix_mends_stops_every_commit(repository: Repository) -> None:
    broken = "# ours\nmax_connections = abc\n"
    for _ in range(2):
        done = repository.commit("postgresql.conf", broken)
        assert (done.returncode, repository.commits) == (1, 1)
        assert re.search(r"^error\[PO\d+\]", done.stdout, re.MULTILINE), done.stdout
        assert " --> postgresql.conf:2:" in done.stdout
    assert repository.commit("postgresql.conf", broken.replace("abc", "200")).returncode == 0
    assert repository.commits == 2


def test_a_commit_without_pooling_files_runs_nothing(repository: Repository) -> None:
    git(repository.path, "config", "core.hooksPath", "/dev/null")
    repository.commit("postgresql.conf", VIOLATION)  # broken already, which does not matter to the next one
    git(repository.path, "config", "--unset", "core.hooksPath")
    done = repository.commit("notes.md", "nothing of ours\n")
    assert (done.returncode, done.stdout.count("(no files to check)Skipped"), repository.commits) == (0, 2, 3)


def test_what_is_not_staged_does_not_count(repository: Repository) -> None:
    assert repository.commit("postgresql.conf", SOUND).returncode == 0
    (repository.path / "postgresql.conf").write_text(VIOLATION, encoding="utf-8")
    (repository.path / "init.sql").write_text("SELECT 1;\n", encoding="utf-8")
    git(repository.path, "add", "init.sql")
    done = run("git", "commit", "-m", "sql", cwd=repository.path, env=repository.env)
    assert done.returncode == 0, done.stdout
    assert (repository.path / "postgresql.conf").read_text("utf-8") == VIOLATION


def test_try_repo_runs_both(polint_repository: Path, home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "postgresql.conf").write_text(VIOLATION, encoding="utf-8")
    commit_all(tmp_path)
    done = run("pre-commit", "try-repo", polint_repository, "--all-files", "--color", "never", cwd=tmp_path, env=home)
    if "hook id" not in done.stdout:
        installed(done)
    assert done.returncode == 1
    assert re.findall(r"^(polint[ a-z]*)\.+(\w+)$", done.stdout, re.MULTILINE) == [("polint", "Failed"), ("polint fix", "Failed")]
    assert "error[PO4" in done.stdout
    assert (tmp_path / "postgresql.conf").read_text("utf-8") == VIOLATION.replace("--", "#")
