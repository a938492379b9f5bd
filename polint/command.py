"""What every command does around its work (output, errors, exit codes), and ``lint``, whichever way its options came."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from .patch import Patch
    from .reporters import Report, Style

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
    formats: tuple[str, ...] = ("text",),
    outputs: tuple[str, ...] = (),
    select: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    fail_on: str | None = None,
    no_ignores: bool = False,
    statistics: bool = False,
    stdin_filename: str | None = None,
    assumed: tuple[str, ...] = (),
    color: str = "auto",
    verbosity: int = 0,
) -> int:
    """Lint, report and return the exit code; the options are those of ``polint lint --help``.  Raises CannotRun."""
    from time import strftime

    from . import lint as linter
    from . import start
    from .reporters import MACHINE
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
        assumed=assumed,
    )
    for line in report.warnings:
        say(line, True)
    for name, output in zip(formats, outputs or (None,), strict=True):
        shown = style(color, verbosity, output not in (None, "-"))
        text = counted(report) if statistics else _reporter(name)(report, shown)
        write(text, output, utf8=name in MACHINE)
    return FINDINGS if report.worst_reaches(fail_on or config.fail_on or "warning") else 0


def _reporter(name: str) -> Callable[[Report, Style], str]:
    """The reporter of that name: the one module of it that a run needs."""
    from importlib import import_module

    found: Callable[[Report, Style], str] = import_module(f".reporters.{name}", __package__).report
    return found


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
    from .rendering import BadTemplate

    if isinstance(error, BadTemplate):
        say(str(error), True)
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
    write_bytes(text.encode(encoding, "backslashreplace"))


def write_bytes(data: bytes) -> None:
    """Write to standard output what is not to be changed by its encoding."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        pipe_closed()  # whoever read it has seen enough; the exit code is still the truth
    except OSError as error:
        from .start import CannotRun

        raise CannotRun(f"cannot write: {(error.strerror or str(error)).lower()}") from None


def write_patches(patches: Sequence[Patch], name: str) -> None:
    """Write patches to standard output; the command ``name`` can do what a patch that hides a secret cannot."""
    if any(one.hides for one in patches):
        say(f"lines that hold a secret are masked: such a patch cannot be applied, {name} itself can")
    write_bytes(b"".join(one.data for one in patches))


def write_files(root: str, files: Mapping[str, tuple[bytes | None, bytes | None]]) -> None:
    """As ``writing.write_all``; raises CannotRun."""
    from . import writing
    from .start import CannotRun

    try:
        writing.write_all(root, files)
    except writing.ChangedMeanwhile as error:
        raise CannotRun(f"{error}; nothing was written") from None
    except OSError as error:
        named = f"{str(error.filename).removesuffix(writing.BESIDE)}: " if error.filename else ""
        raise CannotRun(f"cannot write: {named}{(error.strerror or str(error)).lower()}") from None


def recover(root: str) -> None:
    """Finish what an earlier run was stopped at, and say so."""
    from . import writing

    for path in writing.recover(root):
        say(f"{path}: finished what an earlier run was stopped at")
