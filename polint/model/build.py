"""Entries to model: read a tree's files, link them, and say what is known of every setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..fact import Fact
from ..formats import byte_filter
from ..source import Span
from . import consumers, container, crates, fpm, postgres, references, stack, told, variables
from .project import Project, Tree

if TYPE_CHECKING:
    from ..formats import php

Stated = Mapping[str, Mapping[str, Fact[Any]]]


def build_project(
    tree: Tree,
    stated: Stated | None = None,
    servers: Stated | None = None,
    host: Mapping[str, Fact[Any]] | None = None,
    assumed: Stated | None = None,
) -> Project:
    """The linked model of a tree.

    ``stated`` and ``servers`` hold what polint.toml says of services and of servers by their names, which beats what
    the files say; ``host`` what it says of the machine the servers run on.  The keys are those of the file.  ``assumed``
    holds the processes and the pools that clients are to have in this run, whatever they have.
    """
    project = Project()
    project.assumed = assumed or {}
    project.stacks = stack.find_stacks(tree, project, stated or {})
    found = crates.find_crates(tree)
    files = _php_files(tree, project)
    paths = list(files)
    fpms = {}
    for current in project.stacks:
        postgres.build_servers(current, tree, project, servers or {}, host or {})
        project.servers.extend(current.servers)
        fpms[current.label] = fpm.build_fpms(current, tree, project)
        if project.assumed:
            told.assume_children(fpms[current.label], project.assumed)
        container.build_containers(current, fpms[current.label], project)
    postgres.build_unplaced(tree, project, project.stacks, servers or {}, host or {})
    postgres.build_outside(project.stacks, servers or {})
    postgres.forget_effective(project)
    fpm.build_unplaced(tree, project)
    linkers = []
    for current in project.stacks:
        linker = consumers.Linker(current, project.stacks, fpms[current.label], found, tree, project)
        folders = {folder for service in current.services.values() for folder in service.folders}
        linker.run({path: files[path] for path in stack.under(paths, folders)})
        linkers.append(linker)
        for name, facts in (stated or {}).items():
            if not any(name in one.services for one in project.stacks):
                linker.stated_elsewhere(name, facts)
        project.servers.extend(server for server in current.outside.values() if server.consumers)
    if any(path not in project.read_files for path in tree.paths("pgbouncer")):
        from . import pgbouncer

        pgbouncer.build_unplaced(tree, project)
    sized: dict[Span, set[int]] = {}
    for client in project.pools:
        client.peers, client.sized = project.pools, sized
    if project.poolers:
        container.take_pool_modes(project)
    for server in project.servers:
        server.take_host(host or {})
        server.peers = [other for other in project.servers if other is not server]
        server.has_pooler = server.has_pooler or bool(project.poolers)
    if project.servers or tree.paths("sql"):
        from . import sql

        sql.build_settings(project)
        sql.build_sql(tree, project)
    read = [crates.load(crate, tree, project) for crate in found.under(("",))]
    if any(any(crate.usage) for crate in read):
        from . import usage

        usage.build_usage(found, project)
    if project.poolers and any(linker.links for linker in linkers):
        from . import sessions

        sessions.build_sessions(linkers, files, tree, project)
    if project.poolers or any(
        "POSTGRES_HOST_AUTH_METHOD" in service.environment.variables for stack in project.stacks for service in stack.services.values()
    ):
        from . import entrances

        entrances.build_entrances(project)
    if files:
        from . import connections

        connections.build_connections(linkers, files, tree, project)
    if files or any(linker.links or linker.stack.services for linker in linkers):
        from . import login_build

        login_build.build_logins(linkers, files, tree, project)
    if files or any("artisan" in text for linker in linkers for service in linker.stack.services.values() for text, _ in service.command):
        from . import laravel

        laravel.build_laravel(files, linkers, tree, project)
    if project.limits and project.logins:
        from . import role_demand

        role_demand.build_role_demands(tree, project)
    if project.servers and (project.pools or project.fpms):
        from . import ladders

        ladders.build_ladders(project)
    if project.init_scripts:
        from . import role_limits

        role_limits.build_role_limits(project)
    for current in project.stacks:
        variables.build_variables(current, found, tree, project)
        references.build_references(current, tree, project)
    if tree.paths("dotenv"):
        from . import misreadings

        misreadings.build_misreadings(found, tree, project)
    bases = [service.base_image for current in project.stacks for service in current.services.values()]
    if any("prometheus" in base or "victoria" in base for base in bases):
        from . import monitoring

        monitoring.build_monitoring(project.stacks, tree, project)
    persistent = {
        name
        for connection in project.connections
        if connection.persistent.is_known and connection.persistent.value
        for name in connection.services
    }
    for pool in project.fpms:
        pool.has_persistent = pool.service in persistent
        pool.peers = project.fpms
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
            if parsed.connections or parsed.calls or parsed.supervisors or parsed.query_logs:
                project.read_files.add(path)
                found[path] = parsed
    return found
