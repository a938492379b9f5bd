"""From a layout to the texts of a bundle's files, and the mark by which a file tells whether a person has changed it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from ..rendering import BadTemplate, origin, rendered
from ..tuples import NamedTuple
from .layout import LARAVEL, Layout, lay_out
from .plan import Plan

_NO_TEXT = "-" * 12
_YAML_WORDS = frozenset("y n yes no on off true false null".split())
_MARK = re.compile(r"polint plan ([0-9a-f]{12}) text ([0-9a-f]{12}|-{12})")


class Target(NamedTuple):
    """One file of a bundle: its path, the template under ``bundle/`` that renders it, and what else the template is given."""

    path: str
    template: str
    values: dict[str, Any] = {}  # noqa: RUF012  # never changed


def targets(layout: Layout) -> Iterator[Target]:
    """The files of the layout's bundle, in the order people read them."""
    yield Target("docker-compose.yml", "docker-compose.yml")
    yield Target(".env.example", "env.example")
    yield Target("secrets/.gitignore", "secrets/gitignore")
    yield Target("postgres/postgresql.conf", "postgres/postgresql.conf")
    yield Target("postgres/init/10-roles.sql", "postgres/init/10-roles.sql")
    if layout.pooler is not None:
        yield Target("pgbouncer/pgbouncer.ini", "pgbouncer/pgbouncer.ini")
        yield Target("pgbouncer/userlist.txt.example", "pgbouncer/userlist.txt.example")
    for service in layout.of("laravel-fpm"):
        yield Target(f"{service.folder}/zz-polint.conf", "php/zz-polint.conf", {"service": service})
    if layout.laravel:
        yield Target("php/config/database.php", "php/config/database.php", {"pooled": layout.laravel[0].pooled})
    for service in layout.of("laravel-horizon")[:1]:  # one application: the others' numbers stand in their environment
        yield Target("php/config/horizon.php", "php/config/horizon.php", {"horizon": service})
    for service in layout.of("sqlx"):
        yield Target(f"{service.folder}/Cargo.toml", "rust/Cargo.toml", {"service": service})
        yield Target(f"{service.folder}/src/db.rs", "rust/src/db.rs", {"service": service})
    if layout.needs_configuration:
        yield Target("polint.toml", "polint.toml")
    if layout.plan.monitoring:
        for name in ("queries.sql", "prometheus.yml", "rules.yml", "rules.test.yml", "dashboard.json"):
            yield Target(f"monitoring/{name}", f"monitoring/{name}")
    yield Target("POOLING.md", "POOLING.md")


def plan_hash(layout: Layout) -> str:
    """Twelve hexadecimal digits that change with anything the plan says, defaults included, and with nothing else."""
    return sha256(layout.plan.model_dump_json(by_alias=True).encode()).hexdigest()[:12]


def render(layout: Layout, folders: Sequence[str] = ()) -> dict[str, str]:
    """The bundle's files by path; ``folders`` may hold ``bundle/NAME.j2`` that win over polint's own.  Raises BadTemplate."""
    mark = f"polint plan {plan_hash(layout)} text {_NO_TEXT}"
    files = {}
    for target in targets(layout):
        values = {"layout": layout, "mark": mark, "pg": _pg, "docker": _docker, "yaml": _yaml, **target.values}
        name = f"bundle/{target.template}.j2"
        text = rendered(name, folders, values, blocks=True)
        if text.count(mark) != 1:
            raise BadTemplate(f"{origin(name, folders)}: should hold {{{{ mark }}}} once, in a comment: by it polint knows the file again")
        files[target.path] = _marked(target.path, text)
    return files


def _in_units(size: int, units: Sequence[str]) -> str:
    """A size as a whole number of the largest unit there is."""
    power = next(power for power in reversed(range(len(units))) if int(size) % (1 << 10 * power) == 0)
    return f"{int(size) >> 10 * power}{units[power]}"


def _pg(size: int) -> str:
    """A size as PostgreSQL and polint.toml take it."""
    return _in_units(size, ("B", "kB", "MB", "GB", "TB"))


def _docker(size: int) -> str:
    """A size as Compose takes it."""
    return _in_units(size, ("b", "k", "m", "g"))


def _yaml(text: str) -> str:
    """A name as YAML text: quoted where YAML would read something else."""
    return f'"{text}"' if text in _YAML_WORDS else text


def _marked(path: str, text: str) -> str:
    """The text with its own digest in the mark, which knows its path too: a copy elsewhere is its owner's."""
    return text.replace(f" text {_NO_TEXT}", f" text {sha256(f'{path}:{text}'.encode()).hexdigest()[:12]}", 1)


def is_marked(text: str) -> bool:
    """Whether polint has rendered the text, whatever became of it."""
    return _MARK.search(text) is not None


def untouched(path: str, text: str) -> bool:
    """Whether the text is as polint once rendered it for that path (line ends aside): its mark tells the rest of it."""
    text = text.replace("\r\n", "\n")
    found = _MARK.search(text)
    return found is not None and _marked(path, text[: found.start(2)] + _NO_TEXT + text[found.end(2) :]) == text


def every_name() -> tuple[frozenset[str], frozenset[str]]:
    """What any bundle has: its folders at the top, and the last parts of its paths."""
    services: dict[str, object] = {kind: kind for kind in ("sqlx", *LARAVEL)}
    everything = {"project": "x", "services": {**services, "other": {"kind": "other", "pool": 1}}, "pgbouncer": "always"}
    paths = [target.path for target in targets(lay_out(Plan.model_validate(everything)))]
    return frozenset(path.partition("/")[0] for path in paths if "/" in path), frozenset(path.rpartition("/")[2] for path in paths)
