"""The files of a commit, read out of git's own store: no checkout, no hook, no filter, no network."""

from __future__ import annotations

import os
import posixpath
import subprocess
from collections.abc import Iterable, Iterator, Mapping

from .discover import MAX_BYTES, Disk, Files, load, walk
from .tuples import NamedTuple

# Settings of a repository that could start a program or reach out; what is asked below reads objects only.
_QUIET = ("--no-pager", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never")
_TO_ITSELF = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE")  # as git tells its hooks
_MOST_LINKS = 10


class CannotRead(Exception):
    """There is no such tree; ``str()`` says why in one line."""


class Blob(NamedTuple):
    """A file of the tree: ``mode`` as git writes it, 120000 for a symbolic link."""

    mode: str
    name: str  # of the object
    size: int


class Tree(Mapping[str, bytes]):
    """The files below one folder of a commit, by path; each is read when it is asked for."""

    def __init__(self, root: str, blobs: Mapping[str, Blob]) -> None:
        self.root = root
        self.blobs = blobs
        self._process: subprocess.Popen[bytes] | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(self.blobs)

    def __len__(self) -> int:
        return len(self.blobs)

    def __contains__(self, path: object) -> bool:
        return path in self.blobs

    def __getitem__(self, path: str) -> bytes:
        blob = self.blobs[path]
        if blob.mode == "120000":
            target = self.target(path)
            return self[target] if target else b""
        if blob.size > MAX_BYTES:
            return b"\0" * (MAX_BYTES + 1)  # it is not read, and that is why
        return self._content(blob.name)

    def target(self, path: str) -> str:
        """The file that a symbolic link leads to, "" when that is none of the tree."""
        for _ in range(_MOST_LINKS):
            blob = self.blobs.get(path)
            if blob is None or blob.mode != "120000":
                return path if blob is not None else ""
            to = self._content(blob.name).decode("utf-8", "surrogateescape")
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), to))
        return ""

    def _content(self, name: str) -> bytes:
        if self._process is None:
            self._process = subprocess.Popen(
                ["git", *_QUIET, "-C", self.root, "cat-file", "--batch"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )
        asked, answer = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answer is not None
        asked.write(f"{name}\n".encode())
        asked.flush()
        head = answer.readline().split()
        if len(head) != 3:  # a partial clone does not have it
            return b""
        data = answer.read(int(head[2]))
        answer.read(1)
        return data

    def close(self) -> None:
        """Let git go."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


def read(root: str, ref: str) -> Tree:
    """The tree of a commit, below the folder ``root`` of a work tree; raises CannotRead."""
    _git(root, "rev-parse", "--git-dir")
    try:
        commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}").decode().strip()
    except CannotRead:
        raise CannotRead(_no_such(root, ref)) from None
    blobs = {}
    for line in _git(root, "ls-tree", "-r", "-l", "-z", commit).split(b"\0"):
        described, _, path = line.partition(b"\t")
        words = described.decode().split()
        if len(words) == 4 and words[1] == "blob":  # submodules are other repositories
            size = int(words[3]) if words[3].isdigit() else 0
            blobs[path.decode("utf-8", "surrogateescape")] = Blob(words[0], words[2], size)
    return Tree(root, blobs)


def files_of(tree: Tree, root: str, exclude: Iterable[str] = (), local: Iterable[str] = ()) -> Files:
    """The files of a project as the tree has them; ``local`` ones, which version control ignores, as they lie in ``root`` now."""
    there = _Stored(tree, os.path.realpath(root))
    found = walk(root, exclude, there)
    seen = {path: blob for path, blob in tree.blobs.items() if posixpath.dirname(path) in there.visited}
    extra = {path: data for path in local if path not in tree.blobs and (data := load(os.path.join(root, path))[0]) is not None}
    return Files("", found, _Together(tree, seen, extra))


class _Together(Mapping[str, bytes]):
    """The visible files of a tree, and some others."""

    def __init__(self, tree: Tree, seen: Mapping[str, Blob], extra: Mapping[str, bytes]) -> None:
        self._tree = tree
        self._seen = seen
        self._extra = extra

    def __iter__(self) -> Iterator[str]:
        yield from self._seen
        yield from self._extra

    def __len__(self) -> int:
        return len(self._seen) + len(self._extra)

    def __contains__(self, path: object) -> bool:
        return path in self._seen or path in self._extra

    def __getitem__(self, path: str) -> bytes:
        return self._extra[path] if path in self._extra else self._tree[path]


class _Name(NamedTuple):
    """One name in a folder of a tree."""

    name: str
    mode: str  # "" for a folder

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return not self.mode

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self.mode.startswith("100")

    def is_symlink(self) -> bool:
        return self.mode == "120000"


class _Stored(Disk):
    """A tree as a walk looks at it; ``visited`` are the folders it has been in, without their final ``/``."""

    def __init__(self, tree: Tree, real_root: str) -> None:
        super().__init__(real_root)
        self.visited: set[str] = set()
        self._tree = tree
        self._folders: dict[str, dict[str, _Name]] = {"": {}}
        for path, blob in tree.blobs.items():
            folder, name = posixpath.split(path)
            self._folders.setdefault(folder, {})[name] = _Name(name, blob.mode)
            while folder:
                above, name = posixpath.split(folder)
                known = self._folders.setdefault(above, {})
                if name in known:
                    break
                known[name] = _Name(name, "")
                folder = above

    def entries(self, folder: str) -> list[_Name]:
        self.visited.add(folder.rstrip("/"))
        return list(self._folders.get(folder.rstrip("/"), {}).values())

    def content(self, path: str) -> bytes | None:
        return self._tree.get(path)

    def link_reason(self, path: str) -> str:
        return "" if self._tree.target(path) else "link out of the project"


def _no_such(root: str, ref: str) -> str:
    from difflib import get_close_matches

    names = _git(root, "for-each-ref", "--format=%(refname:short)").decode("utf-8", "replace").split()
    near = get_close_matches(ref, names, n=1)
    shallow = _git(root, "rev-parse", "--is-shallow-repository").strip() == b"true"
    return (
        "the repository has no such commit"
        + (f"; did you mean '{near[0]}'?" if near else "")
        + ("; it is a shallow clone: fetch the commit first" if shallow else "")
    )


def _git(root: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", *_QUIET, "-C", root, *arguments], capture_output=True, stdin=subprocess.DEVNULL, env=_environment(), check=False
        )
    except FileNotFoundError:
        raise CannotRead("git is not installed") from None
    except (OSError, ValueError) as error:
        raise CannotRead(f"git cannot be run: {str(error).lower()}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0].removeprefix("fatal: ")
        raise CannotRead(f"{root} is in no git repository" if said.startswith("not a git repository") else said or "git refuses")
    return done.stdout


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _TO_ITSELF}
    return {**kept, "LC_ALL": "C", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
