"""How Compose finds and puts together the files of a stack: documents, override files, includes and extends.

[read and run: compose-go 2.13.0 loader].  Nodes that hold paths and come from another folder than the
project's carry it as ``base``.
"""

from __future__ import annotations

from collections.abc import Callable
from posixpath import dirname, join, normpath

from .. import templating
from ..interpolate import interpolate, malformed
from ..source import Source, Span
from ..value import Computed, Fallback, Literal, Value
from ..yamltext import Node, documents, place_in, scalar
from .compose_merge import Merge, Pair, Reports, Written, is_reset, what, where

Read = Callable[[str], Source | None]

SECTIONS = ("services", "volumes", "configs", "secrets")
TOP_LEVEL = frozenset(("version", "name", "include", "services", "models", "networks", "volumes", "secrets", "configs"))
_MAX_CHAIN = 60  # services extending one another
_MAX_FILES = 200  # includes in one project
_SERVICE_MARKS = ("image", "build", "extends")


class Model:
    """Sections of one stack, merged: name -> (key, value)."""

    __slots__ = ("dotenvs", "name", "replaced", "sections")

    def __init__(self) -> None:
        self.sections: dict[str, dict[str, Pair]] = {name: {} for name in SECTIONS}
        self.name: Node | None = None
        self.dotenvs: dict[str, tuple[str, ...]] = {}
        self.replaced: dict[str, list[Written]] = {}

    @property
    def services(self) -> dict[str, Pair]:
        """Services by name."""
        return self.sections["services"]


