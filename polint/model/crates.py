"""Rust crates: which sources make one, which service runs it, and the pools it builds."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..fact import Fact, default, derive, unknown, written
from ..formats import byte_filter, cargo
from ..value import Literal
from .client import Pool
from .images import image_name
from .project import Project, Service, Stack, Tree
from .resolve import Environment, resolve
from .stack import below, under

if TYPE_CHECKING:
    from ..formats import rust


class CrateSources:
    """One package: its folder, name, and the files that may say something about pools or variables."""

    def __init__(self, folder: str, name: str) -> None:
        self.folder = folder
        self.name = name
        self.paths: list[str] = []
        self.holds_pool = False
        self.crate: rust.Crate | None = None


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
        crate.name = cargo.package_name(tree.data(posixpath.join(crate.folder, "Cargo.toml"))) or crate.name
    return Crates(found)


def load(crate: CrateSources, tree: Tree, project: Project) -> rust.Crate:
    """The crate as read, once."""
    if crate.crate is None:
        from ..formats import rust

        sources = [source for path in crate.paths if (source := tree.read(path)) is not None]
        project.read_files.update(source.path for source in sources)
        crate.crate = rust.read_crate(sources)
    return crate.crate


def crates_of(service: Service, crates: Crates, stack: Stack, tree: Tree) -> tuple[list[CrateSources], str]:
    """The pool-bearing crates a service runs, and why they cannot be told when there are several."""
    if not service.folders and service.image:
        base = image_name(service.image).base
        same = [crate for crate in crates.under((stack.folder,)) if crate.name == base]
        if len(same) == 1:
            return same, ""
    others = {folder for other in stack.services.values() if other is not service for folder in other.folders}
    found = []
    for crate in crates.under(service.folders):
        for folder in service.folders:
            if not below(crate.folder, folder):
                continue
            nearer = any(len(other) > len(folder) and below(crate.folder, other) for other in others)
            if not nearer:
                found.append(crate)
                break
    if len(found) <= 1:
        return found, ""
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
            if not (before.isalnum() or before in "-_") and not (after.isalnum() or after in ("-", "_")):
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


def sqlx_version(crate: CrateSources, tree: Tree, project: Project) -> Fact[str]:
    """The crate's SQLx as ``0.6``: from the nearest Cargo.lock, else from its own Cargo.toml or the workspace's."""
    folder = crate.folder
    while True:
        lock = posixpath.join(folder, "Cargo.lock")
        version = cargo.locked(tree.data(lock), "sqlx")
        if version is not None:
            project.read_files.add(lock)
            return default("SQLx", version, "Cargo.lock")
        source = tree.read(posixpath.join(folder, "Cargo.toml"))
        asked = cargo.requirement(source, "sqlx") if source is not None else None
        if asked is not None:
            project.read_files.add(asked.span.path)
            return written("SQLx", asked.text, asked.span)
        if not folder:
            return unknown("SQLx", "no Cargo.toml or Cargo.lock states its version")
        folder = posixpath.dirname(folder)


def build_pools(
    crate: CrateSources, environment: Environment, owner: str, tree: Tree, project: Project
) -> list[tuple[Pool, rust.PoolCall]]:
    """The pools of one crate as they are when it runs in ``environment``."""
    parsed = load(crate, tree, project)
    closed: Fact[bool] = written("closed", True, parsed.closes[0]) if parsed.closes else derive("closed", lambda: False)
    pools = []
    for index, call in enumerate(parsed.pools):
        raw: dict[str, Fact[Any]] = {}
        for name, link in call.settings.items():
            fact = resolve(name, link.value, environment)
            if link.span == call.span:  # nobody was seen to write it, but code that was not followed may
                fact = unknown(name, fact.reason)
            elif isinstance(link.value, Literal):
                fact = fact.at(link.value_span)
            elif not fact.is_known and fact.span is None:
                fact = unknown(name, fact.reason, link.value_span)
            raw[name] = fact
        number = f" {index + 1}" if len(parsed.pools) > 1 else ""
        pool = Pool(
            f"{owner} pool{number}",
            call.span,
            raw,
            library=call.library,
            constructor=call.constructor,
            version=lambda: sqlx_version(crate, tree, project),
            closed=closed,
        )
        pools.append((pool, call))
    return pools


def _one(facts: Sequence[Fact[int]], combine: Callable[..., int]) -> Fact[int]:
    return facts[0] if len(facts) == 1 else derive("max_connections", combine, *facts)


def together(pools: Sequence[tuple[Pool, rust.PoolCall]]) -> tuple[Fact[int], Fact[int] | None]:
    """Size of all pools of a process: (at least, at most when that differs).

    Pools built in one function run together.  Across functions some may be
    alternatives, so the largest function is certain and the sum is the bound.
    """
    by_function: dict[tuple[str, str], dict[object, list[Fact[int]]]] = {}
    for index, (pool, call) in enumerate(pools):
        branches = by_function.setdefault((call.span.path, call.function), {})
        branches.setdefault(call.choice or index, []).append(pool.max_connections)
    sums = []
    for branches in by_function.values():
        each = [_one(facts, max) for facts in branches.values()]  # of the branches of one if or match, one runs
        sums.append(_one(each, lambda *sizes: sum(sizes)))
    if len(sums) == 1:
        return sums[0], None
    known = [fact for fact in sums if fact.is_known]
    least = max(known, key=lambda fact: fact.value) if known else sums[0]
    return least, derive("max_connections", lambda *sizes: sum(sizes), *sums)
