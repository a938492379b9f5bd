"""What runs on the client side: connection pools in code, php-fpm pools."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..fact import Fact, Unknown, default, derive, unknown
from ..source import Span
from ..units import INFINITY, Seconds
from . import read
from .setting import Section, setting

if TYPE_CHECKING:
    from .pool_libraries import PoolLibrary
    from .server import Server


def _own(key: str) -> Callable[[Pool], Fact[Any]]:
    """The default of the pool's own library."""

    def fallback(pool: Pool) -> Fact[Any]:
        value = pool.made_with.defaults[key]
        whose = pool.made_with.whose or pool.made_with.maker
        if value is None and key == "min_connections":  # r2d2 opens them all
            size = pool.max_connections
            return default(key, size.value, whose) if size.is_known else unknown(key, size.reason)
        if value is None:
            return unknown(key, f"{whose} takes it from the machine's CPUs")
        return default(key, value, whose)

    return fallback


class Pool(Section):
    """A connection pool built in code; ``raw`` holds the facts of its builder's setters, by the names of SQLx.

    A setting that its library does not have is at what then holds: a deadpool's idle connections live for ever.
    """

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
        driver: str = "sqlx",
        prepares_by_name: bool = True,
        names: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(label, span, raw)
        self.library = library  # the library's name, such as sqlx
        self.constructor = constructor  # the call that makes it, as written
        self.driver = driver  # what speaks to the server: sqlx, tokio-postgres, diesel or diesel-async
        self.prepares_by_name = prepares_by_name  # the driver names its prepared statements
        self._version = version
        self._names = names or {}
        self.closed = closed  # the code closes it at shutdown
        self.server: Server | None = None  # where it connects, if that is known
        self.peers: Sequence[Pool] = ()  # all pools of the project, which may read the same places
        self.sized: dict[Span, set[int]] = {}  # servers by the place of the size of some pool, found out once for all pools

    max_connections = setting("max_connections", int, read.count, _own("max_connections"), "", "most connections the pool opens")
    min_connections = setting("min_connections", int, read.count, _own("min_connections"), "", "connections the pool keeps open")
    acquire_timeout = setting("acquire_timeout", Seconds, read.seconds, _own("acquire_timeout"), "", "longest wait for a connection")
    connect_timeout = setting("connect_timeout", Seconds, read.seconds, Seconds(30), "SQLx before 0.6", "acquire_timeout's old name")
    idle_timeout = setting("idle_timeout", Seconds, read.seconds, _own("idle_timeout"), "", "longest a connection may idle in the pool")
    max_lifetime = setting("max_lifetime", Seconds, read.seconds, _own("max_lifetime"), "", "longest a connection is kept")
    test_before_acquire = setting(
        "test_before_acquire", bool, read.truth, _own("test_before_acquire"), "", "ping before a connection is handed out"
    )

    @property
    def made_with(self) -> PoolLibrary:
        """The library."""
        from .pool_libraries import LIBRARIES

        return LIBRARIES[self.library]

    def name_of(self, key: str) -> str:
        """What the library calls a setting."""
        return self._names.get(key) or self.made_with.name(key)

    @property
    def version(self) -> Fact[str]:
        """The library's version, as Cargo.lock or Cargo.toml states it."""
        return self._version()

    @property
    def has_acquire_timeout(self) -> Fact[bool]:
        """Whether this SQLx calls it acquire_timeout: since 0.6 (SQLx CHANGELOG)."""
        from ..formats import cargo

        return derive("has_acquire_timeout", lambda version: (cargo.major_minor(version) or (0, 6)) >= (0, 6), self.version)

    @property
    def maker(self) -> str:
        """The library's name as its own project writes it."""
        return self.made_with.maker

    @property
    def driver_name(self) -> str:
        """What speaks to the server, as its own project writes it."""
        return {"sqlx": "SQLx", "diesel": "Diesel"}.get(self.driver, self.driver)

    @property
    def has_idle_timeout(self) -> bool:
        """Whether the library closes idle connections at all."""
        return "idle_timeout" not in self.made_with.absent

    @property
    def has_max_lifetime(self) -> bool:
        """Whether the library replaces connections by age at all."""
        return "max_lifetime" not in self.made_with.absent

    @property
    def is_size_implicit(self) -> Fact[bool]:
        """Whether nobody says how large it may grow; unknown of settings that are out of sight."""
        size = self.raw.get("max_connections")
        if size is not None and not size.is_known and not size.is_written:
            return size
        return derive("is_size_implicit", lambda: size is None)

    @property
    def implicit_size(self) -> str:
        """What the library makes of a size that nobody gave, as messages say it."""
        size = self.max_connections
        if size.is_known:
            return f"{self.maker} opens up to {size.value} connections in every process"
        return f"how many connections {self.maker} opens depends on the machine's CPUs"

    @property
    def size_setter(self) -> str:
        """The library's name for the size."""
        return self.name_of("max_connections")

    @property
    def wait_setter(self) -> str:
        """The library's name for the wait for a connection."""
        return self.name_of("acquire_timeout")

    @property
    def check_setter(self) -> str:
        """The library's name for the ping."""
        return self.name_of("test_before_acquire")

    @property
    def wait_help(self) -> str:
        """How to say how long a caller waits."""
        return self.made_with.waiting or f"`.{self.name_of('acquire_timeout')}(Duration::from_secs(5))`"

    @property
    def longest_wait(self) -> Fact[str]:
        """How long a caller waits, as messages say it."""
        return derive("longest_wait", lambda wait: "for ever" if wait == INFINITY else f"up to {wait}", self.acquire_timeout)

    @property
    def closes_idle(self) -> Fact[str]:
        """When it closes idle connections, as messages say it."""
        return derive("closes_idle", _when, self.idle_timeout)

    @property
    def replaces(self) -> Fact[str]:
        """When it replaces connections, as messages say it."""
        return derive("replaces", _when, self.max_lifetime)

    @property
    def old_wait(self) -> Fact[Seconds]:
        """connect_timeout, where the name that it has by now is free."""
        taken = "acquire_timeout" in self.raw
        return unknown("connect_timeout", "acquire_timeout is set as well") if taken else self.connect_timeout

    @property
    def most_kept(self) -> Fact[int]:
        """The largest number of connections that it can keep open; unknown where it may open none."""
        from .login_readers import is_read_once

        size, place = self.max_connections, self.min_connections.span
        if any(peer.min_connections.span == place and peer.max_connections.value != size.value for peer in self.peers):
            return unknown(size.name, "another pool keeps as many, and may open others")
        if place is not None and not is_read_once(place, self.span):
            return unknown(size.name, "its code uses the variable for something else as well")
        return unknown(size.name, "a pool of 0 hands out nothing") if size.is_known and size.value < 1 else size

    @property
    def fair_share(self) -> Fact[int]:
        """Two fifths of its server, but not less than it keeps: an old and a new instance fit while one replaces the other.

        Unknown where one value, such as a variable, decides its size and the server's, or that of another server's pool.
        """
        if self.server is None:
            return unknown("share", "its server is not known")
        size, limit = self.max_connections, self.server.max_connections
        if size.span is not None and size.span in [leaf.span for leaf in limit.leaves()]:
            return unknown("share", "its size and the server's are one value", size.span)
        if not self.sized:
            for peer in self.peers:
                if (place := peer.max_connections.span) is not None:
                    self.sized.setdefault(place, set()).add(id(peer.server))
        if size.span is not None and self.sized.get(size.span, set()) - {id(self.server)}:
            return unknown("share", "the pool of another server has the same size", size.span)
        usable = self.server.usable_connections
        if usable.is_known and usable.value < 3:
            return unknown("share", "the server has too few connections")
        kept = 0 if self.min_connections.is_default else self.min_connections.value or 0
        if usable.is_known and kept >= usable.value:
            return unknown("share", "it keeps as many", self.min_connections.span)
        return derive("share", lambda slots: max(slots * 2 // 5, kept), usable)

    @property
    def has_own_check(self) -> bool:
        """A callback of its own stands in for the ping."""
        return any(name in self.raw for name in ("before_acquire", "test_before_acquire_if_idle_for", "map_sqlx_postgres_before_acquire"))


_SPARE = ("pm.start_servers", "pm.min_spare_servers", "pm.max_spare_servers", "pm.max_spawn_rate")
_IGNORED = {"static": (*_SPARE, "pm.process_idle_timeout"), "ondemand": _SPARE, "dynamic": ("pm.process_idle_timeout",)}


def _php_default(seconds: float) -> Callable[[Fpm], Fact[Seconds]]:
    """PHP's own default, where neither an image nor a file out of sight may have another."""

    def fallback(fpm: Fpm) -> Fact[Seconds]:
        return default("", Seconds(seconds), "php-fpm") if fpm.has_php_defaults else unknown("", "its image may set it")

    return fallback


def _when(limit: Seconds) -> str:
    return "never" if limit == INFINITY else f"after {limit}"


class Fpm(Section):
    """A php-fpm pool, over the defaults its image puts underneath."""

    kind = "fpm"

    def __init__(
        self, label: str, span: Span, raw: Mapping[str, Fact[Any]], *, name: str, service: str, has_persistent: bool = False
    ) -> None:
        super().__init__(label, span, raw)
        self.name = name  # the pool's name, such as www
        self.service = service  # the compose service that runs it
        self.has_persistent = has_persistent  # its code opens persistent connections
        self.own: frozenset[str] = frozenset()  # settings that FPM files of the repository decide
        self.has_php_defaults: bool = False  # what no file sets is as PHP itself has it
        self.peers: Sequence[Fpm] = ()  # all pools of the project, which may read the same places
        self.is_switched: Callable[[], bool] = lambda: False  # a script or the image's build writes another process manager into its file

    pm = setting("pm", str, lambda value: str(value).lower(), lambda section: unknown("pm", "not set"), "", "process manager")
    max_children = setting(
        "pm.max_children", int, read.count, lambda section: unknown("pm.max_children", "not set"), "", "most workers at once"
    )
    start_servers = setting("pm.start_servers", int, read.count, 0, "php-fpm", "workers at start")
    min_spare_servers = setting("pm.min_spare_servers", int, read.count, 0, "php-fpm", "least idle workers")
    max_spare_servers = setting("pm.max_spare_servers", int, read.count, 0, "php-fpm", "most idle workers")
    max_requests = setting("pm.max_requests", int, read.count, 0, "php-fpm", "requests before a worker is replaced; 0 is endless")
    request_terminate_timeout = setting(
        "request_terminate_timeout", Seconds, read.fpm_seconds, _php_default(INFINITY), "php-fpm", "longest a request may run"
    )
    process_control_timeout = setting(
        "process_control_timeout", Seconds, read.fpm_grace, _php_default(0), "php-fpm", "how long requests may go on after SIGQUIT"
    )

    @property
    def request_limit(self) -> Fact[str]:
        """request_terminate_timeout as messages print it: ``2 h``, ``off``."""
        limit = self.request_terminate_timeout
        return derive(limit.name, lambda longest: str(longest) if longest < INFINITY else "off", limit)

    @property
    def is_written(self) -> bool:
        """An FPM file of the repository sets something in it."""
        return bool(self.own)

    @property
    def main_setting(self) -> Fact[Any]:
        """What such a file says of it: pm.max_children if it does, else the first setting."""
        key = "pm.max_children" if "pm.max_children" in self.own else next((key for key in self.raw if key in self.own), "pm")
        return self.raw.get(key, self.pm)

    @property
    def least_children(self) -> Fact[int]:
        """How low pm.max_children may go: no lower than the idle workers that pm = dynamic keeps, of which images set no more than 3."""
        if self.pm.is_known and self.pm.value != "dynamic":
            return default("pm.max_children", 1, "php-fpm")
        spare = [getattr(self, name) for name in ("min_spare_servers", "max_spare_servers") if f"pm.{name}" in self.raw]
        return derive("pm.max_children", lambda *kept: max((3, *kept)), *spare)

    @property
    def home(self) -> Span | None:
        """Beside what a further setting goes: a file's setting of it; None where no file of the repository has any."""
        return self.main_setting.span if self.own else None

    @property
    def first_ignored(self) -> Fact[Any]:
        """The first setting that its process manager does not read, pm itself when there is none."""
        return next(iter(self.ignored), self.pm)

    @property
    def ignored(self) -> Sequence[Fact[Any]]:
        """Settings that files state and its process manager does not read (php-fpm accepts them silently)."""
        names = _IGNORED.get(str(self.pm.value), ()) if self.pm.is_known else ()
        return [fact.named(name) for name in names if (fact := self.raw.get(name)) is not None and fact.is_written]

    @property
    def needless(self) -> Sequence[Fact[Any]]:
        """Those settings, where their places decide nothing else: neither a variable, nor for a pool whose process manager reads them."""
        for fact in self.ignored:
            readers = [one for one in self.peers if fact.span in [theirs.span for theirs in one.raw.values()]]
            if fact.via or any(fact.span not in [theirs.span for theirs in one.ignored] for one in readers):
                raise Unknown(unknown(fact.name, "its place may decide something else", fact.span))
        if self.is_switched():
            raise Unknown(unknown("pm", "something writes another one into the file"))
        return self.ignored

    @property
    def ignored_names(self) -> Fact[str]:
        """Those settings as messages list them."""
        return derive("ignored settings", lambda _: ", ".join(fact.name for fact in self.ignored), self.pm)
