"""PHP calls whose result the text decides: Laravel's ``env()``, ``getenv``, ``sprintf`` and the like, and reads of ``$_ENV``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..source import Span
from ..value import Computed, EnvRead, Fallback, Literal, Opaque, Value
from .php_convert import ARGUMENTS, CASTS, FUNCTIONS, as_count, as_truth, laravel
from .php_names import Scope
from .php_nodes import Call, bare, text

if TYPE_CHECKING:
    from tree_sitter import Node

    from .php_arrays import Array, Item
    from .php_values import Reader

# variables of $_SERVER that the web server makes of the request
_REQUEST = (
    "HTTPS REQUEST_METHOD REQUEST_URI REQUEST_TIME REQUEST_TIME_FLOAT REQUEST_SCHEME SERVER_NAME SERVER_PORT SERVER_ADDR SERVER_PROTOCOL"
    " SERVER_SOFTWARE SERVER_SIGNATURE SERVER_ADMIN REMOTE_ADDR REMOTE_HOST REMOTE_PORT REMOTE_USER SCRIPT_NAME SCRIPT_FILENAME SCRIPT_URI"
    " SCRIPT_URL DOCUMENT_ROOT DOCUMENT_URI QUERY_STRING PATH_INFO PATH_TRANSLATED ORIG_PATH_INFO CONTENT_TYPE CONTENT_LENGTH AUTH_TYPE"
    " GATEWAY_INTERFACE CONTEXT_PREFIX CONTEXT_DOCUMENT_ROOT PHP_SELF PHP_AUTH_USER PHP_AUTH_PW PHP_AUTH_DIGEST argv argc"
)
_REQUEST_NAMES = frozenset(_REQUEST.split())
_FILTERS: dict[str, Callable[..., object]] = {
    "FILTER_VALIDATE_BOOLEAN": as_truth,
    "FILTER_VALIDATE_BOOL": as_truth,
    "FILTER_VALIDATE_INT": as_count,
}
_MOST_HOLES = 50  # of a sprintf format


def is_request(name: str) -> bool:
    """Whether ``$_SERVER[name]`` is filled from the request."""
    return name in _REQUEST_NAMES or name.startswith(("HTTP_", "REDIRECT_"))


def function_call(reader: Reader, node: Node, scope: Scope, depth: int) -> Value:
    """What a call of a function amounts to."""
    span = reader.span(node)
    name = bare(node.child_by_field_name("function")).lower()
    call = reader.arguments(node)
    if not name or call is None or call.spread:
        return Opaque("computed when the program runs", span)
    if name == "env":
        return _env(reader, call, scope, depth, span)
    if name == "getenv":
        read = _read(reader, call.get(0, "name"), scope, depth)
        return read if isinstance(read, Opaque) else Fallback(read, Literal(False, span), span)
    if name == "sprintf":
        return _sprintf(reader, call, scope, depth, span)
    if name == "config":
        return Opaque("read from Laravel's configuration", span)
    count = len(call.positional)
    if name == "implode" and count == 2:
        glue = reader.value(call.positional[0], scope, depth)
        return _implode(reader, glue, reader.array(call.positional[1], scope, depth), depth, span)
    function = FUNCTIONS.get(name)
    if name == "filter_var" and count == 2:
        function, count = _FILTERS.get(bare(call.positional[1])), 1
    elif name in FUNCTIONS and not ARGUMENTS[name][0] <= count <= ARGUMENTS[name][1]:
        function = None
    if function is None or call.named:
        return Opaque(f"computed by {name}()", span)
    return reader.apply(function, tuple(reader.value(argument, scope, depth) for argument in call.positional[:count]), span)


def _env(reader: Reader, call: Call, scope: Scope, depth: int, span: Span) -> Value:
    read = _read(reader, call.get(0, "key"), scope, depth)
    if isinstance(read, Opaque):
        return read
    default = call.get(1, "default")
    if default is not None and default.type == "arrow_function":
        default = default.child_by_field_name("body")
    otherwise = reader.value(default, scope, depth) if default is not None else Literal(None, span)
    return Fallback(Computed(laravel, (read,), read.span), otherwise, span)


def _read(reader: Reader, name: Node | None, scope: Scope, depth: int) -> EnvRead | Opaque:
    if name is None:
        return Opaque("an environment variable without a name", reader.span(reader.syntax.root))
    known = reader.reads.get(name.id)
    if known is not None:
        return known
    found = reader.value(name, scope, depth)
    if isinstance(found, Literal) and isinstance(found.value, str):
        read: EnvRead | Opaque = EnvRead(found.value, reader.span(name))
    else:
        read = Opaque("an environment variable whose name is computed", reader.span(name))
    reader.reads[name.id] = read
    return read


def static_call(reader: Reader, node: Node, scope: Scope, depth: int) -> Value:
    """What a call of a static method amounts to: only Laravel's ``Env`` is known."""
    owner, name = node.child_by_field_name("scope"), text(node.child_by_field_name("name"))
    call = reader.arguments(node)
    if owner is not None and call is not None and not call.spread and bare(owner) == "Env":
        if name == "get":
            return _env(reader, call, scope, depth, reader.span(node))
        if name == "getOrFail":
            read = _read(reader, call.get(0, "key"), scope, depth)
            if isinstance(read, EnvRead):
                read = read._replace(required="getOrFail() throws")
                return Computed(laravel, (read,), read.span)
    return Opaque(f"computed by {bare(owner) or 'a class'}::{name}()", reader.span(node))


