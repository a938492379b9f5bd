"""From a rule's ``fix:`` and the thing it reports to the edits that mend it, each written in its file's own way."""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType
from typing import Any

from . import edits
from .diagnostic import Edit, Fix
from .engine import function
from .fact import Fact, Unknown
from .ruleform import FixForm
from .source import Span
from .units import Bytes, Seconds

_KINDS = {"Seconds": Seconds, "Bytes": Bytes, "int": int, "float": float, "bool": bool, "str": str}


def plan(form: FixForm, subject: Any, params: Mapping[str, object]) -> Fix | None:
    """The fix of one diagnostic; None when something it rests on is unknown, or a file cannot be edited cleanly there.

    A written fact is changed where its value is decided; one that holds by default is
    written down in the subject's ``home`` (a configuration file of its own), else beside the subject.
    """

    def value(code: CodeType) -> Any:
        return function(code)(subject, params, _read)

    try:
        if form.use is not None:
            ready = value(form.use)
            if ready is None or form.applicability == "":
                return ready if isinstance(ready, Fix) else None
            return Fix(str(value(form.title)) if form.title is not None else ready.title, form.applicability, ready.edits)
        made: list[Edit | None] = []
        if form.set is not None and form.to is not None:
            made.append(_set(value(form.set), _KINDS[form.to_kind](value(form.to)), subject))
        if form.remove is not None:
            things = value(form.remove)
            made += [_removed(thing) for thing in (things if isinstance(things, (list, tuple)) else (things,))]
        if form.rename is not None and form.name is not None:
            made.append(_renamed(value(form.rename), str(value(form.name))))
        title = str(value(form.title)) if form.title is not None else ""
    except Unknown:
        return None
    whole = [edit for edit in made if edit is not None]
    return Fix(title, form.applicability, tuple(whole)) if whole and len(whole) == len(made) else None


def _read(fact: Fact[Any]) -> Any:
    return fact.value


def _set(fact: Fact[Any], after: object, subject: Any) -> Edit | None:
    if fact.span is not None:
        return edits.changed(fact.span, fact.value, after)
    leaves = [leaf for leaf in fact.leaves() if leaf.span is not None]
    if leaves:  # it follows from something written elsewhere: that is not ours to undo
        return None
    return edits.inserted(getattr(subject, "home", None) or subject.span, fact.name, after)


def _removed(thing: Any) -> Edit | None:
    span = thing if isinstance(thing, Span) else getattr(thing, "span", None)
    return edits.removed(span) if isinstance(span, Span) else None


def _renamed(thing: Any, name: str) -> Edit | None:
    span = thing if isinstance(thing, Span) else getattr(thing, "span", None)
    return Edit(span, name) if isinstance(span, Span) else None
