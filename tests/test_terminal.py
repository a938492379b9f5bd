"""What a shell and a person at a terminal use: completion, and linting again on every change."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
from conftest import polint as here
from installing import ROOT, environment

COMMAND = [sys.executable, "-m", "polint"]


def completion(variable: str, words: str = "") -> str:
    """What polint, started as the shells do it, without an argument, prints."""
    index = str(len(words.split(" ")) - 1)
    env = environment(PYTHONPATH=str(ROOT), _POLINT_COMPLETE=variable, COMP_WORDS=words, COMP_CWORD=index)
    done = subprocess.run(COMMAND, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def offered(words: str) -> list[tuple[str, str]]:
    """Kind and word of each thing that bash is told."""
    found = []
    for line in completion("bash_complete", words).splitlines():
        kind, _, word = line.partition(",")
        found.append((kind, word))
    return found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_accepts_the_completion(shell: str, tmp_path: Path) -> None:
    script = completion(f"{shell}_source")
    assert "_POLINT_COMPLETE" in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    (tmp_path / "script").write_text(script, encoding="utf-8")
    done = subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_bash_completes(tmp_path: Path) -> None:
    """The function itself, with what bash sets before it calls it."""
    bin = tmp_path / "polint"
    bin.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m polint "$@"\n', encoding="utf-8")
    bin.chmod(0o755)
    code = (
        'eval "$(_POLINT_COMPLETE=bash_source polint)"\n'
        'complete -p polint\nCOMP_WORDS=(polint lint --form) COMP_CWORD=2\n_polint_completion polint\necho "${COMPREPLY[@]}"\n'
    )
    env = environment()
    done = subprocess.run(
        ["bash", "-c", code], env=env | {"PATH": f"{tmp_path}:{env['PATH']}"}, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["complete -o nosort -F _polint_completion polint", "--format"], done.stderr


def test_words_are_offered() -> None:
    assert ("plain", "lint") in offered("polint li")
    assert ("plain", "sarif") in offered("polint lint --format s")
    assert offered("polint lint comp") == [("file", "comp")]
    assert offered("polint lint --root d") == [("dir", "d")]
    assert offered("polint rule PO70")[0] == ("plain", "PO701")
    assert ("plain", "server-variable-ignored") in offered("polint lint --select ser")


class Watching:
    """``polint lint --watch`` on a folder, its output gathered in files."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.out, self.err = folder.parent / "out", folder.parent / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            env = environment(PYTHONPATH=str(ROOT))
            self.process = subprocess.Popen([*COMMAND, "lint", "--watch", *options], cwd=folder, env=env, stdout=out, stderr=err)

    def runs(self, number: int) -> list[str]:
        """What was said once so many runs are over."""
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            said = re.findall(
                r"^polint: \d\d:\d\d:\d\d (.*); watching for changes, Ctrl-C stops$", self.err.read_text("utf-8"), re.MULTILINE
            )
            if len(said) >= number:
                return said
            time.sleep(0.02)
        raise AssertionError(self.err.read_text("utf-8"))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)


def test_watch_lints_again_on_every_change(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    folder = tmp_path / "vendor"  # a name that is left out below a project, not above it
    folder.mkdir()

    def put(name: str, text: str) -> None:
        """Write at once, as editors do, so that one change is one event."""
        (tmp_path / "new").write_text(text, encoding="utf-8")
        os.replace(tmp_path / "new", folder / name)

    put("polint.toml", "")
    put("postgresql.conf", "max_connections = abc\n")
    watching = Watching(folder, "--format", "concise", "--output", "report.txt")
    try:
        assert watching.runs(1) == ["linted"]
        report = folder / "report.txt"
        assert "postgresql.conf:1:" in report.read_text("utf-8")
        put("postgresql.conf", "max_connections = 100\n")
        assert watching.runs(2)[1] == "postgresql.conf changed, linted again"
        assert report.read_text("utf-8") == ""
        put("polint.toml", 'slect = ["PO1"]\n')
        assert watching.runs(3)[2] == "polint.toml changed, linted again"
        assert "did you mean" in watching.err.read_text("utf-8")
        # neither its own report nor what programs write starts it
        put("app.log", "x\n")
        (folder / "node_modules").mkdir()
        put("node_modules/compose.yaml", "x\n")
        put("polint.toml", "")
        assert watching.runs(4)[3] == "polint.toml changed, linted again"
        assert len(watching.runs(4)) == 4
        code = watching.stop()
    finally:
        watching.process.kill()
        watching.process.wait()
    assert code == 130
    assert watching.err.read_text("utf-8").endswith("\npolint: stopped\n")


def test_watch_says_what_it_needs(tmp_path: Path) -> None:
    with mock.patch.dict(sys.modules, {"watchfiles": None}):
        assert here("lint", "--watch", str(tmp_path)) == (2, "", "polint: --watch needs watchfiles: pip install 'polint-pg[watch]'\n")
    assert here("lint", "--watch", str(tmp_path / "gone"))[0] == 2
    code, _, err = here("lint", "--watch", "--stdin-filename", ".env", "-", stdin=b"")
    assert (code, "standard input cannot be watched" in err) == (2, True)
    assert not os.listdir(tmp_path)


def commands() -> list[str]:
    page = (ROOT / "docs" / "terminal.md").read_text("utf-8")
    lines = [line for part in page.split("```sh\n")[1:] for line in part.partition("```")[0].splitlines()]
    return [line for line in lines if line.startswith("polint ") and "--watch" not in line]


@pytest.mark.parametrize("line", commands())
def test_the_commands_of_the_page_work(line: str) -> None:
    env = environment(PYTHONPATH=str(ROOT))
    words = line.replace("polint ", f"{sys.executable} -m polint ", 1)
    done = subprocess.run(
        ["bash", "-c", words], cwd=ROOT / "examples" / "iss-tracker", env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode in (0, 1), done.stderr) == (True, "")
    assert len(done.stdout) > 100
