"""Entries to model: read a tree's files, link them, and say what is known of every setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..fact import Fact
from ..formats import byte_filter
from . import connections, consumers, crates, fpm, postgres, stack, variables
from .project import Project, Tree

if TYPE_CHECKING:
    from ..formats import php

Stated = Mapping[str, Mapping[str, Fact[Any]]]


def build_project(tree: Tree, stated: Stated | None = None) -> Project:
    """The linked model of a tree.

    ``stated`` holds what polint.toml says of services (by name: replicas, processes,
    pool, connects-to, max-connections), which beats what the files say.
    """
    project = Project()
    project.stacks = stack.find_stacks(tree, project, stated or {})
    found = crates.find_crates(tree)
    files = _php_files(tree, project)
    paths = list(files)
    fpms = {}
    for current in project.stacks:
        postgres.build_servers(current, tree, project)
        project.servers.extend(current.servers)
        fpms[current.label] = fpm.build_fpms(current, tree, project)
    postgres.build_unplaced(tree, project, project.stacks)
    fpm.build_unplaced(tree, project)
    for current in project.stacks:
        linker = consumers.Linker(current, project.stacks, fpms[current.label], found, tree, project)
        folders = {folder for service in current.services.values() for folder in service.folders}
        linker.run({path: files[path] for path in stack.under(paths, folders)})
        for name, facts in (stated or {}).items():
            if not any(name in one.services for one in project.stacks):
                linker.stated_elsewhere(name, facts)
    if any(path not in project.read_files for path in tree.paths("pgbouncer")):
        from . import pgbouncer

        pgbouncer.build_unplaced(tree, project)
    if tree.paths("sql"):
        from . import sql

        sql.build_sql(tree, project)
    connections.build_connections(project.stacks, files, tree, project)
    for current in project.stacks:
        variables.build_variables(current, found, tree, project)
    persistent = {
        name
        for connection in project.connections
        if connection.persistent.is_known and connection.persistent.value
        for name in connection.services
    }
    for pool in project.fpms:
        pool.has_persistent = pool.service in persistent
    return project


def _php_files(tree: Tree, project: Project) -> dict[str, php.PhpFile]:
    """Every PHP file that speaks of connections, read."""
    found = {}
    is_worth = byte_filter("php")
    for path in tree.paths("php"):
        if not is_worth(tree.data(path)):
            continue
        from ..formats import php

        source = tree.read(path)
        if source is not None:
            parsed = php.parse(source)
            project.add_faults("php", parsed.faults)
            if parsed.faults:
                project.read_files.add(path)
            if parsed.connections or parsed.calls or parsed.supervisors:
                project.read_files.add(path)
                found[path] = parsed._replace(env_reads=())  # most of what it holds, and nothing here looks at them
    return found
