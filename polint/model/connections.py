"""PHP's database connections, as rules look at them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..fact import Fact, default, derive, unknown
from ..patterns import lazy
from ..tuples import NamedTuple
from ..value import Fallback, Literal, Value, env_reads
from . import artisan, images, read
from .connection import Connection, Use
from .project import Project, Service, Tree
from .resolve import NOTHING, Environment, resolve
from .stack import read_env, under
from .targets import hosts_of

if TYPE_CHECKING:
    from ..formats import php
    from .consumers import Linker
    from .targets import Link


def driver(entry: php.ConnectionEntry, environment: Environment) -> str:
    setting = entry.settings.get("driver")
    if setting is None:
        return ""
    fact = resolve("driver", setting.value, environment)
    return str(fact.value) if fact.is_known else ""


def is_database(file: php.PhpFile) -> bool:
    """Whether the ``connections`` of a file are of databases: Laravel's queue.php and broadcasting.php have some as well."""
    databases = ("pgsql", "mysql", "mariadb", "sqlite", "sqlsrv")
    return any(driver(entry, NOTHING) in databases for entry in file.connections)


def is_pgsql(call: php.PdoCall, environment: Environment) -> bool:
    """Whether a call connects to PostgreSQL, as far as its DSN shows."""
    if call.function.startswith("pg_") or call.driver == "pgsql":
        return True
    if call.dsn is None:
        return False
    fact = resolve("dsn", call.dsn, environment)
    return fact.is_known and str(fact.value).startswith("pgsql:")


def supervisors(files: Mapping[str, php.PhpFile], environment: Environment) -> list[php.Supervisor] | None:
    """The Horizon supervisors that run where APP_ENV says (production when nothing does); None without a config/horizon.php.

    Names of environments may hold ``*``; the first that matches is taken (laravel/horizon, ProvisioningPlan).
    """
    for file in files.values():
        if not file.supervisors:
            continue
        app = environment.variables.get("APP_ENV")
        name = str(app.value) if app is not None and app.is_known else "production"
        for pattern in dict.fromkeys(one.environment for one in file.supervisors):
            if pattern == name or ("*" in pattern and re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name)):
                return [one for one in file.supervisors if one.environment == pattern]
        return []
    return None


def processes(one: php.Supervisor, environment: Environment) -> Fact[int]:
    """Most processes of a supervisor: maxProcesses, and with balancing at least one for each queue."""
    count: Fact[int] = default("maxProcesses", 1, "Horizon")
    entry = one.settings.get("maxProcesses")
    if entry is not None:
        found = resolve("maxProcesses", entry.value, environment)
        if not found.is_known:
            return found
        try:
            span = entry.value_span if isinstance(entry.value, Literal) else found.span
            count = Fact("maxProcesses", found.origin, read.count(found.value), span, found.sources, found.reason, found.via)
        except ValueError as error:
            return unknown("maxProcesses", str(error), entry.value_span)
    elif not one.settings_known:
        return unknown("maxProcesses", "its settings are put together at run time", one.span)
    queue, balance = one.settings.get("queue"), one.settings.get("balance")
    if queue is None or (balance is not None and _text("balance", balance.value, environment) not in ("simple", "auto")):
        return count
    queues = _text("queue", queue.value, environment)
    number = len([name for name in queues.split(",") if name.strip()]) if queues else 0
    if number > count.value:
        return Fact("queues", "written", number, queue.value_span)
    return count


def _text(name: str, value: Value, environment: Environment) -> str:
    fact = resolve(name, value, environment)
    return str(fact.value) if fact.is_known and fact.value is not None else ""


def _above(path: str) -> Iterator[str]:
    """``path`` and every folder it lies in, up to the root."""
    yield path
    while path:
        path = path.rpartition("/")[0]
        yield path


