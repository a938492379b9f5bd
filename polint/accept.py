"""What people have accepted, applied to a run: suppressions in comments first, then the baseline; and what of it is of no use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import baseline, suppress
from .diagnostic import Diagnostic
from .fact import Fact, derive, unknown
from .model.accepted import BaselineEntry, Suppression
from .selection import Named, UnknownRule, one
from .source import Source
from .tuples import NamedTuple

if TYPE_CHECKING:
    from .engine import Silence


class Accepted(NamedTuple):
    """Diagnostics with what is accepted marked as suppressed, and the suppressions and entries for rules to look at."""

    diagnostics: list[Diagnostic]
    subjects: Mapping[str, Sequence[Any]]


def accept(
    diagnostics: Iterable[Diagnostic],
    sources: Iterable[Source],
    entries: Sequence[baseline.Entry],
    rules: Sequence[Named],
    ran: Collection[str],
    silenced: Mapping[str, Sequence[Silence]],
    today: str | None,
) -> Accepted:
    """Apply suppressions and the baseline.

    ``rules`` are all there are; only acceptances of those that ``ran`` (codes) are judged,
    as the others had no chance to report.  Nor had those that stayed silent (``silenced``,
    as in engine.Report) about something there that they could not know.  ``today`` (``2026-11-23``) ends suppressions
    whose date has passed.
    """
    written = {source.path: found for source in sources if (found := suppress.find(source))}
    marked, used = suppress.apply(diagnostics, written, today)
    subjects: dict[str, Sequence[Any]] = {
        "suppression": [
            subject for found in written.values() for comment in found for subject in _subjects(comment, used, rules, ran, silenced, today)
        ]
    }
    if entries:
        codes = {word: rule.code for rule in rules for word in (rule.code, rule.name)}
        names = {word: rule.name for rule in rules for word in (rule.code, rule.name)}
        told = [entry._replace(rule=names.get(entry.rule, entry.rule)) for entry in entries]
        marked, matched = baseline.match(told, marked)
        subjects["baseline_entry"] = [
            BaselineEntry(
                entry.rule,
                entry.subject,
                entry.span,
                is_matched=_certain(was_matched, silenced.get(code, ()), entry),
                fix=baseline.removal(entry) if not was_matched else None,
            )
            for entry, was_matched in zip(told, matched, strict=True)
            if (code := codes.get(entry.rule, "")) in ran or not code
        ]
    return Accepted(marked, subjects)


def _certain(found: bool, silenced: Sequence[Silence], accepted: suppress.Suppression | baseline.Entry) -> Fact[bool]:
    """Whether a rule reports what is accepted (``found``); unknown when it does not, and stayed silent about what it may be."""
    bears = _bears_on_entry if isinstance(accepted, baseline.Entry) else _bears_on_comment
    case = None if found else next((case for case in silenced if bears(case, accepted)), None)
    return unknown("is reported", case.reason) if case is not None else derive("is reported", lambda: found)


def _bears_on_entry(case: Silence, entry: Any) -> bool:
    return bool(entry.subject == case.subject or entry.subject.startswith(f"{case.subject}, "))


def _bears_on_comment(case: Silence, comment: Any) -> bool:
    """Whether what was not judged may be what the comment stands at; so it is where nobody knows its place."""
    spans = case.places()
    if spans is None:
        return True
    here = [span for span in spans if span.path == comment.span.path]
    if not comment.line:
        return bool(here)
    return any(span.source.place(span.start)[0] <= comment.line <= span.source.place(span.end)[0] for span in here)


def _subjects(
    comment: suppress.Suppression,
    used: Collection[tuple[suppress.Suppression, str]],
    rules: Sequence[Named],
    ran: Collection[str],
    silenced: Mapping[str, Sequence[Silence]],
    today: str | None,
) -> Iterable[Suppression]:
    """What a comment suppresses, one subject for each rule it names."""
    if comment.fault:
        yield Suppression("", comment.span, fault=comment.fault)
        return
    expired = bool(today and comment.until and comment.until < today)
    for name, span in zip(comment.names, comment.name_spans, strict=True):
        try:
            code = one(name, rules)
        except UnknownRule as error:
            whole = any(name == rule.group or rule.code.startswith(name.upper()) for rule in rules)
            yield Suppression(name, span, fault=f"{name} is no single rule: name each by code or name" if whole else str(error))
            continue
        if code in ran:
            is_used = _certain((comment, name) in used, silenced.get(code, ()), comment)
            idle = expired or (is_used.is_known and not is_used.value)
            fix = suppress.removal(comment, name) if idle else None
            yield Suppression(name, span, reason=comment.reason, until=comment.until, is_used=is_used, is_expired=expired, fix=fix)
