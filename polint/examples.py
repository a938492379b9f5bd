"""A rule's examples as tests: each marks with ``[|…|]`` the spans the rule must report, and nothing else may be.

``polint rules test`` and the test suite both come here.  How files become
subjects is the caller's to say, so that this module needs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import yamltext
from .diagnostic import Diagnostic
from .engine import Silence, check
from .exprtext import ExprError, nearest
from .rule import Rule, RuleError
from .rulefile import Checker, read_documents
from .source import Source, Span
from .tuples import NamedTuple

Subjects = Mapping[str, Sequence[Any]]
Loader = Callable[[Mapping[str, str], str | None], Sequence[Subjects]]
"""From files (path -> text) and the text of a polint.toml to the subjects of every project in them."""

EXAMPLE_KEYS = {
    "example": "text",
    "files": "a mapping of texts",
    "fixed": "a mapping of texts",
    "notes": "a list of texts",
    "messages": "a list of texts",
    "unknown": "true or false",
    "config": "text",
}
"""The keys of an example, and what each holds."""


@dataclass(frozen=True, slots=True)
class Example:
    """One example: its files with marks, and what must come out.

    ``notes`` (``path:line:column text``, or the text alone where it has no place) and
    ``messages`` are exact and in order; None leaves them open.  ``unknown`` says that
    the rule must be silent because something cannot be known: it met that, or there was
    nothing certain enough for it to look at.  ``fixed`` holds the files that the rule's
    fixes change, as they must be then.
    """

    title: str
    files: Mapping[str, str]
    span: Span  # of its title in the rule file
    notes: tuple[str, ...] | None = None
    messages: tuple[str, ...] | None = None
    unknown: bool = False
    config: str | None = None
    fixed: Mapping[str, str] | None = None

    @property
    def is_marked(self) -> bool:
        """Whether the rule must report something."""
        return any("[|" in text for text in self.files.values())


class Place(NamedTuple):
    """A range of one example file, without its marks."""

    path: str
    start: int
    end: int


def load_examples(path: str) -> tuple[list[Example], list[RuleError]]:
    """The examples of a rule file, and everything wrong with how they are written."""
    nodes, errors = read_documents(path)
    examples: list[Example] = []
    titles: set[str] = set()
    for node in nodes[1:]:
        checker = Checker(node)
        data = checker.keys(EXAMPLE_KEYS, ("example", "files"))
        title = data.get("example", "")
        if title in titles:
            checker.wrong(("example",), "another example has this title")
        titles.add(title)
        for name, text in data.get("files", {}).items():
            try:
                unmark(name, text)
            except ExprError as error:
                checker.wrong_within(("files", name), error)
        errors += checker.errors
        if not checker.errors:
            examples.append(
                Example(
                    title,
                    data["files"],
                    yamltext.span_at(node, ("example",)),
                    tuple(data["notes"]) if "notes" in data else None,
                    tuple(data["messages"]) if "messages" in data else None,
                    data.get("unknown", False),
                    data.get("config"),
                    data.get("fixed"),
                )
            )
    return examples, errors


def unmark(path: str, text: str) -> tuple[str, list[Place]]:
    """A file's text without its marks, and the marked ranges; ExprError when marks do not pair."""
    parts: list[str] = []
    places: list[Place] = []
    opened: list[tuple[int, int]] = []  # where it begins in the text, and its mark in the marked text
    at = length = 0
    while True:
        start, end = text.find("[|", at), text.find("|]", at)
        if end < 0 and start < 0:
            break
        stop = start if end < 0 or 0 <= start < end else end
        parts.append(text[at:stop])
        length += stop - at
        at = stop + 2
        if stop == start:
            opened.append((length, start))
        elif opened:
            places.append(Place(path, opened.pop()[0], length))
        else:
            raise ExprError("'|]' closes nothing", stop)
    if opened:
        raise ExprError("'[|' is never closed", opened[-1][1])
    parts.append(text[at:])
    return "".join(parts), sorted(places)


def run(rule: Rule, load: Loader) -> list[RuleError]:
    """Everything wrong with a rule's examples; a rule needs one that it reports and one that it does not."""
    examples, errors = load_examples(rule.path)
    problems = list(errors)
    if not errors:
        if not any(example.is_marked for example in examples):
            problems.append(_wrong(examples, rule, "no example is marked: show with [|…|] what the rule reports"))
        if all(example.is_marked for example in examples):
            problems.append(_wrong(examples, rule, "every example is marked: show one that the rule leaves alone"))
    for example in examples:
        problems += [_wrong([example], rule, f"{example.title}: {problem}") for problem in run_example(rule, example, load)]
    return problems


def _wrong(examples: Sequence[Example], rule: Rule, message: str) -> RuleError:
    """A mistake at the title of the first of ``examples``."""
    if not examples:
        return RuleError(rule.path, 1, 1, message)
    span = examples[0].span
    return RuleError(rule.path, *span.place, message, span)


