"""Single values of compose files: what a variable becomes, the parts of short volumes and ports."""

from __future__ import annotations

from itertools import pairwise
from posixpath import normpath

from ..interpolate import holds, interpolate, pieces
from ..source import Span
from ..value import EnvRead, Fallback, Literal, Opaque, Value
from ..yamltext import Node, Place, place_in, scalar


def short(text: str) -> str:
    """``text`` fit for a message."""
    return text if len(text) <= 60 else text[:59] + "…"


def value_of(node: Node) -> Value:
    """A scalar as a Value: numbers and booleans as such, text with its ``${…}``."""
    value = scalar(node)
    return Literal(value, node.span) if value is None or isinstance(value, bool | int | float) else text_value(node)


def text_value(node: Node) -> Value:
    """A scalar's text with its ``${…}``, whatever it means in YAML."""
    return interpolate(node.text, node.span, place_in(node) if "$" in node.text else None)


def environment_text(node: Node) -> Value | None:
    """What a variable becomes: Compose prints numbers and booleans anew, so ``1.50`` is ``1.5``."""
    match scalar(node):
        case None:
            return None
        case str():
            return text_value(node)
        case bool() as truth:
            return Literal("true" if truth else "false", node.span)
        case int() as number:
            return Literal(str(number), node.span)
        case float() as number:
            return Literal(_go_float(number), node.span)
        case _:
            return Opaque("YAML takes it for a date", node.span)


def _go_float(number: float) -> str:
    """A float the way Go's ``%v`` prints it: plain digits from 1e-4 up to 1e21."""
    mantissa, _, exponent = repr(number).partition("e")
    if not exponent:
        return mantissa.removesuffix(".0")
    power = int(exponent)
    mantissa = mantissa.removesuffix(".0")
    if power >= 21 or power < -4:
        return f"{mantissa}e{power:+03d}"
    sign, digits = ("-", mantissa[1:]) if mantissa[0] == "-" else ("", mantissa)
    whole, _, fraction = digits.partition(".")
    return sign + whole + fraction.ljust(power, "0")


def index_of(value: Value) -> str:
    """What two values are compared by."""
    return str(value.value) if isinstance(value, Literal) else value.span.text


def cleaned(target: Value) -> Value:
    """A path in the container, normalised as Compose does it."""
    return Literal(normpath(target.value), target.span) if isinstance(target, Literal) and isinstance(target.value, str) else target


def leading(value: Value) -> str | None:
    """The literal text a value begins with, defaults taken; None when it begins with a bare variable."""
    match value:
        case Literal(text):
            return str(text)
        case Fallback(_, second):
            return leading(second)
        case EnvRead():
            return None
        case _:
            first = getattr(value, "args", (None,))[0]
            return None if first is None else leading(first)


def _colons(text: str, span: Span) -> list[int]:
    """Offsets of the colons outside ``${…}``."""
    found = []
    for value, start, _ in pieces(text, span):
        if isinstance(value, str):
            at = value.find(":")
            while at >= 0:
                found.append(start + at)
                at = value.find(":", at + 1)
    return found


def volume_parts(text: str, span: Span, place: Place) -> tuple[Value | None, Value | None]:
    """Source and target of ``source:target:mode``; no target when a part is empty."""
    cuts: list[int] = []
    begin = 0
    for colon in _colons(text, span):
        if colon - begin == 1 and text[begin].isalpha():
            continue  # C:\ and the like
        cuts.append(colon)
        begin = colon + 1
    if not cuts and "$" in text:
        unclear = Opaque("a variable decides what is mounted where", span)
        return unclear, unclear
    bounds = [-1, *cuts, len(text)]
    parts = [(start + 1, end) for start, end in pairwise(bounds)]
    if any(start == end for start, end in parts):
        return None, None
    values = [interpolate(text, place(start, end), place, start, end) for start, end in parts[:2]]
    return (values[0], values[1]) if len(values) == 2 else (None, values[0])


def port_parts(text: str, span: Span, place: Place) -> tuple[Value | None, Value]:
    """What is published and the port inside, of ``[address:][published:]target[/protocol]``."""
    colons = _colons(text, span)
    start = colons[-1] + 1 if colons else 0
    slash = text.rfind("/", start)
    end = slash if slash >= 0 and "}" not in text[slash:] else len(text)
    target = interpolate(text, place(start, end), place, start, end)
    if not colons:
        unclear = Opaque("a variable decides which ports these are", span)
        return (unclear, unclear) if holds(target, ":") else (None, target)
    first = colons[-2] + 1 if len(colons) > 1 else 0
    if first == colons[-1]:
        return None, target
    return interpolate(text, place(first, colons[-1]), place, first, colons[-1]), target
