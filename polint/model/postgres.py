"""PostgreSQL servers: which files, variables and arguments decide their settings."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from typing import Any

from .. import catalogue, templating
from ..fact import Fact, default, unknown
from ..formats import Entry, Parsed, postgresql_conf
from ..source import Span
from ..tuples import NamedTuple
from ..value import Literal, Value
from . import images, sqlfiles
from .corrections import correction
from .project import Duplicate, Problem, Project, Service, Stack, Tree
from .resolve import NOTHING, Environment, resolve
from .server import Server
from .setting import Setting
from .sqlfiles import InitScripts
from .stack import file_at, files_in, join

_DATA = "/var/lib/postgresql/data"
_KEYS = tuple(found.key for found in vars(Server).values() if isinstance(found, Setting))
_UNPLACED = "postgresql"  # what the server of a project without a compose file is called
_BITNAMI_CONF = ("/opt/bitnami/postgresql/conf", "/bitnami/postgresql/conf")


class Gap(dict[str, Fact[Any]]):
    """Raw settings of which some cannot be seen: what is not in it is unknown, not default."""

    def __init__(self, known: dict[str, Fact[Any]], reason: str) -> None:
        super().__init__(known)
        self.reason = reason

    def get(self, key: str, fallback: Any = None) -> Any:
        """The fact of ``key``, unknown when no file that was read states it."""
        found = super().get(key)
        return found if found is not None else unknown(key, self.reason)


class _Reading:
    """Settings gathered in the order PostgreSQL applies them; the last one wins, the others are kept as duplicates."""

    def __init__(self, tree: Tree, project: Project, major: int | None) -> None:
        self.tree = tree
        self.project = project
        self.major = major
        self.raw: dict[str, Fact[Any]] = {}
        self.gap = ""
        self.files: list[str] = []
        self.optional: list[str] = []  # files that need not be there, and what they include
        self.refused: dict[str, Problem] = {}  # the values of files that the server refuses, by setting

    def put(self, key: str, value: Value, span: Span, environment: Environment) -> None:
        """One setting that beats what was there."""
        self.take(key, resolve(key, value, environment).named(key), span)

    def take(self, key: str, fact: Fact[Any], span: Span) -> None:
        """As ``put``, with the fact at hand."""
        beaten = self.raw.get(key)
        if beaten is not None and beaten.is_written and beaten.span is not None and fact.is_written:
            duplicate = Duplicate("postgresql.conf", key, beaten, fact, beaten.span)
            duplicate.is_fallback = beaten.span.path not in self.optional and span.path in self.optional
            self.project.duplicates.append(duplicate)
        self.raw[key] = fact

    def conf(self, path: str, container: str, service: Service | None, depth: int = 0) -> None:
        """One configuration file with what it includes."""
        if path in self.files or depth > 10:
            return
        source = self.tree.read(path)
        if source is None:
            self.gap = self.gap or f"{path} cannot be read"
            return
        self.files.append(path)
        self.project.read_files.add(path)
        parsed = postgresql_conf.parse(source)
        self.project.add_faults("postgresql.conf", parsed.faults)
        for entry in parsed.entries:
            if entry.key in ("include", "include_if_exists", "include_dir"):
                self._include(entry, path, container, service, depth)
            else:
                self.refused.pop(entry.key, None)  # of a setting in files only the last value is looked at (run with 15)
                self.setting(entry, self.refused)

    def setting(self, entry: Entry, refused: dict[str, Problem] | None = None) -> None:
        """One entry of a file or of the command line, after a look at whether this server knows and takes it.

        A value that it refuses is put into ``refused``, where a later one of the files may take its place.
        """
        fact = resolve(entry.key, entry.value, NOTHING).named(entry.key)
        message = catalogue.judge_name(entry.key, self.major) if "." not in entry.key else None
        aspect, span = "name", entry.key_span
        if message is None and fact.is_known and not templating.is_placeholder(str(fact.value), entry.key):
            message = catalogue.judge_value(entry.key, str(fact.value), self.major)
            aspect, span = "value", entry.value_span
        if message is not None and not self.project.has_problem(span):
            fix = correction(aspect, span, entry.key, fact.value if fact.is_known else None, self.major)
            problem = Problem("postgresql.conf", message, span, fix=fix, aspect=aspect)
            if aspect == "value" and refused is not None:
                refused[entry.key] = problem
            else:
                self.project.problems.append(problem)
        self.take(entry.key, fact, entry.value_span)

    def _include(self, entry: Entry, path: str, container: str, service: Service | None, depth: int) -> None:
        wanted = resolve(entry.key, entry.value, NOTHING)
        if not wanted.is_known:
            self.gap = self.gap or f"an {entry.key} of {path} cannot be followed"
            return
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(container), str(wanted.value)))
        beside = join(posixpath.dirname(path), str(wanted.value))
        if entry.key == "include_dir":
            found: dict[str, str] = {}
            if service is not None:
                mounted = sorted({one for path in service.mounts.values() for one in self.tree.programs(path)})
                found = files_in(service, inside, self.tree, mounted)
            if not found and beside is not None:
                found = {other: other for other in self.tree.programs(beside) if posixpath.dirname(other) == beside}
            found = {name: other for name, other in found.items() if name.endswith(".conf") and "/." not in name}
            if not found:
                self.gap = self.gap or f"the folder {wanted.value} that {path} includes is not in the repository"
            if path in self.optional:
                self.optional += found.values()
            for name, other in sorted(found.items()):
                self.conf(other, name, service, depth + 1)
            return
        file = file_at(service, inside, self.tree) if service is not None else None
        if file is None and beside is not None and self.tree.read(beside) is not None:
            file = beside
        if file is not None:
            if entry.key == "include_if_exists" or path in self.optional:
                self.optional.append(file)
            self.conf(file, inside, service, depth + 1)
        else:
            self.gap = self.gap or f"{wanted.value}, which {path} includes, is not in the repository"

    def arguments(self, parsed: Parsed) -> None:
        """Settings of a command line."""
        self.project.add_faults("postgresql.conf", parsed.faults)
        for entry in parsed.entries:
            if "\0" in (str(entry.value.value) if isinstance(entry.value, Literal) else entry.value_span.text):
                self.take(entry.key, unknown(entry.key, "its value comes from a variable that is not set", entry.value_span), entry.span)
            else:
                self.setting(entry)

    def settings(self) -> dict[str, Fact[Any]]:
        """What was gathered, with what could not be seen unknown."""
        self.project.problems += [problem for problem in self.refused.values() if not self.project.has_problem(problem.span)]
        return Gap(self.raw, self.gap) if self.gap else self.raw


def server_image(service: Service) -> images.PostgresImage | None:
    """What server image a service runs, None when it runs something else."""
    if not service.base_image:
        built = service.entry.build is not None and _signs(service) >= 2
        return images.PostgresImage(service.name, False, (), "its Dockerfile is not in the repository") if built else None
    found = images.postgres_image(service.base_image)
    if found is None and _signs(service) == 3 and images.tool(service.base_image) is None:  # whatever its name is
        name = images.image_name(service.base_image).repository
        return images.PostgresImage(name, False, (), f"{name} may bring its own configuration")
    # a name that merely holds "postgres" may be an application's
    plain = found is None or found.known or images.is_plainly_postgres(service.base_image)
    return found if plain or _signs(service) else None


def _signs(service: Service) -> int:
    """How much speaks for a PostgreSQL server: the variables of its first start, its data directory, its health check."""
    variables = service.environment.variables
    first = any(name in variables for name in ("POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_HOST_AUTH_METHOD"))
    targets = [mount.target.span.text for mount in service.entry.mounts]
    data = any("/var/lib/postgresql" in text or "/bitnami/postgresql" in text for text in targets)
    check = service.entry.healthcheck
    return first + data + (check is not None and "pg_isready" in check.text)


Stated = Mapping[str, Mapping[str, Fact[Any]]]
_TIMEOUTS = ("statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")


def build_servers(stack: Stack, tree: Tree, project: Project, stated: Stated, host: Mapping[str, Fact[Any]]) -> None:
    """Add the servers of a stack; ``stated`` is what polint.toml says of them, ``host`` of the machine they run on."""
    company: _Company | None = None
    for service in stack.services.values():
        image = server_image(service)
        if image is None:
            continue
        if company is None:
            company = _company(stack, tree)
        if service.command and not _starts_postgres(service.command):
            continue  # a psql, pg_dump or migration job on the server's image
        stack.servers.append(_server(service, image, stack, company, tree, project, stated.get(service.name, {}), host))


class _Company(NamedTuple):
    """What a server's stack has: all init scripts, the services that run a server, and whether a pooler is among them."""

    scripts: frozenset[str]
    servers: tuple[str, ...]
    has_pooler: bool


