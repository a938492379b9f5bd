"""``polint fix``: lint, mend, show or write, and say what was mended and what is left."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from . import command, fixer, plans, start, writing
from .config import Config
from .diagnostic import Diagnostic
from .lint import Choice, files_of, project_of
from .lint import run as lint
from .mask import mask
from .reporters import Style, clean, plural

_MOST_LEFT = 20


def fix(
    paths: Sequence[str],
    *,
    config_file: str | None = None,
    root: str | None = None,
    unsafe: bool = False,
    diff: bool = False,
    check: bool = False,
    select: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    plan: str = "",
    verbosity: int = 0,
) -> int:
    """Fix, report and return the exit code; the options are those of ``polint fix --help``.  Raises CannotRun."""
    from time import strftime

    top, config = start.settle(paths, root, config_file)
    for path in writing.recover(top):
        command.say(f"{path}: finished what an earlier run was stopped at")
    prefixes = start.scope(paths, top)
    choice, today = Choice(select or None, ignore), strftime("%Y-%m-%d")
    seen: set[str] = set()  # rules that ever had something to say

    def report(overlay: Mapping[str, bytes]) -> Sequence[Diagnostic]:
        active = lint(top, config, prefixes=prefixes, choice=choice, overlay=overlay, today=today).active
        seen.update(one.name for one in active)
        return active

    outcome = _carry_out(plan, top, config, prefixes, today) if plan else fixer.run(report, unsafe=unsafe)
    if diff:
        _print_diff(outcome)
    elif not check:
        _write(top, outcome)
    if verbosity >= 0 and not diff:
        more = _alternatives(outcome, report, top, config) if plans.RULE in seen else ()
        command.write("".join(f"{line}\n" for line in (*summary(outcome, written=not check), *more)), None)
    return command.FINDINGS if check and outcome.changes else 0


def _alternatives(outcome: fixer.Outcome, report: fixer.Lint, root: str, config: Config) -> Iterator[str]:
    """What could be done about each server that is still over-committed: that is a choice, which nobody makes for the user."""
    overlay = {path: change.after for path, change in outcome.changes.items()}
    found = [one for one in report(overlay) if one.name == plans.RULE]
    if not found:
        return
    project = project_of(files_of(root, config, overlay), config)
    over = plans.over_committed(project)
    servers = [server for one in found if (server := plans.reported(one, over)) is not None]
    for line in plans.lines(servers, project):
        yield clean(line, Style().ascii)


def _carry_out(plan: str, root: str, config: Config, prefixes: Sequence[str], today: str) -> fixer.Outcome:
    """What the plan comes to over all files, for every server under ``prefixes`` that needs it; CannotRun if it does not do for one."""

    def report(overlay: Mapping[str, bytes]) -> Sequence[Diagnostic]:
        active = lint(root, config, overlay=overlay, today=today).active
        project = project_of(files_of(root, config, overlay), config)
        return plans.attach(plan, active, project, lambda one: start.within(one.span.path, prefixes))

    outcome = fixer.run(report, unsafe=True)
    overlay = {path: change.after for path, change in outcome.changes.items()}
    still = [one for one in report(overlay) if one.name == plans.RULE and start.within(one.span.path, prefixes)]
    if not still:
        return outcome
    left = next((left for left in outcome.left if left.diagnostic.name == plans.RULE), None)
    reason = left.reason if left is not None else ""
    if left is not None and reason == fixer.BREAKS:
        made = fixer.apply([left.diagnostic], outcome.changes)
        known = {(one.code, one.subject) for one in report(overlay)}
        after = report({path: change.after for path, change in made.items()})
        reason += "".join(
            f": {one.code} {one.message}" for one in after if one.severity == "error" and (one.code, one.subject) not in known
        )
    project = project_of(files_of(root, config, overlay), config)
    server = next((server for one in still if (server := plans.reported(one, plans.over_committed(project))) is not None), None)
    if server is not None and not reason:
        reason = plans.plan(plan, server, project).numbers
    raise start.CannotRun(f"{still[0].span}: no {plan}: {reason}; nothing was written")


def _write(root: str, outcome: fixer.Outcome) -> None:
    try:
        writing.write_all(root, {path: (change.before, change.after) for path, change in outcome.changes.items()})
    except writing.ChangedMeanwhile as error:
        raise start.CannotRun(f"{error}; nothing was written") from None
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        raise start.CannotRun(f"cannot write: {named}{(error.strerror or str(error)).lower()}") from None


def _print_diff(outcome: fixer.Outcome) -> None:
    """Unified, as ``git apply`` takes it: the bytes of the files, whatever the terminal's encoding."""
    patches = [patch(path, change) for path, change in sorted(outcome.changes.items())]
    if any(hides for _, hides in patches):
        command.say("lines that hold a secret are masked: such a patch cannot be applied, polint fix itself can")
    sys.stdout.flush()
    try:
        sys.stdout.buffer.write(b"".join(data for data, _ in patches))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        command.pipe_closed()


