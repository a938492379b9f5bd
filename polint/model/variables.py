"""Environment variables that promise to size or time a pool, and whether anything reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from .. import catalogue
from ..diagnostic import Fix
from ..fact import Fact, default, derive, unknown
from ..patterns import lazy
from . import crates as rust_crates
from . import fpm_variables, images, read
from .crates import Crates
from .fpm import runs_fpm
from .postgres import server_image
from .project import Project, Service, Stack, Tree, Variable
from .remedies import Remedy
from .resolve import resolve
from .stack import join, read_env, text_of, under

_POOL = lazy(
    r"^(?=.*(DB|DATABASE|PG|POSTGRES|SQLX|POOL|CONN))(?!.*(REDIS|MYSQL|MONGO|HTTP|CACHE|SMTP|RABBIT|AMQP|KAFKA|NATS))"
    r".*(MAX_?CONN(ECTION)?S?|MIN_?CONN(ECTION)?S?|POOL_?(MAX|MIN|SIZE)|(MAX|MIN)_?POOL(_SIZE)?|CONNECTION_?POOL(_SIZE)?|"
    r"ACQUIRE_?TIMEOUT(_\w+)?|IDLE_?TIMEOUT(_\w+)?|MAX_?LIFETIME(_\w+)?|POOL_?TIMEOUT(_\w+)?)$"
)
_FPM = lazy(r"^(PHP_)?FPM_.*(MAX_CHILDREN|START_SERVERS|MIN_SPARE(_SERVERS)?|MAX_SPARE(_SERVERS)?|MAX_REQUESTS|PM_CONTROL|PROCESS_MAX)$")
_SERVER = lazy(
    r"^(POSTGRES|POSTGRESQL|PG)_("
    r"MAX_?CONNECTIONS|SHARED_BUFFERS|WORK_MEM|MAINTENANCE_WORK_MEM|EFFECTIVE_CACHE_SIZE|STATEMENT_TIMEOUT|"
    r"IDLE_IN_TRANSACTION_SESSION_TIMEOUT|SUPERUSER_RESERVED_CONNECTIONS|TCP_KEEPALIVES_\w+|MAX_WORKER_PROCESSES|WAL_LEVEL|"
    r"SHARED_PRELOAD_LIBRARIES|CHECKPOINT_TIMEOUT|LOCK_TIMEOUT|RANDOM_PAGE_COST|MAX_WAL_SIZE|MIN_WAL_SIZE|LOG_STATEMENT)$"
)
# Answers that rest on all files together, so on no one place.
_yes = derive("is_read", lambda: True)
_no = derive("is_read", lambda: False)
# What a name's ending says of the pool setting it means.
_MEANS = (
    (lazy(r"MIN_?CONN|MIN_?POOL|POOL_?MIN"), "min_connections"),
    (lazy(r"ACQUIRE_?TIMEOUT"), "acquire_timeout"),
    (lazy(r"IDLE_?TIMEOUT"), "idle_timeout"),
    (lazy(r"MAX_?LIFETIME"), "max_lifetime"),
    (lazy(r"MAX_?CONN|POOL_?MAX|MAX_?POOL|POOL_?SIZE|CONNECTION_?POOL"), "max_connections"),
)


@cache
def purpose(name: str) -> str:
    """What a variable's name promises: ``server``, ``fpm``, ``pool``, or "" for anything else."""
    if _SERVER.search(name):
        return "server"
    if _FPM.search(name):
        return "fpm"
    return "pool" if _POOL.search(name) else ""


def meaning(name: str) -> str:
    """The pool setting a ``pool`` variable means, "" when its name does not tell."""
    return next((setting for pattern, setting in _MEANS if pattern.search(name)), "")


