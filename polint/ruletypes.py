"""The types that rule expressions know, read off the annotations of the model.

An attribute of a subject is a ``setting()``, an annotated property, an annotated
class attribute, or what ``__init__`` assigns to ``self`` with a type in sight.
Imported only when rules are compiled.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
import types
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from .fact import Fact
from .model.setting import Setting
from .source import Span

ANYTHING = object


@dataclass(frozen=True, slots=True)
class FactOf:
    """A fact; reading it may stop the rule."""

    of: Type


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, tuple, set or other collection."""

    item: Type


@dataclass(frozen=True, slots=True)
class Maybe:
    """Something, or None where there is nothing."""

    of: Type


Type: TypeAlias = type[Any] | FactOf | ListOf | Maybe
"""A scalar (int, float, bool, str, Seconds, Bytes), a subject's class, ANYTHING, or one of the three wrappers."""


def name_of(kind: Type) -> str:
    """A type as messages call it: facts by what they hold."""
    match kind:
        case FactOf(of) | Maybe(of):
            return name_of(of)
        case ListOf(item):
            return f"list of {name_of(item)}"
        case _:
            return "a value of any type" if kind is ANYTHING else kind.__name__


def type_of(hint: Any) -> Type:
    """The type an annotation stands for; ANYTHING where rules can make nothing of it."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Fact or hint is Fact:
        return FactOf(type_of(args[0]) if args else ANYTHING)
    if origin in (Union, types.UnionType):
        kinds = [type_of(arg) for arg in args if arg is not type(None)]
        kind = kinds[0] if all(other == kinds[0] for other in kinds) else float if set(kinds) == {int, float} else ANYTHING
        return Maybe(kind) if type(None) in args else kind
    if origin is Literal:
        return type(args[0])
    if origin is ClassVar:
        return type_of(args[0])
    if isinstance(origin, type):
        if issubclass(origin, tuple) and not (len(args) == 2 and args[1] is Ellipsis):
            return ListOf(type_of(args[0])) if len(set(args)) == 1 else ANYTHING
        if issubclass(origin, Collection) and len(args) - (origin is tuple) == 1:
            return ListOf(type_of(args[0]))
        return origin
    return hint if isinstance(hint, type) and hint not in (Any, type(None)) else ANYTHING


def attributes_of(cls: type) -> dict[str, Type]:
    """Every public attribute of a subject's class that rules can read."""
    known = _KNOWN.get(cls)
    if known is None:
        known = _KNOWN[cls] = _attributes(cls)
    return known


_KNOWN: dict[type, dict[str, Type]] = {}


def _attributes(cls: type) -> dict[str, Type]:
    found = {name: type_of(hint) for name, hint in get_type_hints(cls, localns=_type_only(cls.__module__)).items()}
    for klass in reversed(cls.__mro__[:-1]):
        found.update(_assigned(klass))
        for name, member in vars(klass).items():
            if isinstance(member, Setting):
                kind = type_of(member.type)
                found[name] = FactOf(Maybe(kind) if member.default is None else kind)
            elif isinstance(member, property | cached_property):
                getter = member.fget if isinstance(member, property) else member.func
                hints = get_type_hints(getter, localns=_type_only(getter.__module__))
                found[name] = type_of(hints.get("return", ANYTHING))
            elif type(member) in (bool, int, float, str):
                found.setdefault(name, type(member))
            elif callable(member):
                found.pop(name, None)
    return {name: kind for name, kind in found.items() if not name.startswith("_")}


@cache
def _type_only(module: str) -> dict[str, Any]:
    """What a module imports for type checking only: its annotations speak of that, too."""
    names = {"__name__": module, "__package__": sys.modules[module].__package__}
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError):
        return {}  # installed without sources
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            exec("\n".join(map(ast.unparse, node.body)), names)
    return names


def _assigned(cls: type) -> dict[str, Type]:
    """What ``__init__`` assigns to ``self``, where an annotation, a parameter or a literal tells the type."""
    function = vars(cls).get("__init__")
    if not isinstance(function, types.FunctionType) or function.__module__ != cls.__module__:
        return {}
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):
        return {}  # written by dataclass(), or installed without sources
    names = vars(sys.modules[cls.__module__]) | _type_only(cls.__module__)
    parameters = get_type_hints(function, localns=_type_only(cls.__module__))
    found: dict[str, Type] = {}
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Attribute(value=ast.Name(id="self"), attr=name), annotation=annotation):
                found[name] = type_of(eval(ast.unparse(annotation), names))
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value):
                match value:
                    case ast.Name(id=parameter) if parameter in parameters:
                        found.setdefault(name, type_of(parameters[parameter]))
                    case ast.JoinedStr():
                        found.setdefault(name, str)
                    case ast.Constant(value=bool() | int() | float() | str() as literal):
                        found.setdefault(name, type(literal))
    return found


def has_span(kind: Type) -> bool:
    """Whether a thing of this type stands somewhere in a file."""
    return isinstance(kind, FactOf) or kind is Span or (isinstance(kind, type) and attributes_of(kind).get("span") is Span)
