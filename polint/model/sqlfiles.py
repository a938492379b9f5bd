"""SQL files and the SQL in init scripts, read once: what they say of a server's settings, roles and databases.

``docker-entrypoint.sh`` of the official image runs what lies directly in /docker-entrypoint-initdb.d, by name, on an
empty data directory, and starts the server anew afterwards: an ``ALTER SYSTEM`` there holds for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..fact import Fact, unknown
from ..tuples import NamedTuple
from .project import Project, Service, Stack, Tree
from .resolve import NOTHING, resolve
from .server import RoleSetting
from .stack import files_in, under

if TYPE_CHECKING:
    from ..formats.sql_records import SettingChange, SqlFile

INIT_FOLDER = "/docker-entrypoint-initdb.d"
_LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")
_RUN = (".sql", ".sh")
_ROLES = ("role", "database", "role-in-database")


def read_file(path: str, tree: Tree, project: Project) -> SqlFile | None:
    """What a SQL file, or the SQL in a shell script, says; None when it says nothing of use."""
    if path in project.sql_files:
        return project.sql_files[path]
    from ..formats import sql

    found = None
    if sql.interesting(tree.data(path)):
        source = tree.read(path)
        if source is not None and path.endswith(".sh"):
            if _has_sql(tree.data(path)):
                from ..formats.sql_shell import parse_shell

                found = parse_shell(source)
        elif source is not None:
            found = sql.parse(source)
    project.sql_files[path] = found
    if found is not None and (not path.endswith(".sh") or found.settings or found.limits):
        project.read_files.add(path)
    return found


def _has_sql(data: bytes) -> bool:
    """Whether a shell script may change settings or limits with psql (many only create a database and its owner)."""
    lower = data.lower()
    return b"psql" in lower and (b"alter" in lower or b"limit" in lower)


class InitScripts(NamedTuple):
    """What initialises one server's data directory: ``run`` in this order, ``beside`` only if one of those calls it."""

    run: Sequence[str] = ()
    beside: Sequence[str] = ()
    is_hidden: bool = False  # some are mounted, and not in the repository


def init_scripts(service: Service, tree: Tree) -> InitScripts:
    """The scripts of the repository that a service's container sees in its init folder."""
    folders = [path for target, path in service.mounts.items() if target.startswith(INIT_FOLDER)]
    if not folders:
        return InitScripts()
    paths = sorted({path for kind in ("sql", "shell") for path in under(tree.paths(kind), folders)})
    seen = {name: path for name, path in files_in(service, INIT_FOLDER, tree, paths).items() if name.endswith(_RUN)}  # ignores others
    run = [path for name, path in seen.items() if path.endswith(name[name.rindex(".") :])]
    return InitScripts(run, sorted({*paths, *seen.values()} - set(run)), any(not under(paths, (folder,)) for folder in folders))


def spoken(path: str, names: Iterable[str], tree: Tree, project: Project, *, own: bool = False) -> tuple[str, ...]:
    """Those of ``names`` that a file speaks of where no statement was understood that could only mean what it says.

    A ``SET`` is taken to hold for the file's own session where somebody runs the file alone: a dump, a migration,
    an init script (``own``, whose ``ALTER SYSTEM`` counts for the server).  Elsewhere the application may send it.
    """
    data = tree.data(path)
    names = [name for name in names if name.encode() in data]
    if not names or not path.endswith(_RUN):
        return tuple(names)
    from ..formats import sql

    found = read_file(path, tree, project)
    dump = sql.is_dump(data)
    own = own or dump or "migrat" in path
    scopes = (*_ROLES, "local", *(("session",) if own else ()), *(("system",) if own and not dump else ()))
    left = []
    for name in names:
        told = sum(change.name == name and change.scope in scopes for change in found.settings) if found is not None else 0
        if dump:
            told += data.count(b"\nSET " + name.encode())
        if data.count(name.encode()) > told:
            left.append(name)
    return tuple(left)


def change_fact(change: SettingChange) -> Fact[Any]:
    """The value a statement gives a setting, as postgresql.conf would have it; unknown where it may not run."""
    statement = change.statement
    if change.is_reset or change.value_span is None:
        return unknown(change.name, "it is reset there", change.name_span)
    if statement.conditional:
        return unknown(change.name, "the statement runs only under a condition", change.value_span)
    if change.scope == "system" and statement.in_transaction:
        return unknown(change.name, "ALTER SYSTEM fails inside a transaction", change.value_span)
    return resolve(change.name, change.value, NOTHING).at(change.value_span)


def system_changes(scripts: InitScripts, tree: Tree, project: Project) -> list[SettingChange]:
    """The ``ALTER SYSTEM`` statements that the scripts run, in order."""
    files = [found for path in scripts.run if (found := read_file(path, tree, project)) is not None]
    return [change for found in files for change in found.settings if change.scope == "system"]


def role_settings(stack: Stack, own: InitScripts, others: Iterable[str], tree: Tree, project: Project, *, alone: bool) -> list[RoleSetting]:
    """What the SQL of a stack sets for roles and databases of a server.

    ``others`` are the init scripts of the stack's servers; ``alone`` says there is none, so that migrations are this one's.
    """
    foreign = set(others) - set(own.run)
    paths = [*own.run, *(path for path in under(tree.paths("sql"), (stack.folder,)) if path not in own.run and path not in foreign)]
    found: dict[tuple[str, str | None, str | None, str], RoleSetting] = {}
    for path in paths:
        file = read_file(path, tree, project)
        for change in file.settings if file is not None else ():
            if change.scope not in _ROLES:
                continue
            fact, before = change_fact(change), found.get(key := (change.scope, change.role, change.database, change.name))
            if before is not None and (change.is_reset or not before.value.is_known):
                fact = unknown(change.name, "one statement sets it, another resets it", before.value.span)
            elif change.is_reset:
                continue
            found[key] = RoleSetting(change.name, change.role, change.database, fact, alone or path in own.run)
    return list(found.values())


def mentioned(tree: Tree, project: Project, stack: Stack, own: set[str], named: Iterable[str], scripts: InitScripts) -> frozenset[str]:
    """Timeout settings that some other file of the stack speaks of, or may, so that a role or a client may set them.

    ``own`` files are the server's, ``named`` are settings that its command line gives itself.
    """
    if scripts.is_hidden:
        return frozenset(_LIMITS)
    found: set[str] = set()
    for path in (*scripts.run, *scripts.beside):
        found.update(spoken(path, _LIMITS, tree, project, own=True))
    arguments = {source.path for source in stack.project.sources} if stack.project is not None else set()
    for kind in ("sql", "rust", "php", "dotenv", "compose", "shell", "postgresql.conf"):
        for path in under(tree.paths(kind), (stack.folder,)):
            if path in own or path in scripts.run or path in scripts.beside:
                continue
            names = project.mentions.get(path)
            if names is None:
                names = project.mentions[path] = spoken(path, _LIMITS, tree, project)
            if names:
                own_words = named if path in arguments else ()  # what the server's own command says
                found.update(name for name in names if name not in own_words)
        if len(found) == len(_LIMITS):
            break
    return frozenset(found)
