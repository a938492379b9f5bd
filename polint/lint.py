"""One lint run from the root's files to a Report: the one place where all the parts meet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import config as configuration
from . import discover, selection
from .config import Config
from .diagnostic import Diagnostic
from .reporters import IDLE, UNASKED, FileStatus, Report, Unread
from .start import OUTSIDE, CannotRun, PerFile, leads_out, near_path, settled, start_of, within
from .tuples import NamedTuple

if TYPE_CHECKING:
    from .baseline import Entry
    from .model.project import Problem, Project
    from .model.server import Server
    from .rule import Rule, RuleError


class Choice(NamedTuple):
    """What the command line says about rules; ``None`` leaves it to the configuration."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    no_ignores: bool = False
    no_baseline: bool = False


_LEAVE = Choice()
_MARK = "polint:"  # without it there is no suppression in a file
_UNREADABLE = ("compose", "dotenv", "encoding")  # kinds of problems that make a file unreadable, as rule PO001 has them


def files_of(root: str, config: Config, overlay: Mapping[str, bytes] | None = None) -> discover.Files:
    """The files of the project, none of them opened yet."""
    return discover.Files(root, discover.walk(root, config.exclude), overlay)


def project_of(files: discover.Files, config: Config, assumed: Sequence[str] = ()) -> Project:
    """The model of the project; ``assumed`` are options of ``--set``.  Raises CannotRun for such an option that is wrong."""
    from .model.build import build_project

    services: Mapping[str, Mapping[str, Any]] = {name: said.known for name, said in config.services.items()}
    servers: Mapping[str, Mapping[str, Any]] = {name: said.known for name, said in config.servers.items()}
    host = config.host.known if config.host is not None else {}
    project = build_project(files, services, servers, host)
    if assumed:
        from . import whatif

        try:
            facts = whatif.read(assumed, project)
        except whatif.Mistaken as error:
            raise CannotRun(str(error)) from None
        project = build_project(files, whatif.merged(services, facts.services), whatif.merged(servers, facts.servers), host, facts.clients)
    if config.templates:
        project.templates = (os.path.join(files.root, config.templates),)
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


def run(
    root: str,
    config: Config,
    *,
    prefixes: Sequence[str] = (),
    choice: Choice = _LEAVE,
    overlay: Mapping[str, bytes] | None = None,
    today: str | None = None,
    assumed: Sequence[str] = (),
) -> Report:
    """Check the project at ``root`` and report what lies under ``prefixes``; raises CannotRun.

    ``today`` (``2026-11-23``) ends suppressions whose date has passed.  ``assumed`` are options of ``--set``: then
    nothing is mended, as no file says what is reported.
    """
    from . import budget
    from .engine import check
    from .model import LATE

    rules, selected, severities, params, per_file = settled(root, config)
    chosen = _choose(rules, selected, choice)
    entries = () if choice.no_ignores or choice.no_baseline else accepted_by(root, config, overlay)
    files = files_of(root, config, overlay)
    project = project_of(files, config, assumed)
    first = [rule for rule in chosen if rule.subject not in LATE]
    found = check(first, project.subjects(), params=params, severities=severities, templates=project.templates)
    # a file that several stacks use says the same in each
    once = {(diagnostic.code, diagnostic.span, diagnostic.message): diagnostic for diagnostic in reversed(found.diagnostics)}
    diagnostics = [one for one in reversed(once.values()) if not any(patterns_match(one, patterns) for patterns in per_file)]
    if not choice.no_ignores and (entries or any(_MARK in source.text for source in files.sources())):
        from .accept import accept

        ran = {rule.code for rule in chosen if severities.get(rule.code) != "off"}
        diagnostics, subjects = accept(diagnostics, files.sources(), entries, rules, ran, found.silenced, today)
        late = check([rule for rule in chosen if rule.subject in LATE], subjects, params=params, severities=severities).diagnostics
        diagnostics += [one for one in late if not any(patterns_match(one, patterns) for patterns in per_file)]
        diagnostics.sort(key=lambda diagnostic: diagnostic.order)
    if assumed:
        from . import whatif

        diagnostics = [one._replace(mend=None) for one in diagnostics]
        prefixes = (*prefixes, whatif.NAME) if prefixes else ()
    diagnostics = [one for one in diagnostics if within(one.span.path, prefixes)]
    servers = [server for server in budget.servers(project) if any(within(path, prefixes) for path in budget.paths(server))]
    servers.sort(key=_utilisation, reverse=True)
    budgets = [budget.summary(server, budget.name_of(server, servers)) for server in servers]
    said = unknown_services(project, config)
    return Report(root, diagnostics, statuses(files, project), budgets, found.silenced, said, unread(project), chosen)


