"""PHP arrays: literals, spreads, merges and element writes, as PHP itself combines their keys.

PDO's constants are numbers, and ``array_merge`` and ``...`` renumber numeric
keys: options that went through them have lost their meaning, as in PHP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..source import Span
from ..tuples import NamedTuple
from ..value import Computed, Literal, Opaque, Value
from .php_convert import ATTRIBUTES, kept, to_bool
from .php_names import Scope
from .php_nodes import arguments, asks_capability, bare, parts, text
from .php_scope import Write

if TYPE_CHECKING:
    from tree_sitter import Node

    from .php_values import Reader

_DEEPEST = 40


class Item(NamedTuple):
    """One element: the value is ``value`` or ``array`` if they are set, else what ``node`` says in ``scope``.

    ``numeric``: the key is a number, which PHP changes when it merges or spreads.  ``beaten`` is the
    item of the same key that this one overwrites.
    """

    key: str
    numeric: bool
    span: Span
    key_span: Span
    value_span: Span
    scope: Scope
    node: Node | None = None
    value: Value | None = None
    array: Array | None = None
    beaten: Item | None = None


class Array:
    """Items by key in PHP's order; ``known`` is False when others may be in it too."""

    __slots__ = ("items", "known", "next_number")

    def __init__(self, items: dict[str, Item], known: bool = True, next_number: int = 0) -> None:
        self.items = items
        self.known = known
        self.next_number = next_number

    def put(self, item: Item) -> None:
        """Set an element as ``=>`` does."""
        old = self.items.get(item.key)
        if item.numeric and item.key.lstrip("-").isdigit():
            self.next_number = max(self.next_number, int(item.key) + 1)
        self.items[item.key] = item if old is None else item._replace(beaten=old)

    def append(self, item: Item) -> None:
        """Add an element under the next free number."""
        number = self.next_number
        self.put(item._replace(key=str(number), numeric=True))

    def copy(self) -> Array:
        """Another array with the same items."""
        return Array(dict(self.items), self.known, self.next_number)


def read(reader: Reader, node: Node, scope: Scope, depth: int = 0) -> Array | None:
    """The array an expression amounts to; None if that is not known, or it is none."""
    if depth > _DEEPEST or reader.exhausted:
        return None
    if node.id in reader.arrays:
        return reader.arrays[node.id]
    found = _read(reader, node, scope, depth + 1)
    if found is not None and node.type != "array_creation_expression":
        reader.spend(len(found.items) + 1)
    reader.arrays[node.id] = found
    return found


def _read(reader: Reader, node: Node, scope: Scope, depth: int) -> Array | None:
    match node.type:
        case "array_creation_expression":
            return literal(reader, node.named_children, scope, depth)
        case "parenthesized_expression" | "error_suppression_expression":
            inside = parts(node)
            return read(reader, inside[0], scope, depth) if inside else None
        case "cast_expression":
            inner = node.child_by_field_name("value")
            is_array = text(node.child_by_field_name("type")).strip().lower() == "array"
            return read(reader, inner, scope, depth) if inner is not None and is_array else None
        case "assignment_expression":
            right = node.child_by_field_name("right")
            return read(reader, right, scope, depth) if right is not None else None
        case "binary_expression":
            return _binary(reader, node, scope, depth)
        case "conditional_expression":
            return _conditional(reader, node, scope, depth)
        case "function_call_expression":
            return _call(reader, node, scope, depth)
        case "variable_name":
            return _reached(reader, text(node)[1:], node.start_byte, scope, depth)
        case "member_access_expression" | "scoped_property_access_expression":
            return _property(reader, node, scope, depth)
        case "class_constant_access_expression" | "name" | "qualified_name":
            constant = reader.names.constant(node, scope)
            return read(reader, constant[0], constant[1], depth) if constant is not None else None
        case "subscript_expression":
            return _element(reader, node, scope, depth)
    return None


def _element(reader: Reader, node: Node, scope: Scope, depth: int) -> Array | None:
    inside = parts(node)
    base = read(reader, inside[0], scope, depth) if len(inside) > 1 else None
    key = reader.key(inside[1], scope) if base is not None else None
    item = base.items.get(key[0]) if base is not None and key is not None else None
    return reader.item_array(item, depth) if item is not None else None


def literal(reader: Reader, elements: list[Node], scope: Scope, depth: int = 0) -> Array:
    """The array of the elements written between two brackets."""
    array = Array({})
    for element in elements:
        if element.type != "array_element_initializer":
            array.known = array.known and element.type == "comment"
            continue
        inside = parts(element)
        if not inside:
            continue
        value = inside[-1]
        if len(inside) > 2:  # does not parse: no telling what belongs to what
            array.known = False
            continue
        if value.type == "variadic_unpacking":
            unpacked = parts(value)
            if reader.exhausted:
                array.known = False
                break
            _spread(array, read(reader, unpacked[0], scope, depth) if unpacked else None)
        elif len(inside) == 1:
            array.append(_item(reader, element, None, value, scope))
        else:
            name = reader.key(inside[0], scope)
            if name is not None:
                array.put(_item(reader, element, inside[0], value, scope, name))
            else:  # some element is set, and no one knows which
                _doubt(array, "an element whose key is computed may replace it")
                array.known = False
    return array


