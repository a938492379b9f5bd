"""``polint fix``: lint, mend, show or write, and say what was mended and what is left."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from . import command, fixer, patch, plans, start
from .config import Config
from .diagnostic import Diagnostic, Edit
from .formats import format_in
from .lint import Choice, files_of, project_of
from .lint import run as lint
from .patterns import lazy
from .reporters import Style, clean, plural
from .source import Source
from .suppress import marks_behind

_MOST_LEFT = 20
_QUANTITY = lazy(r"(?<![\w.])(\d+(?:[._]\d+)*)([A-Za-z]*)")


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
    command.recover(top)
    prefixes = start.scope(paths, top)
    choice, today = Choice(select or None, ignore), strftime("%Y-%m-%d")
    seen: set[str] = set()  # rules that ever had something to say

    def report(overlay: Mapping[str, bytes]) -> Sequence[Diagnostic]:
        active = lint(top, config, prefixes=prefixes, choice=choice, overlay=overlay, today=today).active
        seen.update(one.name for one in active)
        return active

    def everything(overlay: Mapping[str, bytes]) -> Sequence[Diagnostic]:
        return lint(top, config, choice=Choice(("all",)), overlay=overlay, today=today).active

    guard = everything if select or ignore or prefixes else None
    outcome = _carry_out(plan, top, config, prefixes, today) if plan else fixer.run(report, unsafe=unsafe, guard=guard)
    if diff:
        patches = [patch.of(path, change.before, change.after) for path, change in sorted(outcome.changes.items())]
        command.write_patches(patches, "polint fix")
    elif not check:
        command.write_files(top, {path: (change.before, change.after) for path, change in outcome.changes.items()})
    if verbosity >= 0 and not diff:
        more = _alternatives(outcome, report, top, config) if plans.RULE in seen else ()
        fits = plan and not outcome.changes and not plans.over_committed(project_of(files_of(top, config), config))
        told = ("no server is over its budget",) if fits else summary(outcome, written=not check)
        command.write("".join(f"{line}\n" for line in (*told, *more)), None)
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
        made = [edit for fix in here for edit in fix.edits if edit.span.path == path]
        for number, old in sorted(_outdated(made, Source.from_bytes(path, outcome.changes[path].after))):
            yield f"  {clean(path, style.ascii)}:{number}: its comment still says {old}"
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


def _outdated(edits: Iterable[Edit], after: Source) -> set[tuple[int, str]]:
    """The lines of a mended file whose comment has the number that an edit replaced, with that number: no fix rewrites a comment."""
    found: set[tuple[int, str]] = set()
    for edit in edits:
        old, new = _QUANTITY.findall(edit.span.text), _QUANTITY.findall(edit.replacement)
        if len(old) != 1 or len(new) != 1 or old[0][0] == new[0][0]:
            continue
        source, end, said = edit.span.source, edit.span.end, "".join(old[0])
        newline = source.text.find("\n", end)
        rest = source.text[end : newline if newline >= 0 else len(source.text)].rstrip("\r")
        start = source.text.rfind("\n", 0, end) + 1
        comment = _comment(source.text[start:end], rest, marks_behind(format_in(source)))
        if len(re.findall(rf"(?<![\w.]){re.escape(said)}(?!\w|\.\d|[ ]?%)", comment)) != 1:
            continue
        same = re.compile(rf"(?<![\w.]){re.escape(edit.replacement.rpartition(chr(10))[2] + rest)}\r?$")
        found |= {(number, said) for number, line in enumerate(after.text.split("\n"), 1) if same.search(line)}
    return found


def _comment(before: str, rest: str, marks: Sequence[str]) -> str:
    """The comment in the ``rest`` of a line; "" when there is none."""
    for mark in re.finditer("|".join(map(re.escape, marks)), rest) if marks else ():
        ahead = before + rest[: mark.start()]
        if ahead.count('"') % 2 == ahead.count("'") % 2 == 0 and (mark[0] not in "#;" or ahead[-1:] in " \t"):
            return rest[mark.end() :]
    return ""
