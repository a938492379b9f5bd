"""The project: stacks, their services, and the links between files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from ..diagnostic import Fix
from ..fact import Fact, derive
from ..formats import Fault
from ..source import Source, Span
from ..tuples import NamedTuple
from .resolve import Environment

if TYPE_CHECKING:
    from ..formats import Parsed, compose, dockerfile
    from ..formats.sql_records import SqlFile
    from .client import Fpm, Pool
    from .connection import Connection
    from .container import Container
    from .entrances import Entrance
    from .ladders import Ladder
    from .laravel import QueryLog, Worker
    from .logins import Login
    from .misreadings import Misreading
    from .monitoring import Metric, Monitoring
    from .passwords import Password
    from .pooler import Pooler
    from .references import Reference
    from .remedies import Remedy
    from .server import Server
    from .sessions import SessionUse
    from .statements import Limit, ServerSetting, SessionCount, SessionKill, SystemChange
    from .usage import Difference, Hold, Leak, Nesting, Rebuild, Sharing


class Tree(Protocol):
    """The files of a project, as discovery found them."""

    def paths(self, format_name: str) -> Sequence[str]:
        """Readable files of one format, sorted."""

    def read(self, path: str) -> Source | None:
        """One file's text; None when it is absent, outside the root or unreadable."""

    def data(self, path: str) -> bytes:
        """One file's bytes (empty when it cannot be read): cheaper than ``read`` for a first look."""

    def programs(self, folder: str) -> Sequence[str]:
        """Every file below a folder that may hold a program, whatever its name."""


class Service(NamedTuple):
    """One service of a stack, with what its container sees."""

    name: str
    span: Span
    entry: compose.ServiceEntry
    image: str  # reference, "" when it cannot be known
    environment: Environment
    command: tuple[tuple[str, Span], ...]  # what runs: words of entrypoint and command together
    replicas: Fact[int]
    stage: dockerfile.Stage | None = None  # final stage of its Dockerfile
    base_image: str = ""  # what the final stage is built from, or the image itself
    context: str | None = None  # build context, relative to the root
    folders: tuple[str, ...] = ()  # where its sources lie
    mounts: Mapping[str, str] = {}  # container path -> path in the repository
    recipe: str = ""  # text of its whole Dockerfile
    runs: str = ""  # text of the Dockerfile's RUN instructions
    stated: Mapping[str, Fact[Any]] = {}  # what polint.toml says of it


class Stack:
    """One compose file with its override files, or the whole root when there is none.

    ``label`` is the path of the main compose file, "" without one; ``folder`` is where it lies, relative to the
    root, which is "".
    """

    def __init__(self, label: str, folder: str, project: compose.ComposeProject | None) -> None:
        self.label = label
        self.folder = folder
        self.project = project
        self.services: dict[str, Service] = {}
        self.servers: list[Server] = []
        self.outside: dict[str, Server] = {}  # servers that only polint.toml knows, by name, with the clients of this stack
        self.pools: dict[str, list[Pool]] = {}  # by service
        self.containers: Mapping[str, Container] = {}  # by service
        self.outer = Environment()  # what ${…} in the compose file sees


class Variable:
    """One environment variable as one place sets it.

    ``purpose`` says what its name promises: ``pool``, ``fpm``, ``server`` or "".
    ``is_read`` is unknown where what runs cannot be read.
    """

    kind = "variable"

    def __init__(self, name: str, value: Fact[str], span: Span, services: tuple[str, ...], purpose: str) -> None:
        self.name = name  # the variable's name
        self.value = value  # its text
        self.span = span
        self.services = services  # services that get it
        self.purpose = purpose
        self.label = f"variable {name}"
        self.is_read: Fact[bool] = Fact("is_read", "unknown", None, reason="not looked at")
        self.ignored_by: str = ""  # the image or program that runs and does not read it
        self.instead: str = ""  # what to write instead
        self.moving: Fix | Remedy | None = None  # what makes it a setting of the server
        self.reading: Fix | None = None  # what lets php-fpm read it
        self.overridden: Fact[str] | None = None  # the same variable in a place that loses
        self.in_code: Fact[Any] | None = None  # the value the code holds itself
        self.differs_from_code: Fact[bool] = derive("differs_from_code", lambda: False)  # the code holds another value
        self.is_overridden: Fact[bool] = derive("is_overridden", lambda: False)  # a place that loses to this one has another value

    @property
    def is_ignored(self) -> bool:
        """What runs there is known not to read it."""
        return bool(self.ignored_by)

    @property
    def beaten(self) -> Fact[str]:
        """The value that loses."""
        return self.overridden or Fact(self.name, "unknown", None, reason="nothing is overridden")

    @property
    def code(self) -> Fact[Any]:
        """The value written in the code."""
        return self.in_code or Fact(self.name, "unknown", None, reason="the code holds no value")


class Problem:
    """A place that the program reading the file refuses.

    ``format`` names the kind of file, ``aspect`` what is wrong there: ``syntax``, ``name`` or ``value``.
    """

    kind = "problem"

    def __init__(
        self, format_name: str, message: str, span: Span, *, is_fatal: bool = True, fix: Fix | None = None, aspect: str = "syntax"
    ) -> None:
        self.format = format_name
        self.aspect = aspect
        self.message = message  # what is wrong, as a clause
        self.span = span
        self.is_fatal = is_fatal  # the program stops at it
        self.fix: Fix | None = fix
        self.label = f"{format_name} {span.path}"


