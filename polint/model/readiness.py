"""Whether services wait until a database answers: the health check that would tell them, and what makes them wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..diagnostic import Edit, Fix
from ..fact import Fact, default, derive, unknown
from . import images

if TYPE_CHECKING:
    from .project import Service, Stack
    from .server import Server

# whose variables name the first role and database: those of the image's own project first
_USERS = ("POSTGRES_USER", "POSTGRESQL_USERNAME", "POSTGRESQL_USER")
_DATABASES = ("POSTGRES_DB", "POSTGRESQL_DATABASE", "POSTGRES_DATABASE")
_ANYWHERE = ("*", "0.0.0.0", "localhost", "127.0.0.1")
_OFFICIAL = ("postgres", "postgis/postgis", "pgvector/pgvector")  # whose variables are those of the official image
_PORT = 5432


def check_command(service: Service, server: Server) -> Fact[str]:
    """The pg_isready that tells whether clients can connect.

    Over TCP: while the image's entrypoint prepares a new data directory, the server listens on its socket only.  Role and
    database are the container's own variables, so that nothing is said twice.
    """
    port, listens = (server.raw.get(name) for name in ("port", "listen_addresses"))
    if port is not None and not port.is_known:
        return unknown("healthcheck", port.reason)
    if listens is not None and not (listens.is_known and set(str(listens.value).replace(" ", "").split(",")) & set(_ANYWHERE)):
        return unknown("healthcheck", "it may not listen on localhost")
    variables, gap = service.environment.variables, service.environment.gap
    if any(f"{name}_FILE" in variables for name in (*_USERS, *_DATABASES)):
        return unknown("healthcheck", "a file names its role")
    words = ["pg_isready", "-h localhost"]
    if port is not None and str(port.value) != str(_PORT):
        words.append(f"-p {port.value}")
    user, database = (next((name for name in names if name in variables), "") for names in (_USERS, _DATABASES))
    if any(name and variables[name].is_known and not variables[name].value for name in (user, database)):
        return unknown("healthcheck", "its role or database has an empty name")
    if gap and not user:  # then its shell may still know
        image = images.postgres_image(service.base_image)
        if image is None or image.family not in _OFFICIAL:
            return unknown("healthcheck", gap)
        words.append("-U ${POSTGRES_USER:-postgres}")
    else:
        words.append(f"-U ${{{user}}}" if user else "-U postgres")
    if database:
        words.append(f"-d ${{{database}}}")
    return derive("healthcheck", lambda: " ".join(words))


def health_check(service: Service) -> Fact[str]:
    """The health check that its compose file has, or none; unknown where another file may bring one."""
    entry = service.entry
    if entry.healthcheck is not None:
        return Fact("healthcheck", "written", entry.healthcheck.text, entry.healthcheck)
    if entry.healthcheck_off is not None:
        return unknown("healthcheck", "somebody switched it off", entry.healthcheck_off)
    image = images.postgres_image(service.base_image)
    if image is None or "HEALTHCHECK" in service.recipe:
        return unknown("healthcheck", "its image may have one")
    return default("healthcheck", "", "the image")


def patience(name: str, impatient: tuple[str, ...], stack: Stack) -> Fix | None:
    """Lets the services ``impatient`` wait for the health of ``name``; None where one of them is not told so in one plain place."""
    from ..formats import compose_depends

    made: list[Edit] = []
    named = frozenset(impatient)
    sources = stack.project.sources if stack.project is not None else ()
    for service in (stack.services[one] for one in impatient):
        edits = compose_depends.waiting(service.span, name, named)
        says = [source for source in sources if compose_depends.depends(source, service.name)]
        if edits is None or len(says) != 1 or says[0] is not service.span.source:
            return None
        made += edits
    return Fix(f"let {', '.join(impatient)} wait for the health of {name}", "unsafe", tuple(dict.fromkeys(made))) if made else None
