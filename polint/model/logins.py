"""Logins: who connects to which PostgreSQL server, as which role and how."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..diagnostic import Edit, Fix
from ..fact import Fact, default, derive, unknown
from ..source import Span
from .addresses import is_public
from .remedies import Remedy

if TYPE_CHECKING:
    from .pooler import Pooler
    from .server import Server
    from .targets import Link, Target

_GUARDED = ("require", "verify-ca", "verify-full")


class Login:
    """One client's way to a server: host, role, and how the connection is made.

    ``client`` is the kind of client: ``rust``, ``laravel``, ``pdo``, ``pgbouncer``, or
    ``variables`` for a program that is not read but is given these.  ``server`` is the
    one behind ``pooler`` too.  The value of ``password`` is never kept: only that there is one, and its place.
    """

    kind = "login"

    def __init__(
        self,
        label: str,
        span: Span,
        *,
        client: str,
        service: str,
        host: Fact[str],
        user: Fact[str],
        sslmode: Fact[str],
        application_name: Fact[str],
        target: Target,
    ) -> None:
        self.label: str = label
        self.span: Span = span
        self.client: str = client
        self.service: str = service  # the compose service of the client
        self.host: Fact[str] = host  # the host it connects to
        self.user: Fact[str] = user  # the role it connects as
        self.sslmode: Fact[str] = sslmode  # whether it encrypts, by libpq's words
        self.application_name: Fact[str] = application_name  # the name it tells the server
        self.target: Target = target
        self.home: Span | None = None  # the URL or file that what it leaves out can be added to
        self.may_encrypt: bool = True  # as far as its program's sources tell
        self.shares_mode: bool = False  # its sslmode is another login's as well, whose server may know no encryption
        self.source: Span | None = None  # the URL or DSN that the rest is taken from
        self.is_taken_whole: Callable[[], bool] = lambda: True  # nobody is seen to put something behind the source, or to take it apart
        self.peers: Sequence[Login] = ()  # all logins of the project
        self.server: Server | None = target.server
        self.pooler: str = target.pooler
        self.superuser: Fact[str] = unknown("superuser", "its server is not known")  # the superuser that the server's image makes
        self.is_application: bool = False  # code that polint reads, and no job that runs once
        self.is_tool: bool = False  # it runs once, or looks after the server
        self.is_for_tests: bool = False  # its file is for tests alone
        self.repeats_role: bool = False  # so does an earlier login of its service, or the place that names the role
        self.repeats_place: bool = False  # so does an earlier login of its service to this server, or the place itself
        self.is_bypass: Fact[bool] = derive("is_bypass", lambda: False)  # it goes past the pooler that is meant for it
        self.bypassed: Pooler | None = None  # the PgBouncer it passes by
        self.bypassed_because: str = ""  # why it was to connect through that PgBouncer, as a clause
        self.link: Link | None = None  # the place in code that it was made from
        self.detour: Fix | None = None  # what leads it through that pooler

    @property
    def is_outside(self) -> bool:
        """Whether its host is for certain outside the stack: a public name or address that is no container's."""
        return self.target.elsewhere and self.host.is_known and is_public(self.host.value)

    @property
    def is_guarded(self) -> Fact[bool]:
        """Whether the connection cannot be unencrypted: sslmode require, verify-ca or verify-full."""
        return derive("is_guarded", lambda mode: mode.lower().replace("_", "-") in _GUARDED, self.sslmode)

    @property
    def changeable_mode(self) -> Fact[str]:
        """Its sslmode where a stricter one would do no more than to refuse a server without encryption."""
        if self.shares_mode or not self.may_encrypt:
            return unknown("sslmode", "whether its program and all servers can encrypt is not known")
        return self.sslmode

    @property
    def mode(self) -> str:
        """Its sslmode, as messages say it."""
        if self.sslmode.is_default:
            return f"no sslmode ({self.sslmode.reason} takes {self.sslmode.value})"
        return f"sslmode {self.sslmode.value}"

    @property
    def is_superuser(self) -> Fact[bool]:
        """Whether its role is the superuser that the server's image makes."""
        return derive("is_superuser", lambda user, superuser: user == superuser, self.user, self.superuser)

    @property
    def is_named(self) -> Fact[bool]:
        """Whether it tells the server an application_name."""
        name = self.application_name
        return derive("is_named", bool, name) if not name.is_default else Fact("is_named", "derived", bool(name.value))

    @property
    def sharers(self) -> int:
        """How many services are known to use its server."""
        if self.server is None:
            return 0
        clients = [client for client in self.server.consumers if client.kind not in ("exporter", "pgbouncer") and not client.once]
        return len({client.service.partition("/")[0] for client in clients})

    @property
    def naming(self) -> Fix | Remedy | None:
        """It tells its service's name, or of several services that of their application's folder; None where nothing tells one."""
        from ..spelling import with_parameter

        if self.source is not None:
            alike = [one for one in self.peers if one.span == self.span and one.is_named.is_known and not one.is_named.value]
            named = {one.source: one.service for one in alike if one.source is not None and not one.shares_source}
            texts = {source: with_parameter(source.text, "application_name", name) for source, name in named.items()}
            edits = tuple(Edit(source, text) for source, text in texts.items() if text is not None)
            whole = all(one.is_taken_whole() for one in alike if one.source in texts)
            applicability = "safe" if whole else "unsafe"
            return Fix(f"call it {self.service}", applicability, edits) if texts.get(self.source) is not None else None
        if self.client != "laravel":
            return None
        name = self.service
        if any(one.span == self.span and one.service != name for one in self.peers):
            name = posixpath.basename(posixpath.dirname(posixpath.dirname(self.span.path)))
        return Remedy(f"call it {name}", ((default("application_name", ""), name),)) if name else None

    @property
    def shares_source(self) -> bool:
        """Whether the login of another service is taken from the same text."""
        return any(one.source == self.source and one.service != self.service for one in self.peers)
