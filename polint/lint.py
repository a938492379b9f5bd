"""One lint run from the root's files to a Report: the one place where all the parts meet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from . import config as configuration
from . import discover, selection, suppress
from .config import Config, ConfigError
from .diagnostic import Diagnostic
from .reporters import IDLE, UNASKED, FileStatus, Report

if TYPE_CHECKING:
    from .fact import Fact
    from .model.project import Problem, Project
    from .rule import Rule


class CannotRun(Exception):
    """The run cannot start; ``str()`` is what to print, one line for each mistake.

    With ``placed`` every line begins with the place of its mistake.
    """

    def __init__(self, message: str, placed: bool = False) -> None:
        super().__init__(message)
        self.placed = placed


class Choice(NamedTuple):
    """What the command line says about rules; ``None`` leaves it to the configuration."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    no_ignores: bool = False


_LEAVE = Choice()


def settle(paths: Sequence[str], root: str | None, file: str | None) -> tuple[str, Config]:
    """The root and the configuration for ``paths``; raises CannotRun."""
    for path in paths:
        if path != "-" and not os.path.lexists(path):
            raise CannotRun(f"no such path: {path}{_near_path(path)}")
    if root is not None and not os.path.isdir(root):
        raise CannotRun(f"no such folder: {root}{_near_path(root)}")
    top = os.path.abspath(root) if root else discover.find_root([path for path in paths if path != "-"], os.getcwd())
    try:
        return top, configuration.load(top, file)
    except ConfigError as error:
        raise CannotRun(str(error), placed=True) from None
    except OSError as error:
        raise CannotRun(f"{file or top}: {(error.strerror or str(error)).lower()}") from None


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


def files_of(root: str, config: Config, overlay: Mapping[str, bytes] | None = None) -> discover.Files:
    """The files of the project, none of them opened yet."""
    return discover.Files(root, discover.walk(root, config.exclude), overlay)


def project_of(files: discover.Files, config: Config) -> Project:
    """The model of the project."""
    from .model.build import build_project

    stated: dict[str, dict[str, Fact[Any]]] = {}
    for table in (config.services, config.servers):
        for name, said in table.items():
            facts = stated.setdefault(name, {})
            for key in said.facts:
                fact = said.fact(key)
                if fact is not None:
                    facts[key] = fact
    project = build_project(files, stated)
    project.problems.extend(_undecodable(files, project.read_files))
    return project


def _undecodable(files: discover.Files, paths: Iterable[str]) -> Iterator[Problem]:
    """The first byte of each file that is not UTF-8: what stands there is not what polint shows."""
    from .model.project import Problem

    for path in sorted(paths):
        source = files.read(path)
        if source is None or source.text.isascii():
            continue
        try:
            source.text.encode()
        except UnicodeEncodeError as error:
            byte = ord(source.text[error.start]) & 0xFF
            yield Problem("encoding", f"byte 0x{byte:02x} is not UTF-8 text", source.span(error.start, error.start + 1))


def load_rules(root: str, config: Config) -> tuple[Rule, ...]:
    """polint's own rules and those of the configuration; raises CannotRun with every mistake in them."""
    from .rule import load_builtin
    from .rule import load_rules as load

    builtin = load_builtin()
    errors = list(builtin.errors)
    rules = builtin.rules
    if config.rules:
        folders = [os.path.join(root, folder) for folder in config.rules]
        problems = [
            configuration.Problem(
                config.span("rules", number) or _start(config), f"rules[{number}]", f"no such folder: {config.rules[number]}"
            )
            for number, folder in enumerate(folders)
            if not os.path.exists(folder)
        ]
        if problems:
            raise CannotRun(str(ConfigError(problems)), placed=True)
        own = load(folders, known=builtin.rules)
        errors += own.errors
        rules += own.rules
    if errors:
        raise CannotRun("\n".join(map(str, errors)), placed=True)
    return rules