def _item(reader: Reader, whole: Node, key: Node | None, value: Node, scope: Scope, name: tuple[str, bool] = ("", False)) -> Item:
    span = reader.span(value)
    key_span = reader.span(key) if key is not None else Span(span.source, span.start, span.start)
    return Item(name[0], name[1], reader.span(whole), key_span, span, scope, value)


def _doubt(array: Array, reason: str, *, numeric: bool = True) -> None:
    """Something may have replaced any of the items (of text keys only, unless ``numeric``)."""
    for key, item in array.items.items():
        if numeric or not item.numeric:
            array.items[key] = item._replace(value=Opaque(reason, item.value_span), array=None, node=None)


def _spread(array: Array, more: Array | None) -> None:
    """``...$more`` and ``array_merge``: text keys replace, numbers are given anew."""
    if more is None:
        _doubt(array, "what is merged over it is not known", numeric=False)
        array.known = False
        return
    if not more.known:
        _doubt(array, "what is merged over it is not known", numeric=False)
    array.known = array.known and more.known
    for item in more.items.values():
        if item.numeric:
            array.append(item)
        else:
            array.put(item)


def _call(reader: Reader, node: Node, scope: Scope, depth: int) -> Array | None:
    name, call = bare(node.child_by_field_name("function")).lower(), arguments(node)
    if call is None or call.spread or call.named or not call.positional:
        return None
    if name == "array_filter" and len(call.positional) == 1:
        array = read(reader, call.positional[0], scope, depth)
        return _filtered(reader, array, depth) if array is not None else None
    if name not in ("array_merge", "array_replace", "array_replace_recursive"):
        return None
    given = [read(reader, argument, scope, depth) for argument in call.positional]
    result = Array({})
    for array in given:
        reader.spend(len(array.items) if array is not None else 1)
        if reader.exhausted:
            return None
        if name == "array_merge":
            _spread(result, array)
        elif array is None or not array.known:
            _doubt(result, "what is merged over it is not known")
            result = over(reader, result, array or Array({}), deep=name != "array_replace")
            result.known = False
        else:
            result = over(reader, result, array, deep=name != "array_replace")
    return result


def over(reader: Reader, below: Array, above: Array, *, deep: bool = True, depth: int = 0) -> Array:
    """``array_replace``, or for ``deep`` ``array_replace_recursive``: ``above`` wins key by key, order stays."""
    result = below.copy()
    result.known = below.known and above.known
    for key, item in above.items.items():
        old = result.items.get(key)
        if deep and old is not None and depth < _DEEPEST:
            inner, outer = reader.item_array(old, depth), reader.item_array(item, depth)
            if inner is not None and outer is not None:
                item = item._replace(array=over(reader, inner, outer, depth=depth + 1))
        result.put(item)
    return result


def _filtered(reader: Reader, array: Array, depth: int) -> Array:
    """``array_filter`` without a callback: what is false is dropped, keys stay."""
    result = Array({}, array.known)
    for item in array.items.values():
        inner = reader.item_array(item, depth)
        if inner is not None:
            if inner.items or not inner.known:
                result.put(item)
            continue
        value = reader.item_value(item, depth)
        if isinstance(value, Literal):
            if to_bool(value.value):
                result.put(item)
        else:
            result.put(item if isinstance(value, Opaque) else item._replace(value=Computed(kept, (value,), item.value_span)))
    return result


def _binary(reader: Reader, node: Node, scope: Scope, depth: int) -> Array | None:
    operator = text(node.child_by_field_name("operator"))
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if left is None or right is None:
        return None
    if operator == "??":
        return read(reader, left, scope, depth)
    if operator == "+":
        return _union(read(reader, left, scope, depth), read(reader, right, scope, depth))
    return None


def _union(left: Array | None, right: Array | None) -> Array | None:
    """``+``: the left one wins, the right one adds what it lacks."""
    if left is None and right is None:
        return None
    result = left.copy() if left is not None else Array({}, known=False)
    known = result.known and right is not None and right.known
    for key, item in (right.items if right is not None else {}).items():
        if key in result.items:
            result.items[key] = result.items[key]._replace(beaten=item)
        elif result.known:
            result.put(item)
        else:
            result.put(item._replace(value=Opaque("what it is added to is not known", item.value_span), array=None, node=None))
    result.known = known
    return result


