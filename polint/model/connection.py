"""PHP's database connections: what their options and keys come to, alone and through a PgBouncer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..diagnostic import Fix
from ..fact import Fact, Unknown, default, derive, unknown
from ..source import Span
from ..tuples import NamedTuple
from ..units import Seconds
from . import read
from .remedies import Remedy
from .setting import Section, setting

if TYPE_CHECKING:
    from .pooler import Pooler
    from .project import Service

_EXCEPTION = ("ERRMODE_EXCEPTION", 2)


class Use(NamedTuple):
    """A service that connects this way: through ``pooler`` for certain, or (None) directly or nobody knows how; its PHP's version."""

    service: Service
    pooler: Pooler | None
    php: tuple[int, int] | None


class Connection(Section):
    """A PDO connection to PostgreSQL: an entry of Laravel's config/database.php or a ``new PDO``.

    ``raw`` holds the options by PDO's constant, and Laravel's own keys; ``services`` names who uses it, ``web`` those
    of them that may answer requests by processes of PHP's own, ``long_running`` those whose process outlives a job or a
    request.  ``is_used`` is False of one that nothing opens, as the application is known to use another connection.
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
        web: tuple[str, ...] = (),
        long_running: tuple[str, ...] = (),
        is_used: bool = True,
        uses: tuple[Use, ...] = (),
    ) -> None:
        super().__init__(label, span, raw)
        self.name = name  # the entry's name, or the function that connects
        self.framework = framework  # laravel, or pdo where PHP code connects itself
        self.services = services
        self.web = web
        self.long_running = long_running
        self.is_used: bool = is_used
        self._uses = uses
        self.peers: Sequence[Connection] = ()  # all connections of the project
        self.role: str = ""  # as which its workers connect, where that role has a CONNECTION LIMIT
        self.role_limit: Fact[int] = unknown("CONNECTION LIMIT", "its role has none, as far as known")  # CONNECTION LIMIT of its role
        self.workers: Fact[int] = unknown("PHP workers", "how many there are is not known")  # PHP workers that connect as its role
        self.fewer_workers: Fact[int] = unknown("PHP workers", "how many there are is not known")  # for most_workers; see remedies
        self._pooler = next((use.pooler for use in uses if use.pooler is not None), None)

    persistent = setting("ATTR_PERSISTENT", bool, read.php_truth, False, "PDO", "keep the connection open in the worker")
    connect_timeout = setting("ATTR_TIMEOUT", Seconds, read.seconds, Seconds(30), "PDO", "longest wait for the server to answer")
    pooled = setting("pooled", bool, lambda value: value is True, False, "Laravel", "the connection leads to a transaction pooler (13.17)")
    direct = setting("direct", bool, bool, False, "Laravel", "there is a way past the pooler for migrations (13.17)")
    emulate_prepares = setting(
        "ATTR_EMULATE_PREPARES", bool, read.php_truth, lambda section: section.default_emulation, "", "fill in parameters in PHP"
    )
    disable_prepares = setting(
        "PGSQL_ATTR_DISABLE_PREPARES", bool, read.php_truth, False, "PDO", "send parameters without preparing the statement"
    )

    @property
    def default_emulation(self) -> Fact[bool]:
        """ATTR_EMULATE_PREPARES where nobody sets it: PDO's false, but Laravel's true where it is told of a pooler (13.17)."""
        if self.pooled.is_known and not self.pooled.value:
            return default("ATTR_EMULATE_PREPARES", False, "PDO")
        return self.pooled.named("ATTR_EMULATE_PREPARES")

    @property
    def most_workers(self) -> Fact[Any]:
        """The largest number that its workers come from, where a file states one."""
        stated = [leaf for leaf in self.workers.leaves() if leaf.span is not None and isinstance(leaf.value, int)]
        return max(stated, key=lambda leaf: int(leaf.value), default=self.workers)

    @property
    def persistence(self) -> str:
        """What makes it persistent, as messages call it."""
        return "pg_pconnect()" if self.name == "pg_pconnect" else "PDO::ATTR_PERSISTENT"

    @property
    def ended_persistence(self) -> Fix | Remedy | None:
        """It opens a connection of its own each time: the option goes, or its variable says no; None where others share its place."""
        from ..formats import php_edit

        fact, title = self.persistent, "open a connection that ends with the request"
        if not fact.is_known or not fact.value or fact.span is None:
            return None
        if fact.via:
            return Remedy(title, ((Fact(fact.name, "written", True, fact.span), False),))
        if not php_edit.is_within(fact.span, self.span):
            return None
        edit = php_edit.renamed(fact.span, "pg_connect") if self.name == "pg_pconnect" else php_edit.removed(fact.span)
        return Fix(title, "unsafe", (edit,)) if edit is not None else None

    @property
    def unprepared(self) -> Fact[bool]:
        """PGSQL_ATTR_DISABLE_PREPARES under the name that its PHP wants: PHP 8.5 calls the older one deprecated."""
        fact = self.disable_prepares
        is_new = self.php.is_known and tuple(map(int, self.php.value.split("."))) >= (8, 5)
        return fact.named("\\Pdo\\Pgsql::ATTR_DISABLE_PREPARES") if is_new and fact.is_default else fact

    @property
    def serves_web(self) -> bool:
        """Some service that uses it answers requests (or it is in use, and by none that is known)."""
        return self.is_used and (not self.services or bool(self.web))

    @property
    def long_running_names(self) -> str:
        """The long-running services that use it, as messages list them."""
        return ", ".join(self.long_running)

    @property
    def has_pooler(self) -> bool:
        """It goes through a PgBouncer, for certain."""
        return self._pooler is not None

    @property
    def pooler_label(self) -> str:
        """The PgBouncer that it goes through, as messages call it."""
        return self._pooler.label if self._pooler is not None else ""

    @property
    def pool_mode(self) -> Fact[str]:
        """When that PgBouncer gives a server connection to somebody else."""
        return self._pooler.pool_mode if self._pooler is not None else unknown("pool_mode", "it goes through no PgBouncer that is known")

    @property
    def php(self) -> Fact[str]:
        """The oldest PHP that goes through its PgBouncer, as the tags of images tell."""
        known = [(use.php, use.service.span) for use in self._uses if use.pooler is self._pooler and use.php is not None]
        if not known:
            return unknown("PHP", "no image that runs it tells PHP's version")
        version, span = min(known, key=lambda one: one[0])
        return Fact("PHP", "written", f"{version[0]}.{version[1]}", span)

    @property
    def prepares_survive(self) -> Fact[bool]:
        """Whether its statements outlive a change of server connection under transaction pooling.

        They do where PDO prepares none on the server.  Those it prepares need a PgBouncer that tracks them, and before
        PHP 8.4 even then freeing one inside a transaction fails: PDO sends a DEALLOCATE of a name that PgBouncer has
        changed (php-src pdo_pgsql; from 8.4 with libpq 17 it sends a Close).
        """
        chosen = (self.emulate_prepares, self.disable_prepares)
        for fact in chosen:
            if fact.is_known and fact.value:
                return derive("prepares_survive", lambda _: True, fact)
        for fact in chosen:
            if not fact.is_known:
                return fact.named("prepares_survive")
        if self._pooler is None:
            return unknown("prepares_survive", self.pool_mode.reason)
        tracked = self._pooler.max_prepared_statements
        if tracked.is_known and not tracked.value:
            return derive("prepares_survive", lambda *_: False, self.emulate_prepares, tracked)
        if not self.php.is_known:
            return unknown("prepares_survive", self.php.reason)
        if tuple(map(int, self.php.value.split("."))) >= (8, 4):
            return unknown("prepares_survive", "it depends on the libpq that PHP is built with")
        return derive("prepares_survive", lambda *_: False, self.emulate_prepares, self.php)

    @property
    def prepares_end(self) -> str:
        """How its prepared statements fail, for messages."""
        tracked = self._pooler.max_prepared_statements if self._pooler is not None else None
        if tracked is not None and tracked.is_known and not tracked.value:
            return "the next server connection does not know them"
        return f"PHP {self.php.value} breaks the transaction in which it frees one"

    @property
    def redundant_options(self) -> Sequence[Fact[Any]]:
        """Options that Laravel sets itself (Connector.php), or overrides for each statement (Connection.php, prepared()).

        Unknown where there are none but for options that cannot be told.
        """
        if self.framework != "laravel":
            return []
        errors, mode = self.raw.get("ATTR_ERRMODE"), self.raw.get("ATTR_DEFAULT_FETCH_MODE")
        stated = [fact for fact in (errors, mode) if fact is not None]
        found = [fact for fact in stated if fact.is_known and (fact is mode or fact.value in _EXCEPTION)]
        untold = next((fact for fact in stated if not fact.is_known), None)
        if untold is not None and not found:
            raise Unknown(untold)
        return found

    @property
    def redundant_option(self) -> Fact[Any]:
        """The first of these."""
        return next(iter(self.redundant_options), unknown("options", "none is redundant"))

    @property
    def redundancy(self) -> str:
        """What these come to, for messages."""
        said = {
            "ATTR_ERRMODE": "PDO::ATTR_ERRMODE repeats Laravel's default",
            "ATTR_DEFAULT_FETCH_MODE": "PDO::ATTR_DEFAULT_FETCH_MODE has no effect: Laravel sets the mode of each statement",
        }
        return ", and ".join(said[fact.name] for fact in self.redundant_options)

    @property
    def without_redundancy(self) -> Fix | None:
        """They go; None where a variable decides one of them, of the environment or of PHP: others may use that."""
        from ..formats import php_edit

        spans = [fact.span for fact in self.redundant_options if fact.span is not None and not fact.via]
        if not spans or len(spans) < len(self.redundant_options) or not all(php_edit.is_within(span, self.span) for span in spans):
            return None
        edits = php_edit.removed_all(spans)
        names = " and ".join(f"PDO::{fact.name}" for fact in self.redundant_options)
        return Fix(f"remove {names}", "safe", edits) if edits else None

    @property
    def session_settings(self) -> Sequence[Fact[str]]:
        """Keys that Laravel turns into a SET when it connects and PgBouncer does not carry over to another server connection.

        It carries over what the server reports (TimeZone among it) and track_extra_parameters names; a search path is left
        out where it is the server's own (laravel/framework, PostgresConnector).
        """
        found = []
        path = "search_path" if "search_path" in self.raw else "schema"
        carried = _carried(self._pooler) if self._pooler is not None else ""
        for key, parameter in ((path, "search_path"), ("isolation_level", "isolation"), ("synchronous_commit", "synchronous_commit")):
            fact = self.raw.get(key)
            if fact is None or not fact.is_known or not fact.value or parameter in carried:
                continue
            if key != path or str(fact.value).replace(" ", "").replace('"', "") not in ("public", "$user,public"):
                found.append(fact)
        return found

    @property
    def session_remedy(self) -> Fix | None:
        """What mends these, and migrations through the pooler."""
        from . import connection_remedies

        return connection_remedies.carried(self, self._pooler)

    def goes_through(self, pooler: Pooler) -> bool:
        """Whether some service connects this way through ``pooler``."""
        return any(use.pooler is pooler for use in self._uses)

    @property
    def session_setting(self) -> Fact[Any]:
        """The first of these, or else ``pooled``."""
        return next(iter(self.session_settings), self.pooled)

    @property
    def migrates_through_pooler(self) -> Fact[bool]:
        """Laravel is told of a pooler, and of no way past it for migrations."""
        return derive("pooled without direct", lambda pooled, direct: pooled and not direct, self.pooled, self.direct)

    @property
    def session_trouble(self) -> str:
        """What goes wrong with these, for messages."""
        if not self.session_settings:
            return "pooled is on and direct names nothing, so migrations go through the pooler"
        names = " and ".join(f"{fact.name} = {fact.value}" for fact in self.session_settings)
        sharer = f"{self._pooler.label} is in {self._pooler.pool_mode.value} mode" if self._pooler is not None else "pooled is on"
        verb = "is" if len(self.session_settings) == 1 else "are"
        return f"{names} {verb} SET on one server connection and left there for whoever comes next: {sharer}"


def _carried(pooler: Pooler) -> str:
    """What a PgBouncer does for the settings of sessions: the names of parameters, and queries, that stand for them."""
    said = [pooler.raw.get("track_extra_parameters"), *(one.pairs.get("connect_query") for one in pooler.databases)]
    every = "search_path isolation synchronous_commit"
    return " ".join((str(fact.value) if fact.is_known else every) for fact in said if fact is not None).lower()
