"""The command line: it parses, calls, prints and exits; everything else is elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NoReturn, TypeVar

import click

from . import __version__, command, completion
from .reporters import FORMATS

Command = TypeVar("Command", bound=Callable[..., Any])


class _Choice(click.Choice):  # type: ignore[type-arg, unused-ignore]  # generic in later versions of click
    """One of several words; a wrong one is told which was perhaps meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        words = [str(word) for word in self.choices]
        if isinstance(value, str) and value not in words:
            name = param.opts[0] if param is not None else "value"
            raise click.UsageError(f"{name} cannot be {value}{_near(value, words)} (one of {', '.join(words)})")
        return super().convert(value, param, ctx)


class _Group(click.Group):
    """Commands by name; a wrong name is told which was perhaps meant."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            raise click.UsageError(f"no such command {name}{_near(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="polint %(version)s")
def cli() -> None:
    """Check PostgreSQL connection pooling across a whole project.

    polint reads compose files, .env files, php-fpm and PostgreSQL configuration, Rust
    and PHP sources together, and says where they do not fit.  It opens no connection.
    """


def run(arguments: list[str]) -> NoReturn:
    """Run one command and leave the process with its exit code; never with a traceback unless asked for one."""
    import gc

    gc.disable()  # a run is short and keeps what it builds
    try:
        code = cli.main(arguments, prog_name="polint", standalone_mode=False)
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except click.ClickException as error:
        command.say(_usage(error))
        code = command.CANNOT_RUN
    except click.Abort:
        command.say("stopped")
        code = command.STOPPED
    except Exception as error:
        code = command.failed(error, arguments)
    command.leave(code if isinstance(code, int) else 0)


def _usage(error: click.ClickException) -> str:
    """One line that names what is wrong, and the nearest right thing."""
    context = getattr(error, "ctx", None)
    if isinstance(error, click.NoSuchOption):
        known = [name for parameter in context.command.get_params(context) for name in parameter.opts] if context is not None else []
        return f"no such option {error.option_name}{_near(error.option_name, known)}"
    text = " ".join(error.format_message().split()).rstrip(".").replace("'", "")
    text = text[:1].lower() + text[1:]
    return f"{text}; see {context.command_path} --help" if context is not None else text


def _near(given: str, known: Iterable[str]) -> str:
    """``; did you mean x?`` or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(given, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _options(*parts: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for part in reversed(parts):
            command = part(command)
        return command

    return add


_project = _options(
    click.option("--config", "config_file", metavar="FILE", shell_complete=completion.files, help="Use this configuration file."),
    click.option("--root", metavar="DIR", shell_complete=completion.folders, help="Take this folder as the project."),
)
_display = _options(
    click.option("--color", type=_Choice(["auto", "always", "never"]), default="auto", help="Colour the output."),
    click.option("-q", "--quiet", is_flag=True, help="Print diagnostics only."),
    click.option("-v", "--verbose", count=True, help="Print more; twice for tracebacks."),
)


@cli.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=completion.files)
@_project
@click.option("--format", "formats", multiple=True, type=_Choice(FORMATS), help="How to report; several may be given.")
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    shell_complete=completion.files,
    help="Write the report to FILE; - is standard output.",
)
@click.option(
    "--select",
    multiple=True,
    metavar="RULE",
    shell_complete=completion.rules,
    help="Run these rules only: code, code prefix, name or group.",
)
@click.option("--ignore", multiple=True, metavar="RULE", shell_complete=completion.rules, help="Do not run these rules.")
@click.option("--fail-on", type=_Choice(["error", "warning", "info", "never"]), help="Least severity that exits with 1 [warning].")
@click.option("--set", "assumed", multiple=True, metavar="PATH=VALUE", help="What if: take e.g. api.replicas=6 for granted.")
@click.option("--no-ignores", is_flag=True, help="Report what comments suppress, too.")
@click.option("--statistics", is_flag=True, help="Count the diagnostics of each rule instead of listing them.")
@click.option("--stdin-filename", metavar="NAME", help="With - as PATH: the file that standard input stands for.")
@click.option("--watch", is_flag=True, help="Lint again whenever a file changes, until Ctrl-C.")
@_display
def lint(
    paths: tuple[str, ...],
    config_file: str | None,
    root: str | None,
    formats: tuple[str, ...],
    outputs: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str | None,
    assumed: tuple[str, ...],
    no_ignores: bool,
    statistics: bool,
    stdin_filename: str | None,
    watch: bool,
    color: str,
    quiet: bool,
    verbose: int,
) -> None:
    """Report what does not fit.

    The whole project is always read; PATHs only filter what is reported.
    """
    if ("-" in paths) != bool(stdin_filename):
        raise click.UsageError("'-' as PATH and --stdin-filename go together")
    if len(outputs) != len(formats or ("text",)) and (outputs or len(formats) > 1):
        raise click.UsageError("each --format takes an --output of its own, in the same order; - is standard output")
    if len(set(outputs)) < len(outputs):
        raise click.UsageError("each --format takes an --output of its own; one is named twice")
    if watch and stdin_filename:
        raise click.UsageError("standard input cannot be watched: --watch goes without --stdin-filename")
    run = partial(
        command.lint,
        paths,
        config_file=config_file,
        root=root,
        formats=formats or ("text",),
        outputs=outputs,
        select=select,
        ignore=ignore,
        fail_on=fail_on,
        no_ignores=no_ignores,
        statistics=statistics,
        stdin_filename=stdin_filename,
        assumed=assumed,
        color=color,
        verbosity=-1 if quiet else verbose,
    )
    if watch:
        from .watch import watch as keep

        keep(run, paths, root, config_file, outputs)
    code = run()
    if code:
        raise click.exceptions.Exit(code)


