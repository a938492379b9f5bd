"""The shape of the configuration, as pydantic checks it: imported only when there is a file."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from .units import parse_bytes

Path = tuple[str | int, ...]
Mistake = tuple[Path, bool, str]  # key path, whether the key itself is wrong, what is wrong


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=lambda name: name.replace("_", "-"))


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _size(value: str) -> str:
    parse_bytes(value)
    return value


def _surge(value: object) -> object:
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdigit() and value.isascii():
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError("must be a whole number, or a share such as '25%'")


Text = Annotated[str, Field(min_length=1)]
Names = list[Text]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Level = Literal["error", "warning", "info"]
Surge = Annotated[
    Any,
    AfterValidator(_surge),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+%$"}]}),
]


class Service(_Table):
    """``[services.NAME]``: what no file of the project says about a service, or says wrongly."""

    replicas: Count | None = Field(None, examples=[3], description="how many copies run")
    processes: Count | None = Field(None, examples=[4], description="processes in one copy that each hold a pool")
    pool: Count | None = Field(None, examples=[5], description="most connections one process opens; 0 for a service that opens none")
    connects_to: Annotated[Names, BeforeValidator(_one_or_more)] | None = Field(
        None, examples=[["db"]], description="the servers it connects to"
    )
    surge: Surge | None = Field(
        None, examples=["25%"], description="copies that start before old ones stop while it is updated: a number, or '25%' of them"
    )
    max_replicas: Positive | None = Field(None, examples=[10], description="how many copies an autoscaler may run")
    once: bool | None = Field(
        None, examples=[True], description="whether it runs once and ends, as a migration does, and is no part of the steady state"
    )


class Server(_Table):
    """``[servers.NAME]``: what is known about a PostgreSQL server: a service of a compose file, or the host name of one elsewhere."""

    max_connections: Positive | None = Field(None, examples=[200], description="its max_connections")
    superuser_reserved_connections: Count | None = Field(
        None, examples=[3], description="slots kept for superusers, 3 when nothing states them"
    )
    reserved_connections: Count | None = Field(None, examples=[2], description="slots kept for pg_use_reserved_connections")
    version: Annotated[Text, Field(pattern=r"^\d+(\.\d+)*$")] | None = Field(
        None, examples=["16"], description="its version, e.g. 16 or 16.4"
    )


class Host(_Table):
    """``[host]``: the machine the servers of compose files run on."""

    cores: Positive | None = Field(None, examples=[8], description="processor cores")
    memory: Annotated[Text, AfterValidator(_size)] | None = Field(
        None, examples=["16GB"], description="memory of a server without a limit of its own, e.g. 8GB"
    )
    spindles: Count | None = Field(
        None, examples=[2], description="spinning disks that work at the same time; 0 for data on SSDs or in memory"
    )


class Configuration(_Table):
    """polint.toml, or ``[tool.polint]`` in pyproject.toml."""

    select: Names = Field(
        [], examples=[["PO1", "timeouts"]], description="rules to run: codes, code prefixes, names or groups; all when left out"
    )
    ignore: Names = Field([], examples=[["PO201"]], description="rules not to run")
    rules: Names = Field([], examples=[["policy/"]], description="folders with rule files of your own")
    templates: Text = Field(
        "", examples=["policy/templates"], description="folder whose fix/NAME.j2 and bundle/NAME.j2 win over polint's own templates"
    )
    exclude: Names = Field([], examples=[["legacy/"]], description="files not to read, as in .gitignore")
    baseline: Text = Field(
        "polint-baseline.json", examples=["accepted.json"], description="file with the accepted diagnostics, written by polint baseline"
    )
    fail_on: Literal["error", "warning", "info", "never"] = Field(
        "warning", examples=["error"], description="the least severity that fails a run"
    )
    severity: dict[str, Literal["error", "warning", "info", "off"]] = Field(
        {}, examples=[{"close-missing": "off"}], description="severity by rule"
    )
    per_file_ignores: dict[str, Names] = Field(
        {}, examples=[{"tests/**": ["PO905"]}], description="rules not to report in files that match a pattern"
    )
    params: dict[str, dict[str, Any]] = Field(
        {}, examples=[{"acquire-timeout-out-of-range": {"longest": "10s"}}], description="parameters by rule"
    )
    services: dict[str, Service] = Field({}, description="facts about services")
    servers: dict[str, Server] = Field({}, description="facts about servers")
    host: Host | None = Field(None, description="facts about the database host")


_TABLES: dict[str, type[BaseModel]] = {"services": Service, "servers": Server, "host": Host}


def check(content: object) -> tuple[list[Mistake], dict[str, Any] | None]:
    """All mistakes, or none and the content by the keys of the file (only those written)."""
    try:
        found = Configuration.model_validate(content)
    except ValidationError as error:
        return [_mistake(details["loc"], details["type"], details) for details in error.errors(include_url=False)], None
    return [], found.model_dump(by_alias=True, exclude_unset=True)


def keys(model: type[BaseModel]) -> list[str]:
    """The keys of a table, as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


_SAYINGS = {
    "int_type": "must be a whole number",
    "string_type": "must be text in quotes",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "string_too_short": "must not be empty",
}


def _mistake(path: Path, kind: str, details: Any) -> Mistake:
    if kind == "extra_forbidden":
        table = _TABLES.get(str(path[0]), Configuration) if len(path) > 1 else Configuration
        key = str(path[-1])
        other = next((name for name, model in _TABLES.items() if len(path) > 2 and model is not table and key in keys(model)), "")
        return path, True, f"unknown key; it belongs to {other}.{path[1]}" if other else "unknown key" + suggestion(key, keys(table))
    if kind == "string_pattern_mismatch":
        return path, False, "must be a version such as '16' or '16.4'"
    return path, False, in_words(details, _SAYINGS)


_BOUNDS = {"greater_than_equal": ("ge", "{} or more"), "less_than_equal": ("le", "{} or less"), "greater_than": ("gt", "more than {}")}


def in_words(details: Any, sayings: Mapping[str, str]) -> str:
    """What pydantic found wrong with a value, as polint says it; ``sayings`` are for what depends on the kind of file."""
    kind, context = details["type"], details.get("ctx", {})
    if kind == "literal_error":
        given = details.get("input")
        known = [word.strip("'") for word in str(context.get("expected", "")).replace(" or ", ", ").split(", ")]
        return f"must be {context.get('expected')}" + (suggestion(given, known) if isinstance(given, str) else "")
    if kind in _BOUNDS:
        name, text = _BOUNDS[kind]
        return "must be " + text.format(f"{int(context.get(name)):,}")
    if kind == "value_error":
        return str(context.get("error"))
    message = str(details["msg"])
    return sayings.get(kind) or message[:1].lower() + message[1:]


def suggestion(given: str, known: list[str]) -> str:
    """``; did you mean 'x'?`` or nothing."""
    near = get_close_matches(given.replace("_", "-").lower(), known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
