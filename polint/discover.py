"""Which files make up the project, what each is read as, and why some are not read.

Names decide first and contents are looked at last: a file is opened only when
somebody asks for it.  Nothing outside the root is ever opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

from . import config, gitignore
from .formats import format_of
from .source import Source
from .tuples import NamedTuple

MAX_BYTES = 5_000_000
_HEAD = 8192  # a NUL byte in here makes a file binary
_CHUNK = 65536  # larger reads allocate their full size for every small file

# Tool state, caches and other people's code.  Every other folder is walked, hidden ones too: .docker/, .deploy/ and
# .devcontainer/ do hold compose files and server configurations.  `dist` and `build` may be what is deployed.
PRUNED = frozenset(
    (
        ".git .hg .svn .bzr .jj node_modules bower_components vendor target __pycache__ site-packages .venv venv .tox .nox .eggs "
        ".cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .idea .vscode .gradle .terraform .direnv .next .nuxt .yarn "
        ".pnpm-store .npm .cargo .rustup .local .Trash"
    ).split()
)
_MOST_PROGRAMS = 20_000  # files looked through for who reads a variable
_NO_PROGRAMS = (
    ".md", ".rst", ".txt", ".adoc", ".lock", ".svg", ".png", ".jpg", ".gif", ".ico", ".woff", ".woff2", ".pdf", ".map", ".css", ".sum",
    ".sample", ".example", ".dist",
)  # fmt: skip
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_RUST_TESTS = frozenset(("tests", "benches", "examples"))  # beside a Cargo.toml: built by `cargo test` and the like only
_PHP_TESTS = frozenset(("tests", "Tests"))


class File(NamedTuple):
    """A file whose name says that it may matter.

    ``path`` is relative to the root, with ``/``.  ``ignored`` means that version
    control ignores it: what it says holds on this machine only.  ``skip_reason``
    is why it is not read, or "".  A folder that cannot be listed appears with a
    path that ends in ``/`` and no format.
    """

    path: str
    format: str | None
    ignored: bool = False
    skip_reason: str = ""


class Files:
    """The files under ``root``, each read at most once and only when asked for.

    ``overlay`` maps a path to bytes that stand in for what is on the disk (an editor's
    unsaved text); with an empty ``root`` there is nothing but the overlay.
    """

    def __init__(self, root: str, files: Iterable[File], overlay: Mapping[str, bytes] | None = None) -> None:
        self.root = root
        self._real_root = os.path.realpath(root) if root else ""
        self._overlay = overlay or {}
        self._files = {file.path: file for file in files}
        for path in self._overlay:
            if path not in self._files:
                self._files[path] = File(path, format_of(path))
        self._by_format: dict[str, list[str]] = {}
        for path, file in sorted(self._files.items()):
            if file.format is not None and not file.skip_reason:
                self._by_format.setdefault(file.format, []).append(path)
        self._sources: dict[str, Source | None] = {}
        self._reasons: dict[str, str] = {}
        self._last: tuple[str, bytes] = ("", b"")
        self._programs: dict[str, list[str]] = {}

    def __iter__(self) -> Iterator[File]:
        for path in sorted(self._files):
            yield self._files[path]

    def __len__(self) -> int:
        return len(self._files)

    def paths(self, format_name: str) -> Sequence[str]:
        """Paths of the files to be read as ``format_name``, sorted; not to be changed."""
        return self._by_format.get(format_name, ())

    def find(self, path: str) -> File | None:
        """The file at ``path``, e.g. one that another file names: it need not have been found by its own name.

        None when there is no such file or it lies outside the root.
        """
        found = self._files.get(path)
        if found is not None or not self.root:
            return found
        real = os.path.realpath(os.path.join(self._real_root, path))
        if not _is_under(real, self._real_root) or not os.path.isfile(real):
            return None
        path = os.path.relpath(real, self._real_root).replace(os.sep, "/")
        if path not in self._files:
            self._files[path] = File(path, format_of(path))
        return self._files[path]

    def read(self, path: str) -> Source | None:
        """One file's text; None when it is absent, outside the root or not readable (then ``reason`` says why)."""
        if path not in self._sources:
            data = self._bytes(path)
            self._sources[path] = None if data is None else Source.from_bytes(path, data)
        return self._sources[path]

    def data(self, path: str) -> bytes:
        """One file's bytes, empty when it cannot be read; not kept, so that a large tree of other files costs no memory."""
        source = self._sources.get(path)
        return source.encode() if source is not None else self._bytes(path) or b""

    def programs(self, folder: str) -> list[str]:
        """Every file in ``folder`` and below that may hold a program or be read by one, whatever its name; sorted.

        Left out are files that only set or describe things: environment and compose files, prose, lock files, pictures.
        """
        if folder not in self._programs:
            found = [path for path in self._overlay if not folder or path.startswith(folder + "/")]
            if self.root:
                found = []
                waiting = [folder]
                while waiting and len(found) < _MOST_PROGRAMS:
                    at = waiting.pop()
                    try:
                        with os.scandir(os.path.join(self._real_root, at)) as listing:
                            entries = sorted(listing, key=lambda entry: entry.name)
                    except OSError:
                        continue
                    for entry in entries:
                        path = f"{at}/{entry.name}" if at else entry.name
                        if entry.is_dir(follow_symlinks=False):
                            if entry.name not in PRUNED:
                                waiting.append(path)
                        elif entry.is_file(follow_symlinks=False):
                            found.append(path)
            self._programs[folder] = sorted(
                path for path in found if not path.endswith(_NO_PROGRAMS) and format_of(path) not in ("dotenv", "compose")
            )
        return self._programs[folder]

    def sources(self) -> list[Source]:
        """Every source read so far, in path order."""
        return [source for _, source in sorted(self._sources.items()) if source is not None]

    def reason(self, path: str) -> str | None:
        """Why a file was not read: "" when it was, None when nobody has asked for it."""
        file = self._files.get(path)
        return (file.skip_reason if file is not None else "") or self._reasons.get(path)

    def _bytes(self, path: str) -> bytes | None:
        if self._last[0] == path:
            return self._last[1]
        found = self.find(path)
        if found is None or found.skip_reason:
            return None
        data: bytes | None
        if path in self._overlay:
            data = self._overlay[path]
            reason = _refusal(data, len(data))
            data = None if reason else data
        else:
            data, reason = load(f"{self._real_root}/{found.path}")
        self._reasons[found.path] = self._reasons[path] = reason
        if data is not None:
            self._last = (path, data)
        return data


