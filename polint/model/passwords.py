"""Passwords of database roles that stand in a file for everyone who reads it; what they are is never kept."""

from __future__ import annotations

from collections.abc import Iterable

from ..fact import Fact
from ..formats import format_of
from ..patterns import lazy
from ..source import Span
from ..tuples import NamedTuple
from .addresses import decoded, is_placeholder, part, take_apart
from .postgres import server_image
from .project import Project, Stack

_SHOWN = ("compose", "dockerfile", "rust", "php", "pgbouncer")  # .env files are the place for secrets
_TESTING = lazy(
    r"(?i)(^|[/._-])(tests?|testing|ci|e2e|examples?|samples?|demos?|dev|develop|development|devcontainer|local|localhost|fixtures?|"
    r"bench|benches|benchmarks?|playground|tutorials?|docs?|spec|mock|stubs?|override|dist|integration)([/._-]|$)"
)
_SET = lazy(r"\bPGPASSWORD=['\"]?([^\s'\"$;&|\\]+)")
_URL = lazy(r"\bpostgres(?:ql)?://[^\s'\"\\;|&]+")
_SERVER_VARIABLES = ("POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD", "POSTGRESQL_POSTGRES_PASSWORD")


class Given(NamedTuple):
    """A password as some place gives it, and the names it may simply repeat; lives only while the model is built."""

    fact: Fact[str]
    owner: str
    names: tuple[str, ...]


class Password:
    """A literal password in a file that others read; ``owner`` says whose it is."""

    kind = "password"

    def __init__(self, owner: str, span: Span, is_placeholder: bool) -> None:
        self.owner: str = owner
        self.span: Span = span
        self.label: str = f"password of {owner}"
        self.is_placeholder: bool = is_placeholder  # it is there to be replaced, such as changeme
        self.is_for_tests: bool = is_for_tests(span.path)  # its file is for tests alone


def is_for_tests(path: str) -> bool:
    """Whether a file is, by its name or folder, for tests, examples or development."""
    return _TESTING.search(path) is not None


def of_variables(stack: Stack) -> Iterable[Given]:
    """The passwords that servers' images are given for the roles they make, and libpq's PGPASSWORD wherever it is set."""
    for service in stack.services.values():
        variables = service.environment.variables
        is_server = server_image(service) is not None
        owner = f"the server {service.name}" if is_server else f"the role of service {service.name}"
        ends = ("_USER", "_USERNAME", "_DB", "PGUSER", "PGDATABASE", "PGHOST")
        names = tuple(str(fact.value) for name, fact in variables.items() if name.endswith(ends) and fact.is_known)
        for name in (*(_SERVER_VARIABLES if is_server else ()), "PGPASSWORD"):
            fact = variables.get(name)
            if fact is not None and fact.is_known and fact.value:
                yield Given(fact, owner, (service.name, *names))


def of_commands(stack: Stack) -> Iterable[Given]:
    """The passwords in commands: in URLs, and as PGPASSWORD before a program."""
    for service in stack.services.values():
        for text, span in service.command:
            if "PGPASSWORD=" not in text and "://" not in text:
                continue
            whole = Fact("command", "written", text, span)
            for found in _SET.finditer(text):
                yield Given(part("password", whole, found.group(1)), f"the role of service {service.name}", (service.name,))
            for found in _URL.finditer(text):
                url = take_apart(found.group(0))
                if url is not None and url.password and "$" not in url.password:
                    names = (service.name, url.host, url.user, url.database)
                    yield Given(part("password", whole, url.password), f'the role "{decoded(url.user)}"', names)


def build_passwords(given: Iterable[Given], project: Project) -> None:
    """One password for each place in a file that is no .env, however many use it."""
    seen: set[tuple[str, int]] = set()
    for fact, owner, names in given:
        span = fact.span
        if span is None or not fact.is_known or format_of(span.path) not in _SHOWN or (span.path, span.start) in seen:
            continue
        if "$" in span.text or not (fact.value in span.text or fact.value in decoded(span.text)):
            continue  # put together from something else
        seen.add((span.path, span.start))
        project.passwords.append(Password(owner, span, is_placeholder(fact.value, (*names, *span.path.split("/")))))
