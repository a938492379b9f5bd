"""polint-plan.yaml: read, checked, and every mistake at its place."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from .. import yamltext
from ..config import ConfigError, Problem, dotted, drop
from ..config_schema import Mistake, Path, in_words, keys, suggestion
from ..source import Source, Span
from ..tuples import NamedTuple
from . import layout
from .plan import MAJORS, Database, Plan, Service

NAME = "polint-plan.yaml"
_SAYINGS = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "dict_type": "must be keys and values",
    "model_type": "must be keys and values",
    "missing": "is missing",
    "too_short": "must not be empty",
    "finite_number": "must be a number",
}
_TABLES: dict[str, type[BaseModel]] = {"": Plan, "database": Database, "services.NAME": Service}
_KINDS = {
    "php": "laravel-fpm",
    "php-fpm": "laravel-fpm",
    "fpm": "laravel-fpm",
    "laravel": "laravel-fpm",
    "queue": "laravel-queue",
    "worker": "laravel-queue",
    "horizon": "laravel-horizon",
    "rust": "sqlx",
}
"""What people call the kinds."""
_SECRETS = ("password", "passwd", "secret", "token", "dsn", "url", "credential")


class PlanError(ConfigError):
    """The plan cannot be used; ``problems`` are all its mistakes in file order."""


class PlanFile(NamedTuple):
    """A plan, and where each of its values stands."""

    plan: Plan
    node: yamltext.Node

    def laid_out(self) -> layout.Layout:
        """Every number of its stack; raises PlanError where the services cannot fit the server."""
        try:
            return layout.lay_out(self.plan)
        except layout.DoesNotFit as error:
            raise PlanError([Problem(_place(self.node, error.path), dotted(error.path), str(error))]) from None


def parse(source: Source) -> PlanFile:
    """The plan that ``source`` states; raises PlanError with every mistake in it."""
    nodes, faults = yamltext.documents(source)
    problems = [Problem(fault.span, "", fault.message) for fault in faults]
    if len(nodes) > 1:
        problems.append(Problem(source.span(nodes[1].start, nodes[1].start + 1), "", "a second document; a file holds one plan"))
    if problems:
        raise PlanError(problems)
    if not nodes or (nodes[0].kind == "scalar" and yamltext.scalar(nodes[0]) is None):
        raise PlanError([Problem(source.span(0, 0), "", "there is no plan in it; a plan begins with project and services")])
    node = nodes[0]
    if node.kind != "map":
        raise PlanError([Problem(source.span(node.start, node.start + 1), "", "must be keys and values, such as project: my-project")])
    content = _stated(yamltext.to_plain(node))
    mistakes, plan = _check(content)
    if plan is not None:
        return PlanFile(plan, node)
    more = mistakes
    while more:  # what shows only once these are right
        for path, _, _ in more:
            drop(content, path)
        known = [path for path, _, _ in mistakes]
        more = [one for one in _check(content)[0] if not any(_is_of(one[0], path) for path in known)]
        mistakes += more
    raise PlanError([Problem(_place(node, path, of_key), dotted(path), message) for path, of_key, message in mistakes])


def _is_of(path: Path, mended: Path) -> bool:
    """Whether a mistake may only come from another's having been taken out."""
    return path[: len(mended)] == mended or path == mended[:1] == ("services",)


def _place(node: yamltext.Node, path: Path, of_key: bool = False) -> Span:
    """Where the value at ``path`` stands, or its key: that of a collection too, and the nearest above what is not there."""
    key = None
    for step in path:  # a kind alone stands for its service
        pair = node.entries.get(str(step))
        if pair is None:
            break
        key, node = pair
    if key is None:
        return node.source.span(node.start, node.start)
    return key.span if of_key or node.kind != "scalar" or node.start == node.end else node.span


def _stated(content: Any) -> Any:
    """Without the keys that have no value, which say nothing; a service without one is still there."""
    made = {key: value for key, value in content.items() if value is not None}
    if isinstance(made.get("database"), dict):
        made["database"] = {key: value for key, value in made["database"].items() if value is not None}
    if isinstance(made.get("services"), dict):
        made["services"] = {
            name: {key: value for key, value in one.items() if value is not None} if isinstance(one, dict) else one
            for name, one in made["services"].items()
        }
    return made


def _check(content: object) -> tuple[list[Mistake], Plan | None]:
    try:
        return [], Plan.model_validate(content)
    except ValidationError as error:
        return [_mistake(details["loc"], details) for details in error.errors(include_url=False)], None


def _mistake(path: Path, details: Any) -> Mistake:
    kind, context, given = details["type"], details.get("ctx", {}), details.get("input")
    if path and path[-1] == "[key]":
        return path[:-1], True, "must be a name of lower-case letters, digits, - and _"
    if kind == "plan":
        path = (*path, *context["keys"])
        return path, len(path) == 2 and path[0] == "services", context["message"]
    if kind == "extra_forbidden":
        return path, True, _unknown(path)
    if kind == "string_pattern_mismatch":
        signs = "letters, digits, - and _" if path == ("project",) else "letters, digits and _"
        return path, False, f"must be a name of lower-case {signs}"
    said = in_words(details, _SAYINGS)
    if path == ("database", "version") and kind == "literal_error":
        if isinstance(given, (str, float)) and str(given).partition(".")[0] in map(str, MAJORS):
            said = f"must be the major version alone: {str(given).partition('.')[0]}"
    elif kind == "literal_error" and path[0] == "services" and isinstance(given, str) and given in _KINDS:
        said = f"must be {context['expected']}; did you mean '{_KINDS[given]}'?"
    elif kind == "model_type" and path[0] == "services":
        said = "must be a kind, or keys and values"
    return path, False, said


def _unknown(path: Path) -> str:
    """Why a key is none, and which one was perhaps meant."""
    key = str(path[-1])
    at = "services.NAME" if path[0] == "services" else "database" if len(path) > 1 else ""
    if any(word in key.lower() for word in _SECRETS):
        return "unknown key; a plan holds no secrets"
    near = suggestion(key, keys(_TABLES[at]))
    other = next((name for name, model in _TABLES.items() if name != at and key.replace("_", "-") in keys(model)), None)
    if other is None:
        return "unknown key" + near
    return f"unknown key; it belongs {f'to {other}' if other else 'to the top'}"
