"""Variables that look like settings of php-fpm: how the program comes to read one that it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..diagnostic import Edit, Fix
from ..source import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .project import Project, Service, Variable


def reading(variable: Variable, setting: str, own: str, services: Sequence[Service], project: Project) -> Fix | None:
    """What lets php-fpm take the variable's value: the name that its image reads (``own``), else its pool's file names the variable.

    None where the variable may have other readers under its name, or the pool's file readers without the variable.
    """
    value = variable.value
    if not value.is_known or not value.value.isdecimal() or int(value.value) < 1 or not services:
        return None
    return _renamed(variable, own, services) if own else _named(variable, setting, services, project)


def _renamed(variable: Variable, own: str, services: Sequence[Service]) -> Fix | None:
    keys = set()
    for service in services:
        entry = service.entry.environment.get(variable.name)
        at = entry.span.text.find(variable.name) if entry is not None else -1
        if own in service.environment.variables or entry is None or at not in (0, 1) or variable.value.via:
            return None
        keys.add(Span(entry.span.source, entry.span.start + at, entry.span.start + at + len(variable.name)))
    return Fix(f"call it {own}, as the image does", "unsafe", (Edit(keys.pop(), own),)) if len(keys) == 1 else None


def _named(variable: Variable, setting: str, services: Sequence[Service], project: Project) -> Fix | None:
    names = {service.name for service in services}
    own = [fpm.raw[setting] for fpm in project.fpms if fpm.service in names and setting in fpm.own]
    if not own or any(fact.span != own[0].span or fact.via or not fact.is_known for fact in own):
        return None
    span = own[0].span
    readers = {fpm.service for fpm in project.fpms if setting in fpm.raw and fpm.raw[setting].span == span}
    seen = [stack.services[name] for name in readers for stack in project.stacks if name in stack.services]
    if span is None or "" in readers or any(variable.name not in service.environment.variables for service in seen):
        return None
    if span.text.strip("\"'") != str(own[0].value):
        return None
    return Fix(f"read {setting} from {variable.name}", "unsafe", (Edit(span, f"${{{variable.name}}}"),))
