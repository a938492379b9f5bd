"""What runs on the client side: connection pools in code, php-fpm pools, PHP's database connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..fact import Fact, derive, unknown
from ..formats import cargo
from ..source import Span
from ..units import INFINITY, Seconds
from . import read
from .server import Server
from .setting import Section, setting


class Pool(Section):
    """A connection pool built in code (SQLx); ``raw`` holds the facts of its builder's setters."""

    kind = "pool"

    def __init__(
        self,
        label: str,
        span: Span,
        raw: Mapping[str, Fact[Any]],
        *,
        library: str,
        constructor: str,
        version: Callable[[], Fact[str]],
        closed: Fact[bool],
    ) -> None:
        super().__init__(label, span, raw)
        self.library = library
        self.constructor = constructor
        self._version = version
        self.closed = closed
        self.server: Server | None = None

    max_connections = setting("max_connections", int, read.count, 10, "SQLx", "most connections the pool opens")
    min_connections = setting("min_connections", int, read.count, 0, "SQLx", "connections the pool keeps open")
    acquire_timeout = setting("acquire_timeout", Seconds, read.seconds, Seconds(30), "SQLx", "longest wait for a connection")
    connect_timeout = setting("connect_timeout", Seconds, read.seconds, Seconds(30), "SQLx before 0.6", "acquire_timeout's old name")
    idle_timeout = setting("idle_timeout", Seconds, read.seconds, Seconds(600), "SQLx", "longest a connection may idle in the pool")
    max_lifetime = setting("max_lifetime", Seconds, read.seconds, Seconds(1800), "SQLx", "longest a connection is kept")
    test_before_acquire = setting("test_before_acquire", bool, read.truth, True, "SQLx", "ping before a connection is handed out")

    @property
    def version(self) -> Fact[str]:
        """The library's version, as Cargo.lock or Cargo.toml states it."""
        return self._version()

    @property
    def has_acquire_timeout(self) -> Fact[bool]:
        """Whether this SQLx calls it acquire_timeout: since 0.6 (SQLx CHANGELOG)."""
        return derive("has_acquire_timeout", lambda version: (cargo.major_minor(version) or (0, 6)) >= (0, 6), self.version)

    @property
    def maker(self) -> str:
        """The library's name as its own project writes it."""
        return {"sqlx": "SQLx"}.get(self.library, self.library)

    @property
    def has_own_check(self) -> bool:
        """A before_acquire callback stands in for the ping."""
        return "before_acquire" in self.raw


class Fpm(Section):
    """A php-fpm pool, over the defaults its image puts underneath."""

    kind = "fpm"

    def __init__(
        self, label: str, span: Span, raw: Mapping[str, Fact[Any]], *, name: str, service: str, has_persistent: bool = False
    ) -> None:
        super().__init__(label, span, raw)
        self.name = name
        self.service = service
        self.has_persistent = has_persistent

    pm = setting("pm", str, lambda value: str(value).lower(), lambda section: unknown("pm", "not set"), "", "process manager")
    max_children = setting(
        "pm.max_children", int, read.count, lambda section: unknown("pm.max_children", "not set"), "", "most workers at once"
    )
    start_servers = setting("pm.start_servers", int, read.count, 0, "php-fpm", "workers at start")
    min_spare_servers = setting("pm.min_spare_servers", int, read.count, 0, "php-fpm", "least idle workers")
    max_spare_servers = setting("pm.max_spare_servers", int, read.count, 0, "php-fpm", "most idle workers")
    max_requests = setting("pm.max_requests", int, read.count, 0, "php-fpm", "requests before a worker is replaced; 0 is endless")
    request_terminate_timeout = setting(
        "request_terminate_timeout", Seconds, read.fpm_seconds, Seconds(INFINITY), "php-fpm", "longest a request may run"
    )


class Connection(Section):
    """A PDO connection to PostgreSQL: an entry of Laravel's config/database.php or a ``new PDO``.

    ``raw`` holds the options by PDO's constant; ``services`` names who uses it,
    ``long_running`` those of them that do so outside a request.
    """

    kind = "connection"

    def __init__(
        self,
        label: str,
        span: Span,
        raw: Mapping[str, Fact[Any]],
        *,
        name: str,
        framework: str,
        services: tuple[str, ...] = (),
        long_running: tuple[str, ...] = (),
    ) -> None:
        super().__init__(label, span, raw)
        self.name = name
        self.framework = framework
        self.services = services
        self.long_running = long_running

    persistent = setting("ATTR_PERSISTENT", bool, read.php_truth, False, "PDO", "keep the connection open in the worker")
    connect_timeout = setting("ATTR_TIMEOUT", Seconds, read.seconds, Seconds(30), "PDO", "longest wait for the server to answer")

    @property
    def serves_web(self) -> bool:
        """Some service that uses it answers requests (or none is known to use it)."""
        return not self.services or any(name not in self.long_running for name in self.services)

    @property
    def long_running_names(self) -> str:
        """The long-running services that use it, as messages list them."""
        return ", ".join(self.long_running)
