"""What code that reaches its server through a PgBouncer leaves behind in sessions that are not its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..fact import Fact
from ..source import Span
from .connections import is_database
from .crates import CrateSources
from .pooler import Pooler
from .project import Project, Service, Tree
from .resolve import resolve
from .stack import under

if TYPE_CHECKING:
    from ..formats import php
    from .consumers import Linker

_WHAT = {
    "listen": "LISTEN",
    "lock": "{name}()",
    "table": "the temporary table {name}",
    "set": "SET {name}",
    "prepare": "PREPARE {name}",
    "migrate": "migrate! (pg_advisory_lock)",
}
_HARM = {
    "listen": "no notification arrives",
    "lock": "the lock stays on a server connection that others go on to use",
    "table": "the table stays on a server connection that others go on to use",
    "set": "the setting stays on a server connection that others go on to use",
    "prepare": "the next server connection does not know the statement",
    "migrate": "the lock may be given back on another server connection than the one that holds it",
}
_UNDONE = ("lock", "table", "prepare")  # what the same transaction may take back


class SessionUse:
    """One query, migration or listener of code that goes through ``pooler``, and that needs a session of its own.

    ``feature`` is ``listen``, ``lock``, ``table``, ``set``, ``prepare`` or ``migrate``.
    """

    kind = "session_use"

    def __init__(self, feature: str, name: str, span: Span, pooler: Pooler) -> None:
        self.feature = feature
        self.span = span
        self.label = f"query in {span.path}"
        self.pooler = pooler
        self.what: str = _WHAT[feature].format(name=name)  # the query, in short
        self.harm: str = _HARM[feature]  # what goes wrong, as a clause

    @property
    def pool_mode(self) -> Fact[str]:
        """When PgBouncer gives its server connection to somebody else."""
        return self.pooler.pool_mode


def build_sessions(linkers: Sequence[Linker], files: Mapping[str, php.PhpFile], tree: Tree, project: Project) -> None:
    """What the code behind every pooler leaves in its sessions; each place once."""
    seen: set[tuple[str, int]] = set()
    for linker in linkers:
        spans = {service.name: service.span for service in linker.stack.services.values()}
        poolers = {pooler.service: pooler for pooler in project.poolers if spans.get(pooler.service) == pooler.span}
        for service in linker.stack.services.values() if poolers else ():
            for use in (*_rust(service, linker, poolers, tree), *_php(service, linker, files, poolers, tree)):
                place = (use.span.path, use.span.start)
                use.pooler.session_uses.append(use.span)
                mode = use.pooler.pool_mode
                if place not in seen and not (mode.is_known and mode.value == "session"):
                    seen.add(place)
                    project.session_uses.append(use)


def _rust(service: Service, linker: Linker, poolers: Mapping[str, Pooler], tree: Tree) -> Iterator[SessionUse]:
    """Of a service all of whose pools lead to one pooler, and that opens no other connection by hand."""
    links = [link for link in linker.links if link.service is service and link.pool is not None]
    names = {link.target.pooler for link in links}
    pooler = poolers.get(next(iter(names), "")) if len(names) == 1 else None
    if pooler is None:
        return
    crates: dict[int, CrateSources] = {id(crate): crate for link in links for crate in link.crates}
    parsed = [crate.crate for crate in crates.values() if crate.crate is not None]
    singles = [single for one in parsed for single in one.singles]
    for single in singles:
        if not single.constructor.startswith("PgListener"):
            return
        url = resolve("url", single.target, service.environment) if single.target is not None else None
        if url is not None and url.is_known and linker.target(service, url).pooler == pooler.service:
            yield SessionUse("listen", "", single.span, pooler)
    if any(one.others for one in parsed):
        return
    from ..formats import rust_sql

    for crate in crates.values():
        for use in rust_sql.read([source for path in crate.paths if (source := tree.read(path)) is not None]):
            if _stays(use.feature, use.name, use.in_transaction, pooler):
                yield SessionUse(use.feature, use.name, use.span, pooler)


def _php(
    service: Service, linker: Linker, files: Mapping[str, php.PhpFile], poolers: Mapping[str, Pooler], tree: Tree
) -> Iterator[SessionUse]:
    """Of a service all of whose PostgreSQL connections lead to one pooler; queries on a connection of another name are left out."""
    links = [link for link in linker.links if link.service is service and (link.entry is not None or link.call is not None)]
    names = {link.target.pooler for link in links}
    pooler = poolers.get(next(iter(names), "")) if len(names) == 1 else None
    if pooler is None:
        return
    known = {link.entry.name for link in links if link.entry is not None}
    configs = [file for path, file in files.items() if under((path,), service.folders) and is_database(file)]
    others = any(entry.name not in known for file in configs for entry in file.connections)
    from ..formats import php_sql

    for path in under(tree.paths("php"), service.folders):
        if not php_sql.is_worth(path, tree.data(path)):
            continue
        source = tree.read(path)
        for use in php_sql.read(source) if source is not None else ():
            named = use.connection
            if (named is None and others) or (named and named not in known):
                continue
            if _stays(use.feature, use.name, use.in_transaction, pooler):
                yield SessionUse(use.feature, use.name, use.span, pooler)


def _stays(feature: str, name: str, in_transaction: bool, pooler: Pooler) -> bool:
    """Whether it outlives its transaction, and PgBouncer does not set it right for the next client."""
    if feature == "set":
        return name not in pooler.carried
    return not (in_transaction and feature in _UNDONE)