def build_connections(linkers: Sequence[Linker], files: Mapping[str, php.PhpFile], tree: Tree, project: Project) -> None:
    """The PDO connections to PostgreSQL, each with the services that use it."""
    services = [service for linker in linkers for service in linker.stack.services.values()]
    by_folder: dict[str, list[int]] = {}
    for number, service in enumerate(services):
        for folder in service.folders:
            by_folder.setdefault(folder, []).append(number)
    linked = _uses(linkers, project) if files else {}
    for path, file in files.items():
        users = [services[number] for number in sorted({number for folder in _above(path) for number in by_folder.get(folder, ())})]
        environment = _common([service.environment for service in users])
        root = posixpath.dirname(posixpath.dirname(path))
        own = read_env(posixpath.join(root, ".env"), "phpdotenv", NOTHING, tree, project) if file.connections else None
        seen = [service.environment.over(own or NOTHING) for service in users] or [own or NOTHING]
        environment = environment.over(own or NOTHING)
        for entry in file.connections:
            if driver(entry, environment) != "pgsql":
                continue
            raw = _options(entry.options, entry.options_known, environment) | _keys(entry, environment)
            if "ATTR_DEFAULT_FETCH_MODE" in raw and any(b"Pdo()" in tree.data(one) for one in under(tree.paths("php"), (root,))):
                raw["ATTR_DEFAULT_FETCH_MODE"] = unknown("ATTR_DEFAULT_FETCH_MODE", "code uses PDO itself")  # where it has an effect
            uses = linked.get(id(entry), ())
            mine = _users(entry, file, users, linked)
            is_used = bool(uses) or any(may_be_used(entry, path, file, one, tree) for one in seen)
            if any(use.pooler is not None for use in uses):
                _doubt_prepares(raw, path, root, tree)
                _doubt_path(raw, tree)
            project.connections.append(
                Connection(
                    f"connection {entry.name}",
                    entry.span,
                    raw,
                    name=entry.name,
                    framework="laravel",
                    is_used=is_used and (bool(mine) or not users),
                    uses=tuple(uses),
                    **_runners(mine if is_used else ())._asdict(),
                )
            )
        for call in file.calls:
            if not is_pgsql(call, environment):
                continue
            raw = _options(call.options, call.options_known, environment)
            if call.function == "pg_pconnect":
                raw["ATTR_PERSISTENT"] = Fact("ATTR_PERSISTENT", "written", True, call.span)
            uses = linked.get(id(call), ())
            if call.function.startswith("pg_"):
                raw.setdefault("ATTR_TIMEOUT", unknown("ATTR_TIMEOUT", "libpq's own connect_timeout applies"))
                raw["ATTR_EMULATE_PREPARES"] = unknown("ATTR_EMULATE_PREPARES", "pg_query() prepares nothing")
            elif any(use.pooler is not None for use in uses):
                _doubt_prepares(raw, "", posixpath.dirname(path), tree)
            project.connections.append(
                Connection(
                    f"connection in {posixpath.basename(path)}", call.span, raw, name=call.function, framework="pdo",
                    uses=tuple(uses), **_runners(users)._asdict(),
                )
            )  # fmt: skip
    for connection in project.connections:
        connection.peers = project.connections


class _Runners(NamedTuple):
    services: tuple[str, ...]
    web: tuple[str, ...]
    long_running: tuple[str, ...]


def _runners(users: Sequence[Service]) -> _Runners:
    """The names of the services that use a connection, and of those that do so to answer requests or for long."""
    return _Runners(
        tuple(dict.fromkeys(service.name for service in users)),
        tuple(dict.fromkeys(service.name for service in users if artisan.may_answer(service))),
        tuple(dict.fromkeys(one.name for one in users if any(call.is_long_running for call in artisan.calls(one)))),
    )


def _users(
    entry: php.ConnectionEntry, file: php.PhpFile, users: Sequence[Service], linked: Mapping[int, Sequence[Use]]
) -> Sequence[Service]:
    """Those of the services that see a config/database.php which use one of its connections: not those known to use others."""
    mine = {id(use.service) for use in linked.get(id(entry), ())}
    others = {id(use.service) for one in file.connections for use in linked.get(id(one), ())}
    return [service for service in users if id(service) in mine or id(service) not in others]


def may_be_used(entry: php.ConnectionEntry, path: str, file: php.PhpFile, environment: Environment, tree: Tree) -> bool:
    """Whether a connection may be in use: the skeleton's are all there, and mostly only the default one is ever opened."""
    if file.default_connection is None:
        return True
    wanted = resolve("default", file.default_connection, environment)
    if not wanted.is_known or wanted.value == entry.name:
        return True
    root = posixpath.dirname(posixpath.dirname(path))
    chosen = [f"{read.name}={entry.name}".encode("utf-8", "surrogateescape") for read in env_reads(file.default_connection)]
    proposed = any(text in tree.data(one) for one in under(tree.paths("dotenv"), (root,)) for text in chosen)
    return proposed or names_connection(entry.name, path, (root,), tree)


