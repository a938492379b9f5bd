"""Logins: who connects to which PostgreSQL server, as which role and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fact import Fact, derive, unknown
from ..source import Span
from .addresses import is_public

if TYPE_CHECKING:
    from .pooler import Pooler
    from .server import Server
    from .targets import Target

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
        self.service: str = service
        self.host: Fact[str] = host
        self.user: Fact[str] = user
        self.sslmode: Fact[str] = sslmode
        self.application_name: Fact[str] = application_name
        self.target: Target = target
        self.server: Server | None = target.server
        self.pooler: str = target.pooler
        self.superuser: Fact[str] = unknown("superuser", "its server is not known")
        self.is_application: bool = False
        self.is_tool: bool = False  # it runs once, or looks after the server
        self.is_for_tests: bool = False
        self.repeats_role: bool = False  # so does an earlier login of its service, or the place that names the role
        self.repeats_place: bool = False  # so does an earlier login of its service to this server, or the place itself
        self.is_bypass: Fact[bool] = derive("is_bypass", lambda: False)  # it goes past the pooler that is meant for it
        self.bypassed: Pooler | None = None
        self.bypassed_because: str = ""

    @property
    def is_outside(self) -> bool:
        """Whether its host is for certain outside the stack: a public name or address that is no container's."""
        return self.target.elsewhere and self.host.is_known and is_public(self.host.value)

    @property
    def is_guarded(self) -> Fact[bool]:
        """Whether the connection cannot be unencrypted: sslmode require, verify-ca or verify-full."""
        return derive("is_guarded", lambda mode: mode.lower().replace("_", "-") in _GUARDED, self.sslmode)

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
        return len({client.service.partition("/")[0] for client in self.server.consumers if client.kind not in ("exporter", "pgbouncer")})