_CONTEXT = 3  # lines around a change


def patch(path: str, change: fixer.Change) -> tuple[bytes, bool]:
    """One file's change as a unified diff, and whether it hides a secret that stands too near to be left out.

    Lines around a change that hold a secret are not shown: the context ends before them.
    """
    from difflib import SequenceMatcher

    before, after = _lines(change.before), _lines(change.after)
    regions = [region[1:] for region in SequenceMatcher(None, before, after, autojunk=False).get_opcodes() if region[0] != "equal"]
    name = path.encode("utf-8", "surrogateescape")
    out = [b"--- a/" + name + b"\n", b"+++ b/" + name + b"\n"]
    hides = False
    at = 0
    while at < len(regions):
        last = at
        while last + 1 < len(regions) and not _apart(before, regions[last][1], regions[last + 1][0]):
            last += 1
        body, hidden = _hunk(before, after, regions[at : last + 1])
        out += body
        hides = hides or hidden
        at = last + 1
    return b"".join(out), hides


Region = tuple[int, int, int, int]  # lines of the old file from, to; of the new one from, to


def _apart(before: Sequence[bytes], end: int, begin: int) -> bool:
    """Whether two changes are too far from each other for one hunk, or have a secret between them."""
    return begin - end > 2 * _CONTEXT or any(map(_is_secret, before[end:begin]))


def _hunk(before: Sequence[bytes], after: Sequence[bytes], regions: Sequence[Region]) -> tuple[list[bytes], bool]:
    first, last = regions[0][0], regions[-1][1]
    above = first
    while above > max(0, first - _CONTEXT) and not _is_secret(before[above - 1]):
        above -= 1
    below = last
    while below < min(len(before), last + _CONTEXT) and not _is_secret(before[below]):
        below += 1
    if below == last < len(before):  # without a line below it, a hunk would only fit at the end of the file
        below += 1
    rows: list[tuple[bytes, bytes]] = [(b" ", line) for line in before[above:first]]
    old = first
    for begin, end, new, new_end in regions:
        rows += [(b" ", line) for line in before[old:begin]]
        rows += [(b"-", line) for line in before[begin:end]] + [(b"+", line) for line in after[new:new_end]]
        old = end
    rows += [(b" ", line) for line in before[old:below]]
    offset = regions[0][2] - first
    removed, added = (sum(sign != other for sign, _ in rows) for other in (b"+", b"-"))
    head = f"@@ -{_range(above, removed)} +{_range(above + offset, added)} @@\n".encode()
    hides = any(_is_secret(line) for _, line in rows)
    lines = [sign + (_masked(line) if hides else line) for sign, line in rows]
    return [head, *(line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n" for line in lines)], hides


def _range(begin: int, count: int) -> str:
    first = begin + 1 if count else begin
    return f"{first}" if count == 1 else f"{first},{count}"


def _is_secret(line: bytes) -> bool:
    return _masked(line) != line


def _masked(line: bytes) -> bytes:
    return mask(line.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _lines(data: bytes) -> list[bytes]:
    """Lines as patches count them: a carriage return alone ends none."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def summary(outcome: fixer.Outcome, *, written: bool) -> Iterator[str]:
    """What was mended, file by file, and what is left and why."""
    style = Style()
    if not outcome.changes:
        yield "nothing to fix"
    for path in sorted(outcome.changes):
        here = [one.fix for one in outcome.fixed if one.fix is not None and any(edit.span.path == path for edit in one.fix.edits)]
        titles = Counter(fix.title for fix in here)
        yield f"{'fixed' if written else 'would fix'} {clean(path, style.ascii)}"
        for title, count in titles.items():
            yield f"  {clean(title, style.ascii)}" + (f" ({count} times)" if count > 1 else "")
    if outcome.changes:
        done = "fixed" if written else "to fix"
        yield f"{plural(len(outcome.fixed), 'diagnostic')} {done} in {plural(len(outcome.changes), 'file')}"
    reasons: dict[str, list[Diagnostic]] = {}
    for one in outcome.left:
        reasons.setdefault(one.reason, []).append(one.diagnostic)
    for reason, ones in reasons.items():
        yield f"{len(ones)} left, as {reason}:"
        for diagnostic in ones[:_MOST_LEFT]:
            title = diagnostic.fix.title if diagnostic.fix is not None else diagnostic.message
            yield f"  {clean(str(diagnostic.span), style.ascii)}: {diagnostic.code} {clean(title, style.ascii)}"
        if len(ones) > _MOST_LEFT:
            yield f"  and {len(ones) - _MOST_LEFT} more"
