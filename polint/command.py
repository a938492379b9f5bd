"""What every command does around its work (output, errors, exit codes), and ``lint``, whichever way its options came."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from .reporters import Style

FINDINGS = 1
CANNOT_RUN = 2
STOPPED = 130


def run_plain(paths: Sequence[str]) -> NoReturn:
    """``polint lint [PATH]...`` without any option, and so without click, whose import takes longer than a small lint."""
    import gc

    gc.disable()  # a run is short and keeps what it builds
    try:
        code = lint(tuple(paths))
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        say("stopped")
        code = STOPPED
    except Exception as error:
        code = failed(error, ())
    leave(code)


def lint(
    paths: tuple[str, ...],
    *,
    config_file: str | None = None,
    root: str | None = None,
    format_name: str = "text",
    output: str | None = None,
    select: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    fail_on: str | None = None,
    no_ignores: bool = False,
    statistics: bool = False,
    stdin_filename: str | None = None,
    color: str = "auto",
    verbosity: int = 0,
) -> int:
    """Lint, report and return the exit code; the options are those of ``polint lint --help``.  Raises CannotRun."""
    from time import strftime

    from . import lint as linter
    from . import start
    from .reporters import statistics as counted

    named = [os.path.dirname(os.path.abspath(stdin_filename))] if stdin_filename else []
    top, config = start.settle([*paths, *named], root, config_file)
    overlay = None
    prefixes = start.scope(paths, top)
    if stdin_filename:
        name = start.relative(stdin_filename, top)
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
    for line in report.warnings:
        say(line, True)
    shown = style(color, verbosity, bool(output))
    if statistics:
        text = counted(report)
    elif format_name == "json":
        from .reporters.json import report as show

        text = show(report, shown)
    elif format_name == "concise":
        from .reporters.concise import report as show

        text = show(report, shown)
    else:
        from .reporters.text import report as show

        text = show(report, shown)
    write(text, output, utf8=format_name == "json")
    return FINDINGS if report.worst_reaches(fail_on or config.fail_on or "warning") else 0


def leave(code: int) -> NoReturn:
    """Leave the process with ``code`` once everything is written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        pipe_closed()
    except OSError:  # the disk is full, and that has been said
        pipe_closed()
        code = CANNOT_RUN
    sys.exit(code)


def failed(error: Exception, arguments: Sequence[str]) -> int:
    """What cannot be helped by the user is an internal error: one line, and the traceback for those who ask."""
    from .start import CannotRun

    if isinstance(error, CannotRun):
        if not error.mistakes:
            say(str(error))
        for mistake in error.mistakes:
            say(str(mistake), True)
            if mistake.span is not None:
                from .reporters.text import pointed

                say("\n".join(pointed(mistake.span)), True)
        return CANNOT_RUN
    if "-vv" in arguments or arguments.count("-v") + arguments.count("--verbose") > 1:
        import traceback

        traceback.print_exc()
    text = " ".join(str(error).split())[:300]
    from .mask import mask

    say(f"internal error: {type(error).__name__}: {mask(text)}; rerun with -vv for the traceback")
    return CANNOT_RUN


def pipe_closed() -> None:
    """Send what is still to come nowhere, so that leaving does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def say(text: str, placed: bool = False) -> None:
    """Lines on standard error; ``placed`` ones begin with a place already."""
    encoding = sys.stderr.encoding or "utf-8"
    shown = "".join(f"{line}\n" if placed else f"polint: {line}\n" for line in text.split("\n"))
    sys.stderr.write(shown.encode(encoding, "backslashreplace").decode(encoding))


def style(color: str, verbosity: int, to_file: bool) -> Style:
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
    wraps = not to_file and sys.stdout.isatty()
    if wraps:
        width = max(40, min(160, os.get_terminal_size(sys.stdout.fileno()).columns or 120))
    try:
        "…\ufffd".encode("utf-8" if to_file else sys.stdout.encoding or "ascii")
        ascii = False
    except (UnicodeEncodeError, LookupError):
        ascii = True
    return Style(colour, ascii, width, verbosity, wraps)


def write(text: str, output: str | None, utf8: bool = False) -> None:
    """Write a report to ``output``, or to standard output; machine formats are UTF-8 wherever they go."""
    if output is not None and output != "-":
        from .adopt import write_report

        write_report(output, text.encode("utf-8", "backslashreplace"))
        return
    encoding = "utf-8" if utf8 else sys.stdout.encoding or "utf-8"
    data = text.encode(encoding, "backslashreplace")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        pipe_closed()  # whoever read it has seen enough; the exit code is still the truth
    except OSError as error:
        from .start import CannotRun

        raise CannotRun(f"cannot write: {(error.strerror or str(error)).lower()}") from None
