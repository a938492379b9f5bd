"""Rust crates: which sources make one, and which service runs it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..formats import byte_filter
from .images import image_name
from .project import Project, Service, Stack, Tree
from .stack import below, under

if TYPE_CHECKING:
    from ..formats import rust


class CrateSources:
    """One package: its folder, name, and the files that may say something about pools or variables."""

    def __init__(self, folder: str, name: str) -> None:
        self.folder = folder
        self.name = name
        self.paths: list[str] = []
        self.binaries: frozenset[str] = frozenset()
        self.holds_pool = False
        self.crate: rust.Crate | None = None
        self.undecided: set[str] = set()  # libraries of pools of which nothing says to which database they connect


class Crates:
    """The pool-bearing crates of a tree, in the order of their first files."""

    def __init__(self, found: Iterable[CrateSources]) -> None:
        self._by_folder = {crate.folder: (number, crate) for number, crate in enumerate(found)}
        self._folders = sorted(self._by_folder)

    def under(self, folders: Iterable[str]) -> list[CrateSources]:
        """Those that lie in one of ``folders``."""
        found = [self._by_folder[folder] for folder in under(self._folders, folders)]
        return [crate for _, crate in sorted(found, key=lambda pair: pair[0])]


def find_crates(tree: Tree) -> Crates:
    """Every package of the tree that may build a pool; sources without a Cargo.toml belong to the folder above ``src``."""
    manifests = {posixpath.dirname(path) for path in tree.paths("cargo") if path.endswith("Cargo.toml")}
    is_worth = byte_filter("rust")
    crates: dict[str, CrateSources] = {}
    for path in tree.paths("rust"):
        folder = posixpath.dirname(path)
        while folder and folder not in manifests:
            folder = posixpath.dirname(folder)
        if folder not in manifests:
            head, separator, _ = path.partition("src/")
            folder = head.rstrip("/") if separator else posixpath.dirname(path)
        crate = crates.get(folder)
        if crate is None:
            crate = crates[folder] = CrateSources(folder, posixpath.basename(folder))
        crate.paths.append(path)
        if not crate.holds_pool:
            crate.holds_pool = is_worth(tree.data(path))
    found = [crate for crate in crates.values() if crate.holds_pool]
    for crate in found:
        from ..formats import cargo

        manifest = tree.data(posixpath.join(crate.folder, "Cargo.toml"))
        crate.name = cargo.package_name(manifest) or crate.name
        crate.binaries = _binaries(crate, manifest)
    return Crates(found)


def _binaries(crate: CrateSources, manifest: bytes) -> frozenset[str]:
    """The programs a package makes: its own name for src/main.rs, those of src/bin, and what ``[[bin]]`` names."""
    names = set()
    for path in crate.paths:
        inside = path[len(crate.folder) :].lstrip("/")
        if inside == "src/main.rs":
            names.add(crate.name)
        elif inside.startswith("src/bin/"):
            names.add(inside.removeprefix("src/bin/").removesuffix(".rs").removesuffix("/main"))
    inside_bin = False
    for line in manifest.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if text.startswith("["):
            inside_bin = text.partition("#")[0].strip() == "[[bin]]"
        elif inside_bin and text.partition("=")[0].strip() == "name":
            names.add(text.partition("=")[2].partition("#")[0].strip().strip("\"'"))
    return frozenset(names - {""})


def load(crate: CrateSources, tree: Tree, project: Project) -> rust.Crate:
    """The crate as read, once."""
    if crate.crate is None:
        from ..formats import rust

        sources = [source for path in crate.paths if (source := tree.read(path)) is not None]
        project.read_files.update(source.path for source in sources)
        crate.crate = rust.read_crate(sources)
        project.add_faults("rust", crate.crate.faults)
    return crate.crate


def crates_of(service: Service, crates: Crates, stack: Stack, tree: Tree) -> tuple[list[CrateSources], str]:
    """The pool-bearing crates a service runs, and why they cannot be told when there are several."""
    if not service.folders and service.image:
        base = image_name(service.image).base
        same = [crate for crate in crates.under((stack.folder,)) if crate.name == base]
        if len(same) == 1:
            return same, ""
    inside = crates.under(service.folders)
    if not inside:  # most services of a large stack: what follows looks at all the others
        return [], ""
    others = {folder for other in stack.services.values() if other is not service for folder in other.folders}
    found = []
    for crate in inside:
        for folder in service.folders:
            if not below(crate.folder, folder):
                continue
            nearer = any(len(other) > len(folder) and below(crate.folder, other) for other in others)
            if not nearer:
                found.append(crate)
                break
    if len(found) <= 1:
        return found, ""
    for text in (" ".join(text for text, _ in service.command), service.runs):
        programs = {word.strip("\"'[],;").rpartition("/")[2] for word in text.split()}  # api, ./api and /usr/local/bin/api alike
        running = [crate for crate in found if crate.binaries & programs]
        if len(running) == 1:
            return _with_dependencies(running[0], found, tree), ""
    words = " ".join(text for text, _ in service.command) + " " + service.runs
    copied = " ".join(service.mounts)
    named = [crate for crate in found if crate.name and any(_says(text, crate.name) for text in (words, copied, service.name))]
    if len(named) == 1:
        used = _with_dependencies(named[0], found, tree)
        return used, ""
    return [], f"its sources hold pools in {len(found)} crates ({', '.join(crate.name or '.' for crate in found[:4])})"


def _says(text: str, name: str) -> bool:
    for alias in {name, name.replace("-", "_"), name.replace("_", "-")}:
        at = text.find(alias)
        while at >= 0:
            before, after = text[at - 1 : at], text[at + len(alias) : at + len(alias) + 1]
            if not (before.isalnum() or before in ("-", "_")) and not (after.isalnum() or after in ("-", "_")):
                return True
            at = text.find(alias, at + 1)
    return False


def _with_dependencies(crate: CrateSources, crates: Sequence[CrateSources], tree: Tree) -> list[CrateSources]:
    """The crate and those of ``crates`` its Cargo.toml names, directly or through each other."""
    found = [crate]
    for current in found:
        data = tree.data(posixpath.join(current.folder, "Cargo.toml")).decode("utf-8", "replace")
        found.extend(other for other in crates if other not in found and other.name and _says(data, other.name))
    return found