def _company(stack: Stack, tree: Tree) -> _Company:
    every = list(stack.services.values())
    scripts = frozenset(path for one in every for path in sqlfiles.init_scripts(one, tree).run)
    servers = tuple(one.name for one in every if server_image(one) is not None)
    return _Company(scripts, servers, any(images.pools_connections(one.base_image) for one in every))


def _starts_postgres(words: Iterable[tuple[str, Span]]) -> bool:
    """Whether a command starts the server: its words begin with postgres, the entrypoint or an option."""
    listed = [text for text, _ in words]
    first = posixpath.basename(listed[0])
    if first.startswith("-") or first in ("postgres", "docker-entrypoint.sh", "postmaster", "run.sh", "entrypoint.sh"):
        return True
    if first in ("sh", "bash", "ash", "/bin/sh") or "\0" in first:
        return any("postgres" in text.replace("psql", "") and not _is_client(text) for text in listed[1:])
    return not (first.startswith("pg_") or first in ("psql", "sleep", "tail", "cron", "crond", "true", "echo", "cat"))


def _is_client(text: str) -> bool:
    return any(word in text for word in ("psql", "pg_dump", "pg_restore", "pg_isready", "createdb")) and "exec postgres" not in text


def _server(
    service: Service,
    image: images.PostgresImage,
    stack: Stack,
    company: _Company,
    tree: Tree,
    project: Project,
    stated: Mapping[str, Fact[Any]],
    host: Mapping[str, Fact[Any]],
) -> Server:
    major = _stated_major(stated) or images.major_version(images.image_name(service.base_image).tag)
    reading = _Reading(tree, project, major)
    if isinstance(image.max_connections, str):
        for key in ("max_connections", "shared_buffers", "work_mem", *(() if image.is_tuned else _TIMEOUTS)):
            reading.raw[key] = unknown(key, image.max_connections)
    if "postgresql.conf" in service.runs or "max_connections" in service.runs:
        reading.gap = "the image's build edits its configuration"
    words = [*_postgres_words(service, reading), *_more_words(service, image, reading)]
    parsed = postgresql_conf.parse_arguments(words)
    config = next((entry for entry in reversed(parsed.entries) if entry.key == "config_file"), None)
    _files(service, config, reading, image)
    for name, key in image.variables:
        fact = service.environment.variables.get(name)
        if fact is not None and (not fact.is_known or fact.value != "") and fact.span is not None:
            reading.take(key, fact.named(key), fact.span)
    if image.family.startswith("bitnami") and config is None:  # its postgresql.conf takes the variables, and includes conf.d at its end
        for folder in _BITNAMI_CONF:
            for name, path in files_in(service, f"{folder}/conf.d", tree, tree.paths("postgresql.conf")).items():
                reading.conf(path, name, service)
    scripts = sqlfiles.init_scripts(service, tree)
    for script in scripts.run:
        project.init_scripts.setdefault(script, set()).add(major)
    alone = company.servers == (service.name,)
    _initdb(service, scripts, reading)
    parsed = Parsed(parsed.source, tuple(entry for entry in parsed.entries if entry.key != "config_file"), parsed.faults)
    reading.arguments(parsed)
    reading.raw |= _stated_settings(stated)
    server = Server(
        service.name,
        service.span,
        reading.settings(),
        major=major,
        service=service.name,
        stack=stack.label,
        has_application=True,
        mentioned=sqlfiles.mentioned(tree, project, stack, set(reading.files), reading.raw, scripts),
        role_settings=sqlfiles.role_settings(stack, scripts, company.scripts, tree, project, alone=alone),
        cores=_cores(service, stack, host),
        keepalive_defaults=_has_own_network(service, stack),
        has_pooler=company.has_pooler,
    )
    source = tree.read(reading.files[0]) if reading.files else None
    server.home = source.span(0, 0) if source is not None else None
    server.scripts = scripts.run
    return server


