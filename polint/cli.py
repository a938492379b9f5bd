"""The command line: it parses, calls, prints and exits; everything else is elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from . import __version__

if TYPE_CHECKING:
    from .reporters import Style

Command = TypeVar("Command", bound=Callable[..., Any])

FINDINGS = 1
CANNOT_RUN = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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
        error.show()
        code = CANNOT_RUN
    except click.Abort:
        _say("stopped")
        code = 130
    except Exception as error:
        code = _failed(error, arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _pipe_closed()
    except OSError:  # the disk is full, and that has been said
        _pipe_closed()
        code = CANNOT_RUN
    sys.exit(code if isinstance(code, int) else 0)


def _failed(error: Exception, arguments: list[str]) -> int:
    """What cannot be helped by the user is an internal error: one line, and the traceback for those who ask."""
    from .lint import CannotRun

    if isinstance(error, CannotRun):
        _say(str(error), error.placed)
        return CANNOT_RUN
    if "-vv" in arguments or arguments.count("-v") + arguments.count("--verbose") > 1:
        import traceback

        traceback.print_exc()
    text = " ".join(str(error).split())[:300]
    from .mask import mask

    _say(f"internal error: {type(error).__name__}: {mask(text)}; rerun with -vv for the traceback")
    return CANNOT_RUN


def _pipe_closed() -> None:
    """Send what is still to come nowhere, so that leaving does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _say(text: str, placed: bool = False) -> None:
    """Lines on standard error; ``placed`` ones begin with a place already."""
    encoding = sys.stderr.encoding or "utf-8"
    shown = "".join(f"{line}\n" if placed else f"polint: {line}\n" for line in text.split("\n"))
    sys.stderr.write(shown.encode(encoding, "backslashreplace").decode(encoding))


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
    click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colour the output."),
    click.option("-q", "--quiet", is_flag=True, help="Print diagnostics only."),
    click.option("-v", "--verbose", count=True, help="Print more; twice for tracebacks."),
)


@cli.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@_project
@click.option("--format", "format_name", type=click.Choice(["text", "concise", "json"]), default="text", help="How to report.")
@click.option("--output", metavar="FILE", help="Write the report to FILE.")
@click.option("--select", multiple=True, metavar="RULE", help="Run these rules only: code, code prefix, name or group.")
@click.option("--ignore", multiple=True, metavar="RULE", help="Do not run these rules.")
@click.option("--fail-on", type=click.Choice(["error", "warning", "info", "never"]), help="Least severity that exits with 1 [warning].")
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
    from time import strftime

    from . import lint as linter
    from .reporters import statistics as counted

    if ("-" in paths) != bool(stdin_filename):
        raise click.UsageError("'-' as PATH and --stdin-filename go together")
    named = [os.path.dirname(os.path.abspath(stdin_filename))] if stdin_filename else []
    top, config = linter.settle([*paths, *named], root, config_file)
    overlay = None
    prefixes = linter.scope(paths, top)
    if stdin_filename:
        name = linter.relative(stdin_filename, top)
        overlay = {name: sys.stdin.buffer.read()}
        prefixes = (*prefixes, name) if prefixes or paths == ("-",) else ()
    report = linter.run(
        top,
        config,
        prefixes=prefixes,
        choice=linter.Choice(select or None, ignore, no_ignores),
        overlay=overlay,
        today=strftime("%Y-%m-%d"),
    )
    style = _style(color, -1 if quiet else verbose, bool(output))
    if statistics:
        text = counted(report)
    elif format_name == "json":
        from .reporters.json import report as show

        text = show(report, style)
    elif format_name == "concise":
        from .reporters.concise import report as show

        text = show(report, style)
    else:
        from .reporters.text import report as show

        text = show(report, style)
    _write(text, output, utf8=format_name == "json")
    if report.worst_reaches(fail_on or config.fail_on or "warning"):
        raise click.exceptions.Exit(FINDINGS)


@cli.command()
@click.argument("path", default=".")
@_project
@click.option("--format", "format_name", type=click.Choice(["text", "json"]), default="text", help="How to report.")
@_display
def budget(path: str, config_file: str | None, root: str | None, format_name: str, color: str, quiet: bool, verbose: int) -> None:
    """Say who can open how many connections to which server, and whether they fit."""
    from . import budget as budgets
    from . import lint as linter

    top, config = linter.settle([path], root, config_file)
    prefixes = linter.scope([path], top)
    project = linter.project_of(linter.files_of(top, config), config)
    found = [server for server in budgets.servers(project) if any(linter.within(file, prefixes) for file in budgets.paths(server))]
    _write(budgets.as_json(found) if format_name == "json" else budgets.as_text(found), None, utf8=format_name == "json")


