"""What calls and methods return: the standard library's, a few well-known crates', and the crate's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..source import Span
from ..units import Seconds
from ..value import Computed, EnvRead, Literal, Opaque, Value
from . import rust_scalars as scalars
from .rust_code import COMMENTS, arguments
from .rust_forms import bare_is_url, diverges, segments
from .rust_names import Bound, Ref, Scope, parameters, scalar, takes_self

if TYPE_CHECKING:
    from tree_sitter import Node

    from .rust_values import Reader

# methods that hand on what they are called on, for our purposes
PASSING = frozenset(
    (
        "into",
        "try_into",
        "clone",
        "cloned",
        "copied",
        "to_owned",
        "to_string",
        "as_str",
        "as_ref",
        "as_deref",
        "as_mut",
        "deref",
        "borrow",
        "get",
        "expose_secret",
        "ok",
        "ok_or",
        "ok_or_else",
        "context",
        "with_context",
        "map_err",
        "wrap_err",
        "wrap_err_with",
        "inspect",
        "inspect_err",
        "unwrap",
        "expect",
        "unwrap_unchecked",
        "flatten",
        "transpose",
        "into_inner",
        "into_string",
        "to_str",
        "as_os_str",
        "leak",
        "into_boxed_str",
        "as_deref_mut",
        "to_string_lossy",
        "into_owned",
        "attach_printable",
        "change_context",
        "await_ready",
        "unwrap_or_log",
        "expect_or_log",
    )
)
_PANICKING = frozenset({"unwrap", "expect", "unwrap_or_log", "expect_or_log"})
_WRAPPERS = frozenset({"Some", "Ok", "Box", "Arc", "Rc", "Secret", "SecretString", "SecretBox", "Cow", "Owned", "Borrowed"})
_LAZY = frozenset({"Lazy", "LazyLock", "LazyCell", "OnceCell", "SyncLazy"})
_ARITHMETIC = {"saturating_add": "+", "saturating_mul": "*", "checked_add": "+", "checked_mul": "*", "checked_sub": "-", "checked_div": "/",
               "wrapping_add": "+", "wrapping_mul": "*", "mul": "*", "add": "+", "sub": "-", "div": "/"}  # fmt: skip
_DOTENV = frozenset({"dotenvy", "dotenv"})
# setters of PgConnectOptions that leave alone where they lead
_KEEPING_TARGET = frozenset(
    {
        "log_statements",
        "log_slow_statements",
        "disable_statement_logging",
        "application_name",
        "ssl_mode",
        "ssl_root_cert",
        "options",
        "statement_cache_capacity",
        "extra_float_digits",
        "ssl_client_cert",
        "ssl_client_key",
    }
)
_CPUS = "the number of CPUs the process sees"


def call(reader: Reader, node: Node, scope: Scope, hint: str) -> Value:
    function = node.child_by_field_name("function")
    if function is None:
        return reader.unknown(node, scope)
    kinds = ""
    if function.type == "generic_function":
        turbofish = function.child_by_field_name("type_arguments")
        kinds = scope.file.text(turbofish) if turbofish is not None else ""
        function = function.child_by_field_name("function") or function
    if function.type == "field_expression":
        return _method(reader, node, function, kinds, scope, hint)
    if function.type in ("identifier", "scoped_identifier"):
        args: list[Bound] = [Ref(arg, scope) for arg in arguments(node)]
        return call_path(reader, function, args, node, scope, hint or scalar(kinds))
    return reader.unknown(node, scope)


def apply(reader: Reader, function: Node, args: list[Bound], node: Node, scope: Scope, hint: str) -> Value:
    """Call a closure, or a function given by its path, with ``args``."""
    if function.type == "closure_expression":
        holder, body = function.child_by_field_name("parameters"), function.child_by_field_name("body")
        names: dict[str, Bound] = {}
        patterns = [child for child in holder.named_children if child.type not in COMMENTS] if holder is not None else []
        for pattern, arg in zip(patterns, args, strict=False):
            if pattern.type == "parameter":
                pattern = pattern.child_by_field_name("pattern") or pattern
            names[scope.file.text(pattern).lstrip("&").removeprefix("mut ").strip()] = arg
        return reader.value(body, scope.bind(function, names), hint) if body is not None else reader.unknown(node, scope)
    if function.type == "generic_function":
        function = function.child_by_field_name("function") or function
    if function.type in ("identifier", "scoped_identifier"):
        return call_path(reader, function, args, node, scope, hint)
    return reader.unknown(node, scope)


def call_path(reader: Reader, function: Node, args: list[Bound], node: Node, scope: Scope, hint: str) -> Value:
    """The value of ``path::to::function(args)``."""
    file = scope.file
    path = segments(file.text(function))
    name, before = path[-1], path[-2] if len(path) > 1 else ""
    span = file.span(node)
    if before:
        known = _known_path(reader, name, before, path, args, node, scope, hint, span)
        if known is not None:
            return known
    elif name in ("Some", "Ok") and len(args) == 1:
        return reader.force(args[0], hint)
    definition = reader.select(name, before, function, scope)
    if definition is not None:
        return reader.follow(definition, args, node, scope, hint)
    if name in ("var", "var_os") and not before and b"env::" in file.data and len(args) == 1:
        return reader.environment(args[0], span)
    if name in ("max", "min") and not before and b"cmp::" in file.data and len(args) == 2:
        return _extreme(reader, name, args, span, hint)
    if name == "available_parallelism":
        return Opaque(_CPUS, span)
    return reader.unknown(node, scope)


def _known_path(
    reader: Reader, name: str, before: str, path: list[str], args: list[Bound], node: Node, scope: Scope, hint: str, span: Span
) -> Value | None:
    """What the standard library and well-known crates return; None for any other path."""
    count = len(args)
    if name in ("var", "var_os") and count == 1 and before in ("env", "dotenvy", "dotenv"):
        return reader.environment(args[0], span)
    if before == "Duration":
        make = scalars.duration(name)
        if make is not None and count == (2 if name == "new" else 1):
            part = "f64" if name.startswith("from_secs_f") else "u64"
            return reader.compute(make, [reader.force(arg, part) for arg in args], span)
    if count == 2 and name in ("max", "min") and (before in ("cmp", "Ord") or before in scalars.RANGES):
        return _extreme(reader, name, args, span, hint)
    if count == 1 and (name in ("Some", "Ok") or (name in ("new", "from", "Owned", "Borrowed") and before in _WRAPPERS)):
        return reader.force(args[0], hint)
    if count == 1 and before == "String" and name in ("from", "from_str"):
        return reader.force(args[0], "str")
    if count == 0 and before == "String" and name == "new":
        return Literal("", span)
    if count == 1 and before.startswith("NonZero") and name in ("new", "new_unchecked", "try_from", "from", "from_str"):
        return _non_zero(reader, name, args[0], scalar(before), span)
    if count == 1 and (before in scalars.RANGES or before in ("f32", "f64", "bool")):
        if name in ("from", "try_from"):
            kind = before
            return reader.compute(lambda v: scalars.narrow(v, kind), (reader.force(args[0]),), span)
        if name == "from_str":
            return reader.compute(scalars.parser(before), (reader.force(args[0], "str"),), span)
    if count == 1 and name in ("from_str", "parse", "from_url") and before in ("Url", "PgConnectOptions", "SecretString"):
        return reader.force(args[0], "str")
    if count == 1 and before in _LAZY and name in ("new", "from"):
        lazy = args[0]
        if isinstance(lazy, Ref):
            return apply(reader, lazy.node, [], node, lazy.scope, hint)
    if path[0] == "num_cpus" or name == "available_parallelism":
        return Opaque(_CPUS, span)
    return None


def _extreme(reader: Reader, name: str, args: list[Bound], span: Span, hint: str) -> Value:
    return reader.compute(scalars.most if name == "max" else scalars.least, [reader.force(arg, hint) for arg in args], span)


def _non_zero(reader: Reader, name: str, arg: Bound, kind: str, span: Span) -> Value:
    def check(value: object) -> object:
        number = scalars.parse_text(value, kind) if isinstance(value, str) else value
        if scalars.number(number) == 0:
            raise ValueError("zero")
        return number

    return reader.compute(check, (reader.force(arg, kind),), span)


def _method(reader: Reader, node: Node, function: Node, kinds: str, scope: Scope, hint: str) -> Value:
    file = scope.file
    receiver, field = function.child_by_field_name("value"), function.child_by_field_name("field")
    if receiver is None or field is None:
        return reader.unknown(node, scope)
    name, args, span = file.text(field), arguments(node), file.span(node)
    if name in PASSING and (name != "get" or not args) and (len(args) < 2):
        value = reader.value(receiver, scope, hint)
        if name == "to_string" and isinstance(value, Literal) and not isinstance(value.value, str):
            try:
                return Literal(scalars.text(value.value), value.span)  # where it is decided is where the number stands
            except ValueError:
                return reader.unknown(node, scope)
        if name == "try_into" and hint in scalars.RANGES:
            return reader.compute(lambda v: scalars.narrow(v, hint), (value,), span)
        if name in _PANICKING and isinstance(value, Computed):
            reader.panics[id(value)] = value
        return value
    bounds: list[Bound] = [Ref(arg, scope) for arg in args]
    if name == "parse" and not args:
        kind = scalar(kinds) or ("" if hint in ("duration", "str") else hint)
        named = kinds.strip("<>: ")
        if named and not kind and len(named) > 2:
            if bare_is_url(kinds):
                return reader.value(receiver, scope, "str")
            return reader.unknown(node, scope)
        if hint == "str" and not kind:
            return reader.value(receiver, scope, "str")
        if hint == "duration" and not kind:
            return reader.unknown(node, scope)
        return reader.compute(scalars.parser(kind), (reader.value(receiver, scope, "str"),), span)
    if name in ("unwrap_or", "unwrap_or_else", "unwrap_or_default", "or", "or_else"):
        first = reader.value(receiver, scope, hint)
        body = args[0].child_by_field_name("body") if name == "unwrap_or_else" and args else None
        if body is not None and diverges(body, file.data):
            if isinstance(first, Computed):
                reader.panics[id(first)] = first
            return first
        return reader.fallback(first, _second(reader, name, first, args, node, scope, hint), span)
    if name in ("map", "and_then", "map_or", "map_or_else") and args:
        subject = reader.value(receiver, scope)
        if isinstance(subject, Opaque) or (isinstance(subject, Literal) and subject.value is None and name in ("map", "and_then")):
            return subject
        result = apply(reader, args[-1], [subject], node, scope, hint)
        if name in ("map", "and_then"):
            return reader.present(result, subject, span)
        other = reader.value(args[0], scope, hint) if name == "map_or" else apply(reader, args[0], [], node, scope, hint)
        return reader.chosen(result, subject, other, span)
    if name in ("get_or_init", "get_or_try_init", "get_or_insert_with") and len(args) == 1:
        return apply(reader, args[0], [], node, scope, hint)
    if name in _KEEPING_TARGET and len(args) < 3:
        return reader.value(receiver, scope, hint) if hint == "str" else reader.unknown(node, scope)
    if name == "filter" and len(args) == 1:
        subject = reader.value(receiver, scope, hint)
        if isinstance(subject, EnvRead) and "".join(file.text(args[0]).split()).endswith(".is_empty()") and "!" in file.text(args[0]):
            return EnvRead(subject.name, subject.span, empty_is_missing=True)
        return reader.unknown(node, scope)
    if name in ("max", "min") and len(args) == 1:
        return _extreme(reader, name, [Ref(receiver, scope), bounds[0]], span, hint)
    if name == "clamp" and len(args) == 2:
        return reader.compute(scalars.clamp, [reader.force(arg, hint) for arg in (Ref(receiver, scope), *bounds)], span)
    if name in _ARITHMETIC and len(args) == 1:
        sign = _ARITHMETIC[name]
        return reader.compute(lambda a, b: scalars.binary(sign, a, b), (reader.value(receiver, scope, hint), reader.force(bounds[0])), span)
    if name == "saturating_sub" and len(args) == 1:
        return reader.compute(scalars.saturating_sub, (reader.value(receiver, scope, hint), reader.force(bounds[0])), span)
    if name == "trim" and not args:
        return reader.compute(lambda v: v.strip() if isinstance(v, str) else v, (reader.value(receiver, scope, "str"),), span)
    if name in ("as_secs", "as_secs_f64", "as_millis") and not args:
        return reader.compute(scalars.part_of(name), (reader.value(receiver, scope, "duration"),), span)
    return _own_method(reader, name, receiver, bounds, node, scope, hint)


def _second(reader: Reader, name: str, first: Value, args: list[Node], node: Node, scope: Scope, hint: str) -> Value:
    span = scope.file.span(node)
    if name == "unwrap_or_default":
        if isinstance(first, EnvRead) or hint == "str":
            return Literal("", span)
        if hint == "duration":
            return Literal(Seconds(0), span)
        if hint == "bool":
            return Literal(False, span)
        return Literal(0, span) if hint in scalars.RANGES else Opaque("the default of its type", span)
    if not args:
        return reader.unknown(node, scope)
    if isinstance(first, EnvRead):
        hint = "str"
    if name in ("unwrap_or_else", "or_else"):
        return apply(reader, args[0], [], node, scope, hint)
    return reader.value(args[0], scope, hint)


def _own_method(reader: Reader, name: str, receiver: Node, args: list[Bound], node: Node, scope: Scope, hint: str) -> Value:
    if not reader.code.functions(name):
        return reader.unknown(node, scope)
    struct = reader.structs.thing(Ref(receiver, scope)).struct
    found = reader.code.functions_of(name, struct) if struct else []  # a method of this name may be any library's
    if len(found) != 1 or not takes_self(found[0].node) or len(parameters(found[0].node)) != len(args):
        return reader.unknown(node, scope)
    return reader.follow(found[0], args, node, scope, hint, Ref(receiver, scope))
