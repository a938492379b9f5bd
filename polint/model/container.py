"""Containers: what their orchestrator grants them, how it stops and replaces them, and who waits for them.

Facts from the Compose specification; what a signal means to a program is that program's own documentation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..diagnostic import Fix
from ..fact import Fact, default, derive, unknown
from ..source import Span
from ..units import INFINITY, Bytes, Seconds
from . import images, read, readiness
from .memory import read_size
from .resolve import Environment, resolve
from .setting import Section, setting

if TYPE_CHECKING:
    from .client import Fpm
    from .project import Project, Service, Stack
    from .server import Consumer, Server

_NUMBERS = {"1": "SIGHUP", "2": "SIGINT", "3": "SIGQUIT", "9": "SIGKILL", "15": "SIGTERM"}


def read_signal(value: object) -> str:
    """A signal by its full name: ``TERM``, ``sigterm`` and ``15`` are SIGTERM (signal(7))."""
    text = str(value).strip().upper()
    if text.isdigit():
        if text not in _NUMBERS:
            raise ValueError(f"signal {text} has no name here")
        return _NUMBERS[text]
    return text if text.startswith("SIG") else f"SIG{text}"


_MARGIN = 2  # seconds between the end of the last request and SIGKILL
_NO_PLACE: Fact[str] = unknown("process_control_timeout", "no file states it")

_PARTS = (("ms", 0.001), ("us", 1e-6), ("h", 3600.0), ("m", 60.0), ("s", 1.0))  # a longer unit before the one it begins with


def read_duration(value: object) -> Seconds:
    """A duration as Compose takes it: ``30s``, ``1m30s``, ``2h``; a bare number is refused there (Go, time.ParseDuration)."""
    rest = str(value).strip().lower()
    if not rest:
        raise ValueError("no duration")
    total = 0.0
    while rest:
        digits = rest.lstrip("0123456789.")
        number, rest = rest[: len(rest) - len(digits)], digits
        part = next((part for part in _PARTS if rest.startswith(part[0])), None)
        if part is None:
            raise ValueError(f"{str(value)!r} is no duration")
        rest = rest[len(part[0]) :]
        total += float(number) * part[1]
    return Seconds(round(total, 6))


def _parallel(value: object) -> float:
    """Containers updated at a time, of which 0 is all of them."""
    found = read.count(value)
    return float(found) if found > 0 else INFINITY


class Container(Section):
    """One container of a service: ``raw`` holds what the compose file states, by its keys' names there.

    ``program`` is what runs as its first process, "" when that is not certain.
    """

    kind = "container"

    def __init__(self, name: str, span: Span, raw: Mapping[str, Fact[Any]], replicas: Fact[int]) -> None:
        super().__init__(f"service {name}", span, raw)
        self.name = name  # the compose service
        self.replicas = replicas  # copies that run
        self.program: str = ""
        self.drain: Fact[Seconds] = unknown("process_control_timeout", "what runs in it is not known")  # php-fpm's, when stopped
        self.drain_text: Fact[str] = unknown("process_control_timeout", "no file states it")  # the same as it is written
        self.pool_modes: Sequence[Fact[str]] = ()  # of the PgBouncer in it, and of its databases
        self.has_healthcheck: Fact[bool] = unknown("healthcheck", "its image may have one")  # something checks it
        self.impatient: Sequence[str] = ()  # services that start after it without waiting for its health
        self.health_check: Fact[str] = unknown("healthcheck", "it runs no PostgreSQL")  # as its compose file has it, "" for none
        self.check_command: Fact[str] = unknown("healthcheck", "it runs no PostgreSQL")  # what would check a server's health
        self._patience: Callable[[], Fix | None] = lambda: None
        self.children: Sequence[Fact[int]] = ()  # pm.max_children of each of its php-fpm pools
        self.pools: Sequence[Fpm] = ()  # these pools
        self.peers: Sequence[Container] = ()  # all of the project, which may share what is written

    memory = setting("memory", Bytes, read_size, lambda section: unknown("memory", "nothing limits it"), "", "most memory it may take")
    stop_signal = setting(
        "stop_signal", str, read_signal, lambda section: unknown("stop_signal", "the image decides"), "", "what asks it to stop"
    )
    stop_grace_period = setting("stop_grace_period", Seconds, read_duration, Seconds(10), "Docker", "from the stop signal to SIGKILL")
    update_order = setting("order", str, str, "stop-first", "Swarm", "whether an update starts the new container before it stops the old")
    update_parallelism = setting("parallelism", float, _parallel, 1.0, "Swarm", "containers updated at a time")

    @property
    def has_fpm(self) -> bool:
        """php-fpm runs in it."""
        return bool(self.children)

    @property
    def wanted_check(self) -> Fact[str]:
        """The health check it has, else the one that its server should have."""
        return self.health_check if self.health_check.is_written else self.check_command

    @property
    def patience(self) -> Fix | None:
        """What lets ``impatient`` wait for its health; see readiness.patience."""
        return self._patience()

    @property
    def php_workers(self) -> Fact[int]:
        """Workers that its php-fpm pools can start together, as far as their numbers are known."""
        known = [fact for fact in self.children if fact.is_known]
        return derive("workers", lambda *counts: sum(counts), *known) if known else unknown("workers", "pm.max_children is not known")

    @property
    def most_children(self) -> Fact[int]:
        """pm.max_children of the pool that can start most."""
        return max((fact for fact in self.children if fact.is_known), key=lambda fact: fact.value, default=self.php_workers)

    @property
    def own_children(self) -> Fact[int]:
        """The same, where no container of another size reads its place."""
        most = self.most_children
        others = [one for one in self.peers if one is not self and any(fact.span == most.span for fact in one.children)]
        if any(not one.memory.is_known or one.memory.value != self.memory.value for one in others):
            return unknown(most.name, "another container reads the same place", most.span)
        return most

    @property
    def least_children(self) -> Fact[int]:
        """How low that number may go for its pool to start."""
        most = self.most_children
        found = (fpm.least_children for fact, fpm in zip(self.children, self.pools, strict=True) if fact is most)
        return next(found, unknown(most.name, "its pool is not known"))

    @property
    def other_children(self) -> int:
        """Workers of the pools that can start fewer."""
        return self.php_workers.value - self.most_children.value

    @property
    def no_children(self) -> Fact[int]:
        """What is left where not even that many fit."""
        return unknown("pm.max_children", "no number of workers fits")

    @property
    def stop_fault(self) -> Fact[str]:
        """What goes wrong when it is stopped, "" when nothing is known to.

        Where a program waits without end, a stated stop_grace_period is taken for a decision.
        """
        signal, grace, drain = self.stop_signal, self.stop_grace_period, self.drain
        if self.program == "php-fpm":
            if signal.is_known and signal.value == "SIGQUIT" and drain.is_known and not drain.value:
                # nobody chose SIGQUIT where it comes with the image
                return derive("stop", _fpm_cut, signal, drain) if signal.is_written else default("stop", "")
            return derive("stop", _fpm_stop, signal, drain, grace)
        if not self.program:
            return unknown("stop", "what runs as its first process is not known")
        if self.program == "PostgreSQL" and signal.is_known and signal.value in ("SIGQUIT", "SIGKILL"):
            return derive("stop", "PostgreSQL aborts on {}, and has to recover when it starts again".format, signal)
        if grace.is_written:
            return default("stop", "")
        return derive("stop", lambda signal, grace: _waiting(self.program, signal, grace), signal, grace)

    @property
    def gentle_signal(self) -> Fact[str]:
        """The signal that ends its program without cutting off work; unknown where none does.

        SIGINT: PostgreSQL's fast shutdown; PgBouncer's, which waits for transactions, and in session mode for clients: there
        SIGQUIT is what does not wait.  SIGQUIT: php-fpm lets requests end.
        """
        if self.program == "PgBouncer":
            if not self.pool_modes:
                return unknown("stop_signal", "its pool_mode is not known")
            return derive("stop_signal", lambda *modes: "SIGQUIT" if "session" in modes else "SIGINT", *self.pool_modes)
        gentle = {"PostgreSQL": "SIGINT", "php-fpm": "SIGQUIT"}.get(self.program, "")
        return default("stop_signal", gentle, self.program) if gentle else unknown("stop_signal", "what runs in it is not known")

    @property
    def stop_cause(self) -> Fact[str]:
        """What is to change about how it stops, as it is written: the signal, the grace period, or php-fpm's own time limit."""
        return self._stop_remedy[0]

    @property
    def stop_cure(self) -> Fact[str]:
        """What that becomes."""
        return self._stop_remedy[1]

    @property
    def stop_knob(self) -> str:
        """The name of ``stop_cause``."""
        return self.stop_cause.name

    @property
    def _stop_remedy(self) -> tuple[Fact[str], Fact[str]]:
        signal, gentle, grace, drain = self.stop_signal, self.gentle_signal, self.stop_grace_period, self.drain
        if not (signal.is_known and gentle.is_known):
            return gentle, gentle
        if signal.value != gentle.value:
            shared = [peer for peer in self.peers if signal.span is not None and peer.stop_signal.span == signal.span]
            other = next((peer for peer in shared if not peer.gentle_signal.is_known or peer.gentle_signal.value != gentle.value), None)
            return signal, gentle if other is None else unknown("stop_signal", f"{other.name} is stopped with it as well", signal.span)
        if self.program != "php-fpm" or not (grace.is_known and drain.is_known):
            none: Fact[str] = unknown("stop_signal", "no other signal is better", signal.span)
            return none, none
        if drain.value:
            return self._as_written(grace, "stop_grace_period"), derive(
                "stop_grace_period", lambda limit: f"{math.ceil(limit) + _MARGIN}s", drain
            )
        if grace.value <= 2 * _MARGIN or not self.drain_text.is_written:
            return _NO_PLACE, _NO_PLACE
        return self.drain_text, derive("process_control_timeout", lambda limit: f"{math.floor(limit) - _MARGIN}s", grace)

    def _as_written(self, fact: Fact[Any], key: str) -> Fact[str]:
        """A setting with its own text for a value."""
        text = self.raw[key].value if key in self.raw else ""
        return Fact(fact.name, fact.origin, str(text), fact.span, fact.sources, fact.reason, fact.via)

    @property
    def stop_place(self) -> Fact[Any]:
        """What to change first about how it stops."""
        return next((fact for fact in (self.stop_signal, self.stop_grace_period, self.drain) if fact.is_written), self.stop_signal)