def _refusal(head: bytes, size: int) -> str:
    """Why content that starts with ``head`` is not read, or ""."""
    if size > MAX_BYTES:
        return "over 5 MB"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16, not UTF-8"
    if head.find(b"\0", 0, _HEAD) >= 0:
        return "binary"
    return ""


def load(path: str) -> tuple[bytes | None, str]:
    """A file's content, and why it is not read, or ""."""
    try:
        handle = os.open(path, _READ)
    except OSError as error:
        return None, _why(error)
    try:
        data = os.read(handle, _CHUNK)
        if len(data) < _CHUNK:
            reason = _refusal(data, len(data))
            return (None, reason) if reason else (data, "")
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return None, "not a regular file"
        reason = _refusal(data, status.st_size)
        if reason:
            return None, reason
        chunks = [data]
        total = len(data)
        while data and total <= MAX_BYTES:
            data = os.read(handle, _CHUNK)
            chunks.append(data)
            total += len(data)
        return (None, "over 5 MB") if total > MAX_BYTES else (b"".join(chunks), "")
    except OSError as error:
        return None, _why(error)
    finally:
        os.close(handle)


def _why(error: OSError) -> str:
    import errno

    reasons = {
        errno.EACCES: "no permission",
        errno.EPERM: "no permission",
        errno.ENOENT: "no such file",
        errno.ELOOP: "link loop",
        errno.EISDIR: "not a regular file",
        errno.ENXIO: "not a regular file",
    }
    return reasons.get(error.errno or 0) or (error.strerror or "cannot be read").lower()


# (path of the root below the pattern file, length of the pattern file's folder below the root, its patterns)
_Rules: TypeAlias = "tuple[tuple[str, int, gitignore.Patterns], ...]"


class Entry(Protocol):
    """One name in a folder, as ``os.scandir`` has it."""

    @property
    def name(self) -> str: ...

    def is_dir(self, *, follow_symlinks: bool = True) -> bool: ...

    def is_file(self, *, follow_symlinks: bool = True) -> bool: ...

    def is_symlink(self) -> bool: ...


class Disk:
    """Where a walk looks: the folders below ``real_root``.  Paths are relative to it, those of folders end in ``/``."""

    def __init__(self, real_root: str) -> None:
        self.real_root = real_root

    def entries(self, folder: str) -> Sequence[Entry]:
        """What lies in a folder; raises OSError."""
        with os.scandir(f"{self.real_root}/{folder}") as listing:
            return list(listing)

    def content(self, path: str) -> bytes | None:
        """A pattern file's content, None when it cannot be read; git follows no links there."""
        return None if os.path.islink(f"{self.real_root}/{path}") else load(f"{self.real_root}/{path}")[0]

    def link_reason(self, path: str) -> str:
        """Why the symbolic link ``path`` is not read, or ""."""
        return _link_reason(f"{self.real_root}/{path}", self.real_root)