@cli.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=completion.files)
@_project
@click.option("--unsafe", is_flag=True, help="Apply fixes that change behaviour, too.")
@click.option("--diff", is_flag=True, help="Print what would change as a patch, and write nothing.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when something would change.")
@click.option("--select", multiple=True, metavar="RULE", shell_complete=completion.rules, help="Fix what these rules report only.")
@click.option("--ignore", multiple=True, metavar="RULE", shell_complete=completion.rules, help="Leave what these rules report.")
@click.option("--plan", type=_Choice(["shrink", "raise", "pooler"]), help="With --unsafe: make an over-committed server fit this way.")
@_display
def fix(
    paths: tuple[str, ...],
    config_file: str | None,
    root: str | None,
    unsafe: bool,
    diff: bool,
    check: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    plan: str | None,
    color: str,
    quiet: bool,
    verbose: int,
) -> None:
    """Mend what can be mended, in place.

    Safe fixes keep behaviour as it is; --unsafe adds those that change it.  Nothing but
    the places named is touched, and nothing is written when a new error would come of it.

    \b
    Where clients can open more connections than their server has, one plan is carried out
    over all files, and nothing else:
      shrink  smaller pools, in proportion
      raise   a higher max_connections
      pooler  PgBouncer in between
    """
    if plan and not unsafe:
        raise click.UsageError("--plan changes behaviour: it goes with --unsafe")
    from . import mend

    code = mend.fix(
        paths,
        config_file=config_file,
        root=root,
        unsafe=unsafe,
        diff=diff,
        check=check,
        select=select,
        ignore=ignore,
        plan=plan or "",
        verbosity=-1 if quiet else verbose,
    )
    if code:
        raise click.exceptions.Exit(code)


