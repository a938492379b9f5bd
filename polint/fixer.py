"""From diagnostics to changed files: which fixes go together, what they make of each file, round after round until it is quiet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from .diagnostic import Diagnostic, Edit, Fix
from .source import Source
from .tuples import NamedTuple

MOST_ROUNDS = 10

Lint = Callable[[Mapping[str, bytes]], Sequence[Diagnostic]]
"""The active diagnostics of the project with some files' contents in place of what lies on the disk."""


class Left(NamedTuple):
    """A diagnostic whose fix was not applied, and why."""

    diagnostic: Diagnostic
    reason: str


class Change(NamedTuple):
    """What a file held and what it is to hold."""

    before: bytes
    after: bytes


class Outcome(NamedTuple):
    """What a run of the fixer comes to; nothing has been written.

    ``fixed`` are the diagnostics whose fixes were applied, in the order of the rounds, each
    with its fix; ``left`` those that still stand, with the reason.
    """

    changes: Mapping[str, Change]
    fixed: Sequence[Diagnostic]
    left: Sequence[Left]
    rounds: int


UNSAFE = "it changes behaviour: polint fix --unsafe applies it"
DECISION = "it needs a decision"
OVERLAPS = "it overlaps another fix"
BREAKS = "with it polint would report a new error"
IDLE = "it would still be reported"
UNDONE = "another fix undoes it"
ENDLESS = f"it was not quiet after {MOST_ROUNDS} rounds"


def run(lint: Lint, *, unsafe: bool = False, guard: Lint | None = None) -> Outcome:
    """Fix what ``lint`` reports: safe fixes, with ``unsafe`` those that change behaviour as well.

    New errors are looked for in what ``guard`` reports, where ``lint`` leaves rules or files out.
    A round that would bring a new diagnostic at ``error``, or after which a fix would be wanted once
    more at the same place, is tried again fix by fix, and those to blame are left out.
    """
    contents: dict[str, Change] = {}
    fixed: list[Diagnostic] = []
    refused: dict[_Wish, str] = {}
    gone: set[_Wish] = set()
    found = lint({})
    errors = _errors(guard({}) if guard is not None and found else found)
    rounds = 0
    while rounds < MOST_ROUNDS:
        chosen, left = choose((one for one in found if _wish(one) not in refused), unsafe=unsafe)
        if not chosen:
            break
        rounds += 1
        kept, made, after = _try(chosen, contents, found, errors, lint, guard, refused)
        if not kept:
            continue
        contents, found = made, after
        errors = _errors(guard(_contents(made)) if guard is not None else found)
        fixed += kept
        wanted = set(map(_wish, found))
        refused |= dict.fromkeys(gone & wanted, UNDONE)
        gone |= set(map(_wish, kept)) - wanted
    chosen, left = choose((one for one in found if _wish(one) not in refused), unsafe=unsafe)
    left = [*left, *(Left(one, ENDLESS) for one in chosen)]
    left += [Left(one, refused[_wish(one)]) for one in found if _wish(one) in refused]
    changes = {path: change for path, change in contents.items() if change.before != change.after}
    return Outcome(changes, fixed, left, rounds)


def _try(
    chosen: Sequence[Diagnostic],
    contents: Mapping[str, Change],
    found: Sequence[Diagnostic],
    errors: Counter[tuple[str, str]],
    lint: Lint,
    guard: Lint | None,
    refused: dict[_Wish, str],
) -> tuple[Sequence[Diagnostic], dict[str, Change], Sequence[Diagnostic]]:
    """Those of ``chosen`` that do good and no harm, the contents with them, and what is reported then; the others become ``refused``."""

    def harm_of(ones: Sequence[Diagnostic], candidate: Mapping[str, Change], then: Sequence[Diagnostic]) -> str:
        harm = _harm(ones, found, errors, then)
        return BREAKS if not harm and guard is not None and _errors(guard(_contents(candidate))) - errors else harm

    made = apply(chosen, contents)
    after = lint(_contents(made))
    if not harm_of(chosen, made, after):
        return chosen, made, after
    kept: list[Diagnostic] = []
    made, after = dict(contents), found
    for one in chosen:
        candidate = apply([*kept, one], contents)
        then = lint(_contents(candidate))
        harm = harm_of([*kept, one], candidate, then)
        if harm:
            refused[_wish(one)] = harm
        else:
            kept.append(one)
            made, after = candidate, then
    return kept, made, after


