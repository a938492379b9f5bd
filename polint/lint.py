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
    from .model.server import Server
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
_UNREADABLE = ("compose", "dotenv", "encoding")  # kinds of problems that make a file unreadable, as rule PO001 has them


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
        more: list[configuration.Problem] = []
        errors: list[str] = []
        if error.rest is not None:
            _, more, errors = _judge(top, error.rest)
        raise CannotRun("\n".join([str(ConfigError([*error.problems, *more])), *errors]), placed=True) from None
    except OSError as error:
        near = _near_path(file) if file and isinstance(error, FileNotFoundError) else ""
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
    project.problems.extend(_refused(files, project))
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


# formats whose files somebody reads wherever they lie; a stray source file is nobody's
_ALWAYS_READ = frozenset(("compose", "dotenv", "dockerfile", "cargo", "postgresql.conf", "php-fpm", "pgbouncer"))
_REFUSED = ("UTF-16, not UTF-8", "binary")  # of their own programs; the rest polint alone leaves out
_LEFT_OUT = ("over 5 MB", "no permission")


def _refused(files: discover.Files, project: Project) -> Iterator[Problem]:
    """Files that the project needs and whose content polint never saw: a stack without them is not judged."""
    from .model.project import Problem
    from .source import Source

    for file in files:
        reason = files.reason(file.path)
        if not reason or file.format not in _ALWAYS_READ or file.path in project.read_files:
            continue
        if reason in _REFUSED:
            message = f"{reason}: " + ("polint cannot read it" if file.format == "compose" else "its reader refuses it")
        elif reason in _LEFT_OUT and (by := _namer(file.path, files, project)):
            message = f"{reason}: polint does not read it, and {by} names it"
        else:
            continue
        yield Problem("encoding", message, Source(file.path, "").span(0, 0))


def _namer(path: str, files: discover.Files, project: Project) -> str:
    """The compose file that names the file at ``path``, or ""."""
    name = path.rpartition("/")[2]
    wanted = "env_file" if name == ".env" else name  # a .env beside the compose file may be there or not
    for other in sorted(project.read_files & set(files.paths("compose"))):
        source = files.read(other)
        if source is not None and wanted in source.text and name in source.text:
            return other
    return ""


def load_rules(root: str, config: Config) -> tuple[Rule, ...]:
    """polint's own rules and those of the configuration; raises CannotRun with every mistake in them."""
    rules, problems, errors = _load(root, config)
    _raise(problems, errors)
    return rules


def _load(root: str, config: Config) -> tuple[tuple[Rule, ...], list[configuration.Problem], list[str]]:
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
        if os.path.exists(folder):
            folders.append(folder)
        else:
            span = config.span("rules", number) or _start(config)
            problems.append(configuration.Problem(span, f"rules[{number}]", f"no such folder: {name}"))
    if folders:
        own = load(folders, known=builtin.rules)
        errors += own.errors
        rules += own.rules
    return rules, problems, [str(error) for error in errors]


def _raise(problems: Sequence[configuration.Problem], errors: Sequence[str]) -> None:
    if problems or errors:
        raise CannotRun("\n".join([*([str(ConfigError(problems))] if problems else []), *errors]), placed=True)


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

    rules, selected, severities, params, per_file = settled(root, config)
    chosen = _choose(rules, selected, choice)
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
    servers.sort(key=_utilisation, reverse=True)
    budgets = [budget.summary(server, budget.name_of(server, servers)) for server in servers]
    return Report(root, diagnostics, statuses(files, project), budgets, found.silenced, unknown_services(project, config))


def _utilisation(server: Server) -> float:
    """The share of a server's usable connections that is known to be in demand."""
    usable, demand = server.usable_connections, server.known_connections.value
    return float(demand / usable.value) if usable.is_known and usable.value else float(demand > 0)


