"""Prometheus, its exporters and Grafana in a stack: which metrics there are, and which of them rules and dashboards name."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from .. import exporters
from ..diagnostic import Edit, Fix
from ..fact import Fact, default, derive, unknown
from ..patterns import lazy
from ..source import Span
from . import images, metric_sources
from .project import Project, Service, Stack, Tree
from .stack import file_at

if TYPE_CHECKING:
    from ..formats import prometheus

_CONFIG = "/etc/prometheus/prometheus.yml"
_MOST_FILES = 2_000  # of one mount
_FAMILIES = ("pg_", "pgbouncer_", "phpfpm_", "sqlx_")
_DATABASE = lazy(r"^(pg_|pgbouncer_|phpfpm_|sqlx_|postgres|cnpg_|ccp_|patroni_|hikaricp_)|(^|_)(db|sql|database|postgres)\w*_(pool|conn)")
_EXHAUSTION = lazy(r"(?i)conn|pool|wait|exhaust|saturat|backends|timeout|listen_queue|max_children|acquire|slots?_(used|free)")
_NOT_EXHAUSTION = lazy(r"(?i)^(pg_replication|pg_stat_replication|pg_database_connection_limit|pg_roles_connection_limit)")
_POOL_CALLS = (b"num_idle", b".status()", b".state()", b"pm.status_path", b"pg_stat_activity", b"pg_stat_database")
_yes = derive("monitoring", lambda: True)
_no = derive("monitoring", lambda: False)


class Metric:
    """A metric of PostgreSQL, PgBouncer, php-fpm or SQLx that a rule or dashboard names; each once a file."""

    kind = "metric"

    def __init__(self, name: str, span: Span, is_exported: Fact[bool], reason: str, instead: str, fix: Fix | None = None) -> None:
        self.name = name  # the metric's name
        self.span = span
        self.label = f"metric {name}"
        self.is_exported = is_exported  # some exporter or service has it
        self.reason = reason  # why nothing exports it
        self.instead = instead  # the metric that is probably meant
        self.fix: Fix | None = fix

    @property
    def advice(self) -> str:
        """What to write."""
        return f"Write {self.instead}." if self.instead else "Take a name that the exporter lists under /metrics."


class Monitoring:
    """The Prometheus of a stack, with the rules it loads.

    ``has_database_alerts``: some alert is about PostgreSQL or a pool before it; ``watches_exhaustion``: some alert looks at how
    many connections are in use or who waits for one.  ``sees_pools``: something exports how full the pools are.
    ``missing_alerts`` are by their names those that its metrics allow; they go beside the first alert about the database.
    """

    kind = "monitoring"

    def __init__(self, service: str, span: Span) -> None:
        self.service = service  # the compose service of Prometheus
        self.span = span
        self.label = f"service {service}"
        self.has_database_alerts: bool = False
        self.first_alert: Fact[str] = unknown("alert", "no alert is about the database")  # the first alert about the database
        self.watches_exhaustion: Fact[bool] = unknown("watches_exhaustion", "not looked at")
        self.missing_alerts: Fact[float] = unknown("alerts", "what could be looked at is not known")
        self.home: Span | None = None  # where the first such alert is named, to put others beside it
        self.has_clients: bool = False  # a server of the stack has clients whose code is read
        self.sees_pools: Fact[bool] = unknown("sees_pools", "not looked at")


class _Loaded:
    """What one Prometheus reads: its configuration, its rule files, and what of them could not be had."""

    def __init__(self) -> None:
        self.config: prometheus.PrometheusFile | None = None
        self.files: list[prometheus.PrometheusFile] = []
        self.gap = ""

    def rules(self) -> Iterator[prometheus.RuleEntry]:
        """The rules of every file."""
        for file in self.files:
            yield from file.rules


def build_monitoring(stacks: Sequence[Stack], tree: Tree, project: Project) -> None:
    """The Prometheus servers of all stacks, and the metrics that their rules and the dashboards beside them name."""
    for stack in stacks:
        servers = [service for service in stack.services.values() if metric_sources.is_prometheus(service)]
        if not servers:
            continue
        loaded = {service.name: _load(service, tree, project) for service in servers}
        sources = metric_sources.Sources(stack, stacks, [one.config for one in loaded.values()], tree)
        for service in servers:
            project.monitorings.append(_judge(service, stack, loaded[service.name], sources, tree))
        uses: list[tuple[str, Span, str]] = []
        recorded = {rule.name for one in loaded.values() for rule in one.rules() if rule.kind == "record"}
        for one in loaded.values():
            for file in one.files:
                for rule in file.rules:
                    uses.extend(_uses(rule.metrics, rule.has_or))
        for path in _dashboards(stack, tree):
            from ..formats import grafana

            source = tree.read(path)
            if source is not None:
                project.read_files.add(path)
                for query in grafana.parse(source):
                    uses.extend(_uses(query.metrics, query.has_or))
        _metrics(uses, recorded, sources, project)


def _uses(metrics: Iterable[tuple[str, Span]], has_or: bool) -> Iterator[tuple[str, Span, str]]:
    """(name, place, why it cannot be judged) of the metrics of our families in one expression."""
    for name, span in metrics:
        if name.startswith(_FAMILIES):
            yield name, span, "the expression has an alternative for releases that lack it" if has_or else ""


def _metrics(uses: Iterable[tuple[str, Span, str]], recorded: set[str], sources: metric_sources.Sources, project: Project) -> None:
    places: dict[tuple[str, str], list[tuple[Span, str]]] = {}
    for name, span, unclear in uses:
        places.setdefault((name, span.path), []).append((span, unclear))
    nothing = exporters.Verdict()
    judged = {name: (_yes, nothing) if name in recorded else sources.judge(name) for name, _ in places}
    defined = sources.defined([name for name, (_, verdict) in judged.items() if verdict.reason])
    for (name, _), found in places.items():
        answer, verdict = judged[name]
        span, unclear = found[0]
        if verdict.reason and (why := unclear or defined.get(name)):
            answer, verdict = unknown("is_exported", why, span), nothing
        fix = _renamed(name, [place for place, unclear in found if not unclear], verdict, sources) if verdict.is_sure else None
        project.metrics.append(Metric(name, span, answer.named("is_exported"), verdict.reason, verdict.instead, fix))


def _renamed(name: str, places: Iterable[Span], verdict: exporters.Verdict, sources: metric_sources.Sources) -> Fix | None:
    """The metric that is meant in place of the one that nothing exports, wherever one file names it."""
    is_there, _ = sources.judge(verdict.instead)
    once = dict.fromkeys(places)
    if not (is_there.is_known and is_there.value) or any(place.text != name for place in once):
        return None
    return Fix(f"write {verdict.instead}", "safe", tuple(Edit(place, verdict.instead) for place in once))


# ------------------------------------------------------------------ files


def _load(service: Service, tree: Tree, project: Project) -> _Loaded:
    """The configuration that a Prometheus starts with, and the rule files it names."""
    from ..formats import prometheus

    found = _Loaded()
    named = next((text.partition("=")[2] for text, _ in service.command if text.startswith("--config.file=")), _CONFIG)
    path = file_at(service, named, tree)
    source = tree.read(path) if path is not None else None
    if source is None or path is None:
        found.gap = f"the configuration of {service.name} is not in the repository"
        return found
    project.read_files.add(path)
    found.config = config = prometheus.parse(source)
    if config.faults:
        found.gap = f"{path} cannot be read whole"
    visible = _visible(service, tree) if config.rule_files else {}
    for pattern in config.rule_files:
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(named), pattern))
        matching = [where for seen, where in sorted(visible.items()) if fnmatchcase(seen, wanted) and seen.count("/") == wanted.count("/")]
        if not matching:
            found.gap = found.gap or f"the rule files {pattern} are not in the repository"
        for where in matching:
            rules = tree.read(where)
            if rules is None or any(where == file.source.path for file in found.files):
                continue
            project.read_files.add(where)
            file = prometheus.parse(rules)
            found.files.append(file)
            if file.faults:
                found.gap = found.gap or f"{where} cannot be read whole"
    return found


def _visible(service: Service, tree: Tree) -> Mapping[str, str]:
    """Container path -> repository path of what is mounted or copied into a service."""
    found: dict[str, str] = {}
    for target, path in service.mounts.items():
        if tree.read(path) is not None:
            found[target] = path
            continue
        for inner in tree.programs(path)[:_MOST_FILES]:
            found.setdefault(posixpath.join(target, inner[len(path) :].lstrip("/")), inner)
    return found


def _dashboards(stack: Stack, tree: Tree) -> list[str]:
    """The dashboards that the Grafana servers of a stack are given."""
    found: set[str] = set()
    for service in stack.services.values():
        if metric_sources.is_grafana(service):
            from ..formats import grafana

            paths = _visible(service, tree).values()
            found.update(path for path in paths if path.endswith(".json") and grafana.is_worth(tree.data(path)))
    return sorted(found)


# ------------------------------------------------------------------ what is watched


def _judge(service: Service, stack: Stack, loaded: _Loaded, sources: metric_sources.Sources, tree: Tree) -> Monitoring:
    found = Monitoring(service.name, service.span)
    alerts = [rule for rule in loaded.rules() if rule.kind == "alert"]
    made = {rule.name: rule for rule in loaded.rules() if rule.kind == "record"}
    about = [rule for rule in alerts if any(_DATABASE.search(name) for name in _names(rule, made))]
    if about:
        found.has_database_alerts = True
        found.first_alert = Fact("alert", "written", about[0].name, about[0].name_span)
        found.home = about[0].name_span
        able = sources.watched(stack, loaded.config)
        if able:  # workers that are all busy are no news where what they wait for is watched
            wanted = [name for name in able if name != "php-fpm"] or able
            found.missing_alerts = default(" ".join(wanted), 0.0, "nothing is looked at")
    if any(_looks_at_exhaustion(rule, made) for rule in alerts):
        found.watches_exhaustion = _yes
    elif loaded.gap:
        found.watches_exhaustion = unknown("watches_exhaustion", loaded.gap)
    elif any(_alerts_itself(other, tree) for other in stack.services.values()):
        found.watches_exhaustion = unknown("watches_exhaustion", "Grafana is given alerts of its own")
    else:
        found.watches_exhaustion = _no
    every = [consumer for server in stack.servers for consumer in server.consumers if not consumer.once]
    clients = [consumer for consumer in every if consumer.kind not in ("exporter", "by hand")]
    found.has_clients = bool(clients)
    found.sees_pools = _sees_pools(loaded, clients, sources, stack, tree)
    return found


def _names(rule: prometheus.RuleEntry, made: Mapping[str, prometheus.RuleEntry]) -> Iterator[str]:
    """The metrics a rule reads, and those that the metrics it reads are recorded from."""
    for metric in rule.metrics:
        yield metric.name
        if metric.name in made:
            yield from (inner.name for inner in made[metric.name].metrics)


def _looks_at_exhaustion(rule: prometheus.RuleEntry, made: Mapping[str, prometheus.RuleEntry]) -> bool:
    """Whether an alert may be about connections that run out: its name or a metric in it speaks of it."""
    if _EXHAUSTION.search(rule.name):
        return True
    names = list(_names(rule, made))
    if "pg_stat_activity_count" in names:
        return "idle in transaction" not in rule.expression
    return any(_EXHAUSTION.search(name) and not _NOT_EXHAUSTION.search(name) for name in names)


def _alerts_itself(service: Service, tree: Tree) -> bool:
    """Whether a Grafana is given alerts: ``provisioning/alerting`` holds them."""
    return metric_sources.is_grafana(service) and any("/alerting" in path for path in _visible(service, tree))


def _sees_pools(loaded: _Loaded, clients: Sequence[object], sources: metric_sources.Sources, stack: Stack, tree: Tree) -> Fact[bool]:
    """Whether anything exports how full the pools are; unknown where a program of another kind may."""
    if sources.exporters:
        return _yes
    reason = loaded.gap or sources.others or sources.elsewhere
    if reason:
        return unknown("sees_pools", reason)
    for service in stack.services.values():
        foreign = not service.folders or images.runs_other_language(service.base_image)
        if service.name in sources.scraped and foreign and not metric_sources.is_plain(service):
            return unknown("sees_pools", f"what {service.name} exports is not known")
    folders = {folder for service in stack.services.values() for folder in service.folders}
    for path in {path for folder in folders for path in tree.programs(folder)}:
        data = tree.data(path)
        if any(call in data for call in _POOL_CALLS):
            return _yes
        if path.endswith((".go", ".py", ".java", ".kt", ".ts", ".js", ".rb", ".cs", ".ex", ".scala")) and b"metrics" in data:
            return unknown("sees_pools", f"what {path} exports is in a language that is not read")
    return _no