def names_connection(name: str, config: str, folders: Sequence[str], tree: Tree) -> bool:
    """Whether code asks for a connection by its name somewhere, outside ``config`` and its like."""
    written = name.encode("utf-8", "surrogateescape")
    quoted = (b"'" + written + b"'", b'"' + written + b'"')
    asked = re.compile(rb"(?:onnection\w*['\"]?\s*(?:=>|[=(:])|\bon\()\s*['\"]" + re.escape(written) + rb"['\"]")
    for path in under(tree.paths("php"), folders):
        if path != config and "/config/" not in f"/{path}":
            data = tree.data(path)
            if any(text in data for text in quoted) and asked.search(data):
                return True
    return False


def _common(environments: Sequence[Environment]) -> Environment:
    """What every one of several services sees alike; a variable they differ in is unknown."""
    if len(environments) < 2:
        return environments[0] if environments else NOTHING
    variables: dict[str, Fact[str]] = {}
    for name in {name for environment in environments for name in environment.variables}:
        facts = [environment.variables.get(name) for environment in environments]
        values = {fact.value if fact is not None and fact.is_known else None for fact in facts}
        first = facts[0]
        alike = len(values) == 1 and None not in values
        variables[name] = first if first is not None and alike else unknown(name, "several services run it, each with another value")
    return Environment(variables, next((environment.gap for environment in environments if environment.gap), ""))


def _uses(linkers: Sequence[Linker], project: Project) -> dict[int, list[Use]]:
    """By the identity of what the format found: the services that connect there, with the pooler their host names for certain."""
    found: dict[int, list[Use]] = {}
    for linker in linkers:
        spans = {name: service.span for name, service in linker.stack.services.items()}
        poolers = {pooler.service: pooler for pooler in project.poolers if spans.get(pooler.service) == pooler.span}
        for link in linker.links:
            place = link.entry or link.call
            if link.service is None or place is None:
                continue
            pooler = poolers.get(link.target.pooler)
            if pooler is not None and not linker.said(link.service.stated):
                hosts = _hosts(link)
                pooler = pooler if any(linker.ends.poolers.get(host) == pooler.service for host in hosts) else None
            found.setdefault(id(place), []).append(Use(link.service, pooler, _php(link.service.base_image)))
    return found


def _hosts(link: Link) -> Iterator[str]:
    """The hosts that a place in code connects to, as far as files decide them: a Laravel ``url`` beats ``write``, and that ``host``."""
    values: list[Value] = []
    environment = link.environment.outlined
    if link.entry is not None:
        url, host = link.entry.settings.get("url"), link.entry.settings.get("host")
        said = resolve("url", url.value, environment) if url is not None else None
        if said is not None and (not said.is_known or said.value):
            yield from hosts_of(str(said.value)) if said.is_known else ()
            return
        values = [*link.entry.write_hosts] or ([host.value] if host is not None else [])
    elif link.call is not None and "host" in link.call.keywords:
        values = [link.call.keywords["host"]]
    for value in values:
        fact = resolve("host", value, environment)
        if fact.is_known and fact.value:
            yield str(fact.value)


_PHP_TAG = lazy(r"(?:^|[-_])php-?(\d)\.(\d{1,2})(?!\d)")


def _php(image: str) -> tuple[int, int] | None:
    """PHP's version, from an image whose tag is PHP's version or names it (``dunglas/frankenphp:1.4-php8.3``)."""
    name = images.image_name(image)
    named = _PHP_TAG.search(name.tag)
    if named is not None:
        return int(named.group(1)), int(named.group(2))
    if name.repository == "php" or name.repository.startswith(("serversideup/php", "webdevops/php", "wodby/php")):
        return images.php_version(image)
    return None


_OPTIONS = ("ATTR_PERSISTENT", "ATTR_TIMEOUT", "ATTR_EMULATE_PREPARES", "PGSQL_ATTR_DISABLE_PREPARES")


