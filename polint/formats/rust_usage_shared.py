"""Single connections that many users share: behind a lock in a static, in web state, or in an Arc."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .rust_code import File
from .rust_usage import Shared
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node

_SINGLES = ("PgConnection", "AsyncPgConnection")
_LOCKS = frozenset({"Mutex", "RwLock", "ReentrantMutex", "FairMutex"})
_WEB = {"State": "web state", "Data": "web state", "Extension": "web state"}
_HOLDERS = {"field_declaration": "field", "static_item": "static", "type_item": "type"}
_PLACES = frozenset(
    {*_HOLDERS, "parameter", "function_item", "let_declaration", "ordered_field_declaration_list", "impl_item", "trait_item"}
)


def shared_connections(reader: Reader, files: Sequence[File]) -> Iterator[Shared]:
    """Each declaration that shares one connection; where the crate has no such declaration, the first other mention."""
    first: Shared | None = None
    declared = False
    for file in files:
        if not any(word in file.data for word in (b"Mutex<", b"RwLock<")):
            continue
        if b"advisory" in file.data or b"PgListener" in file.data:
            continue
        for word in _SINGLES:
            for at in file.words(word.encode()):
                if reader.code.is_test(file, at):
                    continue
                node = file.node(at, at + len(word))
                found = _shared(file, node) if node is not None else None
                if found is None:
                    continue
                if found.holder:
                    declared = True
                    yield found
                elif first is None:
                    first = found
    if not declared and first is not None:
        yield first


def _shared(file: File, node: Node) -> Shared | None:
    """What the type around ``node`` says; None where it does not share the connection."""
    if node.type != "type_identifier":
        return None
    names: list[str] = []
    outermost = node
    for parent in file.ups(node, 24):
        if parent.type == "generic_type":
            kind = parent.child_by_field_name("type")
            names.append(file.text(kind).rpartition("::")[2] if kind is not None else "")
            outermost = parent
        elif parent.type in _PLACES:
            place = parent
            break
        elif parent.type not in ("type_arguments", "scoped_type_identifier", "reference_type"):
            return None
    else:
        return None
    inner = [name for name in names if name != "Option"]
    if not inner or inner[0] not in _LOCKS:
        return None
    text = "".join(file.text(outermost).split())
    if "ConnectionManager" in text:
        return None
    if place.type == "static_item":
        return Shared(text, "static", file.span(outermost))
    if any(name in _WEB for name in inner):
        return Shared(text, "web state", file.span(outermost))
    if "Arc" not in inner and not (place.type == "field_declaration" and _is_state(file, place)):
        return None
    return Shared(text, _HOLDERS.get(place.type, "field" if place.type == "ordered_field_declaration_list" else ""), file.span(outermost))


def _is_state(file: File, field: Node) -> bool:
    """Whether a field belongs to the state of a service, which its handlers share."""
    struct = file.enclosing(field, "struct_item")
    name = struct.child_by_field_name("name") if struct is not None else None
    return name is not None and file.text(name).endswith("State")
