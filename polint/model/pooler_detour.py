"""Applications that pass their pooler by, pointed at it: the host, and the port where it listens on another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..diagnostic import Edit, Fix
from ..fact import Fact
from ..patterns import lazy
from ..source import Span
from ..tuples import NamedTuple
from ..value import env_reads
from .resolve import resolve

if TYPE_CHECKING:
    from ..value import Value
    from .consumers import Linker
    from .logins import Login
    from .pooler import Pooler
    from .project import Service
    from .targets import Link

_PORT = 5432  # where a client goes that names no port
_BEHIND = lazy(r"(?::(?P<port>\d+))?(?:/(?P<name>[A-Za-z0-9_-]+))?(?=[?\s\"'`,]|\Z)")  # what follows the host of a URL
_WORD_PORT = lazy(r"(?:^|[;\s])port=(\d+)(?=[;\s]|$)")
_WORD_NAME = lazy(r"(?:^|[;\s:])dbname=([A-Za-z0-9_-]+)(?=[;\s]|$)")
_KEY = lazy(r"[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=")


class _Way(NamedTuple):
    """What a client names besides the host: the port (0: none) with its place, and the database ("" where that is not plain)."""

    port: int
    port_span: Span | None
    database: str
    in_url: bool


def build_detours(linker: Linker, logins: Sequence[Login]) -> None:
    """The fix of every login that passes a pooler by, where it is certain that its place serves nobody else."""
    for login in logins:
        if login.bypassed is not None and login.link is not None and login.link.service is not None:
            login.detour = _detour(login, login.bypassed, login.link, login.link.service, linker, logins)


def _detour(login: Login, pooler: Pooler, link: Link, service: Service, linker: Linker, logins: Sequence[Login]) -> Fix | None:
    host, listens = login.host, pooler.listen_port
    if not host.is_known:
        return None
    place = _inside(host.span, host.value) if host.span is not None else _in_variable(link, service, host.value)
    way = _way(link, place) if place is not None else None
    if place is None or way is None or not listens.is_known or not _meets(service, linker.stack.services[pooler.service]):
        return None
    if not _is_served(login, pooler, way.database) or not _is_taken(link, pooler):
        return None
    edits = [Edit(place, pooler.service)]
    if (way.port or _PORT) != listens.value:
        if way.port_span is not None:
            edits.append(Edit(way.port_span, str(listens.value)))
        elif way.in_url and not way.port:
            edits = [Edit(place, f"{pooler.service}:{listens.value}")]
        else:
            return None
    taken = all(_is_alone(edit.span, pooler, linker, logins) for edit in edits)
    return Fix(f"connect through {pooler.service}", "unsafe", tuple(edits)) if taken else None


def _inside(span: Span, text: str) -> Span | None:
    """Where ``text`` stands at ``span``, quotes left out."""
    if span.text == text:
        return span
    return Span(span.source, span.start + 1, span.end - 1) if span.text in (f'"{text}"', f"'{text}'") else None


def _in_variable(link: Link, service: Service, host: str) -> Span | None:
    """Where the URL that code reads names the host, another part of it being a variable."""
    url = link.pool.target if link.pool is not None else None
    if link.entry is not None and "url" in link.entry.settings:
        url = link.entry.settings["url"].value
    names = {read.name for read in env_reads(url)} if url is not None else ()
    written = [service.entry.environment[name].value_span for name in names if name in service.entry.environment]
    if len(written) != 1 or written[0].text.count(f"@{host}") != 1:
        return None
    at = written[0].start + written[0].text.index(f"@{host}") + 1
    return Span(written[0].source, at, at + len(host))


def _way(link: Link, host: Span) -> _Way | None:
    """Port and database that go with a host; None where the port is not plain."""
    text = host.source.text
    if text[: host.start].endswith(("@", "//")):
        found = _BEHIND.match(text, host.end)
        if found is None or text[found.end() : found.end() + 1] == ",":
            return None
        port = Span(host.source, *found.span("port")) if found["port"] else None
        return _Way(int(found["port"] or 0), port, found["name"] or "", True)
    if link.entry is not None:
        settings = {key: link.entry.settings[key].value for key in ("port", "database") if key in link.entry.settings}
        return _named(link, settings.get("port"), settings.get("database"), host) if link.entry.settings_known else None
    if link.call is not None and link.call.keywords:
        return _named(link, link.call.keywords.get("port"), link.call.keywords.get("dbname"), host)
    if text[: host.start].endswith("host="):
        return _in_words(host)
    return None


def _named(link: Link, port: Value | None, database: Value | None, host: Span) -> _Way | None:
    facts: list[Fact[Any] | None] = [resolve("port", one, link.environment) if one is not None else None for one in (port, database)]
    number, name = facts
    if number is not None and (not number.is_known or not str(number.value).isdigit()):
        return None
    place = _inside(number.span, str(number.value)) if number is not None and number.span is not None else None
    if place is not None and place.path != host.path:
        place = None  # code that holds the port while something else says the host
    return _Way(int(number.value) if number is not None else 0, place, str(name.value) if name is not None and name.is_known else "", False)


def _in_words(host: Span) -> _Way | None:
    """``host=db port=5432 dbname=app`` in one string."""
    text = host.source.text
    start = max(text.rfind(mark, 0, host.start) for mark in ('"', "'", "\n")) + 1
    end = min((at for mark in ('"', "'", "\n") if (at := text.find(mark, host.end)) >= 0), default=len(text))
    words = text[start:end]
    port, name = _WORD_PORT.search(words), _WORD_NAME.search(words)
    if "$" in words or (port is None and "port" in words):
        return None
    place = Span(host.source, start + port.start(1), start + port.end(1)) if port is not None else None
    return _Way(int(port[1]) if port is not None else 0, place, name[1] if name is not None else "", False)


def _meets(service: Service, pooler: Service) -> bool:
    """Whether both are in some network of Compose's."""
    if service.entry.network_mode is not None or pooler.entry.network_mode is not None:
        return False
    return bool(set(service.entry.networks or ("default",)) & set(pooler.entry.networks or ("default",)))


