"""The plan: the few facts about a stack that a person states, everything else with a stated default.

pydantic checks it; it is imported only by what reads a plan.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ..units import Bytes, parse_bytes

MAJORS = (12, 13, 14, 15, 16, 17, 18)

_SIZE = r"^ *[0-9]+(\.[0-9]+)? *(B|kB|MB|GB|TB) *$"
Kind = Literal["sqlx", "laravel-fpm", "laravel-queue", "laravel-horizon", "other"]
_Alone = Literal["sqlx", "laravel-fpm", "laravel-queue", "laravel-horizon"]

ADDED = ("postgres", "pgbouncer", "redis", "prometheus", "postgres-exporter", "pgbouncer-exporter")
"""Services that a bundle adds by itself; each laravel-fpm service gets an exporter of its name, too."""

_ROLES = ("postgres", "public", "none")
_OWN = ("template0", "template1")
_KEYWORDS = frozenset(  # that PostgreSQL takes as a name only in quotes (manual, appendix C; 12 to 18)
    (
        "all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column "
        "concurrently constraint create cross current_catalog current_date current_role current_schema current_time current_timestamp "
        "current_user default deferrable desc distinct do else end except false fetch for foreign freeze from full grant group having "
        "ilike in initially inner intersect into is isnull join lateral leading left like limit localtime localtimestamp natural not "
        "notnull null offset on only or order outer overlaps placing primary references returning right select session_user similar "
        "some symmetric system_user table tablesample then to trailing true union unique user using variadic verbose when where window "
        "with"
    ).split()
)


def wrong(message: str, *keys: str) -> PydanticCustomError:
    """A mistake that only several values together make; ``keys`` lead from the table to the one to point at."""
    return PydanticCustomError("plan", "{message}", {"message": message, "keys": keys})


def _size(value: object) -> Bytes:
    if isinstance(value, Bytes):
        return value
    if not isinstance(value, str):
        raise ValueError("needs a unit, such as 512MB")
    try:
        size = parse_bytes(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{error}{_meant(value)}" if "needs a unit" in str(error) else "must be a size, such as 512MB") from None
    if not 1 << 20 <= size <= 64 << 40:
        raise ValueError("must be 1MB or more, and 64TB or less")
    return size


def _meant(size: str) -> str:
    """The size that was perhaps meant: ``4gb``, ``4 GiB`` and ``4G`` are not how PostgreSQL writes it."""
    number = size.strip().rstrip("BbIiKkMmGgTt").strip()
    unit = size.strip().removeprefix(number).strip()[:1].lower()
    known = {"b": "B", "k": "kB", "m": "MB", "g": "GB", "t": "TB"}.get(unit)
    return f"; did you mean '{number}{known}'?" if known and number else ""


def _identifier(value: str) -> str:
    if value in _KEYWORDS:
        raise ValueError("is a keyword of SQL")
    return value


Size = Annotated[Bytes, BeforeValidator(_size, json_schema_input_type=Annotated[str, Field(pattern=_SIZE)])]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$", description="lower-case letters, digits, - and _")]
Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,49}$"), AfterValidator(_identifier)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True, frozen=True,
                              alias_generator=lambda name: name.replace("_", "-"))  # fmt: skip


class Database(_Table):
    """The PostgreSQL server and the machine it runs on."""

    name: Identifier | None = Field(None, description="the database; by default the project's name with _ for -")
    user: Identifier | None = Field(None, description="the role the applications log in as, no superuser; by default NAME_app")
    version: Literal[12, 13, 14, 15, 16, 17, 18] = Field(17, description="PostgreSQL's major version")
    cores: float = Field(
        4, gt=0, le=1024, allow_inf_nan=False, description="cores of the database's machine or its cpu limit, without hyper-threads"
    )
    spindles: int = Field(0, ge=0, le=1024, description="disks that work by themselves; 0 where the data is cached or on an SSD")
    memory: Size = Field(Bytes(4 << 30), description="memory of the database's machine or container")
    max_connections: int | None = Field(None, ge=5, le=10_000, description="fixed already; by default what the services need")


def _short(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


def _if_kind(*kinds: str, then: dict[str, object]) -> dict[str, object]:
    """A condition of JSON Schema: what ``Service`` checks over several keys, as editors understand it."""
    return {"if": {"properties": {"kind": {"enum": list(kinds)}}, "required": ["kind"]}, "then": then}


_BY_KIND = [
    _if_kind("other", then={"required": ["pool"]}),
    _if_kind("laravel-fpm", "laravel-queue", "laravel-horizon", then={"properties": {"pool": False}}),
    _if_kind("sqlx", "laravel-queue", "other", then={"properties": {"processes": False}}),
]


class Service(_Table):
    """One service of the stack and how it connects."""

    model_config = ConfigDict(json_schema_extra={"allOf": _BY_KIND})  # type: ignore[dict-item]

    kind: Kind = Field(description="what opens its connections")
    replicas: int = Field(1, ge=1, le=1000, description="instances that run at the same time")
    processes: int | None = Field(
        None, ge=1, le=1000,
        description="workers of each instance, fixed already: pm.max_children or Horizon's maxProcesses",
    )  # fmt: skip
    pool: int | None = Field(None, ge=1, le=1000, description="connections of each process, fixed already; needed for kind other")
    deploy: Literal["stop-first", "start-first"] = Field(
        "stop-first", description="whether a deployment stops the old instance before it starts the new one")  # fmt: skip
    parallelism: int = Field(1, ge=0, le=1000, description="instances that a deployment replaces at once; 0 for all")
    memory: Size | None = Field(None, description="memory of one instance; 1GB for laravel-fpm and laravel-horizon, else 512MB")
    memory_per_worker: Size = Field(Bytes(64 << 20), description="memory that one PHP worker takes at its peak: to be measured")

    @model_validator(mode="after")
    def _sizes_of_its_kind(self) -> Service:
        if self.kind == "other" and self.pool is None:
            raise wrong("is missing: nobody can tell what a service of kind other opens", "pool")
        if self.kind.startswith("laravel") and self.pool is not None:
            number = "replicas" if self.kind == "laravel-queue" else "processes"
            raise wrong(f"has no meaning for {self.kind}: each worker has one connection; state {number}", "pool")
        if self.kind not in ("laravel-fpm", "laravel-horizon") and self.processes is not None:
            raise wrong(f"has no meaning for {self.kind}: each instance is one process; state replicas", "processes")
        return self


class Plan(_Table):
    """What `polint generate` makes a bundle of."""

    project: Name = Field(description="the project's name")
    services: dict[Name, Annotated[Service, BeforeValidator(_short, json_schema_input_type=_Alone | Service)]] = Field(
        min_length=1, description="the services by name; a kind alone stands for one with all defaults")  # fmt: skip
    database: Database = Field(default_factory=lambda: Database.model_validate({}), description="the PostgreSQL server and its machine")
    requests_per_minute: int = Field(600, ge=0, le=100_000_000, description="requests that the services answer together at a busy time")
    pgbouncer: Literal["auto", "always", "never"] = Field(
        "auto", description="whether PgBouncer stands in between; auto: above 1,000 requests a minute or 100 connections")  # fmt: skip
    monitoring: bool = Field(True, description="exporters, alert rules and a dashboard")

    @model_validator(mode="after")
    def _names(self) -> Plan:
        keys = ("database", "name") if self.database.name is not None else ("project",)
        if self.database_name in _OWN:
            raise wrong("is a database of PostgreSQL's own", *keys)
        if self.database_name in _KEYWORDS:
            raise wrong("is a keyword of SQL, and the database has its name; state database.name", *keys)
        if self.user in _ROLES or self.user.startswith("pg_"):
            keys = ("database", "user") if self.database.user is not None else keys
            raise wrong("is a role of PostgreSQL's own; the applications need another", *keys)
        return self

    @model_validator(mode="after")
    def _no_twins(self) -> Plan:
        exporters = [f"{name}-exporter" for name, service in self.services.items() if service.kind == "laravel-fpm"]
        for name in self.services:
            if name in ADDED or name in exporters:
                raise wrong("a bundle has a service of this name already", "services", name)
        return self

    @property
    def database_name(self) -> str:
        """The database's name, stated or from the project's."""
        return self.database.name or self.project.replace("-", "_")

    @property
    def user(self) -> str:
        """The role of the applications."""
        return self.database.user or f"{self.database_name}_app"
