"""Installing polint as its users do: from a copy of what the wheel is built from, by the commands of the Dockerfile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
# the first thing that is asked for is hatchling, and an index that answers has it
_OFFLINE = ("connection broken by", "Max retries exceeded", "requirement hatchling>=1.26 (from versions: none)")


def environment(**more: str) -> dict[str, str]:
    """This process's environment with this Python first, without what tells Git or polint where they are."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "POLINT", "PRE_COMMIT", "PYTHON"))}
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    identity = {f"GIT_{who}_{what}": "someone@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return kept | identity | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1"} | more


def run(*command: str | Path, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def bash(script: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script as a GitHub runner does for ``shell: bash``."""
    return run("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script, cwd=cwd, env=env)


def installed(done: subprocess.CompletedProcess[str]) -> str:
    """The output of an installation that succeeded; without a network there is none to judge."""
    if done.returncode:
        for line in done.stdout.splitlines():
            if any(sign in line for sign in _OFFLINE):
                pytest.skip(f"the package index cannot be reached: {line.strip()[:200]}")
    assert done.returncode == 0, done.stdout
    return done.stdout


def context(to: Path, *more: str) -> Path:
    """A copy of what ``.dockerignore`` leaves of the repository, and of ``more``."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    dropped = shutil.ignore_patterns(*(line.removeprefix("**/") for line in lines if line.startswith("**/")))
    for name in [*(line[1:] for line in lines if line.startswith("!")), *more]:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name, ignore=dropped)
        else:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


class Stage(NamedTuple):
    """One stage of the Dockerfile: its instructions in order."""

    name: str
    instructions: list[tuple[str, str]]

    def all(self, keyword: str) -> list[str]:
        return [text for word, text in self.instructions if word == keyword]


def dockerfile() -> list[Stage]:
    text = "".join(line for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines(True) if not line.startswith("#"))
    stages: list[Stage] = []
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            stages.append(Stage(rest.partition(" AS ")[2], []))
        if word:
            stages[-1].instructions.append((word, rest.strip()))
    return stages


class Image(NamedTuple):
    """What the Dockerfile makes, in folders instead of an image."""

    context: Path
    wheel: Path
    programs: Path  # the folder with the installed command
    command: list[str]  # its entry point with its default arguments


def image(to: Path) -> Image:
    """Carry out the Dockerfile with this Python in place of its base image's."""
    built = context(to / "src")
    first, last = dockerfile()
    assert (first.all("WORKDIR"), first.all("COPY"), last.all("COPY")) == (["/src"], [". ."], ["--from=build /opt/polint /opt/polint"])
    for script in first.all("RUN"):
        script = script.replace("/wheels", str(to / "wheels")).replace("/opt/polint", str(to / "opt"))
        installed(run("sh", "-euc", script, cwd=built, env=environment(PIP_DISABLE_PIP_VERSION_CHECK="1")))
    (wheel,) = (to / "wheels").iterdir()
    (path,) = (text for text in last.all("ENV") if text.startswith("PATH="))
    assert path == 'PATH="/opt/polint/bin:$PATH"'
    command = [*json.loads(last.all("ENTRYPOINT")[0]), *json.loads(last.all("CMD")[0])]
    return Image(built, wheel, to / "opt" / "bin", command)
