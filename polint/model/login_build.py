"""The logins of a project, put together from what its linkers saw: code, variables, poolers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..fact import Fact, default, derive, unknown
from ..patterns import lazy
from ..source import Span
from ..value import Value, env_reads
from . import images
from .addresses import Url, part, take_apart
from .login_code import CodeLogins, as_text, url_of
from .logins import Login
from .passwords import Given, build_passwords, is_for_tests, of_commands, of_variables
from .postgres import server_image
from .project import Project, Service, Tree
from .resolve import NOTHING, UNKNOWN
from .server import Server
from .targets import LOCAL, SOCKET, Link, Target, evidence, host_of, reach

if TYPE_CHECKING:
    from ..formats import php
    from .consumers import Linker
    from .pooler import Database, Pooler

_HOST = lazy(r"^(\w*(?:PG|DB|POSTGRES|POSTGRESQL|DATABASE|SQL)\w*?_?)(?:HOST|HOSTNAME|SERVER|ADDR|ADDRESS)$")
_LONG = 100  # no variable's name is that long
# libpq's connection string, quotes and escapes left out; other drivers separate theirs with semicolons
_KEYWORDS = lazy(r"\s*[a-z_]+=[^\s;'\"\\]*(?:\s+[a-z_]+=[^\s;'\"\\]*)+\s*")
_URL_NAME = lazy(r"_?(?:URL|URI|DSN)$")
_USERS = ("USER", "USERNAME", "USER_NAME", "ROLE")
_PASSWORDS = ("PASSWORD", "PASS", "PASSWD", "PWD")
_ONE_OFF = lazy(
    r"(?i)migrat|seed|backup|restore|dump|"
    r"(^|[-_/ ])(init|setup|job|jobs|cron|flyway|liquibase|atlas|dbmate|goose|sqitch|diesel|sqlx)($|[-_/ ])"
)
_DIRECT = lazy(r"(?i)direct|migrat|admin|replica|read|reader|ro$|listen|notif|unpooled|non_?pool|session|shadow|superuser|owner")
_OWNER = lazy(r"(?i)migrat|admin|superuser|owner|backup|shadow")  # variables of those who look after the database
# PostgreSQL's image, or one built on it whose POSTGRES_USER is a superuser as well
_OFFICIAL = ("postgres", "postgis/postgis", "pgvector/pgvector", "ankane/pgvector", "timescale/timescaledb")
_OWN_SESSIONS = (b"PgListener", b"pg_advisory_lock", b"pg_try_advisory_lock")  # what a pooler in transaction mode cannot carry

_NOWHERE = Target(None, reason="a part of its host is a variable that is not set")


class Maker:
    """Makes the logins of one stack from what its linker saw."""

    def __init__(self, linker: Linker, tree: Tree, project: Project) -> None:
        self.linker = linker
        self.tree = tree
        self.project = project
        services = linker.stack.services
        self.poolers = {
            pooler.service: pooler
            for pooler in project.poolers
            if pooler.service in services and services[pooler.service].span == pooler.span
        }
        self.logins: list[Login] = []
        self.code = CodeLogins(linker, tree)

    def run(self) -> list[Login]:
        """Every login, code first."""
        for link in self.linker.links:
            found = self.code.of_link(link)
            if found is not None:
                found.link = link
                self.finish(found, link.service, self.may_be_direct(link))
        read = {link.service.name for link in self.linker.links if link.service is not None}
        for service in self.linker.stack.services.values():
            if service.name in self.poolers:
                self.of_pooler(service, self.poolers[service.name])
            elif service.name not in read and server_image(service) is None:
                self.of_variables(service)
        return self.logins

    def finish(self, login: Login, service: Service | None, may_be_direct: bool = True, purpose: str = "") -> None:
        """Link a login to its server, and decide what depends on others; ``purpose`` is the variable that it is taken from."""
        pooler = self.poolers.get(login.pooler)
        if pooler is not None:
            login.server = pooler.server
        login.superuser = self.superuser(login.server)
        login.is_for_tests = any(map(is_for_tests, (self.linker.stack.label, login.span.path)))
        one_off = service is None or _ONE_OFF.search(f"{service.name} {' '.join(text for text, _ in service.command)[:500]}") is not None
        login.is_tool = service is not None and (one_off or service.name in self.poolers or _OWNER.search(purpose) is not None)
        login.is_application = login.client in ("rust", "laravel", "pdo") and not one_off
        if service is not None and login.is_application and not may_be_direct:
            login.bypassed, login.bypassed_because = self.bypassed(login, service)
            login.is_bypass = derive("is_bypass", lambda: login.bypassed is not None)
            if self.poolers and not login.host.is_known:
                login.is_bypass = unknown("is_bypass", login.host.reason, login.host.span)
        self.logins.append(login)

    def superuser(self, server: Server | None) -> Fact[str]:
        """The superuser of a server: POSTGRES_USER of PostgreSQL's own image, else ``postgres`` (docker-library/postgres, bitnami)."""
        service = self.linker.stack.services.get(server.service) if server is not None else None
        image = server_image(service) if service is not None else None
        if image is not None and image.family.startswith("bitnami"):
            return default("superuser", "postgres", "the image")  # POSTGRESQL_USERNAME becomes an ordinary role (libpostgresql.sh)
        if service is None or image is None or image.family not in _OFFICIAL:
            return unknown("superuser", "which superuser its server has is not known")
        variables = service.environment.variables
        if "POSTGRES_USER_FILE" in variables:
            return unknown("superuser", "it is read from a file")
        named = variables.get("POSTGRES_USER")
        if named is None and service.environment.gap:
            return unknown("superuser", service.environment.gap)
        if named is None or (named.is_known and not named.value):
            return default("POSTGRES_USER", "postgres", "the image")
        return named

    # -------------------------------------------------------------- variables

    def of_variables(self, service: Service) -> None:
        """The logins of a program that is not read: URLs among its variables, and host, user and password variables that go together."""
        if images.tool(service.base_image) is not None:
            return
        for name, fact in service.environment.outlined.variables.items():
            written = service.entry.environment.get(name)
            places = (written.value_span,) if written is not None and written.value is not None else ()
            if not fact.is_known or not fact.value:
                continue
            if "://" in fact.value:
                url = take_apart(fact.value)
                span = fact.span or next(iter(places), None)
                if url is not None and span is not None:
                    self.of_url(service, name, fact, url, span, places)
            elif "host=" in fact.value:
                self.of_keywords(service, name, fact, places)
            elif len(name) < _LONG and (found := _HOST.match(name)) and UNKNOWN not in fact.value:
                self.of_host(service, name, found.group(1), fact)

    def of_url(self, service: Service, name: str, fact: Fact[str], url: Url, span: Span, places: tuple[Span, ...]) -> None:
        """The login of a variable that holds a URL."""
        variables = service.environment.variables
        host, user, sslmode, application = self.code.parts(fact, service.environment, "", False, *places)
        prefix = _URL_NAME.sub("", name)
        if not url.user:
            user = next((variables[key] for ending in _USERS if (key := f"{prefix}_{ending}") in variables), user)
        login = Login(
            f"login {name} of service {service.name}", span, client="variables", service=service.name,
            host=host, user=user.named("user"), sslmode=sslmode, application_name=application,
            target=reach(service, url.host or host_of(fact.value), self.linker.ends) if UNKNOWN not in url.host else _NOWHERE,
        )  # fmt: skip
        login.source = url_of(fact)
        self.code.password(fact, login, *places)
        self.finish(login, service, purpose=name)

    def of_keywords(self, service: Service, name: str, fact: Fact[str], places: tuple[Span, ...]) -> None:
        """The login of a variable that holds keywords as libpq takes them: ``host=db user=app dbname=shop``."""
        if _KEYWORDS.fullmatch(fact.value) is None:
            return
        pairs = dict(pair.split("=", 1) for pair in fact.value.split())
        host = pairs.get("host", "")
        target = reach(service, host, self.linker.ends) if host and UNKNOWN not in host else _NOWHERE
        if target.server is None and not target.pooler:
            return

        def keyword(key: str, reason: str = "the program may set it") -> Fact[str]:
            return part(key, fact, pairs[key], *places) if pairs.get(key) else unknown(key, reason)

        login = Login(
            f"login {name} of service {service.name}", fact.span or service.span, client="variables", service=service.name,
            host=keyword("host"), user=keyword("user", "no keyword names it"), sslmode=keyword("sslmode"),
            application_name=keyword("application_name"), target=target,
        )  # fmt: skip
        self.code.word(keyword("password"), login)
        self.finish(login, service, purpose=name)

    def of_host(self, service: Service, name: str, prefix: str, fact: Fact[str]) -> None:
        """The login of a host variable and those that share its prefix; only towards a server that is known to be PostgreSQL."""
        variables = service.environment.variables
        host = fact.value.partition(":")[0]
        target = reach(service, host, self.linker.ends)
        kinds = [variables[key].value.lower() for key in (f"{prefix}CONNECTION", f"{prefix}DRIVER", f"{prefix}TYPE")
                 if key in variables and variables[key].is_known]  # fmt: skip
        named = "PG" in prefix or "POSTGRES" in prefix or any(kind.startswith(("postgres", "pgsql")) for kind in kinds)
        ours = target.server is not None or target.pooler or (target.elsewhere and named)
        if not ours or any(kind in ("mysql", "mariadb", "sqlite", "sqlsrv", "mssql", "redis", "mongodb") for kind in kinds):
            return

        def beside(names: Iterable[str], what: str) -> Fact[str]:
            found = next((variables[prefix + ending] for ending in names if prefix + ending in variables), None)
            return found.named(what) if found is not None else unknown(what, "no variable names it")

        login = Login(
            f"login {name} of service {service.name}", fact.span or service.span, client="variables", service=service.name,
            host=Fact("host", fact.origin, host, fact.span, fact.sources, fact.reason, fact.via), user=beside(_USERS, "user"),
            sslmode=beside(("SSLMODE", "SSL_MODE"), "sslmode"), application_name=unknown("application_name", "the program may set it"),
            target=target,
        )  # fmt: skip
        self.code.word(beside(_PASSWORDS, "password"), login)
        self.finish(login, service, purpose=name)

    # -------------------------------------------------------------- poolers

    def of_pooler(self, service: Service, pooler: Pooler) -> None:
        """The logins of a PgBouncer: its [databases], else the variables its image reads."""
        if not any("host" in one.pairs for one in pooler.databases):
            self.of_variables(service)
            return
        mode = pooler.raw.get("server_tls_sslmode")
        if mode is None:
            old = pooler.version is not None and pooler.version < (1, 20)
            mode = default("server_tls_sslmode", "disable" if old else "prefer", "PgBouncer")
        for one in pooler.databases:
            host = one.pairs.get("host")
            if host is None or not host.is_known:
                continue
            self.finish(self.of_database(service, one, host, mode), service)

    def of_database(self, service: Service, one: Database, host: Fact[Any], mode: Fact[Any]) -> Login:
        """The login of one entry of ``[databases]``."""
        login = Login(
            f"login of database {one.name} in service {service.name}", one.span, client="pgbouncer", service=service.name,
            host=as_text(host), user=as_text(one.pairs.get("user") or unknown("user", "its clients bring their own")),
            sslmode=as_text(mode),
            application_name=unknown("application_name", "its clients bring their own"),
            target=reach(service, str(host.value), self.linker.ends),
        )  # fmt: skip
        login.home = self.poolers[service.name].home
        if "password" in one.pairs:
            self.code.word(one.pairs["password"], login)
        return login

    # -------------------------------------------------------------- the pooler that is passed by

    def may_be_direct(self, link: Link) -> bool:
        """Whether a connection past the pooler may be meant: its name says so, or it holds on to its session."""
        values: list[Value | None] = []
        name = ""
        if link.pool is not None:
            values = [link.pool.target]
            if self.code.says(link, *_OWN_SESSIONS):
                return True
        elif link.entry is not None:
            name = link.entry.name
            values = [link.entry.settings[key].value for key in ("url", "host") if key in link.entry.settings]
        elif link.call is not None:
            values = [link.call.dsn, link.call.keywords.get("host")]
        return any(_DIRECT.search(text) for text in (name, *(read.name for value in values for read in env_reads(value))))

    def bypassed(self, login: Login, service: Service) -> tuple[Pooler | None, str]:
        """The pooler that stands before the login's server and is passed by, with what says that it is meant for such clients."""
        found = [pooler for pooler in self.poolers.values() if login.server is not None and pooler.server is login.server]
        if len(found) != 1 or login.pooler or login.target.inferred or not login.host.is_known or login.host.value in (*LOCAL, SOCKET):
            return None, ""
        pooler = found[0]
        if login.target.past == pooler.service:
            return pooler, f"its url wins over its host, which names {pooler.service}"
        own = self.linker.stack.services[pooler.service]
        if any(profile not in service.entry.profiles for profile in own.entry.profiles):
            return None, ""  # it need not run
        if any(target.pooler == pooler.service for target in evidence(service, self.linker.ends)):
            return None, ""  # it knows both ways
        if any(link.target.pooler == pooler.service for link in self.linker.links if link.service is service):
            return None, ""
        others = [name for client in pooler.clients if (name := client.service.partition("/")[0]) != service.name]
        if others:
            names = list(dict.fromkeys(others))
            return pooler, f"{', '.join(names)} {'connects' if len(names) == 1 else 'connect'} through it"
        if pooler.service in service.entry.depends_on:
            return pooler, f"{service.name} depends on it"
        return None, ""