def unknown_services(project: Project, config: Config) -> list[str]:
    """A line, with its place, for each service that polint.toml states something about and no compose file has."""
    known = {name for stack in project.stacks for name in stack.services}
    counted = {consumer.service for server in project.servers for consumer in server.consumers}  # with a pool and a server stated
    lines = []
    for name, said in config.services.items():
        if name not in known and name not in counted:
            from .config_schema import suggestion

            lines.append(f"{said.span}: services.{name}: warning: no compose file has this service{suggestion(name, sorted(known))}")
    return lines


def statuses(files: discover.Files, project: Project) -> list[FileStatus]:
    """What became of every file, once the model is built; the same whichever rules run."""
    unreadable = {problem.span.path for problem in project.problems if problem.is_fatal and problem.format in _UNREADABLE}
    out = []
    for file in files:
        reason = files.reason(file.path)
        if file.path in unreadable:
            out.append(FileStatus(file.path, file.format, "unreadable", reason or "its own program refuses it"))
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


def _choose(rules: Sequence[Rule], selected: frozenset[str], choice: Choice) -> list[Rule]:
    """The rules to run: a selection on the command line replaces what the configuration selects and ignores."""
    try:
        ignored = selection.resolve_all(choice.ignore, rules)
        codes = (selected if choice.select is None else selection.resolve_all(choice.select, rules)) - ignored
    except selection.UnknownRule as error:
        raise CannotRun(str(error)) from None
    return [rule for rule in rules if rule.code in codes]


_PerFile = tuple[Any, frozenset[str]]


def patterns_match(diagnostic: Diagnostic, patterns: _PerFile) -> bool:
    """Whether an entry of ``per-file-ignores`` covers the diagnostic."""
    from . import gitignore

    return diagnostic.code in patterns[1] and gitignore.matches(patterns[0], diagnostic.span.path)


class Settled(NamedTuple):
    """What the configuration says about rules: all of them, the codes it selects, and severities and params by code."""

    rules: tuple[Rule, ...]
    selected: frozenset[str]
    severities: dict[str, str]
    params: dict[str, dict[str, object]]
    per_file: list[_PerFile]


def settled(root: str, config: Config) -> Settled:
    """The rules as the configuration wants them; raises CannotRun with every unknown rule, param, value and folder."""
    found, problems, errors = _judge(root, config)
    _raise(problems, errors)
    return found


_BOUNDS = (("shortest", "longest"), ("least", "most"))  # params of one rule that limit each other


def _judge(root: str, config: Config) -> tuple[Settled, list[configuration.Problem], list[str]]:
    """As ``settled``; and what is wrong in the configuration and in rule files."""
    from . import gitignore

    rules, problems, errors = _load(root, config)

    def wrong(message: str, *path: str | int) -> None:
        span = config.key_span(*path) or config.span(*path) or _start(config)
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)[1:]
        problems.append(configuration.Problem(span, key, message))

    stated: dict[str, set[str]] = {"select": set(), "ignore": set()}
    for table, words in (("select", config.select), ("ignore", config.ignore)):
        for number, word in enumerate(words):
            try:
                stated[table] |= selection.resolve_all([word], rules)
            except selection.UnknownRule as error:
                wrong(str(error), table, number)
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
        bound: Mapping[str, Any] = rule.bind(params.get(code, {}))
        for low, high in _BOUNDS:
            if low in bound and high in bound and bound[low] > bound[high]:
                wrong(f"{low} is more than {high}", "params", name, low if low in values else high)
    per_file: list[_PerFile] = []
    for pattern, names in config.per_file_ignores.items():
        try:
            per_file.append((gitignore.compile_lines([pattern]), selection.resolve_all(names, rules)))
        except selection.UnknownRule as error:
            wrong(str(error), "per-file-ignores", pattern)
    selected = frozenset(stated["select"] if config.select else {rule.code for rule in rules}) - stated["ignore"]
    return Settled(rules, selected, severities, params, per_file), problems, errors


def _near_path(path: str) -> str:
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
