"""Rules x subjects -> diagnostics: evaluation, the places of a diagnostic, and what stayed silent because it is unknown."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import isinf
from types import CodeType, FunctionType
from typing import Any

from .diagnostic import Diagnostic, Fix, Note
from .fact import Fact, Unknown, show, unknown
from .rule import Rule
from .ruleform import FixForm
from .source import Span
from .tuples import NamedTuple
from .units import Bytes, Seconds

Overrides = Mapping[str, Mapping[str, object]]


def _anywhere() -> None:
    return None


class Silence(NamedTuple):
    """A subject that a rule could not judge, and why.

    ``places()`` are those at which it might have reported something, None when that cannot be told.
    """

    subject: str
    reason: str
    places: Callable[[], Sequence[Span] | None] = _anywhere


class Report(NamedTuple):
    """What a run found: diagnostics in order, and by rule code who stayed silent."""

    diagnostics: list[Diagnostic]
    silenced: dict[str, list[Silence]]


class Compiled(NamedTuple):
    """The functions of one rule; each takes the subject, the params and a reader of facts."""

    when: Callable[..., bool] | None
    require: Callable[..., bool]
    at: Callable[..., object] | None
    message: Callable[..., str]
    help: Callable[..., str]
    subject_key: Callable[..., str] | None
    measure: Callable[..., float] | None
    notes: tuple[Callable[..., object], ...]


def check(
    rules: Iterable[Rule],
    subjects: Mapping[str, Sequence[Any]],
    *,
    params: Overrides | None = None,
    severities: Mapping[str, str] | None = None,
    templates: Sequence[str] = (),
) -> Report:
    """Try every rule on every subject it is for.

    ``params`` and ``severities`` override by code or name; a severity of ``off``
    leaves the rule out.  ValueError when an override names no param of its rule
    or does not fit it (config checks that earlier, with places).  ``templates`` are the
    folders whose templates win when a fix inserts something.

    A subject violates a rule when ``when`` is true and ``require`` is not; an unknown
    fact read on the way makes the rule silent about that subject.
    """
    diagnostics: list[Diagnostic] = []
    silenced: dict[str, list[Silence]] = {}
    for rule in rules:
        things = subjects.get(rule.subject)
        severity = _override(severities, rule, rule.severity)
        if not things or severity == "off":
            continue
        bound = rule.bind(_override(params, rule, {}))
        code = functions(rule)
        for subject in things:
            reads: list[Fact[Any]] = []
            read = _reader(reads)
            try:
                if code.when is not None and not code.when(subject, bound, read):
                    continue
                if not code.require(subject, bound, read):
                    diagnostics.append(_diagnostic(rule, code, severity, subject, bound, reads, read, templates))
            except Unknown as stop:
                places = partial(_whereabouts, code.at, subject, bound, (*reads, stop.fact))
                silenced.setdefault(rule.code, []).append(Silence(subject.label, str(stop), places))
    diagnostics.sort(key=lambda diagnostic: diagnostic.order)
    return Report(diagnostics, silenced)


def _whereabouts(
    at: Callable[..., object] | None, subject: Any, params: Mapping[str, object], reads: Sequence[Fact[Any]]
) -> list[Span] | None:
    """Where a diagnostic that did not come about might have stood or pointed: at its subject, and at all that was read for it."""
    spans = [subject.span]
    if at is not None:
        try:
            place = at(subject, params, _reader([]))
        except Unknown:
            return None
        if isinstance(place, Fact) and not place.is_known and place.span is None:
            return None
        spans.append(_span(place) or subject.span)
    seen: set[int] = set()
    waiting = list(reads)
    while waiting:
        fact = waiting.pop()
        if id(fact) not in seen:
            seen.add(id(fact))
            waiting.extend(fact.sources)
            spans += fact.via if fact.span is None else (fact.span, *fact.via)
    return spans


def functions(rule: Rule) -> Compiled:
    """The rule's compiled expressions, ready to call."""
    return Compiled(
        function(rule.when) if rule.when else None,
        function(rule.require),
        function(rule.at) if rule.at else None,
        function(rule.message),
        function(rule.help_code),
        function(rule.subject_key) if rule.subject_key else None,
        function(rule.measure) if rule.measure else None,
        tuple(map(function, rule.notes)),
    )


def function(code: CodeType) -> Callable[..., Any]:
    """A callable of one compiled expression."""
    return FunctionType(code, RUNTIME)


def _override(overrides: Mapping[str, Any] | None, rule: Rule, otherwise: Any) -> Any:
    if not overrides:
        return otherwise
    return overrides.get(rule.code, overrides.get(rule.name, otherwise))


def _reader(reads: list[Fact[Any]]) -> Callable[[Fact[Any]], Any]:
    append = reads.append

    def read(fact: Fact[Any]) -> Any:
        append(fact)
        return fact.value

    return read