_STATED = ("max_connections", "superuser_reserved_connections", "reserved_connections")


def _stated_settings(stated: Mapping[str, Fact[Any]]) -> dict[str, Fact[Any]]:
    """The settings that polint.toml states of a server."""
    return {name: stated[key].named(name) for name in _STATED if (key := name.replace("_", "-")) in stated}


def _stated_major(stated: Mapping[str, Fact[Any]]) -> int | None:
    """The major version that polint.toml states of a server."""
    return int(str(stated["version"].value).partition(".")[0]) if "version" in stated else None


def build_outside(stacks: Iterable[Stack], stated: Stated) -> None:
    """Give every stack the servers that only polint.toml knows: clients name them by their host names.

    Each stack has its own, as stacks are mostly alternatives of each other; of their settings only what is stated is known.
    """
    stacks = list(stacks)
    placed = {server.label for stack in stacks for server in stack.servers}
    for name, facts in stated.items():
        span = next((fact.span for fact in facts.values()), None)
        if name in placed or span is None or any(name in stack.services for stack in stacks):
            continue
        settings = {
            "superuser_reserved_connections": default("superuser_reserved_connections", 3, "PostgreSQL"),
            "reserved_connections": default("reserved_connections", 0, "PostgreSQL"),
            **_stated_settings(facts),
        }
        for stack in stacks:
            raw = Gap(settings, "polint.toml does not state it")
            server = Server(name, span, raw, major=_stated_major(facts), stack=stack.label, has_application=True)
            server.containers = stack.containers
            stack.outside[name] = server


