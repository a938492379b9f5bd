"""Who connects to which server, and with how many connections."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..fact import Fact, default, derive, unknown
from . import crates as rust_crates
from . import images
from .client import Fpm
from .connections import driver, is_database, is_pgsql, supervisors
from .connections import processes as supervised
from .crates import Crates, CrateSources
from .fpm import runs_fpm
from .postgres import server_image
from .project import Project, Service, Stack, Tree
from .resolve import NOTHING, Environment, resolve
from .server import Consumer, Server
from .stack import below, read_env
from .targets import LOCAL, Endpoints, Target, alone, endpoints, from_environment, host_of, locate, reach

if TYPE_CHECKING:
    from ..formats import php


class Linker:
    """Adds the consumers of one stack to its servers."""

    def __init__(self, stack: Stack, fpms: Mapping[str, Sequence[Fpm]], crates: Crates, tree: Tree, project: Project) -> None:
        self.stack = stack
        self.fpms = fpms
        self.crates = crates
        self.tree = tree
        self.project = project
        self.ends = endpoints(stack)
        self.behind: dict[str, list[Consumer]] = {}  # pooler -> its clients
        self.linked: set[str] = set()  # folders of crates some service runs

    def run(self, files: Mapping[str, php.PhpFile]) -> None:
        """Link every service, then what no service runs."""
        for service in self.stack.services.values():
            if server_image(service) is not None or images.is_pgbouncer(service.base_image):
                continue
            self.service(service, files)
        for name in dict.fromkeys(self.ends.poolers.values()):
            self.pooler(name)
        self.unplaced_crates()
        for server in self.stack.servers:
            self.choose_profile(server)

    def choose_profile(self, server: Server) -> None:
        """Profiles are mostly alternatives of each other: count what always runs, and the one profile that adds most."""
        own = self.stack.services[server.service].entry.profiles if server.service in self.stack.services else ()
        enabled = self.stack.outer.variables.get("COMPOSE_PROFILES")
        always = {*own, *(enabled.value.replace(" ", "").split(",") if enabled is not None and enabled.is_known else ())}

        def runs(consumer: Consumer, profile: str) -> bool:
            return not consumer.profiles or profile in consumer.profiles or bool(always & set(consumer.profiles))

        def weight(profile: str) -> tuple[int, int]:
            active = [consumer for consumer in server.direct if runs(consumer, profile)]
            known = [consumer.at_least.value for consumer in active if consumer.at_least.is_known]
            return sum(known), len(active) - len(known)

        profiles = dict.fromkeys(name for consumer in server.consumers for name in consumer.profiles)
        if not profiles:
            return
        best = max(["", *profiles], key=weight)
        server.profile = best if best not in always else ""
        server.consumers[:] = [consumer for consumer in server.consumers if runs(consumer, best)]

    def add(self, consumer: Consumer, target: Target) -> None:
        """Put a consumer where it connects to."""
        service = self.stack.services.get(consumer.service.partition("/")[0])
        if service is not None and service.entry.profiles:
            consumer = consumer._replace(profiles=service.entry.profiles)
        if target.pooler:
            self.behind.setdefault(target.pooler, []).append(consumer)
        elif target.server is not None:
            target.server.consumers.append(consumer)
        elif not target.elsewhere:
            servers = {id(server): server for server in self.ends.servers.values()}
            for server in servers.values():
                server.consumers.append(consumer._replace(pool=unknown("pool", target.reason), highest=None))

    def service(self, service: Service, files: Mapping[str, php.PhpFile]) -> None:
        """Whatever one service runs that connects."""
        if not self.ends.servers and not self.ends.poolers and self.stack.project is not None:
            # no server in the stack: pools are still looked at for their own rules
            self.rust_pools(service)
            self.php_workers(service, files)
            return
        stated = self.stated(service)
        if stated:
            return
        found = self.rust_pools(service)
        found = self.php_workers(service, files) or found
        if found:
            return
        self.other(service)

    def stated(self, service: Service) -> bool:
        """polint.toml says how many connections the service opens."""
        if "pool" not in service.stated:
            return False
        self.rust_pools(service, count=False)
        target = self.target(service, None)
        processes = service.stated.get("processes") or default("processes", 1)
        self.add(
            Consumer(
                service.name, "stated", service.replicas, processes.named("processes"), service.stated["pool"].named("pool"), service.span
            ),
            target,
        )
        return True

    def target(self, service: Service, url: Fact[Any] | None) -> Target:
        """Where a client of ``service`` connects: what polint.toml says, its URL, its variables, the only server there is."""
        said = service.stated.get("connects-to")
        if said is not None and said.is_known:
            return locate(str(said.value), self.ends)
        if url is not None and url.is_known and isinstance(url.value, str):
            host = host_of(url.value)
            if host:
                return reach(service, host, self.ends)
        found = from_environment(service, self.ends)
        if found is not None:
            return found
        needs = [name for name in service.entry.depends_on if name in self.ends.servers or name in self.ends.poolers]
        if len({id(self.ends.servers.get(name)) if name in self.ends.servers else name for name in needs}) == 1:
            target = locate(needs[0], self.ends)
            return Target(target.server, target.pooler, "", f"depends_on {needs[0]}")
        return alone(self.ends)

    # -------------------------------------------------------------- Rust

    def rust_pools(self, service: Service, *, count: bool = True) -> bool:
        """The pools of the crates a service runs; True when it runs any."""
        if service.base_image and (images.is_bystander(service.base_image) or images.runs_other_language(service.base_image)):
            return False
        found, ambiguous = rust_crates.crates_of(service, self.crates, self.stack, self.tree)
        if ambiguous:
            self.add(self.unknown(service, "sqlx", ambiguous), self.target(service, None))
            return True
        pools = []
        for crate in found:
            self.linked.add(crate.folder)
            pools.extend(rust_crates.build_pools(crate, service.environment, f"service {service.name}", self.tree, self.project))
        if not pools:
            return False
        targets = []
        for pool, call in pools:
            url = resolve("url", call.target, service.environment) if call.target is not None else None
            target = self.target(service, url)
            pool.server = target.server
            targets.append(target)
            self.project.pools.append(pool)
            self.stack.pools.setdefault(service.name, []).append(pool)
        if not count:
            return True
        groups: dict[tuple[int, str, bool], list[int]] = {}
        for index, target in enumerate(targets):
            groups.setdefault((id(target.server), target.pooler, target.elsewhere), []).append(index)
        for indexes in groups.values():
            group = [pools[index] for index in indexes]
            chosen = targets[indexes[0]]
            least, most = rust_crates.together(group)
            processes = service.stated.get("processes") or default("processes", 1)
            self.add(
                Consumer(service.name, group[0][0].library, service.replicas, processes.named("processes"), least, group[0][0].span,
                         highest=most, inferred=chosen.inferred),
                chosen,
            )  # fmt: skip
        return True

    def unplaced_crates(self) -> None:
        """Crates no service runs: their pools keep their rules; a single one is taken to run once, beside the stack."""
        mine = [crate for crate in self.crates.under((self.stack.folder,)) if crate.folder not in self.linked and crate.crate is None]
        built = []
        for crate in mine:
            environment = self.dotenv_of(crate)
            pools = rust_crates.build_pools(crate, environment, f"crate {crate.name or '.'}", self.tree, self.project)
            if pools:
                built.append((crate, environment, pools))
        # a service whose sources were not found may well run one of them: then it is counted there, as unknown;
        # and beside services that are linked, a crate of no service is a tool that somebody runs by hand
        taken = bool(self.linked) or any(consumer.kind == "unknown" for server in self.stack.servers for consumer in server.consumers)
        for crate, environment, pools in built:
            targets = []
            for pool, call in pools:
                url = resolve("url", call.target, environment) if call.target is not None else None
                target = self.local(url)
                pool.server = target.server
                targets.append(target)
                self.project.pools.append(pool)
            target = targets[0]
            if taken or target.elsewhere or (target.server is None and not target.pooler and not self.ends.servers):
                continue
            least, most = rust_crates.together(pools)
            name = crate.name or "."
            if len(built) > 1:
                least = unknown("pool", "it is in no compose file, so how many run is not known")
                most = None
            self.add(
                Consumer(name, pools[0][0].library, default("replicas", 1, "in no compose file"), default("processes", 1), least,
                         pools[0][0].span, highest=most, inferred="in no compose file"),
                target,
            )  # fmt: skip

    def dotenv_of(self, crate: CrateSources) -> Environment:
        """What a program outside containers sees: the .env of its folder or of one above, when it loads it."""
        parsed = rust_crates.load(crate, self.tree, self.project)
        if not parsed.loads_dotenv:
            return NOTHING
        folder = crate.folder
        while True:
            found = read_env(posixpath.join(folder, ".env"), "dotenvy", NOTHING, self.tree, self.project)
            if found is not None or not folder:
                return found or NOTHING
            folder = posixpath.dirname(folder)

    def local(self, url: Fact[Any] | None) -> Target:
        """Where a program on the host connects: a published server of the stack, by localhost or by name."""
        if url is not None and url.is_known and isinstance(url.value, str):
            host = host_of(url.value)
            if host in LOCAL:
                return alone(self.ends)
            if host:
                return locate(host, self.ends)
        return alone(self.ends)

    # -------------------------------------------------------------- PHP

    def php_workers(self, service: Service, files: Mapping[str, php.PhpFile]) -> bool:
        """The workers of a PHP service; True when it is one that may connect."""
        mine = {path: file for path, file in files.items() if any(below(path, folder) for folder in service.folders)}
        image = runs_fpm(service)
        artisan = self.artisan(service)
        fpms = self.fpms.get(service.name, ())
        if not fpms and artisan is None and image is None and not (mine and self.may_run_php(service)):
            return False
        connections, target = self.connections(service, mine, artisan)
        if target is None:
            return bool(mine) or image is not None
        processes: Fact[int]
        pool, most = self.per_process(connections)
        if artisan is not None:
            kind, processes = artisan
            if kind == "laravel-horizon":
                processes = self.horizon(service, mine)
            workers = [(service.name, kind, processes, service.span)]
        else:
            names = [service.name if len(fpms) == 1 else f"{service.name}/{fpm.name}" for fpm in fpms]
            workers = [(name, "php-fpm", fpm.max_children, fpm.span) for name, fpm in zip(names, fpms, strict=True)]
        for name, kind, processes, span in workers:
            self.add(Consumer(name, kind, service.replicas, processes, pool, span, highest=most, inferred=target.inferred), target)
        if workers:
            return True
        reason = "how many PHP workers it runs is not written in a file that was read"
        base = images.image_name(service.base_image)
        if base.base == "php" and "apache" in base.tag:
            reason = "Apache decides how many PHP workers it runs (MaxRequestWorkers)"
        elif base.base == "php" and "cli" in base.tag and service.command:
            reason = "what its command runs cannot be told"
        self.add(self.unknown(service, "php", reason), target)
        return True

    def may_run_php(self, service: Service) -> bool:
        """Whether a service that sees PHP sources may run them: a bundler or a test host that mounts them does not."""
        base = service.base_image
        if base and (images.is_bystander(base) or images.runs_other_language(base)):
            return False
        if base and images.is_bare_system(base):
            return "php" in service.runs or any("php" in text for text, _ in service.command)
        return True

    def artisan(self, service: Service) -> tuple[str, Fact[int]] | None:
        """(kind, processes) of a Laravel process that is no web request."""
        text = " ".join(word for word, _ in service.command)
        span = service.command[0][1] if service.command else service.span
        stated = service.stated.get("processes")
        if "octane:start" in text:
            match = re.search(r"--workers[= ](\d+)", text)
            tasks = re.search(r"--task-workers[= ](\d+)", text)
            if stated is not None:
                return "laravel-octane", stated.named("processes")
            if match is None:
                return "laravel-octane", unknown("workers", "octane:start takes as many workers as there are CPUs", span)
            count = int(match.group(1)) + (int(tasks.group(1)) if tasks else 0)
            return "laravel-octane", Fact("workers", "written", count, span)
        if re.search(r"artisan['\"]?,? horizon\b", text) or text.endswith("horizon"):
            return "laravel-horizon", stated.named("processes") if stated else default("processes", 1)
        if "queue:work" in text or "queue:listen" in text:
            return "laravel-queue", stated.named("processes") if stated else default("processes", 1, "one process a container")
        if "schedule:work" in text or "schedule:run" in text:
            return "laravel-schedule", stated.named("processes") if stated else default("processes", 1, "one command at a time")
        if "artisan serve" in text:
            return "laravel-serve", default("processes", 1, "artisan serve handles one request at a time")
        return None

    def connections(
        self, service: Service, files: Mapping[str, php.PhpFile], artisan: tuple[str, Fact[int]] | None
    ) -> tuple[list[tuple[php.ConnectionEntry, Environment]], Target | None]:
        """The PostgreSQL connections a PHP service uses, and where they lead; None when it uses another database."""
        for path, file in files.items():
            if not is_database(file):
                continue
            environment = service.environment.over(self.laravel_env(path))
            wanted = resolve("default", file.default_connection, environment) if file.default_connection is not None else None
            entries = {entry.name: entry for entry in file.connections}
            if wanted is None or not wanted.is_known:
                candidates = [entry for entry in file.connections if driver(entry, environment) == "pgsql"]
                if not candidates:
                    return [], None
                entry = candidates[0]
            else:
                chosen = entries.get(str(wanted.value))
                if chosen is None or driver(chosen, environment) not in ("pgsql", ""):
                    return [], None
                entry = chosen
            return [(entry, environment)], self.php_target(service, entry, environment)
        calls = [call for file in files.values() for call in file.calls]
        pgsql = [call for call in calls if is_pgsql(call, service.environment)]
        if calls and all(call.driver not in ("", "pgsql") for call in calls):
            return [], None
        for call in pgsql:
            dsn = resolve("dsn", call.dsn, service.environment) if call.dsn is not None else None
            host = call.keywords.get("host")
            said = resolve("host", host, service.environment) if host is not None else None
            if said is not None and said.is_known and not (dsn is not None and dsn.is_known):
                return [], reach(service, str(said.value), self.ends)
            return [], self.target(service, dsn)
        found = from_environment(service, self.ends)
        if found is not None and not found.elsewhere:
            return [], found
        needs = [name for name in service.entry.depends_on if name in self.ends.servers or name in self.ends.poolers]
        if needs:
            return [], self.target(service, None)
        return [], None

    def php_target(self, service: Service, entry: php.ConnectionEntry, environment: Environment) -> Target:
        said = service.stated.get("connects-to")
        if said is not None and said.is_known:
            return locate(str(said.value), self.ends)
        for key in ("url", "host"):
            setting = entry.settings.get(key)
            if setting is None:
                continue
            fact = resolve(key, setting.value, environment)
            if fact.is_known and fact.value:
                host = host_of(str(fact.value)) if key == "url" else str(fact.value)
                target = locate(host, self.ends)
                if target.elsewhere and host in LOCAL and (fact.is_default or not fact.via):
                    break  # the skeleton's own 127.0.0.1, which no container can mean
                return target
        for value in (*entry.write_hosts, *entry.read_hosts):
            fact = resolve("host", value, environment)
            if fact.is_known and fact.value:
                return locate(str(fact.value), self.ends)
        return self.target(service, None)

    def laravel_env(self, path: str) -> Environment:
        """The application's own .env, which Laravel reads under the real environment."""
        root = posixpath.dirname(posixpath.dirname(path))
        return read_env(posixpath.join(root, ".env"), "phpdotenv", NOTHING, self.tree, self.project) or NOTHING

    def per_process(self, connections: Iterable[tuple[php.ConnectionEntry, Environment]]) -> tuple[Fact[int], Fact[int] | None]:
        """Connections of one PHP process, (at least, at most where that differs): 1, or 2 with a read/write split."""
        for entry, environment in connections:
            hosts = [resolve("host", value, environment) for value in entry.read_hosts]
            if not hosts:
                continue
            split = Fact("connections", "written", 2, entry.span)
            if all(host.is_known and host.value for host in hosts):
                return split, None
            return default("connections", 1, "one a process"), split
        return default("connections", 1, "one a process"), None

    def horizon(self, service: Service, files: Mapping[str, php.PhpFile]) -> Fact[int]:
        """Processes of Horizon in the environment APP_ENV names (production when nothing does)."""
        stated = service.stated.get("processes")
        if stated is not None:
            return stated.named("processes")
        root = next((path for path, file in files.items() if file.supervisors), "")
        environment = service.environment.over(self.laravel_env(root) if root else NOTHING)
        chosen = supervisors(files, environment)
        if chosen is None:
            return unknown("processes", "its config/horizon.php is not in the repository")
        if not chosen:
            return unknown("processes", "config/horizon.php has no environment of the name APP_ENV gives")
        counts = [supervised(one, environment) for one in chosen]
        return counts[0] if len(counts) == 1 else derive("processes", lambda *each: sum(each), *counts)

    # -------------------------------------------------------------- poolers and the rest

    def pooler(self, name: str) -> None:
        """A PgBouncer stands between its clients and the server; it opens what its own pools allow."""
        from . import pgbouncer

        service = self.stack.services[name]
        pooler = pgbouncer.build_pooler(service, self.tree, self.project)
        servers = Endpoints()
        servers.servers = self.ends.servers
        placed = [locate(host, servers) for host in pgbouncer.hosts(pooler)]
        found = next((target for target in placed if target.server is not None), None) or from_environment(service, servers)
        target = found if found is not None and not found.elsewhere else alone(servers)
        clients = self.behind.get(name, [])
        pooler.clients += clients
        pooler.server = target.server
        pool = service.stated.get("pool", pooler.server_connections).named("pool")
        self.add(Consumer(name, "pgbouncer", service.replicas, default("processes", 1), pool, service.span), target)
        if target.server is not None:
            target.server.consumers += [client._replace(through=name) for client in clients]

    def unknown(self, service: Service, kind: str, reason: str) -> Consumer:
        """A client of which the size cannot be told."""
        return Consumer(service.name, kind, service.replicas, default("processes", 1), unknown("pool", reason, None), service.span)

    def other(self, service: Service) -> None:
        """A service of another kind: a client of unknown size when anything says it connects."""
        known = images.tool(service.base_image) if service.base_image else None
        if known is not None:
            kind, connections = known
            if connections is not None:
                target = self.target(service, None)
                pool = default("pool", connections, "one connection a scrape")
                self.add(Consumer(service.name, kind, service.replicas, default("processes", 1), pool, service.span), target)
            return
        if service.base_image and images.is_bystander(service.base_image):
            return
        found = from_environment(service, self.ends)
        if found is None:
            needs = [name for name in service.entry.depends_on if name in self.ends.servers or name in self.ends.poolers]
            if not needs:
                return
            found = locate(needs[0], self.ends)
        if found.elsewhere:
            return
        self.add(self.unknown(service, "unknown", "no pool found in its sources"), found)
