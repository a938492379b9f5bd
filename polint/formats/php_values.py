"""PHP expressions as Values, and arrays as items with places, following variables and constants within one file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..source import Span
from ..treesitter import Syntax
from ..value import Computed, EnvRead, Fallback, Literal, Opaque, Value
from . import php_calls
from .php_arrays import Array, Item, same
from .php_arrays import read as read_array
from .php_convert import (
    CASTS,
    OPERATORS,
    concat,
    negate,
    not_false,
    not_null,
    to_number,
    to_text,
    truthy,
    unescape,
    unquote,
    whole_number,
)
from .php_names import Names, Scope
from .php_nodes import Call, arguments, bare, parts, text
from .php_scope import Write

if TYPE_CHECKING:
    from tree_sitter import Node

_DEEPEST = 40  # nested expressions and variables behind variables
_SUPERGLOBALS = frozenset({"$_GET", "$_POST", "$_REQUEST", "$_COOKIE", "$_FILES", "$_SESSION", "$_SERVER", "$_ENV", "$GLOBALS"})
_MOST_STEPS = 100_000  # work spent on following variables, in all of one file


class Reader:
    """Reads expressions of one file."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax
        self.names = Names(syntax.root)
        self._steps = 0
        self._following = 0
        self.arrays: dict[int, Array | None] = {}
        self.calls: dict[int, Call | None] = {}
        self.reads: dict[int, EnvRead | Opaque] = {}
        self._ascii = syntax.source.text.isascii()

    @property
    def exhausted(self) -> bool:
        """Whether following variables has cost more than a file may."""
        return self._steps > _MOST_STEPS

    def spend(self, steps: int) -> None:
        """Count work done on following variables and putting arrays together."""
        self._steps += steps

    def span(self, node: Node) -> Span:
        """Where a node is."""
        if self._ascii:
            return Span(self.syntax.source, node.start_byte, node.end_byte)
        return self.syntax.span(node)

    def arguments(self, node: Node) -> Call | None:
        """The arguments of a call, kept for the next who asks."""
        if node.id not in self.calls:
            self.calls[node.id] = arguments(node)
        return self.calls[node.id]

    # values

    def value(self, node: Node, scope: Scope, depth: int = 0) -> Value:
        """What an expression amounts to."""
        if depth > _DEEPEST:
            return Opaque("nested too deeply to follow", self.span(node))
        if self._following:
            self._steps += 1
        reader = _READERS.get(node.type)
        return reader(self, node, scope, depth + 1) if reader else Opaque("computed when the program runs", self.span(node))

    def _string(self, node: Node, scope: Scope, depth: int) -> Value:
        body = text(node)
        start = body.find("'") + 1
        return Literal(unquote(body[start:-1]), self.span(node))

    def _encapsed(self, node: Node, scope: Scope, depth: int) -> Value:
        return self.joined([self._piece(child, scope, depth) for child in parts(node)], self.span(node))

    def _piece(self, child: Node, scope: Scope, depth: int) -> Value:
        match child.type:
            case "string_content" | "nowdoc_string":
                return Literal(text(child), self.span(child))
            case "escape_sequence":
                return Literal(unescape(text(child)), self.span(child))
            case "dynamic_variable_name":
                named = parts(child)
                if len(named) == 1 and named[0].type == "name":
                    return self._variable(text(named[0]), child, scope, depth)
        return self.value(child, scope, depth)

    def _heredoc(self, node: Node, scope: Scope, depth: int) -> Value:
        body, end = node.child_by_field_name("value"), node.child_by_field_name("end_tag")
        if body is None or end is None:
            return Literal("", self.span(node))
        data = self.syntax.data
        indent = data[data.rfind(b"\n", 0, end.start_byte) + 1 : end.start_byte].decode("utf-8", "surrogateescape")
        found: list[Value] = []
        run, begin, at = "", body.start_byte, body.start_byte

        def close() -> None:
            nonlocal run
            if not found:  # the line end after the opening tag is not part of the text
                run = run.removeprefix("\r").removeprefix("\n").removeprefix(indent)
            found.append(Literal(run.replace("\n" + indent, "\n"), self.syntax.bytes_span(begin, at)))
            run = ""

        for child in body.children:  # line ends are not nodes: they lie between them
            run += data[at : child.start_byte].decode("utf-8", "surrogateescape")
            at = child.start_byte
            if child.type in ("string_content", "nowdoc_string"):
                run += text(child)
            elif child.is_named:
                close()
                found.append(self._piece(child, scope, depth))
                begin = child.end_byte
            at = child.end_byte
        run += data[at : body.end_byte].decode("utf-8", "surrogateescape")
        at = body.end_byte
        close()
        return self.joined(found, self.span(node))

    def _number(self, node: Node, scope: Scope, depth: int) -> Value:
        written = text(node)
        try:
            return Literal(whole_number(written) if node.type == "integer" else float(written.replace("_", "")), self.span(node))
        except ValueError:
            return Opaque("not a number that could be read", self.span(node))

    def _boolean(self, node: Node, scope: Scope, depth: int) -> Value:
        return Literal(text(node).lower() == "true", self.span(node))

    def _null(self, node: Node, scope: Scope, depth: int) -> Value:
        return Literal(None, self.span(node))

    def _inner(self, node: Node, scope: Scope, depth: int) -> Value:
        inside = parts(node)
        return self.value(inside[0], scope, depth) if inside else Opaque("not complete", self.span(node))

    def _unary(self, node: Node, scope: Scope, depth: int) -> Value:
        operator, argument = text(node.child_by_field_name("operator")), node.child_by_field_name("argument")
        apply: Callable[..., object] | None = {"!": negate, "-": _minus, "+": to_number}.get(operator)
        if argument is None or apply is None:
            return Opaque("computed when the program runs", self.span(node))
        return self.apply(apply, (self.value(argument, scope, depth),), self.span(node))

    def _cast(self, node: Node, scope: Scope, depth: int) -> Value:
        cast = CASTS.get(text(node.child_by_field_name("type")).strip().lower())
        inner = node.child_by_field_name("value")
        if cast is None or inner is None:
            return Opaque("computed when the program runs", self.span(node))
        return self.apply(cast, (self.value(inner, scope, depth),), self.span(node))

    def apply(self, function: Callable[..., object], args: tuple[Value, ...], span: Span) -> Value:
        """``function`` over ``args``, at once where they are written out."""
        for arg in args:
            if isinstance(arg, Opaque):
                return arg
        if all(isinstance(arg, Literal) for arg in args):
            try:
                return Literal(function(*(arg.value for arg in args if isinstance(arg, Literal))), span)
            except (ValueError, TypeError, ArithmeticError):
                return Opaque("computed when the program runs", span)
        return Computed(function, args, span)

    def joined(self, pieces: list[Value], span: Span) -> Value:
        """Text made of pieces, neighbours that are written out made one."""
        flat: list[Value] = []
        for piece in pieces:
            flat.extend(piece.args if isinstance(piece, Computed) and piece.apply is concat else (piece,))
        merged: list[Value] = []
        run: list[str] = []
        first: Span = span
        last: Span = span

        def close() -> None:
            if run:
                same = first.source is last.source and first.start <= last.start
                merged.append(Literal("".join(run), Span(first.source, first.start, last.end) if same else last))
                run.clear()

        for piece in flat:
            try:
                written = to_text(piece.value) if isinstance(piece, Literal) else None
            except ValueError:
                piece, written = Opaque("a float in PHP's own notation", piece.span), None
            if written is None:
                close()
                merged.append(piece)
                continue
            if not run:
                first = piece.span
            last = piece.span
            run.append(written)
        close()
        if not merged:
            return Literal("", span)
        if len(merged) == 1 and isinstance(merged[0], Literal):
            return Literal(merged[0].value, span)
        return Computed(concat, tuple(merged), span)

    def either(self, first: Value, check: Callable[[object], object], second: Value, span: Span) -> Value:
        """``first`` if ``check`` lets it pass, else ``second``."""
        if isinstance(first, Literal):
            try:
                check(first.value)
            except ValueError:
                return second
            return first
        if isinstance(first, Fallback) and isinstance(first.second, Literal):
            # what stands in for an unset variable is itself passed over: drop it
            try:
                check(first.second.value)
            except ValueError:
                return self.either(first.first, check, second, span)
        if isinstance(first, Opaque):
            return first
        if isinstance(first, EnvRead) and check is not truthy:
            return Fallback(first, second, span)  # a variable that is set is text
        return Fallback(Computed(check, (first,), first.span), second, span)

    def _binary(self, node: Node, scope: Scope, depth: int) -> Value:
        operator = text(node.child_by_field_name("operator")).lower()
        if operator == ".":
            operands: list[Node] = []
            left: Node | None = node
            while left is not None and left.type == "binary_expression" and text(left.child_by_field_name("operator")) == ".":
                right = left.child_by_field_name("right")
                if right is not None:
                    operands.append(right)
                left = left.child_by_field_name("left")
            if left is not None:
                operands.append(left)
            return self.joined([self.value(operand, scope, depth) for operand in reversed(operands)], self.span(node))
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:
            return Opaque("not complete", self.span(node))
        if operator == "??":
            return self.either(self.value(left, scope, depth), not_null, self.value(right, scope, depth), self.span(node))
        apply = OPERATORS.get(operator)
        if apply is None:
            return Opaque("computed when the program runs", self.span(node))
        return self.apply(apply, (self.value(left, scope, depth), self.value(right, scope, depth)), self.span(node))

    def _conditional(self, node: Node, scope: Scope, depth: int) -> Value:
        span = self.span(node)
        condition, body, other = (node.child_by_field_name(name) for name in ("condition", "body", "alternative"))
        if condition is None or other is None:
            return Opaque("not complete", span)
        otherwise = self.value(other, scope, depth)
        if body is None:
            return self.either(self.value(condition, scope, depth), truthy, otherwise, span)
        chosen = self.value(body, scope, depth)
        while condition.type == "parenthesized_expression" and parts(condition):
            condition = parts(condition)[0]
        check = self._asks_for(condition, text(body))
        if check is not None:
            return self.either(chosen, check, otherwise, span)
        decided = self.value(condition, scope, depth)
        if isinstance(decided, Literal):
            return chosen if not negate(decided.value) else otherwise
        return chosen if same(chosen, otherwise) else Opaque("chosen by a condition", span)

    def _asks_for(self, condition: Node, body: str) -> Callable[[object], object] | None:
        """The check behind ``x ? x : …``, ``isset(x) ? x : …``, ``!empty(x) ? x : …`` and ``x !== false ? x : …``."""
        if text(condition) == body:
            return truthy
        if condition.type == "function_call_expression":
            call = arguments(condition)
            asked = bare(condition.child_by_field_name("function")).lower()
            if asked == "isset" and call is not None and [text(node) for node in call.positional] == [body]:
                return not_null
        if condition.type == "unary_op_expression" and text(condition.child_by_field_name("operator")) == "!":
            inner = condition.child_by_field_name("argument")
            if inner is not None and inner.type == "function_call_expression":
                call = arguments(inner)
                if bare(inner.child_by_field_name("function")).lower() == "empty" and call is not None:
                    return truthy if [text(node) for node in call.positional] == [body] else None
        if condition.type == "binary_expression" and text(condition.child_by_field_name("operator")) in ("!==", "!="):
            sides = {text(condition.child_by_field_name("left")).lower(), text(condition.child_by_field_name("right")).lower()}
            strict = text(condition.child_by_field_name("operator")) == "!=="
            if sides == {body.lower(), "false"}:
                return not_false if strict else truthy
            if sides == {body.lower(), "null"} and strict:
                return not_null
        return None

    def _subscript(self, node: Node, scope: Scope, depth: int) -> Value:
        span, inside = self.span(node), parts(node)
        if len(inside) < 2:
            return Opaque("computed when the program runs", span)
        base, index = inside[0], inside[1]
        written = text(base)
        if written in ("$_ENV", "$_SERVER"):
            read = php_calls.array_read(self, index, scope, depth) if index.type in ("string", "encapsed_string", "name") else None
            if isinstance(read, EnvRead) and not (written == "$_SERVER" and php_calls.is_request(read.name)):
                return Fallback(read, Literal(None, span), span)
        if written in _SUPERGLOBALS:
            return Opaque("taken from the request" if written != "$_ENV" else "an environment variable whose name is computed", span)
        array = self.array(base, scope, depth)
        bare_key = index.type == "name" and self.names.constant(index, scope) is None  # as written within a string
        key = Literal(text(index), span) if bare_key else self.value(index, scope, depth)
        if array is not None and isinstance(key, Literal):
            item = array.items.get(to_text(key.value) if not isinstance(key.value, float) else "")
            if item is not None:
                return self.item_value(item, depth)
        return Opaque("taken from an array that is not written here", span)

    def item_value(self, item: Item, depth: int = 0) -> Value:
        """What an element amounts to; an array is Opaque."""
        if item.value is not None:
            return item.value
        if item.array is not None or item.node is None or item.node.type == "array_creation_expression":
            return Opaque("an array", item.value_span)
        return self.value(item.node, item.scope, depth)

    def item_array(self, item: Item, depth: int = 0) -> Array | None:
        """The array an element is; None if it is none, or not known."""
        if item.array is not None:
            return item.array
        return self.array(item.node, item.scope, depth) if item.node is not None and item.value is None else None

    # names

    def _name(self, node: Node, scope: Scope, depth: int) -> Value:
        found = self.names.constant(node, scope)
        if found is not None:
            inner, within = found
            return self._follow(lambda: self.value(inner, within, depth), node)
        if bare(node) == "PHP_EOL":
            return Literal("\n", self.span(node))
        return Opaque(f"the constant {bare(node)} is not set here", self.span(node))

    def _follow(self, read: Callable[[], Value], node: Node) -> Value:
        if self.exhausted:
            return Opaque("too long to follow", self.span(node))
        self._following += 1
        try:
            return read()
        finally:
            self._following -= 1

    def _class_constant(self, node: Node, scope: Scope, depth: int) -> Value:
        constant = self.names.pdo_name(node)
        if constant:
            return Literal(constant, self.span(node))
        found = self.names.constant(node, scope)
        if found is None:
            return Opaque("a constant of another class", self.span(node))
        inner, within = found
        return self._follow(lambda: self.value(inner, within, depth), node)

    def _variable_name(self, node: Node, scope: Scope, depth: int) -> Value:
        return self._variable(text(node)[1:], node, scope, depth)

    def _variable(self, name: str, node: Node, scope: Scope, depth: int) -> Value:
        return self._follow(lambda: self._reached(name, node.start_byte, scope, depth, self.span(node)), node)

    def _reached(self, name: str, place: int, scope: Scope, depth: int, span: Span) -> Value:
        found = self.names.writes(scope).reaching(name, place)
        if found is None or len(found) > _DEEPEST or depth > _DEEPEST:
            return Opaque(f"${name} is set in more than one place", span)
        if not found or not found[0][1] or found[0][0].how not in ("=", "?", "global"):
            outer = self.names.outside(name, scope)
            start: Value
            if outer is not None:
                start = self._reached(name, outer[1], outer[0], depth + 1, span)
            else:
                given = self.names.is_parameter(name, scope)
                start = Opaque(f"${name} is given by the caller" if given else f"${name} is not set here", span)
            if not found:
                return start
        else:
            start = Opaque(f"${name} is not set here", span)
        for write, sure in found:
            start = self._written(start, write, sure, scope, depth, span, name)
        return start

    def _written(self, before: Value, write: Write, sure: bool, scope: Scope, depth: int, span: Span, name: str) -> Value:
        if write.how == "global" and sure:
            return self._global(name, depth, span)
        if write.node is None or write.how not in ("=", ".=", "??="):
            return Opaque(f"${name} changes in a way that was not followed", span)
        new = self.value(write.node, scope, depth)
        if write.how == ".=":
            part = new if sure else Opaque("added under a condition", self.span(write.whole))
            return self.joined([before, part], Span(span.source, min(before.span.start, part.span.start), part.span.end))
        if write.how == "??=":
            new = self.either(before, not_null, new, self.span(write.whole))
        if sure or same(before, new):
            return new
        return Opaque(f"${name} is set under a condition", span)

    def _global(self, name: str, depth: int, span: Span) -> Value:
        source = self.names.global_source(name)
        if source is None:
            return Opaque(f"the global ${name} is not set once and for all here", span)
        return self.value(source, self.names.file, depth)

    def _property(self, node: Node, scope: Scope, depth: int) -> Value:
        place = self.names.property_place(node, scope)
        if place is None:
            return Opaque("a property that is not set once and for all here", self.span(node))
        if isinstance(place, str):
            name = place
            return self._follow(lambda: self._reached(name, node.start_byte, scope, depth, self.span(node)), node)
        inner, within = place
        return self._follow(lambda: self.value(inner, within, depth), node)

    def _assignment(self, node: Node, scope: Scope, depth: int) -> Value:
        right = node.child_by_field_name("right")
        return self.value(right, scope, depth) if right is not None else Opaque("not complete", self.span(node))

    # arrays

    def array(self, node: Node, scope: Scope, depth: int = 0) -> Array | None:
        """The array an expression amounts to; None if that is not known, or it is none.  Not to be changed by the caller."""
        return read_array(self, node, scope, depth)

    def key(self, node: Node, scope: Scope, depth: int = 0) -> tuple[str, bool] | None:
        """An array key as text, and whether it is a number to PHP; None if it is not known."""
        while node.type == "parenthesized_expression" and parts(node):
            node = parts(node)[0]
        constant = self.names.pdo_name(node)
        if constant:
            return constant, True
        if node.type == "conditional_expression":
            sides = [node.child_by_field_name(name) for name in ("body", "alternative")]
            keys = [self.key(side, scope, depth + 1) for side in sides if side is not None] if depth < _DEEPEST else []
            if len(keys) == 2 and keys[0] is not None and keys[1] is not None:
                return keys[0] if keys[0][0] == keys[1][0] else (f"{keys[0][0]}|{keys[1][0]}", keys[0][1])
            return None
        found = self.value(node, scope, depth)
        if isinstance(found, Literal):
            shown = to_text(int(found.value) if isinstance(found.value, (float, bool)) else found.value)
            digits = shown.removeprefix("-")
            if digits.isascii() and digits.isdigit() and (digits == "0" or digits[0] != "0") and len(digits) < 19:
                return shown, True
            return shown, False
        if node.type == "class_constant_access_expression":
            return text(parts(node)[-1]), False
        return (bare(node), False) if bare(node) else None


def _minus(value: object) -> object:
    return -to_number(value)


# the reader of each kind of node
_READERS: dict[str, Callable[[Reader, Node, Scope, int], Value]] = {
    "string": Reader._string,
    "encapsed_string": Reader._encapsed,
    "heredoc": Reader._heredoc,
    "nowdoc": Reader._heredoc,
    "integer": Reader._number,
    "float": Reader._number,
    "boolean": Reader._boolean,
    "null": Reader._null,
    "parenthesized_expression": Reader._inner,
    "error_suppression_expression": Reader._inner,
    "unary_op_expression": Reader._unary,
    "cast_expression": Reader._cast,
    "binary_expression": Reader._binary,
    "conditional_expression": Reader._conditional,
    "function_call_expression": php_calls.function_call,
    "scoped_call_expression": php_calls.static_call,
    "subscript_expression": Reader._subscript,
    "name": Reader._name,
    "qualified_name": Reader._name,
    "class_constant_access_expression": Reader._class_constant,
    "variable_name": Reader._variable_name,
    "member_access_expression": Reader._property,
    "scoped_property_access_expression": Reader._property,
    "assignment_expression": Reader._assignment,
}
