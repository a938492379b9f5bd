"""PostgreSQL servers: which files, variables and arguments decide their settings."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from typing import Any

from .. import catalogue, templating
from ..fact import Fact, unknown
from ..formats import Entry, Parsed, postgresql_conf
from ..source import Span
from ..value import Literal, Value
from . import images
from .project import Duplicate, Problem, Project, Service, Stack, Tree
from .resolve import NOTHING, Environment, resolve
from .server import Server
from .stack import file_at, files_in, join, under

_DATA = "/var/lib/postgresql/data"
_BITNAMI_CONF = "/opt/bitnami/postgresql/conf"
_MENTIONS = ("statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")


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

    def put(self, key: str, value: Value, span: Span, environment: Environment) -> None:
        """One setting that beats what was there."""
        self.take(key, resolve(key, value, environment).named(key), span)

    def take(self, key: str, fact: Fact[Any], span: Span) -> None:
        """As ``put``, with the fact at hand."""
        beaten = self.raw.get(key)
        if beaten is not None and beaten.is_written and beaten.span is not None and fact.is_written:
            self.project.duplicates.append(Duplicate("postgresql.conf", key, beaten, fact, beaten.span))
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
                self.setting(entry)

    def setting(self, entry: Entry) -> None:
        """One entry of a file or of the command line, after a look at whether this server knows and takes it."""
        fact = resolve(entry.key, entry.value, NOTHING).named(entry.key)
        message = catalogue.judge_name(entry.key, self.major) if "." not in entry.key else None
        aspect, span = "name", entry.key_span
        if message is None and fact.is_known and not templating.is_placeholder(str(fact.value), entry.key):
            message = catalogue.judge_value(entry.key, str(fact.value), self.major)
            aspect, span = "value", entry.value_span
        if message is not None and not self.project.has_problem(span):
            self.project.problems.append(Problem("postgresql.conf", message, span, aspect=aspect))
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
            for name, other in sorted(found.items()):
                self.conf(other, name, service, depth + 1)
            return
        file = file_at(service, inside, self.tree) if service is not None else None
        if file is None and beside is not None and self.tree.read(beside) is not None:
            file = beside
        if file is not None:
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
        return Gap(self.raw, self.gap) if self.gap else self.raw


def server_image(service: Service) -> images.PostgresImage | None:
    """What server image a service runs, None when it runs something else."""
    signs = _signs(service)
    if not service.base_image:
        built = service.entry.build is not None and signs >= 2
        return images.PostgresImage(service.name, False, (), "its Dockerfile is not in the repository") if built else None
    found = images.postgres_image(service.base_image)
    # a name that merely holds "postgres" may be an application's
    return found if found is None or found.known or images.is_plainly_postgres(service.base_image) or signs else None


def _signs(service: Service) -> int:
    """How much speaks for a PostgreSQL server: the variables of its first start, its data directory, its health check."""
    variables = service.environment.variables
    first = any(name in variables for name in ("POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_HOST_AUTH_METHOD"))
    targets = [mount.target.span.text for mount in service.entry.mounts]
    data = any("/var/lib/postgresql" in text or "/bitnami/postgresql" in text for text in targets)
    check = service.entry.healthcheck
    return first + data + (check is not None and "pg_isready" in check.text)


def build_servers(stack: Stack, tree: Tree, project: Project) -> None:
    """Add the servers of a stack."""
    for service in stack.services.values():
        image = server_image(service)
        if image is None:
            continue
        if service.command and not _starts_postgres(service.command):
            continue  # a psql, pg_dump or migration job on the server's image
        stack.servers.append(_server(service, image, stack, tree, project))


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


def _server(service: Service, image: images.PostgresImage, stack: Stack, tree: Tree, project: Project) -> Server:
    major = images.major_version(images.image_name(service.base_image).tag)
    reading = _Reading(tree, project, major)
    if isinstance(image.max_connections, str):
        reading.raw["max_connections"] = unknown("max_connections", image.max_connections)
    if "postgresql.conf" in service.runs or "max_connections" in service.runs:
        reading.gap = "the image's build edits its configuration"
    words = _postgres_words(service, reading)
    parsed = postgresql_conf.parse_arguments(words)
    config = next((entry for entry in reversed(parsed.entries) if entry.key == "config_file"), None)
    _files(service, config, reading, image)
    for name, key in image.variables:
        fact = service.environment.variables.get(name)
        if fact is not None and (not fact.is_known or fact.value != "") and fact.span is not None:
            reading.take(key, fact.named(key), fact.span)
    _initdb(service, reading)
    parsed = Parsed(parsed.source, tuple(entry for entry in parsed.entries if entry.key != "config_file"), parsed.faults)
    reading.arguments(parsed)
    if "max-connections" in service.stated:
        reading.raw["max_connections"] = service.stated["max-connections"].named("max_connections")
    return Server(
        service.name,
        service.span,
        reading.settings(),
        major=major,
        service=service.name,
        stack=stack.label,
        has_application=True,
        mentioned=mentioned(tree, project, stack, set(reading.files), reading.raw),
    )


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
        folders = [_BITNAMI_CONF, "/bitnami/postgresql/conf"]
        for folder in folders:
            for name, path in files_in(service, f"{folder}/conf.d", tree, tree.paths("postgresql.conf")).items():
                reading.conf(path, name, service)
    if image.family == "supabase/postgres":
        folders = ["/etc/postgresql"]
    for folder in folders:
        for name in ("postgresql.conf", "postgresql.auto.conf"):
            path = file_at(service, f"{folder}/{name}", tree)
            if path is not None:
                reading.conf(path, f"{folder}/{name}", service)
                if name == "postgresql.conf" and isinstance(image.max_connections, str):
                    reading.raw.setdefault("max_connections", unknown("max_connections", image.max_connections))


def _initdb(service: Service, reading: _Reading) -> None:
    """POSTGRES_INITDB_ARGS (settings from 16 on, on an empty data directory) and init scripts that change settings."""
    fact = service.environment.variables.get("POSTGRES_INITDB_ARGS")
    if fact is not None and fact.is_known and fact.span is not None:
        try:
            words = _split(fact.value)
        except ValueError:
            words = []
        settings = [(word, fact.span) for word in words]
        for entry in postgresql_conf.parse_arguments(settings).entries:
            if "=" in str(fact.value) and entry.key == "max_connections":
                reading.put(entry.key, entry.value, fact.span, NOTHING)
    tree = reading.tree
    for target, path in service.mounts.items():
        if not target.startswith("/docker-entrypoint-initdb.d"):
            continue
        scripts = [path, *(other for kind in ("sql", "shell") for other in under(tree.paths(kind), (path,)))]
        for script in scripts:
            data = tree.data(script)
            if b"max_connections" in data or b"reserved_connections" in data:
                for key in ("max_connections", "superuser_reserved_connections", "reserved_connections"):
                    if key.encode() in data:
                        reading.raw[key] = unknown(key, f"{script} may change it when the data directory is made")


def mentioned(tree: Tree, project: Project, stack: Stack, own: set[str], raw: Mapping[str, Fact[Any]]) -> frozenset[str]:
    """Timeout settings that some other file of the stack speaks of, so that a role or a client may set them."""
    found: set[str] = set()
    arguments = {source.path for source in stack.project.sources} if stack.project is not None else set()
    for kind in ("sql", "rust", "php", "dotenv", "compose", "shell", "postgresql.conf"):
        for path in under(tree.paths(kind), (stack.folder,)):
            if path in own:
                continue
            names = project.mentions.get(path)
            if names is None:
                data = tree.data(path)
                names = project.mentions[path] = tuple(name for name in _MENTIONS if name.encode() in data)
            if names:
                own_words = raw if path in arguments else ()  # what the server's own command says
                found.update(name for name in names if name not in own_words)
        if len(found) == len(_MENTIONS):
            break
    return frozenset(found)


def build_unplaced(tree: Tree, project: Project, stacks: list[Stack]) -> None:
    """Configuration files no service was seen to read: their faults count, and without a compose file they are the server."""
    seen = project.read_files
    rest = [path for path in tree.paths("postgresql.conf") if path not in seen and _is_server_conf(tree, path)]
    main = [path for path in rest if not path.endswith(".auto.conf")]
    alone = len(stacks) == 1 and stacks[0].project is None and len(main) == 1
    for path in main if not alone else main[:1]:
        reading = _Reading(tree, project, None)
        if not alone:
            reading.gap = "other files may set it: nothing tells which server reads this file"
        reading.conf(path, path, None)
        auto = posixpath.join(posixpath.dirname(path), "postgresql.auto.conf")
        if auto in rest:
            reading.conf(auto, auto, None)
        source = tree.read(path)
        if source is None:
            continue
        server = Server(
            posixpath.basename(path) if not alone else "postgresql",
            source.span(0, 0),
            reading.settings(),
            has_application=alone,
            mentioned=mentioned(tree, project, stacks[0], set(reading.files), reading.raw) if alone else frozenset(_MENTIONS),
        )
        if alone:
            stacks[0].servers.append(server)
        project.servers.append(server)


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
