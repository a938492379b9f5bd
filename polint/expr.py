"""The one-line language of rules: Python's own syntax, typed from the model's annotations, compiled once.

Names, attributes, comparisons, ``and or not``, ``+ - * / //``, ``min max len``,
``in`` and ``x if c else y`` are understood; everything else belongs in a model
property.  Units are types: seconds compare with seconds alone, and a bare number
never stands for a quantity with a unit (0 does: it is the same in every unit).

Facts are read where a value is needed and stop the rule when unknown; see
``engine.RUNTIME`` for what the compiled code calls.  Imported only when rules are
compiled, never when they come from the cache.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from types import CodeType
from typing import TypeGuard

from .exprtext import ELSEWHERE, ExprError, UnjudgedError, nearest, offset_of, parse, split_template
from .ruletypes import ANYTHING, FactOf, ListOf, Maybe, Type, attributes_of, has_span, name_of
from .source import Span
from .tuples import NamedTuple
from .units import Bytes, Seconds

_COMPARISONS = {ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE}
_ORDERINGS = {ast.Lt, ast.LtE, ast.Gt, ast.GtE}
_ARITHMETIC = {
    ast.Add: ("_add", "add"),
    ast.Sub: ("_sub", "subtract"),
    ast.Mult: ("_mul", "multiply"),
    ast.Div: ("_div", "divide"),
    ast.FloorDiv: ("_floordiv", "divide"),
}
_FACT_FLAGS = ("is_default", "is_known", "is_written")
_REFUSED = {
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a generator",
    ast.Lambda: "a lambda",
    ast.Subscript: "a subscript",
    ast.JoinedStr: "an f-string",
    ast.Dict: "a dict",
    ast.List: "a list outside of 'in'",
    ast.Set: "a set outside of 'in'",
    ast.Tuple: "a tuple outside of 'in'",
    ast.NamedExpr: "an assignment",
    ast.Starred: "unpacking",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
}


class _Wrong(Exception):
    """A mistake at a node; given its offset once the text is at hand."""

    def __init__(self, node: ast.AST, message: str) -> None:
        super().__init__(message)
        self.node = node


class _Typed(NamedTuple):
    node: ast.expr
    type: Type


class Scope:
    """What the expressions of one rule may name: its subject and its params.

    A param without a type is one whose declaration is wrong: what reads it is not
    judged (UnjudgedError).  ``used`` collects the params that some expression reads.  Every method takes
    the text of one expression and returns the code of a function of the subject,
    the params and the engine's reader of facts; ExprError says what is wrong.
    """

    def __init__(self, subject: str, cls: type, params: Mapping[str, type | None]) -> None:
        self.subject = subject
        self.cls = cls
        self.params = params
        self.used: set[str] = set()

    # -- entry points

    def condition(self, text: str) -> CodeType:
        """Code of a truth: ``when`` and ``require``."""
        return self._compile(text, lambda node: self._truth(node).node)

    def number(self, text: str) -> CodeType:
        """Code of a number, with or without a unit: ``measure``."""
        return self._compile(text, lambda node: self._number(node).node)

    def value(self, text: str) -> tuple[CodeType, str]:
        """Code of a value that a fix writes, and the name of its type."""
        kind = ""

        def check(node: ast.expr) -> ast.expr:
            nonlocal kind
            found = self._value(node)
            if found.type not in (int, float, bool, str, Seconds, Bytes):
                raise _Wrong(node, f"{name_of(found.type)} cannot be written to a file")
            kind = found.type.__name__
            return found.node

        return self._compile(text, check), kind

    def thing(self, text: str) -> CodeType:
        """Code of whatever an attribute holds: ``use``."""
        return self._compile(text, lambda node: self._raw(node).node)

    def place(self, text: str) -> CodeType:
        """Code of a fact, or of a thing with a span: ``at``."""
        return self._compile(text, lambda node: self._place(node, "a place is a fact, or a thing with a span"))

    def note(self, text: str) -> CodeType:
        """Code of a fact, a thing with a span, or a list of either: ``note``."""
        return self._compile(text, lambda node: self._place(node, "a note names facts, or things with a span", many=True))

    def template(self, text: str) -> CodeType:
        """Code of a text with ``{expr}`` and ``{expr:format}`` holes."""
        parts: list[ast.expr] = []
        for literal, hole, spec, offset in split_template(text):
            if literal:
                parts.append(ast.Constant(literal))
            if hole is None:
                continue
            try:
                parts.append(ast.FormattedValue(self._hole(parse(hole), spec), -1))
            except _Wrong as wrong:
                raise ExprError(str(wrong), offset + offset_of(hole, wrong.node)) from None
            except ExprError as error:
                error.offset += offset
                raise
            except RecursionError:
                raise ExprError(f"nested too deeply: {ELSEWHERE}", offset) from None
        return self._code(ast.JoinedStr(parts))

    def _compile(self, text: str, check: Callable[[ast.expr], ast.expr]) -> CodeType:
        body = parse(text)
        try:
            return self._code(check(body))
        except _Wrong as wrong:
            raise ExprError(str(wrong), offset_of(text, wrong.node)) from None
        except RecursionError:
            raise ExprError(f"nested too deeply: {ELSEWHERE}") from None

    def _code(self, body: ast.expr) -> CodeType:
        names = [ast.arg(name) for name in (self.subject, "params", "_read")]
        arguments = ast.arguments([], names, None, [], [], None, [])
        tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, body)))
        module = compile(tree, f"<rule for {self.subject}>", "eval")
        return next(constant for constant in module.co_consts if isinstance(constant, CodeType))

    # -- what is asked of an expression

    def _truth(self, node: ast.expr) -> _Typed:
        found = self._raw(node)
        if isinstance(found.type, Maybe) and _is_subject(found.type.of):
            return _Typed(ast.Compare(found.node, [ast.IsNot()], [ast.Constant(None)]), bool)
        if isinstance(found.type, ListOf):
            raise _Wrong(node, f"a {name_of(found.type)} is neither true nor false: compare its len()")
        value = self._value(node, found)
        if value.type is not bool:
            raise _Wrong(node, f"{name_of(value.type)} is neither true nor false: compare it with something")
        return value

    def _number(self, node: ast.expr) -> _Typed:
        value = self._value(node)
        if value.type not in (int, float, Seconds, Bytes):
            raise _Wrong(node, f"{name_of(value.type)} is no number")
        return value

    def _place(self, node: ast.expr, wanted: str, *, many: bool = False) -> ast.expr:
        if isinstance(node, ast.IfExp):
            body, other = self._place(node.body, wanted, many=many), self._place(node.orelse, wanted, many=many)
            return ast.IfExp(self._truth(node.test).node, body, other)
        found = self._raw(node)
        kind = found.type
        if isinstance(kind, Maybe):
            kind = kind.of
        if many and isinstance(kind, ListOf):
            kind = kind.item
        if not has_span(kind):
            raise _Wrong(node, f"{wanted}, and {name_of(found.type)} is neither")
        return found.node

    def _hole(self, node: ast.expr, spec: str) -> ast.expr:
        found = self._raw(node)
        if isinstance(found.type, Maybe) and _is_subject(found.type.of):
            found = _Typed(_call("_linked", found.node, ast.Constant(_text(node))), found.type.of)
        if _is_subject(found.type) and not spec and "label" in attributes_of(found.type):
            return ast.Attribute(found.node, "label", ast.Load())
        value = self._value(node, found)
        if isinstance(value.type, ListOf) and not spec and (_is_subject(value.type.item) or value.type.item is str):
            return _call("_show_list", value.node)
        if spec:
            if value.type not in (int, float, str):
                raise _Wrong(node, f"{name_of(value.type)} is printed with its unit and takes no format")
            try:
                format(value.type(1), spec)
            except ValueError as error:
                raise _Wrong(node, f"format {spec!r}: {error}") from None
            return _call("_show_as", value.node, ast.Constant(spec))
        if value.type in (Seconds, Bytes):  # arithmetic sheds the unit
            return _call("_show_seconds" if value.type is Seconds else "_show_bytes", value.node)
        if value.type not in (int, float, bool, str, ANYTHING):
            raise _Wrong(node, f"{name_of(value.type)} cannot be printed: {ELSEWHERE}")
        return _call("_show", value.node)

    def _value(self, node: ast.expr, found: _Typed | None = None) -> _Typed:
        """The expression as a plain value: facts are read, links followed."""
        code, kind = self._raw(node) if found is None else found
        while True:
            if isinstance(kind, FactOf):
                code, kind = _call("_read", code), kind.of
            elif isinstance(kind, Maybe):
                code, kind = _call("_linked", code, ast.Constant(_text(node))), kind.of
            else:
                return _Typed(code, kind)

    # -- the language

    def _raw(self, node: ast.expr) -> _Typed:
        match node:
            case ast.Name():
                return self._name(node)
            case ast.Attribute(value=ast.Name(id="params")):
                return self._param(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Constant(value=bool() | int() | float() | str() as literal):
                return _Typed(node, type(literal))
            case ast.Constant(value=None):
                raise _Wrong(node, "None stands only after 'is' or 'is not'")
            case ast.BoolOp(op, values):
                return _Typed(ast.BoolOp(op, [self._truth(value).node for value in values]), bool)
            case ast.UnaryOp(ast.Not(), operand):
                return _Typed(ast.UnaryOp(ast.Not(), self._truth(operand).node), bool)
            case ast.UnaryOp(ast.USub(), operand):
                value = self._value(operand)
                if value.type not in (int, float, Seconds, Bytes):
                    raise _Wrong(node, f"cannot negate {name_of(value.type)}")
                return _Typed(ast.UnaryOp(ast.USub(), value.node), value.type)
            case ast.BinOp():
                return self._arithmetic(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.Call():
                return self._call(node)
            case ast.IfExp(test, body, orelse):
                condition, then, other = self._truth(test).node, self._raw(body), self._raw(orelse)
                kind = then.type
                if kind != other.type:
                    then, other = self._value(body, then), self._value(orelse, other)
                    kind = self._common("choose between", "and", orelse, then, other, body, orelse)
                return _Typed(ast.IfExp(condition, then.node, other.node), kind)
        what = _REFUSED.get(type(node)) or f"this ({_text(node)})"
        raise _Wrong(node, f"{what} is not part of the rule language: {ELSEWHERE}")

    def _name(self, node: ast.Name) -> _Typed:
        if node.id == self.subject:
            return _Typed(node, self.cls)
        if node.id == "params":
            raise _Wrong(node, "params is read by name: params.<name>")
        known = [self.subject, "params"]
        raise _Wrong(node, f"no {node.id!r} here, only {self.subject!r} and 'params'{nearest(node.id, known)}")

    def _param(self, node: ast.Attribute) -> _Typed:
        if node.attr not in self.params:
            raise _Wrong(node, f"no param {node.attr!r}{nearest(node.attr, self.params)}")
        kind = self.params[node.attr]
        if kind is None:
            raise UnjudgedError(f"the param {node.attr!r} is not declared well")
        self.used.add(node.attr)
        return _Typed(ast.Subscript(ast.Name("params", ast.Load()), ast.Constant(node.attr), ast.Load()), kind)

    def _attribute(self, node: ast.Attribute) -> _Typed:
        owner, kind = self._raw(node.value)
        if isinstance(kind, Maybe):
            owner, kind = _call("_linked", owner, ast.Constant(_text(node.value))), kind.of
        if isinstance(kind, FactOf):
            if node.attr == "is_default":
                return _Typed(_call("_is_default", owner), bool)
            if node.attr in _FACT_FLAGS:
                return _Typed(ast.Attribute(owner, node.attr, ast.Load()), bool)
            if node.attr == "value":
                raise _Wrong(node, "a fact is read by its own name: drop '.value'")
            raise _Wrong(node, f"a fact has is_default, is_known and is_written, no {node.attr!r}{nearest(node.attr, _FACT_FLAGS)}")
        if not _is_subject(kind):
            raise _Wrong(node, f"{name_of(kind)} has no {node.attr!r} in rules: {ELSEWHERE}")
        known = attributes_of(kind)
        found = known.get(node.attr)
        if found is None:
            raise _Wrong(node, f"{name_of(kind)} has no {node.attr!r}{nearest(node.attr, known)}")
        return _Typed(ast.Attribute(owner, node.attr, ast.Load()), found)

    def _arithmetic(self, node: ast.BinOp) -> _Typed:
        if type(node.op) not in _ARITHMETIC:
            raise _Wrong(node, f"only + - * / // are part of the rule language: {ELSEWHERE}")
        function, verb = _ARITHMETIC[type(node.op)]
        left, right = self._value(node.left), self._value(node.right)
        for side, operand in ((left, node.left), (right, node.right)):
            if side.type not in (int, float, Seconds, Bytes):
                raise _Wrong(operand, f"cannot {verb} {name_of(side.type)}")
        units = [side.type for side in (left, right) if side.type in (Seconds, Bytes)]
        number = int if left.type is right.type is int and not isinstance(node.op, ast.Div) else float
        kind: Type
        if isinstance(node.op, ast.Add | ast.Sub):
            if verb == "add":
                kind = self._common(verb, "to", node.right, left, right, node.left, node.right)
            else:
                kind = self._common(verb, "from", node.right, right, left, node.right, node.left)
        elif isinstance(node.op, ast.Mult):
            if len(units) == 2:
                raise _Wrong(node.right, f"cannot multiply {name_of(left.type)} by {name_of(right.type)}")
            kind = units[0] if units else number
        elif right.type in (Seconds, Bytes):
            if left.type is not right.type:
                raise _Wrong(node.right, f"cannot divide {name_of(left.type)} by {name_of(right.type)}")
            kind = float
        else:
            kind = left.type if units else number
        return _Typed(_call(function, left.node, right.node, ast.Constant(_text(node))), kind)

    def _comparison(self, node: ast.Compare) -> _Typed:
        operands = [node.left, *node.comparators]
        if all(type(op) in _COMPARISONS for op in node.ops):
            values = [self._value(operand) for operand in operands]
            for op, left, right, first, second in zip(node.ops, values, values[1:], operands, operands[1:], strict=False):
                kind = self._common("compare", "with", second, left, right, first, second)
                if kind in (str, bool) and type(op) in _ORDERINGS:
                    raise _Wrong(second, f"{name_of(kind)} has no order: only == and != apply")
            return _Typed(ast.Compare(values[0].node, node.ops, [value.node for value in values[1:]]), bool)
        if len(node.ops) > 1:
            raise _Wrong(node.comparators[0], "'in' and 'is' stand alone in a comparison: join two with 'and'")
        if isinstance(node.ops[0], ast.Is | ast.IsNot):
            return self._identity(node)
        return self._membership(node)

    def _identity(self, node: ast.Compare) -> _Typed:
        other = node.comparators[0]
        if not (isinstance(other, ast.Constant) and other.value is None):
            raise _Wrong(other, "'is' goes with None only: compare with ==")
        code, kind = self._raw(node.left)
        if isinstance(kind, FactOf) and isinstance(kind.of, Maybe):
            code, kind = _call("_read", code), kind.of
        if not isinstance(kind, Maybe):
            raise _Wrong(node.left, f"{name_of(kind)} is never None")
        return _Typed(ast.Compare(code, node.ops, [other]), bool)

    def _membership(self, node: ast.Compare) -> _Typed:
        left, other = self._value(node.left), node.comparators[0]
        if left.type not in (int, float, str):
            raise _Wrong(node.left, f"cannot look for {name_of(left.type)} in a list")
        if isinstance(other, ast.Tuple | ast.List | ast.Set):
            for item in other.elts:
                if not isinstance(item, ast.Constant) or isinstance(item.value, bool):
                    raise _Wrong(item, "only literals stand in a list")
                self._common("look for", "among", item, left, _Typed(item, type(item.value)), node.left, item)
            literals = ast.Tuple(other.elts, ast.Load())
            return _Typed(ast.Compare(left.node, node.ops, [literals]), bool)
        right = self._value(other)
        if not isinstance(right.type, ListOf) or isinstance(right.type.item, FactOf | ListOf | Maybe):
            raise _Wrong(other, f"'in' wants a list of values, not {name_of(right.type)}: {ELSEWHERE}")
        self._common("look for", "among", other, left, _Typed(right.node, right.type.item), node.left, other)
        return _Typed(ast.Compare(left.node, node.ops, [right.node]), bool)

    def _call(self, node: ast.Call) -> _Typed:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in ("min", "max", "len"):
            raise _Wrong(node, f"only min, max and len can be called, not {_text(node.func)}: {ELSEWHERE}")
        if node.keywords:
            raise _Wrong(node.keywords[0], f"{name} takes no named arguments here")
        if name == "len":
            if len(node.args) != 1:
                raise _Wrong(node, "len takes one list")
            value = self._value(node.args[0])
            if not isinstance(value.type, ListOf):
                raise _Wrong(node.args[0], f"len wants a list, not {name_of(value.type)}")
            return _Typed(_call("len", value.node), int)
        if len(node.args) < 2:
            raise _Wrong(node, f"{name} takes two or more values: {ELSEWHERE}")
        values = [self._value(argument) for argument in node.args]
        kind = values[0].type
        for argument, value in zip(node.args[1:], values[1:], strict=True):
            kind = self._common("compare", "with", argument, _Typed(values[0].node, kind), value, node.args[0], argument)
        if kind not in (int, float, Seconds, Bytes):
            raise _Wrong(node.args[0], f"{name} wants numbers, not {name_of(kind)}")
        return _Typed(_call(name, *(value.node for value in values)), kind)

    def _common(self, verb: str, joint: str, at: ast.AST, left: _Typed, right: _Typed, first: ast.expr, second: ast.expr) -> Type:
        """The type two values share; units must agree, and only 0 goes without one."""
        kinds = (left.type, right.type)
        for kind in kinds:
            if kind is ANYTHING or kind not in (int, float, bool, str, Seconds, Bytes):
                raise _Wrong(at, f"cannot {verb} {name_of(left.type)} {joint} {name_of(right.type)}")
        if kinds[0] is kinds[1]:
            return kinds[0]
        if set(kinds) == {int, float}:
            return float
        for kind, bare, node in ((kinds[0], kinds[1], second), (kinds[1], kinds[0], first)):
            if kind in (Seconds, Bytes) and bare in (int, float) and _is_bare(node):
                if isinstance(node, ast.Constant) and node.value == 0:
                    return kind
                raise _Wrong(node, f"a bare {_text(node)} has no unit: put it in params as {_PARAM_OF[kind]}")
        raise _Wrong(at, f"cannot {verb} {name_of(left.type)} {joint} {name_of(right.type)}")


_PARAM_OF: dict[Type, str] = {Seconds: "seconds", Bytes: "bytes"}


def _call(function: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(function, ast.Load()), list(arguments), [])


def _is_subject(kind: Type) -> TypeGuard[type]:
    """Whether this is a class of the model, whose attributes rules may read."""
    return isinstance(kind, type) and kind.__module__ != "builtins" and kind not in (Seconds, Bytes, Span)


def _is_bare(node: ast.expr) -> bool:
    """A number written out, alone or in arithmetic of its own."""
    if isinstance(node, ast.UnaryOp):
        return _is_bare(node.operand)
    if isinstance(node, ast.BinOp):
        return _is_bare(node.left) and _is_bare(node.right)
    return isinstance(node, ast.Constant)


def _text(node: ast.expr) -> str:
    return ast.unparse(node)
