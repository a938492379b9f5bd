"""Facts: values that know where they come from, or why they are not known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from .source import Span

T = TypeVar("T")


class Unknown(Exception):
    """Reading a fact that is not known: stops the rule that asked, silently."""

    def __init__(self, fact: Fact[Any]) -> None:
        super().__init__(f"{fact.name}: {fact.reason}")
        self.fact = fact


class Fact(Generic[T]):
    """A value with its origin; never changed once made.

    ``origin`` is ``written`` (``span`` is where the value is decided), ``default``
    (``reason`` names whose), ``derived`` (``sources`` are what it was computed
    from) or ``unknown`` (``reason`` says why).  ``via`` are the places a written
    value passes through on its way, e.g. the code that reads the variable.
    """

    __slots__ = ("_value", "name", "origin", "reason", "sources", "span", "via")

    def __init__(
        self,
        name: str,
        origin: str,
        value: T | None = None,
        span: Span | None = None,
        sources: tuple[Fact[Any], ...] = (),
        reason: str = "",
        via: tuple[Span, ...] = (),
    ) -> None:
        self.name = name
        self.origin = origin
        self._value = value
        self.span = span
        self.sources = sources
        self.reason = reason
        self.via = via

    @property
    def value(self) -> T:
        """The value; raises Unknown when there is none to be had."""
        if self.origin == "unknown":
            raise Unknown(self)
        return self._value  # type: ignore[return-value]

    @property
    def is_known(self) -> bool:
        """Whether ``value`` can be read."""
        return self.origin != "unknown"

    @property
    def is_default(self) -> bool:
        """Nobody wrote it: the program's own default holds."""
        return self.origin == "default"

    @property
    def is_written(self) -> bool:
        """Some file states it (even when what it states cannot be known)."""
        return self.origin == "written" or (self.origin == "unknown" and self.span is not None)

    def named(self, name: str) -> Fact[T]:
        """The same fact under the name of what it decides."""
        return Fact(name, self.origin, self._value, self.span, self.sources, self.reason, self.via)

    def at(self, span: Span | None) -> Fact[T]:
        """The same fact, decided at ``span``."""
        return Fact(self.name, self.origin, self._value, span, self.sources, self.reason, self.via)

    def leaves(self) -> Iterator[Fact[Any]]:
        """The written, default and unknown facts this one rests on, in order, each once."""
        seen: set[int] = set()
        stack: list[Fact[Any]] = [self]
        while stack:
            fact = stack.pop()
            if fact.origin == "derived":
                stack.extend(reversed(fact.sources))
            elif id(fact) not in seen:
                seen.add(id(fact))
                yield fact

    def __str__(self) -> str:
        if self.origin == "unknown":
            return f"{self.name} is unknown: {self.reason}"
        return f"{self.name} = {show(self._value)}" + (" (default)" if self.origin == "default" else "")


def show(value: object) -> str:
    """A value as messages print it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if type(value) is float and value == float("inf"):
        return "unlimited"
    if type(value) is float:
        return f"{value:g}"
    return str(value)


def written(name: str, value: T, span: Span, via: tuple[Span, ...] = ()) -> Fact[T]:
    """A fact that a file states at ``span``."""
    return Fact(name, "written", value, span, via=via)


def default(name: str, value: T, whose: str = "") -> Fact[T]:
    """A fact nobody states; ``whose`` default it is, with the version where it matters."""
    return Fact(name, "default", value, reason=whose)


def unknown(name: str, reason: str, span: Span | None = None, via: tuple[Span, ...] = ()) -> Fact[Any]:
    """A fact that cannot be known from the files; ``span`` is where it would be decided, if anywhere."""
    return Fact(name, "unknown", None, span, reason=reason, via=via)


def derive(name: str, compute: Callable[..., T], *sources: Fact[Any]) -> Fact[T]:
    """The fact computed from ``sources``: unknown, with the first reason, as soon as one of them is."""
    for source in sources:
        if source.origin == "unknown":
            return Fact(name, "unknown", None, None, sources, source.reason)
    return Fact(name, "derived", compute(*(source.value for source in sources)), None, sources)