def _sprintf(reader: Reader, call: Call, scope: Scope, depth: int, span: Span) -> Value:
    form = reader.value(call.positional[0], scope, depth) if call.positional else None
    if not isinstance(form, Literal) or not isinstance(form.value, str) or form.value.count("%") > _MOST_HOLES:
        return Opaque("computed by sprintf()", span)
    pieces: list[Value] = []
    given = iter(call.positional[1:])
    rest = form.value
    while rest:
        before, percent, rest = rest.partition("%")
        if before:
            pieces.append(Literal(before, form.span))
        if not percent:
            break
        kind = rest[:1]
        number, dollar, tail = rest.partition("$")
        argument: Node | None = None
        if kind == "%":
            pieces.append(Literal("%", form.span))
            rest = rest[1:]
            continue
        if dollar and number.isdigit() and len(number) < 3:
            kind, rest = tail[:1], tail
            argument = call.positional[int(number)] if 0 < int(number) < len(call.positional) else None
        else:
            argument = next(given, None)
        if argument is None or kind not in ("s", "d", "u"):
            pieces.append(Opaque("computed by sprintf()", span))
            return reader.joined(pieces, span)
        found = reader.value(argument, scope, depth)
        pieces.append(found if kind == "s" else reader.apply(CASTS["int"], (found,), found.span))
        rest = rest[1:]
    return reader.joined(pieces, span)


def _implode(reader: Reader, glue: Value, array: Array | None, depth: int, span: Span) -> Value:
    if array is None or not array.known or not isinstance(glue, Literal):
        return Opaque("computed by implode()", span)
    pieces: list[Value] = []
    for item in array.items.values():
        pieces.extend(([glue] if pieces else []) + [reader.item_value(item, depth)])
    return reader.joined(pieces, span)


def split_text(reader: Reader, item: Item) -> Value | None:
    """The text that ``explode(',', text)`` takes apart; None for anything else."""
    node = item.node
    if node is None or item.value is not None or node.type != "function_call_expression":
        return None
    call = reader.arguments(node)
    if bare(node.child_by_field_name("function")).lower() != "explode" or call is None or len(call.positional) != 2:
        return None
    glue = reader.value(call.positional[0], item.scope)
    return reader.value(call.positional[1], item.scope) if isinstance(glue, Literal) and glue.value == "," else None


def array_read(reader: Reader, index: Node, scope: Scope, depth: int) -> EnvRead | Opaque:
    """The read of ``$_ENV[index]``; within a string the name has no quotes."""
    if index.type == "name" and reader.names.constant(index, scope) is None:
        return EnvRead(text(index), reader.span(index))
    return _read(reader, index, scope, depth)
