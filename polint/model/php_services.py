"""PHP services: which workers they run, and where each worker connects."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..fact import Fact, default, derive, unknown
from ..source import Span
from ..tuples import NamedTuple
from . import images
from .artisan import OCTANE, calls
from .connections import driver, is_database, is_pgsql, names_connection, supervisors
from .connections import processes as supervised
from .fpm import runs_fpm
from .project import Service
from .resolve import NOTHING, UNKNOWN, Environment, resolve
from .server import Consumer
from .stack import below, read_env
from .targets import LOCAL, Link, Target, evidence, host_of, is_beyond, locate, needed, reach

if TYPE_CHECKING:
    from ..formats import php
    from .client import Fpm
    from .consumers import Linker


class Place(NamedTuple):
    """Where a PHP process connects, and with how many connections: at least, and at most where that differs."""

    target: Target
    least: Fact[int]
    most: Fact[int] | None


class PhpServices:
    """The PHP side of a stack's linker."""

    def __init__(self, linker: Linker) -> None:
        self.linker = linker
        self.ends = linker.ends
        self.fpms = linker.fpms
        self.tree = linker.tree
        self.project = linker.project

    def link(self, service: Service, files: Mapping[str, php.PhpFile]) -> bool:
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
        for fpm in fpms if not artisan or "php-fpm" in words else ():
            name = service.name if len(fpms) == 1 and not workers else f"{service.name}/{fpm.name}"
            workers.append((name, "php-fpm", fpm.max_children, fpm.span))
        more = self.starts_more(service) if fpms else ""
        for place in places:
            for name, kind, processes, span in workers:
                highest = unknown("processes", more) if more else place.most
                self.linker.add(
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
        loose = self.loose_fpm(service, files) if base.base != "php" else None
        for place in places:
            known = None
            if loose is not None:
                said = f"{loose.span.path}, the only php-fpm pool of the stack"
                known = Consumer(service.name, "php-fpm", service.replicas, loose.max_children, place.least, loose.span,
                                 highest=place.most, inferred=said)  # fmt: skip
            if known is not None and place.target.past:  # where it connects is doubtful, too: one guess must not rest on another
                self.linker.past.setdefault(place.target.past, []).append(known)
                known = None
            self.linker.add(known or self.linker.unknown(service, "php", reason), place.target)
        return True

    def loose_fpm(self, service: Service, files: Mapping[str, php.PhpFile]) -> Fpm | None:
        """The one php-fpm pool of the stack that no service is seen to read, where ``service`` alone runs PHP, in an image nobody reads."""
        stack = self.linker.stack
        if any(self.fpms.values()) or service.entry.build is not None:
            return None
        found = [fpm for fpm in self.project.fpms if not fpm.service and below(fpm.span.path, stack.folder)]
        others = [one for one in stack.services.values() if any(below(path, folder) for path in files for folder in one.folders)]
        return found[0] if len(found) == 1 and others == [service] else None

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
        if images.runs_neither(service.image, base):
            return False
        if base and (images.is_bare_system(base) or images.is_bystander(base)):
            return "php" in service.recipe or any("php" in text for text, _ in service.command)
        return True

    def artisan(self, service: Service) -> list[tuple[str, Fact[int]]]:
        """(kind, processes) of every Laravel process of the command that answers no web requests."""
        span = service.command[0][1] if service.command else service.span
        stated = service.stated.get("processes")
        commands = calls(service)
        found: list[tuple[str, Fact[int]]] = []
        for command, options in commands:
            one = default("processes", 1, "one process a container")
            if command in OCTANE:
                workers, tasks = re.search(r"--workers[= ](\d+)", options), re.search(r"--task-workers[= ](\d+)", options)
                count = Fact("workers", "written", int(workers.group(1)) + (int(tasks.group(1)) if tasks else 0), span) if workers else None
                one = count or unknown("workers", f"{command} takes as many workers as there are CPUs", span)
                found.append(("laravel-octane", one))
            elif command == "horizon":
                found.append(("laravel-horizon", one))
            elif command in ("queue:work", "queue:listen"):
                found.append(("laravel-queue", one))
            elif command in ("schedule:work", "schedule:run"):
                found.append(("laravel-schedule", default("processes", 1, "one command at a time")))
            elif command == "serve":
                found.append(("laravel-serve", default("processes", 1, "artisan serve handles one request at a time")))
        if not found and commands and not any("php-fpm" in text for text, _ in service.command):
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
            used = [entry for entry in pgsql if entry is main or names_connection(entry.name, path, service.folders, self.tree)]
            return [place for entry in used for place in self.places(service, entry, environment, is_main=entry is main)]
        calls = [call for file in files.values() for call in file.calls]
        if calls and all(call.driver not in ("", "pgsql") for call in calls):
            return []
        found: dict[tuple[int, str, str], Place] = {}
        for call in calls:
            if not is_pgsql(call, service.environment):
                continue
            dsn = resolve("dsn", call.dsn, service.environment.outlined) if call.dsn is not None else None
            host = call.keywords.get("host")
            said = resolve("host", host, service.environment) if host is not None else None
            if said is not None and said.is_known and said.value and not self.linker.said(service.stated):
                target = reach(service, str(said.value), self.ends)
            else:
                target = self.linker.target(service, dsn)
            self.linker.links.append(Link(service, service.environment, target, call=call))
            found.setdefault((id(target.server), target.pooler, target.reason), Place(target, one, None))
        if found:
            return list(found.values())
        seen = [target for target in evidence(service, self.ends) if not target.elsewhere]
        if seen:
            return [Place(target, one, None) for target in seen]
        needs = needed(service, self.ends)
        return [Place(self.linker.target(service, None), one, None)] if needs else []

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
        self.linker.links.append(Link(service, environment, main, entry=entry))
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
        said = self.linker.said(service.stated)
        if said:
            return said[0]
        for key in ("url", "host"):
            setting = entry.settings.get(key)
            if setting is None:
                continue
            fact = resolve(key, setting.value, environment.outlined)
            if fact.is_known and fact.value:
                host = host_of(str(fact.value)) if key == "url" else str(fact.value)
                if is_beyond(host, self.ends):
                    return Target(None, reason="its host is no server of this stack", elsewhere=True)
                if UNKNOWN in host:
                    break
                target = locate(host, self.ends)
                if target.elsewhere and host in LOCAL and (fact.is_default or not fact.via):
                    break  # the skeleton's own 127.0.0.1, which no container can mean
                return target._replace(past=self.passed_by(entry, environment)) if key == "url" and target.server else target
        return self.linker.target(service, None)

    def passed_by(self, entry: php.ConnectionEntry, environment: Environment) -> str:
        """The pooler that the ``host`` of a connection names, which its ``url`` is laid over (Laravel, ConfigurationUrlParser)."""
        setting = entry.settings.get("host")
        fact = resolve("host", setting.value, environment) if setting is not None else None
        return locate(str(fact.value), self.ends).pooler if fact is not None and fact.is_known and fact.value else ""

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
