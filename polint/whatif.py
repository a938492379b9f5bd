"""``--set PATH=VALUE``: facts that hold for one run, as if a file stated them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import budget
from .fact import Fact, written
from .model.project import Project
from .source import Source, Span
from .tuples import NamedTuple

NAME = "--set"
"""The name of the file that such facts stand in, as places show it."""

_OF_SERVICES = ("replicas", "processes", "pool", "surge", "max-replicas")
_OF_SERVERS = ("max-connections", "superuser-reserved-connections", "reserved-connections")
_OF_CLIENTS = ("processes", "pool")  # each client has its own; the others are the whole service's
_ONLY = "server"  # stands for the only server

Facts = Mapping[str, Mapping[str, Fact[Any]]]


class Mistaken(Exception):
    """An option that cannot be carried out; ``str()`` is one line that says why."""


class Assumed(NamedTuple):
    """What is assumed, by name: of services and servers as polint.toml would state it, and of clients beyond that."""

    services: Facts
    servers: Facts
    clients: Facts


def read(options: Sequence[str], project: Project) -> Assumed:
    """The facts that the options state about what ``project`` knows; of two about one thing the later holds.  Raises Mistaken."""
    source = Source(NAME, "\n".join(options))
    services: dict[str, dict[str, Fact[Any]]] = {}
    servers: dict[str, dict[str, Fact[Any]]] = {}
    clients: dict[str, dict[str, Fact[Any]]] = {}
    at = 0
    for option in options:
        path, equals, text = option.partition("=")
        name, dot, key = path.strip().rpartition(".")
        if not equals or not dot or not name:
            raise Mistaken(f"{NAME} {option}: write it as NAME.FACT=VALUE, such as api.replicas=6")
        key = key.replace("_", "-")
        value = _value(key, text.strip(), option)
        fact = written(key, value, Span(source, at + len(path) + 1, at + len(option)))
        at += len(option) + 1
        if key in _OF_SERVERS:
            servers.setdefault(_server(name, project, option), {})[key] = fact
            continue
        service, client = _client(name, key, project, option)
        services.setdefault(service, {}).update({} if key in _OF_CLIENTS else {key: fact})
        clients.setdefault(client, {})[key] = fact
    return Assumed(services, servers, clients)


def merged(stated: Facts, more: Facts) -> dict[str, dict[str, Fact[Any]]]:
    """What is stated, with what is assumed in its place."""
    return {name: {**stated.get(name, {}), **more.get(name, {})} for name in (*stated, *(name for name in more if name not in stated))}


def _value(key: str, text: str, option: str) -> object:
    if key not in (*_OF_SERVICES, *_OF_SERVERS):
        known = f"a service has {', '.join(_OF_SERVICES)}; a server {', '.join(_OF_SERVERS)}"
        raise Mistaken(f"{NAME} {option}: there is no {key}{_near(key, (*_OF_SERVICES, *_OF_SERVERS))} ({known})")
    if key == "surge" and text.endswith("%") and text[:-1].isdigit() and text.isascii():
        return text
    least = 1 if key in ("max-connections", "max-replicas") else 0
    if not (text.isdigit() and text.isascii() and len(text) < 10 and int(text) >= least):
        share = " or a share such as 25%" if key == "surge" else ""
        raise Mistaken(f"{NAME} {option}: {key} must be a whole number{share}" + (", 1 or more" if least else ""))
    return int(text)


def _server(name: str, project: Project, option: str) -> str:
    known = list(dict.fromkeys(server.label for server in budget.servers(project)))
    if name in known:
        return name
    if name == _ONLY and len(known) == 1:
        return known[0]
    if name == _ONLY and known:
        raise Mistaken(f"{NAME} {option}: there are several servers: {', '.join(known)}")
    raise Mistaken(f"{NAME} {option}: no server {name}{_near(name, known)}")


def _client(name: str, key: str, project: Project, option: str) -> tuple[str, str]:
    """The service, and the client that is meant."""
    found = list(dict.fromkeys(consumer.service for server in project.servers for consumer in (*server.consumers, *server.left_out)))
    known = dict.fromkeys([*found, *(one for stack in project.stacks for one in stack.services)])
    service = name if any(name in stack.services for stack in project.stacks) else name.partition("/")[0]
    if name not in known and not any(one.partition("/")[0] == name for one in found):
        raise Mistaken(f"{NAME} {option}: no service {name}{_near(name, known)}")
    mine = [one for one in found if one == name or one.partition("/")[0] == name]
    if not mine:
        raise Mistaken(
            f"{NAME} {option}: {name} opens no connection that polint knows of; [services.{name}] in polint.toml can state its pool"
        )
    if key in _OF_CLIENTS and len(mine) > 1 and name not in mine:
        raise Mistaken(f"{NAME} {option}: {name} has several clients: {', '.join(mine)}")
    return service, name


def _near(given: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(given, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