@cli.command()
@click.argument("path", default=".", shell_complete=completion.folders)
@_project
@click.option("--format", "format_name", type=_Choice(["text", "json", "markdown", "mermaid", "svg"]), help="How to show it [text].")
@click.option("--output", metavar="FILE", help="Write it to FILE; - is standard output.")
@click.option("--set", "assumed", multiple=True, metavar="PATH=VALUE", help="What if: take e.g. api.replicas=6 for granted.")
@click.option("--compare", metavar="GITREF", help="Print what has changed since a commit, as Markdown for a pull request.")
@_display
def budget(
    path: str,
    config_file: str | None,
    root: str | None,
    format_name: str | None,
    output: str | None,
    assumed: tuple[str, ...],
    compare: str | None,
    color: str,
    quiet: bool,
    verbose: int,
) -> None:
    """Say who can open how many connections to which server, and whether they fit.

    \b
    Besides the steady state it shows, where files say so,
      rolling deploy     new copies start before old ones stop
      autoscaled         as many copies as an autoscaler may run
      with one-off jobs  migrations and psql come on top
    and then what would fit: the largest pools, the most replicas, max_connections.
    """
    if compare is not None and format_name not in (None, "markdown"):
        raise click.UsageError("--compare prints Markdown")
    from . import sums

    sums.budget(
        path,
        config_file=config_file,
        root=root,
        format_name=format_name or "text",
        output=output,
        assumed=assumed,
        compare=compare,
        color=color,
        verbosity=-1 if quiet else verbose,
    )


@cli.command()
@click.argument("plan", shell_complete=completion.files)
@click.option("--out", metavar="DIR", shell_complete=completion.folders, help="Write the bundle to this folder.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file would change.")
@click.option("--diff", is_flag=True, help="Print what would change as a patch, and write nothing.")
@click.option("--force", is_flag=True, help="Overwrite files that somebody changed or wrote, too.")
@click.option("--explain", is_flag=True, help="Print every number and why it is what it is.")
@click.option(
    "--templates", metavar="DIR", shell_complete=completion.folders, help="A folder whose bundle/NAME.j2 win over polint's own templates."
)
@_project
@_display
def generate(
    plan: str,
    out: str | None,
    check: bool,
    diff: bool,
    force: bool,
    explain: bool,
    templates: str | None,
    config_file: str | None,
    root: str | None,
    color: str,
    quiet: bool,
    verbose: int,
) -> None:
    """Write a bundle of consistent configuration from one plan.

    PLAN is a polint-plan.yaml; polint init writes one for a project that exists.  Nothing is
    written when some file was changed by hand since polint wrote it, or was not written by polint.
    """
    if not out and not explain:
        raise click.UsageError("--out says where to write the bundle; --explain does without")
    if force and (check or diff):
        raise click.UsageError("--force overwrites, and --check and --diff write nothing")
    from .generate import generate as run

    code = run(
        plan,
        out=out or "",
        check=check,
        diff=diff,
        force=force,
        explain=explain,
        templates=templates or "",
        config_file=config_file,
        root=root,
        color=color,
        verbosity=-1 if quiet else verbose,
    )
    if code:
        raise click.exceptions.Exit(code)


@cli.command()
@click.argument("path", default=".", shell_complete=completion.folders)
@_project
@_display
def init(path: str, config_file: str | None, root: str | None, color: str, quiet: bool, verbose: int) -> None:
    """Write a polint.toml and a plan, polint-plan.yaml, that show what was found and ask for what files cannot tell.

    What is there already stays as it is.
    """
    from . import adopt, start

    top, config = start.settle([path], root, config_file)
    for name, said in adopt.initialise(top, config):
        if not quiet:
            command.write(f"wrote {name}: {said}\n", None)


@cli.command()
@click.argument("path", default=".", shell_complete=completion.folders)
@_project
@_display
def baseline(path: str, config_file: str | None, root: str | None, color: str, quiet: bool, verbose: int) -> None:
    """Accept today's diagnostics, so that only new ones are reported.

    With a PATH below the project's root, those under it; what is accepted elsewhere stays.
    """
    from time import strftime

    from . import adopt, start

    top, config = start.settle([path], root, config_file)
    name, said = adopt.record(top, config, start.scope([path], top), strftime("%Y-%m-%d"))
    if not quiet:
        command.write(f"wrote {name}: {said}\n", None)


