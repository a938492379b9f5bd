"""The pools that crates build, and what else of theirs connects."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..fact import Fact, default, derive, unknown, written
from ..formats import cargo
from ..value import Literal
from .client import Pool
from .crates import CrateSources, load
from .pool_libraries import LIBRARIES
from .project import Project, Tree
from .resolve import Environment, resolve

if TYPE_CHECKING:
    from ..formats import rust

_DRIVERS = frozenset({"sqlx-postgres", "sqlx-mysql", "sqlx-sqlite"})  # features of sea-orm


def library_version(library: str, crate: CrateSources, tree: Tree, project: Project) -> Fact[str]:
    """The crate's pool library as ``0.6``: from the nearest Cargo.lock, else from its own Cargo.toml or the workspace's."""
    maker, package = LIBRARIES[library].maker, LIBRARIES[library].package
    for folder in _upwards(crate.folder):
        lock = posixpath.join(folder, "Cargo.lock")
        version = cargo.locked(tree.data(lock), package)
        if version is not None:
            project.read_files.add(lock)
            return default(maker, version, "Cargo.lock")
        source = tree.read(posixpath.join(folder, "Cargo.toml"))
        asked = cargo.requirement(source, package) if source is not None else None
        if asked is not None:
            project.read_files.add(asked.span.path)
            return written(maker, asked.text, asked.span)
    return unknown(maker, "no Cargo.toml or Cargo.lock states its version")


def _upwards(folder: str) -> Iterator[str]:
    """``folder`` and all above it, the root last."""
    yield folder
    while folder:
        folder = posixpath.dirname(folder)
        yield folder


def build_pools(
    crate: CrateSources, environment: Environment, owner: str, tree: Tree, project: Project
) -> list[tuple[Pool, rust.PoolCall]]:
    """The pools of one crate as they are when it runs in ``environment``."""
    parsed = load(crate, tree, project)
    crate.undecided.clear()
    closed: Fact[bool] = written("closed", True, parsed.closes[0]) if parsed.closes else derive("closed", lambda: False)
    calls = [call for call in parsed.pools if _is_postgres(call, crate, environment, tree)]
    pools = []
    for index, call in enumerate(calls):
        raw, names = _raw(call, environment)
        number = f" {index + 1}" if len(calls) > 1 else ""
        pool = Pool(
            f"{owner} pool{number}",
            call.span,
            raw,
            library=call.library,
            constructor=call.constructor,
            version=partial(library_version, call.library, crate, tree, project),
            closed=closed,
            driver=call.driver,
            prepares_by_name=call.prepares,
            names=names,
        )
        pools.append((pool, call))
    return pools


def _raw(call: rust.PoolCall, environment: Environment) -> tuple[dict[str, Fact[Any]], dict[str, str]]:
    """The facts of a pool's settings by the names of SQLx, and what is called otherwise here than its library usually does."""
    common = {own: name for name, own in LIBRARIES[call.library].names.items()}
    raw: dict[str, Fact[Any]] = {}
    for setter, link in call.settings.items():
        name = common.get(setter, setter)
        fact = resolve(setter, link.value, environment)
        if link.span == call.span:  # nobody was seen to write it, but code that was not followed may
            fact = unknown(setter, fact.reason)
        elif call.library == "sqlx" and setter == "connect_timeout":  # what is wrong with it is its name
            fact = fact.at(link.name_span)
        elif isinstance(link.value, Literal):
            fact = fact.at(link.value_span)
        elif not fact.is_known and fact.span is None:
            fact = unknown(setter, fact.reason, link.value_span)
        if name == "min_connections" and fact.is_known and fact.value is None:
            continue  # min_idle(None) is the default
        raw[name] = fact
    if call.library == "sea-orm" and "connect_timeout" in raw:  # it sets SQLx's acquire_timeout, and acquire_timeout does so after it
        other = raw.pop("connect_timeout")
        if raw.setdefault("acquire_timeout", other) is other:
            return raw, {"acquire_timeout": "connect_timeout"}
    return raw, {}


def _is_postgres(call: rust.PoolCall, crate: CrateSources, environment: Environment, tree: Tree) -> bool:
    """Whether a pool connects to PostgreSQL: SeaORM's goes by the URL, else by the only driver the crate is built with."""
    if call.is_postgres:
        return True
    url = resolve("url", call.target, environment) if call.target is not None else None
    if url is not None and url.is_known and isinstance(url.value, str) and ":" in url.value:
        return url.value.startswith(("postgres:", "postgresql:"))
    drivers: set[str] = set()
    for folder in _upwards(crate.folder):
        data = tree.data(posixpath.join(folder, "Cargo.toml"))
        source = tree.read(posixpath.join(folder, "Cargo.toml")) if b"sqlx-" in data else None
        drivers |= {name for name in cargo.features(source, ("sea-orm", "sea-orm-migration")) if name in _DRIVERS} if source else set()
    if drivers != {"sqlx-postgres"}:
        if not drivers or "sqlx-postgres" in drivers:
            crate.undecided.add(call.library)
        return False
    return True


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


def has_clients(crate: CrateSources) -> bool:
    """Whether a loaded crate connects with anything besides pools that are read."""
    parsed = crate.crate
    return parsed is not None and bool(parsed.singles or parsed.others or parsed.lost or crate.undecided)


def other_libraries(crates: Collection[CrateSources]) -> str:
    """Why what loaded ``crates`` open cannot be told: other libraries than those that are read, or pools not followed; else ""."""
    loaded = [crate.crate for crate in crates if crate.crate is not None]
    unread = dict.fromkeys(name for parsed in loaded for name, _ in parsed.others)
    lost = dict.fromkeys(name for parsed in loaded for name, _ in parsed.lost if name not in unread)
    lost |= dict.fromkeys(name for crate in crates for name in sorted(crate.undecided))
    also = "also " if any(parsed.pools for parsed in loaded) else ""
    not_followed = [name for name in unread if name in LIBRARIES]
    not_read = [name for name in unread if name not in LIBRARIES]
    if not_read:
        return f"it {also}connects with {_listed(not_read)}, which {'is' if len(not_read) == 1 else 'are'} not read"
    if not_followed:
        return f"it {also}connects with {_listed(not_followed)}, in a way that is not followed"
    return f"it {also}has a pool of {_listed(list(lost))} for a database that its files do not name" if lost else ""


def _listed(names: Sequence[str]) -> str:
    shown = [LIBRARIES[name].maker if name in LIBRARIES else name for name in names]
    return " and ".join(shown) if len(shown) < 3 else f"{', '.join(shown[:-1])} and {shown[-1]}"
