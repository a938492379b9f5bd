"""Who exports metrics in a stack, and whether it is known of a name that nobody does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from .. import exporters
from ..fact import Fact, derive, unknown
from ..patterns import lazy
from . import images
from .postgres import server_image
from .project import Service, Stack, Tree
from .targets import LOCAL, names_of

if TYPE_CHECKING:
    from ..exporters import Verdict
    from ..formats import prometheus

# repository -> whose metrics it has; custom builds and forks under other names are not known
_EXPORTERS = {
    **dict.fromkeys(
        "prometheuscommunity/postgres-exporter quay.io/prometheuscommunity/postgres-exporter "
        "ghcr.io/prometheus-community/postgres_exporter wrouesnel/postgres_exporter "
        "bitnami/postgres-exporter bitnamilegacy/postgres-exporter".split(),
        exporters.POSTGRES,
    ),
    **dict.fromkeys(
        "prometheuscommunity/pgbouncer-exporter quay.io/prometheuscommunity/pgbouncer-exporter".split(),
        exporters.PGBOUNCER,
    ),
    "hipages/php-fpm_exporter": exporters.FPM,
}
_PROMETHEUS = lazy(r"(^|/)(prometheus|vmsingle|victoria-metrics|vmagent|vmalert)$")
_GRAFANA = lazy(r"(^|/)grafana(-oss|-enterprise)?$")
# exporters of other things, by the first word of their names
_PLAIN = lazy(
    r"(^|/)(node|redis|nginx|nginx-prometheus|blackbox|mysqld|kafka|mongodb|elasticsearch|rabbitmq|memcached|haproxy|apache|nats|snmp|ssl|"
    r"process|celery|oliver006|json|domain|speedtest)[-_]?exporter$|(^|/)(redis_exporter|kafka-exporter|cadvisor|alertmanager|loki|tempo|"
    r"jaeger|all-in-one|promtail|grafana-image-renderer|mailhog|mailpit)$"
)
# programs that take metrics from wherever they are told, or from queries of their own
_ANY = lazy(
    r"(?i)exporter|pushgateway|telegraf|alloy|agent|otel|opentelemetry|(?<!pg)vector|fluent|pgwatch|pgscv|pgmonitor|monitor|statsd|netdata|"
    r"datadog|signoz|coroot|pmm|collectd|collector|metrics|patroni|spilo|pgpool|pgcat|pgdog|supabase|crunchy|mimir|thanos|cortex"
)
_CUSTOM_ENVIRONMENT = ("PG_EXPORTER_EXTEND_QUERY_PATH", "PG_EXPORTER_METRIC_PREFIX")
_CUSTOM_FLAGS = ("extend.query", "metric-prefix")
_OWN_SQLX = lazy(rb'"?(sqlx-(?!core|macros|postgres|mysql|sqlite|cli|test)[a-z0-9_-]+|[a-z0-9_-]+-sqlx[a-z0-9_-]*)"?')
_LESS = ("disable", "no-collector", "DISABLE")  # what a flag or a variable that switches metrics off has in its name
_WATCHED = {  # what alerts on connections that run out read, by how their templates are called
    exporters.POSTGRES: ("postgres", ("pg_stat_activity_count", "pg_settings_max_connections")),
    exporters.PGBOUNCER: ("pgbouncer", ("pgbouncer_pools_client_maxwait_seconds",)),
    exporters.FPM: ("php-fpm", ("phpfpm_max_children_reached",)),
}
_yes = derive("is_exported", lambda: True)
_no = derive("is_exported", lambda: False)


def is_prometheus(service: Service) -> bool:
    """Whether a service is a Prometheus server, or one that reads its configuration."""
    return bool(_PROMETHEUS.search(images.image_name(service.base_image).repository))


def is_grafana(service: Service) -> bool:
    """Whether a service is Grafana."""
    return bool(_GRAFANA.search(images.image_name(service.base_image).repository))


def is_plain(service: Service) -> bool:
    """Whether a service is known to export nothing about PostgreSQL or its clients."""
    image = service.base_image
    name = images.image_name(image).repository
    if service.context is not None:
        return False
    if is_prometheus(service) or is_grafana(service) or _PLAIN.search(name):
        return True
    return not _ANY.search(name) and (
        images.is_bystander(image)
        or images.is_pgbouncer(image)
        or images.is_other_database(image)
        or images.tool(image) == ("by hand", None)
        or server_image(service) is not None
    )


class Sources:
    """What exports metrics where the Prometheus servers of one stack look.

    ``exporters`` are those of the stack, with the release where its tag says it.  ``others`` and ``elsewhere`` say why there may
    be metrics that files do not tell: a program that exports what it is asked to, a target outside the project.
    """

    def __init__(self, stack: Stack, stacks: Sequence[Stack], configs: Sequence[prometheus.PrometheusFile | None], tree: Tree) -> None:
        self.tree = tree
        self.stacks = stacks
        self.exporters: dict[str, list[tuple[Service, exporters.Version | None]]] = {}
        self.others = ""
        self.scraped: set[str] = set()  # services
        for service in stack.services.values():
            name = images.image_name(service.base_image)
            exporter = _EXPORTERS.get(name.repository)
            if exporter is not None:
                self.exporters.setdefault(exporter, []).append((service, exporters.version_of(name.tag)))
        for other in stacks:
            for service in other.services.values():
                repository = images.image_name(service.base_image).repository
                if _ANY.search(repository) and repository not in _EXPORTERS and not is_plain(service):
                    self.others = self.others or f"what {service.name} exports is not known"
        self.elsewhere = self._elsewhere(configs) or _pushed(stack)

    def _elsewhere(self, configs: Sequence[prometheus.PrometheusFile | None]) -> str:
        """Why metrics may come from outside the project; "" when all targets are services of it."""
        names = {name: service.name for stack in self.stacks for service in stack.services.values() for name in names_of(service, stack)}
        for config in configs:
            if config is None:
                return "what Prometheus scrapes is not in the repository"
            if config.faults or config.is_open or any(scrape.is_open for scrape in config.scrapes):
                return f"{config.source.path} takes metrics in ways that files do not tell"
            for scrape in config.scrapes:
                for host in map(_host, scrape.targets):
                    if host in names:
                        self.scraped.add(names[host])
                    elif host not in LOCAL:
                        return f"{config.source.path} scrapes {host}, which is no service of the project"
        return ""

    def watched(self, stack: Stack, config: prometheus.PrometheusFile | None) -> list[str]:
        """What alerts can look at (``postgres``, ``pgbouncer``, ``php-fpm``): Prometheus certainly gets the metrics from the stack."""
        scrapes = config.scrapes if config is not None and not config.faults else ()
        hosts = {_host(target) for scrape in scrapes if not (scrape.is_open or scrape.is_filtered) for target in scrape.targets}
        found = []
        for exporter, (name, metrics) in _WATCHED.items():
            for service, version in self.exporters.get(exporter, ()):
                verdicts = [exporters.judge(exporter, metric, version) for metric in metrics]
                exported = all(verdict is not None and not verdict.reason for verdict in verdicts)
                if exported and hosts & set(names_of(service, stack)) and not _is_custom(service) and not _has_less(service):
                    found.append(name)
                    break
        return found

    def judge(self, name: str) -> tuple[Fact[bool], Verdict]:
        """(whether something exports the metric ``name``, what is known of it when nothing does).

        A name that nothing is seen to export may still be defined in some file: ask ``defined``.
        """
        nothing = exporters.Verdict()
        if name.startswith("sqlx_"):
            reason, verdict = self._unread(), exporters.Verdict("SQLx exports none itself, and no source of the project names it")
        else:
            found = self._verdict(name)
            if isinstance(found, str):
                return unknown("is_exported", found), nothing
            if not found.reason:
                return _yes, nothing
            reason, verdict = "", found
        reason = reason or self.others or self.elsewhere
        return (unknown("is_exported", reason), nothing) if reason else (_no, verdict)

    def defined(self, names: Collection[str]) -> dict[str, str]:
        """Of metrics that no exporter has: those that some file may define, with why; one walk over the files for all of them."""
        from ..formats import grafana, prometheus

        wanted = {name: _spellings(name) for name in names}
        found: dict[str, str] = {}
        for path in self.tree.programs("") if wanted else ():
            data = self.tree.data(path)
            if prometheus.is_worth(data) or grafana.is_worth(data):
                continue
            if b"usage:" in data and b"query:" in data:
                found.update((name, f"{path} holds queries for an exporter") for name in wanted if name.startswith("pg_"))
            for name, spellings in wanted.items():
                if name not in found and any(spelling in data for spelling in spellings):
                    found[name] = f"{path} names it, and may define it"
        return found

    def _verdict(self, name: str) -> Verdict | str:
        """What the stack's exporter makes of the name, or why that is not known."""
        exporter = exporters.exporter_of(name)
        running = self.exporters.get(exporter, [])
        if not running:
            return "no exporter of the stack is known to have such metrics"
        verdicts = []
        for service, version in running:
            if why := _is_custom(service):
                return why
            verdict = exporters.judge(exporter, name, version)
            if verdict is None:
                return f"what {service.name} makes of it is not known"
            verdicts.append(verdict)
        return next((verdict for verdict in verdicts if not verdict.reason), verdicts[0])

    def _unread(self) -> str:
        """Why a program may export metrics of SQLx that no source names; "" when all sources are at hand."""
        crates = [path for path in self.tree.paths("cargo") if b"sqlx" in self.tree.data(path)]
        if not crates:
            return "no crate of the project uses SQLx"
        for path in crates:
            if _OWN_SQLX.search(self.tree.data(path)):
                return f"a dependency in {path} may export it"
        for stack in self.stacks:
            for service in stack.services.values():
                known = images.image_name(service.base_image).repository in _EXPORTERS or is_plain(service)
                if service.context is None and not known:
                    return f"the sources of {service.name} are not in the repository"
        return ""