def build_logins(linkers: Sequence[Linker], files: Mapping[str, php.PhpFile], tree: Tree, project: Project) -> None:
    """The logins of every stack and of code that no stack runs, and the passwords written in their files."""
    given: list[Given] = []
    placed = {id(place) for linker in linkers for link in linker.links for place in (link.entry, link.call)}
    for number, linker in enumerate(linkers):
        maker = Maker(linker, tree, project)
        if number == len(linkers) - 1:  # what no stack runs belongs to none
            linker.links += [link for link in _unplaced(linker, files) if id(link.entry or link.call) not in placed]
        found = maker.run()
        project.logins += found
        if any(login.bypassed is not None for login in found):
            from .pooler_detour import build_detours

            build_detours(linker, found)
        given += (Given(fact, _owner(login), _names_of(login, name)) for fact, login, name in maker.code.passwords)
        given += (*of_variables(linker.stack), *of_commands(linker.stack))
    for login in project.logins:
        login.peers = project.logins
    _mark_repeats(project.logins)
    _mark_shared(project.logins)
    if given:
        build_passwords(given, project)


def _mark_repeats(logins: Iterable[Login]) -> None:
    """Logins that would only say again what an earlier one says."""
    roles: set[object] = set()
    places: set[object] = set()
    for login in logins:
        pair = (login.service or login.span.path, id(login.server))
        user = login.user.span or login.span
        if login.is_superuser.is_known and login.is_superuser.value and not (login.is_tool or login.is_for_tests):
            here = (user.path, user.start)
            login.repeats_role = pair in roles or here in roles
            roles |= {pair, here}
        if login.is_application:
            here = (login.span.path, login.span.start)
            login.repeats_place = pair in places or here in places
            places |= {pair, here}


