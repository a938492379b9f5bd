"""Files are written whole or not at all, whatever stops the process and wherever."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polint import writing

OLD = {"a.conf": b"one\r\n", "sub/b.conf": b"\xef\xbb\xbftwo", "c.conf": b"caf\xe9\n"}
NEW = {"a.conf": b"ONE\r\n" * 4000, "sub/b.conf": b"", "c.conf": b"CAF\xe9\n"}
CALLS = ("open", "write", "fchmod", "fsync", "close", "replace", "unlink", "stat", "chmod", "fchown")


class Killed(BaseException):
    """What stops the process: nothing of polint catches it to go on."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, data in OLD.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return tmp_path


def pairs() -> dict[str, tuple[bytes, bytes]]:
    return {name: (OLD[name], NEW[name]) for name in OLD}


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_everything_is_replaced_and_nothing_left_over(root: Path) -> None:
    writing.write_all(str(root), pairs())
    assert contents(root) == NEW
    assert writing.recover(str(root)) == []


def interrupted(monkeypatch: pytest.MonkeyPatch, at: int, *, dies: bool) -> list[str]:
    """Make the ``at``-th system call of the write path fail, and if ``dies`` every later one as well, as nothing runs any more."""
    made: list[str] = []

    def wrap(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            made.append(name)
            if len(made) == at or (dies and len(made) > at):
                raise Killed(name) if dies else OSError(28, "No space left on device")
            if name == "write" and len(made) + 1 == at:
                return call(args[0], args[1][: max(1, len(args[1]) // 2)])  # half of it, then the end
            return call(*args, **options)

        return wrapped

    for name in CALLS:
        monkeypatch.setattr(writing.os, name, wrap(name, getattr(os, name)))
    return made


def count(root: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    with monkeypatch.context() as patch:
        made = interrupted(patch, 0, dies=False)
        writing.write_all(str(root), pairs())
    for name, data in OLD.items():
        (root / name).write_bytes(data)
    return len(made)


def test_killed_at_any_system_call_no_file_is_ever_half_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total = count(root, monkeypatch)
    assert total > 25
    outcomes = set()
    for at in range(1, total + 1):
        with monkeypatch.context() as patch:
            interrupted(patch, at, dies=True)
            with pytest.raises(Killed):
                writing.write_all(str(root), pairs())
        now = contents(root)
        assert all(now[name] in (OLD[name], NEW[name]) for name in OLD), at
        finished = writing.recover(str(root))
        now = contents(root)
        state = {name: now[name] for name in OLD}
        assert state in (OLD, NEW), at  # all or nothing, at the latest after the next start
        outcomes.add((state == NEW, bool(finished)))
        # what a dead process left beside is overwritten or swept by the next run
        for name, data in OLD.items():
            (root / name).write_bytes(data)
        writing.write_all(str(root), pairs())
        assert contents(root) == NEW, at
        for name, data in OLD.items():
            (root / name).write_bytes(data)
    assert outcomes == {(False, False), (True, True), (True, False)}


def test_an_error_at_any_system_call_leaves_everything_as_it_was_or_done(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total = count(root, monkeypatch)
    undone = 0
    for at in range(1, total + 1):
        with monkeypatch.context() as patch:
            interrupted(patch, at, dies=False)
            try:
                writing.write_all(str(root), pairs())
            except OSError:
                undone += 1
        writing.recover(str(root))
        now = contents(root)
        assert {name: now[name] for name in OLD} in (OLD, NEW), at
        for name, data in OLD.items():
            (root / name).write_bytes(data)
    assert undone > 15


def test_a_file_that_changed_since_it_was_read_stops_all(root: Path) -> None:
    (root / "c.conf").write_bytes(b"somebody else")
    with pytest.raises(writing.ChangedMeanwhile, match=r"c\.conf changed while polint ran"):
        writing.write_all(str(root), pairs())
    assert contents(root) == {**OLD, "c.conf": b"somebody else"}


def test_links_modes_and_names_stay(root: Path, tmp_path: Path) -> None:
    (root / "real").mkdir()
    (root / "real" / "x.conf").write_bytes(b"old")
    (root / "real" / "x.conf").chmod(0o640)
    (root / "x.conf").symlink_to("real/x.conf")
    writing.write_all(str(root), {"x.conf": (b"old", b"new")})
    assert (root / "x.conf").is_symlink()
    assert (root / "real" / "x.conf").read_bytes() == b"new"
    assert stat.S_IMODE((root / "real" / "x.conf").stat().st_mode) == 0o640


def test_a_journal_that_was_cut_short_is_thrown_away(root: Path) -> None:
    (root / writing.JOURNAL).write_bytes(b'[["a.conf.pol')
    assert writing.recover(str(root)) == []
    assert contents(root) == OLD


def test_files_come_and_go_with_the_others(root: Path) -> None:
    changes: dict[str, tuple[bytes | None, bytes | None]] = {
        "new/deep/d.conf": (None, b"four"),
        "sub/b.conf": (OLD["sub/b.conf"], None),
        "a.conf": (OLD["a.conf"], NEW["a.conf"]),
    }
    writing.write_all(str(root), changes)
    assert contents(root) == {"new/deep/d.conf": b"four", "a.conf": NEW["a.conf"], "c.conf": OLD["c.conf"]}
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((root / "new" / "deep" / "d.conf").stat().st_mode) == 0o666 & ~umask


def test_killed_at_any_system_call_no_file_has_come_or_gone_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes: dict[str, tuple[bytes | None, bytes | None]] = {"x/new": (None, b"n"), "old": (b"o", None), "same": (b"1", b"2")}
    before, after = {"old": b"o", "same": b"1"}, {"x/new": b"n", "same": b"2"}
    at = 0
    while True:
        at += 1
        root = tmp_path / str(at)
        root.mkdir()
        for name, data in before.items():
            (root / name).write_bytes(data)
        with monkeypatch.context() as patch:
            made = interrupted(patch, at, dies=True)
            with contextlib.suppress(Killed):
                writing.write_all(str(root), changes)
        if len(made) < at:
            break
        writing.recover(str(root))
        found = {name: data for name, data in contents(root).items() if not name.endswith(writing.BESIDE)}
        assert found in (before, after), at
    assert at > 20


def test_a_file_that_has_come_meanwhile_stops_all(root: Path) -> None:
    with pytest.raises(writing.ChangedMeanwhile, match=r"a\.conf changed"):
        writing.write_all(str(root), {"d.conf": (None, b"x"), "a.conf": (None, b"y")})
    assert contents(root) == OLD
