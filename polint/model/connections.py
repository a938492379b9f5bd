"""PHP's database connections, as rules look at them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..fact import Fact, default, unknown
from ..value import Literal, Value
from . import read
from .client import Connection
from .project import Project, Stack, Tree
from .resolve import NOTHING, Environment, resolve
from .stack import read_env

if TYPE_CHECKING:
    from ..formats import php

_LONG_RUNNING = ("queue:work", "queue:listen", "horizon", "octane:start", "schedule:work", "reverb:start", "pulse:work")


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


def build_connections(stacks: Sequence[Stack], files: Mapping[str, php.PhpFile], tree: Tree, project: Project) -> None:
    """The PDO connections to PostgreSQL, each with the services that use it."""
    services = [service for stack in stacks for service in stack.services.values()]
    by_folder: dict[str, list[int]] = {}
    for number, service in enumerate(services):
        for folder in service.folders:
            by_folder.setdefault(folder, []).append(number)
    for path, file in files.items():
        users = [services[number] for number in sorted({number for folder in _above(path) for number in by_folder.get(folder, ())})]
        long_running = tuple(
            dict.fromkeys(
                service.name for service in users if any(word in " ".join(text for text, _ in service.command) for word in _LONG_RUNNING)
            )
        )
        names = tuple(dict.fromkeys(service.name for service in users))
        environment = users[0].environment if len(users) == 1 else Environment({}, "" if not users else "several services run it")
        root = posixpath.dirname(posixpath.dirname(path))
        own = read_env(posixpath.join(root, ".env"), "phpdotenv", NOTHING, tree, project) if file.connections else None
        environment = environment.over(own or NOTHING)
        for entry in file.connections:
            if driver(entry, environment) != "pgsql":
                continue
            raw = {key: _option(option, environment) for key, option in entry.options.items()}
            if not entry.options_known:
                raw = {key: unknown(key, "its options are put together at run time") for key in ("ATTR_PERSISTENT", "ATTR_TIMEOUT")} | raw
            project.connections.append(
                Connection(
                    f"connection {entry.name}",
                    entry.span,
                    raw,
                    name=entry.name,
                    framework="laravel",
                    services=names,
                    long_running=long_running,
                )
            )
        for call in file.calls:
            if not is_pgsql(call, environment):
                continue
            raw = {key: _option(option, environment) for key, option in call.options.items()}
            if call.function == "pg_pconnect":
                raw["ATTR_PERSISTENT"] = Fact("ATTR_PERSISTENT", "written", True, call.span)
            if not call.options_known:
                raw = {key: unknown(key, "its options are put together at run time") for key in ("ATTR_PERSISTENT", "ATTR_TIMEOUT")} | raw
            if call.function.startswith("pg_"):
                raw.setdefault("ATTR_TIMEOUT", unknown("ATTR_TIMEOUT", "libpq's own connect_timeout applies"))
            project.connections.append(
                Connection(
                    f"connection in {posixpath.basename(path)}", call.span, raw, name=call.function, framework="pdo",
                    services=names, long_running=long_running,
                )
            )  # fmt: skip


def _option(option: php.SettingEntry, environment: Environment) -> Fact[Any]:
    fact = resolve(option.key, option.value, environment)
    if isinstance(option.value, Literal):
        return fact.at(option.value_span)
    return fact if fact.is_known or fact.span is not None else unknown(option.key, fact.reason, option.value_span)
