"""Writing files so that no crash leaves one half written: all of them change, or none does.

New contents are written beside the old files first and brought to the disk.  Then a journal
names every pair, and only then the renames and removals begin.  Whoever is stopped between two of them
finds the journal on the next run and finishes them (``recover``); before the journal stands,
every file is as it was.  Links are written through, modes stay, owners where the system allows.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from json import dumps, loads

JOURNAL = ".polint-fix.journal"
BESIDE = ".polint-new"


class ChangedMeanwhile(Exception):
    """A file is not what it was when it was read; nothing has been written.  ``path`` names it."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} changed while polint ran")
        self.path = path


def write_all(root: str, files: Mapping[str, tuple[bytes | None, bytes | None]]) -> None:
    """Replace files below ``root``: path -> (content as it was read, new content); None where there is, or is to be, no file.

    Raises ChangedMeanwhile when some file holds something else by now, and OSError; in
    both cases no file has changed.
    """
    if not files:
        return
    root = os.path.realpath(root)
    targets = {path: os.path.realpath(os.path.join(root, path)) for path in files}
    pairs: list[tuple[str, str]] = []
    made: list[str] = []
    try:
        for path, (before, after) in files.items():
            target = targets[path]
            _check(path, target, before)
            if before is None:
                _make_folders(os.path.dirname(target), made)
            beside = f"{target}{BESIDE}" if after is not None else ""
            pairs.append((beside, target))
            if after is not None:
                _write(beside, after, os.stat(target) if before is not None else None)
        for path, (before, _) in files.items():
            _check(path, targets[path], before)
        if len(pairs) > 1:
            _write_journal(root, pairs)
    except BaseException:
        for beside, _ in pairs:
            _remove(beside)
        _remove(os.path.join(root, JOURNAL))
        for folder in reversed(made):
            with suppress(OSError):
                os.rmdir(folder)
        raise
    for folder in made:
        _sync_folder(os.path.dirname(folder))
    _carry_out(root, pairs)


def recover(root: str) -> list[str]:
    """Finish what a run was stopped at; the paths that were still to be renamed or removed, relative to ``root``."""
    root = os.path.realpath(root)
    journal = os.path.join(root, JOURNAL)
    try:
        with open(journal, "rb") as handle:
            pairs = [(os.path.join(root, new) if new else "", os.path.join(root, old)) for new, old in loads(handle.read())]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, RecursionError):  # the journal itself was cut short: no rename had begun
        _remove(journal)
        return []
    # a stranger's journal must not reach anything but what lies here
    left = [(new, old) for new, old in pairs if os.path.lexists(new or old) and new in ("", f"{old}{BESIDE}") and _is_in(root, old)]
    _carry_out(root, left)
    return [os.path.relpath(old, root).replace(os.sep, "/") for _, old in left]


def _is_in(root: str, path: str) -> bool:
    return os.path.realpath(path).startswith(root.rstrip(os.sep) + os.sep)


def _make_folders(path: str, made: list[str]) -> None:
    """The folder at ``path`` and those above it; what was not there is added to ``made``, outermost first."""
    missing = []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        os.mkdir(folder)
        made.append(folder)


def _check(path: str, target: str, before: bytes | None) -> None:
    try:
        with open(target, "rb") as handle:
            found = handle.read()
    except FileNotFoundError:
        if before is not None:
            raise
        return
    if before is None or found != before:
        raise ChangedMeanwhile(path)


def _write(path: str, data: bytes, like: os.stat_result | None) -> None:
    """A new file brought to the disk, with the mode and, if possible, the owner of another."""
    _remove(path)  # of an earlier run that was stopped
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if like is not None else 0o666)
    try:
        at = 0
        while at < len(data):
            at += os.write(descriptor, data[at:])
        if like is not None:
            if hasattr(os, "fchown") and (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                with suppress(PermissionError):  # then the file is ours from now on, as with any editor
                    os.fchown(descriptor, like.st_uid, like.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_journal(root: str, pairs: list[tuple[str, str]]) -> None:
    text = dumps([[os.path.relpath(new, root) if new else "", os.path.relpath(old, root)] for new, old in pairs])
    path = os.path.join(root, JOURNAL)
    part = f"{path}{BESIDE}"
    try:
        _write(part, text.encode(), os.stat(root))
        os.chmod(part, 0o600)
        os.replace(part, path)
        _sync_folder(root)
    except BaseException:
        _remove(part)
        raise


def _carry_out(root: str, pairs: list[tuple[str, str]]) -> None:
    for beside, target in pairs:
        if beside:
            os.replace(beside, target)
        else:
            os.unlink(target)
    for folder in {os.path.dirname(target) for _, target in pairs}:
        _sync_folder(folder)
    _remove(os.path.join(root, JOURNAL))


def _sync_folder(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return  # some systems open no folders
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