def _pushed(stack: Stack) -> str:
    """Why somebody may push metrics into a Prometheus of the stack."""
    for service in stack.services.values():
        if is_prometheus(service) and any("receiver" in text or text == "\0" for text, _ in service.command):
            return f"others may send {service.name} metrics"
    return ""


def _spellings(name: str) -> tuple[bytes, ...]:
    """How a source may write the name of a metric: with other separators, or without what a library puts before it."""
    family, _, rest = name.partition("_")
    head = f"{family}_{rest.partition('_')[0]}_"
    written = [name, name.replace("_", "."), name.replace("_", "-")]
    written += [rest, head] if family == "sqlx" else [head] if family in ("pgbouncer", "phpfpm") else []
    return tuple(text.encode() for text in written)


def _is_custom(service: Service) -> str:
    """Why an exporter may have other metrics than its release brings, "" when it has just those."""
    if service.context is not None or service.entry.build is not None:
        return f"the image of {service.name} is built here"
    if service.environment.gap:
        return service.environment.gap
    if any(name in service.environment.variables for name in _CUSTOM_ENVIRONMENT):
        return f"{service.name} is given queries or a prefix of its own"
    if any(text == "\0" or any(flag in text for flag in _CUSTOM_FLAGS) for text, _ in service.command):
        return f"the command of {service.name} may change what it exports"
    return ""


def _has_less(service: Service) -> bool:
    """Whether an exporter may be told to leave metrics out, or looks after several servers at one address."""
    variables = service.environment.outlined.variables
    if any(mark in text for mark in _LESS for text in (*variables, *(text for text, _ in service.command))):
        return True
    server = variables.get("DATA_SOURCE_NAME")
    return server is not None and (not server.is_known or "," in str(server.value))


def _host(target: str) -> str:
    """The host of a target; Swarm lists a service's instances as ``tasks.NAME``."""
    return target.rpartition("://")[2].partition("/")[0].partition(":")[0].removeprefix("tasks.")
