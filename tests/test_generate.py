"""``polint generate``: what is written, what is left alone, and what is said; what the files hold is tested elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import polint

from polint import writing
from polint.bundle import planfile, render
from polint.bundle.render import is_marked, untouched
from polint.generate import generate
from polint.source import Source

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "plans" / "iss-tracker.yaml"
PLAN = """\
project: shop
services:
  api: {kind: sqlx, replicas: 2}
  web: laravel-fpm
  queue: laravel-queue
pgbouncer: always
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path


def run(*arguments: str) -> tuple[int, str, str]:
    return polint("generate", "plan.yaml", "--out", "out", *arguments)


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def replan(work: Path, old: str, new: str) -> None:
    text = (work / "plan.yaml").read_text()
    assert old in text
    (work / "plan.yaml").write_text(text.replace(old, new))


def test_a_bundle_is_written_and_then_nothing_is(work: Path) -> None:
    code, out, err = run()
    found = contents(work / "out")
    assert (code, err) == (0, "")
    assert out.splitlines() == [*(f"wrote out/{path}" for path in files(work)), f"{len(found)} files written"]
    times = {path: os.stat(work / "out" / path).st_mtime_ns for path in found}
    assert run() == (0, f"0 files written, {len(found)} left as they were\n", "")
    assert contents(work / "out") == found
    assert {path: os.stat(work / "out" / path).st_mtime_ns for path in found} == times
    assert run("--check") == (0, f"{len(found)} files, all as plan.yaml has them\n", "")
    assert run("--diff") == (0, "", "")
    assert run("-q") == (0, "", "")
    assert polint("generate", "plan.yaml", "--out", "other", "-q") == (0, "", "")
    assert contents(work / "other") == found  # byte for byte


def files(work: Path) -> list[str]:
    """The paths of the plan's bundle, in order."""
    return list(render.render(planfile.parse(Source("p", (work / "plan.yaml").read_text())).laid_out()))


def test_each_file_knows_whether_it_was_changed(work: Path) -> None:
    run()
    for path, data in contents(work / "out").items():
        text = data.decode()
        assert untouched(path, text), path
        assert untouched(path, text.replace("\n", "\r\n")), path
        assert not untouched(f"copy/{path}", text), path
        assert not untouched(path, text + "\n"), path
        assert is_marked(text + "\n"), path
        assert len(re.findall(r"polint plan [0-9a-f]{12} text [0-9a-f]{12}", text)) == 1, path


def test_check_tells_drift_and_writes_nothing(work: Path) -> None:
    code, out, err = run("--check")
    assert (code, err) == (1, "")
    assert out.splitlines()[0] == "would write out/docker-compose.yml"
    assert not (work / "out").exists()
    run()
    replan(work, "replicas: 2", "replicas: 5")
    before = contents(work / "out")
    code, out, _ = run("--check")
    assert code == 1
    assert "would change out/docker-compose.yml\n" in out
    total = len(before)
    assert out.endswith(f"{total} of {total} files would change\n")  # each has the plan's mark
    assert contents(work / "out") == before
    assert run()[0] == 0
    assert run("--check")[0] == 0


def test_what_a_person_changed_is_not_overwritten(work: Path) -> None:
    run()
    conf = work / "out" / "postgres" / "postgresql.conf"
    conf.write_text(conf.read_text() + "jit = off\n")
    (work / "out" / ".env.example").write_text("MINE=1\n")
    replan(work, "replicas: 2", "replicas: 5")
    before = contents(work / "out")
    assert run() == (
        2,
        "",
        "polint: out/.env.example: not written by polint\n"
        "polint: out/postgres/postgresql.conf: changed since polint wrote it\n"
        "polint: nothing was written: --diff shows what would change, --force overwrites\n",
    )
    assert contents(work / "out") == before
    code, out, _ = run("--check")
    assert code == 1
    assert "would change out/postgres/postgresql.conf: changed since polint wrote it\n" in out
    code, out, _ = run("--diff", "--check")
    assert code == 1
    assert "-jit = off\n" in out
    assert contents(work / "out") == before
    assert run("--force")[0] == 0
    assert run("--check")[0] == 0


def test_a_change_that_the_plan_asks_for_anyway_is_none(work: Path) -> None:
    run()
    for path in (work / "out").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert run("--check")[0] == 0
    before = contents(work / "out")
    assert run()[0] == 0
    assert contents(work / "out") == before


