"""Rebuild the schemas that editors use: schema/config.schema.json for polint.toml, schema/plan.schema.json for polint-plan.yaml.

They come from the models that check these files, and from the rules' params.  ``python tools/build_schema.py`` writes them; a
test compares them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

_KINDS: dict[str, dict[str, Any]] = {
    "seconds": {"type": "string", "examples": ["3s", "10min"]},
    "bytes": {"type": "string", "examples": ["64MB", "8GB"]},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "text": {"type": "string"},
}


def configuration() -> str:
    """The schema of polint.toml."""
    from polint.config_schema import Configuration
    from polint.fact import show
    from polint.rule import load_builtin

    found = Configuration.model_json_schema(by_alias=True)
    found = _headed("config", "polint configuration", found)
    rules = load_builtin().rules
    params: dict[str, Any] = {}
    names: dict[str, Any] = {}
    for rule in rules:
        names[rule.name] = {"$ref": "#/$defs/Level", "description": f"{rule.code}: {rule.summary}"}
        if rule.params:
            params[rule.name] = {
                "type": "object",
                "additionalProperties": False,
                "description": f"{rule.code}: {rule.summary}",
                "properties": {
                    one.name: {**_KINDS[one.kind], "description": f"{one.help}; {show(one.default)} when not stated"} for one in rule.params
                },
            }
    found["$defs"]["Level"] = {"enum": ["error", "warning", "info", "off"]}
    found["properties"]["params"]["properties"] = params
    found["properties"]["severity"]["properties"] = names
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def plan() -> str:
    """The schema of polint-plan.yaml."""
    from polint.bundle.plan import Plan
    from polint.units import Bytes

    found = _headed("plan", "polint plan", Plan.model_json_schema(by_alias=True))
    found["properties"]["services"]["additionalProperties"] = False  # which pydantic says of the names' pattern alone
    for table in (found, *found["$defs"].values()):
        for value in table["properties"].values():
            if "pattern" in value and isinstance(value.get("default"), int):
                value["default"] = str(Bytes(value["default"])).replace(" ", "")
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _headed(name: str, title: str, schema: dict[str, Any]) -> dict[str, Any]:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"polint-{name}.schema.json"}
    return {**head, **_without_titles(schema), "title": title}


def _without_titles(node: Any) -> Any:
    """Without the titles that pydantic makes of field names, and with ``null`` left out, which TOML does not have."""
    if isinstance(node, list):
        return [_without_titles(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: _without_titles(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}
    choices = [choice for choice in made.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del made["anyOf"]
        made = {**choices[0], **made}
    if made.get("default", 0) is None:
        del made["default"]
    return made


SCHEMAS = {ROOT / "schema" / "config.schema.json": configuration, ROOT / "schema" / "plan.schema.json": plan}

if __name__ == "__main__":
    for path, schema in SCHEMAS.items():
        path.write_text(schema(), encoding="utf-8")
