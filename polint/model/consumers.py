"""Who connects to which server, and with how many connections."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..fact import Fact, default, derive, unknown
from ..source import Span
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
from .stack import below, read_env, under
from .targets import LOCAL, Endpoints, Target, alone, endpoints, evidence, from_environment, host_of, in_file, locate, reach

if TYPE_CHECKING:
    from ..formats import php


_CONFIG_FILE = 100_000  # bytes; larger mounted files are no configuration


class Place(NamedTuple):
    """Where a PHP process connects, and with how many connections: at least, and at most where that differs."""

    target: Target
    least: Fact[int]
    most: Fact[int] | None


class Linker:
    """Adds the consumers of one stack to its servers."""

    def __init__(
        self, stack: Stack, stacks: Sequence[Stack], fpms: Mapping[str, Sequence[Fpm]], crates: Crates, tree: Tree, project: Project
    ) -> None:
        self.stacks = stacks
        self.stack = stack
        self.fpms = fpms
        self.crates = crates
        self.tree = tree
        self.project = project
        self.ends = endpoints(stack, stacks)
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
        always = set(enabled.value.replace(" ", "").split(",") if enabled is not None and enabled.is_known else ())

        def runs(consumer: Consumer, profile: str) -> bool:
            return not consumer.profiles or profile in consumer.profiles or bool(always & set(consumer.profiles))

        def weight(profile: str) -> tuple[int, int]:
            active = [consumer for consumer in server.direct if runs(consumer, profile)]
            known = [consumer.at_least.value for consumer in active if consumer.at_least.is_known]
            return sum(known), len(active) - len(known)

        profiles = dict.fromkeys(name for consumer in server.consumers for name in consumer.profiles)
        if not profiles:
            return
        # a server that runs with a profile meets only what runs with that profile
        best = max(own or ["", *profiles], key=weight)
        server.profile = best
        server.left_out = [consumer for consumer in server.consumers if not runs(consumer, best)]
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
        if not (self.ends.servers or self.ends.poolers or self.ends.foreign) and self.stack.project is not None:
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
        pool = service.stated["pool"]
        for built in self.stack.pools.get(service.name, ()):
            built.raw = {**built.raw, "max_connections": pool.named("max_connections")}
        processes = (service.stated.get("processes") or default("processes", 1)).named("processes")
        for target in self.said(service.stated) or [self.target(service, None)]:
            self.add(Consumer(service.name, "stated", service.replicas, processes, pool.named("pool"), service.span), target)
        return True

    def stated_elsewhere(self, name: str, stated: Mapping[str, Fact[Any]]) -> None:
        """A service that no compose file has, but polint.toml states."""
        pool, replicas = stated.get("pool"), stated.get("replicas") or default("replicas", 1)
        if pool is None or pool.span is None:
            return
        processes = (stated.get("processes") or default("processes", 1)).named("processes")
        single = len(self.stacks) == 1
        for target in self.said(stated) or ([alone(self.ends)] if single else []):
            if target.server is None and not target.pooler and not single:
                continue  # it is another stack's server
            self.add(Consumer(name, "stated", replicas.named("replicas"), processes, pool.named("pool"), pool.span), target)

    def said(self, stated: Mapping[str, Fact[Any]]) -> list[Target]:
        """Where polint.toml says a service connects: names of servers, or ``compose file:name``; none when it says nothing."""
        fact = stated.get("connects-to")
        if fact is None or not fact.is_known:
            return []
        names = [str(name) for name in (fact.value if isinstance(fact.value, (list, tuple)) else (fact.value,))]
        found = []
        for name in names:
            file, _, server = name.rpartition(":")
            if file and file not in self.stack.label:
                continue
            target = locate(server, self.ends)
            reason = f"polint.toml says it connects to {server}, which is no server of this stack"
            found.append(Target(None, reason=reason) if target.elsewhere else target)
        return found

    def target(self, service: Service, url: Fact[Any] | None) -> Target:
        """Where a client of ``service`` connects: what polint.toml says, its URL, its variables, the only server there is."""
        said = self.said(service.stated)
        if said:
            return said[0]
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
        if (service.image and images.is_bystander(service.image)) or (
            service.base_image and images.runs_other_language(service.base_image)
        ):
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
            least, most = rust_crates.together([], found)
            if not count or not any(crate.crate is not None and (crate.crate.singles or crate.crate.others) for crate in found):
                return False
            processes = (service.stated.get("processes") or default("processes", 1)).named("processes")
            consumer = Consumer(service.name, "rust", service.replicas, processes, least, service.span, highest=most)
            self.add(consumer, self.target(service, None))
            return True
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
        for number, indexes in enumerate(groups.values()):
            group = [pools[index] for index in indexes]
            chosen = targets[indexes[0]]
            least, most = rust_crates.together(group, found if number == 0 else ())
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
            least, most = rust_crates.together(pools, [crate])
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
        words = " ".join(text for text, _ in service.command)
        fpms = self.fpms.get(service.name, ())
        if not fpms and not artisan and image is None and not (mine and self.may_run_php(service)):
            return False
        places = self.connections(service, mine)
        if not places:
            return bool(mine) or image is not None
        workers: list[tuple[str, str, Fact[int], Span]] = []
        for kind, processes in artisan:
            count = self.horizon(service, mine) if kind == "laravel-horizon" else processes
            workers.append((service.name if len(artisan) == 1 and not fpms else f"{service.name}/{kind}", kind, count, service.span))
        for fpm in fpms if not artisan or service.runs_word("php-fpm") or "php-fpm" in words else ():
            name = service.name if len(fpms) == 1 and not workers else f"{service.name}/{fpm.name}"
            workers.append((name, "php-fpm", fpm.max_children, fpm.span))
        more = self.starts_more(service) if fpms else ""
        for place in places:
            for name, kind, processes, span in workers:
                highest = unknown("processes", more) if more else place.most
                self.add(
                    Consumer(name, kind, service.replicas, processes, place.least, span, highest=highest, inferred=place.target.inferred),
                    place.target,
                )
        if workers:
            return True
        reason = "how many PHP workers it runs is not written in a file that was read"
        base = images.image_name(service.base_image)
        if base.base == "php" and "apache" in base.tag:
            reason = "Apache decides how many PHP workers it runs (MaxRequestWorkers)"
        elif base.base == "php" and "cli" in base.tag and service.command:
            reason = "what its command runs cannot be told"
        for place in places:
            self.add(self.unknown(service, "php", reason), place.target)
        return True

    def starts_more(self, service: Service) -> str:
        """Why a service with php-fpm may run further workers: a supervisor, or a start script that was not read or starts some."""
        words = [text for text, _ in service.command]
        first = posixpath.basename(words[0]) if words else ""
        places = " ".join(service.mounts)
        if "supervisord" in first or "s6-overlay" in places or "supervisor" in places:
            return "a supervisor may start further workers"
        own = bool(words) and words[0].startswith("/") and first not in ("php-fpm", "docker-php-entrypoint", "sh", "bash")
        if own or first.endswith(".sh"):
            script = service.mounts.get(words[0])
            data = self.tree.data(script) if script is not None else b""
            if not data:
                return f"what {words[0]} starts is not known"
            if any(word in data for word in (b"artisan", b"supervisord", b"&\n")):
                return f"{words[0]} starts further programs"
        return ""

    def may_run_php(self, service: Service) -> bool:
        """Whether a service that sees PHP sources may run them: a bundler or a test host that mounts them does not."""
        base = service.base_image
        if (service.image and images.is_bystander(service.image)) or (base and images.runs_other_language(base)):
            return False
        if base and (images.is_bare_system(base) or images.is_bystander(base)):
            return "php" in service.recipe or any("php" in text for text, _ in service.command)
        return True

    def artisan(self, service: Service) -> list[tuple[str, Fact[int]]]:
        """(kind, processes) of every Laravel process of the command that answers no web requests."""
        text = " ".join(word for word, _ in service.command)
        span = service.command[0][1] if service.command else service.span
        stated = service.stated.get("processes")
        found: list[tuple[str, Fact[int]]] = []
        for match in re.finditer(r"artisan['\"]?,?\s+['\"]?([a-z][\w:-]*)([^;&|]*)", text):
            command, options = match.groups()
            one = default("processes", 1, "one process a container")
            if command == "octane:start":
                workers, tasks = re.search(r"--workers[= ](\d+)", options), re.search(r"--task-workers[= ](\d+)", options)
                count = Fact("workers", "written", int(workers.group(1)) + (int(tasks.group(1)) if tasks else 0), span) if workers else None
                one = count or unknown("workers", "octane:start takes as many workers as there are CPUs", span)
                found.append(("laravel-octane", one))
            elif command == "horizon":
                found.append(("laravel-horizon", one))
            elif command in ("queue:work", "queue:listen"):
                found.append(("laravel-queue", one))
            elif command in ("schedule:work", "schedule:run"):
                found.append(("laravel-schedule", default("processes", 1, "one command at a time")))
            elif command == "serve":
                found.append(("laravel-serve", default("processes", 1, "artisan serve handles one request at a time")))
        if not found and re.search(r"artisan\b", text) and "php-fpm" not in text:
            found.append(("laravel-command", default("processes", 1, "one process a container")))
        if stated is not None and len(found) == 1:
            found = [(found[0][0], stated.named("processes"))]
        return found

    def connections(self, service: Service, files: Mapping[str, php.PhpFile]) -> list[Place]:
        """Where a PHP service's processes connect, and with how many connections each; none when it uses another database."""
        one = default("connections", 1, "one a process")
        for path, file in files.items():
            if not is_database(file):
                continue
            environment = service.environment.over(self.laravel_env(path))
            wanted = resolve("default", file.default_connection, environment) if file.default_connection is not None else None
            pgsql = [entry for entry in file.connections if driver(entry, environment) in ("pgsql", "")]
            name = str(wanted.value) if wanted is not None and wanted.is_known else ""
            main = next((entry for entry in pgsql if entry.name == name), None) if name else next(iter(pgsql), None)
            used = [entry for entry in pgsql if entry is main or self.names_connection(service, entry.name, path)]
            return [place for entry in used for place in self.places(service, entry, environment, is_main=entry is main)]
        calls = [call for file in files.values() for call in file.calls]
        if calls and all(call.driver not in ("", "pgsql") for call in calls):
            return []
        found: dict[tuple[int, str, str], Place] = {}
        for call in calls:
            if not is_pgsql(call, service.environment):
                continue
            dsn = resolve("dsn", call.dsn, service.environment) if call.dsn is not None else None
            host = call.keywords.get("host")
            said = resolve("host", host, service.environment) if host is not None else None
            if said is not None and said.is_known and not (dsn is not None and dsn.is_known):
                target = reach(service, str(said.value), self.ends)
            else:
                target = self.target(service, dsn)
            found.setdefault((id(target.server), target.pooler, target.reason), Place(target, one, None))
        if found:
            return list(found.values())
        seen = [target for target in evidence(service, self.ends) if not target.elsewhere]
        if seen:
            return [Place(target, one, None) for target in seen]
        needs = [name for name in service.entry.depends_on if name in self.ends.servers or name in self.ends.poolers]
        return [Place(self.target(service, None), one, None)] if needs else []

    def names_connection(self, service: Service, name: str, config: str) -> bool:
        """Whether the code asks for a connection by this name somewhere."""
        quoted = (f"'{name}'".encode(), f'"{name}"'.encode())
        for folder in service.folders:
            for path in under(self.tree.paths("php"), (folder,)):
                if path == config or "/config/" in f"/{path}":
                    continue
                data = self.tree.data(path)
                if b"onnection" in data and any(text in data for text in quoted):
                    return True
        return False

    def places(self, service: Service, entry: php.ConnectionEntry, environment: Environment, *, is_main: bool) -> list[Place]:
        """Where one Laravel connection leads: the write side, and the read side when the hosts are split."""
        one = default("connections", 1, "one a process")
        reads = [resolve("host", value, environment) for value in entry.read_hosts]
        known = [fact for fact in reads if fact.is_known and fact.value]
        writes = [resolve("host", value, environment) for value in entry.write_hosts]
        written = next((fact for fact in writes if fact.is_known and fact.value), None)
        main = locate(str(written.value), self.ends) if written is not None else self.php_target(service, entry, environment)
        if not is_main and (main.server is None and not main.pooler):
            return []
        sides = [locate(str(fact.value), self.ends) for fact in known]
        same = [side for side in sides if (side.server, side.pooler) == (main.server, main.pooler)]
        split = Fact("connections", "written", 2, entry.span)
        if reads and len(known) == len(reads):
            first = Place(main, split if same else one, None)
        else:
            first = Place(main, one, split if reads else None)
        others = {(id(side.server), side.pooler): side for side in sides if side not in same and not side.elsewhere}
        return [first, *(Place(side, one, None) for side in others.values())]

    def php_target(self, service: Service, entry: php.ConnectionEntry, environment: Environment) -> Target:
        said = self.said(service.stated)
        if said:
            return said[0]
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
        return self.target(service, None)

    def laravel_env(self, path: str) -> Environment:
        """The application's own .env, which Laravel reads under the real environment."""
        root = posixpath.dirname(posixpath.dirname(path))
        return read_env(posixpath.join(root, ".env"), "phpdotenv", NOTHING, self.tree, self.project) or NOTHING

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
        reason = "no pool found in its sources" if service.folders else f"its image {service.image} is not read"
        targets = [target for target in evidence(service, self.ends) if not target.elsewhere]
        elsewhere = not targets and from_environment(service, self.ends) is not None
        if not targets and not elsewhere and not (service.image and images.is_bystander(service.image)):
            needs = [name for name in service.entry.depends_on if name in self.ends.servers or name in self.ends.poolers]
            targets = [locate(name, self.ends) for name in dict.fromkeys(needs)]
            for path in service.mounts.values() if not targets else ():
                data = self.tree.data(path)
                targets += in_file(data.decode("utf-8", "replace"), self.ends) if len(data) <= _CONFIG_FILE else []
            if not targets and not service.entry.depends_on and service.environment.gap.endswith("is not in the repository"):
                targets = [alone(self.ends)]
                reason = f"{service.environment.gap}, and may name a server"
        for target in targets:
            self.add(self.unknown(service, "unknown", reason), target)
