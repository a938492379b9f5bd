"""PgBouncer services: which file or variables decide their settings, databases and users."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .. import pgbouncer_settings as table
from ..diagnostic import Edit, Fix
from ..fact import Fact, unknown
from ..formats import Entry, Fault, Parsed, pgbouncer
from ..patterns import lazy
from ..source import Source, Span
from . import images
from .pgbouncer_faults import of_parsed, of_variables
from .pooler import Database, Pooler
from .project import Project, Service, Tree
from .resolve import NOTHING, UNKNOWN, resolve
from .stack import file_at, join
from .targets import host_of

_PLACES = (
    "/etc/pgbouncer/pgbouncer.ini",
    "/bitnami/pgbouncer/conf/pgbouncer.ini",
    "/opt/bitnami/pgbouncer/conf/pgbouncer.ini",
    "/pgbouncer/pgbouncer.ini",
)
# Images whose tags are PgBouncer's versions, a revision of their own behind them; others count their own releases
_VERSIONED = lazy(r"(^|/)((edoburu|bitnami(legacy|secure)?|pgbouncer|cloudnative-pg)/(docker-)?pgbouncer|percona/percona-pgbouncer)$")
_VERSION = lazy(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?![\d.])")
_EDOBURU = lazy(r"(^|/)edoburu/(docker-)?pgbouncer$")
_BITNAMI = lazy(r"(^|/)bitnami(legacy)?/pgbouncer$")
# What the images' entrypoints write into the pgbouncer.ini they make, by the setting's name
_EDOBURU_WRITES = frozenset(
    """listen_addr listen_port unix_socket_dir auth_file auth_hba_file auth_type auth_user auth_query auth_dbname pool_mode max_client_conn
    default_pool_size min_pool_size reserve_pool_size reserve_pool_timeout max_db_connections max_user_connections server_round_robin
    ignore_startup_parameters disable_pqexec application_name_add_host max_prepared_statements log_connections log_disconnections
    log_pooler_errors log_stats stats_period verbose admin_users stats_users logfile server_reset_query server_reset_query_always
    server_check_delay server_check_query server_lifetime server_idle_timeout server_connect_timeout server_login_retry
    client_login_timeout autodb_idle_timeout dns_max_ttl dns_nxdomain_ttl client_tls_sslmode client_tls_key_file client_tls_cert_file
    client_tls_ca_file client_tls_protocols client_tls_ciphers client_tls_ecdhcurve client_tls_dheparams server_tls_sslmode
    server_tls_ca_file server_tls_key_file server_tls_cert_file server_tls_protocols server_tls_ciphers query_timeout query_wait_timeout
    client_idle_timeout idle_transaction_timeout pkt_buf max_packet_size listen_backlog sbuf_loopcnt suspend_timeout tcp_defer_accept
    tcp_keepalive tcp_keepcnt tcp_keepidle tcp_keepintvl tcp_user_timeout""".split()
)
_BITNAMI_WRITES = frozenset(
    """unix_socket_dir unix_socket_mode unix_socket_group auth_type auth_hba_file auth_ident_file auth_query stats_users client_tls_sslmode
    server_tls_sslmode server_tls_ca_file server_tls_cert_file server_tls_key_file query_wait_timeout pool_mode max_client_conn
    max_db_connections idle_transaction_timeout server_idle_timeout server_reset_query default_pool_size min_pool_size reserve_pool_size
    reserve_pool_timeout ignore_startup_parameters log_connections log_disconnections log_pooler_errors log_stats stats_period
    server_round_robin server_fast_close server_lifetime server_connect_timeout server_login_retry client_login_timeout
    autodb_idle_timeout query_timeout client_idle_timeout max_prepared_statements application_name_add_host""".split()
)

_REPLACED = "its own entrypoint may set further variables"


def build_pooler(service: Service, tree: Tree, project: Project) -> Pooler:
    """The PgBouncer a service runs, from its pgbouncer.ini or from the variables its image reads."""
    name = images.image_name(service.base_image)
    version = _version(name)
    path = _ini(service, tree)
    if path is not None:
        pooler = _from_ini(service, path, tree, project, version)
    elif hidden := _hidden(service):
        pooler = _bare(service, {key: unknown(key, hidden) for key in table.SETTINGS}, version)
        pooler.databases_known = hidden
    elif _EDOBURU.search(name.repository):
        pooler = _edoburu(service, project, version)
    elif _BITNAMI.search(name.repository):
        pooler = _bitnami(service, tree, project, version)
    else:
        hidden = "its pgbouncer.ini is not in the repository"
        pooler = _bare(service, {key: unknown(key, hidden) for key in table.SETTINGS}, version)
        pooler.databases_known = hidden
    project.poolers.append(pooler)
    return pooler


def _hidden(service: Service) -> str:
    """Why another file than the one its image writes may count, or ""."""
    targets = [mount.target.span.text.strip("\"'").partition(":")[0].rstrip("/") for mount in service.entry.mounts]
    if any(place == target or place.startswith(f"{target}/") for place in _PLACES for target in targets if target):
        return "its pgbouncer.ini is mounted, and not in the repository"
    named = next((text for text, _ in service.command if text.endswith(".ini") and " " not in text and text not in _PLACES), "")
    return f"{named} is not in the repository" if named else ""


def _bare(service: Service, raw: Mapping[str, Fact[Any]], version: tuple[int, ...] | None) -> Pooler:
    pooler = Pooler(f"service {service.name}", service.span, raw, service=service.name, version=version)
    image = service.entry.image
    if image is not None and service.image == service.base_image:
        pooler.image_span = image.span
    return pooler


def _version(image: images.ImageName) -> tuple[int, ...] | None:
    found = _VERSION.match(image.tag) if _VERSIONED.search(image.repository) else None
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

    def read(name: str) -> Source | None:
        """As the container sees it; a relative name is relative to where PgBouncer was started, mostly beside the file."""
        there = file_at(service, name, tree) if name.startswith("/") else _beside(path, name, tree)
        if there is not None:
            project.read_files.add(there)
        return tree.read(there) if there is not None else None

    parsed = pgbouncer.parse(source, version, read)
    project.add_faults("pgbouncer", of_parsed(parsed, version))
    pooler = _bare(service, {}, version)
    _settle(pooler, parsed)
    _modes(pooler, parsed.entries)
    if pgbouncer.takes_settings(source):
        pooler.home = source.span(0, 0)
    if any(entry.key == pgbouncer.INCLUDE for entry in parsed.entries):
        pooler.databases_known = "it includes a file by %include"
    users = pooler.raw.get("auth_file")
    if users is not None and users.is_known:
        _list_users(pooler, file_at(service, str(users.value), tree), tree)
    return pooler


def _beside(path: str, name: str, tree: Tree) -> str | None:
    found = join(posixpath.dirname(path), name)
    return found if found is not None and tree.read(found) is not None else None


def _settle(pooler: Pooler, parsed: Parsed) -> None:
    """Take settings, databases and users from the entries of a file."""
    raw: dict[str, Fact[Any]] = {}
    users: dict[str, dict[str, Fact[Any]]] = {}
    databases: dict[str, Database] = {}
    for entry in parsed.entries:
        if entry.section == "pgbouncer":
            raw[entry.key] = _written(entry)
        elif entry.section in ("databases", "users"):
            pairs = {pair.key: _written(pair) for pair in pgbouncer.connect_string(entry).entries}
            if entry.section == "databases":
                databases[entry.key] = Database(entry.key, entry.key_span, pairs)
            else:
                users.setdefault(entry.key, {}).update(pairs)
    if any(entry.key == pgbouncer.INCLUDE for entry in parsed.entries):
        reason = "a file it includes by %include may set it"
        raw = {key: raw.get(key) or unknown(key, reason) for key in table.SETTINGS}
    pooler.raw = raw
    pooler.user_settings = users
    pooler.databases = list(databases.values())


def _modes(pooler: Pooler, entries: Sequence[Entry]) -> None:
    """One mode for all clients, where databases or users have modes of their own: the one they all share, or none that is known."""
    strings = [*(one.pairs for one in pooler.databases), *pooler.user_settings.values()]
    own = [pairs["pool_mode"] for pairs in strings if "pool_mode" in pairs]
    hidden = any(
        entry.section in ("databases", "users")
        and not _written(entry).is_known
        and not any(_written(pair).is_known for pair in pgbouncer.connect_string(entry).entries)
        for entry in entries
    )
    if not own and not hidden:
        return
    modes = own + [pooler.pool_mode for one in pooler.databases if "pool_mode" not in one.pairs]
    pooler.modes = modes
    known = {str(mode.value).lower() for mode in modes if mode.is_known}
    if len(known) == 1 and not hidden and all(mode.is_known for mode in modes):
        mode = own[0]
    else:
        mode = unknown("pool_mode", "a database or user has a mode of its own", own[0].span if own else None)
    pooler.raw = {**pooler.raw, "pool_mode": mode}
    pooler._facts.pop("pool_mode", None)


def _list_users(pooler: Pooler, path: str | None, tree: Tree) -> None:
    source = tree.read(path) if path is not None else None
    if source is None:
        return
    names = [name for name, _, _ in secrets(source)]
    pooler.listed = Fact("users", "written", tuple(dict.fromkeys(names)), source.span(0, 0))
    pooler.auth_file = source


def secrets(source: Source) -> Iterator[tuple[str, str, Span]]:
    """(user, secret, place of the user's name) of every line of an auth_file, up to where PgBouncer gives up (load_auth_file)."""
    text = source.text
    at = 0
    while True:
        while text[at : at + 1].isspace():
            at += 1
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if text[at : at + 1] == ";":
            at = end
            continue
        user, after = _quoted(text, at)
        opening = text.find('"', after) if after >= 0 else -1
        secret, closing = _quoted(text, opening) if opening >= 0 else ("", -1)
        if closing < 0:
            return
        yield user, secret, source.span(at + 1, after - 1)
        end = text.find("\n", closing)
        at = len(text) if end < 0 else end


def _quoted(text: str, at: int) -> tuple[str, int]:
    """The text between the quotes from ``at``, ``""`` standing for one, and where it ends; -1 when nothing is quoted there."""
    if text[at : at + 1] != '"':
        return "", -1
    end = text.find('"', at + 1)
    while end >= 0 and text[end + 1 : end + 2] == '"':
        end = text.find('"', end + 2)
    return (text[at + 1 : end].replace('""', '"'), end + 1) if end >= 0 else ("", -1)


def _written(entry: Entry) -> Fact[Any]:
    fact = resolve(entry.key, entry.value, NOTHING)
    return fact.at(entry.value_span) if fact.is_known else fact


def _given(service: Service, name: str) -> Fact[str] | None:
    """A variable as an entrypoint's shell sees it: empty is as good as unset."""
    fact = service.environment.variables.get(name)
    return None if fact is None or (fact.is_known and fact.value == "") else fact


def _from_variables(
    service: Service, spell: Callable[[str], str], written: frozenset[str], project: Project, version: tuple[int, ...] | None
) -> Pooler:
    """The settings an image's entrypoint writes from its variables."""
    raw: dict[str, Fact[Any]] = {}
    replaced = service.entry.entrypoint is not None or (service.stage is not None and service.stage.entrypoint is not None)
    for key in sorted(written):
        fact = _given(service, spell(key))
        setting = table.SETTINGS[key]
        if fact is not None and (version is None or setting.known_in(version)):
            raw[key] = fact.named(key)
        elif service.environment.gap:
            raw[key] = unknown(key, f"{spell(key)} may be set elsewhere: {service.environment.gap}")
        elif replaced:
            raw[key] = unknown(key, _REPLACED)
    project.add_faults("pgbouncer", of_variables(raw, version))
    # both images write it for SQLx and JDBC
    raw.setdefault("ignore_startup_parameters", Fact("ignore_startup_parameters", "default", "extra_float_digits", reason="the image"))
    pooler = _bare(service, raw, version)
    pooler.variables = {key: spell(key) for key in written if version is None or table.SETTINGS[key].known_in(version)}
    if service.environment.gap:
        pooler.databases_known = f"its variables may be set elsewhere: {service.environment.gap}"
    elif replaced:
        pooler.databases_known = _REPLACED
    return pooler


def _edoburu(service: Service, project: Project, version: tuple[int, ...] | None) -> Pooler:
    """edoburu/pgbouncer: entrypoint.sh."""
    pooler = _from_variables(service, str.upper, _EDOBURU_WRITES, project, version)
    pooler.raw = {"listen_port": Fact("listen_port", "default", "5432", reason="the image"), **pooler.raw}
    project.add_faults("pgbouncer", _edoburu_refused(service, version, project))
    pooler.looks_users_up = True  # it writes auth_user into every database
    seen = service._replace(environment=service.environment.outlined)
    several, single, name = _given(seen, "DATABASE_URLS"), _given(seen, "DATABASE_URL"), _given(service, "DB_NAME")
    urls = several or single
    if urls is not None and not urls.is_known:
        pooler.databases_known = urls.reason
    elif urls is not None:
        texts = [text for text in (str(urls.value).split(",") if several is not None else [str(urls.value)]) if text.strip()]
        if any(UNKNOWN in _path(text) + host_of(text) for text in texts):
            pooler.databases_known = "a variable that nothing sets is a part of its URL"
        hosts = [(text, host_of(text)) for text in texts]
        pooler.databases = [
            Database(_path(text) or "*", service.span, {"host": Fact("host", "written", host)} if host else {}) for text, host in hosts
        ]
    else:
        one = "*" if name is None else str(name.value) if name.is_known else ""
        pooler.databases = [Database(one, service.span, {})]
    return pooler


def _path(url: str) -> str:
    """The database a URL names."""
    return url.partition("://")[2].partition("/")[2].partition("?")[0]


# Variables whose line PgBouncer refuses, since the image of which version, and what they write
_EDOBURU_BREAKS = (
    ("POOL_SIZE", (1, 18), "as pool_size in [pgbouncer], which PgBouncer refuses; write DEFAULT_POOL_SIZE"),
    ("TIMEZONE", (1, 17), "as timezone in [pgbouncer], which PgBouncer refuses: it belongs into a database's connect string"),
    ("CLIENT_ENCODING", (1, 10), "as a database of the name client_encoding, whose connect string PgBouncer refuses"),
)


def _edoburu_refused(service: Service, version: tuple[int, ...] | None, project: Project) -> Iterator[Fault]:
    for name, since, what in _EDOBURU_BREAKS:
        fact = _given(service, name)
        if fact is not None and fact.is_known and fact.span is not None and (version is None or version >= since):
            yield Fault(f"edoburu/pgbouncer writes {name} {what}", fact.span, fix=_without(service, name, project))


def _without(service: Service, name: str, project: Project) -> Fix | None:
    """A variable that PgBouncer does not start with taken away, POOL_SIZE renamed to what is meant; only where it is the service's own."""
    written = service.entry.environment.get(name)
    others = (other.entry.environment.get(name) for stack in project.stacks for other in stack.services.values())
    if written is None or sum(other is not None and other.span == written.span for other in others) > 1:
        return None
    if name == "POOL_SIZE" and "DEFAULT_POOL_SIZE" not in service.environment.variables:
        at = written.span.start + written.span.text.startswith(("'", '"'))
        place = Span(written.span.source, at, at + len(name))
        return Fix("write DEFAULT_POOL_SIZE", "safe", (Edit(place, "DEFAULT_POOL_SIZE"),)) if place.text == name else None
    from ..formats import compose_edit

    edit = compose_edit.removed(written.value_span)
    return Fix(f"leave {name} out", "unsafe", (edit,)) if edit is not None else None


def _bitnami(service: Service, tree: Tree, project: Project, version: tuple[int, ...] | None) -> Pooler:
    """bitnami/pgbouncer: libpgbouncer.sh and pgbouncer-env.sh."""
    pooler = _from_variables(service, lambda key: "PGBOUNCER_" + key.upper(), _BITNAMI_WRITES, project, version)
    port = _given(service, "PGBOUNCER_PORT")
    defaults = {"auth_type": Fact("auth_type", "default", "scram-sha-256", reason="the image")}
    pooler.raw = {**defaults, **pooler.raw, **({"listen_port": port.named("listen_port")} if port is not None else {})}
    name, user = _given(service, "PGBOUNCER_DATABASE"), _given(service, "POSTGRESQL_USERNAME")
    pairs: dict[str, Fact[Any]] = {}
    forced = _given(service, "PGBOUNCER_SET_DATABASE_USER")
    if forced is not None and forced.is_known and str(forced.value).lower() in ("yes", "true", "1"):
        pairs["user"] = user or Fact("user", "default", "postgres", reason="the image")
    looked = _given(service, "PGBOUNCER_AUTH_USER")
    if looked is not None:
        pairs["auth_user"] = looked
    first = "postgres" if name is None else str(name.value) if name.is_known else ""
    databases = {first: Database(first, service.span, pairs)}
    number = 0
    while (dsn := _given(service, f"PGBOUNCER_DSN_{number}")) is not None:
        number += 1
        if not dsn.is_known:
            pooler.databases_known = dsn.reason
            break
        key, _, value = str(dsn.value).partition("=")
        one = _entry(key, value)
        if one is not None:
            found = {pair.key: _written(pair).at(dsn.span) for pair in pgbouncer.connect_string(one).entries}
            databases[one.key] = Database(one.key, dsn.span or service.span, found)
    pooler.databases = list(databases.values())
    mounted = file_at(service, "/bitnami/pgbouncer/conf/userlist.txt", tree)
    more = _given(service, "PGBOUNCER_USERLIST")
    if mounted is not None:
        _list_users(pooler, mounted, tree)
    elif not service.environment.gap and (user is None or user.is_known) and (more is None or more.is_known):
        names = ["postgres" if user is None else str(user.value)]
        names += [other for other, _, _ in secrets(Source("userlist.txt", str(more.value) if more is not None else ""))]
        pooler.listed = Fact("users", "written", tuple(dict.fromkeys(names)), service.span)
    return pooler


def _entry(key: str, value: str) -> Entry | None:
    """The entry that ``key = value`` makes in [databases]."""
    parsed = pgbouncer.parse(Source("", f"[databases]\n{key} = {value}"))
    return parsed.entries[0] if len(parsed.entries) == 1 else None


def build_unplaced(tree: Tree, project: Project) -> None:
    """pgbouncer.ini files no service was seen to read: what is wrong in themselves is still wrong."""
    for path in tree.paths("pgbouncer"):
        source = tree.read(path) if path not in project.read_files else None
        if source is not None:
            project.read_files.add(path)
            project.add_faults("pgbouncer", of_parsed(pgbouncer.parse(source), None))
