"""PHP: database connections in code and Laravel config files, read with tree-sitter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..patterns import lazy
from ..source import Source, Span
from ..tuples import NamedTuple
from ..value import Computed, Literal, Opaque, Value
from . import Fault

if TYPE_CHECKING:
    from tree_sitter import Node

    from ..treesitter import Syntax
    from .php_arrays import Array, Item
    from .php_names import Scope
    from .php_query_log import QueryLogCall
    from .php_values import Reader

# A file without any of these byte strings holds no connection and is not parsed.
NEEDLES: tuple[bytes, ...] = (b"new PDO", b"new \\PDO", b"pg_pconnect", b"pg_connect", b"'connections'", b'"connections"',
                              b"'environments'", b'"environments"', b"ATTR_PERSISTENT",
                              b"PDO::connect", b"new Pdo\\", b"new \\Pdo\\", b"enableQueryLog")  # fmt: skip


class SettingEntry(NamedTuple):
    """One ``key => value`` of an array; ``key`` of class constants is the bare constant (``ATTR_PERSISTENT``).

    ``Pdo\\Pgsql::ATTR_DISABLE_PREPARES`` and its older name are both ``PGSQL_ATTR_DISABLE_PREPARES``; a key that
    is one of two constants is ``A|B``.  ``items`` are the elements when the value is a list (``value`` is then
    Opaque).  ``shadowed`` are the entries of the same key that lose to this one, the nearest first.
    """

    key: str
    value: Value
    span: Span
    key_span: Span
    value_span: Span
    items: tuple[Value, ...] = ()
    shadowed: tuple[SettingEntry, ...] = ()


class ConnectionEntry(NamedTuple):
    """One entry of ``connections`` in a Laravel ``config/database.php``; the last of repeated keys wins, as in PHP.

    ``read_hosts`` and ``write_hosts`` hold the hosts of a read/write split (empty: no split; Laravel splits when
    there is a ``read``, whatever ``write`` says).  ``options``, ``read`` and ``write`` are not among ``settings``.
    ``settings_known`` and ``options_known`` are False where others may be set by something that could not be read,
    or by one side of the split.
    """

    name: str
    span: Span  # of the key
    settings: Mapping[str, SettingEntry]
    options: Mapping[str, SettingEntry]
    options_span: Span | None
    read_hosts: tuple[Value, ...] = ()
    write_hosts: tuple[Value, ...] = ()
    options_known: bool = True
    settings_known: bool = True


class PdoCall(NamedTuple):
    """``new PDO(dsn, user, password, options)``, ``PDO::connect``, ``pg_connect`` or ``pg_pconnect``; ``function`` says which.

    ``driver`` is the part of the DSN before its colon when that much is written out, else "".  ``keywords`` are
    the DSN's (``host``, ``dbname``), each with what is known of it, which may be more than of the DSN as a whole;
    empty when the DSN is not taken apart with certainty.  The password is not among them.
    """

    function: str
    span: Span
    dsn: Value | None
    user: Value | None
    options: Mapping[str, SettingEntry]
    options_span: Span | None
    options_known: bool  # False: options are given by something that could not be read
    driver: str = ""
    keywords: Mapping[str, Value] = {}
    password: Value | None = None  # the argument, else the DSN's


class Supervisor(NamedTuple):
    """One Horizon supervisor of ``environments.<environment>``, merged over ``defaults``.

    A supervisor of ``defaults`` runs in every environment, named there or not (``span`` is then its key in
    ``defaults``).  An environment may be a pattern (``*``); Horizon takes the first that fits, in file order.
    Keys are Horizon's own (``processes`` is ``maxProcesses``, ``tries`` ``maxTries``), a list of queues is joined
    with commas.  Source: Laravel\\Horizon\\ProvisioningPlan.
    """

    environment: str
    name: str
    span: Span
    settings: Mapping[str, SettingEntry]
    settings_known: bool = True


class PhpFile(NamedTuple):
    """What one PHP file says about connections."""

    source: Source
    connections: tuple[ConnectionEntry, ...] = ()
    default_connection: Value | None = None
    calls: tuple[PdoCall, ...] = ()
    supervisors: tuple[Supervisor, ...] = ()
    attributes_set: tuple[SettingEntry, ...] = ()  # ``$pdo->setAttribute(PDO::ATTR_PERSISTENT, true)``
    connections_known: bool = True  # False: there may be others
    supervisors_known: bool = True
    query_logs: tuple[QueryLogCall, ...] = ()
    faults: tuple[Fault, ...] = ()  # where broken syntax may hide connections: the first place


# Where to look: what opens connections or sets constants
_PLACES = lazy(
    rb"\b(?:new\s+[\\\w]*(?:pdo|pgsql)\b|(?:pdo|pgsql)\s*::\s*connect\b|pg_p?connect\b|setattribute\b|enablequerylog\b|define\s*\()",
    re.IGNORECASE,
)
_KEYS = (b"'connections'", b'"connections"', b"'environments'", b'"environments"')
_CLASSES = frozenset({"pdo", "pdo\\pgsql"})
_PLAIN = frozenset({"program", "expression_statement", "function_call_expression", "namespace_definition", "compound_statement"})
_DEEPEST = 400
_Seen = dict[int, "tuple[Array, dict[str, SettingEntry]]"]  # options by the identity of their array


def parse(source: Source) -> PhpFile:
    """Read one PHP file; broken code gives what could be read of it."""
    from .. import treesitter
    from . import php_laravel
    from .php_values import Reader

    syntax = treesitter.parse("php", source)
    reader = Reader(syntax)
    paths = list(_paths(syntax.root, [match.start() for match in _PLACES.finditer(syntax.data)]))
    for path in paths:
        if path[-2].type == "function_call_expression" and _text(path[-1]) == "define":
            reader.names.define(path[-2], all(node.type in _PLAIN for node in path[:-1]))
    calls: list[PdoCall] = []
    seen: _Seen = {}
    attributes: list[SettingEntry] = []
    logs: list[QueryLogCall] = []
    for path in paths:
        word = _text(path[-1]) if path[-1].type in ("name", "new") else ""
        if word == "setattribute":
            attribute = _attribute(reader, path)
            if attribute is not None:
                attributes.append(attribute)
        elif word == "enablequerylog":
            from .php_query_log import query_log

            logged = query_log(syntax, path)
            if logged is not None:
                logs.append(logged)
        elif word and word != "define":
            call = _call(reader, path, seen)
            if call is not None:
                calls.append(call)
    found = PhpFile(source, calls=tuple(calls), attributes_set=tuple(attributes), query_logs=tuple(logs))
    if any(key in syntax.data for key in _KEYS):
        found = php_laravel.configured(reader, found)
    return found._replace(faults=_faults(syntax)) if syntax.root.has_error else found


def _faults(syntax: Syntax) -> tuple[Fault, ...]:
    """Where the grammar first gives up, in a file that speaks of connections; PHP itself refuses the whole file."""
    from ..treesitter import first_error

    wrong = first_error(syntax.root) if any(needle in syntax.data for needle in NEEDLES) else None
    if wrong is None:
        return ()
    line = syntax.data.find(b"\n", wrong.start_byte, wrong.end_byte)
    span = syntax.bytes_span(wrong.start_byte, line if line >= 0 else wrong.end_byte)
    return (Fault("the syntax is broken here, so connections in this file may be missed", span),)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "surrogateescape").lower()


def _paths(root: Node, offsets: list[int]) -> Iterator[list[Node]]:
    """The nodes from the root down to the token at each byte of ``offsets`` (rising); one pass over the tree for all."""
    cursor = root.walk()
    path = [root]
    for at in offsets:
        while len(path) > 1 and path[-1].end_byte <= at:
            while cursor.goto_next_sibling():
                node = cursor.node
                if node is not None and node.end_byte > at:
                    path[-1] = node
                    break
            else:
                cursor.goto_parent()
                path.pop()
        if path[-1].start_byte > at:
            continue
        while cursor.goto_first_child_for_byte(at) is not None:
            node = cursor.node
            if node is None:
                break
            path.append(node)
            if node.start_byte > at:
                break
        if path[-1].start_byte <= at and 2 < len(path) < _DEEPEST:
            yield list(path)


def _call(reader: Reader, path: list[Node], seen: _Seen) -> PdoCall | None:
    """The connection opened at the last node of ``path``, if one is."""
    from .php_nodes import arguments, bare

    leaf, node = path[-1], path[-2]
    if node.type == "qualified_name":
        node = path[-3]
    if leaf.type == "new" and node.type == "object_creation_expression":
        owner = next((child for child in node.named_children if child.type != "comment"), None)
        function = "new PDO"
    elif node.type == "scoped_call_expression":
        owner = node.child_by_field_name("scope")
        name = node.child_by_field_name("name")
        if name is None or _text(name) != "connect":
            return None
        function = "PDO::connect"
    elif leaf.type == "name" and node.type == "function_call_expression" and _text(leaf) in ("pg_connect", "pg_pconnect"):
        called = node.child_by_field_name("function")
        if bare(called).lower() != _text(leaf):
            return None
        owner, function = None, _text(leaf)
    else:
        return None
    given = arguments(node)
    if given is None or (owner is not None and reader.names.class_name(owner) not in _CLASSES) or (owner is None and function[:3] != "pg_"):
        return None
    if not given.positional and not given.named and not given.spread:
        return None
    scope = reader.names.scope(path)
    span = reader.span(node)
    if owner is None:
        dsn_node, user_node, options_node = given.get(0, "connection_string"), None, None
    else:
        dsn_node, user_node, options_node = given.get(0, "dsn"), given.get(1, "username"), given.get(3, "options")
    dsn: Value | None = Opaque("given by a list of arguments", span) if given.spread else None
    if dsn_node is not None:
        dsn = reader.value(dsn_node, scope)
        if owner is None and len(given.positional) > 2:
            dsn = Opaque("given as separate arguments", span)
    options, known = _options(reader, options_node, scope, seen)
    keywords = _keywords(dsn, owner is not None)
    word = given.get(2, "password") if owner is not None else None
    said = keywords.pop("password", None)
    return PdoCall(
        function,
        span,
        dsn,
        reader.value(user_node, scope) if user_node is not None else None,
        options,
        reader.span(options_node) if options_node is not None else None,
        known and (options_node is not None or not given.spread),
        _driver(dsn) if owner is not None and reader.names.class_name(owner) == "pdo" else "pgsql",
        keywords,
        reader.value(word, scope) if word is not None else said,
    )


def _options(reader: Reader, node: Node | None, scope: Scope, seen: _Seen) -> tuple[Mapping[str, SettingEntry], bool]:
    """PDO options by name, and whether these are all; calls that share an array share what is read of it."""
    if node is None:
        return {}, True
    array = reader.array(node, scope)
    if array is not None:
        if id(array) not in seen:
            seen[id(array)] = array, as_options(reader, array)
        return seen[id(array)][1], array.known
    value = reader.value(node, scope)
    return {}, isinstance(value, Literal) and value.value is None


def as_options(reader: Reader, array: Array) -> dict[str, SettingEntry]:
    """The entries of an array of PDO options, by the constant's name."""
    from .php_arrays import by_attribute

    return {key: as_entry(reader, item) for key, item in by_attribute(array).items()}


