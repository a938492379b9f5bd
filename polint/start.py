"""What a run starts from: the root, its configuration and its rules; or why it cannot start."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from . import config as configuration
from . import discover, selection
from .config import Config, ConfigError
from .tuples import NamedTuple

if TYPE_CHECKING:
    from .rule import Rule, RuleError
    from .source import Span


OUTSIDE = "lies outside the project"


class Mistake(Protocol):
    """Something wrong in a file that polint itself is told by; ``str()`` is one line that begins with its place."""

    @property
    def span(self) -> Span | None: ...


class CannotRun(Exception):
    """The run cannot start; ``str()`` is what to print, one line for each of the ``mistakes`` if it is about files."""

    def __init__(self, message: str = "", mistakes: Sequence[Mistake] = ()) -> None:
        super().__init__(message or "\n".join(map(str, mistakes)))
        self.mistakes = mistakes


def settle(paths: Sequence[str], root: str | None, file: str | None) -> tuple[str, Config]:
    """The root and the configuration for ``paths``; raises CannotRun."""
    for path in paths:
        if path != "-" and not os.path.lexists(path):
            raise CannotRun(f"no such path: {path}{near_path(path)}")
    if root is not None and not os.path.isdir(root):
        raise CannotRun(f"no such folder: {root}{near_path(root)}")
    top = os.path.abspath(root) if root else discover.find_root([path for path in paths if path != "-"], os.getcwd())
    try:
        return top, configuration.load(top, file)
    except ConfigError as error:
        more: list[configuration.Problem] = []
        errors: list[RuleError] = []
        if error.rest is not None:
            _, more, errors = _judge(top, error.rest)
        raise CannotRun(mistakes=[*ConfigError([*error.problems, *more]).problems, *errors]) from None
    except OSError as error:
        near = near_path(file) if file and isinstance(error, FileNotFoundError) else ""
        raise CannotRun(f"{file or top}: {(error.strerror or str(error)).lower()}{near}") from None


def scope(paths: Sequence[str], root: str) -> tuple[str, ...]:
    """``paths`` relative to the root, as prefixes of what is reported; none when everything is.  Raises CannotRun."""
    real_root = os.path.realpath(root)
    found = []
    for path in paths:
        if path == "-":
            continue
        relative = os.path.relpath(os.path.realpath(path), real_root).replace(os.sep, "/")
        if relative.startswith("../") or relative == "..":
            raise CannotRun(f"{path} is outside the root {root}")
        if relative == ".":
            return ()
        found.append(relative)
    return tuple(found)


def within(path: str, prefixes: Sequence[str]) -> bool:
    """Whether ``path`` is one of ``prefixes`` or lies under one."""
    return not prefixes or any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)


def load_rules(root: str, config: Config) -> tuple[Rule, ...]:
    """polint's own rules and those of the configuration; raises CannotRun with every mistake in them."""
    rules, problems, errors = _load(root, config)
    _raise(problems, errors)
    return rules


def _load(root: str, config: Config) -> tuple[tuple[Rule, ...], list[configuration.Problem], list[RuleError]]:
    """The rules, what is wrong with the folders named for them, and what is wrong in their files."""
    from .rule import load_builtin
    from .rule import load_rules as load

    builtin = load_builtin()
    errors = list(builtin.errors)
    rules = builtin.rules
    problems = []
    folders = []
    for number, name in enumerate(config.rules):
        folder = os.path.join(root, name)
        if leads_out(root, config, name):
            span = config.span("rules", number) or start_of(config)
            problems.append(configuration.Problem(span, f"rules[{number}]", f"{name} {OUTSIDE}"))
        elif os.path.exists(folder):
            beside = os.path.relpath(folder)  # as people see it from where they are
            folders.append(folder if beside.startswith("..") else beside)
        else:
            span = config.span("rules", number) or start_of(config)
            problems.append(configuration.Problem(span, f"rules[{number}]", f"no such folder: {name}"))
    if folders:
        own = load(folders, known=builtin.rules)
        errors += own.errors
        rules += own.rules
    return rules, problems, errors


def _raise(problems: Sequence[configuration.Problem], errors: Sequence[RuleError]) -> None:
    if problems or errors:
        raise CannotRun(mistakes=[*ConfigError(problems).problems, *errors])


def relative(path: str, root: str) -> str:
    """``path`` (of a file that need not exist) relative to the root; raises CannotRun when it is not under it."""
    folder, name = os.path.split(os.path.abspath(path))
    found = os.path.relpath(os.path.join(os.path.realpath(folder), name), os.path.realpath(root)).replace(os.sep, "/")
    if found.startswith("../"):
        raise CannotRun(f"{path} is outside the root {root}")
    return found


def leads_out(root: str, config: Config, name: str) -> bool:
    """Whether what a project's configuration names lies outside the project; one from elsewhere, ``--config``, may name anything."""
    if config.source is not None and (os.path.isabs(config.source.path) or config.source.path.startswith("..")):
        return False
    real_root = os.path.realpath(root)
    return not os.path.realpath(os.path.join(real_root, name)).startswith(real_root.rstrip(os.sep) + os.sep)