def run(
    root: str,
    config: Config,
    *,
    prefixes: Sequence[str] = (),
    choice: Choice = _LEAVE,
    overlay: Mapping[str, bytes] | None = None,
    today: str | None = None,
) -> Report:
    """Check the project at ``root`` and report what lies under ``prefixes``; raises CannotRun.

    ``today`` (``2026-11-23``) ends suppressions whose date has passed.
    """
    from . import budget
    from .engine import check

    rules = load_rules(root, config)
    chosen = _choose(rules, config, choice)
    severities, params, per_file = _checked(rules, config)
    files = files_of(root, config, overlay)
    project = project_of(files, config)
    found = check(chosen, project.subjects(), params=params, severities=severities)
    # a file that several stacks use says the same in each
    once = {(diagnostic.code, diagnostic.span, diagnostic.message): diagnostic for diagnostic in reversed(found.diagnostics)}
    kept = [
        diagnostic
        for diagnostic in reversed(once.values())
        if within(diagnostic.span.path, prefixes) and not any(patterns_match(diagnostic, patterns) for patterns in per_file)
    ]
    diagnostics: Sequence[Diagnostic] = kept
    if not choice.no_ignores:
        suppressions = {source.path: written for source in files.sources() if (written := suppress.find(source))}
        diagnostics, _ = suppress.apply(kept, suppressions, today)
    servers = [server for server in budget.servers(project) if any(within(path, prefixes) for path in budget.paths(server))]
    budgets = [budget.summary(server, budget.name_of(server, servers)) for server in servers]
    return Report(root, diagnostics, statuses(files, project, diagnostics), budgets, found.silenced)


def statuses(files: discover.Files, project: Project, diagnostics: Iterable[Diagnostic] = ()) -> list[FileStatus]:
    """What became of every file, once the model is built."""
    unreadable = {diagnostic.span.path for diagnostic in diagnostics if diagnostic.name == "unreadable-file"}
    out = []
    for file in files:
        reason = files.reason(file.path)
        if file.path in unreadable:
            out.append(FileStatus(file.path, file.format, "unreadable", "its own program refuses it"))
        elif reason:
            out.append(FileStatus(file.path, file.format, "skipped", reason))
        elif file.path in project.read_files:
            out.append(FileStatus(file.path, file.format, "read", None))
        elif reason is None:
            out.append(FileStatus(file.path, file.format, "skipped", UNASKED))
        else:
            out.append(FileStatus(file.path, file.format, "skipped", IDLE))
    return out


def subjects_of(files: Mapping[str, str], config_text: str | None = None) -> list[Mapping[str, Sequence[Any]]]:
    """The subjects of a project given as texts: what a rule's examples are tried on."""
    from .source import Source

    config = configuration.parse(Source(configuration.NAME, config_text)) if config_text is not None else Config()
    tree = discover.Files("", (), {path: text.encode("utf-8", "surrogateescape") for path, text in files.items()})
    return [project_of(tree, config).subjects()]


def relative(path: str, root: str) -> str:
    """``path`` (of a file that need not exist) relative to the root; raises CannotRun when it is not under it."""
    folder, name = os.path.split(os.path.abspath(path))
    found = os.path.relpath(os.path.join(os.path.realpath(folder), name), os.path.realpath(root)).replace(os.sep, "/")
    if found.startswith("../"):
        raise CannotRun(f"{path} is outside the root {root}")
    return found


def rule_of(name: str, rules: Iterable[Rule]) -> Rule:
    """The rule with that code or name; raises CannotRun that says which one was perhaps meant."""
    rules = list(rules)
    try:
        code = selection.one(name, rules)
    except selection.UnknownRule as error:
        raise CannotRun(str(error)) from None
    return next(rule for rule in rules if rule.code == code)


def try_rules(folder: str) -> tuple[int, list[str]]:
    """How many rules lie under ``folder``, and everything wrong with them or their examples; raises CannotRun."""
    from . import examples
    from .rule import data_dir, load_builtin
    from .rule import load_rules as load

    if not os.path.exists(folder):
        raise CannotRun(f"no such path: {folder}{_near_path(folder)}")
    builtin = os.path.realpath(folder).startswith(os.path.realpath(data_dir("rules")))
    loaded = load([folder], builtin=builtin, known=() if builtin else load_builtin().rules)
    problems = [str(error) for error in loaded.errors]
    for rule in loaded.rules:
        problems += examples.run(rule, subjects_of)
    return len(loaded.rules), problems


