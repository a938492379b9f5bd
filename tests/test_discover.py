"""Discovery: which files are found, what is skipped and why, and where the root is."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from polint import discover, gitignore
from polint.discover import File, Files, find_root, walk
from polint.formats import FORMATS, Format, byte_filter


def write(root: Path, files: dict[str, str | bytes]) -> None:
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())


def found(root: Path, exclude: tuple[str, ...] = ()) -> dict[str, str]:
    return {file.path: file.skip_reason for file in walk(str(root), exclude)}


def test_only_files_with_a_format_in_path_order(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"b/.env": "", "a.md": "", "docker-compose.yml": "", "b-c/www.conf": "", "b/src/main.rs": "", ".docker/postgresql.conf": ""},
    )
    assert walk(str(tmp_path)) == [
        File(".docker/postgresql.conf", "postgresql.conf"),
        File("b-c/www.conf", "php-fpm"),
        File("b/.env", "dotenv"),
        File("b/src/main.rs", "rust"),
        File("docker-compose.yml", "compose"),
    ]


@pytest.mark.parametrize("folder", [".git", "node_modules", "vendor", "target", ".venv", "__pycache__", "a/node_modules/b"])
def test_pruned_folders(tmp_path: Path, folder: str) -> None:
    write(tmp_path, {f"{folder}/docker-compose.yml": "", "compose.yml": ""})
    assert found(tmp_path) == {"compose.yml": ""}


@pytest.mark.parametrize("folder", ["dist", "build", ".docker", ".deploy", ".devcontainer"])
def test_folders_that_look_like_output_or_hidden_are_walked(tmp_path: Path, folder: str) -> None:
    write(tmp_path, {f"{folder}/docker-compose.yml": ""})
    assert found(tmp_path) == {f"{folder}/docker-compose.yml": ""}


def test_test_code_is_skipped(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "api/Cargo.toml": "",
            "api/src/main.rs": "",
            "api/tests/pool.rs": "",
            "api/benches/b/x.rs": "",
            "api/examples/own/Cargo.toml": "",
            "api/examples/own/src/main.rs": "",
            "examples/shop/src/main.rs": "",
            "web/tests/Unit/DbTest.php": "",
            "web/app/Db.php": "",
            "api/tests/docker-compose.yml": "",
        },
    )
    skipped = {path for path, reason in found(tmp_path).items() if reason == "test code"}
    assert skipped == {"api/tests/pool.rs", "api/benches/b/x.rs", "web/tests/Unit/DbTest.php"}


def test_gitignore_is_honoured_except_for_environment_files(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            ".gitignore": ".env\n/out/\n*.local.yml\n!docker-compose.keep.local.yml\n",
            ".env": "",
            "out/docker-compose.yml": "",
            "docker-compose.local.yml": "",
            "docker-compose.keep.local.yml": "",
            "sub/.gitignore": "!docker-compose.local.yml\ngenerated.rs\n",
            "sub/docker-compose.local.yml": "",
            "sub/generated.rs": "",
            "generated.rs": "",
        },
    )
    assert walk(str(tmp_path)) == [
        File(".env", "dotenv", ignored=True),
        File("docker-compose.keep.local.yml", "compose"),
        File("docker-compose.local.yml", "compose", True, "ignored by .gitignore"),
        File("generated.rs", "rust"),
        File("sub/docker-compose.local.yml", "compose"),
        File("sub/generated.rs", "rust", True, "ignored by .gitignore"),
    ]


def test_gitignore_above_the_root_counts_up_to_the_repository(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "compose.yml\n", "top/.gitignore": "a/b/x.rs\n", "top/a/b/x.rs": "", "top/a/b/compose.yml": ""})
    assert found(tmp_path / "top/a") == {"b/x.rs": "", "b/compose.yml": ""}
    (tmp_path / "top/.git").mkdir()
    assert found(tmp_path / "top/a") == {"b/x.rs": "ignored by .gitignore", "b/compose.yml": ""}


def test_a_root_that_is_ignored_itself_is_read(tmp_path: Path) -> None:
    write(tmp_path, {".git/HEAD": "", ".gitignore": "/scratch/\n", "scratch/compose.yml": ""})
    assert found(tmp_path / "scratch") == {"compose.yml": ""}


def test_exclude(tmp_path: Path) -> None:
    write(tmp_path, {"legacy/compose.yml": "", "old.env": "", "compose.yml": ""})
    assert found(tmp_path, ("legacy/", "*.env")) == {"compose.yml": "", "old.env": "excluded by the configuration"}


def test_links(tmp_path: Path) -> None:
    write(tmp_path, {"outside.env": "A=1", "in/real.env": "A=1"})
    root = tmp_path / "in"
    for link, target in {
        ".env": "real.env",
        "gone.env": "nothing",
        "out.env": "../outside.env",
        "loop.env": "loop.env",
        "folder.env": ".",
        "again": ".",
    }.items():
        (root / link).symlink_to(target)
    os.mkfifo(root / "pipe.env")
    assert found(root) == {
        ".env": "",
        "folder.env": "not a regular file",
        "gone.env": "broken link",
        "loop.env": "link loop",
        "out.env": "link out of the project",
        "pipe.env": "not a regular file",
        "real.env": "",
    }
    files = Files(str(root), walk(str(root)))
    source = files.read(".env")
    assert source is not None
    assert source.text == "A=1"
    assert files.read("../outside.env") is None
    assert files.read("out.env") is None
    assert files.read("again/real.env") is not None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"A=\0", "binary"),
        (b"x" * discover.MAX_BYTES, ""),
        (b"x" * (discover.MAX_BYTES + 1), "over 5 MB"),
        ("A=1".encode("utf-16"), "UTF-16, not UTF-8"),
        (b"x" * 8192 + b"\0", ""),
        (b"A=\xe9\n", ""),
        (b"", ""),
        (b"y" * 65536, ""),
    ],
)
def test_reading(tmp_path: Path, content: bytes, reason: str) -> None:
    write(tmp_path, {".env": content})
    files = Files(str(tmp_path), walk(str(tmp_path)))
    assert files.reason(".env") is None
    source = files.read(".env")
    assert files.reason(".env") == reason
    assert (source.encode() if source else None) == (None if reason else content)
    assert files.data(".env") == (b"" if reason else content)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {".env": "A=1", "closed/.env": "", "compose.yml": ""})
    real_open, real_scandir = os.open, os.scandir

    def refuse_open(path: str, flags: int) -> int:
        if path.endswith(".env"):
            raise PermissionError(13, "Permission denied")
        return real_open(path, flags)

    def refuse_scandir(path: str) -> object:
        if path.endswith("closed/"):
            raise PermissionError(13, "Permission denied")
        return real_scandir(path)

    monkeypatch.setattr(os, "open", refuse_open)
    monkeypatch.setattr(os, "scandir", refuse_scandir)
    listed = walk(str(tmp_path))
    assert listed == [File(".env", "dotenv"), File("closed/", None, False, "no permission"), File("compose.yml", "compose")]
    files = Files(str(tmp_path), listed)
    assert files.read(".env") is None
    assert files.reason(".env") == "no permission"


def test_files_hold_what_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, {"compose.yml": "a", "conf/any.txt": "b", "x.rs": "c"})
    files = Files(str(tmp_path), walk(str(tmp_path)), {"compose.yml": b"unsaved", "new/.env": b"N=1"})
    assert files.paths("compose") == ["compose.yml"]
    assert files.paths("dotenv") == ["new/.env"]
    texts = {path: source.text for path in ("compose.yml", "conf/any.txt", "new/.env") if (source := files.read(path))}
    assert texts == {"compose.yml": "unsaved", "conf/any.txt": "b", "new/.env": "N=1"}
    assert files.read("compose.yml") is files.read("compose.yml")
    assert [source.path for source in files.sources()] == ["compose.yml", "conf/any.txt", "new/.env"]
    assert files.data("x.rs") == b"c"
    assert files.read("absent.txt") is None


def test_an_empty_root_is_the_overlay_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"secret.txt": "x"})
    files = Files("", (), {"compose.yml": b"a"})
    assert [file.path for file in files] == ["compose.yml"]
    assert files.read("secret.txt") is None


@pytest.mark.parametrize(
    ("files", "paths", "root"),
    [
        (["a/b/polint.toml"], ["a/b/c"], "a/b"),
        (["a/b/polint.toml"], ["a/b/c/x.env"], "a/b"),
        (["a/.git/HEAD", "a/b/c/x"], ["a/b/c"], "a"),
        (["a/.git/HEAD", "a/b/polint.toml"], ["a/b/c", "a/d"], "a"),
        (["a/pyproject.toml=[tool.polint]", "a/b/c/x"], ["a/b/c"], "a"),
        (["a/pyproject.toml=[project]\ndependencies = ['polint']", "a/b/c/x"], ["a/b/c"], "a/b/c"),
        (["a/pyproject.toml=[tool]\npolint = {}", "a/b/c/x"], ["a/b/c"], "a"),
    ],
)
def test_root(tmp_path: Path, files: list[str], paths: list[str], root: str) -> None:
    write(tmp_path, {file.partition("=")[0]: file.partition("=")[2] for file in files})
    for path in ("a/b/c", "a/d"):
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
    write(tmp_path, {"a/b/c/x.env": ""})
    assert find_root(paths, str(tmp_path)) == str(tmp_path / root)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_patterns_agree_with_git(tmp_path: Path) -> None:
    """Random pattern files and paths: git's own answer is the expected one."""
    atoms = [
        "a",
        "b",
        "foo",
        "*",
        "**",
        "?",
        "/",
        "/",
        "!",
        "[ab]",
        "[!a]",
        "\\*",
        " ",
        "#",
        ".env",
        "*.rs",
        "[a-c]",
        "{a}",
        "[[:digit:]]",
        "a\\ ",
    ]
    names = ["a", "b", "foo", "ab", "1", ".env", "x.rs", "c", " a", "{a}", "!a", "#", "a b"]
    chance = random.Random(7)
    for number in range(12):
        root = tmp_path / str(number)
        subprocess.run(["git", "init", "-q", str(root)], check=True)
        lines = ["".join(chance.choices(atoms, k=chance.randint(1, 5))) for _ in range(chance.randint(1, 4))]
        write(root, {".gitignore": "\n".join(lines) + "\n"})
        paths = []
        for _ in range(50):
            path = "/".join(chance.choices(names, k=chance.randint(1, 4)))
            try:
                write(root, {path: ""})
            except OSError:
                continue
            paths.append(path)
        asked = subprocess.run(
            ["git", "-C", str(root), "check-ignore", "-z", "--stdin"], input="\0".join(paths), capture_output=True, text=True, check=False
        )
        ignored = set(asked.stdout.split("\0"))
        patterns = gitignore.compile_lines(lines)
        for path in paths:
            assert gitignore.matches(patterns, path) == (path in ignored), (lines, path)


def test_no_pattern_backtracks_for_long() -> None:
    patterns = gitignore.compile_lines(["*a*a*a*a*a*a*a*a*a*a*a*b", "**/a/**/a/**/a/**/b"])
    assert not gitignore.matches(patterns, "a" * 250)
    assert not gitignore.matches(patterns, "a/" * 60 + "c")


@pytest.mark.parametrize("one", [one for one in FORMATS if one.needles], ids=lambda one: one.name)
def test_the_byte_filter(one: Format) -> None:
    is_worth = byte_filter(one.name)
    assert all(any(hint in needle for hint in one.hints) for needle in one.needles)
    assert all(is_worth(b"\n " + needle + b" ") for needle in one.needles)
    assert not any(is_worth(hint) for hint in one.hints if hint not in one.needles)
    assert not is_worth(b"")