class Loader:
    """Reads the files of one stack and puts them together; everything wrong on the way goes to ``reports``."""

    def __init__(self, read: Read, reports: Reports, merge: Merge) -> None:
        self.read = read
        self.reports = reports
        self.merge = merge
        self.sources: dict[str, Source] = {}
        self._parsed: dict[str, tuple[Node, ...]] = {}
        self._raw: dict[str, dict[str, Pair]] = {}
        self._extended: dict[tuple[int, str], tuple[Node, Node]] = {}
        self._included = 0

    # --- files

    def stack(self, files: tuple[Source, ...], base: str, dotenvs: tuple[str, ...], chain: tuple[str, ...]) -> Model:
        """The files one over the other; ``base`` is the project folder, ``chain`` the files being included."""
        model = Model()
        for source in files:
            self.sources.setdefault(source.path, source)
        for source in files:
            first = True
            for document in self.parse(source):
                self._add(model, document, base, dotenvs, (*chain, source.path), source is not files[0] or not first)
                first = False
        return model

    def parse(self, source: Source) -> tuple[Node, ...]:
        """The documents of a file; checked once."""
        known = self._parsed.get(source.path)
        if known is None:
            self.sources.setdefault(source.path, source)
            known, faults = documents(source)
            filled = next((fault for fault in faults if _is_filled(fault.span)), None)
            if filled is not None:
                self.reports.miss(templating.REASON, filled.span)
                known, faults = (), ()
            for fault in faults:
                (self.reports.miss if fault.own_limit else self.reports.refuse)(fault.message, fault.span)
            for document in known:
                self._check(document)
            self._parsed[source.path] = known
        return known

    def _check(self, document: Node) -> None:
        """Faults that any key and any value may have: a key that is no string, a malformed ``${``."""
        todo = [document]
        seen: set[int] = set()
        while todo:
            node = todo.pop()
            if node.aliased:
                if id(node) in seen:
                    continue
                seen.add(id(node))
            if node.kind == "scalar":
                if "$" in node.text:
                    at = malformed(node.text)
                    if at is not None:
                        self.reports.refuse("malformed ${…}", place_in(node)(at, len(node.text)))
            elif node.kind == "seq":
                todo.extend(node.items)
            else:
                for text, (key, value) in node.entries.items():
                    if key.end > node.end or key.start < node.start or key.source is not node.source:
                        continue  # brought by a merge key: checked where it stands
                    todo.append(value)
                    if not key.style and not isinstance(scalar(key), str):
                        self.reports.refuse(f"key {text or 'null'} is no string: quote it", key.span)

    def _add(self, model: Model, document: Node, base: str, dotenvs: tuple[str, ...], chain: tuple[str, ...], over: bool) -> None:
        if document.kind != "map":
            self.reports.refuse("not a mapping of sections", Span(document.source, document.start, document.start))
            return
        own = self._sections(document)
        name = document.get("name")
        model.name = name if name is not None and name.kind == "scalar" else model.name
        include = document.get("include")
        if include is not None and include.tag != "!reset":
            self._include(own, include, model, base, dotenvs, chain)
        for service in own["services"]:
            if not is_reset(own["services"][service]):
                key, _ = own["services"][service]
                own["services"][service] = (key, self._extend(service, own["services"], base, chain[-1], ()))
            model.dotenvs.setdefault(service, dotenvs)
        for section in SECTIONS:
            merged = model.sections[section]
            for entry, pair in own[section].items():
                if is_reset(pair):
                    merged.pop(entry, None)
                elif entry not in merged or pair[1].tag == "!override":
                    merged[entry] = pair
                elif section == "services":
                    beaten = model.replaced.setdefault(entry, []) if over else None
                    merged[entry] = (merged[entry][0], self.merge.service(merged[entry][1], pair[1], beaten))
                else:
                    merged[entry] = (pair[0], self.merge.nodes(merged[entry][1], pair[1]))

    def _sections(self, document: Node) -> dict[str, dict[str, Pair]]:
        """A document's own sections; a file of Compose 1 (services at the top) is read as one."""
        sections: dict[str, dict[str, Pair]] = {}
        legacy = "services" not in document.entries and "include" not in document.entries and self._legacy(document)
        for section in SECTIONS:
            pair = document.entries.get(section)
            sections[section] = {}
            if pair is None or pair[1].tag == "!reset":
                continue
            if pair[1].kind != "map":
                self.reports.refuse(f'"{section}" must be a mapping, not {what(pair[1])}', where(pair))
                continue
            sections[section] = dict(pair[1].entries)
        if legacy:
            sections["services"] = legacy
        elif "services" in document.entries or "include" in document.entries:
            for name, (key, _) in document.entries.items():
                if name not in TOP_LEVEL and not name.startswith("x-"):
                    self.reports.refuse(f'unknown section "{name}"', key.span)
        networks = document.entries.get("networks")
        if networks is not None and networks[1].kind != "map" and not legacy and not is_reset(networks):
            self.reports.refuse(f'"networks" must be a mapping, not {what(networks[1])}', where(networks))
        services = sections["services"]
        for name in [name for name, pair in services.items() if pair[1].kind != "map" and not is_reset(pair)]:
            self.reports.refuse(f'service "{name}" must be a mapping, not {what(services[name][1])}', where(services.pop(name)))
        return sections

    def _legacy(self, document: Node) -> dict[str, Pair] | None:
        found = {
            name: pair
            for name, pair in document.entries.items()
            if pair[1].kind == "map" and name not in TOP_LEVEL and not name.startswith("x-")
        }
        marks = [pair for pair in found.values() if any(mark in pair[1].entries for mark in _SERVICE_MARKS)]
        if not marks:
            return None
        self.reports.fault(
            'no "services": only Compose 1 takes these for services, Compose 2 refuses the file', marks[0][0].span, fatal=False
        )
        return found

    # --- include

    def _include(
        self, own: dict[str, dict[str, Pair]], include: Node, model: Model, base: str, dotenvs: tuple[str, ...], chain: tuple[str, ...]
    ) -> None:
        if include.kind != "seq":
            if include.text or include.kind == "map":
                self.reports.refuse(f'"include" must be a list, not {what(include)}', include.span)
            return
        for item in include.items:
            paths = item.get("path") if item.kind == "map" else item
            written = (paths.items if paths.kind == "seq" else (paths,)) if paths is not None else ()
            sources = [self.follow(base, path, "included file") for path in written]
            if not sources or any(source is None for source in sources):
                if not sources:
                    self.reports.refuse("an include needs a path", item.span)
                continue
            files = tuple(source for source in sources if source is not None)
            if files[0].path in chain:
                self.reports.refuse(f"{files[0].path} includes itself", item.span)
                continue
            self._included += 1
            if self._included > _MAX_FILES:
                self.reports.miss(f"more than {_MAX_FILES} includes", item.span)
                return
            folder = item.get("project_directory")
            home: str | None = dirname(files[0].path)
            if folder is not None and folder.kind == "scalar":
                home = self.path(base, folder, "project directory")
                home = "" if home == "." else home
            if home is None:
                continue
            env = item.get("env_file")
            extra: list[str] = [join(home, ".env")]
            if env is not None:
                listed = env.items if env.kind == "seq" else (env,)
                extra = [path for path in (self.path(base, one, "env_file") for one in reversed(listed)) if path is not None]
            child = self.stack(files, home, (*dotenvs, *extra), chain)
            self._import(own, child, model, home if home != base else None)

    def _import(self, own: dict[str, dict[str, Pair]], child: Model, model: Model, home: str | None) -> None:
        """Take in what an include brings; what the including file says of the same name goes over it."""
        for section in SECTIONS:
            for name, (key, value) in child.sections[section].items():
                brought = value if home is None else _based_service(value, home) if section == "services" else _based(value, home)
                if name not in own[section]:
                    own[section][name] = (key, brought)
                elif not is_reset(own[section][name]):
                    over = own[section][name]
                    merged = self.merge.service(brought, over[1], None) if section == "services" else self.merge.nodes(brought, over[1])
                    own[section][name] = (over[0], merged)
        for name, paths in child.dotenvs.items():
            model.dotenvs.setdefault(name, paths)
        for name, beaten in child.replaced.items():
            model.replaced.setdefault(name, []).extend(beaten)

    def path(self, home: str, node: Node, what: str) -> str | None:
        """The path a node names, relative to the root; None, with the reason on record, when it cannot be followed."""
        text = known_text(node)
        if text is None:
            reason = f"the {what} is named by a variable" if node.kind == "scalar" else f"the {what} is no path"
        elif "://" in text or text.startswith(("git@", "oci:")):
            reason = f"the {what} is fetched from elsewhere"
        else:
            path = normpath(join(home, text))
            if not (text.startswith(("/", "~")) or path == ".." or path.startswith("../")):
                return path
            reason = f"the {what} lies outside the project"
        self.reports.miss(reason, node.span)
        return None

    def follow(self, home: str, node: Node, what: str) -> Source | None:
        """The file a node names; None, with the reason on record, when it is not to be had."""
        path = self.path(home, node, what)
        if path is None:
            return None
        source = self.sources.get(path) or self.read(path)
        if source is None:
            self.reports.miss(f"the {what} is not there", node.span)
        return source

    # --- extends

    def _extend(self, name: str, services: dict[str, Pair], home: str, path: str, chain: tuple[tuple[str, str], ...]) -> Node:
        """Service ``name`` with what it extends underneath; ``home`` is the folder that paths in ``path`` are relative to."""
        node = services[name][1]
        extends = node.entries.get("extends")
        if extends is None or extends[1].tag == "!reset":
            return node
        memo = self._extended.get((id(node), name))
        if memo is not None:
            return memo[1]
        target = extends[1]
        service = target.get("service") if target.kind == "map" else target
        file = target.get("file")
        ref = known_text(service) if service is not None else None
        if (path, name) in chain:
            self.reports.refuse(f'service "{name}" extends itself', target.span)
            return node
        if service is None or service.kind != "scalar" or not service.text:
            self.reports.refuse(f'"extends" of service "{name}" names no service', where(extends))
            return node
        if ref is None:
            self.reports.miss("the extended service is named by a variable", service.span)
            return node
        if len(chain) >= _MAX_CHAIN:
            self.reports.miss(f"more than {_MAX_CHAIN} services extend one another", target.span)
            return node
        there = home
        origin = path
        if file is not None and file.text:
            source = self.follow(home, file, "extended file")
            if source is None:
                return node
            services, there, origin = self._services_of(source), dirname(source.path), source.path
        if ref not in services:
            broken = file is not None and not services
            if not broken:
                self.reports.refuse(f'service "{name}" extends "{ref}", which is not there', service.span)
            return node
        base = self._extend(ref, services, there, origin, (*chain, (path, name)))
        if base.kind != "map":
            return node
        merged = self.merge.service(base if there == home else _based_service(base, there), node, None)
        merged.entries.pop("extends", None)
        self._extended[id(node), name] = (node, merged)
        return merged

    def _services_of(self, source: Source) -> dict[str, Pair]:
        """The services a file writes itself, for others to extend."""
        services = self._raw.get(source.path)
        if services is None:
            services = {}
            for document in self.parse(source):
                if document.kind == "map":
                    for name, pair in self._sections(document)["services"].items():
                        known = services.get(name)
                        services[name] = pair if known is None else (known[0], self.merge.service(known[1], pair[1], None))
            self._raw[source.path] = services
        return services