def _contents(changes: Mapping[str, Change]) -> Mapping[str, bytes]:
    return {path: change.after for path, change in changes.items()}


def _errors(found: Iterable[Diagnostic]) -> Counter[tuple[str, str]]:
    return Counter((one.code, one.subject) for one in found if one.severity == "error")


def _harm(chosen: Iterable[Diagnostic], before: Sequence[Diagnostic], errors: Counter[tuple[str, str]], after: Sequence[Diagnostic]) -> str:
    """What is wrong with fixes that lead from one report to the other; "" when nothing is."""
    if _errors(after) - errors:
        return BREAKS
    done = {_wish(one) for one in chosen}
    codes = {one.code for one in chosen}

    def wishes(found: Iterable[Diagnostic]) -> Counter[_Wish]:
        return Counter(wish for one in found if one.code in codes and (wish := _wish(one)) in done)

    before_them, after_them = wishes(before), wishes(after)
    return IDLE if any(after_them[wish] >= before_them[wish] for wish in done) else ""


_Wish = tuple[object, ...]


def _wish(diagnostic: Diagnostic) -> _Wish:
    """What a diagnostic wants, told without offsets, which move: several subjects of a file may have one label."""
    edits = diagnostic.fix.edits if diagnostic.fix is not None else ()
    wanted = tuple((edit.span.path, edit.span.source.line(edit.span.place[0]), edit.span.text, edit.replacement) for edit in edits)
    return diagnostic.code, diagnostic.subject, wanted


def choose(diagnostics: Iterable[Diagnostic], *, unsafe: bool) -> tuple[list[Diagnostic], list[Left]]:
    """The diagnostics whose fixes go together, in order, and those left with the reason.

    A fix is applied whole or not at all.  Two that want the same edit share it; of two
    that touch, the later one waits for the next round.
    """
    chosen: list[Diagnostic] = []
    left: list[Left] = []
    taken: dict[str, dict[tuple[int, int], str]] = {}
    for one in diagnostics:
        fix = one.fix
        if fix is None:
            continue
        if fix.applicability == "display":
            left.append(Left(one, DECISION))
        elif fix.applicability == "unsafe" and not unsafe:
            left.append(Left(one, UNSAFE))
        elif any(_collides(edit, taken.get(edit.span.path, {})) for edit in fix.edits) or _collide(fix):
            left.append(Left(one, OVERLAPS))
        else:
            chosen.append(one)
            for edit in fix.edits:
                taken.setdefault(edit.span.path, {})[edit.span.start, edit.span.end] = edit.replacement
    return chosen, left


def _collide(fix: Fix) -> bool:
    """Whether a fix's own edits touch each other, which would be a mistake of its rule."""
    spans = sorted((edit.span.path, edit.span.start, edit.span.end) for edit in fix.edits)
    return any(one[0] == other[0] and one[2] > other[1] for one, other in pairwise(spans))


def _collides(edit: Edit, taken: Mapping[tuple[int, int], str]) -> bool:
    start, end = edit.span.start, edit.span.end
    if taken.get((start, end)) == edit.replacement and start < end:
        return False  # the very same edit
    return any(start == first or (start < last and first < end) or start == end == last for first, last in taken)


def apply(diagnostics: Iterable[Diagnostic], contents: Mapping[str, Change]) -> dict[str, Change]:
    """``contents`` with the edits of these diagnostics' fixes made, each edit once."""
    by_path: dict[str, dict[tuple[int, int], Edit]] = {}
    for one in diagnostics:
        for edit in one.fix.edits if one.fix is not None else ():
            by_path.setdefault(edit.span.path, {})[edit.span.start, edit.span.end] = edit
    made = dict(contents)
    for path, edits in by_path.items():
        source = next(iter(edits.values())).span.source
        before = contents[path].before if path in contents else source.encode()
        made[path] = Change(before, source.encode(splice(source, edits.values())))
    return made


def splice(source: Source, edits: Iterable[Edit]) -> str:
    """The text with the edits made; new lines end as the file's own do."""
    text = source.text
    ends_in_crlf = "\r\n" in text and text.count("\n") == text.count("\r\n")
    parts: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end)):
        replacement = edit.replacement.replace("\r\n", "\n").replace("\n", "\r\n") if ends_in_crlf else edit.replacement
        parts += (text[at : edit.span.start], replacement)
        at = edit.span.end
    return "".join((*parts, text[at:]))
