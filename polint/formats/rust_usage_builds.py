"""Pools that are built again and again: for each request, for each run of a job, in each pass of a loop.

Unlike the count of pools, which must not miss one, this says only what is certain: a
handler registered as such, or a loop whose pool is gone at the end of the pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..patterns import lazy
from ..value import Opaque
from .rust_built import leaves
from .rust_code import File, arguments, bare_type, owner_of
from .rust_names import Scope, parameters, takes_self
from .rust_structs import attributes_of
from .rust_usage import Rebuilt
from .rust_values import Reader

if TYPE_CHECKING:
    from tree_sitter import Node

_VERBS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "route"})
_EXTRACTORS = frozenset({"State", "Json", "Path", "Query", "Form", "Extension", "Request", "LambdaEvent"})  # over a type
_WHOLE = frozenset({"HttpRequest", "Multipart", "Next"})
_FRAMEWORKS = (b"axum", b"actix_web", b"rocket", b"poem", b"salvo", b"ntex", b"lambda", b"tauri")
_FROM_REQUEST = frozenset({"from_request", "from_request_parts"})
_JOBS = frozenset({"new", "new_async", "new_async_tz", "new_tz", "new_repeated", "new_repeated_async", "new_cron_job_async"})
_ONCE = frozenset(
    {"get_or_init", "get_or_try_init", "call_once", "get_or_insert_with", "get_or_create", "entry", "or_insert_with", "try_get_with"}
)
_LAZY = frozenset({"Lazy", "LazyLock", "LazyCell", "SyncLazy", "OnceCell"})
_LOOPS = frozenset({"for_expression", "while_expression", "loop_expression"})
_WORDS = lazy(r"[A-Za-z_]\w*")
_CALLERS = 4

PER_REQUEST = "for each request"
PER_RUN = "each time the job runs"
PER_PASS = "in each pass of the loop"


def rebuilt_at(reader: Reader, file: File, connect: Node) -> Iterator[Rebuilt]:
    """Why the pool that ``connect`` makes is built over and over, at most once."""
    found = _loop(file, connect) or (_climb(reader, file, connect, 0) if _is_own(reader, file, connect) else None)
    if found is not None:
        how, where, holder = found
        yield Rebuilt(how, file.span(connect), holder.span(where))


def _climb(reader: Reader, file: File, node: Node, depth: int) -> tuple[str, Node, File] | None:
    """How what runs at ``node`` is reached again and again: from a handler or a job, also over the functions that call it."""
    for parent in file.ups(node):
        if parent.type in ("static_item", "const_item"):
            return None
        if parent.type == "if_expression" or parent.type == "match_expression":
            value = parent.child_by_field_name("condition") or parent.child_by_field_name("value")
            # only where none is there yet, or only if asked for
            if value is None or not value.start_byte <= node.start_byte < value.end_byte:
                return None
        if parent.type == "closure_expression":
            names = _given_to(file, parent)
            if names and (names[-1] in _ONCE or (len(names) > 1 and names[-2] in _LAZY)):
                return None
            if len(names) > 1 and names[-2] == "Job" and names[-1] in _JOBS:
                return PER_RUN, parent, file
            if _is_routed(file, parent):
                return PER_REQUEST, parent.child_by_field_name("parameters") or parent, file
        if parent.type == "function_item":
            return _function(reader, file, parent, node, depth)
    return None


def _function(reader: Reader, file: File, function: Node, node: Node, depth: int) -> tuple[str, Node, File] | None:
    label, body = function.child_by_field_name("name"), function.child_by_field_name("body")
    name = file.text(label) if label is not None else ""
    if label is None or body is None or name in ("main", "new", "default", "init", "setup", "build"):
        return None
    text = file.data[body.start_byte : body.end_byte]
    if any(word in text for word in (b"get_or_init", b"get_or_try_init", b".set(", b".insert(", b"OnceCell", b"lazy_static")):
        return None  # it may be kept, and found the next time
    given = {name for one in parameters(function) if (name := _extractor(file, one))}
    if _is_handler(reader, file, function, name, given):
        return PER_REQUEST, label, file
    if depth >= _CALLERS:
        return None
    owner, method = owner_of(file, function), takes_self(function)
    if method or len(reader.code.functions(name)) != 1 or _takes_target(file, function, node):
        return None
    for use in reader.code.calls(name, owner, method):
        if use.node.type != "call_expression":
            continue
        if not reader.code.sees(use.file, name, file) and not owner and "::" not in use.file.text(use.node)[:200]:
            continue
        found = _loop(use.file, use.node) if depth == 0 else None
        found_at = (*found[:2], use.file) if found is not None else _climb(reader, use.file, use.node, depth + 1)
        if found_at is not None:
            return found_at
    return None


def _extractor(file: File, parameter: Node) -> str:
    """The outermost name of a parameter's type that takes a part of a request: ``Json`` of ``web::Json<New>``; "" of another."""
    kind = parameter.child_by_field_name("type")
    text = file.text(kind).lstrip("&") if kind is not None else ""
    name = bare_type(text)
    return name if name in _WHOLE or (name in _EXTRACTORS and "<" in text) else ""


