"""Who connects to which server, and with how many connections."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..fact import Fact, default, unknown
from ..patterns import lazy
from ..units import Seconds
from . import crates as rust_crates
from . import images
from .artisan import calls
from .fpm import runs_fpm
from .postgres import server_image
from .project import Project, Service, Stack, Tree
from .resolve import NOTHING, UNKNOWN, Environment, resolve
from .server import Consumer, Server
from .stack import read_env
from .targets import LOCAL, Link, Target, alone, endpoints, evidence, from_environment, host_of, in_file, is_beyond, locate, needed, reach
from .told import assume_size, by_hand, told

if TYPE_CHECKING:
    from ..formats import php, rust
    from .client import Fpm
    from .crates import Crates, CrateSources
    from .php_services import PhpServices

_OWN_OPTIONS = lazy(rb"extra_float_digits|\.host\(\s*\"|\.socket\(")
_CONFIG_FILE = 100_000  # bytes; larger mounted files are no configuration


def _processes(stated: Mapping[str, Fact[Any]]) -> Fact[int]:
    """Processes of one container, as polint.toml states them, else 1."""
    return (stated.get("processes") or default("processes", 1)).named("processes")


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
        self.past: dict[str, list[Consumer]] = {}  # pooler -> those whose host names it, and whose URL leads past it
        self.linked: set[str] = set()  # folders of crates some service runs
        self.waits: dict[str, list[Fact[Seconds]]] = {}  # pooler -> how long the pools behind it wait for a connection
        self.sqlx_behind: set[str] = set()  # poolers that some SQLx pool connects to with its own startup packet
        self.preparing: dict[str, list[str]] = {}  # pooler -> drivers behind it that prepare statements by name
        self.links: list[Link] = []  # every place in code that connects

    def run(self, files: Mapping[str, php.PhpFile]) -> None:
        """Link every service, then what no service runs."""
        for service in self.stack.services.values():
            if server_image(service) is not None or images.is_pgbouncer(service.base_image):
                client = by_hand(service)
                if client is not None and server_image(service) is not None:
                    self.add(client, self.target(service, None))
                continue
            self.service(service, files)
        if self.ends.poolers:
            from .pooler_links import link_poolers

            link_poolers(self)
        self.unplaced_crates()
        for server in (*self.stack.servers, *self.stack.outside.values()):
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

    def add(self, consumer: Consumer, target: Target, stated: Mapping[str, Fact[Any]] | None = None) -> None:
        """Put a consumer where it connects to; ``stated`` is what polint.toml says of one that no compose file has."""
        service = self.stack.services.get(consumer.service.partition("/")[0])
        consumer = told(consumer, service, self.stack, service.stated if service is not None else stated or {}, self.project.assumed)
        if service is not None and service.entry.profiles:
            consumer = consumer._replace(profiles=service.entry.profiles)
        if target.past:
            self.past.setdefault(target.past, []).append(consumer)
        if target.pooler:
            self.behind.setdefault(target.pooler, []).append(consumer)
        elif target.server is not None:
            target.server.consumers.append(consumer)
        elif not target.elsewhere:
            for server in self.ends.distinct():
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
        processes = _processes(service.stated)
        for target in self.said(service.stated) or [self.target(service, None)]:
            self.add(Consumer(service.name, "stated", service.replicas, processes, pool.named("pool"), service.span), target)
        return True

    def stated_elsewhere(self, name: str, stated: Mapping[str, Fact[Any]]) -> None:
        """A service that no compose file has, but polint.toml states."""
        pool, replicas = stated.get("pool"), stated.get("replicas") or default("replicas", 1)
        if pool is None or pool.span is None:
            return
        processes = _processes(stated)
        single = len(self.stacks) == 1
        for target in self.said(stated) or ([alone(self.ends)] if single else []):
            if target.server is None and not target.pooler and not single:
                continue  # it is another stack's server
            self.add(Consumer(name, "stated", replicas.named("replicas"), processes, pool.named("pool"), pool.span), target, stated)

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
            if host and UNKNOWN not in host:
                return reach(service, host, self.ends)
            if is_beyond(host, self.ends):
                return Target(None, reason="its host is no server of this stack", elsewhere=True)
        found = from_environment(service, self.ends)
        if found is not None:
            return found
        needs = needed(service, self.ends)
        if len({id(self.ends.servers.get(name)) if name in self.ends.servers else name for name in needs}) == 1:
            target = locate(needs[0], self.ends)
            return Target(target.server, target.pooler, "", f"depends_on {needs[0]}")
        return alone(self.ends)

    # -------------------------------------------------------------- PHP

    @cached_property
    def php_services(self) -> PhpServices:
        """The side of it that knows PHP."""
        from .php_services import PhpServices

        return PhpServices(self)

    def php_workers(self, service: Service, files: Mapping[str, php.PhpFile]) -> bool:
        """The workers of a PHP service; True when it is one that may connect."""
        if not files and not self.fpms.get(service.name) and runs_fpm(service) is None and not calls(service):
            return False
        return self.php_services.link(service, files)

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
        if not found:
            return False
        from . import crate_pools

        pools = []
        for crate in found:
            self.linked.add(crate.folder)
            pools.extend(crate_pools.build_pools(crate, service.environment, f"service {service.name}", self.tree, self.project))
        if not pools:
            least, most = crate_pools.together([], found)
            if not count or not any(crate_pools.has_clients(crate) for crate in found):
                return False
            processes = _processes(service.stated)
            consumer = Consumer(service.name, "rust", service.replicas, processes, least, service.span, highest=most)
            self.add(consumer, self.target(service, None))
            return True
        assume_size([pool for pool, _ in pools], self.project.assumed.get(service.name))
        targets = []
        for pool, call in pools:
            url = resolve("url", call.target, service.environment.outlined) if call.target is not None else None
            target = self.target(service, url)
            pool.server = target.server
            if target.pooler and call.driver == "sqlx" and self.sends_all(service, target, call, found):
                self.sqlx_behind.add(target.pooler)
            if target.pooler and pool.prepares_by_name:
                self.preparing.setdefault(target.pooler, []).append(pool.driver_name)
            if target.pooler and "connect_timeout" not in pool.raw:  # an older SQLx's name for it
                self.waits.setdefault(target.pooler, []).append(pool.acquire_timeout)
            targets.append(target)
            self.links.append(Link(service, service.environment, target, call, found))
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
            least, most = crate_pools.together(group, found if number == 0 else ())
            processes = _processes(service.stated)
            self.add(
                Consumer(service.name, group[0][0].library, service.replicas, processes, least, group[0][0].span,
                         highest=most, inferred=chosen.inferred),
                chosen,
            )  # fmt: skip
        return True

    def sends_all(self, service: Service, target: Target, call: rust.PoolCall, crates: Sequence[CrateSources]) -> bool:
        """Whether a pool of SQLx sends its whole startup packet to where ``target`` says.

        Options that are no URL's go there for certain where neither the service's variables nor its code name another
        place, and send extra_float_digits where no code speaks of it.
        """
        if call.target is not None:
            return "map_sqlx_postgres_opts" not in call.settings
        if call.library != "sqlx" or [one.pooler for one in evidence(service, self.ends)] != [target.pooler]:
            return False
        return not any(_OWN_OPTIONS.search(self.tree.data(path)) for crate in crates for path in crate.paths)

    def unplaced_crates(self) -> None:
        """Crates no service runs: their pools keep their rules; a single one is taken to run once, beside the stack."""
        mine = [crate for crate in self.crates.under((self.stack.folder,)) if crate.folder not in self.linked and crate.crate is None]
        if not mine:
            return
        from . import crate_pools

        built = []
        for crate in mine:
            environment = self.dotenv_of(crate)
            pools = crate_pools.build_pools(crate, environment, f"crate {crate.name or '.'}", self.tree, self.project)
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
                self.links.append(Link(None, environment, target, call, (crate,)))
                self.project.pools.append(pool)
            target = targets[0]
            if taken or target.elsewhere or (target.server is None and not target.pooler and not self.ends.servers):
                continue
            least, most = crate_pools.together(pools, [crate])
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

    # -------------------------------------------------------------- the rest

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
            needs = needed(service, self.ends)
            targets = [locate(name, self.ends) for name in dict.fromkeys(needs)]
            for path in service.mounts.values() if not targets else ():
                data = self.tree.data(path)
                targets += in_file(data.decode("utf-8", "replace"), self.ends) if len(data) <= _CONFIG_FILE else []
            if not targets and not service.entry.depends_on and service.environment.gap.endswith("is not in the repository"):
                targets = [alone(self.ends)]
                reason = f"{service.environment.gap}, and may name a server"
        for target in targets:
            self.add(self.unknown(service, "unknown", reason), target)