def _diagnostic(
    rule: Rule,
    code: Compiled,
    severity: str,
    subject: Any,
    params: Mapping[str, object],
    reads: list[Fact[Any]],
    read: Callable[[Fact[Any]], Any],
    templates: Sequence[str],
) -> Diagnostic:
    arguments = (subject, params, read)
    message = code.message(*arguments)
    place = code.at(*arguments) if code.at is not None else subject
    span = _span(place) or subject.span
    extra = [thing for note in code.notes for thing in _each(note(*arguments))]
    unshown = _reader([])  # what only the help or the key reads is not what the rule rests on
    label: str = subject.label
    if code.subject_key is not None:
        label += ", " + code.subject_key(subject, params, unshown)
    elif isinstance(place, Fact):
        label += f", setting {place.name}"
    return Diagnostic(
        rule.code,
        rule.name,
        severity,
        message,
        span,
        help=code.help(subject, params, unshown),
        notes=_notes(span, place, [*reads, *extra], getattr(subject, "notes", ())),
        subject=label,
        mend=_mender(rule.fix, subject, params, templates) if rule.fix is not None else None,
        measure=float(code.measure(subject, params, unshown)) if code.measure is not None else None,
    )


def _mender(form: FixForm, subject: Any, params: Mapping[str, object], templates: Sequence[str]) -> Callable[[], Fix | None]:
    """Plans the fix of one diagnostic, once, when it is asked for."""
    planned: list[Fix | None] = []

    def mend() -> Fix | None:
        if not planned:
            from .mending import plan

            planned.append(plan(form, subject, params, templates))
        return planned[0]

    return mend


def _span(place: object) -> Span | None:
    span = place if isinstance(place, Span) else getattr(place, "span", None)
    return span if isinstance(span, Span) else None


def _each(things: object) -> Iterable[object]:
    if things is None:
        return ()
    return things if type(things) in (list, tuple, set, frozenset) else (things,)  # type: ignore[return-value]


def _notes(primary: Span, place: object, things: Iterable[object], own: Iterable[Note]) -> tuple[Note, ...]:
    """The related places: what the facts rest on, each once, in the order of reading.

    The fact that the diagnostic stands at is left out: the message is about it.
    """
    notes: dict[Note, None] = {}

    def via(fact: Fact[Any]) -> None:
        for span in fact.via:
            if span != primary:
                notes.setdefault(Note("read here", span))

    if isinstance(place, Fact):
        via(place)
    for thing in things:
        if isinstance(thing, Fact):
            for leaf in thing.leaves():
                if leaf.origin in ("written", "default"):
                    if leaf is not place and (leaf.span is None or leaf.span != primary):
                        notes.setdefault(Note(str(leaf), leaf.span))
                    via(leaf)
        elif isinstance(thing, Span):
            notes.setdefault(Note("see here", thing))
        elif thing is not None:
            notes.setdefault(Note(thing.label, _span(thing)))  # type: ignore[attr-defined]
    for note in own:
        notes.setdefault(note)
    return tuple(notes)


# -- what compiled expressions call


def _linked(thing: Any, text: str) -> Any:
    """``thing``, unless there is none: then the rule has nothing to say."""
    if thing is None:
        raise Unknown(unknown(text, "there is none"))
    return thing


def _is_default(fact: Fact[Any]) -> bool:
    """Whether the program's own default holds: not known of what may be set out of sight."""
    if not fact.is_known and not fact.is_written:
        raise Unknown(fact)
    return fact.is_default


def _arithmetic(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any, str], Any]:
    """``compute`` without surprises: division by zero and infinity minus infinity are unknown, not errors or false answers."""

    def computed(left: Any, right: Any, text: str) -> Any:
        try:
            value = compute(left, right)
        except ArithmeticError as error:
            raise Unknown(unknown(text, str(error))) from None
        if value != value:
            raise Unknown(unknown(text, "it has no value with these infinities"))
        return value

    return computed


def _show_seconds(value: float) -> str:
    return str(Seconds(value))


def _show_bytes(value: float) -> str:
    return "unlimited" if isinf(value) else str(Bytes(value))


def _show_as(value: Any, spec: str) -> str:
    return show(value) if isinstance(value, float) and isinf(value) else format(value, spec)


def _show_list(values: Iterable[Any]) -> str:
    return ", ".join(value if isinstance(value, str) else value.label for value in values)


RUNTIME: dict[str, Any] = {
    "__builtins__": {},
    "len": len,
    "max": max,
    "min": min,
    "_add": _arithmetic(operator.add),
    "_div": _arithmetic(operator.truediv),
    "_floordiv": _arithmetic(operator.floordiv),
    "_is_default": _is_default,
    "_linked": _linked,
    "_mul": _arithmetic(operator.mul),
    "_show": show,
    "_show_as": _show_as,
    "_show_bytes": _show_bytes,
    "_show_list": _show_list,
    "_show_seconds": _show_seconds,
    "_sub": _arithmetic(operator.sub),
}
"""The global names of compiled expressions; no builtins."""
