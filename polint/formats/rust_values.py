"""What a Rust expression evaluates to, as far as the crate's own files say: expression -> Value.

Nothing is guessed: what is not understood becomes Opaque with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..source import Span
from ..units import INFINITY, Seconds
from ..value import Computed, EnvRead, Fallback, Literal, Opaque, Value, text_of
from . import rust_scalars as scalars
from .rust_calls import call
from .rust_code import COMMENTS, Code, Definition, File, arguments, owner_of, returns, tail
from .rust_forms import diverges, elements, is_present, returned, segments, template, unknown_reason
from .rust_names import Bound, FieldRef, Names, Param, Ref, Scope, hint_of, parameters, takes_self
from .rust_structs import Structs, same

if TYPE_CHECKING:
    from tree_sitter import Node

_HOPS = 12
_NEST = 60
_STEPS = 4000

_INNER = frozenset(
    {"parenthesized_expression", "reference_expression", "try_expression", "await_expression", "unsafe_block", "async_block", "const_block"}
)


class Reader:
    """Reads expressions of one crate; ``start`` gives every setting its own share of work."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.names = Names()
        self.structs = Structs(self)
        self._nest = 0
        self._steps = 0
        self._callers: dict[tuple[int, int, str], list[Ref] | None] = {}
        self._active: set[tuple[int, int, str]] = set()
        self.panics: dict[int, Value] = {}  # values whose failure ends the program, kept alive by themselves

    def start(self) -> Reader:
        """Begin a new value: forget how much work the last one took."""
        self._steps = 0
        self.panics.clear()
        return self

    # --- entry points

    def value(self, node: Node, scope: Scope, hint: str = "") -> Value:
        """What ``node`` evaluates to; ``hint`` is the type it must have, where the place it stands at says so."""
        self._steps += 1
        if self._nest >= _NEST or self._steps > _STEPS or scope.hops > _HOPS:
            return Opaque("too involved to follow", scope.file.span(node))
        self._nest += 1
        try:
            return self._value(node, scope, hint)
        finally:
            self._nest -= 1

    def force(self, bound: Bound, hint: str = "") -> Value:
        """The value of something bound to a name."""
        if isinstance(bound, Ref):
            return self.value(bound.node, bound.scope, bound.hint or hint)
        if isinstance(bound, FieldRef):
            return self.structs.field(bound.base, bound.name, bound.base.scope.file.span(bound.base.node), hint)
        return bound

    # --- building values

    def compute(self, apply: Callable[..., object], args: Sequence[Value], span: Span) -> Value:
        """``apply`` over ``args``: at once where they are written right here, else as a Computed that keeps their places."""
        for arg in args:
            if isinstance(arg, Opaque):
                return arg
        literals = [arg for arg in args if isinstance(arg, Literal)]
        if len(literals) == len(args):
            try:
                result = apply(*(arg.value for arg in literals))
            except (ValueError, TypeError, OverflowError):
                return Computed(scalars.raising(apply), tuple(args), span)
            for arg in literals:
                if arg.value is result or (type(arg.value) is type(result) and arg.value == result):
                    return arg
            if all(arg.span.source is span.source and span.start <= arg.span.start and arg.span.end <= span.end for arg in literals):
                return Literal(result, span)
        return Computed(scalars.raising(apply), tuple(args), span)

    def fallback(self, first: Value, second: Value, span: Span) -> Value:
        """``first.unwrap_or(second)``, where a panic on the way to ``first`` stays a failure."""
        if isinstance(first, Literal):
            return second if first.value is None else first
        if isinstance(first, Opaque):
            return first
        if id(first) in self.panics and isinstance(first, Computed) and len(first.args) == 1 and isinstance(second, Literal):
            return Computed(scalars.unless(first.apply, second.value), (self.fallback(first.args[0], second, span),), span)
        return Fallback(first, second, span)

    def chosen(self, present: Value, subject: Value, absent: Value, span: Span) -> Value:
        """``present`` (made from ``subject``) where ``subject`` has a value, else ``absent``."""
        if isinstance(subject, Opaque):
            return subject
        if isinstance(subject, Literal):
            return absent if subject.value is None else present
        if isinstance(present, Literal) and same(present, absent):
            return present
        if isinstance(present, Fallback) and same(present.second, absent):
            return self.fallback(present.first, absent, span)
        return self.fallback(self.present(present, subject, span), absent, span)

    def present(self, result: Value, subject: Value, span: Span) -> Value:
        """``result``, made from ``subject``, as missing where ``subject`` is: what ``subject.map(..)`` yields."""
        if isinstance(subject, Literal):
            return result
        if isinstance(result, Literal):
            constant = result.value
            return Computed(lambda _: constant, (subject,), result.span)
        if isinstance(result, Fallback):
            first, second = result.first, result.second
            if isinstance(second, Literal) and isinstance(first, Computed):
                return Computed(scalars.rescued(first.apply, second.value), first.args, first.span)
            return Opaque("depends on a condition", span)
        return result

    def environment(self, name: Bound, span: Span) -> Value:
        """A read of the variable that ``name`` evaluates to."""
        text = self.force(name, "str")
        if isinstance(text, Literal) and isinstance(text.value, str):
            return EnvRead(text.value, text.span)
        return Opaque("read from a variable whose name is computed", span)

    # --- expressions

    def _value(self, node: Node, scope: Scope, hint: str) -> Value:
        file, kind = scope.file, node.type
        span = file.span(node)
        try:
            if kind == "integer_literal":
                return Literal(scalars.integer(file.text(node)), span)
            if kind == "float_literal":
                return Literal(scalars.decimal(file.text(node)), span)
            if kind == "string_literal":
                text = file.text(node)
                return Literal(scalars.unescape(text[text.find('"') + 1 : -1]), span)
            if kind == "raw_string_literal":
                text = file.text(node)
                hashes = text.find('"') - 1
                return Literal(text[text.find('"') + 1 : len(text) - 1 - max(0, hashes)], span)
        except (ValueError, OverflowError):
            return Opaque("written in a form that is not read", span)
        if kind == "boolean_literal":
            return Literal(file.text(node) == "true", span)
        if kind in _INNER or kind == "generic_function":
            inner = [child for child in node.named_children if child.type not in COMMENTS and child.type != "mutable_specifier"]
            return self.value(inner[0], scope, hint) if inner else self.unknown(node, scope)
        if kind == "unary_expression":
            return self._unary(node, scope, hint)
        if kind == "binary_expression":
            return self._binary(node, scope, hint)
        if kind == "type_cast_expression":
            return self._cast(node, scope)
        if kind in ("identifier", "shorthand_field_identifier"):
            return self._name(node, scope, hint)
        if kind == "scoped_identifier":
            return self._path_value(node, scope, hint)
        if kind == "field_expression":
            base, name = node.child_by_field_name("value"), node.child_by_field_name("field")
            if base is not None and name is not None and name.type == "field_identifier":
                return self.structs.field(Ref(base, scope), file.text(name), span, hint)
        if kind == "call_expression":
            return call(self, node, scope, hint)
        if kind == "macro_invocation":
            return self._macro(node, scope, hint)
        if kind == "block":
            last = tail(node)
            return self.value(last, scope, hint) if last is not None else self.unknown(node, scope)
        if kind == "if_expression":
            return self._if(node, scope, hint)
        if kind == "match_expression":
            return self._match(node, scope, hint)
        if kind == "closure_expression":
            return Opaque("decided by code as it runs", span)
        return self.unknown(node, scope)

    def unknown(self, node: Node, scope: Scope) -> Opaque:
        """An expression that is not understood."""
        return Opaque(unknown_reason(scope.file.text(node)), scope.file.span(node))

    def _unary(self, node: Node, scope: Scope, hint: str) -> Value:
        operand = node.named_children[-1] if node.named_children else None
        if operand is None:
            return self.unknown(node, scope)
        sign = node.children[0].type
        value = self.value(operand, scope, hint)
        if sign == "*":
            return value
        span = scope.file.span(node)
        if sign == "-":
            return self.compute(lambda v: -scalars.number(v), (value,), span)
        if sign == "!" and isinstance(value, Literal) and isinstance(value.value, bool):
            return Literal(not value.value, span)
        return self.unknown(node, scope)

    def _binary(self, node: Node, scope: Scope, hint: str) -> Value:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        operator = node.child_by_field_name("operator")
        if left is None or right is None or operator is None or operator.type not in ("+", "-", "*", "/", "%"):
            return self.unknown(node, scope)
        sign = operator.type
        part = "" if hint == "duration" else hint
        args = (self.value(left, scope, part), self.value(right, scope, part))
        return self.compute(lambda a, b: scalars.binary(sign, a, b), args, scope.file.span(node))

    def _cast(self, node: Node, scope: Scope) -> Value:
        operand, kind = node.child_by_field_name("value"), node.child_by_field_name("type")
        if operand is None or kind is None:
            return self.unknown(node, scope)
        target = scope.file.text(kind)
        return self.compute(lambda v: scalars.cast(v, target), (self.value(operand, scope),), scope.file.span(node))

    def _name(self, node: Node, scope: Scope, hint: str) -> Value:
        name = scope.file.text(node)
        if name == "None":
            return Literal(None, scope.file.span(node))
        found = self.names.find(name, node, scope)
        if isinstance(found, Param):
            return self.argument(found, scope.hops, hint)
        if found is not None:
            return self.force(found, hint)
        return self._const(name, "", node, scope, hint)

    def _const(self, name: str, qualifier: str, node: Node, scope: Scope, hint: str) -> Value:
        found = self.constant(name, qualifier, node, scope)
        if found is None:
            return self.unknown(node, scope)
        return self.force(found, hint)

    def constant(self, name: str, qualifier: str, node: Node, scope: Scope) -> Ref | None:
        """The value expression of a const or static, reached as ``qualifier::name``; None when there is no or no one such."""
        owner = scope.file.impl_of(node) if qualifier == "Self" else qualifier if qualifier[:1].isupper() else ""
        found = [
            definition
            for definition in self.code.consts(name)
            if (owner_of(definition.file, definition.node) == owner if owner else not owner_of(definition.file, definition.node))
        ]
        if len(found) > 1 and qualifier and not owner:
            found = [one for one in found if qualifier in one.file.module_names()] or found
        if len(found) > 1:
            found = [one for one in found if one.file is scope.file]
        if len(found) != 1:
            return None
        file, item = found[0]
        value = item.child_by_field_name("value")
        return Ref(value, Scope(file, hops=scope.hops + 1), hint_of(file, item)) if value is not None else None

    def _path_value(self, node: Node, scope: Scope, hint: str) -> Value:
        path = segments(scope.file.text(node))
        span = scope.file.span(node)
        name, before = path[-1], path[-2] if len(path) > 1 else ""
        if before == "Duration":
            if name == "ZERO":
                return Literal(Seconds(0), span)
            if name == "MAX":
                return Literal(Seconds(INFINITY), span)
        if name == "None":
            return Literal(None, span)
        if before in scalars.RANGES and name in ("MAX", "MIN"):
            return Literal(scalars.RANGES[before][name == "MAX"], span)
        return self._const(name, before, node, scope, hint)

    # --- conditions

    def _if(self, node: Node, scope: Scope, hint: str) -> Value:
        condition, then = node.child_by_field_name("condition"), node.child_by_field_name("consequence")
        otherwise = node.child_by_field_name("alternative")
        span = scope.file.span(node)
        if condition is None or then is None or otherwise is None or not otherwise.named_children:
            return self.unknown(node, scope)
        second = self.value(otherwise.named_children[-1], scope, hint)
        first = self.value(then, scope, hint)
        if condition.type == "let_condition":
            pattern, subject = condition.child_by_field_name("pattern"), condition.child_by_field_name("value")
            if pattern is not None and subject is not None and is_present(scope.file.text(pattern)):
                return self.chosen(first, self.value(subject, scope), second, span)
        elif "".join(scope.file.text(condition).split()) == "cfg!(test)":
            return second
        if same(first, second):
            return first
        return Opaque("depends on a condition", span)

    def _match(self, node: Node, scope: Scope, hint: str) -> Value:
        subject, body = node.child_by_field_name("value"), node.child_by_field_name("body")
        span = scope.file.span(node)
        if subject is None or body is None:
            return self.unknown(node, scope)
        arms = [arm for arm in body.named_children if arm.type == "match_arm"]
        present: Node | None = None
        absent: Node | None = None
        for arm in arms:
            pattern, value = arm.child_by_field_name("pattern"), arm.child_by_field_name("value")
            if pattern is None or value is None or pattern.child_by_field_name("condition") is not None:
                continue
            text = scope.file.text(pattern)
            if is_present(text):
                present = value
            elif text in ("None", "_", "Option::None") or text.startswith("Err("):
                absent = value
        if len(arms) == 2 and present is not None and absent is not None:
            if diverges(absent, scope.file.data):
                return self.value(present, scope, hint)
            return self.chosen(self.value(present, scope, hint), self.value(subject, scope), self.value(absent, scope, hint), span)
        return Opaque("depends on a condition", span)

    # --- macros

    def _macro(self, node: Node, scope: Scope, hint: str) -> Value:
        file = scope.file
        name = node.child_by_field_name("macro")
        tokens = next((child for child in node.named_children if child.type == "token_tree"), None)
        span = file.span(node)
        if name is None or tokens is None:
            return self.unknown(node, scope)
        macro = file.text(name).rpartition("::")[2]
        if macro in ("env", "option_env", "dotenv"):
            return Opaque("read from the environment when the program is compiled", span)
        parts = [child for child in elements(file.inside(tokens).root) if child.type not in COMMENTS]
        if macro in ("format", "concat", "format_args") and parts:
            return self._format(macro, parts, scope, span)
        return self.unknown(node, scope)

    def _format(self, macro: str, parts: list[Node], scope: Scope, span: Span) -> Value:
        if macro == "concat":
            return self._joined([self.value(part, scope) for part in parts], span)
        pattern = self.value(parts[0], scope, "str")
        if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
            return Opaque("put together as the program runs", span)
        named: dict[str, Node] = {}
        positional: list[Node] = []
        for part in parts[1:]:
            left, right = part.child_by_field_name("left"), part.child_by_field_name("right")
            if part.type == "assignment_expression" and left is not None and right is not None:
                named[scope.file.text(left)] = right
            else:
                positional.append(part)
        pieces = template(pattern.value)
        if pieces is None:
            return Opaque("put together as the program runs", span)
        values: list[Value] = []
        following = 0
        for is_hole, text in pieces:
            if not is_hole:
                values.append(Literal(text, pattern.span))
                continue
            if text == "":
                text, following = str(following), following + 1
            if text.isascii() and text.isdigit():
                if int(text) >= len(positional):
                    return Opaque("put together as the program runs", span)
                values.append(self.value(positional[int(text)], scope))
            elif text in named:
                values.append(self.value(named[text], scope))
            else:
                found = self.names.find(text, parts[0], scope)
                if found is None:
                    known = self.constant(text, "", parts[0], scope)
                    values.append(self.force(known) if known is not None else Opaque(unknown_reason(text), span))
                elif isinstance(found, Param):
                    values.append(self.argument(found, scope.hops))
                else:
                    values.append(self.force(found))
        return self._joined(values, span)

    def _joined(self, values: list[Value], span: Span) -> Value:
        for value in values:
            if isinstance(value, Opaque):
                return Opaque(value.reason, span)
        try:
            plain: list[Value] = [Literal(scalars.text(v.value), v.span) if isinstance(v, Literal) else v for v in values]
        except ValueError:
            return Opaque("put together as the program runs", span)
        return text_of(plain, span) if plain else Literal("", span)

    # --- functions of the crate

    def select(self, name: str, qualifier: str, node: Node, scope: Scope) -> Definition | None:
        """The one function of the crate that ``qualifier::name`` can mean at ``node``."""
        if not self.code.functions(name):
            return None
        if qualifier == "Self":
            qualifier = scope.file.impl_of(node)
        if qualifier[:1].isupper():
            found = self.code.functions_of(name, qualifier)
        else:
            found = self.code.functions_of(name, "")
            if qualifier and qualifier not in ("crate", "self", "super"):
                named = [one for one in found if qualifier in one.file.module_names()]
                module = b"mod " + qualifier.encode("utf-8", "surrogateescape")
                if not named and not any(next(file.words(module), None) is not None for file in self.code.files):
                    return None  # another crate's
                found = named or found
        if len(found) > 1:
            found = [one for one in found if one.file is scope.file]
        if len(found) != 1 or (not qualifier and not self.code.sees(scope.file, name, found[0].file)):
            return None
        return found[0]

    def enter(self, definition: Definition, args: list[Bound], scope: Scope, receiver: Bound | None = None) -> Scope:
        """The scope inside a function called with ``args``."""
        file, function = definition
        names: dict[str, Bound] = {}
        given = list(args)
        if takes_self(function):
            if receiver is None and given:
                receiver = given.pop(0)
            if receiver is not None:
                names["self"] = receiver
        for parameter, arg in zip(parameters(function), given, strict=False):
            pattern = parameter.child_by_field_name("pattern")
            if pattern is None:
                continue
            hint = hint_of(file, parameter)
            if isinstance(arg, Ref) and hint and not arg.hint:
                arg = Ref(arg.node, arg.scope, hint)
            names[file.text(pattern)] = arg
        return Scope(file, {function.id: names}, scope.hops + 1)

    def follow(
        self, definition: Definition, args: list[Bound], node: Node, scope: Scope, hint: str, receiver: Bound | None = None
    ) -> Value:
        """What a function of the crate returns for ``args``."""
        file, function = definition
        body = function.child_by_field_name("body")
        if body is None or scope.hops >= _HOPS:
            return self.unknown(node, scope)
        inside = self.enter(definition, args, scope, receiver)
        written = hint_of(file, function, "return_type")
        hint = written or hint
        early = returns(body, file.data)
        if early:
            return self._early(body, early, inside, hint, file.span(body))
        return self.value(body, inside, hint)

    def _early(self, body: Node, found: list[Node], scope: Scope, hint: str, span: Span) -> Value:
        """A body that returns early: understood where it says ``if let Ok(v) = .. { return a; } b``."""
        statements = [child for child in body.named_children if child.type not in COMMENTS]
        last = tail(body)
        file = scope.file
        early = [one for one in statements if one.start_byte <= found[0].start_byte < one.end_byte]
        reason = Opaque("returned from more than one place", span)
        if len(found) != 1 or len(early) != 1:
            return reason
        statement = early[0].named_children[0] if early[0].type == "expression_statement" and early[0].named_children else early[0]
        if statement.type == "return_expression" and statement.named_children and early[0] is statements[-1]:
            return self.value(statement.named_children[0], scope, hint)
        if statement.type == "let_declaration" and statement.child_by_field_name("alternative") is not None and last is not None:
            pattern, subject = statement.child_by_field_name("pattern"), statement.child_by_field_name("value")
            alternative = statement.child_by_field_name("alternative")
            other = returned(alternative) if alternative is not None else None
            if pattern is not None and subject is not None and other is not None and is_present(file.text(pattern)):
                return self.chosen(
                    self.value(last, scope, hint), self.value(subject, scope), self.value(other, scope, hint), span
                )  # fmt: skip
            return reason
        if statement.type != "if_expression" or last is None or statement.child_by_field_name("alternative") is not None:
            return reason
        condition, then = statement.child_by_field_name("condition"), statement.child_by_field_name("consequence")
        result = returned(then) if then is not None else None
        if condition is None or condition.type != "let_condition" or result is None:
            return reason
        pattern, subject = condition.child_by_field_name("pattern"), condition.child_by_field_name("value")
        if pattern is None or subject is None or not is_present(file.text(pattern)):
            return reason
        return self.chosen(self.value(result, scope, hint), self.value(subject, scope), self.value(last, scope, hint), span)

    def callers(self, param: Param) -> list[Ref] | None:
        """The expression each caller gives for a parameter; None when some caller cannot be followed."""
        key = (id(param.file), param.node.id, param.name)
        if key not in self._callers:
            self._callers[key] = self._find_callers(param)
        return self._callers[key]

    def _find_callers(self, param: Param) -> list[Ref] | None:
        file, function = param.file, param.node
        name_node = function.child_by_field_name("name")
        if name_node is None or param.number < 0:
            return None
        name, owner, method = file.text(name_node), owner_of(file, function), takes_self(function)
        wanted = len(parameters(function))
        found: list[Ref] = []
        for use in self.code.calls(name, owner, method):
            inside = use.file is file and function.start_byte <= use.node.start_byte < function.end_byte
            if inside or (not owner and not self._means(use, name, file)):
                continue
            if use.node.type != "call_expression":
                local = use.node.type == "identifier" and self.names.find(name, use.node, Scope(use.file)) is not None
                if local:
                    continue
                return None
            args = arguments(use.node)
            called = use.node.child_by_field_name("function")
            dotted = called is not None and called.type == "field_expression"
            shift = 1 if method and not dotted else 0
            if len(args) == wanted + shift:
                found.append(Ref(args[param.number + shift], Scope(use.file), param.hint))
        return found

    def _means(self, use: Definition, name: str, home: File) -> bool:
        """Whether a use of a free function's name can be that function: called by its bare name, it must have been imported."""
        function = use.node.child_by_field_name("function") if use.node.type == "call_expression" else use.node
        return function is None or function.type != "identifier" or self.code.sees(use.file, name, home)

    def argument(self, param: Param, hops: int, hint: str = "") -> Value:
        """What the callers of a function give for a parameter, when they all give the same."""
        pattern = parameters(param.node)[param.number] if param.number >= 0 else param.node
        span = param.file.span(pattern)
        key = (id(param.file), param.node.id, param.name)
        if key in self._active or hops >= _HOPS:
            return Opaque(f"parameter `{param.name}` is given by callers not found", span)
        given = self.callers(param)
        if not given:
            return Opaque(f"parameter `{param.name}` is given by callers not found", span)
        self._active.add(key)
        try:
            first: Value | None = None
            for ref in given[:20]:
                value = self.value(ref.node, Scope(ref.scope.file, hops=hops + 1), param.hint or hint)
                if first is not None and not same(first, value):
                    return Opaque(f"parameter `{param.name}` differs between its callers", span)
                first = value if first is None else first
        finally:
            self._active.discard(key)
        if first is None or len(given) > 20:
            return Opaque(f"parameter `{param.name}` differs between its callers", span)
        return first
