"""Edits of Prometheus's rule files: where a further alert goes, and how the alerts there are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..patterns import lazy
from ..source import Span
from ..tuples import NamedTuple
from ..yamltext import Node, documents

_DASH = lazy(r"([ \t]*)-[ \t]+")
_REST = lazy(r"[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z)")
_NOTES = ("summary", "description", "message", "title", "text")
_KEYS = ("expr", "for", "labels", "annotations")


class Place(NamedTuple):
    """Where alerts go, ``between`` them what parts two of them: ``dash`` stands before the first line, ``indent`` before the others.

    ``style`` says how the neighbours are written: the ``order`` of their keys, the ``step`` by which maps are indented in them,
    the ``block`` header of expressions (``|``, ``>-``), ``labels`` that an alert there needs, the annotation (``note``) that
    says what is wrong, and its ``quote``.
    """

    at: int
    before: str
    dash: str
    indent: str
    between: str
    after: str
    style: Mapping[str, object]


def place(span: Span) -> Place | None:
    """Where a further alert goes in the group of the one whose name stands at ``span``: behind its last rule."""
    found = documents(span.source)
    roots = () if found.faults else found.nodes
    for group in _items(roots[0].get("groups") if len(roots) == 1 else None):
        rules = _items(group.get("rules"))
        named = [(rule, rule.get("alert")) for rule in rules]
        like = next((rule for rule, name in named if name is not None and (name.start, name.end) == (span.start, span.end)), None)
        if like is not None:
            seq = group.get("rules")
            plain = seq is not None and not (seq.style or seq.aliased or group.style or group.aliased or like.style)
            return _behind(span, rules, like, roots[0]) if plain else None
    return None


def _items(node: Node | None) -> Sequence[Node]:
    return node.items if node is not None and node.kind == "seq" else ()


def _behind(span: Span, rules: Sequence[Node], like: Node, root: Node) -> Place | None:
    source, text = span.source, span.source.text
    last = rules[-1]
    dash = text[text.rfind("\n", 0, last.start) + 1 : last.start]
    found = _DASH.fullmatch(dash)
    end = len(text[: last.end].rstrip())
    rest = _REST.match(text, end)
    if found is None or rest is None or last.start < like.start or last.source is not source or last.kind != "map":
        return None
    spaced = len(rules) > 1 and "\n\n" in text[rules[-2].end - 1 : last.start].replace("\r", "")
    glued = not text[: rest.end()].endswith("\n")
    keys = [key for key in like.entries if key in _KEYS]
    expression = like.get("expr")
    notes = like.get("annotations")
    note = next((key for key in _NOTES if notes is not None and notes.get(key) is not None), "")
    written = notes.get(note) if notes is not None and note else None
    style = {
        "order": _KEYS if keys == [key for key in _KEYS if key in keys] else [*keys, *(key for key in _KEYS if key not in keys)],
        "step": _step(like),
        "block": _header(expression) if expression is not None else "",
        "labels": _labels(rules, like, root),
        "note": note,
        "quote": written.style if written is not None and written.style in ("'", '"') else '"',
    }
    gap, indent = "\n" if spaced else "", found[1] + " " * (len(dash) - len(found[1]))
    return Place(rest.end(), ("\n" if glued else "") + gap, dash, indent, f"\n{gap}", "" if glued else "\n", style)


def _header(node: Node) -> str:
    return (node.style + node.source.text[node.start + 1].strip("\r\n \t0123456789#")) if node.style in ("|", ">") else ""


def _step(rule: Node) -> str:
    """How far a map in a rule is indented."""
    for name in ("labels", "annotations"):
        key, value = rule.entries.get(name, (None, None))
        if key is not None and value is not None and value.kind == "map" and not value.style:
            wide = value.span.place[1] - key.span.place[1]
            if wide > 0:
                return " " * wide
    return "  "


def _labels(rules: Sequence[Node], like: Node, root: Node) -> dict[str, str]:
    """Labels, as they are written: what several alerts of the group agree on, and how severe it is."""
    own = _written(like)
    alerts = [_written(rule) for rule in rules if rule.get("alert") is not None]
    made = {name: text for name, text in own.items() if len(alerts) > 1 and all(one.get(name) == text for one in alerts)}
    if "severity" in own:
        every = [*alerts, *(_written(rule) for group in _items(root.get("groups")) for rule in _items(group.get("rules")))]
        warnings = (text for one in every if (text := one.get("severity", "")).strip("'\"") == "warning")
        severity = next(warnings, own["severity"])
        made = {name: severity if name == "severity" else made[name] for name in own if name == "severity" or name in made}
    return made


def _written(rule: Node) -> dict[str, str]:
    labels = rule.get("labels")
    if labels is None or labels.kind != "map":
        return {}
    plain = {key: node.span.text for key, (_, node) in labels.entries.items() if node.kind == "scalar" and node.style not in ("|", ">")}
    return {key: text for key, text in plain.items() if text and "{{" not in text and "\n" not in text}
