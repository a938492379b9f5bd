"""From compose files to stacks: which files make one, and what each service's container sees."""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..fact import Fact, default, unknown
from ..source import Source, Span
from ..value import Computed, Literal, Value
from . import read
from .project import MOST_FAULTS, Duplicate, Problem, Project, Service, Stack, Tree, worst
from .resolve import NOTHING, Environment, outline, resolve

if TYPE_CHECKING:
    from ..formats import Parsed, compose, dockerfile

# Compose looks for these in this order (docker compose, "Compose file" documentation).
_MAIN = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_MOST_MADE = 4_000_000  # characters of an environment file's values that are made of others
_SEARCH = (_MAIN[0], _MAIN[1], _MAIN[3], _MAIN[2])


def join(folder: str, path: str) -> str | None:
    """``path`` relative to ``folder``, both relative to the root; None when it leaves the root or is absolute."""
    if path.startswith(("/", "~")):
        return None
    joined = posixpath.normpath(posixpath.join(folder, path))
    if joined == "..":
        return None
    return None if joined.startswith("../") else "" if joined == "." else joined


def below(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies in it; everything lies in the root "" ."""
    return not folder or path == folder or path.startswith(folder + "/")


def under(paths: Sequence[str], folders: Iterable[str]) -> Sequence[str]:
    """Those of the sorted ``paths`` that are ``below`` one of ``folders``, without a look at the others."""
    parts: list[Sequence[str]] = []
    for folder in folders:
        if not folder:
            return paths
        start = bisect_left(paths, folder + "/")
        parts.append(paths[start : bisect_left(paths, folder + "0", start)])  # "0" comes right after "/"
        at = bisect_left(paths, folder, 0, start)
        if paths[at : at + 1] == [folder]:
            parts.append((folder,))
    return parts[0] if len(parts) == 1 else sorted({path for part in parts for path in part})


def text_of(name: str, value: Value | None, environment: Environment) -> str | None:
    """The text of a value, None when it is absent or unknown."""
    if value is None:
        return None
    fact = resolve(name, value, environment)
    return str(fact.value) if fact.is_known and fact.value is not None else None


def find_stacks(tree: Tree, project: Project, stated: Mapping[str, Mapping[str, Fact[Any]]]) -> list[Stack]:
    """Every stack of the tree, the root itself when there is no compose file."""
    folders: dict[str, list[str]] = {}
    for path in tree.paths("compose"):
        if not _is_compose(path, tree.data(path)) or tree.read(path) is None:
            continue
        folders.setdefault(posixpath.dirname(path), []).append(path)
    groups: list[tuple[str, tuple[str, ...]]] = []
    for folder, paths in folders.items():
        groups.extend(_groups(folder, paths, tree))
    loaded = [(main, _load(main, overrides, tree)) for main, overrides in groups]
    included = {
        source.path
        for main, found in loaded
        for source in found.sources[1:]
        if source.path != main and not _is_found_beside(source.path, main)
    }
    overriding = {path for _, overrides in groups for path in overrides}
    stacks = [
        _stack(main, found, tree, project, stated)
        for main, found in loaded
        if main not in included or main in overriding or not found.services
    ]
    seen: set[tuple[str, int, str]] = set()
    for _, found in loaded:
        for fault in worst(found.faults):
            key = (fault.span.path, fault.span.start, fault.message)
            if key not in seen:
                seen.add(key)
                project.problems.append(Problem("compose", fault.message, fault.span, is_fatal=fault.fatal, fix=fault.fix))
        project.unread.extend(found.unread)
    return stacks or [Stack("", "", None)]


def _is_found_beside(path: str, main: str) -> bool:
    """Whether Compose finds ``path`` by itself in the folder of ``main``: a variant there extends a stack, not a fragment."""
    return posixpath.dirname(path) == posixpath.dirname(main) and posixpath.basename(path) in _MAIN


def _is_compose(path: str, data: bytes) -> bool:
    """A file named like a compose file that is one: workflows and notes have such names, too."""
    if b"\njobs:" in data:
        return False
    keys = (b"services:", b"include:", b"version:", b"x-", b"networks:", b"volumes:")
    plausible = any(data.startswith(key) or b"\n" + key in data for key in keys) or b"image:" in data or b"build:" in data
    return plausible or posixpath.basename(path) in _MAIN


def _groups(folder: str, paths: list[str], tree: Tree) -> list[tuple[str, tuple[str, ...]]]:
    """(main file, override files) of each stack a folder holds: the one Compose would find, and each variant beside it."""
    names = {posixpath.basename(path): path for path in paths}
    main = next((names[name] for name in _SEARCH if name in names), None)
    if main is None:
        return [(path, ()) for path in paths]
    stem, suffix = posixpath.splitext(posixpath.basename(main))
    override = next((names[f"{stem}.override{end}"] for end in (suffix, ".yml", ".yaml") if f"{stem}.override{end}" in names), None)
    groups: list[tuple[str, tuple[str, ...]]] = [(main, (override,) if override else ())]
    main_services: set[str] | None = None
    for name, path in names.items():
        if path in (main, override) or name in _MAIN:
            continue
        if main_services is None:
            main_services = set(_load(main, (), tree).services)
        services = _load(path, (), tree).services
        # A file whose services lean on the main one (no image, no build of their own) is an override of it.
        leans = [entry for entry in services.values() if entry.image is None and entry.build is None and entry.name in main_services]
        groups.append((main, (path,)) if leans else (path, ()))
    return groups


def _load(main: str, overrides: tuple[str, ...], tree: Tree) -> compose.ComposeProject:
    from ..formats import compose

    source = tree.read(main)
    assert source is not None, main
    more = tuple(found for path in overrides if (found := tree.read(path)) is not None)
    return compose.load(source, more, tree.read)


def _stack(main: str, found: compose.ComposeProject, tree: Tree, project: Project, stated: Mapping[str, Mapping[str, Fact[Any]]]) -> Stack:
    folder = posixpath.dirname(main)
    label = " + ".join(dict.fromkeys([main, *(source.path for source in found.sources if source.path in _variants(found, main))]))
    stack = Stack(label, folder, found)
    project.read_files.update(source.path for source in found.sources)
    stack.outer = _outer(folder, tree, project)
    builds = {_reference(entry, stack.outer): entry.build for entry in found.services.values() if entry.image is not None and entry.build}
    for entry in found.services.values():
        if entry.build is None and entry.image is not None:  # Compose runs the image that another service builds under that name
            entry = entry._replace(build=builds.get(_reference(entry, stack.outer)))
        stack.services[entry.name] = _service(entry, stack, tree, project, stated.get(entry.name, {}))
    return stack


def _reference(entry: compose.ServiceEntry, outer: Environment) -> str | None:
    """The image a service names, as far as it is known, else as it is written."""
    return text_of("image", entry.image, outer) or (entry.image.span.text if entry.image is not None else None)


def _variants(found: compose.ComposeProject, main: str) -> set[str]:
    folder = posixpath.dirname(main)
    return {
        source.path
        for source in found.sources[:2]
        if posixpath.dirname(source.path) == folder and posixpath.basename(source.path) not in _MAIN and source.path != main
    }


def _outer(folder: str, tree: Tree, project: Project) -> Environment:
    """What interpolation sees: the ``.env`` beside the compose file (the shell would win, but is nobody's file)."""
    return read_env(posixpath.join(folder, ".env"), "compose", NOTHING, tree, project) or NOTHING


def parse_env(source: Source, dialect: str, project: Project) -> Parsed:
    """The entries of a .env file as ``dialect`` has them."""
    known = project.dotenvs.setdefault(source.path, {})
    if dialect not in known:
        from ..formats import dotenv

        known[dialect] = dotenv.parse(source, dialect)
    return known[dialect]


def read_env(path: str, dialect: str, outer: Environment, tree: Tree, project: Project) -> Environment | None:
    """The variables of one .env file as ``dialect`` reads them, references resolved; None when there is no such file."""
    cached = project.environments.get((path, dialect))
    if cached is not None and cached[0] is outer:
        return cached[1]
    source = tree.read(path)
    if source is None:
        return None
    project.read_files.add(path)
    variables: dict[str, Fact[str]] = {}
    seen = dict(outer.variables)  # wins over what the file says
    environment = Environment(seen, outer.gap)
    places: dict[str, Span] = {}
    fresh = path not in project.dotenvs  # in another dialect it repeats the same keys
    parsed = parse_env(source, dialect, project)
    made = 0  # characters of values that are made of others
    if dialect == "compose" and (path, dialect) not in project.environments:
        project.add_faults("dotenv", parsed.faults)
    for number, entry in enumerate(parsed.entries):
        if entry.key in places and fresh and len(places) + MOST_FAULTS > number:
            beaten = variables[entry.key].at(places[entry.key])
            again: Fact[str] = Fact(entry.key, "written", span=entry.value_span)
            project.duplicates.append(Duplicate("dotenv", entry.key, beaten, again, places[entry.key]))
        places[entry.key] = entry.value_span
        if dialect == "dotenvy" and entry.key in variables:
            continue  # the first one wins there
        fact = resolve(entry.key, entry.value, environment)
        made += len(str(fact.value)) if isinstance(entry.value, Computed) and fact.is_known else 0
        if made > _MOST_MADE:
            fact = unknown(entry.key, "this file's references make too long texts", entry.value_span)
        if fact.is_known:
            text = "" if fact.value is None else str(fact.value)
            span = entry.value_span if isinstance(entry.value, Literal) else fact.span or entry.value_span
            variables[entry.key] = Fact(entry.key, "written", text, span, fact.sources, fact.reason, fact.via)
        else:
            variables[entry.key] = unknown(entry.key, fact.reason, entry.value_span)
        if entry.key not in outer.variables:
            seen[entry.key] = variables[entry.key]
    found = Environment(variables)
    project.environments[path, dialect] = (outer, found)
    return found


def _untagged(value: Value | None, outer: Environment) -> str:
    """The image without a tag that nobody sets: ``postgres`` for ``postgres:${PG_VERSION}``; "" when its name is not known."""
    found = outline("image", value, outer)
    name, colon, _ = found.value.partition(":\0") if found is not None else ("", "", "")
    return name if colon and "\0" not in name else ""


def _service(entry: compose.ServiceEntry, stack: Stack, tree: Tree, project: Project, stated: Mapping[str, Fact[Any]]) -> Service:
    outer = stack.outer
    for path in entry.dotenvs:  # an included file has a .env of its own, under the project's
        outer = outer.over(read_env(path, "compose", NOTHING, tree, project) or NOTHING)
    image = text_of("image", entry.image, outer) or _untagged(entry.image, outer)
    context, stage, base_image, recipe, runs, built = _image_built(entry, outer, tree, project)
    environment = _environment(entry, outer, tree, project).over(built)
    command = _words(entry, outer)
    if not command and stage is not None:
        command = (*(stage.entrypoint or ()), *(stage.command or ()))
    service = Service(
        name=entry.name,
        span=entry.span,
        entry=entry,
        image=image if entry.build is None else "",
        environment=environment,
        command=command,
        replicas=_replicas(entry, outer, stated),
        stage=stage,
        base_image=base_image or (image if entry.build is None else ""),
        context=context,
        mounts=_mounts(entry, outer, stage, context, tree),
        recipe=recipe,
        runs=runs,
        stated=stated,
    )
    return service._replace(folders=_folders(service, stack, tree))


def _replicas(entry: compose.ServiceEntry, outer: Environment, stated: Mapping[str, Fact[Any]]) -> Fact[int]:
    """Containers of the service: polint.toml, else ``scale``, else ``deploy.replicas``, else 1 (Compose specification)."""
    if "replicas" in stated:
        return stated["replicas"].named("replicas")
    if text_of("mode", entry.mode, outer) == "global":
        return unknown("replicas", "deploy.mode is global: one container per node", entry.span)
    value = entry.scale if entry.scale is not None else entry.replicas
    if value is None:
        return default("replicas", 1, "Compose")
    fact = resolve("replicas", value, outer)
    if not fact.is_known:
        return fact
    try:
        return Fact("replicas", fact.origin, read.count(fact.value), fact.span, fact.sources, fact.reason, fact.via)
    except ValueError as error:
        return unknown("replicas", str(error), fact.span)


def _environment(entry: compose.ServiceEntry, outer: Environment, tree: Tree, project: Project) -> Environment:
    """``environment`` over ``env_file`` (later files win); a file that is not there leaves a gap."""
    variables: dict[str, Fact[str]] = {}
    partly: dict[str, Fact[str]] = {}
    gap = ""
    for env_file in entry.env_files:
        path = text_of("env_file", env_file.path, outer)
        where = join(env_file.base, path) if path is not None else None
        if where is None:
            gap = gap or "its env_file cannot be told from the files"
            continue
        found = read_env(where, "raw" if env_file.raw else "compose", outer, tree, project)
        if found is not None:
            variables.update(found.variables)
        elif env_file.required:
            gap = gap or f"{where} is not in the repository"
    for variable in entry.environment.values():
        if variable.value is None:
            passed = outer.variables.get(variable.name)
            if passed is None:
                passed = unknown(variable.name, "it is passed through from the shell", variable.span)
            variables[variable.name] = passed
            continue
        fact = resolve(variable.name, variable.value, outer)
        if fact.is_known:
            span = fact.span or variable.value_span
            fact = Fact(variable.name, "written", str(fact.value), span, fact.sources, fact.reason, fact.via)
        elif (known := outline(variable.name, variable.value, outer)) is not None:
            partly[variable.name] = known
        variables[variable.name] = fact
    return Environment(variables, gap, partly)


def _words(entry: compose.ServiceEntry, outer: Environment) -> tuple[tuple[str, Span], ...]:
    words: list[tuple[str, Span]] = []
    for word in (*(entry.entrypoint or ()), *(entry.command or ())):
        fact = resolve("command", word.value, outer)
        if fact.is_known and not (word.loose and fact.value == ""):
            words.append((str(fact.value), word.span))
        elif not fact.is_known:
            words.append((_partly(word, outer), word.span))
    return tuple(words)


def _partly(word: compose.Word, outer: Environment) -> str:
    """An unknown word, marked by a NUL that no reader mistakes for anything; what is known up to an ``=`` is kept."""
    head, equals, _ = word.span.text.strip("'\"").partition("=")
    return f"{head}=\0" if equals and "$" not in head else "\0"


def _image_built(
    entry: compose.ServiceEntry, outer: Environment, tree: Tree, project: Project
) -> tuple[str | None, dockerfile.Stage | None, str, str, str, Environment]:
    """(context, final stage, base image, Dockerfile, its RUN texts, ENV) of the image a service is built from."""
    build = entry.build
    if build is None:
        return None, None, "", "", "", NOTHING
    folder = text_of("context", build.context, outer)
    context = join(build.base, folder) if folder is not None else None
    if context is None:
        return None, None, "", "", "", Environment({}, "its build context is outside the repository")
    name = text_of("dockerfile", build.dockerfile, outer) or "Dockerfile"
    path = join(context, name)
    source = tree.read(path) if path is not None else None
    if build.inline is not None:
        return context, None, "", "", "", Environment({}, "")
    if source is None or path is None:
        return context, None, "", "", "", NOTHING
    project.read_files.add(path)
    from ..formats import dockerfile

    parsed = dockerfile.parse(source)
    if not parsed.stages:
        return context, None, "", "", "", NOTHING
    wanted = text_of("target", build.target, outer)
    stage = next((stage for stage in parsed.stages if wanted and stage.name == wanted), parsed.stages[-1])
    arguments: dict[str, Fact[str]] = {}
    for key, value in parsed.args.items():
        arguments[key] = resolve(key, value, Environment(arguments))
    for key, given in build.args.items():
        if given is not None:
            arguments[key] = resolve(key, given, outer)
    chain = _chain(stage, parsed.stages, Environment(arguments))
    base = text_of("base", chain[-1].base, Environment(arguments)) or ""
    variables: dict[str, Fact[str]] = {}
    for part in reversed(chain):
        for key, value in part.env.items():
            variables[key] = arguments[key] = resolve(key, value, Environment(arguments))
    inherited = next((part for part in chain if part.command is not None or part.entrypoint is not None), stage)
    stopping = next((part for part in chain if part.stop_signal), stage)
    runs = "\n".join(text for part in chain for text, _ in part.runs)
    final = dockerfile.Stage(
        name=stage.name,
        base=chain[-1].base,
        env={},
        copies=tuple(copy for part in reversed(chain) for copy in part.copies),
        command=inherited.command,
        entrypoint=inherited.entrypoint,
        runs=(),
        workdir=stage.workdir or next((part.workdir for part in chain if part.workdir), ""),
        stop_signal=stopping.stop_signal,
        span=stage.span,
        is_shell=inherited.is_shell,
        stop_span=stopping.stop_span,
    )
    return context, final, base, source.text, runs, Environment(variables)


def _chain(stage: dockerfile.Stage, stages: Iterable[dockerfile.Stage], arguments: Environment) -> list[dockerfile.Stage]:
    """The stage, the earlier stage it is built from, and so on."""
    by_name = {other.name: other for other in stages if other.name}
    chain = [stage]
    while True:
        base = text_of("base", chain[-1].base, arguments)
        following = by_name.get(base or "")
        if following is None or following in chain:
            return chain
        chain.append(following)


def matching(pattern: str, tree: Tree) -> Sequence[str]:
    """The files that a pattern such as ``conf/*.ini`` names; () where a folder is a pattern, or none is named."""
    from fnmatch import fnmatchcase

    folder, name = posixpath.split(pattern)
    if not folder or "*" in folder:
        return ()
    return [path for path in tree.programs(folder) if posixpath.dirname(path) == folder and fnmatchcase(posixpath.basename(path), name)]


def _mounts(
    entry: compose.ServiceEntry, outer: Environment, stage: dockerfile.Stage | None, context: str | None, tree: Tree
) -> dict[str, str]:
    """Container path -> path in the repository: copies of the Dockerfile, with the service's mounts over them."""
    found: dict[str, str] = {}
    if stage is not None and context is not None:
        for copy in stage.copies:
            target = text_of("target", copy.target, NOTHING)
            sources = [text_of("source", source, NOTHING) for source in copy.sources]
            if target is None or None in sources:
                continue
            if not target.startswith("/"):
                target = posixpath.join(stage.workdir or "/", target) + ("/" if target.endswith("/") or target == "." else "")
            for source in sources:
                path = join(context, (source or "").lstrip("/"))
                if path is None:
                    continue
                if "*" in path:
                    found.update((posixpath.join(target, posixpath.basename(one)), one) for one in matching(path, tree))
                    continue
                into = target.endswith("/") or len(sources) > 1
                name = posixpath.basename(path)
                found[posixpath.join(target, name) if into and "." in name.strip(".") else target.rstrip("/") or "/"] = path
    for mount in entry.mounts:
        source, target = text_of("source", mount.source, outer), text_of("target", mount.target, outer)
        # a source without a leading dot is the name of a volume
        path = join(mount.base, source) if source is not None and source.startswith(".") else None
        if path is not None and target is not None:
            found[posixpath.normpath(target)] = path
    return found


def file_at(service: Service, container_path: str, tree: Tree) -> str | None:
    """The file of the repository that the container sees at ``container_path``, None when there is none."""
    exact = service.mounts.get(container_path)
    if exact is not None and tree.read(exact) is not None:
        return exact
    for target in sorted(service.mounts, key=len, reverse=True):
        prefix = target.rstrip("/") + "/"
        if container_path.startswith(prefix):
            path = join(service.mounts[target], container_path[len(prefix) :])
            if path is not None and tree.read(path) is not None:
                return path
    return None


def files_in(service: Service, container_folder: str, tree: Tree, paths: Sequence[str]) -> dict[str, str]:
    """Container path -> repository path of those of ``paths`` that the container sees directly in ``container_folder``, sorted."""
    found: dict[str, str] = {}
    for target, path in service.mounts.items():
        if posixpath.dirname(target) == container_folder and tree.read(path) is not None:
            found[target] = path
        for candidate in under(paths, (path,)):
            if candidate != path:
                seen = posixpath.join(target, candidate[len(path) :].lstrip("/"))
                if posixpath.dirname(seen) == container_folder:
                    found.setdefault(seen, candidate)
    return dict(sorted(found.items()))


def _folders(service: Service, stack: Stack, tree: Tree) -> tuple[str, ...]:
    """Where a service's sources lie: build context, folders mounted into it, else a folder of its name beside the compose file."""
    found: list[str] = []
    if service.context is not None:
        found.append(service.context)
    for path in service.mounts.values():
        if tree.read(path) is None and all(path != other for other in found):
            found.append(path)
    if service.context is None and not found:
        for name in (service.name, f"services/{service.name}", f"apps/{service.name}"):
            path = posixpath.join(stack.folder, name)
            if any(under(tree.paths(kind), (path,)) for kind in ("rust", "php", "cargo")):
                found.append(path)
                break
    return tuple(found)