def rule_of(name: str, rules: Iterable[Rule]) -> Rule:
    """The rule with that code or name; raises CannotRun that says which one was perhaps meant."""
    rules = list(rules)
    try:
        code = selection.one(name, rules)
    except selection.UnknownRule as error:
        raise CannotRun(str(error)) from None
    return next(rule for rule in rules if rule.code == code)


PerFile = tuple[Any, frozenset[str]]
"""A pattern of files, and the codes of the rules not to report in them."""


def start_of(config: Config) -> Any:
    assert config.source is not None
    return config.source.span(0, 0)


class Settled(NamedTuple):
    """What the configuration says about rules: all of them, the codes it selects, and severities and params by code."""

    rules: tuple[Rule, ...]
    selected: frozenset[str]
    severities: dict[str, str]
    params: dict[str, dict[str, object]]
    per_file: list[PerFile]


def settled(root: str, config: Config) -> Settled:
    """The rules as the configuration wants them; raises CannotRun with every unknown rule, param, value and folder."""
    found, problems, errors = _judge(root, config)
    _raise(problems, errors)
    return found


def template_folders(root: str, config: Config) -> tuple[str, ...]:
    """The folders whose templates win over polint's own; raises CannotRun."""
    _raise(_no_templates(root, config), ())
    return (os.path.join(root, config.templates),) if config.templates else ()


def _no_templates(root: str, config: Config) -> list[configuration.Problem]:
    if not config.templates:
        return []
    span = config.span("templates") or start_of(config)
    if leads_out(root, config, config.templates):
        return [configuration.Problem(span, "templates", f"{config.templates} {OUTSIDE}")]
    if os.path.isdir(os.path.join(root, config.templates)):
        return []
    return [configuration.Problem(span, "templates", f"no such folder: {config.templates}")]


_BOUNDS = (("shortest", "longest"), ("least", "most"))  # params of one rule that limit each other


def _judge(root: str, config: Config) -> tuple[Settled, list[configuration.Problem], list[RuleError]]:
    """As ``settled``; and what is wrong in the configuration and in rule files."""
    from . import gitignore

    rules, problems, errors = _load(root, config)

    def wrong(message: str, *path: str | int, value: bool = False) -> None:
        span = (None if value else config.key_span(*path)) or config.span(*path) or start_of(config)
        problems.append(configuration.Problem(span, configuration.dotted(path), message))

    problems += _no_templates(root, config)
    stated: dict[str, set[str]] = {"select": set(), "ignore": set()}
    for table, words in (("select", config.select), ("ignore", config.ignore)):
        for number, word in enumerate(words):
            try:
                stated[table] |= selection.resolve_all([word], rules)
            except selection.UnknownRule as error:
                wrong(str(error), table, number)
    levels: list[tuple[frozenset[str], str]] = []
    for name, level in config.severity.items():
        try:
            levels.append((selection.resolve_all([name], rules), level))
        except selection.UnknownRule as error:
            wrong(str(error), "severity", name)
    # what names fewer rules wins, in whatever order: "PO201" over "PO2" over "all"
    levels.sort(key=lambda one: len(one[0]), reverse=True)
    severities = {code: level for codes, level in levels for code in codes}
    params: dict[str, dict[str, object]] = {}
    for name, values in config.params.items():
        try:
            code = selection.one(name, rules)
        except selection.UnknownRule as error:
            wrong(str(error), "params", name)
            continue
        rule = next(rule for rule in rules if rule.code == code)
        for key, value in values.items():
            try:
                rule.bind({key: value})
            except ValueError as error:
                known = key in rule.bind({})
                wrong(str(error).rpartition(f"{key}: ")[2] if known else str(error), "params", name, key, value=known)
            else:
                params.setdefault(code, {})[key] = value
        bound: Mapping[str, Any] = rule.bind(params.get(code, {}))
        for low, high in _BOUNDS:
            if low in bound and high in bound and bound[low] > bound[high]:
                wrong(f"{low} is more than {high}", "params", name, low if low in values else high, value=True)
    per_file: list[PerFile] = []
    for pattern, names in config.per_file_ignores.items():
        codes: set[str] = set()
        for number, word in enumerate(names):
            try:
                codes |= selection.resolve_all([word], rules)
            except selection.UnknownRule as error:
                wrong(str(error), "per-file-ignores", pattern, number)
        per_file.append((gitignore.compile_paths([pattern]), frozenset(codes)))
    selected = frozenset(stated["select"] if config.select else {rule.code for rule in rules}) - stated["ignore"]
    return Settled(rules, selected, severities, params, per_file), problems, errors


def near_path(path: str) -> str:
    """``; did you mean 'x'?`` when something beside the first missing part of ``path`` is called nearly so."""
    from difflib import get_close_matches

    rest = ""
    path = path.rstrip("/")
    while True:
        folder, name = os.path.split(path)
        if not name or os.path.isdir(folder or "."):
            break
        path, rest = folder, f"{name}/{rest}" if rest else name
    try:
        near = {entry.lower(): entry for entry in os.listdir(folder or ".")}
    except OSError:
        return ""
    found = get_close_matches(name.lower(), list(near), n=1)
    if not found:
        return ""
    meant = os.path.join(folder, near[found[0]])
    whole = os.path.join(meant, rest) if rest else meant
    return f"; did you mean '{whole if os.path.lexists(whole) else meant}'?"