def build_variables(stack: Stack, crates: Crates, tree: Tree, project: Project) -> None:
    """The sizing variables of one stack, each place once, with who reads them."""
    if stack.project is None:
        return
    interpolated = _interpolated(stack, tree)
    placed: dict[tuple[str, int, str], Variable] = {}
    owners: dict[tuple[str, int, str], list[Service]] = {}
    for service in stack.services.values():
        for name, fact in service.environment.variables.items():
            what = purpose(name)
            span = fact.span
            if not what or span is None:
                continue
            place = (span.path, span.start, name)
            owners.setdefault(place, []).append(service)
            if place not in placed:
                placed[place] = Variable(name, fact, span, (), what)
            _overridden(placed[place], service, stack, tree, project)
    # the .env beside the compose file reaches nobody by itself
    for name, fact in stack.outer.variables.items():
        what = purpose(name)
        if what and fact.span is not None and (fact.span.path, fact.span.start, name) not in placed:
            place = (fact.span.path, fact.span.start, name)
            placed[place] = Variable(name, fact, fact.span, (), what)
            owners[place] = []
    mentions = _Mentions({variable.name for variable in placed.values()}, tree)
    for place, variable in placed.items():
        services = owners[place]
        variable.services = tuple(service.name for service in services)
        _decide(variable, services, stack, crates, mentions, interpolated, tree, project)
        _compare(variable, stack)
        project.variables.append(variable)


def _interpolated(stack: Stack, tree: Tree) -> str:
    """Text of the compose files: a variable named there as ``${X}`` is read by Compose itself."""
    assert stack.project is not None
    return "\n".join(source.text for source in stack.project.sources)


def names_word(text: str, name: str) -> bool:
    """Whether ``name`` stands in ``text`` as a word."""
    at = text.find(name)
    while at >= 0:
        before, after = text[at - 1 : at] if at else "", text[at + len(name) : at + len(name) + 1]
        if not (before.isalnum() or before == "_") and not (after.isalnum() or after == "_"):
            return True
        at = text.find(name, at + 1)
    return False


class _Mentions:
    """Which of ``names`` the sources of services speak of; every file is looked through once for all of them."""

    def __init__(self, names: Iterable[str], tree: Tree) -> None:
        self.needles = [(name, name.encode()) for name in sorted(names)]
        self.tree = tree
        self.by_path: dict[str, tuple[str, ...]] = {}
        self.by_service: dict[str, frozenset[str]] = {}

    def of(self, service: Service) -> frozenset[str]:
        """What the sources of ``service`` and the files mounted into it speak of."""
        found = self.by_service.get(service.name)
        if found is None:
            placed = [path for path in service.mounts.values() if not path.endswith(".env")]
            paths = [path for folder in service.folders for path in self.tree.programs(folder)]
            found = frozenset(name for path in (*placed, *paths) for name in self.file(path))
            self.by_service[service.name] = found
        return found

    def file(self, path: str) -> tuple[str, ...]:
        """What one file speaks of."""
        found = self.by_path.get(path)
        if found is None:
            data = self.tree.data(path)
            near = [name for name, needle in self.needles if needle in data]
            text = data.decode("utf-8", "replace") if near else ""
            found = self.by_path[path] = tuple(name for name in near if names_word(text, name))
        return found


def _decide(
    variable: Variable,
    services: Sequence[Service],
    stack: Stack,
    crates: Crates,
    mentions: _Mentions,
    interpolated: str,
    tree: Tree,
    project: Project,
) -> None:
    """Whether anything reads the variable, and what the program there would read instead."""
    name = variable.name
    if f"${{{name}" in interpolated or f"${name}" in interpolated:
        variable.is_read = _yes
        return
    reasons: list[str] = []
    looked = 0
    users = services or [service for service in stack.services.values() if service.folders]
    for service in users:
        answer, reason = _service_reads(name, service, mentions, crates, tree, project)
        if answer:
            variable.is_read = _yes
            return
        if reason:
            reasons.append(reason)
        else:
            looked += 1
    if variable.purpose == "server":
        _server(variable, services, stack)
        return
    if variable.purpose == "fpm" and any(runs_fpm(service) is not None for service in users):
        _fpm(variable, users, project)
        return
    # one service with sources that were read through is enough only when no other could be the reader
    if looked and not reasons and any(service.folders for service in users):
        variable.is_read = _no
    else:
        variable.is_read = unknown("is_read", reasons[0] if reasons else "no sources of its services are in the repository")