def as_entry(reader: Reader, item: Item, key: str | None = None, beaten: tuple[SettingEntry, ...] = ()) -> SettingEntry:
    shadowed = list(beaten)
    loser = item.beaten
    while loser is not None:
        shadowed.append(SettingEntry(loser.key, reader.item_value(loser), loser.span, loser.key_span, loser.value_span))
        loser = loser.beaten
    array = reader.item_array(item)
    return SettingEntry(
        item.key if key is None else key,
        reader.item_value(item) if array is None else Opaque("an array", item.value_span),
        item.span,
        item.key_span,
        item.value_span,
        tuple(reader.item_value(inner) for inner in array.items.values()) if array is not None else (),
        tuple(shadowed),
    )


def _attribute(reader: Reader, path: list[Node]) -> SettingEntry | None:
    """``->setAttribute(PDO::ATTR_X, value)`` at the last node of ``path``."""
    from .php_nodes import arguments

    node = path[-2]
    if node.type not in ("member_call_expression", "nullsafe_member_call_expression") or _text(path[-1]) != "setattribute":
        return None
    given = arguments(node)
    if given is None or given.spread:
        return None
    key_node, value_node = given.get(0, "attribute"), given.get(1, "value")
    key = reader.names.pdo_name(key_node) if key_node is not None else ""
    if key_node is None or value_node is None or not key:
        return None
    key_span, value_span = reader.span(key_node), reader.span(value_node)
    span = Span(key_span.source, min(key_span.start, value_span.start), max(key_span.end, value_span.end))
    return SettingEntry(key, reader.value(value_node, reader.names.scope(path)), span, key_span, value_span)