class Duplicate:
    """A setting written more than once: ``beaten`` loses to ``winner``."""

    kind = "duplicate"

    def __init__(self, format_name: str, setting: str, beaten: Fact[Any], winner: Fact[Any], span: Span) -> None:
        self.format = format_name  # the kind of file
        self.setting = setting  # the setting's name
        self.beaten = beaten
        self.winner = winner
        self.span = span
        self.is_fallback: bool = False  # the winner stands in a file that need not be there
        self.label = f"setting {setting}"

    @property
    def has_effect(self) -> bool:
        """Never: what is beaten changes nothing."""
        return False

    @property
    def removable(self) -> Fact[Any]:
        """What is beaten, where it is written in the setting's own place; unknown where that only names a variable, or counts elsewhere."""
        if self.is_fallback:
            return Fact(self.setting, "unknown", reason="it counts where the other file is not there")
        if not self.beaten.via:
            return self.beaten
        return Fact(self.setting, "unknown", reason="it comes from a variable, which may have other readers")

    @property
    def is_repeated(self) -> bool:
        """Both places say the same."""
        return self.beaten.is_known and self.winner.is_known and self.beaten.value == self.winner.value

    @property
    def winner_place(self) -> str:
        """Where the winner stands, for messages."""
        if self.winner.span is None:
            return "elsewhere"
        if self.winner.span.source is self.span.source:
            return f"line {self.winner.span.place[0]}"
        return f"{self.winner.span.path}:{self.winner.span.place[0]}"


MOST_FAULTS = 1000


def worst(faults: Iterable[Fault]) -> Iterable[Fault]:
    """As many of a file's faults as are reported, those before all others with which its program does not start."""
    return islice(sorted(faults, key=lambda fault: not fault.fatal), MOST_FAULTS)


class Project:
    """Everything that was read, linked."""

    def __init__(self) -> None:
        self.stacks: list[Stack] = []
        self.servers: list[Server] = []
        self.pools: list[Pool] = []
        self.poolers: list[Pooler] = []
        self.fpms: list[Fpm] = []
        self.connections: list[Connection] = []
        self.query_logs: list[QueryLog] = []
        self.workers: list[Worker] = []
        self.containers: list[Container] = []
        self.logins: list[Login] = []
        self.passwords: list[Password] = []
        self.entrances: list[Entrance] = []
        self.session_uses: list[SessionUse] = []
        self.misreadings: list[Misreading] = []
        self.references: list[Reference] = []
        self.metrics: list[Metric] = []
        self.monitorings: list[Monitoring] = []
        self.variables: list[Variable] = []
        self.changes: list[SystemChange] = []
        self.session_counts: list[SessionCount] = []
        self.session_kills: list[SessionKill] = []
        self.limits: list[Limit] = []
        self.settings: list[ServerSetting] = []
        self.ladders: list[Ladder] = []
        self.leaks: list[Leak] = []
        self.holds: list[Hold] = []
        self.nestings: list[Nesting] = []
        self.sharings: list[Sharing] = []
        self.differences: list[Difference] = []
        self.rebuilds: list[Rebuild] = []
        self.problems: list[Problem] = []
        self.duplicates: list[Duplicate] = []
        self.dotenvs: dict[str, dict[str, Parsed]] = {}  # .env files by dialect, taken apart once
        self.environments: dict[tuple[str, str], tuple[Environment, Environment]] = {}  # what they last came to, and over what
        self.mentions: dict[str, tuple[str, ...]] = {}  # timeout settings that a file speaks of, looked for once
        self.sql_files: dict[str, SqlFile | None] = {}  # SQL files and scripts with SQL in them, read once
        self.init_scripts: dict[str, set[int | None]] = {}  # script -> major versions of the servers that it sets up
        self.assumed: Mapping[str, Mapping[str, Fact[Any]]] = {}  # of clients by their names, for this run only
        self.read_files: set[str] = set()
        self.templates: tuple[str, ...] = ()  # folders with templates of the team's own
        self.unread: list[tuple[str, Span]] = []  # references that could not be followed
        self._places: set[tuple[int, int]] = set()  # of the first _placed problems
        self._placed = 0

    def has_problem(self, span: Span) -> bool:
        """Whether some problem begins where ``span`` does."""
        for problem in self.problems[self._placed :]:
            self._places.add((id(problem.span.source), problem.span.start))
        self._placed = len(self.problems)
        return (id(span.source), span.start) in self._places

    def add_faults(self, format_name: str, faults: Iterable[Fault]) -> None:
        """Take what a format refuses as problems, each place once: a file may be read for several services.

        Of one file no more than MOST_FAULTS are taken: nobody reads them all, and each costs as much as a diagnostic.
        """
        for fault in worst(faults):
            if not self.has_problem(fault.span):
                self.problems.append(Problem(format_name, fault.message, fault.span, is_fatal=fault.fatal, fix=fault.fix))

    def subjects(self) -> dict[str, Sequence[Any]]:
        """What rules look at, by the name they use in ``for:``."""
        return {
            "server": self.servers,
            "pool": self.pools,
            "pooler": self.poolers,
            "fpm": self.fpms,
            "connection": self.connections,
            "query_log": self.query_logs,
            "worker": self.workers,
            "container": self.containers,
            "login": self.logins,
            "password": self.passwords,
            "entrance": self.entrances,
            "session_use": self.session_uses,
            "misreading": self.misreadings,
            "reference": self.references,
            "metric": self.metrics,
            "monitoring": self.monitorings,
            "variable": self.variables,
            "change": self.changes,
            "session_count": self.session_counts,
            "session_kill": self.session_kills,
            "limit": self.limits,
            "setting": self.settings,
            "ladder": self.ladders,
            "leak": self.leaks,
            "hold": self.holds,
            "nesting": self.nestings,
            "sharing": self.sharings,
            "difference": self.differences,
            "rebuild": self.rebuilds,
            "problem": self.problems,
            "duplicate": self.duplicates,
        }
