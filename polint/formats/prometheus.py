"""Prometheus: rule files (``groups:``) and the server's own configuration (``scrape_configs:``, ``rule_files:``).

Syntax [prometheus/prometheus model/rulefmt/rulefmt.go, config/config.go]: a rule has ``alert`` or ``record``, and ``expr``.
Either may be found in one file; what has neither key is of no interest here.
"""

from __future__ import annotations

from .. import promql
from ..source import Source, Span
from ..tuples import NamedTuple
from ..yamltext import Node, documents, place_in
from . import Fault


class MetricUse(NamedTuple):
    """A metric that an expression names, and where the name stands."""

    name: str
    span: Span


class RuleEntry(NamedTuple):
    """One rule: ``name`` is that of the alert or of the metric it records."""

    kind: str  # alert or record
    name: str
    name_span: Span
    expression: str
    metrics: tuple[MetricUse, ...]
    has_or: bool  # the expression joins alternatives


class Scrape(NamedTuple):
    """One job of ``scrape_configs``.

    ``targets`` are its static ones and the hosts it looks up, as ``host:port``; ``is_open`` says that it has others as well, or
    takes or renames metrics in a way that files do not tell (service discovery, federation, relabelling of names);
    ``is_filtered`` that it may drop some.
    """

    job: str
    targets: tuple[str, ...]
    is_open: bool
    span: Span
    is_filtered: bool = False


class PrometheusFile(NamedTuple):
    """A file that Prometheus reads.  ``is_config`` holds for its own configuration; ``rule_files`` are the patterns that it names."""

    source: Source
    rules: tuple[RuleEntry, ...] = ()
    scrapes: tuple[Scrape, ...] = ()
    rule_files: tuple[str, ...] = ()
    is_config: bool = False
    is_open: bool = False  # it also takes metrics from elsewhere: remote_read, scrape_config_files
    faults: tuple[Fault, ...] = ()


def is_worth(data: bytes) -> bool:
    """Whether a file with these bytes can hold rules or a configuration."""
    return (b"groups:" in data and b"expr:" in data) or b"scrape_configs:" in data or b"rule_files:" in data


def parse(source: Source) -> PrometheusFile:
    """Rules and scrape jobs of a file; templates of Helm and the like, which are no YAML, give a fault."""
    found = documents(source, 1)
    faults = tuple(Fault(fault.message, fault.span) for fault in found.faults)
    if not found.nodes:
        return PrometheusFile(source, faults=faults)
    root = found.nodes[0]
    rules = []
    for group in _items(root.get("groups")):
        for rule in _items(group.get("rules")):
            rules.extend(_rule(rule))
    scrapes = tuple(_scrape(job) for job in _items(root.get("scrape_configs")))
    patterns = tuple(item.text for item in _items(root.get("rule_files")) if item.kind == "scalar")
    is_config = "scrape_configs" in root.entries or "rule_files" in root.entries
    is_open = any(key in root.entries for key in ("remote_read", "scrape_config_files", "otlp"))
    return PrometheusFile(source, tuple(rules), scrapes, patterns, is_config, is_open, faults)


def _items(node: Node | None) -> tuple[Node, ...]:
    return tuple(node.items) if node is not None and node.kind == "seq" else ()


def _rule(node: Node) -> list[RuleEntry]:
    expression = node.get("expr")
    for kind in ("alert", "record"):
        name = node.get(kind)
        if name is not None and name.kind == "scalar" and expression is not None and expression.kind == "scalar":
            return [RuleEntry(kind, name.text, name.span, expression.text, *metrics_in(expression))]
    return []


def metrics_in(node: Node) -> tuple[tuple[MetricUse, ...], bool]:
    """The metrics that the expression in a scalar names, each with its place, and whether alternatives are joined by ``or``."""
    found = promql.read(node.text)
    place = place_in(node) if found.metrics else None
    return tuple(MetricUse(name, place(start, end)) for name, start, end in found.metrics if place is not None), found.has_or


def _looked_up(job: Node) -> tuple[list[str], bool]:
    """The targets of ``dns_sd_configs``, and whether that is all of them: names of hosts are, service records are looked up."""
    found: list[str] = []
    for config in _items(job.get("dns_sd_configs")):
        kind, port = config.get("type"), config.get("port")
        if kind is None or kind.text not in ("A", "AAAA") or port is None or port.kind != "scalar":
            return found, False
        found += [f"{name.text}:{port.text}" for name in _items(config.get("names")) if name.kind == "scalar"]
    return found, True


def _scrape(job: Node) -> Scrape:
    name = job.get("job_name")
    targets = [
        target.text for config in _items(job.get("static_configs")) for target in _items(config.get("targets")) if target.kind == "scalar"
    ]
    named, all_named = _looked_up(job)
    targets += named
    discovers = not all_named or any(key.endswith("_sd_configs") and key != "dns_sd_configs" for key in job.entries)
    path = job.get("metrics_path")
    federates = path is not None and path.kind == "scalar" and path.text.rstrip("/").endswith("federate")
    renames = any(
        (label := relabel.get("target_label")) is not None and label.text == "__name__"
        for relabel in _items(job.get("metric_relabel_configs"))
    )
    # what is relabelled into the address (a probe's target) is not what is scraped
    moved = any(
        (label := relabel.get("target_label")) is not None and label.text == "__address__" for relabel in _items(job.get("relabel_configs"))
    )
    span = name.span if name is not None else job.span
    is_open = discovers or federates or renames or moved
    return Scrape(name.text if name is not None else "", tuple(targets), is_open, span, "metric_relabel_configs" in job.entries)