def _based(node: Node, home: str, depth: int = 0) -> Node:
    """The node with its paths relative to ``home`` (what has a base already keeps it)."""
    if node.kind == "scalar":
        return node if node.base is not None else node.replaced(base=home)
    if node.kind == "seq":
        return node.replaced(items=[_based(item, home, depth + 1) for item in node.items]) if depth < 4 else node
    entries = {name: (key, _based(value, home, depth + 1)) for name, (key, value) in node.entries.items()} if depth < 4 else node.entries
    return node.replaced(entries=entries, base=home if node.base is None else node.base)


def _based_service(node: Node, home: str) -> Node:
    entries = dict(node.entries)
    for name in ("build", "env_file", "volumes"):
        if name in entries:
            entries[name] = (entries[name][0], _based(entries[name][1], home))
    return node.replaced(entries=entries)


def _is_filled(span: Span) -> bool:
    """Whether a template fills in the line of ``span``, so that the file is not what Compose gets."""
    text = span.source.text
    start, end = text.rfind("\n", 0, span.start) + 1, text.find("\n", span.start)
    end = len(text) if end < 0 else end
    return text.find("{%", start, end) >= 0 or templating.fills_braces(text, start, end)


def known_text(node: Node) -> str | None:
    """A scalar's text as far as files alone decide it, defaults taken; None when they do not."""
    return _known(interpolate(node.text, node.span)) if node.kind == "scalar" else None


def _known(value: Value) -> str | None:
    match value:
        case Literal(text):
            return str(text)
        case Fallback(_, second):
            return _known(second)
        case Computed(args=args):
            texts = [_known(arg) for arg in args]
            return None if None in texts else "".join(text for text in texts if text is not None)
        case _:
            return None