def run_example(rule: Rule, example: Example, load: Loader) -> list[str]:
    """What differs between what the example says and what the rule does; empty when nothing."""
    files: dict[str, str] = {}
    expected: list[Place] = []
    for path, marked in example.files.items():
        files[path], places = unmark(path, marked)
        expected += places
    params: Mapping[str, Mapping[str, Any]] = {}
    if example.config is not None:
        from .config import ConfigError, parse

        try:
            params = parse(Source("polint.toml", example.config)).params
            rule.bind(params.get(rule.code, params.get(rule.name, {})))
        except ConfigError as error:
            return [f"config: {problem}" for problem in error.problems]
        except ValueError as error:
            return [f"config: {error}"]
    diagnostics: list[Diagnostic] = []
    silenced: list[Silence] = []
    judged = 0
    for subjects in load(files, example.config):
        report = check([rule], subjects, params=params)
        diagnostics += report.diagnostics
        silenced += report.silenced.get(rule.code, ())
        judged += len(subjects.get(rule.subject, ()))
    problems = [*_compare(files, expected, diagnostics), *_compare_rest(example, diagnostics, silenced, judged)]
    if example.fixed is not None or rule.fix is not None:
        problems += _compare_fixed(rule, example, files, load, params)
    return problems


def _compare_fixed(
    rule: Rule, example: Example, files: Mapping[str, str], load: Loader, params: Mapping[str, Mapping[str, Any]]
) -> Iterable[str]:
    """The fix contract: what is written is what the example shows, then the rule is silent, and a second run changes nothing."""
    from .fixer import run

    def lint(overlay: Mapping[str, bytes]) -> Sequence[Diagnostic]:
        texts = dict(files) | {path: data.decode("utf-8", "surrogateescape") for path, data in overlay.items()}
        return [one for subjects in load(texts, example.config) for one in check([rule], subjects, params=params).diagnostics]

    outcome = run(lint, unsafe=True)
    made = {path: change.after.decode("utf-8", "surrogateescape") for path, change in outcome.changes.items()}
    for path, text in (example.fixed or {}).items():
        if path not in made:
            yield f"fixed: {path} is not changed"
        elif made[path] != text:
            yield f"fixed: {path} becomes {made[path]!r}"
    for path in made:
        if example.fixed is not None and path not in example.fixed:
            yield f"fixed: {path} is changed as well: {made[path]!r}"
    after = {path: change.after for path, change in outcome.changes.items()}
    fixed = {(one.subject, one.span.path, one.message) for one in outcome.fixed}
    for one in lint(after) if outcome.fixed else ():
        if (one.subject, one.span.path, one.message) in fixed and one.fix is None:
            yield f"fixed: still reported: {one.message}"
    if outcome.fixed and run(lambda overlay: lint(after | dict(overlay)), unsafe=True).changes:
        yield "fixed: a second run changes more"


def _compare(files: Mapping[str, str], expected: Iterable[Place], diagnostics: Iterable[Diagnostic]) -> Iterable[str]:
    """Reported spans must be the marked ones: a right count in the wrong place is wrong."""
    missing = dict.fromkeys(expected)
    seen: set[Place] = set()
    for diagnostic in diagnostics:
        span = diagnostic.span
        place = Place(span.path, span.start, span.end)
        if place in missing:
            seen.add(place)
        else:
            yield f"{span}: reported but not marked, at {_short(span.text)}: {diagnostic.message}"
    for place in missing:
        if place not in seen:
            span = Span(Source(place.path, files[place.path]), place.start, place.end)
            yield f"{span}: marked but not reported: {_short(span.text)}"


def _compare_rest(example: Example, diagnostics: Sequence[Diagnostic], silenced: Sequence[Silence], judged: int) -> Iterable[str]:
    if example.unknown:
        if diagnostics or example.is_marked:
            yield "'unknown: true' says the rule is silent, and it is not"
        elif not silenced and judged:  # some things exist in the model only once they are certain
            yield "'unknown: true', but the rule met nothing unknown"
    if example.messages is not None:
        yield from _compare_texts("message", example.messages, [diagnostic.message for diagnostic in diagnostics])
    if example.notes is not None:
        notes = [note for diagnostic in diagnostics for note in diagnostic.notes]
        shown = [note.message if note.span is None else f"{note.span} {note.message}" for note in notes]
        yield from _compare_texts("note", example.notes, shown)


def _compare_texts(what: str, expected: Sequence[str], found: Sequence[str]) -> Iterable[str]:
    for text in expected:
        if text not in found:
            yield f"{what} not given: {text}{nearest(text, found)}"
    for text in found:
        if text not in expected:
            yield f"{what} not expected: {text}"
    if sorted(expected) == sorted(found) and list(expected) != list(found):
        yield f"{what}s in another order: {'; '.join(found)}"
    elif set(expected) == set(found) and len(expected) != len(found):
        yield f"{what}s given {len(found)} times, not {len(expected)}: {'; '.join(found)}"


def _short(text: str) -> str:
    line = text.partition("\n")[0]
    return repr(line if len(line) <= 60 and line == text else line[:60] + "…")