def _service_reads(name: str, service: Service, mentions: _Mentions, crates: Crates, tree: Tree, project: Project) -> tuple[bool, str]:
    """(reads it, why that cannot be told): its sources, its command and its image are looked through."""
    if any(names_word(text, name) for text, _ in service.command) or names_word(service.runs, name):
        return True, ""
    if name in mentions.of(service):
        return True, ""
    image = server_image(service)
    if image is not None:
        if any(name == variable for variable, _ in image.variables):
            return True, ""
        return False, "" if image.known else f"what the image {service.base_image} reads is not known"
    fpm = runs_fpm(service)
    if fpm is not None and any(name == variable for variable, _ in fpm.variables):
        return True, ""
    if not service.folders:
        if fpm is not None and fpm.known and fpm.family == "php":
            return False, ""
        if service.base_image and (images.is_bystander(service.base_image) or images.tool(service.base_image)):
            return False, ""
        return False, f"the sources of {service.name} are not in the repository"
    for crate in crates.under(service.folders):
        wholesale = rust_crates.load(crate, tree, project).reads_environment_wholesale
        if wholesale:
            return False, wholesale
    if not any(under(tree.paths(kind), service.folders) for kind in ("rust", "php")):
        return False, f"the sources of {service.name} are in a language that is not read"
    return False, ""


def _server(variable: Variable, services: Sequence[Service], stack: Stack) -> None:
    """A server-like variable on a server whose entrypoint does not read it."""
    for service in services:
        image = server_image(service)
        if image is None or not image.known:
            continue
        variable.is_read = _no
        variable.ignored_by = f"the image {service.base_image or image.family}"
        setting = variable.name.partition("_")[2].lower()
        setting = {"maxconnections": "max_connections"}.get(setting, setting)
        variable.instead = f'command: ["postgres", "-c", "{setting}={_plain(variable.value)}"]'
        if len(services) == 1:
            variable.moving = _moving(variable, setting, service, stack)
        return
    variable.is_read = unknown("is_read", "no server whose image was read gets it")


def _moving(variable: Variable, setting: str, service: Service, stack: Stack) -> Fix | Remedy | None:
    """Takes the variable away, and sets what it names where the server does not have that already."""
    taker = _taker(variable, setting, service, stack)
    place = variable.value.span
    if not taker.is_known or place is None:
        return None
    if taker.is_default:
        title = f"move {variable.name} to the server's own configuration"
        return Remedy(title, ((taker, variable.value.value),), (variable.value,))
    from ..formats import compose_edit

    edit = compose_edit.removed(place)
    return Fix(f"remove {variable.name}, which the server has already", "safe", (edit,)) if edit is not None else None


def _taker(variable: Variable, setting: str, service: Service, stack: Stack) -> Fact[str]:
    """The server's setting that can have the variable's value: one that nothing sets, or that is set to the same."""
    value = variable.value
    files = [source.path for source in stack.project.sources] if stack.project is not None else []
    if not value.is_known or value.via or variable.span.path not in files:
        return unknown(setting, "the value is another variable's, or stands in a .env file, which may have other readers")
    server = next((server for server in stack.servers if server.service == service.name), None)
    known = server.raw.get(setting) if server is not None else None
    if server is None or catalogue.judge_name(setting, server.major) or catalogue.judge_value(setting, value.value, server.major):
        return unknown(setting, "the server does not take it")
    if known is None:
        return default(setting, "", "PostgreSQL")
    return known if known.is_known and known.value == value.value else unknown(setting, "something else sets it")


def _plain(fact: Fact[str]) -> str:
    return fact.value if fact.is_known else "…"


