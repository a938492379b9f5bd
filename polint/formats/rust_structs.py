"""Fields of structs: which struct an expression yields, and what its fields are set to.

A struct is followed to the literal that builds it, to clap's and envconfig's
attributes, or not at all: what serde fills is a configuration file's business.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from weakref import proxy

from ..patterns import lazy
from ..source import Span
from ..tuples import NamedTuple
from ..value import EnvRead, Fallback, Literal, Opaque, Value
from . import rust_scalars as scalars
from .rust_code import COMMENTS, Definition, File, arguments, bare_type, returns, tail
from .rust_names import Bound, FieldRef, Param, Ref, Scope, scalar
from .rust_serde import envy_structs, of_field

if TYPE_CHECKING:
    from tree_sitter import Node

    from .rust_values import Reader

CONFIG_FILE = "read from a configuration file at run time"
COMMAND_LINE = "read from the command line"
_TYPE_NAMES = lazy(r"[A-Za-z_]\w*")
_THROUGH = frozenset(
    (
        "clone",
        "unwrap",
        "expect",
        "as_ref",
        "as_mut",
        "into",
        "borrow",
        "borrow_mut",
        "read",
        "write",
        "lock",
        "get_ref",
        "load",
        "to_owned",
        "context",
        "with_context",
        "map_err",
        "ok",
        "unwrap_or_else",
        "wrap_err",
        "deref",
        "get",
        "inner",
        "cloned",
        "unwrap_or_default",
        "ok_or",
        "ok_or_else",
    )
)
_COMMAND_LINE_DERIVES = frozenset({"Parser", "Args", "StructOpt", "Clap"})


class Thing(NamedTuple):
    """What an expression yields: the literal that builds it, where found, and the name of its struct."""

    literal: Ref | None
    struct: str


_NOTHING = Thing(None, "")


class Structs:
    """Follows expressions to structs and their fields."""

    def __init__(self, reader: Reader) -> None:
        self._reader: Reader = proxy(reader)  # no cycle: the trees are to go as soon as the crate is read
        self._depth = 0
        self._derives: dict[str, frozenset[str]] = {}
        self._writes: dict[str, list[tuple[File, Node]]] = {}
        self._filled: dict[str, str] | None = None

    # --- which struct

    def thing(self, ref: Bound) -> Thing:
        """The struct an expression yields, as far as it can be followed."""
        if isinstance(ref, FieldRef):
            return self._field_thing(ref.base, ref.name, ref.base.scope)
        if not isinstance(ref, Ref) or self._depth > 24 or ref.scope.hops > 12:
            return _NOTHING
        self._depth += 1
        try:
            return self._thing(ref.node, ref.scope)
        finally:
            self._depth -= 1

    def _thing(self, node: Node, scope: Scope) -> Thing:
        file, kind = scope.file, node.type
        if kind == "struct_expression":
            name = node.child_by_field_name("name")
            struct = bare_type(file.text(name)) if name is not None else ""
            return Thing(Ref(node, scope), file.impl_of(node) if struct == "Self" else struct)
        if kind in ("reference_expression", "try_expression", "await_expression", "parenthesized_expression", "unary_expression"):
            inner = [child for child in node.named_children if child.type not in COMMENTS and child.type != "mutable_specifier"]
            return self.thing(Ref(inner[-1], scope)) if inner else _NOTHING
        if kind in ("block", "unsafe_block", "async_block"):
            last = tail(node)
            return self.thing(Ref(last, scope)) if last is not None else _NOTHING
        if kind in ("identifier", "self", "shorthand_field_identifier", "scoped_identifier"):
            return self._named(node, scope)
        if kind == "field_expression":
            base, field = node.child_by_field_name("value"), node.child_by_field_name("field")
            if base is not None and field is not None:
                return self._field_thing(Ref(base, scope), file.text(field), scope)
        if kind == "call_expression":
            return self._call(node, scope)
        return _NOTHING

    def _named(self, node: Node, scope: Scope) -> Thing:
        file, reader = scope.file, self._reader
        name = file.text(node)
        if node.type != "scoped_identifier":
            found = reader.names.find(name, node, scope)
            if isinstance(found, Param):
                return self._param(found, scope)
            if isinstance(found, Ref):
                thing = self.thing(found)
                return thing if thing.struct else Thing(thing.literal, self._annotated(found))
            if found is not None:
                return self.thing(found)
            if name == "self":
                return Thing(None, file.impl_of(node))
        qualifier = ""
        if "::" in name:
            qualifier, _, name = name.rpartition("::")
            qualifier = qualifier.rpartition("::")[2]
        known = reader.constant(name, qualifier, node, scope)
        if known is None:
            return _NOTHING
        thing = self.thing(known)
        return thing if thing.struct else Thing(thing.literal, self._annotated(known))

    def _annotated(self, ref: Ref) -> str:
        """The struct named by the type of the ``let`` or const whose value this is."""
        holder = ref.node.parent
        kind = holder.child_by_field_name("type") if holder is not None and holder.type.endswith(("_declaration", "_item")) else None
        return self.struct_in(ref.scope.file.text(kind)) if kind is not None else ""

    def struct_in(self, text: str, own: str = "") -> str:
        """The first struct of the crate named in a type: ``Config`` of ``Result<Arc<Config>, Error>``."""
        for name in _TYPE_NAMES.findall(text):
            if name == "Self" and own:
                return own
            if name[:1].isupper() and self._reader.code.structs(name):
                return str(name)
        return ""

    def _param(self, param: Param, scope: Scope) -> Thing:
        reader = self._reader
        holder = [
            child for child in (param.node.child_by_field_name("parameters") or param.node).named_children if child.type == "parameter"
        ]  # fmt: skip
        kind = holder[param.number].child_by_field_name("type") if 0 <= param.number < len(holder) else None
        struct = self.struct_in(param.file.text(kind)) if kind is not None else ""
        given = reader.callers(param) if scope.hops < 8 else None
        if given is not None and len(given) == 1:
            thing = self.thing(Ref(given[0].node, Scope(given[0].scope.file, hops=scope.hops + 1)))
            if thing.literal is not None or not struct:
                return thing
        return Thing(None, struct)

    def _call(self, node: Node, scope: Scope) -> Thing:
        file, reader = scope.file, self._reader
        function = node.child_by_field_name("function")
        if function is None:
            return _NOTHING
        kinds = ""
        if function.type == "generic_function":
            turbofish = function.child_by_field_name("type_arguments")
            kinds = file.text(turbofish) if turbofish is not None else ""
            function = function.child_by_field_name("function") or function
        if function.type == "field_expression":
            receiver, field = function.child_by_field_name("value"), function.child_by_field_name("field")
            if receiver is not None and field is not None and file.text(field) in _THROUGH:
                return self.thing(Ref(receiver, scope))
            if field is not None and file.text(field) in ("get_or_init", "get_or_try_init") and arguments(node):
                made = arguments(node)[0].child_by_field_name("body") or arguments(node)[0]
                return self.thing(Ref(made, scope))
            return Thing(None, self.struct_in(kinds)) if kinds else self._method_type(function, scope)
        text = file.text(function)
        head, _, name = text.rpartition("::")
        qualifier = bare_type(head) if head else ""
        args = arguments(node)
        if name in ("new", "from", "Ok", "Some") and qualifier in ("Arc", "Rc", "Box", "Data", "State", "Lazy", "LazyLock", "") and args:
            inner = args[0]
            body = inner.child_by_field_name("body") if inner.type == "closure_expression" else inner
            if name in ("Ok", "Some") or qualifier:
                return self.thing(Ref(body, scope)) if body is not None else _NOTHING
        definition = reader.select(name, qualifier, function, scope)
        if definition is None:
            owner = file.impl_of(node) if qualifier == "Self" else qualifier
            return Thing(None, self.struct_in(kinds) or (owner if self._reader.code.structs(owner) else ""))
        if scope.hops >= 10:
            return _NOTHING
        inside = reader.enter(definition, [Ref(arg, scope) for arg in args], scope)
        body = definition.node.child_by_field_name("body")
        written = definition.node.child_by_field_name("return_type")
        struct = self.struct_in(definition.file.text(written), definition.file.impl_of(definition.node)) if written is not None else ""
        if body is not None and not returns(body, definition.file.data):
            thing = self.thing(Ref(body, inside))
            if thing.literal is not None or not struct:
                return thing
        return Thing(None, struct)

    def _method_type(self, function: Node, scope: Scope) -> Thing:
        field = function.child_by_field_name("field")
        found = self._reader.code.functions(scope.file.text(field)) if field is not None else []
        if len(found) != 1:
            return _NOTHING
        written = found[0].node.child_by_field_name("return_type")
        return (
            Thing(None, self.struct_in(found[0].file.text(written), found[0].file.impl_of(found[0].node)))
            if written is not None
            else _NOTHING
        )

    def _field_thing(self, base: Ref, name: str, scope: Scope) -> Thing:
        outer = self.thing(base)
        if outer.literal is not None:
            given = self._given(outer.literal, name)
            if given is not None:
                thing = self.thing(given)
                if thing.literal is not None:
                    return thing
        declared = self._declaration(outer.struct, name)
        if declared is None:
            return _NOTHING
        kind = declared.node.child_by_field_name("type")
        struct = self.struct_in(declared.file.text(kind)) if kind is not None else ""
        if outer.literal is None and struct:
            built = self._built(outer.struct, name)
            if built is not None and len(built) == 1:
                thing = self.thing(built[0])
                if thing.literal is not None:
                    return thing
        return Thing(None, struct)

    # --- which value

    def field(self, base: Ref, name: str, span: Span, hint: str = "") -> Value:
        """The value of ``base.name``; ``span`` is where it is used."""
        reader, file = self._reader, base.scope.file
        shown = f"{file.text(base.node)}.{name}"
        at_run_time = Opaque(f"`{shown}` is decided at run time" if len(shown) <= 60 and "\n" not in shown and '"' not in shown else
                             "decided at run time", span)  # fmt: skip
        if self._depth > 24:
            return at_run_time
        thing = self.thing(base)
        struct = thing.struct
        if not struct:
            owners = {self._struct_name(owner) for owner in reader.code.structs_with(name)}
            if len(owners) != 1:
                return at_run_time
            struct = owners.pop()
            if not self._may_own(base):
                return Opaque(CONFIG_FILE, span) if "Deserialize" in self._derived(struct) else at_run_time
        if self._written(struct, name):
            return Opaque(f"field `{name}` is changed as the program runs", span)
        declared = self._declaration(struct, name)
        if declared is not None:
            kind = declared.node.child_by_field_name("type")
            hint = (scalar(declared.file.text(kind)) if kind is not None else "") or hint
        if thing.literal is not None:
            given = self._given(thing.literal, name)
            return reader.force(given, hint) if given is not None else at_run_time
        derives = self._derived(struct)
        if declared is not None:
            said = self._attributes(declared, struct, name, derives, hint)
            if said is not None:
                return said
        if "Deserialize" in derives:
            prefix = self._envy().get(struct) if declared is not None else None
            if declared is None or prefix is None:
                return Opaque(CONFIG_FILE, span)
            on_struct = self._serde(reader.code.structs(struct)[0])
            given = self._default(struct, name, base.scope.hops) if "default" in on_struct else None
            whole = reader.force(given, hint) if given is not None else None
            return of_field(reader, declared, prefix, on_struct, self._serde(declared), hint, whole)
        built = self._built(struct, name)
        if built is None or not built:
            return at_run_time
        first: Value | None = None
        for ref in built[:8]:
            value = reader.force(ref, hint)
            if first is not None and not same(first, value):
                return Opaque(f"field `{name}` is set in several places", span)
            first = value if first is None else first
        return first if first is not None and len(built) <= 8 else at_run_time

    def _may_own(self, base: Ref) -> bool:
        """Whether a value of unknown type may be a struct of this crate: what a pattern or closure binds, not a library's result."""
        if base.node.type != "identifier":
            return False
        found = self._reader.names.find(base.scope.file.text(base.node), base.node, base.scope)
        return isinstance(found, Opaque)

    def _struct_name(self, definition: Definition) -> str:
        name = definition.node.child_by_field_name("name")
        return definition.file.text(name) if name is not None else ""

    def _declaration(self, struct: str, name: str) -> Definition | None:
        found = self._reader.code.structs(struct) if struct else []
        if len(found) != 1:
            return None
        body = found[0].node.child_by_field_name("body")
        for child in body.named_children if body is not None else ():
            label = child.child_by_field_name("name") if child.type == "field_declaration" else None
            if label is not None and found[0].file.text(label) == name:
                return Definition(found[0].file, child)
        return None

    def _given(self, literal: Ref, name: str) -> Bound | None:
        """What a struct literal sets ``name`` to, its ``..base`` included; None where it does not say."""
        file = literal.scope.file
        body = literal.node.child_by_field_name("body")
        label: Node | None
        for child in body.named_children if body is not None else ():
            if child.type == "shorthand_field_initializer":
                label = child.named_children[-1]
                if file.text(label) == name:
                    return Ref(label, literal.scope)
            elif child.type == "field_initializer":
                label, value = child.child_by_field_name("field") or child.child_by_field_name("name"), child.child_by_field_name("value")
                if label is not None and value is not None and file.text(label) == name:
                    return Ref(value, literal.scope)
            elif child.type == "base_field_initializer" and child.named_children:
                base = child.named_children[-1]
                struct = literal.node.child_by_field_name("name")
                own = bare_type(file.text(struct)) if struct is not None else ""
                own = file.impl_of(literal.node) if own == "Self" else own
                if file.text(base) in ("Default::default()", f"{own}::default()", "Self::default()"):
                    return self._default(own, name, literal.scope.hops)
                return FieldRef(Ref(base, literal.scope), name)
        return None

    def _default(self, struct: str, name: str, hops: int) -> Bound | None:
        """Field ``name`` of ``impl Default for struct``."""
        found = [
            one
            for one in self._reader.code.functions_of("default", struct)
            if not (one.node.child_by_field_name("parameters") or one.node).named_children
        ]
        body = found[0].node.child_by_field_name("body") if len(found) == 1 else None
        if body is None or hops > 10:
            return None
        thing = self.thing(Ref(body, Scope(found[0].file, hops=hops + 1)))
        return self._given(thing.literal, name) if thing.literal is not None else None

    def _built(self, struct: str, name: str) -> list[Bound] | None:
        """What each literal of ``struct`` sets ``name`` to; None when one of them does not say."""
        out: list[Bound] = []
        for file, node in self._reader.code.literals(struct):
            given = self._given(Ref(node, Scope(file, hops=1)), name)
            if given is None:
                return None
            out.append(given)
        return out

    def _written(self, struct: str, name: str) -> bool:
        """Whether some code assigns this field of this struct (or of something unknown)."""
        known = self._writes.get(name)
        if known is None:
            known = self._writes[name] = []
            pattern = re.compile(rb"\." + re.escape(name.encode("utf-8", "surrogateescape")) + rb"\s*[-+*/]?=(?![=>])")
            for file in self._reader.code.files:
                for match in pattern.finditer(file.data):
                    start = match.start() + 1
                    node = file.node(start, start + len(name.encode("utf-8", "surrogateescape")))
                    holder = node.parent if node is not None else None
                    if holder is not None and holder.type == "field_expression" and not self._reader.code.is_test(file, start):
                        known.append((file, holder))
        for file, holder in known[:50]:
            target = holder.child_by_field_name("value")
            owner = self.thing(Ref(target, Scope(file))).struct if target is not None else ""
            if not owner or owner == struct:
                return True
        return len(known) > 50

    # --- attributes

    def _envy(self) -> dict[str, str]:
        """The structs that envy fills, with the prefix of their variables."""
        if self._filled is None:
            self._filled = {}  # what is asked meanwhile is not filled by it
            self._filled = envy_structs(self._reader, self)
        return self._filled

    def _serde(self, item: Definition) -> dict[str, Node]:
        """What ``#[serde(..)]`` says of a struct or field."""
        said: dict[str, Node] = {}
        for attribute in attributes_of(item.node):
            said.update(attribute_pairs(item.file, attribute, ("serde",)))
        return said

    def _derived(self, struct: str) -> frozenset[str]:
        known = self._derives.get(struct)
        if known is None:
            names: set[str] = set()
            for file, node in self._reader.code.structs(struct):
                for attribute in attributes_of(node):
                    text = file.text(attribute)
                    if "derive" in text:
                        names.update(_TYPE_NAMES.findall(text))
            known = self._derives[struct] = frozenset(names)
        return known

    def _attributes(self, declared: Definition, struct: str, name: str, derives: frozenset[str], hint: str) -> Value | None:
        """What clap or envconfig put into a field; None where the struct is neither's."""
        command_line, envconfig = derives & _COMMAND_LINE_DERIVES, "Envconfig" in derives
        if not command_line and not envconfig:
            return None
        file, node = declared
        said: dict[str, Node] = {}
        for attribute in attributes_of(node):
            said.update(attribute_pairs(file, attribute))
        scope = Scope(file, hops=1)
        name_span = file.span(node.child_by_field_name("name") or node)
        read = env_of_attribute(file, said, name, command_line=bool(command_line))
        if read is None:
            return Opaque(COMMAND_LINE if command_line else CONFIG_FILE, name_span)
        if hint == "duration" or ("value_parser" in said and "value_parser!" not in file.text(said["value_parser"])):
            return Opaque(f"variable {read.name} is read in a form that is not followed", read.span)
        default = said.get("default_value_t") or said.get("default_value") or said.get("default")
        value: Value = read
        if default is not None:
            bare = default.type == "identifier" and file.text(default).startswith("default")
            second = Opaque("the default of its type", read.span) if bare else self._reader.value(default, scope, hint)
            if isinstance(second, Literal) and isinstance(second.value, str) and hint not in ("", "str"):
                second = self._reader.compute(scalars.parser(hint), (second,), second.span)
            value = Fallback(read, second, file.span(node))
        if hint in ("", "str"):
            return value  # "" is a type of its own, which the text is handed on to
        return self._reader.compute(scalars.parser(hint), (value,), file.span(node))