def _cores(service: Service, stack: Stack, host: Mapping[str, Fact[Any]]) -> Fact[float] | None:
    """Cores that the container may use: its own limit, the host's where that is less; None when nothing states them."""
    cores = host.get("cores")
    if service.entry.cpus is None:
        return cores.named("cores") if cores is not None else None
    limit = resolve("cpus", service.entry.cpus, stack.outer)
    try:
        number = float(limit.value) if limit.is_known else 0.0
    except (ValueError, TypeError):
        number = 0.0
    if not number > 0:  # 0 is no limit
        return cores.named("cores") if cores is not None else None
    own: Fact[float] = Fact("cpus", limit.origin, number, limit.span, limit.sources, limit.reason, limit.via)
    return own if cores is None or cores.value >= number else cores.named("cores")


def _has_own_network(service: Service, stack: Stack) -> bool:
    """Whether the container's TCP behaves as Linux does by default: its own network, no sysctls."""
    texts = [source.text for source in stack.project.sources] if stack.project is not None else []
    return service.entry.network_mode is None and not any("sysctls" in text for text in texts)


def _postgres_words(service: Service, reading: _Reading) -> list[tuple[str, Span]]:
    """The words after ``postgres``; a shell line is split once more when it simply starts the server."""
    words = list(service.command)
    for index, (text, span) in enumerate(words):
        if " " in text and "postgres" in text and index and posixpath.basename(words[0][0]) in ("sh", "bash", "ash"):
            if any(sign in text for sign in ("$(", "`", "|", "<<")):
                reading.gap = reading.gap or "it is started by a shell script"
            try:
                inner = _split(text.rpartition("&&")[2].rpartition(";")[2])
            except ValueError:
                inner = []
            if "postgres" in inner:
                return [(word, span) for word in inner[inner.index("postgres") + 1 :]]
            reading.gap = reading.gap or "it is started by a shell script"
            return []
    for index, (text, _) in enumerate(words):
        if posixpath.basename(text) in ("postgres", "postmaster"):
            return words[index + 1 :]
        if text.startswith("-"):
            return words[index:]
    return []


def _more_words(service: Service, image: images.PostgresImage, reading: _Reading) -> list[tuple[str, Span]]:
    """Arguments that the image's start script adds from a variable, split at blanks as it does."""
    for name in image.arguments:
        fact = service.environment.variables.get(name)
        if fact is not None and fact.span is not None:
            if not fact.is_known:
                reading.gap = reading.gap or f"{name} is not known"
            return [(word, fact.span) for word in str(fact.value).split()] if fact.is_known else []
    return []


def _split(text: str) -> list[str]:
    """The words of a shell line; ValueError when a quote stays open."""
    from shlex import split

    return split(text)


def _files(service: Service, config: Entry | None, reading: _Reading, image: images.PostgresImage) -> None:
    """The configuration file the server reads, as far as the repository holds it."""
    tree = reading.tree
    if config is not None:
        wanted = resolve("config_file", config.value, NOTHING)
        inside = str(wanted.value) if wanted.is_known else ""
        path = file_at(service, inside, tree) if inside else None
        if path is None:
            reading.gap = reading.gap or f"its config_file {inside} is not in the repository"
        else:
            reading.conf(path, inside, service)
        return
    data = service.environment.variables.get("PGDATA")
    folders = [str(data.value) if data is not None and data.is_known else _DATA]
    if image.family.startswith("bitnami"):
        folders = list(_BITNAMI_CONF)
    if image.family == "supabase/postgres":
        folders = ["/etc/postgresql"]
    for folder in folders:
        for name in ("postgresql.conf", "postgresql.auto.conf"):
            path = file_at(service, f"{folder}/{name}", tree)
            if path is not None:
                reading.conf(path, f"{folder}/{name}", service)
                if name == "postgresql.conf" and isinstance(image.max_connections, str):
                    reading.raw.setdefault("max_connections", unknown("max_connections", image.max_connections))


