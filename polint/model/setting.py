"""setting(): one statement about a knob that the reader, the rules, the fixer and the docs all use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, overload

from ..fact import Fact, default, unknown
from ..source import Span

T = TypeVar("T")


class Section:
    """An object whose settings come from ``raw``: facts by the name the file uses.

    ``span`` is where the object itself stands, ``label`` how messages and baselines call it.
    """

    kind = "section"

    def __init__(self, label: str, span: Span, raw: Mapping[str, Fact[Any]]) -> None:
        self.label = label
        self.span = span
        self.raw = raw
        self._facts: dict[str, Fact[Any]] = {}

    def name_of(self, key: str) -> str:
        """What the program itself calls the setting ``key``."""
        return key


class Setting(Generic[T]):
    """A named knob of one program, read as ``type`` by ``read``; a value ``read`` refuses (ValueError) becomes unknown.

    ``default`` is the program's own (a callable gets the section, for defaults that
    depend on a version or another setting); ``whose`` names it in messages.
    """

    __slots__ = ("default", "doc", "key", "read", "type", "whose")

    def __init__(
        self, key: str, kind: type[T], read: Callable[[Any], T], fallback: T | Callable[[Any], Fact[T]], whose: str, doc: str
    ) -> None:
        self.key = key
        self.type = kind
        self.read = read
        self.default = fallback
        self.whose = whose
        self.doc = doc

    @overload
    def __get__(self, section: None, owner: type) -> Setting[T]: ...
    @overload
    def __get__(self, section: Section, owner: type) -> Fact[T]: ...
    def __get__(self, section: Section | None, owner: type) -> Setting[T] | Fact[T]:
        if section is None:
            return self
        fact = section._facts.get(self.key)
        if fact is None:
            fact = section._facts[self.key] = self.fact(section)
        return fact

    def fact(self, section: Section) -> Fact[T]:
        """The setting's fact in ``section``."""
        raw, name = section.raw.get(self.key), section.name_of(self.key)
        if raw is None:
            if callable(self.default):
                return self.default(section).named(name)
            return default(name, self.default, self.whose)
        if not raw.is_known:
            return raw.named(name)
        try:
            value = self.read(raw.value)
        except (ValueError, TypeError) as error:
            return unknown(name, str(error), raw.span, raw.via)
        return Fact(name, raw.origin, value, raw.span, raw.sources, raw.reason, raw.via)


def setting(
    key: str, kind: type[T], read: Callable[[Any], T], fallback: T | Callable[[Any], Fact[T]], whose: str = "", doc: str = ""
) -> Setting[T]:
    """Declare a setting; see Setting."""
    return Setting(key, kind, read, fallback, whose, doc)