def _waiting(program: str, signal: str, grace: Seconds) -> str:
    """PgBouncer from 1.23 on (NEWS) and PostgreSQL ("smart shutdown") wait for all clients on SIGTERM."""
    return f"{program} waits on {signal} until every client has left, and is killed after {grace}" if signal == "SIGTERM" else ""


def _fpm_stop(signal: str, drain: Seconds, grace: Seconds) -> str:
    """php-fpm lets requests end on SIGQUIT only, and only for process_control_timeout (run with 8.2)."""
    if signal in ("SIGTERM", "SIGINT"):
        return f"php-fpm ends running requests at once on {signal}, whatever process_control_timeout says" if drain > 0 else ""
    if signal == "SIGQUIT" and drain > grace:
        return f"php-fpm lets requests run for {drain} after {signal}, and is killed after {grace}"
    return ""


def _fpm_cut(signal: str, drain: Seconds) -> str:
    return f"php-fpm ends running requests at once on {signal}: process_control_timeout is 0"


def surge(consumers: Iterable[Consumer], containers: Mapping[str, Container]) -> list[tuple[Container, Fact[int]]]:
    """The containers that Swarm starts before it stops the old ones, with the connections that the extra ones can open."""
    found = []
    for consumer in consumers:
        container = containers.get(consumer.service.partition("/")[0])
        if container is None or container.replicas is not consumer.replicas or not container.replicas.is_known:
            continue
        if consumer.surge is not None:  # polint.toml tells how it is updated: not by Swarm
            continue
        order, parallelism, all_of_it = container.update_order, container.update_parallelism, consumer.at_least
        if order.is_known and order.value == "start-first" and parallelism.is_known and all_of_it.is_known and container.replicas.value > 0:
            extra = int(min(parallelism.value, container.replicas.value)) * (all_of_it.value // container.replicas.value)
            found.append((container, Fact("surge", "derived", extra, None, (order, parallelism, all_of_it))))
    return found


# --- from services


_FPM_WORDS = ("-F", "--nodaemonize", "-R", "--allow-to-run-as-root", "-O", "--force-stderr")
_HEALTH = ("postgres", "postgis/postgis", "pgvector/pgvector", "bitnami/postgresql")  # families whose images have no HEALTHCHECK
_WAITS = ("wait-for", "wait_for", "waitfor", "dockerize", "pg_isready", "nc -z", "/dev/tcp/")


def build_containers(stack: Stack, fpms: Mapping[str, Sequence[Fpm]], project: Project) -> None:
    """Make the containers of a stack, and tell servers and php-fpm pools which one they run in."""
    containers = {name: _container(service, stack.outer) for name, service in stack.services.items()}
    for name, pools in fpms.items():
        containers[name].children = [fpm.max_children for fpm in pools]
        containers[name].pools = pools
        for fpm in pools:  # process_control_timeout is of all pools
            containers[name].drain = fpm.process_control_timeout
            containers[name].drain_text = _text(fpm.raw.get("process_control_timeout"))
    stack.containers = containers
    for server in stack.servers:
        server.containers = containers
        server.container = containers.get(server.service)
        if server.container is not None:
            _wait_for(server, server.container, stack)
    project.containers.extend(containers.values())
    for one in containers.values():
        one.peers = project.containers


def _text(fact: Fact[Any] | None) -> Fact[str]:
    """A setting's own text, where a file states it."""
    if fact is None or not fact.is_written:
        return _NO_PLACE
    return Fact(fact.name, fact.origin, str(fact.value), fact.span, fact.sources, fact.reason, fact.via)


def take_pool_modes(project: Project) -> None:
    """Tell the containers that PgBouncer runs in how it hands out connections."""
    for pooler in project.poolers:
        for container in project.containers:
            if container.span == pooler.span and container.name == pooler.service:
                own = [one.pairs["pool_mode"] for one in pooler.databases if "pool_mode" in one.pairs]
                users = [pairs["pool_mode"] for pairs in pooler.user_settings.values() if "pool_mode" in pairs]
                container.pool_modes = (pooler.pool_mode, *own, *users)


def _wait_for(server: Server, container: Container, stack: Stack) -> None:
    """Tell a server's container who does not wait for it, and how they would."""
    container.impatient = early = _impatient(server.service, stack)
    if early:
        service = stack.services[server.service]
        container.health_check = readiness.health_check(service)
        container.check_command = readiness.check_command(service, server)
        container._patience = lambda: readiness.patience(service.name, early, stack)


def _container(service: Service, outer: Environment) -> Container:
    entry, stage = service.entry, service.stage
    stated = {
        "memory": entry.memory,
        "stop_signal": entry.stop_signal,
        "stop_grace_period": entry.stop_grace_period,
        "order": entry.update_order,
        "parallelism": entry.update_parallelism,
    }
    raw = {key: resolve(key, value, outer) for key, value in stated.items() if value is not None}
    if "stop_signal" not in raw and stage is not None and stage.stop_signal:
        raw["stop_signal"] = Fact("stop_signal", "written", stage.stop_signal, stage.stop_span)
    signal = images.stop_signal(service.base_image)
    if signal:
        raw.setdefault("stop_signal", default("stop_signal", signal, f"the image {images.image_name(service.base_image).repository}"))
    container = Container(service.name, service.span, raw, service.replicas)
    container.program = _program(service)
    container.has_healthcheck = _healthcheck(service)
    return container


def _program(service: Service) -> str:
    """What gets the signals: the image's own program, unless another command or script stands before it."""
    base, stage = service.base_image, service.stage
    words = service.entry.entrypoint or service.entry.command
    own = stage is not None and bool(stage.entrypoint or "CMD" in stage.is_shell)
    first = service.command[0][0].rpartition("/")[2] if service.command else ""
    if service.entry.entrypoint is not None or own or "\0" in first:
        return ""
    if images.postgres_image(base) is not None:
        if images.stop_signal(base) != "SIGINT":  # not one whose entrypoint is known to become the server
            return ""
        return "PostgreSQL" if first in ("", "postgres") or first.startswith("-") else ""
    if images.is_pgbouncer(base):
        version = images.pgbouncer_version(base)
        return "PgBouncer" if not words and not first and version is not None and version >= (1, 23) else ""
    fpm = images.fpm_image(base)
    plain = all(word in _FPM_WORDS for word, _ in service.command[1:])  # -y names another configuration
    return "php-fpm" if fpm is not None and fpm.family == "php" and first in ("", "php-fpm") and plain else ""


def _healthcheck(service: Service) -> Fact[bool]:
    """Whether anything checks its health: the compose file, else its Dockerfile, else the image."""
    entry = service.entry
    if entry.healthcheck is not None:
        return Fact("healthcheck", "written", True, entry.healthcheck)
    if entry.healthcheck_off is not None:
        return Fact("healthcheck", "written", False, entry.healthcheck_off)
    image = images.postgres_image(service.base_image)
    if "HEALTHCHECK" in service.recipe or image is None or image.family not in _HEALTH:
        return unknown("healthcheck", "its image may have one")
    return default("healthcheck", False, "the image")


def _impatient(name: str, stack: Stack) -> tuple[str, ...]:
    """Services that depend on ``name`` and may start before it answers, by depends_on and by their own commands."""
    followers: dict[str, list[str]] = {}
    for service in stack.services.values():
        for need in service.entry.depends_on:
            followers.setdefault(need, []).append(service.name)
    early = followers.get(name, [])
    patient = {one for one in early if stack.services[one].entry.depends_on[name] == "service_healthy"}
    pending = list(patient)
    while pending:  # who waits for one that waits, waits as well
        for one in followers.get(pending.pop(), ()):
            if one not in patient:
                patient.add(one)
                pending.append(one)
    return tuple(one for one in early if one not in patient and not _waits_itself(stack.services[one]))


def _waits_itself(service: Service) -> bool:
    """Whether a client is known to wait by other means, to be none of the application's, or to be told of elsewhere."""
    if service.entry.image is None and service.entry.build is None:
        return True  # another file completes it, and may say what it waits for
    if service.image and (
        images.is_bystander(service.image) or images.tool(service.image) is not None or images.pools_connections(service.image)
    ):
        return True
    text = " ".join(word for word, _ in service.command) + service.recipe
    return any(sign in text for sign in _WAITS)
