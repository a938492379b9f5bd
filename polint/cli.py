"""The command line: it parses, calls, prints and exits; everything else is elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

import click

from . import __version__, command

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
    click.option("--config", "config_file", metavar="FILE", help="Use this configuration file."),
    click.option("--root", metavar="DIR", help="Take this folder as the project."),
)
_display = _options(
    click.option("--color", type=_Choice(["auto", "always", "never"]), default="auto", help="Colour the output."),
    click.option("-q", "--quiet", is_flag=True, help="Print diagnostics only."),
    click.option("-v", "--verbose", count=True, help="Print more; twice for tracebacks."),
)


@cli.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@_project
@click.option("--format", "format_name", type=_Choice(["text", "concise", "json"]), default="text", help="How to report.")
@click.option("--output", metavar="FILE", help="Write the report to FILE.")
@click.option("--select", multiple=True, metavar="RULE", help="Run these rules only: code, code prefix, name or group.")
@click.option("--ignore", multiple=True, metavar="RULE", help="Do not run these rules.")
@click.option("--fail-on", type=_Choice(["error", "warning", "info", "never"]), help="Least severity that exits with 1 [warning].")
@click.option("--no-ignores", is_flag=True, help="Report what comments suppress, too.")
@click.option("--statistics", is_flag=True, help="Count the diagnostics of each rule instead of listing them.")
@click.option("--stdin-filename", metavar="NAME", help="With - as PATH: the file that standard input stands for.")
@_display
def lint(
    paths: tuple[str, ...],
    config_file: str | None,
    root: str | None,
    format_name: str,
    output: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str | None,
    no_ignores: bool,
    statistics: bool,
    stdin_filename: str | None,
    color: str,
    quiet: bool,
    verbose: int,
) -> None:
    """Report what does not fit.

    The whole project is always read; PATHs only filter what is reported.
    """
    if ("-" in paths) != bool(stdin_filename):
        raise click.UsageError("'-' as PATH and --stdin-filename go together")
    code = command.lint(
        paths,
        config_file=config_file,
        root=root,
        format_name=format_name,
        output=output,
        select=select,
        ignore=ignore,
        fail_on=fail_on,
        no_ignores=no_ignores,
        statistics=statistics,
        stdin_filename=stdin_filename,
        color=color,
        verbosity=-1 if quiet else verbose,
    )
    if code:
        raise click.exceptions.Exit(code)


@cli.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@_project
@click.option("--unsafe", is_flag=True, help="Apply fixes that change behaviour, too.")
@click.option("--diff", is_flag=True, help="Print what would change as a patch, and write nothing.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when something would change.")
@click.option("--select", multiple=True, metavar="RULE", help="Fix what these rules report only.")
@click.option("--ignore", multiple=True, metavar="RULE", help="Leave what these rules report.")
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
@click.argument("path", default=".")
@_project
@click.option("--format", "format_name", type=_Choice(["text", "json"]), default="text", help="How to report.")
@_display
def budget(path: str, config_file: str | None, root: str | None, format_name: str, color: str, quiet: bool, verbose: int) -> None:
    """Say who can open how many connections to which server, and whether they fit."""
    from . import budget as budgets
    from . import lint as linter
    from . import start

    top, config = start.settle([path], root, config_file)
    prefixes = start.scope([path], top)
    start.settled(top, config)
    project = linter.project_of(linter.files_of(top, config), config)
    for line in linter.unknown_services(project, config):
        command.say(line, True)
    found = [server for server in budgets.servers(project) if any(start.within(file, prefixes) for file in budgets.paths(server))]
    command.write(budgets.as_json(found) if format_name == "json" else budgets.as_text(found), None, utf8=format_name == "json")


@cli.command()
@click.argument("path", default=".")
@_project
@_display
def init(path: str, config_file: str | None, root: str | None, color: str, quiet: bool, verbose: int) -> None:
    """Write a polint.toml that shows what was found and asks for what files cannot tell."""
    from . import adopt, start

    top, config = start.settle([path], root, config_file)
    name, said = adopt.initialise(top, config)
    if not quiet:
        command.write(f"wrote {name}: {said}\n", None)


@cli.command()
@click.argument("path", default=".")
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
@click.argument("name", metavar="CODE|NAME")
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
@click.argument("folder", metavar="DIR")
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
@click.argument("path", default=".")
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


def _rules(config_file: str | None, root: str | None) -> Iterable[Any]:
    from . import start

    top, config = start.settle(["."], root, config_file)
    return start.load_rules(top, config)
