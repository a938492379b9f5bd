"""PgBouncer services: which file or variables decide their settings, and what PgBouncer refuses in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import pgbouncer_settings as table
from .. import templating
from ..fact import Fact, unknown
from ..formats import Entry, Parsed, pgbouncer
from ..patterns import lazy
from . import images
from .pooler import Database, Pooler
from .project import Problem, Project, Service, Tree
from .resolve import NOTHING, resolve
from .stack import file_at

_PLACES = (
    "/etc/pgbouncer/pgbouncer.ini",
    "/bitnami/pgbouncer/conf/pgbouncer.ini",
    "/opt/bitnami/pgbouncer/conf/pgbouncer.ini",
    "/pgbouncer/pgbouncer.ini",
)
# Settings an image's entrypoint writes from variables: the variable's prefix, and the folders its own ini would lie in
_EDOBURU = lazy(r"(^|/)edoburu/(docker-)?pgbouncer$")
_BITNAMI = lazy(r"(^|/)bitnami(legacy)?/pgbouncer$")


_VERSION = lazy(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


def build_pooler(service: Service, tree: Tree, project: Project) -> Pooler:
    """The PgBouncer a service runs, from its pgbouncer.ini or from the variables its image reads."""
    name = images.image_name(service.base_image)
    version = _version(name.tag)
    path = _ini(service, tree)
    if path is not None:
        pooler = _from_ini(service, path, tree, project, version)
    elif _EDOBURU.search(name.repository):
        pooler = _from_variables(service, lambda key: key.upper(), version, "DB_NAME", "*")
    elif _BITNAMI.search(name.repository):
        pooler = _from_variables(service, lambda key: "PGBOUNCER_" + key.upper(), version, "PGBOUNCER_DATABASE", "postgres")
    else:
        pooler = Pooler(f"service {service.name}", service.span, {}, service=service.name, version=version)
        pooler.databases_known = "its pgbouncer.ini is not in the repository"
    project.poolers.append(pooler)
    return pooler


def _version(tag: str) -> tuple[int, ...] | None:
    found = _VERSION.match(tag)
    return tuple(int(part) for part in found.groups() if part is not None) if found else None


def _ini(service: Service, tree: Tree) -> str | None:
    for text, _ in service.command:
        if text.endswith(".ini"):
            return file_at(service, text, tree)
    for place in _PLACES:
        found = file_at(service, place, tree)
        if found is not None:
            return found
    return next((path for path in service.mounts.values() if path.endswith(".ini") and tree.read(path) is not None), None)


def _from_ini(service: Service, path: str, tree: Tree, project: Project, version: tuple[int, ...] | None) -> Pooler:
    source = tree.read(path)
    assert source is not None
    project.read_files.add(path)
    parsed = pgbouncer.parse(source, version)
    report(parsed, project, version)
    raw: dict[str, Fact[Any]] = {}
    databases = []
    for entry in parsed.entries:
        if entry.section == "pgbouncer":
            raw[entry.key] = _written(entry)
        elif entry.section == "databases":
            pairs = {pair.key: _written(pair) for pair in pgbouncer.connect_string(entry).entries}
            databases.append(Database(entry.key, entry.key_span, pairs))
    own = [entry for entry in parsed.entries if entry.section in ("databases", "users") and "pool_mode" in entry.value_span.text]
    if own:  # which client gets which is not for a rule about all of them
        raw["pool_mode"] = unknown("pool_mode", "a database or user has a mode of its own", own[0].value_span)
    pooler = Pooler(f"service {service.name}", service.span, raw, service=service.name, version=version)
    pooler.databases = databases
    if any(entry.key == pgbouncer.INCLUDE for entry in parsed.entries):
        pooler.databases_known = "it includes a file by %include"
    users = raw.get("auth_file")
    listed = file_at(service, str(users.value), tree) if users is not None and users.is_known else None
    if listed is not None:
        lines = tree.data(listed).splitlines()
        count = sum(line.lstrip().startswith(b'"') for line in lines)
        list_source = tree.read(listed)
        if count > 1 and list_source is not None:
            pooler.users = Fact("users", "written", count, list_source.span(0, 0))
    return pooler


def _written(entry: Entry) -> Fact[Any]:
    fact = resolve(entry.key, entry.value, NOTHING)
    return fact.at(entry.value_span) if fact.is_known else fact


def _from_variables(
    service: Service, spell: Callable[[str], str], version: tuple[int, ...] | None, database: str, otherwise: str
) -> Pooler:
    raw: dict[str, Fact[Any]] = {}
    for key in table.SECTIONS["pgbouncer"]:
        fact = service.environment.variables.get(spell(key))
        if fact is not None and not (fact.is_known and fact.value == ""):
            raw[key] = fact.named(key)
    # both images write it for SQLx and JDBC
    raw.setdefault("ignore_startup_parameters", Fact("ignore_startup_parameters", "default", "extra_float_digits", reason="the image"))
    pooler = Pooler(f"service {service.name}", service.span, raw, service=service.name, version=version)
    if service.environment.gap:
        pooler.databases_known = f"its variables may be set elsewhere: {service.environment.gap}"
    named = service.environment.variables.get(database)
    name = str(named.value) if named is not None and named.is_known else otherwise
    several = service.environment.variables.get("DATABASE_URLS")
    count = len(str(several.value).split(",")) if several is not None and several.is_known else 1
    pooler.databases = [Database(name, service.span, {}) for _ in range(count)]
    return pooler


def report(parsed: Parsed, project: Project, version: tuple[int, ...] | None) -> None:
    """What PgBouncer refuses in a file: its syntax, keys it does not know, values it cannot read."""
    faults = [(fault.message, fault.span, fault.fatal, fault.fix) for fault in parsed.faults]
    for entry in parsed.entries:
        section = entry.section.partition("#")[0]
        if section == "databases":
            faults += [(fault.message, fault.span, fault.fatal, fault.fix) for fault in pgbouncer.connect_string(entry).faults]
        if section != "pgbouncer" or parsed.source.path.endswith((".template", ".tmpl", ".j2")):
            continue
        known = table.SECTIONS["pgbouncer"].get(entry.key)
        comment = pgbouncer.inline_comment(entry)
        if known is None or (version is not None and not known.known_in(version)):
            since = f": it came with {'.'.join(map(str, known.since))}" if known is not None and known.since else _near(entry.key)
            faults.append((f'PgBouncer refuses the unknown parameter "{entry.key}"{since}', entry.key_span, True, None))
            continue
        fact = resolve(entry.key, entry.value, NOTHING)
        if not fact.is_known or templating.is_placeholder(str(fact.value), entry.key):
            continue
        try:
            table.read(known, str(fact.value), version)
        except table.Unclear:
            continue
        except ValueError as error:
            if comment is not None:
                faults.append((comment.message, comment.span, True, comment.fix))
            else:
                faults.append((str(error), entry.value_span, True, None))
    seen = {(problem.span.path, problem.span.start) for problem in project.problems}
    for message, span, fatal, fix in faults:
        if (span.path, span.start) not in seen:
            seen.add((span.path, span.start))
            project.problems.append(Problem("pgbouncer", message, span, is_fatal=fatal, fix=fix))


def _near(key: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, list(table.SECTIONS["pgbouncer"]), 1, 0.75)
    return f'; did you mean "{near[0]}"?' if near else ""


def build_unplaced(tree: Tree, project: Project) -> None:
    """pgbouncer.ini files no service was seen to read: what is wrong in themselves is still wrong."""
    for path in tree.paths("pgbouncer"):
        source = tree.read(path) if path not in project.read_files else None
        if source is not None:
            project.read_files.add(path)
            report(pgbouncer.parse(source), project, None)


def hosts(pooler: Pooler) -> Sequence[str]:
    """The hosts its databases lie on, as written."""
    found = [one.pairs["host"] for one in pooler.databases if "host" in one.pairs]
    return [str(fact.value) for fact in found if fact.is_known]