def attributes_of(node: Node) -> list[Node]:
    """The attributes written before an item or field."""
    out: list[Node] = []
    before = node.prev_named_sibling
    while before is not None and (before.type == "attribute_item" or before.type in COMMENTS):
        if before.type == "attribute_item":
            out.append(before)
        before = before.prev_named_sibling
    return out


_FIELD_ATTRIBUTES = ("arg", "clap", "structopt", "envconfig", "command")


def attribute_pairs(file: File, attribute: Node, names: tuple[str, ...] = _FIELD_ATTRIBUTES) -> dict[str, Node]:
    """``#[arg(long, env = "X")]`` as env -> the literal, long -> its own word; only of attributes called one of ``names``."""
    inner = attribute.named_children[0] if attribute.named_children else None
    tokens = inner.child_by_field_name("arguments") if inner is not None else None
    if inner is None or tokens is None or not inner.named_children:
        return {}
    if file.text(inner.named_children[0]).rpartition("::")[2] not in names:
        return {}
    out: dict[str, Node] = {}
    for child in file.inside(tokens).root.named_children:
        # a lone word in parentheses is no statement, so the grammar calls it an error
        holder = child.named_children[0] if child.type in ("expression_statement", "ERROR") and child.named_children else child
        for part in holder.named_children if holder.type in ("tuple_expression", "parenthesized_expression") else ():
            left, right = part.child_by_field_name("left"), part.child_by_field_name("right")
            if part.type == "assignment_expression" and left is not None and right is not None:
                out[file.text(left)] = right
            elif part.type == "identifier":
                out[file.text(part)] = part
    return out


def env_of_attribute(file: File, said: dict[str, Node], field: str, *, command_line: bool) -> EnvRead | None:
    """The variable that attributes tie a field to; clap's bare ``env`` means the field's name in capitals."""
    node = said.get("env") if command_line else said.get("from")
    if node is None:
        return None if command_line else EnvRead(field.upper(), file.span(next(iter(said.values())))) if said else None
    if node.type == "string_literal":
        return EnvRead(file.text(node).strip('"'), file.span(node))
    if command_line and node.type == "identifier" and file.text(node) == "env":
        return EnvRead(field.upper(), file.span(node))
    return None


def same(left: Value, right: Value) -> bool:
    """Whether two values are the same whatever the environment holds; False where that is not plain."""
    if left is right:
        return True
    if isinstance(left, Literal) and isinstance(right, Literal):
        return type(left.value) is type(right.value) and left.value == right.value
    if isinstance(left, EnvRead) and isinstance(right, EnvRead):
        return left.name == right.name and left.empty_is_missing == right.empty_is_missing
    if isinstance(left, Fallback) and isinstance(right, Fallback):
        return same(left.first, right.first) and same(left.second, right.second)
    return False
