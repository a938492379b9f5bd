"""Which type a name means: ``use`` declarations, re-exports and type aliases followed to a path outside the crate."""

from __future__ import annotations

from ..treesitter import find_all
from .rust_code import Code, Definition, File
from .rust_forms import segments

_OWN = ("crate", "self", "super")
_HOPS = 5
_LONG = 4000  # bytes; no use declaration is longer


class Paths:
    """The full paths of types in one crate; several where the files leave open which of them it is."""

    def __init__(self, code: Code) -> None:
        self._code = code
        self._imports: dict[str, dict[str, list[tuple[str, int]]]] = {}
        self._aliases: dict[str, list[Definition]] = {}

    def full(self, file: File, path: str, hops: int = 0) -> tuple[str, ...]:
        """What ``path`` means in ``file``: ``bb8::Pool`` for ``Pool`` after ``use bb8::Pool``; type arguments are left out."""
        names = segments(path.replace(" ", "").replace("\n", ""))
        imported = self._imported(file)
        found: list[str] = []
        known = self._meant(file, imported.get(names[0], ()))
        if known:
            found = ["::".join([one, *names[1:]]) for one in known]
        elif len(names) == 1:
            found = [f"{prefix}::{names[0]}" for prefix, _ in imported.get("*", ()) if prefix.partition("::")[0] not in _OWN]
            found.append(names[0])
        else:
            found = ["::".join(names)]
        out: dict[str, None] = {}
        for one in found:
            for outer in self._outside(file, one, hops):
                out[outer] = None
        return tuple(out)

    def named(self, file: File, text: str, hops: int = 0) -> frozenset[str]:
        """The full paths of all types in ``text``, a type as written, those that its aliases stand for included."""
        found: set[str] = set()
        for path in _paths_in(text):
            found.update(self.full(file, path))
            for alias in self.aliases(path.rpartition("::")[2]) if hops < _HOPS else ():
                kind = alias.node.child_by_field_name("type")
                if kind is not None:
                    found |= self.named(alias.file, alias.file.text(kind), hops + 1)
        return frozenset(found)

    def aliases(self, name: str) -> list[Definition]:
        """``type name = …;`` anywhere in the crate, outside impls."""
        known = self._aliases.get(name)
        if known is None:
            known = self._aliases[name] = []
            word = b"type " + name.encode("utf-8", "surrogateescape")
            for file in self._code.files if name else ():
                for at in file.words(word):
                    node = file.node(at + 5, at + len(word))
                    item = node.parent if node is not None else None
                    inside = file.enclosing(item, "impl_item", "trait_item") if item is not None else None
                    if item is not None and item.type == "type_item" and inside is None and not self._code.is_test(file, at):
                        known.append(Definition(file, item))
        return known

    def _outside(self, file: File, path: str, hops: int) -> tuple[str, ...]:
        """``path``, or what it stands for where it is one of the crate's own."""
        names = path.split("::")
        if hops >= _HOPS or (len(names) > 1 and names[0] not in _OWN and not self._is_module(names[0])):
            return (path,)
        out: list[str] = []
        for alias in self.aliases(names[-1]):
            kind = alias.node.child_by_field_name("type")
            if kind is not None:
                out += self.full(alias.file, alias.file.text(kind).partition("<")[0], hops + 1)
        if not out and len(names) > 1:
            for other in self._code.files:
                places = self._imported(other).get(names[-1], ()) if other is not file else ()
                out += [one for one, _ in places if one.partition("::")[0] not in _OWN]
        return tuple(out) or (path,)

    def _is_module(self, name: str) -> bool:
        return any(name in file.module_names() for file in self._code.files)

    def _meant(self, file: File, places: tuple[tuple[str, int], ...] | list[tuple[str, int]]) -> list[str]:
        """Of several imports of one name those outside tests."""
        paths = list(dict.fromkeys(path for path, _ in places))
        if len(paths) > 1:
            paths = list(dict.fromkeys(path for path, at in places if not self._code.is_test(file, at)))
        return paths

    def _imported(self, file: File) -> dict[str, list[tuple[str, int]]]:
        """The names that ``use`` declarations of a file bring in, each with its path and place; ``*`` holds the globs."""
        known = self._imports.get(file.source.path)
        if known is None:
            known = self._imports[file.source.path] = {}
            for at in find_all(file.data, b"use "):
                start = file.data.rfind(b"\n", 0, at) + 1
                before = file.data[start:at].strip()
                end = file.data.find(b";", at, at + _LONG)
                if end < 0 or not (before == b"" or (before.startswith(b"pub") and before[3:4] in (b"", b"("))):
                    continue
                text = file.data[at + 4 : end].decode("utf-8", "replace")
                for name, path in _bindings(text):
                    known.setdefault(name, []).append((path, at))
        return known


def _bindings(text: str) -> list[tuple[str, str]]:
    """The names a ``use`` tree binds, with their paths: ``a::{b, c as d, self}``."""
    flat = " ".join(line.partition("//")[0] for line in text.splitlines())
    out: list[tuple[str, str]] = []
    prefixes: list[str] = []
    current = ""
    for character in flat + ",":
        if character == "{":
            prefixes.append(f"{prefixes[-1] if prefixes else ''}{current.strip()}")
            current = ""
        elif character in ",}":
            path, _, alias = current.strip().partition(" as ")
            path = path.strip().removeprefix("::")
            if path:
                whole = f"{prefixes[-1] if prefixes else ''}{path}".removesuffix("::self")
                name = alias.strip() or whole.rpartition("::")[2]
                out.append((name, whole.removesuffix("::*") if name == "*" else whole))
            current = ""
            if character == "}":
                if not prefixes:
                    return out
                prefixes.pop()
        else:
            current += character
        if len(prefixes) > 40:
            return out
    return out


def _paths_in(text: str) -> list[str]:
    """The paths that a type is made of: ``Pool``, ``a::B`` of ``Pool<a::B>``."""
    out: list[str] = []
    current = ""
    for character in text + " ":
        if character.isalnum() or character in "_:":
            current += character
        elif current:
            path = current.strip(":")
            if path and not path[0].isdigit():
                out.append(path)
            current = ""
    return out