def _conditional(reader: Reader, node: Node, scope: Scope, depth: int) -> Array | None:
    condition, body, other = (node.child_by_field_name(name) for name in ("condition", "body", "alternative"))
    if condition is None or other is None:
        return None
    yes = read(reader, body or condition, scope, depth)
    no = read(reader, other, scope, depth)
    if yes is not None and no is not None and asks_capability(condition) and not (yes.items and no.items):
        return yes if yes.items else no
    return either(reader, yes, no, depth)


def either(reader: Reader, one: Array | None, other: Array | None, depth: int = 0) -> Array | None:
    """An array that is one of two: what both agree on is known."""
    if one is None or other is None:
        return None
    result = Array({}, one.known and other.known)
    for key in {**one.items, **other.items}:
        first, second = one.items.get(key), other.items.get(key)
        item = first or second
        if item is None:
            continue
        if first is not None and second is not None:
            values = reader.item_value(first, depth), reader.item_value(second, depth)
            if all(isinstance(value, Literal) for value in values) and same(*values):
                result.put(first)
                continue
        result.put(item._replace(value=Opaque("set under a condition", item.value_span), array=None, node=None))
    return result


def same(one: object, other: object) -> bool:
    """Whether two values are written out and equal."""
    if not (isinstance(one, Literal) and isinstance(other, Literal)):
        return False
    return type(one.value) is type(other.value) and one.value == other.value


def _reached(reader: Reader, name: str, place: int, scope: Scope, depth: int) -> Array | None:
    found = reader.names.writes(scope).reaching(name, place)
    if found is None or depth > _DEEPEST:
        return None
    array: Array | None = None
    if not found or not found[0][1] or found[0][0].how not in ("=", "?", "global"):
        if not any(write.how == "[]" and sure for write, sure in found):
            outer = reader.names.outside(name, scope)
            if outer is None:
                return None
            array = _reached(reader, name, outer[1], outer[0], depth + 1)
        elif reader.names.is_parameter(name, scope) or reader.names.outside(name, scope) is not None:
            array = Array({}, known=False)
        else:
            array = Array({})  # PHP makes an array of an unset variable
    for write, sure in found:
        array = _written(reader, array, write, sure, scope, depth, name)
    return array


def _written(reader: Reader, before: Array | None, write: Write, sure: bool, scope: Scope, depth: int, name: str) -> Array | None:
    if write.how == "global" and sure:
        source = reader.names.global_source(name)
        return read(reader, source, reader.names.file, depth) if source is not None else None
    if write.how in ("=", "+=", "??="):
        new = read(reader, write.node, scope, depth) if write.node is not None else None
        if write.how == "+=":
            new = _union(before, new)
        elif write.how == "??=":
            new = before if before is not None else None
        return new if sure else either(reader, before, new, depth)
    if write.how not in ("[]", "unset"):
        return None
    array = before.copy() if before is not None else Array({}, known=False)
    reader.spend(len(array.items))
    _set(reader, array, write, sure, scope)
    return array


def _set(reader: Reader, array: Array, write: Write, sure: bool, scope: Scope) -> None:
    """One ``$x[key] = value``."""
    key = reader.key(write.key, scope) if write.key is not None else None
    whole = reader.span(write.whole)
    if write.how == "unset":
        if key is None:
            _doubt(array, "an element whose key is computed may be removed")
        elif key[0] in array.items:
            if sure:
                del array.items[key[0]]
            else:
                old = array.items[key[0]]
                array.items[key[0]] = old._replace(value=Opaque("removed under a condition", old.value_span), array=None, node=None)
        return
    if write.key is None or key is None:
        if write.key is not None:
            _doubt(array, "an element whose key is computed may replace it")
        array.known = False
        return
    value_span = reader.span(write.node) if write.node is not None else whole
    item = Item(key[0], key[1], whole, reader.span(write.key), value_span, scope, write.node)
    if write.node is None:
        item = item._replace(value=Opaque("changed in a way that was not followed", value_span))
    elif not sure:
        old_item = array.items.get(key[0])
        if old_item is None or not same(reader.item_value(old_item), reader.value(write.node, scope)):
            item = item._replace(value=Opaque("set under a condition", value_span))
    array.put(item)


def _property(reader: Reader, node: Node, scope: Scope, depth: int) -> Array | None:
    place = reader.names.property_place(node, scope)
    if place is None:
        return None
    if isinstance(place, str):
        return _reached(reader, place, node.start_byte, scope, depth)
    return read(reader, place[0], place[1], depth)


def by_attribute(array: Array) -> dict[str, Item]:
    """The items of an options array by the constant's name, numbers of attributes included."""
    named: dict[str, Item] = {}
    for key, item in array.items.items():
        if item.numeric and key.isdigit() and int(key) < len(ATTRIBUTES):
            name = ATTRIBUTES[int(key)]
            named[name] = item._replace(key=name, beaten=named.get(name, item.beaten))
        else:
            named[key] = item._replace(beaten=named[key]) if key in named else item
    return named
