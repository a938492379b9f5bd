"""PHP names within one file: imports, constants, classes and their members, and which scope a place is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .php_convert import pdo_constant, unquote
from .php_nodes import arguments, bare, holder, members, parameters, parts, text
from .php_scope import CLASSES, FUNCTIONS, Write, Writes, scan

if TYPE_CHECKING:
    from tree_sitter import Node


class Scope:
    """A function, method or file: ``owner`` is the class it is in; ``writes`` is scanned on first need."""

    __slots__ = ("node", "owner", "parent", "writes")

    def __init__(self, node: Node, parent: Scope | None = None, owner: Node | None = None) -> None:
        self.node = node
        self.parent = parent
        self.owner = owner
        self.writes: Writes | None = None


class Class:
    """A class: values of its constants and defaults of its properties, and who writes the properties (``->x``, ``::x``).

    ``given`` are the properties the constructor's parameters make; None as a default: there is none.
    """

    def __init__(self) -> None:
        self.constants: dict[str, Node] = {}
        self.defaults: dict[str, Node | None] = {}
        self.writes: dict[str, list[tuple[Write, Scope]]] = {}
        self.constructor: Scope | None = None
        self.given: frozenset[str] = frozenset()
        self.open = False  # abstract or a trait: other files complete it


class Names:
    """What names mean in one file.

    ``imports`` are the class names it uses, alias to full name, both in lower case; ``constants`` the constants
    of the file, each with all its declarations and the values given there.
    """

    def __init__(self, root: Node) -> None:
        self.root = root
        self.file = Scope(root)
        self.imports: dict[str, str] = {}
        self.namespaced = False
        self.constants: dict[str, list[tuple[Node, Node]]] = {}
        self._scopes: dict[int, Scope] = {}
        self._classes: dict[int, Class] = {}
        for child in root.named_children:
            self._declare(child)

    def _declare(self, node: Node) -> None:
        if node.type == "namespace_definition":
            self.namespaced = True
            body = node.child_by_field_name("body")
            for child in body.named_children if body is not None else ():
                if child.type != "namespace_definition":
                    self._declare(child)
        elif node.type == "namespace_use_declaration":
            body = node.child_by_field_name("body")
            prefix = ""
            for child in node.named_children:
                if child.type == "namespace_name":
                    prefix = text(child) + "\\"
            for clause in (body or node).named_children:
                if clause.type == "namespace_use_clause":
                    alias = clause.child_by_field_name("alias")
                    names = [child for child in clause.named_children if child.type in ("name", "qualified_name")]
                    if names:
                        full = (prefix + text(names[0])).lower().lstrip("\\")
                        self.imports[(text(alias) if alias else full.rpartition("\\")[2]).lower()] = full
        elif node.type == "const_declaration":
            for element in node.named_children:
                inside = parts(element)
                if element.type == "const_element" and len(inside) == 2:
                    self.constants.setdefault(text(inside[0]), []).append((element, inside[1]))

    def define(self, node: Node, certain: bool) -> None:
        """Take note of a ``define('NAME', value)``; not ``certain`` where it may not happen."""
        call = arguments(node)
        if call is None or len(call.positional) < 2:
            return
        name = call.positional[0]
        if name.type == "string":
            self.constants.setdefault(unquote(text(name)[1:-1]), []).append((node, call.positional[1] if certain else node))
        elif name.type == "encapsed_string":
            self.constants.setdefault(text(name)[1:-1], []).append((node, call.positional[1] if certain else node))

    def class_name(self, node: Node) -> str:
        """The full name, in lower case, of the class that a name stands for; "" if it is not a name."""
        if node.type not in ("name", "qualified_name"):
            return ""
        written = text(node).lower()
        if written.startswith("\\"):
            return written[1:]
        first, _, rest = written.partition("\\")
        if first in self.imports:
            return f"{self.imports[first]}\\{rest}" if rest else self.imports[first]
        return f"?\\{written}" if self.namespaced else written

    def pdo_name(self, node: Node) -> str:
        """The constant of PDO that ``PDO::X`` or ``Pdo\\Pgsql::X`` names; "" for anything else."""
        inside = parts(node)
        if node.type != "class_constant_access_expression" or len(inside) != 2 or inside[1].type != "name":
            return ""
        owner = self.class_name(inside[0]).removeprefix("?\\")
        if owner != "pdo" and not owner.startswith("pdo\\"):
            return ""
        return pdo_constant(owner, text(inside[1]))

    def scope(self, path: list[Node]) -> Scope:
        """The scope of the last node of ``path``, which leads there from the root."""
        found, owner = self.file, None
        for node in path[1:-1]:
            if node.type in CLASSES:
                owner = node
            elif node.type in FUNCTIONS:
                known = self._scopes.get(node.id)
                if known is None:
                    known = self._scopes[node.id] = Scope(node, found, owner)
                found = known
        return found

    def writes(self, scope: Scope) -> Writes:
        """The writes of a scope."""
        if scope.writes is None:
            scope.writes = scan(scope.node)
        return scope.writes

    def constant(self, node: Node, scope: Scope) -> tuple[Node, Scope] | None:
        """What a constant of this file, or ``self::X``, is set to."""
        if node.type != "class_constant_access_expression":
            found = self._file_constant(bare(node))
            return (found, self.file) if found is not None else None
        found = self._class_member(node, scope)
        return (found, Scope(found, None, scope.owner)) if found is not None else None

    def _class_member(self, node: Node, scope: Scope) -> Node | None:
        """The value of a constant of the class around, ``self::X``."""
        inside = parts(node)
        owner = scope.owner
        if owner is None or len(inside) != 2 or not self._own(inside[0], owner):
            return None
        return self._class(owner).constants.get(text(inside[1]))

    def _own(self, owner: Node, around: Node) -> bool:
        return text(owner).lower() in ("self", "static", text(around.child_by_field_name("name")).lower() or "self")

    def global_source(self, name: str) -> Node | None:
        """What a variable of the file is set to, if that happens once and in any case."""
        writes = self.writes(self.file).by_name.get(name, [])
        lone = len(writes) == 1 and writes[0].how == "=" and writes[0].block.parent is None
        return writes[0].node if lone else None

    def is_parameter(self, name: str, scope: Scope) -> bool:
        """Whether a variable comes from the caller."""
        return any(name == given for given, _ in parameters(scope.node))

    def outside(self, name: str, scope: Scope) -> tuple[Scope, int] | None:
        """Where a closure has a variable from: the scope around and the place in it; None if from its caller."""
        function = scope.node
        if scope.parent is None or self.is_parameter(name, scope):
            return None
        if function.type == "arrow_function":
            return scope.parent, function.start_byte
        if function.type == "anonymous_function":
            for clause in function.named_children:
                if clause.type == "anonymous_function_use_clause":
                    captured = {text(child)[1:] for child in clause.named_children if child.type == "variable_name"}
                    return (scope.parent, function.start_byte) if name in captured else None
        return None

    def property_place(self, node: Node, scope: Scope) -> str | tuple[Node, Scope] | None:
        """Where ``$this->x`` has its value from: its name for a write in this function, or the expression elsewhere."""
        name = holder(node)
        if name is None or scope.owner is None or (name[0] == ":" and not self._own(node.named_children[0], scope.owner)):
            return None
        found = self.writes(scope).reaching(name, node.start_byte)
        if found and found[0][1] and found[0][0].how == "=":
            return name
        return self.property(name, scope)

    def property(self, name: str, scope: Scope) -> tuple[Node, Scope] | None:
        """What a property holds once the constructor has run: its default, or the one write there; None if others write it."""
        if scope.owner is None:
            return None
        owner = self._class(scope.owner)
        bare_name = name.lstrip(":->")
        if owner.open or bare_name in owner.given:
            return None
        writes = owner.writes.get(name)
        if writes:
            write, within = writes[0]
            lone = len(writes) == 1 and within is owner.constructor and write.how == "=" and write.block.parent is None
            return (write.node, within) if lone and write.node is not None else None
        default = owner.defaults.get(bare_name)
        return (default, Scope(default, None, scope.owner)) if default is not None else None

    def _class(self, node: Node) -> Class:
        """What a class declares, read once."""
        if node.id in self._classes:
            return self._classes[node.id]
        found = self._classes[node.id] = Class()
        found.open = node.type == "trait_declaration" or any(child.type == "abstract_modifier" for child in node.named_children)
        for element in members(node, "const_declaration", "const_element"):
            pair = parts(element)
            if len(pair) == 2:
                found.constants.setdefault(text(pair[0]), pair[1])
        for element in members(node, "property_declaration", "property_element"):
            found.defaults[text(element.child_by_field_name("name"))[1:]] = element.child_by_field_name("default_value")
        for method in members(node, "method_declaration"):
            within = self._scopes.get(method.id)
            if within is None:
                within = self._scopes[method.id] = Scope(method, self.file, node)
            for name, writes in self.writes(within).by_name.items():
                if name.startswith(("-", ":")):
                    found.writes.setdefault(name, []).extend((write, within) for write in writes)
            if text(method.child_by_field_name("name")).lower() == "__construct":
                found.constructor = within
                promoted = (given for given, kind in parameters(method) if kind == "property_promotion_parameter")
                found.given = frozenset(promoted)
        return found

    def _file_constant(self, name: str) -> Node | None:
        found = self.constants.get(name, ())
        return found[0][1] if len(found) == 1 and found[0][0].id != found[0][1].id else None