def _pieces(value: Value | None) -> tuple[Value, ...]:
    from .php_convert import concat

    if isinstance(value, Computed) and value.apply is concat:
        return value.args
    return (value,) if value is not None else ()


def _driver(dsn: Value | None) -> str:
    first = _pieces(dsn)[:1]
    text = first[0].value if first and isinstance(first[0], Literal) else None
    return text.partition(":")[0].strip().lower() if isinstance(text, str) and ":" in text else ""


def _keywords(dsn: Value | None, is_pdo: bool) -> dict[str, Value]:
    """``host=…;port=…`` taken apart; {} where quotes, a URL or a computed key make that uncertain."""
    from .php_convert import concat

    pieces = _pieces(dsn)
    found: dict[str, Value] = {}
    key, value = "", list[Value]()
    in_value = False
    for number, piece in enumerate(pieces):
        if not isinstance(piece, Literal):
            if not in_value:
                return {}
            value.append(piece)
            continue
        text = str(piece.value)
        shift = 0
        if number == 0 and is_pdo:
            if not text.lower().startswith("pgsql:"):
                return {}
            shift = len("pgsql:")
        if "'" in text or "\\" in text or "://" in text:
            return {}
        written = piece.span.text
        inset = 0 if written == text else 1 if written[1:-1] == text else -1
        while shift <= len(text):
            end = next((at for at in range(shift, len(text)) if text[at] in "; \t\r\n"), len(text))
            begin = shift
            if not in_value:
                equals = text.find("=", shift, end)
                if equals < 0 and shift < end:
                    return {}
                if equals >= 0:
                    key, begin, in_value = text[shift:equals], equals + 1, True
            if in_value and begin < end:
                start = piece.span.start + inset + begin
                span = piece.span if inset < 0 else Span(piece.span.source, start, start + end - begin)
                value.append(Literal(text[begin:end], span))
            if end == len(text):
                break
            if in_value and value:
                found[key] = value[0] if len(value) == 1 else Computed(concat, tuple(value), piece.span)
            in_value, value, shift = False, [], end + 1
    if in_value and value:
        found[key] = value[0] if len(value) == 1 else Computed(concat, tuple(value), pieces[-1].span)
    return found