def test_what_the_plan_no_longer_has_is_removed(work: Path) -> None:
    run()
    replan(work, "pgbouncer: always", "pgbouncer: never")
    code, out, _ = run("--check")
    assert code == 1
    assert "would remove out/pgbouncer/pgbouncer.ini: no longer generated\n" in out
    assert (work / "out" / "pgbouncer" / "pgbouncer.ini").exists()
    code, out, err = run()
    assert (code, err) == (0, "")
    assert "removed out/pgbouncer/pgbouncer.ini: no longer generated\n" in out
    assert not (work / "out" / "pgbouncer").exists()
    assert run("--check")[0] == 0


def test_what_the_plan_no_longer_has_but_a_person_changed_stays(work: Path) -> None:
    run()
    ini = work / "out" / "pgbouncer" / "pgbouncer.ini"
    ini.write_text(ini.read_text() + "; mine\n")
    replan(work, "pgbouncer: always", "pgbouncer: never")
    code, _, err = run()
    assert (code, err) == (0, f"polint: {ini.relative_to(work)}: no longer generated, but somebody changed it: it is left as it is\n")
    assert ini.read_text().endswith("; mine\n")
    assert run("--check")[0] == 0


def test_copies_and_other_files_are_their_owners(work: Path) -> None:
    run()
    own = work / "out" / "rust" / "mine" / "src"
    own.mkdir(parents=True)
    (own / "db.rs").write_bytes((work / "out" / "rust" / "src" / "db.rs").read_bytes())
    (work / "out" / "rust" / "src" / "main.rs").write_text("fn main() {}\n")
    os.symlink("db.rs", work / "out" / "rust" / "src" / "link.rs")
    before = contents(work / "out")
    assert run()[0] == 0
    assert contents(work / "out") == before


@pytest.mark.parametrize("change", [("replicas: 2", "replicas: 7"), ("pgbouncer: always", "pgbouncer: never"), ("shop", "warehouse")])
def test_git_applies_the_diff(work: Path, change: tuple[str, str]) -> None:
    patch = run("--diff")[1]
    assert patch.startswith("--- /dev/null\n+++ b/.env.example\n@@ -0,0 +1,")
    (work / "out").mkdir()
    applied(work / "out", patch)
    first = contents(work / "out")
    assert run("--check")[0] == 0
    replan(work, *change)
    code, patch, err = run("--diff")
    assert (code, err) == (0, "")
    applied(work / "out", patch)
    assert contents(work / "out") != first
    assert run("--check")[0] == 0


def applied(folder: Path, patch: str) -> None:
    done = subprocess.run(["git", "apply", "-"], input=patch.encode(), cwd=folder, capture_output=True, check=False)
    assert not done.returncode, done.stderr.decode()


def test_a_secret_in_a_changed_file_is_not_shown(work: Path) -> None:
    run()
    env = work / "out" / ".env.example"
    env.write_text("DB_PASSWORD=correct-horse-battery\n")
    code, out, err = run("--diff")
    assert code == 0
    assert "correct-horse" not in out
    assert err == "polint: lines that hold a secret are masked: such a patch cannot be applied, polint generate itself can\n"


# --- where a bundle cannot stand -----------------------------------------------------------


def place(work: Path, what: str) -> None:
    out = work / "out"
    if what == "file":
        out.write_text("")
    elif what == "broken link":
        out.symlink_to("nowhere")
    else:
        out.mkdir()
    if what == "inner file":
        (out / "postgres").write_text("")
    elif what == "inner link":
        (out / "postgres").symlink_to("nowhere")
    elif what == "folder":
        (out / ".env.example").mkdir()
    elif what == "link out":
        (work / "elsewhere").write_text("x")
        (out / ".env.example").symlink_to("../elsewhere")
    elif what == "folder out":
        (work / "elsewhere").mkdir()
        (out / "postgres").symlink_to("../elsewhere")
    elif what == "pipe":
        os.mkfifo(out / ".env.example")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("file", "out: a file, where a folder should be"),
        ("broken link", "out: a broken link, where a folder should be"),
        ("inner file", "out/postgres: a file, where a folder should be"),
        ("inner link", "out/postgres: a broken link, where a folder should be"),
        ("folder", "out/.env.example: a folder, where a file should be"),
        ("link out", "out/.env.example: a link leads out of out"),
        ("folder out", "out/postgres/postgresql.conf: a link leads out of out"),
        ("pipe", "out/.env.example: no regular file"),
    ],
)
@pytest.mark.parametrize("option", ["--check", "--diff", "--force", "-q"])
def test_where_it_cannot_stand_one_line_says_so(work: Path, what: str, message: str, option: str) -> None:
    place(work, what)
    before = sorted(path.as_posix() for path in work.rglob("*"))
    code, out, err = run(option)
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == f"polint: {message}"
    assert "link" in message or err.count("\n") == 1
    assert sorted(path.as_posix() for path in work.rglob("*")) == before


