"""The wheel, built and installed by the commands of the Dockerfile into an environment that holds nothing else."""

from __future__ import annotations

import shutil
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
from conftest import polint
from installing import ROOT, Image, dockerfile, environment, image, run

import polint as package


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return image(tmp_path_factory.mktemp("image"))


def says(built: Image, *arguments: str, cwd: Path) -> tuple[int, str]:
    """The installed command, far from the checkout."""
    done = run(built.programs / "polint", *arguments, cwd=cwd, env=environment())
    return done.returncode, done.stdout


def test_the_wheel_holds_what_the_repository_holds(built: Image) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    info = f"{'-'.join(built.wheel.name.split('-')[:2])}.dist-info/"
    expected = {}
    for folder, inside in (("polint", "polint"), ("rules", "polint/rules"), ("templates", "polint/templates")):
        for path in (built.context / folder).rglob("*"):
            if path.is_file():
                expected[f"{inside}/{path.relative_to(built.context / folder).as_posix()}"] = path.read_bytes()
    assert {name: data for name, data in packed.items() if not name.startswith(info)} == expected
    assert {"polint/py.typed", "polint/rules/README.md", "polint/data/postgresql-settings.txt"} <= expected.keys()
    assert sum(name.startswith("polint/templates/bundle/") for name in expected) > 5
    assert packed[f"{info}licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert b"polint = polint.__main__:main" in packed[f"{info}entry_points.txt"]
    said = message_from_string(packed[f"{info}METADATA"].decode())
    assert (said["Name"], said["Version"]) == ("polint-pg", package.__version__)


def test_nothing_is_installed_but_what_polint_needs(built: Image) -> None:
    code = "import importlib.metadata as m\nfor d in m.distributions(): print(d.name)"
    listed = run(built.programs / "python", "-c", code, cwd=ROOT, env=environment())
    names = {name.lower().replace("_", "-") for name in listed.stdout.split()}
    assert {"polint-pg", "pglast", "tree-sitter-php"} <= names
    assert not names & {"pip", "setuptools", "pytest", "hatchling", "watchfiles", "jsonschema", "ruff", "mypy"}


def test_the_installed_command_says_what_the_checkout_says(built: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples" / "iss-tracker", tmp_path / "iss-tracker")
    monkeypatch.chdir(tmp_path)
    assert says(built, "--version", cwd=tmp_path) == (0, f"polint {package.__version__}\n")
    for line in ("rules", "rule PO701", "lint iss-tracker", "lint --format sarif iss-tracker", "files iss-tracker"):
        command = line.split()
        code, out = says(built, *command, cwd=tmp_path)
        assert (code, out) == polint(*command)[:2], line
        assert len(out) > 500


def test_the_installed_command_mends_and_generates(built: Image, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "iss-tracker", tmp_path / "iss-tracker")
    code, out = says(built, "fix", "--unsafe", "iss-tracker", cwd=tmp_path)
    assert (code, "\nfixed docker-compose.yml\n" in f"\n{out}") == (0, True), out
    plan = ROOT / "examples" / "plans" / "iss-tracker.yaml"
    code, out = says(built, "generate", str(plan), "--out", "bundle", cwd=tmp_path)
    assert code == 0, out
    assert says(built, "generate", str(plan), "--out", "bundle", "--check", cwd=tmp_path)[0] == 0
    assert says(built, "lint", "bundle", cwd=tmp_path)[0] == 0


def test_the_image_starts_with_lint(built: Image) -> None:
    project = ROOT / "examples" / "iss-tracker"
    env = environment(PATH=f"{built.programs}:/usr/bin:/bin")
    assert built.command == ["polint", "lint"]
    done = run(*built.command, cwd=project, env=env)
    assert (done.returncode, "PO701" in done.stdout) == (1, True)


def test_the_image_keeps_its_rules_checked(built: Image) -> None:
    """A run writes nothing, as its user cannot: what would be written is there, and of whole seconds."""
    site = next((built.programs.parent / "lib").glob("python3*/site-packages/polint"))
    (cache,) = site.rglob("*.rules")
    before = cache.stat()
    assert says(built, "rules", cwd=ROOT)[0] == 0
    assert (before.st_ino, before.st_mtime_ns) == (cache.stat().st_ino, cache.stat().st_mtime_ns)
    sources = [*site.rglob("*.py"), *site.rglob("*.yaml")]
    assert len(sources) > 150
    assert not [path for path in sources if path.stat().st_mtime_ns % 10**9]


def test_the_image_runs_as_nobody_in_particular() -> None:
    user = dockerfile()[-1].all("USER")[-1]
    assert user == "65534:65534"
    assert not dockerfile()[-1].all("RUN")
    assert all("slim" in stage.all("FROM")[0] for stage in dockerfile())