def _initdb(service: Service, scripts: InitScripts, reading: _Reading) -> None:
    """What the first start does to an empty data directory: POSTGRES_INITDB_ARGS (settings from 16 on), then the scripts."""
    fact = service.environment.variables.get("POSTGRES_INITDB_ARGS")
    if fact is not None and fact.is_known and fact.span is not None:
        try:
            words = _split(fact.value)
        except ValueError:
            words = []
        settings = [(word, fact.span) for word in words]
        for entry in postgresql_conf.parse_arguments(settings).entries:
            if "=" in str(fact.value) and entry.key in _KEYS:
                reading.put(entry.key, entry.value, fact.span, NOTHING)
    before = dict(reading.raw)
    for change in sqlfiles.system_changes(scripts, reading.tree, reading.project):
        if change.is_reset:  # back to what the files say
            for name in (change.name,) if change.name != "all" else tuple(reading.raw):
                reading.raw.pop(name, None)
                if name in before:
                    reading.raw[name] = before[name]
        elif change.value_span is not None:
            reading.take(change.name, sqlfiles.change_fact(change), change.value_span)
    for script in (*scripts.run, *scripts.beside):
        for key in sqlfiles.spoken(script, _KEYS, reading.tree, reading.project, own=script in scripts.run):
            reading.raw[key] = unknown(key, f"{script} may change it when the data directory is made")


def build_unplaced(tree: Tree, project: Project, stacks: list[Stack], stated: Stated, host: Mapping[str, Fact[Any]]) -> None:
    """Configuration files no service was seen to read: their faults count, and without a compose file they are the server."""
    seen = project.read_files
    rest = [path for path in tree.paths("postgresql.conf") if path not in seen and _is_server_conf(tree, path)]
    main = [path for path in rest if not path.endswith(".auto.conf")]
    alone = len(stacks) == 1 and stacks[0].project is None and len(main) == 1
    for path in main if not alone else main[:1]:
        own = stated.get(_UNPLACED, {}) if alone else {}
        major = _stated_major(own)
        reading = _Reading(tree, project, major)
        if not alone:
            reading.gap = "other files may set it: nothing tells which server reads this file"
        reading.conf(path, path, None)
        auto = posixpath.join(posixpath.dirname(path), "postgresql.auto.conf")
        if auto in rest:
            reading.conf(auto, auto, None)
        source = tree.read(path)
        if source is None:
            continue
        reading.raw |= _stated_settings(own)
        server = Server(
            posixpath.basename(path) if not alone else _UNPLACED,
            source.span(0, 0),
            reading.settings(),
            major=major,
            has_application=alone,
            mentioned=sqlfiles.mentioned(tree, project, stacks[0], set(reading.files), reading.raw, InitScripts())
            if alone
            else frozenset(_KEYS),
            role_settings=sqlfiles.role_settings(stacks[0], InitScripts(), (), tree, project, alone=True) if alone else (),
            cores=host["cores"] if alone and "cores" in host else None,
        )
        if alone:
            stacks[0].servers.append(server)
        project.servers.append(server)


def forget_effective(project: Project) -> None:
    """Drop the duplicates that lose on one server and win on another: variants of a stack share their files."""
    winning = {fact.span for server in project.servers for fact in server.raw.values() if fact.span is not None}
    project.duplicates = [one for one in project.duplicates if one.format != "postgresql.conf" or one.span not in winning]


# What nearly every postgresql.conf sets at least one of.
_COMMON = tuple(
    name.encode()
    for name in "max_connections shared_buffers listen_addresses work_mem wal_level max_wal_size log_ effective_cache_size fsync "
    "shared_preload_libraries _timeout synchronous_commit autovacuum checkpoint_ tcp_keepalives".split()
)


def _is_server_conf(tree: Tree, path: str) -> bool:
    """A file named like postgresql.conf that is one: it speaks of some setting, and not like nginx or a supervisor."""
    data = tree.data(path)
    if b"server {" in data or b"location " in data or b"[program:" in data or b"upstream " in data:
        return False
    return posixpath.basename(path) == "postgresql.conf" or any(name in data for name in _COMMON)