def write_report(path: str, data: bytes) -> None:
    """Write a report to a file: whole or not at all where the file system allows; raises CannotRun."""
    try:
        if os.path.lexists(path) and not (os.path.isfile(path) and not os.path.islink(path)):
            with open(path, "wb") as handle:  # a pipe, a device, a link: written through
                handle.write(data)
            return
        beside = f"{path}.{os.getpid()}.tmp"
        try:
            with open(beside, "xb") as handle:
                handle.write(data)
            os.replace(beside, path)
        finally:
            if os.path.lexists(beside):
                os.unlink(beside)
    except OSError as error:
        raise CannotRun(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None


def _start(config: Config) -> Any:
    assert config.source is not None
    return config.source.span(0, 0)


def _choose(rules: Sequence[Rule], config: Config, choice: Choice) -> list[Rule]:
    """The rules to run: a selection on the command line replaces what the configuration selects and ignores."""
    problems = []
    stated: dict[str, set[str]] = {"select": set(), "ignore": set()}
    for table, words in (("select", config.select), ("ignore", config.ignore)):
        for number, word in enumerate(words):
            try:
                stated[table] |= selection.resolve_all([word], rules)
            except selection.UnknownRule as error:
                problems.append(configuration.Problem(config.span(table, number) or _start(config), f"{table}[{number}]", str(error)))
    if problems:
        raise CannotRun(str(ConfigError(problems)), placed=True)
    try:
        ignored = selection.resolve_all(choice.ignore, rules)
        if choice.select is not None:
            codes = selection.resolve_all(choice.select, rules) - ignored
        else:
            codes = frozenset(stated["select"] if config.select else {rule.code for rule in rules}) - stated["ignore"] - ignored
    except selection.UnknownRule as error:
        raise CannotRun(str(error)) from None
    return [rule for rule in rules if rule.code in codes]


_PerFile = tuple[Any, frozenset[str]]


def patterns_match(diagnostic: Diagnostic, patterns: _PerFile) -> bool:
    """Whether an entry of ``per-file-ignores`` covers the diagnostic."""
    from . import gitignore

    return diagnostic.code in patterns[1] and gitignore.matches(patterns[0], diagnostic.span.path)


def _checked(rules: Sequence[Rule], config: Config) -> tuple[dict[str, str], dict[str, dict[str, object]], list[_PerFile]]:
    """Severities and params by code, and the ignores by file; raises CannotRun with every unknown rule or param."""
    from . import gitignore

    problems: list[configuration.Problem] = []

    def wrong(message: str, *path: str | int) -> None:
        span = config.key_span(*path) or config.span(*path) or _start(config)
        problems.append(configuration.Problem(span, ".".join(map(str, path)), message))

    severities: dict[str, str] = {}
    for name, level in config.severity.items():
        try:
            severities.update(dict.fromkeys(selection.resolve(name, rules), level))
        except selection.UnknownRule as error:
            wrong(str(error), "severity", name)
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
                wrong(str(error), "params", name, key)
            else:
                params.setdefault(code, {})[key] = value
    per_file: list[_PerFile] = []
    for pattern, names in config.per_file_ignores.items():
        try:
            per_file.append((gitignore.compile_lines([pattern]), selection.resolve_all(names, rules)))
        except selection.UnknownRule as error:
            wrong(str(error), "per-file-ignores", pattern)
    if problems:
        raise CannotRun(str(ConfigError(problems)), placed=True)
    return severities, params, per_file


def _near_path(path: str) -> str:
    """``; did you mean 'x'?`` when something beside ``path`` is called nearly so."""
    from difflib import get_close_matches

    folder, name = os.path.split(path.rstrip("/"))
    try:
        near = get_close_matches(name, os.listdir(folder or "."), n=1)
    except OSError:
        return ""
    return f"; did you mean '{os.path.join(folder, near[0])}'?" if near else ""
