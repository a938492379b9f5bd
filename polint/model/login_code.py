"""The logins that code makes: Rust pools, Laravel's connections, PDO."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from ..fact import Fact, default, unknown
from ..patterns import lazy
from ..source import Span
from .addresses import decoded, part, take_apart
from .login_readers import is_taken_whole
from .logins import Login
from .project import Tree
from .resolve import UNKNOWN, Environment, resolve
from .targets import Link

if TYPE_CHECKING:
    from ..formats import php, rust
    from .consumers import Linker

_REFERENCE = lazy(r"\$\{[^{}]*\}|\$\w+|\{[^{}]*\}|\$\$")
_URL = lazy(r"""(["']?)(?<![a-z])[a-z]+://[^\s"'<>`#]+\1""")


class CodeLogins:
    """Makes the logins of the places in code that a stack's linker saw, and notes their passwords."""

    def __init__(self, linker: Linker, tree: Tree) -> None:
        self.linker = linker
        self.tree = tree
        self.passwords: list[tuple[Fact[str], Login, str]] = []  # with the name of the database
        self._said: dict[tuple[tuple[str, ...], tuple[bytes, ...]], bool] = {}

    def of_link(self, link: Link) -> Login | None:
        """The login of one place in code."""
        link = link._replace(environment=link.environment.outlined)
        if link.pool is not None:
            return self.of_pool(link, link.pool)
        if link.entry is not None:
            return self.of_laravel(link, link.entry)
        return self.of_pdo(link, link.call) if link.call is not None else None

    def of_pool(self, link: Link, call: rust.PoolCall) -> Login:
        """The login of a Rust pool: its URL, with what code may add to it."""
        whole = resolve("url", call.target, link.environment) if call.target is not None else unknown("url", "it connects with options")
        library = {"sqlx": "SQLx"}.get(call.library, call.library)
        host, user, sslmode, name = self.parts(whole, link.environment, library, call.library == "sqlx")
        if sslmode.is_known and self.says(link, b"ssl_mode(", b"PgSslMode"):
            sslmode = unknown("sslmode", "its code may set it")
        if name.is_known and not name.value and self.says(link, b"application_name"):
            name = unknown("application_name", "its code may set it")
        where = f"service {link.service.name}" if link.service is not None else posixpath.basename(call.span.path)
        login = Login(
            f"login of {where}", call.span, client="rust", service=link.service.name if link.service is not None else "",
            host=host, user=user, sslmode=sslmode, application_name=name, target=link.target,
        )  # fmt: skip
        login.home = login.source = url_of(whole)
        self.readers(login, link)
        login.may_encrypt = call.library == "sqlx" and (not login.is_outside or self.has_tls(link))
        self.password(whole, login)
        return login

    def has_tls(self, link: Link) -> bool:
        """Whether SQLx is built with TLS: a Cargo.toml in a folder of the crates, or above, asks for it."""
        from ..formats import cargo

        manifests = [path for path in self.tree.paths("cargo") if path.endswith("Cargo.toml")]
        for crate in link.crates:
            for path in manifests:
                above = posixpath.dirname(path)
                source = self.tree.read(path) if not above or f"{crate.folder}/".startswith(f"{above}/") else None
                asked = cargo.features(source, ("sqlx",)) if source is not None else ()
                if any("tls" in name and name != "tls-none" for name in asked):
                    return True
        return False

    def parts(
        self, whole: Fact[Any], environment: Environment, library: str, reads_environment: bool, *places: Span
    ) -> tuple[Fact[str], Fact[str], Fact[str], Fact[str]]:
        """(host, user, sslmode, application_name) of a URL; what it leaves out is libpq's environment, else the library's default."""
        url = take_apart(str(whole.value)) if whole.is_known and whole.value is not None else None
        if url is None:
            reason = whole.reason if not whole.is_known else "its URL cannot be taken apart"
            nothing = unknown("url", reason)
            return nothing.named("host"), nothing.named("user"), nothing.named("sslmode"), nothing.named("application_name")
        user = part("user", whole, url.user, *places) if url.user else self.from_libpq("user", "PGUSER", environment, None, "")
        if UNKNOWN in url.database or UNKNOWN in "".join(url.params):  # further parameters may be in there
            reads_environment = False
        tls = next((name for name in ("sslmode", "ssl-mode") if name in url.params), "")
        if tls:
            sslmode: Fact[str] = part("sslmode", whole, url.params[tls], *places)
        elif reads_environment and "ssl" not in url.params:
            sslmode = self.from_libpq("sslmode", "PGSSLMODE", environment, "prefer", library)
        else:
            sslmode = unknown("sslmode", "what the program takes when nothing is said is not known")
        given = next((name for name in ("application_name", "applicationName", "ApplicationName") if name in url.params), "")
        if given:
            name: Fact[str] = part("application_name", whole, url.params[given], *places)
        elif reads_environment:
            name = self.from_libpq("application_name", "PGAPPNAME", environment, "", library)
        else:
            name = unknown("application_name", "the program may set it")
        host = part("host", whole, url.host, *places) if url.host else unknown("host", "its URL names no single host")
        return host, user, sslmode, name

    def from_libpq(self, name: str, variable: str, environment: Environment, otherwise: str | None, library: str) -> Fact[str]:
        """A setting that libpq's environment decides, else the default ``otherwise``."""
        found = environment.variables.get(variable)
        if found is not None:
            return found.named(name)
        if environment.gap or otherwise is None:
            return unknown(name, environment.gap or "nothing names it")
        return default(name, otherwise, library)

    def says(self, link: Link, *words: bytes) -> bool:
        """Whether the sources of a link's crates speak of any of ``words``."""
        key = (tuple(crate.folder for crate in link.crates), words)
        if key not in self._said:
            self._said[key] = any(word in data for crate in link.crates for data in map(self.tree.data, crate.paths) for word in words)
        return self._said[key]

    def of_laravel(self, link: Link, entry: php.ConnectionEntry) -> Login:
        """The login of one connection of config/database.php; its ``url`` beats the rest (laravel/framework, ConfigurationUrlParser)."""

        def setting(*keys: str) -> Fact[Any]:
            for key in keys:
                if key in entry.settings:
                    return resolve(key, entry.settings[key].value, link.environment)
            if not entry.settings_known:
                return unknown(keys[0], "its settings are put together at run time")
            return default(keys[0], None, "Laravel")

        url = setting("url")
        whole = url if url.is_known and url.value else None
        parts = self.parts(url, link.environment, "libpq", True) if whole is not None or not url.is_known else None
        host, user = setting("host"), setting("username")
        sslmode, name = setting("sslmode"), setting("application_name")
        if parts is not None:
            host, user = parts[0], parts[1]
            sslmode = parts[2] if not sslmode.is_known or not parts[2].is_default else sslmode
            name = parts[3] if not name.is_known or not parts[3].is_default else name
        if sslmode.is_known and not sslmode.value:
            sslmode = self.from_libpq("sslmode", "PGSSLMODE", link.environment, "prefer", "libpq")
        if name.is_known and not name.value:
            name = self.from_libpq("application_name", "PGAPPNAME", link.environment, "", "libpq")
        service = link.service
        login = Login(
            f"login of connection {entry.name}" + (f" in service {service.name}" if service is not None else ""),
            entry.span, client="laravel", service=service.name if service is not None else "",
            host=as_text(host), user=as_text(user), sslmode=as_text(sslmode), application_name=name, target=link.target,
        )  # fmt: skip
        if whole is not None:
            login.source = url_of(whole)
            self.readers(login, link)
            self.password(whole, login)
        self.word(setting("password"), login)
        return login

    def of_pdo(self, link: Link, call: php.PdoCall) -> Login:
        """The login of ``new PDO`` or pg_connect: the keywords of its DSN, and its arguments."""
        dsn = resolve("dsn", call.dsn, link.environment) if call.dsn is not None else unknown("dsn", "it is not given")
        keywords = {key: resolve(key, value, link.environment) for key, value in call.keywords.items()}
        if not keywords and dsn.is_known and "'" not in str(dsn.value) and "://" not in str(dsn.value):
            text = str(dsn.value).partition("pgsql:")[2] or str(dsn.value)
            pairs = [pair.partition("=") for pair in text.replace(";", " ").split()]
            keywords = {key: part(key, dsn, value) for key, _, value in pairs}
        reason = "" if keywords else "its DSN cannot be taken apart"

        def keyword(name: str, variable: str, otherwise: str | None) -> Fact[str]:
            found = keywords.get(name)
            if found is None and reason:
                return unknown(name, reason)
            return found if found is not None else self.from_libpq(name, variable, link.environment, otherwise, "libpq")

        user = resolve("user", call.user, link.environment) if call.user is not None else keyword("user", "PGUSER", None)
        host, sslmode = keyword("host", "PGHOST", None), keyword("sslmode", "PGSSLMODE", "prefer")
        name = keyword("application_name", "PGAPPNAME", "")
        if not keywords and dsn.is_known and take_apart(str(dsn.value)) is not None:  # pg_connect() takes a URL as well
            host, user, sslmode, name = self.parts(dsn, link.environment, "libpq", True)
        service = link.service
        login = Login(
            f"login in {posixpath.basename(call.span.path)}" + (f" of service {service.name}" if service is not None else ""),
            call.span, client="pdo", service=service.name if service is not None else "",
            host=as_text(host), user=as_text(user), sslmode=as_text(sslmode), application_name=name, target=link.target,
        )  # fmt: skip
        login.source = dsn.span if dsn.is_known else None
        self.readers(login, link)
        self.password(dsn, login)
        if call.password is not None:
            self.word(resolve("password", call.password, link.environment), login)
        return login

    def readers(self, login: Login, link: Link) -> None:
        """Let the login find out, when it is asked, who else reads its URL."""
        source, folders = login.source, [crate.folder for crate in link.crates]
        if source is not None:
            login.is_taken_whole = lambda: is_taken_whole(source, link.service, folders, self.tree)

    def password(self, whole: Fact[Any], login: Login, *places: Span) -> None:
        """Note the password of a URL."""
        url = take_apart(str(whole.value)) if whole.is_known else None
        if url is not None and url.password and UNKNOWN not in url.password:
            self.passwords.append((part("password", whole, url.password, *places), login, decoded(url.database)))

    def word(self, fact: Fact[Any], login: Login) -> None:
        """Note a password given by itself."""
        if fact.is_known and isinstance(fact.value, str) and fact.value and UNKNOWN not in fact.value:
            self.passwords.append((part("password", fact, fact.value), login, ""))


def url_of(whole: Fact[Any]) -> Span | None:
    """The one place where a URL is written from its scheme to its end, be it with references in it; None where code adds to it."""
    place = _url_of(whole)
    if place is None:
        return None
    text = place.text.strip("\"'")
    pattern = ".*".join(re.escape(part) for part in _REFERENCE.split(text))
    return place if "\\" in text or "%" in text or re.fullmatch(pattern, str(whole.value), re.DOTALL) else None


def _url_of(whole: Fact[Any]) -> Span | None:
    for leaf in whole.leaves() if whole.is_known else ():
        for place in (leaf.span, *leaf.via):
            if place is not None and _URL.fullmatch(place.text):
                return place
            if place is not None and place.text[:1] == "$":  # a reference in it
                text = place.source.text
                line = text.rfind("\n", 0, place.start) + 1
                around = next((one for one in _URL.finditer(text, line) if one.end() >= place.end), None)
                if around is not None and around.start() < place.start and "\n" not in around[0]:
                    return place.source.span(*around.span())
    return None


def as_text(fact: Fact[Any]) -> Fact[str]:
    """The fact as text; no value is none at all."""
    if fact.is_known and (fact.value is None or fact.value == ""):
        return unknown(fact.name, "it is not set", fact.span)
    if fact.is_known and UNKNOWN in str(fact.value):
        return unknown(fact.name, "a part of it is a variable that is not set", fact.span)
    if fact.is_known and not isinstance(fact.value, str):
        return Fact(fact.name, fact.origin, str(fact.value), fact.span, fact.sources, fact.reason, fact.via)
    return fact
