"""Structs that envy fills from the environment: which variable each field is, and what it is without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..source import Span
from ..treesitter import find_all
from ..value import EnvRead, Fallback, Literal, Opaque, Value
from . import rust_scalars as scalars
from .rust_code import Definition, File, arguments
from .rust_names import Ref, Scope

if TYPE_CHECKING:
    from tree_sitter import Node

    from .rust_structs import Structs
    from .rust_values import Reader

# serde attributes that change which variable a field is, or how its text is read
_CHANGING = ("rename_all", "alias", "flatten", "with", "deserialize_with", "skip", "skip_deserializing", "from", "try_from", "untagged")
_PLAIN_CASES = ("snake_case", "lowercase")
# who else may fill a struct; beside one of these in a file, envy is not taken to be the one
_RIVALS = (b"try_deserialize", b"toml::from_str", b"serde_yaml::from", b"serde_json::from", b".extract()")


def envy_structs(reader: Reader, structs: Structs) -> dict[str, str]:
    """The structs that ``envy::from_env`` fills, with the prefix of their variables."""
    out: dict[str, str] = {}
    doubtful: set[str] = set()
    for file in reader.code.files:
        for at in find_all(file.data, b"envy::"):
            node = None if reader.code.is_test(file, at) else file.node(at, at + 4)
            call = file.enclosing(node, "call_expression") if node is not None else None
            function = call.child_by_field_name("function") if call is not None else None
            if call is None or function is None:
                continue
            path = file.text(function).partition("<")[0].rstrip(":")
            prefix = ""
            if path == "envy::prefixed":
                given = arguments(call)
                value = reader.start().value(given[0], Scope(file), "str") if len(given) == 1 else None
                if not isinstance(value, Literal) or not isinstance(value.value, str):
                    continue
                prefix = value.value
                access = call.parent
                outer = file.enclosing(call, "call_expression")
                function = outer.child_by_field_name("function") if outer is not None else None
                if access is None or access.type != "field_expression" or outer is None or function is None:
                    continue
                call = outer
            elif path != "envy::from_env":
                continue
            struct = _filled(file, call, function, structs)
            if any(rival in file.data for rival in _RIVALS) or out.get(struct, prefix) != prefix:
                doubtful.add(struct)
            out[struct] = prefix
    return {struct: prefix for struct, prefix in out.items() if struct and struct not in doubtful}


def _filled(file: File, call: Node, function: Node, structs: Structs) -> str:
    """The struct a call yields: by its type argument, the type of its ``let``, or what its function returns."""
    if function.type == "generic_function":
        kinds = function.child_by_field_name("type_arguments")
        return structs.struct_in(file.text(kinds), file.impl_of(call)) if kinds is not None else ""
    for parent in file.ups(call):
        if parent.type in ("let_declaration", "static_item", "const_item"):
            written = parent.child_by_field_name("type")
            return structs.struct_in(file.text(written), file.impl_of(call)) if written is not None else ""
        if parent.type == "function_item":
            written = parent.child_by_field_name("return_type")
            return structs.struct_in(file.text(written), file.impl_of(call)) if written is not None else ""
        if parent.type in ("arguments", "field_initializer", "closure_expression"):
            path = parent.parent.child_by_field_name("function") if parent.parent is not None and parent.type == "arguments" else None
            if path is None or file.text(path) not in ("Ok", "Some", "Arc::new", "Box::new"):
                return ""
    return ""


def of_field(
    reader: Reader, declared: Definition, prefix: str, on_struct: dict[str, Node], on_field: dict[str, Node], hint: str, whole: Value | None
) -> Value:
    """The value of one field of such a struct; ``whole`` is what the struct's own default gives it."""
    file, node = declared
    label = node.child_by_field_name("name") or node
    span = file.span(label)
    said = {**on_struct, **on_field}
    name = file.text(label).removeprefix("r#")
    case = on_struct.get("rename_all")
    is_plain = case is not None and _text(file, case) in _PLAIN_CASES
    odd = [word for word in _CHANGING if word in said and not (word == "rename_all" and is_plain)]
    renamed = on_field.get("rename")
    if renamed is not None:
        name = _text(file, renamed)
    if odd or not name or name != name.lower() or hint == "duration":
        return Opaque("read from the environment in a form that is not followed", span)
    read = EnvRead(prefix + name.upper(), span)
    default = on_field.get("default")
    value: Value = read
    if default is not None:
        value = Fallback(read, _default(reader, file, node, default, hint, span), file.span(node))
    elif "default" in on_struct:
        value = Fallback(read, whole or Opaque("the default of its type", span), file.span(node))
    return value if hint in ("", "str") else reader.compute(scalars.parser(hint), (value,), file.span(node))


def _default(reader: Reader, file: File, node: Node, default: Node, hint: str, span: Span) -> Value:
    if default.type != "string_literal":  # a bare `default`
        if hint == "str":
            return Literal("", span)
        if hint == "bool":
            return Literal(False, span)
        return Literal(0, span) if hint in scalars.RANGES else Opaque("the default of its type", span)
    path = _text(file, default).split("::")
    scope = Scope(file, hops=1)
    found = reader.select(path[-1], path[-2] if len(path) > 1 else "", node, scope)
    if found is None:
        return Opaque(f"the default is made by `{path[-1]}`", file.span(default))
    body = found.node.child_by_field_name("body")
    return reader.force(Ref(body, Scope(found.file, hops=2), hint)) if body is not None else Opaque("the default of its type", span)


def _text(file: File, node: Node) -> str:
    return file.text(node).strip('"') if node.type == "string_literal" else ""
