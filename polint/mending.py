"""From a rule's ``fix:`` and the thing it reports to the edits that mend it, each written in its file's own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import CodeType
from typing import Any

from . import edits
from .diagnostic import APPLICABILITIES, Edit, Fix
from .engine import function
from .fact import Fact, Unknown
from .model.remedies import Remedy
from .ruleform import FixForm
from .source import Span
from .units import Bytes, Seconds

_KINDS = {"Seconds": Seconds, "Bytes": Bytes, "int": int, "float": float, "bool": bool, "str": str}


def plan(form: FixForm, subject: Any, params: Mapping[str, object], templates: Sequence[str] = ()) -> Fix | None:
    """The fix of one diagnostic; None when something it rests on is unknown, or a file cannot be edited cleanly there.

    A written fact is changed where its value is decided; one that holds by default is
    written down in the subject's ``home`` (a configuration file of its own), else beside the subject.
    """

    def value(code: CodeType) -> Any:
        return function(code)(subject, params, _read)

    made: list[Edit | None] = []
    ready: Fix | None = None
    try:
        if form.use is not None:
            ready = value(form.use)
            if isinstance(ready, Remedy):
                ready = _together(ready, form.applicability or "unsafe", subject, templates)
            if ready is None or form.applicability == "":
                return ready if isinstance(ready, Fix) else None
            made += ready.edits
        if form.set is not None and form.to is not None:
            made.append(_set(value(form.set), _KINDS[form.to_kind](value(form.to)), subject, templates))
        if form.remove is not None:
            things = value(form.remove)
            made += [_removed(thing) for thing in (things if isinstance(things, (list, tuple)) else (things,))]
        if form.rename is not None and form.name is not None:
            made.append(_renamed(value(form.rename), str(value(form.name))))
        title = str(value(form.title)) if form.title is not None else ready.title if ready is not None else ""
    except Unknown:
        return None
    whole = [edit for edit in made if edit is not None]
    changes = tuple(edit for edit in whole if edit.replacement != edit.span.text)
    applicability = form.applicability if ready is None else max(form.applicability, ready.applicability, key=APPLICABILITIES.index)
    return Fix(title, applicability, changes) if changes and len(whole) == len(made) else None


def _together(remedy: Remedy, applicability: str, subject: Any, templates: Sequence[str]) -> Fix | None:
    """The fix that makes all changes of a remedy; what is added at one place is added there in their order."""
    made: dict[tuple[str, int, int], Edit] = {}
    for fact, after in remedy.changes:
        edit = _set(fact, after, subject, templates)
        if edit is None:
            return None
        place = (edit.span.path, edit.span.start, edit.span.end)
        earlier = made.get(place)
        if earlier is not None:
            if edit.span.start < edit.span.end or _first_line(edit) == _first_line(earlier):
                return None
            edit = Edit(edit.span, earlier.replacement + edit.replacement)
        made[place] = edit
    gone = [edits.removed(fact.span) if fact.span is not None else None for fact in remedy.removed]
    whole = [*made.values(), *(edit for edit in gone if edit is not None)]
    return Fix(remedy.title, applicability, tuple(whole)) if whole and None not in gone else None


def _first_line(edit: Edit) -> str:
    return edit.replacement.strip().partition("\n")[0]


def _read(fact: Fact[Any]) -> Any:
    return fact.value


def _set(fact: Fact[Any], after: object, subject: Any, templates: Sequence[str]) -> Edit | None:
    before = fact.value  # raises Unknown
    if fact.span is not None:
        return edits.changed(fact.span, before, after)
    leaves = [leaf for leaf in fact.leaves() if leaf.span is not None]
    if leaves:  # it follows from something written elsewhere: that is not ours to undo
        return None
    if fact.is_default and fact.via:  # one that has a place of its own
        return edits.inserted(fact.via[0], fact.name, after, templates)
    name = getattr(subject, "variables", {}).get(fact.name, fact.name)  # where variables of its image set it
    return edits.inserted(getattr(subject, "home", None) or subject.span, name, after, templates)


def _removed(thing: Any) -> Edit | None:
    span = thing if isinstance(thing, Span) else getattr(thing, "span", None)
    return edits.removed(span) if isinstance(span, Span) else None


def _renamed(thing: Any, name: str) -> Edit | None:
    span = thing if isinstance(thing, Span) else getattr(thing, "span", None)
    return Edit(span, name) if isinstance(span, Span) else None
