"""Rust crates: which sources make one, which service runs it, and the pools it builds."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterable, Sequence
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
        self.binaries: frozenset[str] = frozenset()
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
            elif name == "connect_timeout":  # what is wrong with it is its name
                fact = fact.at(link.name_span)
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


def _times(fact: Fact[int], count: int) -> Fact[int]:
    return fact if count == 1 else derive("max_connections", lambda size: size * count, fact)


def together(pools: Sequence[tuple[Pool, rust.PoolCall]], crates: Sequence[CrateSources] = ()) -> tuple[Fact[int], Fact[int] | None]:
    """Size of all pools of a process, and of what else its ``crates`` open: (at least, at most when that differs).

    Pools built in one function run together.  Across functions some may be
    alternatives, so the largest function is certain and the sum is the bound.
    Nothing is the bound where a pool is built over and over, or by a library that is not read.
    """
    by_function: dict[tuple[str, str], dict[object, list[tuple[Fact[int], Fact[int]]]]] = {}
    for index, (pool, call) in enumerate(pools):
        branches = by_function.setdefault((call.span.path, call.function), {})
        least, most = _times(pool.max_connections, call.at_least_built), _most(pool.max_connections, call)
        branches.setdefault(call.choice or index, []).append((least, most))
    parsed = [crate.crate for crate in crates if crate.crate is not None]
    singles = [single for crate in parsed for single in crate.singles]
    least_sums, most_sums = [], []
    for branches in by_function.values():
        # of the branches of one if or match, one runs
        least_sums.append(_one([_one([low for low, _ in facts], max) for facts in branches.values()], _sum))
        most_sums.append(_one([_one([high for _, high in facts], max) for facts in branches.values()], _sum))
    known = [fact for fact in least_sums if fact.is_known]
    lows = [max(known, key=lambda fact: fact.value) if known else least_sums[0]] if least_sums else []
    for single in singles:
        one: Fact[int] = written("max_connections", 1, single.span)
        lows.append(_times(one, single.at_least_built))
        most_sums.append(_most(one, single))
    reason = other_libraries(crates)
    if reason:
        most_sums.append(unknown("max_connections", reason))
    if not lows:
        return unknown("max_connections", reason or "no pool was found in its sources"), None
    counts = [(call.at_least_built, call.at_most_built) for _, call in pools]
    counts += [(single.at_least_built, single.at_most_built) for single in singles]
    is_exact = len(by_function) <= 1 and not reason and all(fewest == limit for fewest, limit in counts)
    return _one(lows, _sum), None if is_exact else _one(most_sums, _sum)


def _sum(*sizes: int) -> int:
    return sum(sizes)


def _most(size: Fact[int], call: rust.PoolCall | rust.Single) -> Fact[int]:
    """``size`` for each time the call may run."""
    if call.at_most_built is None:
        noun = "its pool" if hasattr(call, "settings") else f"a connection of {call.constructor}"
        return unknown("max_connections", f"{noun} {call.repeated}", call.span)
    return _times(size, call.at_most_built)


def other_libraries(crates: Collection[CrateSources]) -> str:
    """Why what loaded ``crates`` open cannot be told, when they use other libraries than SQLx; else ""."""
    names = dict.fromkeys(name for crate in crates if crate.crate is not None for name, _ in crate.crate.others)
    if not names:
        return ""
    has_pools = any(crate.crate is not None and crate.crate.pools for crate in crates)
    listed = " and ".join(names) if len(names) < 3 else f"{', '.join(list(names)[:-1])} and {list(names)[-1]}"
    verb = "is" if len(names) == 1 else "are"
    return f"it {'also ' if has_pools else ''}connects with {listed}, which {verb} not read"
