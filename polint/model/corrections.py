"""How a setting that PostgreSQL refuses is put right: the name or the unit that was meant, written in place of the wrong one."""

from __future__ import annotations

from .. import catalogue
from ..diagnostic import Edit, Fix
from ..source import Span


def correction(aspect: str, span: Span, name: str, value: object, major: int | None) -> Fix | None:
    """The fix of a refused ``name`` or ``value`` (the ``aspect``) that stands at ``span``; None where nobody can tell what was meant."""
    if aspect == "name":
        meant = catalogue.meant_name(name, major)
        dashed = "-" in span.text  # a long option of the server may be spelt so
        if meant is None or span.text.replace("-", "_").lower() != name:
            return None
        return Fix(f"write {meant}", "safe", (Edit(span, meant.replace("_", "-") if dashed else meant),))
    text = str(value)
    meant = catalogue.meant_value(name, text, major)
    quote = span.text[:1] if span.text in (f"'{text}'", f'"{text}"') else ""
    if meant is None or span.text != f"{quote}{text}{quote}":
        return None
    return Fix(f"write {meant}", "safe", (Edit(span, f"{quote}{meant}{quote}"),))
