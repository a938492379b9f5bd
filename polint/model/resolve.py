"""From what a file says (Value) to what is known (Fact), given the environment it is read in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..fact import Fact, derive, unknown
from ..source import Span
from ..tuples import NamedTuple
from ..value import Alternative, Computed, EnvRead, Fallback, Literal, Opaque, Value

UNKNOWN = "\0"  # stands in a text for what files do not say
LONGEST = 8192  # characters of a text made of others: a few lines of references can stand for more than fits into memory
_MOST_STEPS = 20  # references from one to the next whose places are kept


class Environment(NamedTuple):
    """Variables a program sees.

    ``gap`` says why others might be set too (an ``env_file`` that is not in the
    repository); "" when everything that can set one has been read.  ``partly`` holds what
    is known of variables that are not known as a whole, with UNKNOWN for the rest:
    ``postgres://app:${DB_PASSWORD}@db/app`` tells the host, whatever the password is.
    """

    variables: Mapping[str, Fact[str]] = {}
    gap: str = ""
    partly: Mapping[str, Fact[str]] = {}

    def over(self, below: Environment) -> Environment:
        """This environment with ``below`` where it is silent."""
        partly = {name: fact for name, fact in below.partly.items() if name not in self.variables}
        return Environment({**below.variables, **self.variables}, self.gap or below.gap, {**partly, **self.partly})

    @property
    def outlined(self) -> Environment:
        """The same with what is known in part for known; only for readers that look for UNKNOWN."""
        return self._replace(variables={**self.variables, **self.partly}) if self.partly else self


NOTHING = Environment()


class _Missing(NamedTuple):
    """No value: unset, empty where that counts as unset, or a conversion that failed."""

    reason: str
    span: Span


def resolve(name: str, value: Value, environment: Environment) -> Fact[Any]:
    """The fact ``name`` that ``value`` amounts to; unknown with the reason where files do not decide it."""
    found = _resolve(name, value, environment)
    if isinstance(found, _Missing):
        return unknown(name, found.reason, found.span)
    return found


def _resolve(name: str, value: Value, environment: Environment) -> Fact[Any] | _Missing:
    match value:
        case Literal(content, span):
            return Fact(name, "written", content, span)
        case EnvRead():
            return _read(name, value, environment)
        case Opaque(reason, span):
            return unknown(name, reason, span)
        case Fallback(first, second):
            found = _resolve(name, first, environment)
            return _resolve(name, second, environment) if isinstance(found, _Missing) else found
        case Alternative(test, then, span):
            found = _read(name, test, environment)
            if isinstance(found, _Missing):
                return Fact(name, "written", "", span)
            return _resolve(name, then, environment) if found.is_known else found
        case Computed():
            return _compute(name, value, environment)


def _read(name: str, read: EnvRead, environment: Environment) -> Fact[Any] | _Missing:
    fact = environment.variables.get(read.name)
    if fact is None:
        if environment.gap:
            return unknown(name, f"{read.name} may be set elsewhere: {environment.gap}", read.span)
        return _Missing(f"{read.name} is not set", read.span)
    if not fact.is_known:
        return Fact(name, "unknown", None, fact.span or read.span, (), fact.reason, _via(fact, read))
    if read.empty_is_missing and fact.value == "":
        return _Missing(f"{read.name} is empty", read.span)
    return Fact(name, fact.origin, fact.value, fact.span, fact.sources, fact.reason, _via(fact, read))


def _via(fact: Fact[Any], read: EnvRead) -> tuple[Span, ...]:
    return (*fact.via[:_MOST_STEPS], read.span)


def _too_long(name: str, value: Computed, facts: list[Fact[Any]]) -> Fact[Any] | None:
    texts = [fact.value for fact in facts if fact.is_known and isinstance(fact.value, str)] if len(facts) > 1 else ()
    if sum(map(len, texts)) > LONGEST:
        return unknown(name, f"made of more than {LONGEST:,} characters", value.span)
    return None


def _compute(name: str, value: Computed, environment: Environment) -> Fact[Any] | _Missing:
    args: list[Fact[Any]] = []
    for arg in value.args:
        found = _resolve(name, arg, environment)
        if isinstance(found, _Missing):
            return found
        if not found.is_known:
            return found
        args.append(found)
    if (long := _too_long(name, value, args)) is not None:
        return long
    try:
        result = value.apply(*(arg.value for arg in args))
    except (ValueError, TypeError, ArithmeticError) as error:
        return _Missing(str(error) or "the conversion fails", value.span)
    if all(isinstance(arg, Literal) for arg in value.args):
        return Fact(name, "written", result, value.span)
    moving = [arg for arg, written in zip(args, value.args, strict=True) if not isinstance(written, Literal)]
    if len(moving) == 1 and moving[0].origin != "derived":  # one place decides: point there
        return Fact(name, moving[0].origin, result, moving[0].span, (), moving[0].reason, moving[0].via)
    return derive(name, lambda *_: result, *moving)


def outline(name: str, value: Value | None, environment: Environment) -> Fact[str] | None:
    """What is known of a text that holds variables nobody sets: they are UNKNOWN in it; None when nothing else is in it."""
    if not isinstance(value, Computed):
        return None
    facts = [resolve(name, arg, environment) for arg in value.args]
    if _too_long(name, value, facts) is not None:
        return None
    try:
        text = value.apply(*(fact.value if fact.is_known else UNKNOWN for fact in facts))
    except (ValueError, TypeError, ArithmeticError):
        return None
    return Fact(name, "written", text, value.span) if isinstance(text, str) and text.strip(UNKNOWN) else None