def _mark_shared(logins: Iterable[Login]) -> None:
    """Logins whose sslmode is decided, or would be, where that of one to another server is, which may know no encryption."""
    inside: set[object] = set()
    places: list[tuple[Login, object]] = []
    for login in logins:
        span = login.sslmode.span or login.home or login.span
        places.append((login, (span.path, span.start)))
        if not login.is_outside:
            inside.add((span.path, span.start))
    for login, place in places:
        login.shares_mode = place in inside


def _unplaced(linker: Linker, files: Mapping[str, php.PhpFile]) -> Iterator[Link]:
    """Every PHP connection to PostgreSQL, as it is when it runs beside its own .env."""
    if not files:
        return
    from .connections import driver, is_pgsql, may_be_used

    nowhere = Target(None, reason="it is in no compose file", elsewhere=True)
    unused = Target(None, reason="the application uses another connection")
    for path, file in files.items():
        environment = linker.php_services.laravel_env(path) if file.connections else NOTHING
        for entry in file.connections:
            if driver(entry, environment) == "pgsql":
                used = may_be_used(entry, path, file, environment, linker.tree)
                yield Link(None, environment, nowhere if used else unused, entry=entry)
        for call in file.calls:
            if is_pgsql(call, NOTHING):
                yield Link(None, NOTHING, nowhere, call=call)


def _owner(login: Login) -> str:
    return f'the role "{login.user.value}"' if login.user.is_known else f"the {login.label}"


def _names_of(login: Login, database: str) -> tuple[str, ...]:
    """What a placeholder may repeat: the role, the host, the service, the database."""
    return (login.service, database, *(str(fact.value) for fact in (login.user, login.host) if fact.is_known))