def test_a_folder_that_is_a_link_is_followed(work: Path) -> None:
    (work / "real" / "deep").mkdir(parents=True)
    (work / "out").symlink_to("real/deep")
    assert run()[0] == 0
    assert (work / "real" / "deep" / "postgres" / "postgresql.conf").is_file()
    assert run("--check")[0] == 0
    assert not (work / "real" / "deep" / writing.JOURNAL).exists()


def test_a_folder_that_cannot_be_made(work: Path) -> None:
    assert polint("generate", "plan.yaml", "--out", "/proc/polint") == (
        2, "", "polint: cannot write: /proc/polint: no such file or directory\n")  # fmt: skip
    assert polint("generate", "plan.yaml", "--out", "plan.yaml/x")[2] == "polint: plan.yaml: a file, where a folder should be\n"


def test_all_files_are_written_or_none(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        nonlocal made
        made += 1
        if made == 5:
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(writing.os, "write", write)
    assert run() == (2, "", "polint: cannot write: no space left on device\n")
    assert not (work / "out").exists()


def test_a_run_that_was_stopped_is_finished_by_the_next(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    replan(work, "pgbouncer: always", "pgbouncer: never")

    class Killed(BaseException):
        pass

    done = 0
    real = os.replace

    def replace(old: str, new: str) -> None:
        nonlocal done
        done += 1
        if done == 4:
            raise Killed
        real(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(writing.os, "replace", replace)
        with pytest.raises(Killed):
            generate("plan.yaml", out="out", verbosity=-1)
    assert (work / "out" / writing.JOURNAL).exists()
    code, out, err = run()
    assert code == 0
    assert "finished what an earlier run was stopped at" in err
    assert out.startswith("0 files written, ")
    assert not (work / "out" / "pgbouncer").exists() or not list((work / "out" / "pgbouncer").iterdir())
    assert not list((work / "out").rglob(f"*{writing.BESIDE}"))


def test_a_journal_of_somebody_else_reaches_nothing(work: Path) -> None:
    (work / "victim").write_text("x")
    (work / "evil").write_text("y")
    (work / "out").mkdir()
    (work / "out" / "inner").write_text("z")
    (work / "out" / writing.JOURNAL).write_text(
        '[["../evil", "../victim"], ["", "../victim"], ["inner", "../victim"], ["../evil", "inner"]]'
    )
    assert writing.recover(str(work / "out")) == []
    assert [(work / name).read_text() for name in ("victim", "evil", "out/inner")] == ["x", "y", "z"]


# --- the command line ----------------------------------------------------------------------


def test_plans_that_cannot_be_read(work: Path) -> None:
    (work / "broken").symlink_to("nowhere")
    (work / "binary").write_bytes(b"a\0b")
    (work / "large").write_bytes(b"#" * 5_000_001)
    (work / "bytes").write_bytes(b"project: \xff\n")
    (work / "link.yaml").symlink_to("plan.yaml")
    for name, message in {
        "plan.yml": "polint: no such path: plan.yml; did you mean 'plan.yaml'?",
        "broken": "polint: broken: no such file",
        ".": "polint: .: not a regular file",
        "binary": "polint: binary: binary",
        "large": "polint: large: over 5 MB",
        "bytes": "bytes:1:10: not UTF-8 text",
    }.items():
        code, out, err = polint("generate", name, "--out", "out")
        assert (code, out, err.splitlines()[0]) == (2, "", message)
    assert polint("generate", "link.yaml", "--out", "out", "-q") == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan.yaml"], "--out says where to write the bundle; --explain does without"),
        (["plan.yaml", "--out", ""], "--out says where to write the bundle; --explain does without"),
        (["plan.yaml", "--out", "out", "--force", "--check"], "--force overwrites, and --check and --diff write nothing"),
        (["plan.yaml", "--out", "out", "--templates", "mine"], "no such folder: mine"),
        (["--out", "out"], "missing argument PLAN"),
    ],
)
def test_usage(work: Path, arguments: list[str], message: str) -> None:
    code, out, err = polint("generate", *arguments)
    assert (code, out) == (2, "")
    assert err.partition("; see polint ")[0].rstrip("\n") == f"polint: {message}"


def test_warnings_are_on_standard_error(work: Path) -> None:
    (work / "plan.yaml").write_text("project: s\npgbouncer: never\ndatabase: {cores: 1}\nservices: {a: {kind: sqlx, replicas: 9}}\n")
    code, _, err = run()
    assert code == 0
    assert err.startswith("plan.yaml: warning: the services open 1")
    assert err.endswith("PgBouncer would help\n")
    assert run("-q") == (0, "", "")


def test_explain_tells_every_number_and_why(work: Path) -> None:
    code, out, err = polint("generate", "plan.yaml", "--explain", env={"NO_COLOR": "1"})
    assert (code, err) == (0, "")
    assert not (work / "out").exists()
    layout = planfile.parse(Source("p", PLAN)).laid_out()
    lines = out.splitlines()
    for name, figure in layout.figures():
        label = name.rpartition(": ")[2]
        assert any(re.fullmatch(rf" *{re.escape(label)} +{re.escape(str(figure))}  {re.escape(figure.why)}", line) for line in lines), name
    rows = [line for line in lines if re.search(r"\S  +\S", line)]
    assert len(rows) == len(list(layout.figures()))
    reasons = {len(line) - len(figure.why) for line, (_, figure) in zip(rows, layout.figures(), strict=True)}
    assert len(reasons) == 1  # one column
    assert run("--explain")[1].startswith(out)


# --- a team's own templates ----------------------------------------------------------------


def test_a_team_has_templates_of_its_own(work: Path) -> None:
    (work / "mine" / "bundle").mkdir(parents=True)
    (work / "mine" / "bundle" / "env.example.j2").write_text("# {{ mark }}\nTEAM={{ layout.project }}\n")
    assert run("--templates", "mine")[0] == 0
    assert (work / "out" / ".env.example").read_text().endswith("\nTEAM=shop\n")
    assert run("--check")[0] == 1
    (work / "polint.toml").write_text('templates = "mine"\n')
    assert run("--check")[0] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# {{ mark }}\n{{ nothing }}\n", "mine/bundle/env.example.j2:2: 'nothing' is undefined"),
        ("# {{ mark }}\n\n{% if %}\n", "mine/bundle/env.example.j2:3: "),
        ("{{ layout.plan.__class__.__mro__ }}\n", "mine/bundle/env.example.j2:1: "),
        ("{% include 'none' %}\n", "mine/bundle/env.example.j2:1: "),
        ("{{ 1 // 0 }}\n", "mine/bundle/env.example.j2:1: "),
        ("A=1\n", "mine/bundle/env.example.j2: should hold {{ mark }} once"),
        ("# {{ mark }} {{ mark }}\n", "mine/bundle/env.example.j2: should hold {{ mark }} once"),
    ],
)
def test_a_broken_template_is_named_with_its_line(work: Path, text: str, message: str) -> None:
    (work / "mine" / "bundle").mkdir(parents=True)
    (work / "mine" / "bundle" / "env.example.j2").write_text(text)
    code, out, err = run("--templates", "mine")
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert not (work / "out").exists()


def test_a_folder_of_templates_that_is_not_there(work: Path) -> None:
    (work / "polint.toml").write_text('templates = "mine"\n')
    code, out, err = run()
    assert (code, out, err.splitlines()[0]) == (2, "", "polint.toml:1:13: templates: no such folder: mine")


# --- the example, and what it takes --------------------------------------------------------


def test_the_example_takes_less_than_half_a_second(tmp_path: Path) -> None:
    import resource

    command = [sys.executable, "-m", "polint", "generate", str(EXAMPLE), "--out", str(tmp_path / "out")]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    used = []
    for number in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([*command[:-1], f"{command[-1]}{number}"], capture_output=True, text=True, env=environment, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(used) < 0.5
