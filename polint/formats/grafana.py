"""Grafana's dashboards in JSON: the queries of their panels.

Only classic dashboards are read, whose panels hold ``targets`` with an ``expr`` [grafana/grafana kinds/dashboard]; JSON is
read as the YAML it also is, which gives every text its place.
"""

from __future__ import annotations

from .. import promql
from ..source import Source, Span
from ..tuples import NamedTuple
from ..yamltext import Node, documents, place_in

MAX_CHARACTERS = 1_000_000  # larger exports would take seconds


class Query(NamedTuple):
    """The expression of one target; ``metrics`` are the names in it with their places, ``has_or`` as in promql.Expression."""

    expression: str
    metrics: tuple[tuple[str, Span], ...]
    has_or: bool


def is_worth(data: bytes) -> bool:
    """Whether a file with these bytes can be a dashboard with PromQL in it."""
    return b'"expr"' in data and b'"panels"' in data


def parse(source: Source) -> tuple[Query, ...]:
    """The queries of a dashboard in the order of its text; none when it is no JSON, or too large."""
    if len(source.text) > MAX_CHARACTERS or not source.text.lstrip().startswith("{"):
        return ()
    found = documents(source, 1)
    if not found.nodes:
        return ()
    queries: list[Query] = []
    stack = [found.nodes[0]]
    while stack:
        node = stack.pop()
        if node.kind == "seq":
            stack.extend(item for item in reversed(node.items) if item.kind != "scalar")
        elif node.kind == "map":
            expression = node.get("expr")
            if expression is not None and expression.kind == "scalar" and not _is_other(node):
                queries.append(_query(expression))
            stack.extend(value for _, value in reversed(node.entries.values()) if value.kind != "scalar")
    return tuple(queries)


def _is_other(target: Node) -> bool:
    """Whether a target asks a data source that speaks another language than PromQL."""
    source = target.get("datasource")
    kind = source.get("type") if source is not None else None
    return kind is not None and kind.text not in ("prometheus", "")


def _query(node: Node) -> Query:
    found = promql.read(node.text)
    place = place_in(node) if found.metrics else None
    return Query(node.text, tuple((name, place(start, end)) for name, start, end in found.metrics if place is not None), found.has_or)