@cli.command()
@click.argument("name", metavar="CODE|NAME")
@_project
@_display
def rule(name: str, config_file: str | None, root: str | None, color: str, quiet: bool, verbose: int) -> None:
    """Show the page of one rule."""
    from . import lint as linter
    from .docs import rule_page

    found = linter.rule_of(name, _rules(config_file, root))
    _write(rule_page(found), None)


@cli.group(invoke_without_command=True)
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

        _write(rules_index(found), None)
        return
    ordered = sorted(found, key=lambda rule: str(rule.code))
    width = max((len(rule.name) for rule in ordered), default=0)
    _write("".join(f"{rule.code}  {rule.severity:<7}  {rule.name:<{width}}  {rule.summary}\n" for rule in ordered), None)


@rules.command("test")
@click.argument("folder", metavar="DIR")
@_display
def rules_test(folder: str, color: str, quiet: bool, verbose: int) -> None:
    """Run the examples of the rule files under DIR."""
    from . import lint as linter

    count, problems = linter.try_rules(folder)
    for problem in problems:
        _write(f"{problem}\n", None)
    if not quiet:
        _write(f"{count} rule{'' if count == 1 else 's'} tested, {len(problems)} problem{'' if len(problems) == 1 else 's'}\n", None)
    if problems:
        raise click.exceptions.Exit(FINDINGS)


@cli.command()
@click.argument("path", default=".")
@_project
@click.option("--format", "format_name", type=click.Choice(["text", "json"]), default="text", help="How to list them.")
@_display
def files(path: str, config_file: str | None, root: str | None, format_name: str, color: str, quiet: bool, verbose: int) -> None:
    """List what is read, as what, and what is skipped and why."""
    from . import lint as linter

    top, config = linter.settle([path], root, config_file)
    prefixes = linter.scope([path], top)
    tree = linter.files_of(top, config)
    found = [status for status in linter.statuses(tree, linter.project_of(tree, config)) if linter.within(status.path, prefixes)]
    if format_name == "json":
        from json import dumps

        from .reporters.json import files as listed

        _write(dumps({"schema_version": 1, "files": listed(found)}, ensure_ascii=False, indent=1) + "\n", None, utf8=True)
        return
    from .reporters import file_lines

    _write(file_lines(found, _style(color, -1 if quiet else verbose, False)), None)


def _rules(config_file: str | None, root: str | None) -> Iterable[Any]:
    from . import lint as linter

    top, config = linter.settle(["."], root, config_file)
    return linter.load_rules(top, config)


def _style(color: str, verbosity: int, to_file: bool) -> Style:
    """What standard output can show; NO_COLOR wins over FORCE_COLOR, an option over both."""
    from .reporters import Style

    environment = os.environ
    if color != "auto":
        colour = color == "always"
    elif environment.get("NO_COLOR"):
        colour = False
    elif environment.get("FORCE_COLOR") not in (None, "", "0"):
        colour = True
    else:
        colour = not to_file and environment.get("TERM") != "dumb" and sys.stdout.isatty()
    width = 120
    if not to_file and sys.stdout.isatty():
        width = max(60, min(160, os.get_terminal_size(sys.stdout.fileno()).columns or 120))
    try:
        "…\ufffd".encode("utf-8" if to_file else sys.stdout.encoding or "ascii")
        ascii = False
    except (UnicodeEncodeError, LookupError):
        ascii = True
    return Style(colour, ascii, width, verbosity)


def _write(text: str, output: str | None, utf8: bool = False) -> None:
    """Write a report to ``output``, or to standard output; machine formats are UTF-8 wherever they go."""
    if output is not None and output != "-":
        from .lint import write_report

        write_report(output, text.encode("utf-8", "backslashreplace"))
        return
    encoding = "utf-8" if utf8 else sys.stdout.encoding or "utf-8"
    data = text.encode(encoding, "backslashreplace")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _pipe_closed()  # whoever read it has seen enough; the exit code is still the truth
    except OSError as error:
        from .lint import CannotRun

        raise CannotRun(f"cannot write: {(error.strerror or str(error)).lower()}") from None
