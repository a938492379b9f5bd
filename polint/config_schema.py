"""The shape of the configuration, as pydantic checks it: imported only when there is a file."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

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


Text = Annotated[str, Field(min_length=1)]
Names = list[Text]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Level = Literal["error", "warning", "info"]


class Service(_Table):
    """``[services.NAME]``: what no file of the project says about a service, or says wrongly."""

    replicas: Count | None = Field(None, description="how many copies run")
    processes: Count | None = Field(None, description="processes in one copy that each hold a pool")
    pool: Count | None = Field(None, description="most connections one process opens; 0 for a service that opens none")
    connects_to: Annotated[Names, BeforeValidator(_one_or_more)] | None = Field(None, description="the servers it connects to")


class Server(_Table):
    """``[servers.NAME]``: what is known about a PostgreSQL server: a service of a compose file, or the host name of one elsewhere."""

    max_connections: Positive | None = Field(None, description="its max_connections")
    superuser_reserved_connections: Count | None = Field(None, description="slots kept for superusers, 3 when nothing states them")
    reserved_connections: Count | None = Field(None, description="slots kept for pg_use_reserved_connections")
    version: Annotated[Text, Field(pattern=r"^\d+(\.\d+)*$")] | None = Field(None, description="its version, e.g. 16 or 16.4")


class Host(_Table):
    """``[host]``: the machine the servers of compose files run on."""

    cores: Positive | None = Field(None, description="processor cores")
    memory: Annotated[Text, AfterValidator(_size)] | None = Field(
        None, description="memory of a server without a limit of its own, e.g. 8GB"
    )
    spindles: Count | None = Field(None, description="spinning disks that work at the same time; 0 for data on SSDs or in memory")


class Configuration(_Table):
    """polint.toml, or ``[tool.polint]`` in pyproject.toml."""

    select: Names = Field([], description="rules to run: codes, code prefixes, names or groups; all when left out")
    ignore: Names = Field([], description="rules not to run")
    rules: Names = Field([], description="folders with rule files of your own")
    exclude: Names = Field([], description="files not to read, as in .gitignore")
    baseline: Text = Field("polint-baseline.json", description="file with the accepted diagnostics, written by polint baseline")
    fail_on: Literal["error", "warning", "info", "never"] = Field("warning", description="the least severity that fails a run")
    severity: dict[str, Literal["error", "warning", "info", "off"]] = Field({}, description="severity by rule")
    per_file_ignores: dict[str, Names] = Field({}, description="rules not to report in files that match a pattern")
    params: dict[str, dict[str, Any]] = Field({}, description="parameters by rule")
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


def _has(model: type[BaseModel], key: object) -> bool:
    return any((field.alias or name) == key for name, field in model.model_fields.items())


_SAYINGS = {
    "int_type": "must be a whole number",
    "string_type": "must be text in quotes",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "string_too_short": "must not be empty",
}


def _mistake(path: Path, kind: str, details: Any) -> Mistake:
    context = details.get("ctx", {})
    if kind == "extra_forbidden":
        table = _TABLES.get(str(path[0]), Configuration) if len(path) > 1 else Configuration
        known = [field.alias or name for name, field in table.model_fields.items()]
        other = next((name for name, model in _TABLES.items() if len(path) > 2 and model is not table and _has(model, path[-1])), "")
        return path, True, f"unknown key; it belongs to {other}.{path[1]}" if other else "unknown key" + suggestion(str(path[-1]), known)
    if kind == "literal_error":
        given = details.get("input")
        known = [word.strip("'") for word in str(context.get("expected", "")).replace(" or ", ", ").split(", ")]
        return path, False, f"must be {context.get('expected')}" + (suggestion(given, known) if isinstance(given, str) else "")
    if kind == "greater_than_equal":
        return path, False, f"must be {context.get('ge')} or more"
    if kind == "string_pattern_mismatch":
        return path, False, "must be a version such as '16' or '16.4'"
    if kind == "value_error":
        return path, False, str(context.get("error"))
    message = str(details["msg"])
    return path, False, _SAYINGS.get(kind) or message[:1].lower() + message[1:]


def suggestion(given: str, known: list[str]) -> str:
    """``; did you mean 'x'?`` or nothing."""
    near = get_close_matches(given.replace("_", "-").lower(), known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
