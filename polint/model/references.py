"""``${…}`` in a compose file where a number must come out, and whether anything sets it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from .. import catalogue
from ..diagnostic import Edit, Fix
from ..fact import Fact, derive, unknown
from ..source import Span
from ..value import Computed, EnvRead, Fallback, Literal, Value
from .postgres import server_image
from .project import Project, Service, Stack, Tree
from .stack import text_of
from .variables import names_word, purpose

_README = ("README.md", "README", "README.rst", "readme.md")
# files that run a program with an environment; code that reads one sets nothing
_SETTERS = (
    ".sh",
    ".bash",
    ".zsh",
    ".ps1",
    ".bat",
    ".cmd",
    ".yml",
    ".yaml",
    ".toml",
    ".json",
    ".mk",
    ".tf",
    ".hcl",
    ".j2",
    ".service",
    ".fish",
    ".nix",
)
_SETTER_NAMES = ("makefile", "justfile", "taskfile", "jenkinsfile", "procfile", "rakefile", "earthfile", "tiltfile", ".envrc")
_SAMPLES = (".example", ".sample", ".dist", ".template")  # of a .env; no program reads them
_STOPS = ("replicas", "scale")  # Compose refuses the whole file when these are empty
_yes = derive("is_set", lambda: True)
_no = derive("is_set", lambda: False)


class Reference:
    """A ``${…}`` without a default, as the whole of a size or a time: ``setting`` is what gets it, ``variable`` what it reads."""

    kind = "reference"

    def __init__(self, variable: str, setting: str, span: Span, is_set: Fact[bool], fix: Fix | None = None) -> None:
        self.variable = variable
        self.setting = setting
        self.span = span
        self.is_set = is_set  # something gives the variable a value
        self.fix: Fix | None = fix
        self.label = f"variable {variable}"


def build_references(stack: Stack, tree: Tree, project: Project) -> None:
    """The references of one stack, each place once."""
    if stack.project is None:
        return
    places: dict[tuple[str, int], tuple[EnvRead, str]] = {}
    defaults: dict[str, set[str]] = {}
    for service in stack.services.values():
        for setting, value in _numbers(service):
            read = _alone(value)
            if read is not None:
                places.setdefault((read.span.path, read.span.start), (read, setting))
            for name, text in _defaults(value):
                defaults.setdefault(name, set()).add(text)
    if not places:
        return
    setters = _Setters(stack, tree)
    numbers: dict[str, list[str]] = {}
    for read, setting in places.values():
        numbers.setdefault(read.name, []).append(setting)
    for read, setting in places.values():
        is_set = setters.sets(read.name)
        fix = setters.cure(read, defaults.get(read.name, set()), numbers[read.name]) if is_set.is_known and not is_set.value else None
        project.references.append(Reference(read.name, setting, read.span, is_set, fix))


def _numbers(service: Service) -> Iterator[tuple[str, Value]]:
    """(name, value) of everything in a service that must be a number or a time."""
    entry = service.entry
    for setting, value in (("replicas", entry.replicas), ("scale", entry.scale), ("the memory limit", entry.memory), ("cpus", entry.cpus)):
        if value is not None:
            yield setting, value
    for variable in entry.environment.values():
        if variable.value is not None and purpose(variable.name):
            yield variable.name, variable.value
    if server_image(service) is None:
        return
    for word in (*(entry.entrypoint or ()), *(entry.command or ())):
        head, equals, _ = word.span.text.strip("'\"").partition("=")
        name = head.removeprefix("--").removeprefix("-c").strip().replace("-", "_")
        known = catalogue.setting(name, None) if equals else None
        if known is not None and known.vartype in ("integer", "real"):
            yield known.name, word.value


def _alone(value: Value) -> EnvRead | None:
    """The one bare ``${…}`` that a value is made of, apart from a name and an equals sign before it and a unit behind it."""
    parts = value.args if isinstance(value, Computed) else (value,)
    reads = [part for part in parts if isinstance(part, EnvRead)]
    if len(reads) != 1 or reads[0].required is not None:
        return None
    for part in parts:
        if isinstance(part, Literal):
            if any(character.isdigit() for character in str(part.value).rpartition("=")[2]):
                return None
        elif part is not reads[0]:
            return None
    return reads[0]


def _defaults(value: Value) -> Iterator[tuple[str, str]]:
    """(name, text) of every ``${NAME:-text}`` with a plain text in a value."""
    for part in value.args if isinstance(value, Computed) else (value,):
        if isinstance(part, Fallback) and isinstance(part.first, EnvRead) and isinstance(part.second, Literal) and part.second.value:
            yield part.first.name, str(part.second.value)


class _Setters:
    """What may set a variable that the compose file reads: the .env beside it, and whatever starts Compose."""

    def __init__(self, stack: Stack, tree: Tree) -> None:
        self.stack = stack
        self.tree = tree
        self.path = posixpath.join(stack.folder, ".env")
        self.samples = [f"{self.path}{ending}" for ending in _SAMPLES if tree.read(f"{self.path}{ending}") is not None]
        self._texts: list[tuple[str, str]] | None = None

    def sets(self, name: str) -> Fact[bool]:
        """Whether ``name`` has a value; unknown where a shell may well set it."""
        if self.tree.read(self.path) is None:
            return unknown("is_set", "no .env lies beside the compose file")
        for service in self.stack.services.values():
            if service.entry.dotenvs:
                return unknown("is_set", "an included file has a .env of its own")
        fact = self.stack.outer.variables.get(name)
        if fact is not None:
            if not fact.is_known:
                return unknown("is_set", fact.reason, fact.span)
            return _yes if fact.value else _no
        for path, text in self._others():
            if path in self.samples and not any(posixpath.basename(path) in other for _, other in self._others()):
                continue  # nobody copies it or names it to Compose
            if names_word(text, name):
                return unknown("is_set", f"{path} names {name}, and may set it")
            if "--env-file" in text or "COMPOSE_ENV_FILES" in text:
                return unknown("is_set", f"{path} gives Compose another .env file")
        return _no

    def cure(self, read: EnvRead, defaults: set[str], settings: Sequence[str]) -> Fix | None:
        """The value that a sample of the .env has, or the one default that other references to the variable have, written down.

        That is safe where Compose or the server stops without it: every setting that gets the variable (``settings``) must be
        such a one.  Otherwise something has gone on without it so far.
        """
        from ..formats import dotenv_edit

        for path in self.samples:
            sample = self.tree.read(path)
            line = dotenv_edit.line_of(sample, read.name) if sample is not None else None
            beside = self.tree.read(self.path)
            edit = dotenv_edit.set_to(beside, read.name, line) if line is not None and beside is not None else None
            if edit is not None:
                applicability = "safe" if self._stops(settings) and self._is_alone(read.name, len(settings)) else "unsafe"
                return Fix(f"set {read.name} as {posixpath.basename(path)} has it", applicability, (edit,))
        if len(defaults) == 1 and read.span.text in (f"${{{read.name}}}", f"${read.name}"):
            text = next(iter(defaults))
            applicability = "safe" if self._stops(settings) else "unsafe"
            edit = Edit(read.span, f"${{{read.name}:-{text}}}")
            return Fix(f"give it the default {text}, as elsewhere", applicability, (edit,)) if text.isalnum() else None
        return None

    def _stops(self, settings: Sequence[str]) -> bool:
        return all(setting in _STOPS or catalogue.setting(setting, None) is not None for setting in settings)

    def _is_alone(self, name: str, count: int) -> bool:
        """Whether nothing but ``count`` places of the compose files gets what the .env says of ``name``."""
        texts = [source.text for source in self.stack.project.sources] if self.stack.project is not None else []
        mentions = sum(1 for text in texts for _ in re.finditer(rf"\$\{{?{re.escape(name)}\b", text))
        files = [env_file for service in self.stack.services.values() for env_file in service.entry.env_files]
        known = [text_of("env_file", one.path, self.stack.outer) for one in files]
        given = any(text is None or posixpath.basename(text) == ".env" for text in known)
        return mentions == count and not given

    def _others(self) -> list[tuple[str, str]]:
        """Other files that may say how the stack is started."""
        if self._texts is None:
            paths = [path for path in self.tree.programs("") if _may_set(path)]
            paths += [path for path in self.tree.paths("dotenv") if path != self.path]
            folders = dict.fromkeys(("", self.stack.folder))
            paths += [posixpath.join(folder, name) for folder in folders for name in _README]
            texts = ((path, self.tree.data(path)) for path in paths)
            self._texts = [(path, data.decode("utf-8", "replace")) for path, data in texts if data and len(data) < 500_000]
        return self._texts


def _may_set(path: str) -> bool:
    base = posixpath.basename(path).lower()
    return base.endswith(_SETTERS) or base.startswith(_SETTER_NAMES) or "." not in base
