"""Writing files so that no crash leaves one half written: all of them change, or none does.

New contents are written beside the old files first and brought to the disk.  Then a journal
names every pair, and only then the renames begin.  Whoever is stopped between two renames
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
_MARK = ".polint-new"


class ChangedMeanwhile(Exception):
    """A file is not what it was when it was read; nothing has been written.  ``path`` names it."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} changed while polint ran")
        self.path = path


def write_all(root: str, files: Mapping[str, tuple[bytes, bytes]]) -> None:
    """Replace files below ``root``: path -> (content as it was read, new content).

    Raises ChangedMeanwhile when some file holds something else by now, and OSError; in
    both cases no file has changed.
    """
    if not files:
        return
    targets = {path: os.path.realpath(os.path.join(root, path)) for path in files}
    pairs: list[tuple[str, str]] = []
    try:
        for path, (before, after) in files.items():
            target = targets[path]
            _check(path, target, before)
            beside = f"{target}{_MARK}"
            pairs.append((beside, target))
            _write(beside, after, os.stat(target))
        for path, (before, _) in files.items():
            _check(path, targets[path], before)
        if len(pairs) > 1:
            _write_journal(root, pairs)
    except BaseException:
        for beside, _ in pairs:
            _remove(beside)
        _remove(os.path.join(root, JOURNAL))
        raise
    _rename(root, pairs)


def recover(root: str) -> list[str]:
    """Finish what a run was stopped at; the paths that were still to be renamed, relative to ``root``."""
    journal = os.path.join(root, JOURNAL)
    try:
        with open(journal, "rb") as handle:
            pairs = [(os.path.join(root, new), os.path.join(root, old)) for new, old in loads(handle.read())]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError):  # the journal itself was cut short: no rename had begun
        _remove(journal)
        return []
    left = [(new, old) for new, old in pairs if os.path.lexists(new)]
    _rename(root, left)
    return [os.path.relpath(old, root).replace(os.sep, "/") for _, old in left]


def _check(path: str, target: str, before: bytes) -> None:
    with open(target, "rb") as handle:
        if handle.read() != before:
            raise ChangedMeanwhile(path)


def _write(path: str, data: bytes, like: os.stat_result) -> None:
    """A new file with the mode and, if possible, the owner of another, brought to the disk."""
    _remove(path)  # of an earlier run that was stopped
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        at = 0
        while at < len(data):
            at += os.write(descriptor, data[at:])
        if hasattr(os, "fchown") and (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
            with suppress(PermissionError):  # then the file is ours from now on, as with any editor
                os.fchown(descriptor, like.st_uid, like.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_journal(root: str, pairs: list[tuple[str, str]]) -> None:
    text = dumps([[os.path.relpath(new, root), os.path.relpath(old, root)] for new, old in pairs])
    path = os.path.join(root, JOURNAL)
    part = f"{path}{_MARK}"
    try:
        _write(part, text.encode(), os.stat(root))
        os.chmod(part, 0o600)
        os.replace(part, path)
        _sync_folder(root)
    except BaseException:
        _remove(part)
        raise


def _rename(root: str, pairs: list[tuple[str, str]]) -> None:
    for beside, target in pairs:
        os.replace(beside, target)
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