def accepted_by(root: str, config: Config, overlay: Mapping[str, bytes] | None = None) -> Sequence[Entry]:
    """What the project's baseline accepts; raises CannotRun."""
    name = config.baseline or configuration.BASELINE
    if not config.baseline and not os.path.exists(os.path.join(root, name)):
        return ()
    if leads_out(root, config, name):
        raise CannotRun(f"baseline {name} {OUTSIDE}")
    from . import baseline
    from .source import Source

    try:
        data = overlay.get(name) if overlay is not None else None
        entries = baseline.load(root, name) if data is None else baseline.parse(Source.from_bytes(name, data))
    except baseline.BaselineError as error:
        raise CannotRun(mistakes=error.problems) from None
    except OSError as error:
        raise CannotRun(f"{name}: {(error.strerror or str(error)).lower()}") from None
    if entries is None and config.baseline:
        raise CannotRun(
            mistakes=[
                configuration.Problem(
                    config.span("baseline") or start_of(config), "baseline", f"no such file: {name}; polint baseline writes it"
                )
            ]
        )
    return entries or ()


def _utilisation(server: Server) -> float:
    """The share of a server's usable connections that is known to be in demand."""
    usable, demand = server.usable_connections, server.known_connections.value
    return float(demand / usable.value) if usable.is_known and usable.value else float(demand > 0)


def unknown_services(project: Project, config: Config) -> list[str]:
    """A line, with its place, for each service and server that polint.toml states something about and nothing else knows."""
    known = {name for stack in project.stacks for name in stack.services}
    counted = {consumer.service for server in project.servers for consumer in server.consumers}  # with a pool and a server stated
    lines = []
    for name, said in config.services.items():
        if name not in known and name not in counted:
            from .config_schema import suggestion

            key = configuration.dotted(("services", name))
            lines.append(f"{said.span}: {key}: warning: no compose file has this service{suggestion(name, sorted(known))}")
    here = {server.label for server in project.servers}
    for name, said in config.servers.items():
        if name not in here:
            from .config_schema import suggestion

            what = "this service is no PostgreSQL server" if name in known else "no compose file has this server, and no client names it"
            key = configuration.dotted(("servers", name))
            lines.append(f"{said.span}: {key}: warning: {what}{suggestion(name, sorted(here))}")
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


def unread(project: Project) -> list[Unread]:
    """What was not followed, each place once: variants of a stack share their files."""
    found = {(span.path, span.start, reason): Unread(span, reason) for reason, span in project.unread}
    return [found[key] for key in sorted(found)]


def subjects_of(files: Mapping[str, str], config_text: str | None = None) -> list[Mapping[str, Sequence[Any]]]:
    """The subjects of a project given as texts: what a rule's examples are tried on, as if it were New Year 2020."""
    from .source import Source

    config = configuration.parse(Source(configuration.NAME, config_text)) if config_text is not None else Config()
    tree = discover.Files("", (), {path: text.encode("utf-8", "surrogateescape") for path, text in files.items()})
    subjects = project_of(tree, config).subjects()
    accepted = files.get(configuration.BASELINE)
    if accepted is not None or any(_MARK in text for text in files.values()):
        from . import baseline
        from .accept import accept
        from .engine import check
        from .model import LATE
        from .rule import load_builtin

        rules = load_builtin().rules
        entries = baseline.parse(Source(configuration.BASELINE, accepted)) if accepted is not None else ()
        found = check([rule for rule in rules if rule.subject not in LATE], subjects)
        ran = {rule.code for rule in rules}
        subjects |= accept(found.diagnostics, tree.sources(), entries, rules, ran, found.silenced, "2020-01-01").subjects
    return [subjects]


def try_rules(folder: str) -> tuple[int, list[str]]:
    """How many rules lie under ``folder``, and everything wrong with them or their examples; raises CannotRun."""
    from . import examples
    from .rule import data_dir, load_builtin
    from .rule import load_rules as load

    if not os.path.exists(folder):
        raise CannotRun(f"no such path: {folder}{near_path(folder)}")
    builtin = os.path.realpath(folder).startswith(os.path.realpath(data_dir("rules")))
    loaded = load([folder], builtin=builtin, known=() if builtin else load_builtin().rules)
    problems = list(loaded.errors)
    for rule in loaded.rules:
        problems += examples.run(rule, subjects_of)
    return len(loaded.rules), [_pointed(problem) for problem in problems]


def _pointed(error: RuleError) -> str:
    """A mistake in a rule file with the line it is in."""
    if error.span is None:
        return str(error)
    from .reporters.text import pointed

    return "\n".join([str(error), *pointed(error.span)])


def _choose(rules: Sequence[Rule], selected: frozenset[str], choice: Choice) -> list[Rule]:
    """The rules to run: a selection on the command line replaces what the configuration selects and ignores."""
    try:
        ignored = selection.resolve_all(choice.ignore, rules)
        codes = (selected if choice.select is None else selection.resolve_all(choice.select, rules)) - ignored
    except selection.UnknownRule as error:
        raise CannotRun(str(error)) from None
    return [rule for rule in rules if rule.code in codes]


def patterns_match(diagnostic: Diagnostic, patterns: PerFile) -> bool:
    """Whether an entry of ``per-file-ignores`` covers the diagnostic."""
    from . import gitignore

    return diagnostic.code in patterns[1] and gitignore.matches(patterns[0], diagnostic.span.path)