def walk(root: str, exclude: Iterable[str] = (), disk: Disk | None = None) -> list[File]:
    """Every file under ``root`` whose name is that of a format, in path order; nothing is opened but ``.gitignore``.

    ``exclude`` are patterns as in ``.gitignore``.  What version control ignores is
    skipped as well, except environment files: those are nearly always ignored, and needed.
    With another ``disk``, what that has in the place of ``root``.
    """
    excluded = gitignore.compile_paths(exclude)
    real_root = os.path.realpath(root)
    disk = disk or Disk(real_root)
    found: list[File] = []
    # folder with its final "/", ignore rules, under a crate's tests, under PHP tests
    stack: list[tuple[str, _Rules, bool, bool]] = [("", _rules_above(real_root), False, False)]
    while stack:
        prefix, rules, rust_tests, php_tests = stack.pop()
        try:
            entries = disk.entries(prefix)
        except OSError as error:
            found.append(File(prefix or "./", None, False, _why(error)))
            continue
        names = {entry.name for entry in entries}
        crate = "Cargo.toml" in names
        if crate:
            rust_tests = False  # a crate of its own, wherever it lies
        if ".gitignore" in names:
            patterns = _patterns(disk.content(f"{prefix}.gitignore"))
            if patterns:
                rules = (*rules, ("", len(prefix), patterns))
        for entry in entries:
            name = entry.name
            try:
                is_folder = entry.is_dir(follow_symlinks=False)
            except OSError:
                is_folder = False
            if is_folder:
                if name in PRUNED:
                    continue
                path = prefix + name
                if (excluded and gitignore.verdict(excluded, path, True)) or (rules and _ignored(rules, path, True)):
                    continue
                inner_rust = rust_tests or (crate and name in _RUST_TESTS)
                stack.append((path + "/", rules, inner_rust, php_tests or name in _PHP_TESTS))
                continue
            format = format_of(name)
            if format is None:
                continue
            path = prefix + name
            ignored = bool(rules) and _ignored(rules, path, False)
            reason = ""
            if excluded and gitignore.verdict(excluded, path, False):
                reason = "excluded by the configuration"
            elif ignored and format != "dotenv":
                reason = "ignored by .gitignore"
            elif (rust_tests and format == "rust") or (php_tests and format == "php"):
                reason = "test code"
            elif entry.is_symlink():
                reason = disk.link_reason(path)
            elif not entry.is_file(follow_symlinks=False):
                reason = "not a regular file"
            found.append(File(path, format, ignored, reason))
    found.sort(key=lambda file: file.path)
    return found


def _link_reason(path: str, real_root: str) -> str:
    """Why the symbolic link ``path`` is not read, or ""."""
    try:
        status = os.stat(path)
    except OSError as error:
        why = _why(error)
        return "broken link" if why == "no such file" else why
    if not _is_under(os.path.realpath(path), real_root):
        return "link out of the project"
    return "" if stat.S_ISREG(status.st_mode) else "not a regular file"


def _is_under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _ignored(rules: _Rules, path: str, folder: bool) -> bool:
    """Whether the nearest pattern file that speaks of ``path`` ignores it."""
    for above, depth, patterns in reversed(rules):
        said = gitignore.verdict(patterns, above + path[depth:], folder)
        if said is not None:
            return said
    return False


def _patterns(data: bytes | None) -> gitignore.Patterns:
    return gitignore.compile_lines(data.decode("utf-8", "surrogateescape").removeprefix("\ufeff").split("\n")) if data else None


def _rules_above(real_root: str) -> _Rules:
    """The ignore rules that folders above the root state for it, up to the top of its repository."""
    above: list[tuple[str, int, gitignore.Patterns]] = []
    folder, below = real_root, ""
    while not os.path.lexists(f"{folder}/.git"):
        parent, _, name = folder.rpartition("/")
        if not name:
            return ()  # no repository: folders above are none of our business
        folder, below = parent, f"{name}/{below}"
        if os.path.lexists(f"{folder}/.gitignore"):
            patterns = None if os.path.islink(f"{folder}/.gitignore") else _patterns(load(f"{folder}/.gitignore")[0])
            # a root that is itself ignored was asked for by name
            if patterns and not any(gitignore.verdict(patterns, below[:at], True) for at, char in enumerate(below) if char == "/"):
                above.append((below, 0, patterns))
    return tuple(reversed(above))


def find_root(paths: Iterable[str], cwd: str) -> str:
    """The root of the project that ``paths`` belong to: absolute, without a final ``/``.

    It is the nearest folder, from the one that holds all ``paths`` upwards, with a
    configuration or a ``.git``; else the folder that holds them.
    """
    absolute = [os.path.abspath(os.path.join(cwd, path)) for path in paths] or [os.path.abspath(cwd)]
    folders = [path if os.path.isdir(path) else os.path.dirname(path) for path in absolute]
    try:
        start = os.path.commonpath(folders)
    except ValueError:  # different drives
        start = folders[0]
    folder = start
    while True:
        if os.path.lexists(os.path.join(folder, ".git")) or config.find(folder) is not None:
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return start
        folder = parent