def _is_own(reader: Reader, file: File, connect: Node) -> bool:
    """Whether what a pool connects to is the program's own, not something a user or a table names."""
    given = arguments(connect)
    if len(given) != 1:
        return False
    if not isinstance(reader.start().value(given[0], Scope(file), "str"), Opaque):
        return True
    names = set(_WORDS.findall(file.text(given[0])))
    return not names.isdisjoint({"config", "cfg", "settings", "env"}) and names.isdisjoint({"tenant", "request", "req", "body", "payload"})


def _takes_target(file: File, function: Node, connect: Node) -> bool:
    """Whether a function connects to where its caller says: which may be another place each time."""
    names = {word for one in parameters(function) for word in _WORDS.findall(file.text(one.child_by_field_name("pattern") or one))}
    return any(word in names for argument in arguments(connect) for word in _WORDS.findall(file.text(argument)))


def _is_handler(reader: Reader, file: File, function: Node, name: str, given: set[str]) -> bool:
    for attribute in attributes_of(function):
        path, paren, _ = file.text(attribute).strip("#[] \n").partition("(")
        if path.strip().rpartition("::")[2] in _VERBS and paren:
            return True
        if path.strip() in ("tauri::command", "server") and any(b"leptos" in one.data or b"tauri" in one.data for one in reader.code.files):
            return True
    if name in _FROM_REQUEST and owner_of(file, function):
        return True
    if given - {"Request"} and any(word in one.data for one in reader.code.files for word in _FRAMEWORKS):
        return True
    written = function.child_by_field_name("return_type")
    if written is not None and "Request" in given and "Status" in _WORDS.findall(file.text(written)):
        return True  # tonic
    for use in reader.code.calls(name, owner_of(file, function), False):
        if use.node.type != "call_expression" and _is_routed(use.file, use.node):
            return True
    return False


def _is_routed(file: File, path: Node) -> bool:
    """Whether a function is given to ``get(..)`` or ``.to(..)`` inside a ``route``."""
    names = _given_to(file, path)
    if not names or names[-1] not in (*_VERBS, "to", "any"):
        return False
    for parent in file.ups(path, 12):
        if parent.type == "call_expression":
            function = parent.child_by_field_name("function")
            label = function.child_by_field_name("field") if function is not None and function.type == "field_expression" else None
            if label is not None and file.text(label) in ("route", "service", "resource", "at"):
                return True
    return False


def _given_to(file: File, argument: Node) -> list[str]:
    """The names of the path of the function that ``argument`` is given to."""
    holder = file.up(argument)
    call = holder.parent if holder is not None and holder.type == "arguments" else None
    function = call.child_by_field_name("function") if call is not None else None
    if function is None:
        return []
    if function.type == "field_expression":
        label = function.child_by_field_name("field")
        return [file.text(label) if label is not None else ""]
    return file.text(function).partition("<")[0].split("::")


def _loop(file: File, connect: Node) -> tuple[str, Node, File] | None:
    """The loop in each pass of which a pool is made and dropped."""
    let = None
    for parent in file.ups(connect):
        kind = parent.type
        if kind == "let_declaration" and let is None:
            let = parent
        elif kind in ("closure_expression", "function_item", "if_expression", "match_arm", "match_expression", "static_item"):
            return None
        elif kind in _LOOPS:
            body = parent.child_by_field_name("body")
            if let is None or body is None or not body.start_byte <= connect.start_byte < body.end_byte:
                return None
            if leaves(file, parent, body, connect) or not _dies(file, let, body) or _varies(file, parent, body, connect):
                return None
            return PER_PASS, parent.children[0], file
    return None


def _dies(file: File, let: Node, body: Node) -> bool:
    """Whether the variable of ``let`` is only lent out until the pass of the loop ends."""
    pattern, block = let.child_by_field_name("pattern"), file.up(let)
    if pattern is None or pattern.type != "identifier" or block is None:
        return False
    word = file.data[pattern.start_byte : pattern.end_byte]
    for at in file.words(word, let.end_byte, block.end_byte):
        node = file.node(at, at + len(word))
        parent = file.up(node) if node is not None else None
        if node is None or parent is None:
            continue
        if parent.type == "reference_expression":
            continue
        label = parent.child_by_field_name("field") if parent.type == "field_expression" else None
        if label is None or file.text(label) not in (
            "acquire",
            "begin",
            "close",
            "execute",
            "fetch_one",
            "fetch_all",
            "fetch_optional",
            "size",
        ):
            return False
    return True


def _varies(file: File, loop: Node, body: Node, connect: Node) -> bool:
    """Whether what is connected to may be another in each pass: it names what the loop binds or sets."""
    used = {word for argument in arguments(connect) for word in _WORDS.findall(file.text(argument))}
    bound = set()
    for part in (loop.child_by_field_name("pattern"), loop.child_by_field_name("condition")):
        if part is not None:
            bound |= set(_WORDS.findall(file.text(part)))
    for statement in body.named_children:
        if statement.type == "let_declaration" and statement.start_byte < connect.start_byte:
            pattern = statement.child_by_field_name("pattern")
            if pattern is not None and not pattern.start_byte <= connect.start_byte < statement.end_byte:
                bound |= set(_WORDS.findall(file.text(pattern)))
    return bool(used & bound)