def _is_served(login: Login, pooler: Pooler, database: str) -> bool:
    """Whether the pooler is known to serve that database to that user, over such a connection."""
    names = [one.name for one in pooler.databases]
    if pooler.databases_known or not ("*" in names or database in names):
        return False
    if login.sslmode.is_written:
        tls = pooler.client_tls_sslmode
        if not login.is_guarded.is_known or (login.is_guarded.value and (not tls.is_known or tls.value == "disable")):
            return False
    if pooler.looks_users_up or "auth_user" in pooler.raw or not pooler.listed.is_known or not login.user.is_known:
        return True
    return login.user.value in pooler.listed.value


def _is_taken(link: Link, pooler: Pooler) -> bool:
    """Whether the pooler lets a Rust pool in and keeps its prepared statements."""
    if link.pool is None:
        return True
    passes, mode, tracked = pooler.takes_sqlx, pooler.pool_mode, pooler.max_prepared_statements
    if link.pool.driver == "sqlx" and not (passes.is_known and passes.value):
        return False
    return (mode.is_known and mode.value == "session") or (tracked.is_known and tracked.value > 0)


def _is_alone(place: Span, pooler: Pooler, linker: Linker, logins: Iterable[Login]) -> bool:
    """Whether only clients that pass this pooler by take anything from ``place``."""
    here = [one for one in logins if one.host.span is not None and _overlap(one.host.span, place)]
    if any(one.bypassed is not pooler for one in here):
        return False
    known = {one.service for one in logins if one.bypassed is pooler}
    takers = [name for other in linker.stacks for name in _takers(other.services.values(), place)]
    return known.issuperset(takers) and _references(place, linker) <= len(takers)


def _takers(services: Iterable[Service], place: Span) -> Iterator[str]:
    """The service of every variable that comes from ``place``."""
    for service in services:
        for fact in (*service.environment.variables.values(), *service.environment.partly.values()):
            if any(leaf.span is not None and _overlap(leaf.span, place) for leaf in fact.leaves()):
                yield service.name
        if any(variable.value is not None and _overlap(variable.value_span, place) for variable in service.entry.environment.values()):
            yield service.name


def _references(place: Span, linker: Linker) -> int:
    """How often compose files name the variable that is set at ``place`` of an .env file."""
    text = place.source.text
    found = _KEY.match(text, text.rfind("\n", 0, place.start) + 1)
    if found is None or place.path.endswith((".yaml", ".yml", ".php", ".rs", ".toml")):
        return 0
    count = 0
    for stack in linker.stacks:
        for source in stack.project.sources if stack.project is not None else ():
            count += source.text.count(f"${{{found[1]}}}") + source.text.count(f"${{{found[1]}:") + source.text.count(f"${{{found[1]}-")
    return count


def _overlap(one: Span, other: Span) -> bool:
    return one.path == other.path and one.start < other.end and other.start < one.end