def _options(options: Mapping[str, php.SettingEntry], known: bool, environment: Environment) -> dict[str, Fact[Any]]:
    """The facts of PDO's options; a key that is one of two constants decides neither."""
    raw = {key: _option(option, environment) for key, option in options.items()}
    for key, option in options.items():
        for one in key.split("|") if "|" in key else ():
            raw[one] = unknown(one, "which constant its key is depends on the PHP that runs", option.value_span)
    if not known:
        raw = {key: unknown(key, "its options are put together at run time") for key in _OPTIONS} | raw
    return raw


# Keys of a Laravel connection that PostgresConnector turns into SETs, and those that say where it leads
_KEYS = ("search_path", "schema", "isolation_level", "synchronous_commit")


def _keys(entry: php.ConnectionEntry, environment: Environment) -> dict[str, Fact[Any]]:
    """Laravel's own keys; a list of schemas is joined as a search path.  ``pooled`` is true with ``direct``, too (13.17)."""
    raw: dict[str, Fact[Any]] = {}
    for key in _KEYS:
        setting = entry.settings.get(key)
        if setting is not None and setting.items:
            parts = [resolve(key, value, environment) for value in setting.items]
            raw[key] = derive(key, lambda *names: ",".join(map(str, names)), *parts)
            if raw[key].is_known:
                raw[key] = Fact(key, "written", raw[key].value, setting.value_span)
        elif setting is not None:
            raw[key] = _option(setting, environment)
    pooled, direct = entry.settings.get("pooled"), entry.settings.get("direct")
    if direct is not None:
        raw["direct"] = _is_filled(direct, environment)
    if pooled is not None:
        raw["pooled"] = _option(pooled, environment)
    told = pooled is not None and raw["pooled"].is_known and raw["pooled"].value is True
    if direct is not None and not told and (not raw["direct"].is_known or raw["direct"].value):
        raw["pooled"] = raw["direct"].named("pooled")
    if not entry.settings_known:
        raw = {key: unknown(key, "its settings are put together at run time") for key in (*_KEYS, "pooled", "direct")} | raw
    return raw


def _is_filled(setting: php.SettingEntry, environment: Environment) -> Fact[bool]:
    """Whether an array has elements, once ``array_filter`` has dropped what is not set."""
    if not setting.items:
        found = resolve(setting.key, setting.value, environment)
        empty = not setting.value_span.text.strip("[] \n\t") or (found.is_known and not found.value)
        return Fact(setting.key, "written", False, setting.value_span) if empty else found
    nothing = Literal(None, setting.value_span)
    facts = [resolve(setting.key, Fallback(item, nothing, nothing.span), environment) for item in setting.items]
    if any(fact.is_known and fact.value for fact in facts):
        return Fact(setting.key, "written", True, setting.value_span)
    return next((fact for fact in facts if not fact.is_known), Fact(setting.key, "written", False, setting.value_span))


def _doubt_prepares(raw: dict[str, Fact[Any]], config: str, root: str, tree: Tree) -> None:
    """Other code that speaks of the attributes may set them on the connection, or on each statement."""
    for path in under(tree.paths("php"), (root,)):
        data = tree.data(path) if path != config else b""
        if b"EMULATE_PREPARES" in data or b"DISABLE_PREPARES" in data:
            for key in ("ATTR_EMULATE_PREPARES", "PGSQL_ATTR_DISABLE_PREPARES"):
                fact = raw.get(key)
                if fact is None or not fact.is_written:
                    raw[key] = unknown(key, f"{path} may set it")
            return


def _doubt_path(raw: dict[str, Fact[Any]], tree: Tree) -> None:
    """SQL that speaks of a search path may give it to the role or the database, and then every connection has it."""
    for key in ("search_path", "schema"):
        if key in raw and any(b"search_path" in tree.data(path) for kind in ("sql", "shell") for path in tree.paths(kind)):
            raw[key] = unknown(key, "SQL of the project may set it for the role")


def _option(option: php.SettingEntry, environment: Environment) -> Fact[Any]:
    fact = resolve(option.key, option.value, environment)
    if isinstance(option.value, Literal):
        return fact.at(option.value_span)
    return fact if fact.is_known or fact.span is not None else unknown(option.key, fact.reason, option.value_span)
