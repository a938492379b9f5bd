"""SQL files: which of their statements concern connections, and which settings PostgreSQL refuses in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import catalogue
from ..fact import Fact
from . import sqlfiles
from .corrections import correction
from .project import Problem, Project, Tree
from .resolve import NOTHING, resolve
from .statements import Limit, ServerSetting, SessionCount, SessionKill, SystemChange

if TYPE_CHECKING:
    from ..diagnostic import Edit
    from ..formats.sql_records import SettingChange, SqlFile

_REFUSED = {
    "postmaster": "it changes only with a restart of the server",
    "sighup": "it holds for the whole server",
    "backend": "it is fixed when a session starts",
    "superuser-backend": "it is fixed when a session starts",
}
_OF = {"role": "a role", "database": "a database", "role-in-database": "a role in a database"}


def build_settings(project: Project) -> None:
    """The settings of every server as they win: those of files, of variables and of init scripts."""
    for server in project.servers:
        project.settings += [
            ServerSetting(name, fact, fact.span, "server", server)
            for name, fact in server.raw.items()
            if fact.is_known and fact.span is not None and fact.origin == "written"
        ]


def build_sql(tree: Tree, project: Project) -> None:
    """What the SQL of the tree does; the larger of several servers' usable connections bounds a limit."""
    usable = [server.usable_connections for server in project.servers if server.has_application and server.usable_connections.is_known]
    most: Fact[int] = (
        max(usable, key=lambda fact: fact.value) if usable else Fact("usable connections", "unknown", reason="no server is known")
    )
    for path in sorted({*tree.paths("sql"), *project.sql_files}):
        found = sqlfiles.read_file(path, tree, project)
        if found is None:
            continue
        project.add_faults("sql", found.faults)
        reloads = [call.statement.order for call in found.calls if call.name == "pg_reload_conf"]
        for change in found.settings:
            if change.scope in ("session", "local") or change.is_reset:
                continue
            if change.scope == "system":
                # the server is started anew behind its init scripts
                reloaded = path not in project.init_scripts and any(order >= change.statement.order for order in reloads)
                told = _told(found) if reloaded else None
                project.changes.append(SystemChange(change, catalogue.context(change.name, None), reloaded=reloaded, told=told))
            _judge(change, found.foreign, path, project)
            if not found.foreign and not (change.scope == "system" and path in project.init_scripts):  # else the server has it
                value = resolve(change.name, change.value, NOTHING).at(change.value_span)
                project.settings.append(ServerSetting(change.name, value, change.name_span, change.scope))
        project.session_counts += map(SessionCount, found.counts)
        project.session_kills += map(SessionKill, found.terminates)
        project.limits += [Limit(limit, most) for limit in found.limits]


def _told(found: SqlFile) -> Edit | None:
    """A word about the restart in place of the file's reload, where all that it changes needs one."""
    from ..formats import sql_edit

    names = [change.name for change in found.settings if change.scope == "system"]
    if any(catalogue.context(name, None) != "postmaster" for name in names):
        return None
    return sql_edit.restart_told([call for call in found.calls if call.name == "pg_reload_conf"], names)


def _judge(change: SettingChange, foreign: bool, path: str, project: Project) -> None:
    """Note a setting that PostgreSQL has not, does not take with this value, or not for a role or database.

    Outside of a server's init scripts the SQL may be another program's: then only what looks like PostgreSQL's is judged.
    """
    majors = project.init_scripts.get(path, {None})
    major = next(iter(majors)) if len(majors) == 1 else None
    ours = path in project.init_scripts
    if "." in change.name or (foreign and not ours):
        return
    message, aspect, span = catalogue.judge_name(change.name, major), "name", change.name_span
    if message is not None and not ours and not catalogue.resembles(change.name, major):
        return
    if message is None and change.scope != "system":
        contexts = {catalogue.context(change.name, one) for one in ([major] if major is not None else catalogue.majors())} - {None}
        if contexts and contexts <= _REFUSED.keys():
            reason = _REFUSED[str(catalogue.context(change.name, major))]
            message, aspect = f"{change.name} cannot be set for {_OF[change.scope]}: {reason}", "value"
    value = resolve(change.name, change.value, NOTHING)
    if message is None and change.value_span is not None and value.is_known and value.value is not None:
        message, aspect, span = catalogue.judge_value(change.name, str(value.value), major), "value", change.value_span
    if message is not None and not project.has_problem(span):
        fix = correction(aspect, span, change.name, value.value if value.is_known else None, major)
        project.problems.append(Problem("sql", message, span, fix=fix, aspect=aspect))