def _fpm(variable: Variable, services: Sequence[Service], project: Project) -> None:
    """An FPM-like variable beside an image and a configuration that do not name it."""
    for service in services:
        image = runs_fpm(service)
        if image is None:
            continue
        if not image.known:
            variable.is_read = unknown("is_read", f"what the image {service.base_image} reads is not known")
            return
        variable.is_read = _no
        variable.ignored_by = f"php-fpm in {service.name}"
        near = [name for name, _ in image.variables if name.endswith(variable.name.rpartition("FPM_")[2].removeprefix("PM_"))]
        setting = "pm." + re.sub(r"^(PHP_)?FPM_(PM_)?", "", variable.name).lower()
        setting = {"pm.min_spare": "pm.min_spare_servers", "pm.max_spare": "pm.max_spare_servers"}.get(setting, setting)
        variable.instead = near[0] if near else f"{setting} = ${{{variable.name}}}"
        given = [one for one in services if one.name in variable.services]
        variable.reading = fpm_variables.reading(variable, setting, near[0] if near else "", given, project)


def _overridden(variable: Variable, service: Service, stack: Stack, tree: Tree, project: Project) -> None:
    """The same variable with another value in an env_file or an override file that loses to this one."""
    if variable.overridden is not None:
        return
    candidates: list[Fact[str]] = [
        fact for fact in (stack.outer.variables.get(variable.name),) if fact is not None and service.entry.env_files
    ]
    candidates += _losers(variable.name, service, stack, tree, project)
    for fact in candidates:
        if fact.span is None or fact.span in (variable.value.span, *variable.value.via):
            continue
        if not (fact.is_known and variable.value.is_known):
            missing = variable.value if fact.is_known else fact
            variable.is_overridden = unknown("is_overridden", missing.reason, missing.span)
        elif fact.value != variable.value.value:
            variable.overridden = fact
            variable.is_overridden = derive("is_overridden", lambda: True)
            return


def _losers(name: str, service: Service, stack: Stack, tree: Tree, project: Project) -> list[Fact[str]]:
    found: list[Fact[str]] = []
    for env_file in service.entry.env_files:
        path = text_of("env_file", env_file.path, stack.outer)
        where = join(env_file.base, path) if path is not None else None
        environment = read_env(where, "raw" if env_file.raw else "compose", stack.outer, tree, project) if where is not None else None
        if environment is not None and name in environment.variables:
            found.append(environment.variables[name])
    for replaced in service.entry.replaced:
        if replaced.name == name and replaced.value is not None:
            fact = resolve(name, replaced.value, stack.outer)
            if fact.is_known:
                found.append(Fact(name, "written", str(fact.value), replaced.value_span))
    return found


def _compare(variable: Variable, stack: Stack) -> None:
    """The value the code of the variable's services holds itself: a literal, or the fallback of reading this very variable."""
    setting = meaning(variable.name) if variable.purpose == "pool" else ""
    if not setting:
        return
    for pool in (pool for name in variable.services for pool in stack.pools.get(name, ())):
        stated: Fact[object] = getattr(pool, setting)
        value = _in_code(stated)
        missing = stated if not stated.is_known else None if value is None or variable.value.is_known else variable.value
        if missing is not None:
            variable.differs_from_code = unknown("differs_from_code", missing.reason, missing.span)
        if value is None or missing is not None:
            continue
        variable.in_code = value
        try:
            said = (
                read.seconds(variable.value.value)
                if setting not in ("max_connections", "min_connections")
                else read.count(variable.value.value)
            )
            variable.differs_from_code = derive("differs_from_code", lambda code, said=said: bool(said != code), value)
        except ValueError:
            variable.in_code = None
        return


def _in_code(fact: Fact[object]) -> Fact[object] | None:
    if fact.is_known and fact.origin == "written" and not fact.via and fact.span is not None and fact.span.path.endswith(".rs"):
        return fact
    return None