@cli.command()
@click.argument("name", metavar="CODE|NAME", shell_complete=completion.rules)
@_project
@_display
def rule(name: str, config_file: str | None, root: str | None, color: str, quiet: bool, verbose: int) -> None:
    """Show the page of one rule."""
    from . import start
    from .docs import rule_page
    from .lint import subjects_of

    found = start.rule_of(name, _rules(config_file, root))
    command.write(rule_page(found, subjects_of), None)


@cli.group(cls=_Group, invoke_without_command=True)
@click.option("--markdown", is_flag=True, help="As the page rules/README.md.")
@_project
@_display
@click.pass_context
def rules(context: click.Context, markdown: bool, config_file: str | None, root: str | None, color: str, quiet: bool, verbose: int) -> None:
    """List the rules."""
    if context.invoked_subcommand is not None:
        return
    found = _rules(config_file, root)
    if markdown:
        from .docs import rules_index

        command.write(rules_index(found), None)
        return
    ordered = sorted(found, key=lambda rule: str(rule.code))
    width = max((len(rule.name) for rule in ordered), default=0)
    command.write("".join(f"{rule.code}  {rule.severity:<7}  {rule.name:<{width}}  {rule.summary}\n" for rule in ordered), None)


@rules.command("test")
@click.argument("folder", metavar="DIR", shell_complete=completion.folders)
@_display
def rules_test(folder: str, color: str, quiet: bool, verbose: int) -> None:
    """Run the examples of the rule files under DIR."""
    from . import lint as linter

    count, problems = linter.try_rules(folder)
    for problem in problems:
        command.write(f"{problem}\n", None)
    if not quiet:
        command.write(f"{count} rule{'' if count == 1 else 's'} tested, {len(problems)} problem{'' if len(problems) == 1 else 's'}\n", None)
    if problems:
        raise click.exceptions.Exit(command.FINDINGS)


@cli.command()
@click.argument("path", default=".", shell_complete=completion.folders)
@_project
@click.option("--format", "format_name", type=_Choice(["text", "json"]), default="text", help="How to list them.")
@_display
def files(path: str, config_file: str | None, root: str | None, format_name: str, color: str, quiet: bool, verbose: int) -> None:
    """List what is read, as what, and what is skipped and why."""
    from . import lint as linter
    from . import start

    top, config = start.settle([path], root, config_file)
    prefixes = start.scope([path], top)
    start.settled(top, config)
    tree = linter.files_of(top, config)
    project = linter.project_of(tree, config)
    found = [status for status in linter.statuses(tree, project) if start.within(status.path, prefixes)]
    lost = [place for place in linter.unread(project) if start.within(place.span.path, prefixes)]
    if format_name == "json":
        from json import dumps

        from .reporters.json import files as listed
        from .reporters.json import unread

        command.write(
            dumps({"schema_version": 1, "files": listed(found), "unread": unread(lost)}, ensure_ascii=False, indent=1) + "\n",
            None,
            utf8=True,
        )
        return
    from .reporters import file_lines

    command.write(file_lines(found, lost, command.style(color, -1 if quiet else verbose, False)), None)


@cli.command()
@click.argument("log", required=False, metavar="[LOG|-]", shell_complete=completion.files)
@_project
@click.option("--format", "format_name", type=_Choice(["text", "json"]), default="text", help="How to report.")
@_display
def diagnose(log: str | None, config_file: str | None, root: str | None, format_name: str, color: str, quiet: bool, verbose: int) -> None:
    """Say what is behind the errors in a log, and what to do about it in this project.

    LOG is of PostgreSQL, PgBouncer, php-fpm, Laravel, an SQLx application, or of
    several together; - is standard input, which is read to its end or to Ctrl-C.
    """
    if log is None and sys.stdin.isatty():
        raise click.UsageError("name a log, or - for standard input")
    from . import diagnose as diagnosing

    diagnosing.diagnose(
        log or "-", root=root, config_file=config_file, format_name=format_name, color=color, verbosity=-1 if quiet else verbose
    )


def _rules(config_file: str | None, root: str | None) -> Iterable[Any]:
    from . import start

    top, config = start.settle(["."], root, config_file)
    return start.load_rules(top, config)
