"""What a file says a value is, before anything is known about the environment it will meet.

Every format speaks this one small language; the model resolves it to facts.
A Rust ``env::var("N").ok().and_then(|v| v.parse().ok()).unwrap_or(10)``, a Compose
``${N:-10}`` and a Laravel ``env('N', 10)`` are all a ``Fallback`` of an ``EnvRead``.
"""

from __future__ import annotations

from collections.abc import Callable

from .source import Span
from .tuples import NamedTuple


class Literal(NamedTuple):
    """A value written out: str, int, float, bool, Seconds, or None where the language says none/null."""

    value: object
    span: Span


class EnvRead(NamedTuple):
    """A read of environment variable ``name``; missing when it is unset, and also when empty if ``empty_is_missing``.

    ``required`` holds the message of a ``${NAME:?message}``: the reader refuses to go on without it.
    """

    name: str
    span: Span
    empty_is_missing: bool = False
    required: str | None = None


class Fallback(NamedTuple):
    """``first``, or ``second`` when the first is missing or fails (a parse error counts as failing)."""

    first: Value
    second: Value
    span: Span


class Alternative(NamedTuple):
    """``then`` when ``test`` has a value (``${X:+then}``), else the empty string."""

    test: EnvRead
    then: Value
    span: Span


class Computed(NamedTuple):
    """``apply`` over the resolved ``args``; ``apply`` raises ValueError when the program itself would fail there."""

    apply: Callable[..., object]
    args: tuple[Value, ...]
    span: Span


class Opaque(NamedTuple):
    """A value that files alone do not decide; ``reason`` says why, as a clause: ``read from the command line``."""

    reason: str
    span: Span


Value = Literal | EnvRead | Fallback | Alternative | Computed | Opaque


def env_reads(value: Value | None) -> list[EnvRead]:
    """Every environment read inside ``value``, in order."""
    match value:
        case EnvRead():
            return [value]
        case Fallback(first, second):
            return env_reads(first) + env_reads(second)
        case Alternative(test, then):
            return [test, *env_reads(then)]
        case Computed(args=args):
            return [read for arg in args for read in env_reads(arg)]
        case _:
            return []


def text_of(parts: list[Value], span: Span) -> Value:
    """The string made of ``parts`` one after another."""
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, Literal) for part in parts):
        return Literal("".join(str(part.value) for part in parts if isinstance(part, Literal)), span)
    return Computed(lambda *texts: "".join(map(str, texts)), tuple(parts), span)
