"""SQL files: which of their statements concern connections."""

from __future__ import annotations

from .. import catalogue
from ..fact import Fact
from ..formats import sql
from .project import Project, Tree
from .statements import Limit, SessionCount, SessionKill, SystemChange


def build_sql(tree: Tree, project: Project) -> None:
    """What the SQL files of the tree do; the larger of several servers' usable connections bounds a limit."""
    usable = [server.usable_connections for server in project.servers if server.has_application and server.usable_connections.is_known]
    most: Fact[int] = (
        max(usable, key=lambda fact: fact.value) if usable else Fact("usable connections", "unknown", reason="no server is known")
    )
    for path in tree.paths("sql"):
        if not sql.interesting(tree.data(path)):
            continue
        source = tree.read(path)
        if source is None:
            continue
        project.read_files.add(path)
        found = sql.parse(source)
        project.add_faults("sql", found.faults)
        reloads = [call.statement.order for call in found.calls if call.name == "pg_reload_conf"]
        for change in found.settings:
            if change.scope == "system" and not change.is_reset:
                reloaded = any(order >= change.statement.order for order in reloads)
                project.changes.append(SystemChange(change, catalogue.context(change.name, None), reloaded=reloaded))
        project.session_counts += map(SessionCount, found.counts)
        project.session_kills += map(SessionKill, found.terminates)
        project.limits += [Limit(limit, most) for limit in found.limits]
