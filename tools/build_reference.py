"""Rebuild the tables of docs/configuration.md and docs/generate.md: every key of polint.toml and of polint-plan.yaml.

They come from the models that check these files, and from the rules' params; the text around them is written by hand.
``python tools/build_reference.py`` writes them between their marks; a test compares them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

PAGES = {"configuration": ROOT / "docs" / "configuration.md", "plan": ROOT / "docs" / "generate.md"}

Schema = Mapping[str, Any]


def written(text: str) -> str:
    """A page's text with every table between ``<!-- table NAME -->`` and ``<!-- end -->`` made anew."""

    def table(found: re.Match[str]) -> str:
        return f"<!-- table {found[1]} -->\n\n{TABLES[found[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- table ([\w.-]+) -->\n.*?<!-- end -->", table, text, flags=re.DOTALL)


def configuration(table: str = "") -> str:
    """The keys of polint.toml, or of one of its tables."""
    from polint.config_schema import Configuration

    schema = Configuration.model_json_schema(by_alias=True)
    found = schema["$defs"][table] if table else schema
    rows = ["| key | type | default | meaning | example |", "|---|---|---|---|---|"]
    for key, value in found["properties"].items():
        example = f"`{key} = {toml(value['examples'][0])}`" if "examples" in value else ""
        rows.append(f"| `{key}` | {_type(value, schema)} | {_default(value)} | {_cell(value['description'])} | {_cell(example)} |")
    return "".join(f"{row}\n" for row in rows)


def params() -> str:
    """The params of all rules."""
    from polint.fact import show
    from polint.rule import load_builtin

    rows = ["| rule | parameter | type | default | meaning |", "|---|---|---|---|---|"]
    for rule in sorted(load_builtin().rules, key=lambda rule: rule.code):
        for param in rule.params:
            rows.append(f"| {rule.code} `{rule.name}` | `{param.name}` | {param.kind} | `{show(param.default)}` | {_cell(param.help)} |")
    return "".join(f"{row}\n" for row in rows)


def plan(table: str = "") -> str:
    """The keys of polint-plan.yaml, or of one of its tables."""
    from polint.bundle.plan import Plan

    schema = Plan.model_json_schema(by_alias=True)
    found = schema["$defs"][table] if table else schema
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, value in found["properties"].items():
        default = "needed" if key in found.get("required", ()) else _default(value)
        rows.append(f"| `{key}` | {_type(value, schema)} | {default} | {_cell(value['description'])} |")
    return "".join(f"{row}\n" for row in rows)


def toml(value: object) -> str:
    """A value as TOML writes it on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(key))} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name) else f'"{name}"'


def _type(value: Schema, schema: Schema) -> str:
    """What a key holds, in words."""
    if "enum" in value:
        return " or ".join(f"`{item}`" for item in value["enum"])
    if "$ref" in value:
        return "a table"
    choices = [one for one in value.get("anyOf", ()) if one != {"type": "null"}]
    if choices:
        return " or ".join(dict.fromkeys(_type(one, schema) for one in choices))
    kind = value.get("type")
    if kind == "array":
        return "list of texts"
    if kind == "object":
        return "a table"
    if kind == "boolean":
        return "true or false"
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _bounds(value)
    if value.get("pattern", "").endswith("%$"):
        return "a share in percent"
    return "a size with a unit" if "MB" in value.get("pattern", "") else "text"


def _bounds(value: Schema) -> str:
    least, most = value.get("minimum"), value.get("maximum")
    if "exclusiveMinimum" in value:
        return f", more than {value['exclusiveMinimum']:g} and no more than {most:,g}"
    if most is not None:
        return f", {least:,} to {most:,}"
    return f", {least} or more" if least is not None else ""


def _default(value: Schema) -> str:
    from polint.units import Bytes

    default = value.get("default")
    if default is None or default in ([], {}, ""):
        return ""
    if "MB" in value.get("pattern", "") and isinstance(default, int):
        return f"`{str(Bytes(default)).replace(' ', '')}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


TABLES: dict[str, Callable[[], str]] = {
    "configuration": configuration,
    "configuration.Service": lambda: configuration("Service"),
    "configuration.Server": lambda: configuration("Server"),
    "configuration.Host": lambda: configuration("Host"),
    "params": params,
    "plan": plan,
    "plan.Service": lambda: plan("Service"),
    "plan.Database": lambda: plan("Database"),
}

if __name__ == "__main__":
    for page in PAGES.values():
        page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")
