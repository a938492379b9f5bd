"""The views of a budget: that each says the same, and survives every name."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import pytest
from budget_stacks import START_FIRST, URL, found, pooled, stack
from conftest import polint

from polint.budgets import FORMATS, Budget
from polint.reporters import Style

SCHEMA = Path(__file__).parent.parent / "schema" / "budget.schema.json"
SEARCH = f"  search:\n    image: registry.example.test/search:1\n    {URL}\n"
WHOLE = "[services.api]\nmax-replicas = 4\n[services.psql]\npool = 1\nonce = true\nconnects-to = 'db'\n"
STACKS = {
    "none": ({}, ""),
    "alone": ({"compose.yaml": "services:\n  db:\n    image: postgres:16\n"}, ""),
    "one": (stack({"api": (10, 3, "")}), ""),
    "all scenarios": (stack({"api": (10, 3, START_FIRST % 1), "web": (5, 2, "")}), WHOLE),
    "twelve": (stack({f"service-{number}": (number + 1, 2, "") for number in range(12)}, limit="200"), ""),
    "over": (stack({"api": (40, 3, START_FIRST % 1)}), ""),
    "unknown": (stack({"api": (10, 3, "")}, SEARCH), ""),
    "no limit": (stack({"api": (10, 3, "")}, limit="${LIMIT}"), ""),
    "nothing usable": (stack({"api": (10, 3, "")}, limit="3"), ""),
    "several servers": ({**stack({"api": (10, 3, "")}, "  other:\n    image: postgres:15\n")}, ""),
    "pooled": (pooled(), ""),
    "a range": (stack({"api": (10, 3, ", update_config: {order: '${ORDER}'}")}), ""),
}
HOSTILE = ("a<b>&\"c'", "x`|]}y", "<script>alert(1)</script>", "end", "long-" * 40, "сервис", "--> %% ;", "a\u202eb", "#quot;")


def shown(name: str, budgets: Sequence[Budget], style: Style = Style()) -> str:  # noqa: B008
    text = import_module(f"polint.budgets.{name}").report(budgets, style)
    assert isinstance(text, str)
    return text


def hostile() -> list[Budget]:
    """Services that no file system would hold, as polint.toml states them."""
    toml = "".join(f"[services.{json.dumps(name)}]\npool = {number + 1}\nconnects-to = 'db'\n" for number, name in enumerate(HOSTILE))
    return found({"compose.yaml": "services:\n  db:\n    image: postgres:16\n"}, toml)


def test_the_table() -> None:
    text = shown("text", found(stack({"api": (10, 2, ""), "worker": (5, 1, "")})))
    assert text == (
        "server db: 97 usable connections (max_connections 100 - 3 reserved)\n"
        "\n"
        "  service  kind  replicas  processes  pool  connections  share\n"
        "  api      sqlx         2          1    10           20   21 %  █████···················\n"
        "  worker   sqlx         1          1     5            5    5 %  █·······················\n"
        "\n"
        "  steady  25 of 97  26 %  ██████··················  fits\n"
        "\n"
        "  what would fit, each with the others as they are:\n"
        "    api     pool 46 (now 10)  replicas 9 (now 2)\n"
        "    worker  pool 77 (now 5)   replicas 15 (now 1)\n"
        "  max_connections needed: 28, 35 with room to spare (now 100)\n"
        "\n"
        "  db: max_connections = 100  compose.yaml:4:42\n"
        "  api: replicas = 2  compose.yaml:8:24\n"
        "  api: max_connections = 10  api/src/main.rs:1:49\n"
        "  worker: replicas = 1  compose.yaml:12:24\n"
        "  worker: max_connections = 5  worker/src/main.rs:1:49\n"
    )


def test_who_goes_through_a_pooler() -> None:
    lines = shown("text", found(pooled())).splitlines()
    assert lines[2:6] == [
        "  service    kind       through    replicas  processes  pool  connections  share",
        "  api        sqlx                         1          1     5            5    5 %  █·······················",
        "  pgbouncer  pgbouncer                    1          1    20           20   21 %  █████···················",
        "    web      sqlx       pgbouncer         1          1    30           30",
    ]
    narrow = shown("text", found(pooled()), Style(width=78, wraps=True)).splitlines()
    assert narrow[2] == "  service    kind       replicas  processes  pool  connections  share"
    assert all(len(line) <= 78 for line in narrow)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_fits_its_terminal(width: int) -> None:
    for name in ("all scenarios", "over", "unknown", "pooled", "twelve", "a range"):
        lines = shown("text", found(*STACKS[name]), Style(width=width, wraps=True)).splitlines()
        table = [line for line in lines if "  service  " in line or " of " in line or "sqlx" in line]
        assert max(map(len, table)) <= max(width, 76), name


def test_ascii_and_colour() -> None:
    budgets = found(*STACKS["unknown"])
    assert shown("text", budgets, Style(ascii=True)).isascii()
    coloured = shown("text", budgets, Style(colour=True))
    assert "\x1b[1;33munknown\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == shown("text", budgets)


def test_quiet_leaves_out_what_would_fit() -> None:
    text = shown("text", found(*STACKS["one"]), Style(verbosity=-1))
    assert text.splitlines()[-1].startswith("  steady  30 of 97")


@pytest.mark.parametrize("name", STACKS)
def test_every_view_says_the_same(name: str) -> None:
    budgets = found(*STACKS[name])
    texts = {view: shown(view, budgets) for view in FORMATS}
    for view in ("text", "markdown", "mermaid", "svg"):
        if not budgets:
            assert "no postgresql server found" in texts[view].lower()
        for one in budgets:
            assert one.worst.verdict in texts[view], view
            assert one.name in texts[view]
            assert all(consumer.service in texts[view] for consumer in one.server.consumers), view
    report = json.loads(texts["json"])
    assert [server["name"] for server in report["servers"]] == [one.name for one in budgets]
    for server, one in zip(report["servers"], budgets, strict=True):
        assert [(state["name"], state["verdict"]) for state in server["scenarios"]] == [
            (scenario.name, scenario.verdict) for scenario in one.scenarios
        ]
    assert {view: shown(view, found(*STACKS[name])) for view in FORMATS} == texts  # and says it again


@pytest.mark.parametrize("name", [*STACKS, "hostile"])
def test_the_json_has_its_schema(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    report = json.loads(shown("json", hostile() if name == "hostile" else found(*STACKS[name])))
    jsonschema.Draft202012Validator(schema).validate(report)


def test_the_json_of_a_scenario() -> None:
    server = json.loads(shown("json", found(stack({"api": (10, 3, START_FIRST % 2)}))))["servers"][0]
    assert (server["max_connections"], server["reserved"], server["usable"]) == (100, 3, 97)
    steady, deploy = server["scenarios"]
    assert (steady["demand"], steady["utilisation"]) == ({"at_least": 30, "at_most": 30}, 0.309)
    assert (deploy["name"], deploy["verdict"], deploy["demand"]) == ("deploy", "fits", {"at_least": 50, "at_most": 50})
    assert deploy["parts"][0]["origin"] == [
        {"fact": "order", "value": "start-first", "path": "compose.yaml", "line": 8},
        {"fact": "parallelism", "value": 2, "path": "compose.yaml", "line": 8},
    ]
    assert server["consumers"][0]["origin"][:2] == [
        {"fact": "replicas", "value": 3, "path": "compose.yaml", "line": 8},
        {"fact": "processes", "value": 1, "path": None, "line": None},
    ]


def tree(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


@pytest.mark.parametrize("name", [*STACKS, "hostile"])
def test_the_picture_is_plain_and_stays_on_its_page(name: str) -> None:
    text = shown("svg", hostile() if name == "hostile" else found(*STACKS[name]))
    root = tree(text)
    tags = {element.tag.removeprefix("{http://www.w3.org/2000/svg}") for element in root.iter()}
    assert tags <= {"svg", "title", "style", "defs", "pattern", "rect", "g", "line", "text", "path"}
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in text.replace("url(#perhaps)", "")
    assert "prefers-color-scheme:dark" in text
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for element in root.iter("{http://www.w3.org/2000/svg}rect"):
        if element.get("class") not in ("weave", "page"):
            assert 0 <= float(element.attrib["x"]) <= float(element.attrib["x"]) + float(element.attrib["width"]) <= width - 20
    for group in root.findall("{http://www.w3.org/2000/svg}g"):
        top = float(group.attrib["transform"].removeprefix("translate(0 ").removesuffix(")"))
        for element in group.iter("{http://www.w3.org/2000/svg}text"):
            assert 0 < top + float(element.attrib["y"]) < height
            said = element.text or (element[0].tail if len(element) else "") or ""
            left = float(element.attrib["x"])
            if "end" not in element.attrib["class"] and "middle" not in element.attrib["class"]:
                assert left + len(said) * 4 < width, said


def test_bars_are_as_long_as_they_say() -> None:
    root = tree(shown("svg", found(stack({"api": (10, 3, ""), "web": (20, 1, "")}))))
    rects = {element.get("class"): element for element in root.iter("{http://www.w3.org/2000/svg}rect") if element.get("height") == "26"}
    track, api, web = (float(rects[name].attrib["width"]) for name in ("track", "c0", "c1"))
    assert api + 1 == pytest.approx(track * 30 / 97, abs=0.2)  # a pixel parts it from its neighbour
    assert web + 1 == pytest.approx(track * 20 / 97, abs=0.2)


def test_more_than_there_is_crosses_the_line() -> None:
    root = tree(shown("svg", found(*STACKS["over"])))
    line = next(element for element in root.iter("{http://www.w3.org/2000/svg}line") if element.get("class") == "limit")
    bar = next(element for element in root.iter("{http://www.w3.org/2000/svg}rect") if element.get("class") == "c0")
    assert float(bar.attrib["x"]) + float(bar.attrib["width"]) > float(line.attrib["x1"])


NODE = re.compile(r'^  (s\d+(?:c\d+)?)(?:\[\(|\[|\{\{)"([^"`\[\]{}|\\]*)"(?:\)\]|\]|\}\}):::(fits|over|unknown|client)$')
EDGE = re.compile(r'^  (s\d+c\d+) (?:-- "[^"]+" -->|-\. once \.->) (s\d+(?:c\d+)?)$')


@pytest.mark.parametrize("name", [*STACKS, "hostile"])
def test_the_chart_is_one_that_mermaid_reads(name: str) -> None:
    lines = shown("mermaid", hostile() if name == "hostile" else found(*STACKS[name])).splitlines()
    assert lines[0] == "flowchart LR"
    nodes = {match[1] for line in lines if (match := NODE.match(line))}
    edges = [match.groups() for line in lines if (match := EDGE.match(line))]
    styles = sum(line.startswith("  classDef ") for line in lines)
    assert len(nodes) + len(edges) + styles + (not nodes) == len(lines) - 1
    assert {end for edge in edges for end in edge} <= nodes


def test_the_chart_goes_through_the_pooler() -> None:
    text = shown("mermaid", found(pooled()))
    assert '  s0c2 -- "30" --> s0c1\n' in text
    assert '  s0c1{{"<b>pgbouncer</b>' in text


def test_markdown() -> None:
    text = shown("markdown", found(stack({"api": (10, 3, START_FIRST % 1)})))
    assert text.startswith(
        "### `db`: fits (40 of 97 connections, rolling deploy)\n"
        "\n"
        "97 usable connections (max\\_connections 100 - 3 reserved).\n"
        "\n"
        "| Service | Kind | Replicas × processes × pool | Connections | Share |\n"
        "|---|---|--:|--:|--:|\n"
        "| `api` | sqlx | 3 × 1 × 10 | 30 | 31 % |\n"
        "\n"
        "| Scenario | Connections | Share | |\n"
        "|---|--:|--:|---|\n"
        "| steady | 30 of 97 | 31 % | fits |\n"
        "| rolling deploy | 40 of 97 | 41 % | fits |\n"
    )
    assert "- api: order = start-first (`compose.yaml:8:50`)\n" in text


@pytest.mark.parametrize("name", [*STACKS, "hostile"])
def test_rows_of_markdown_have_their_cells(name: str) -> None:
    cells = 0
    for line in shown("markdown", hostile() if name == "hostile" else found(*STACKS[name])).splitlines():
        if not line.startswith("|"):
            cells = 0
            continue
        count = len(re.findall(r"(?<!\\)\|", line))
        assert cells in (0, count), line
        cells = count


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path, text in stack({"api": (10, 3, "")}).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("view", FORMATS)
def test_output_to_a_file(folder: Path, view: str) -> None:
    assert polint("budget", "--format", view, "--output", "out") == (0, "", "")
    assert (folder / "out").read_text("utf-8") == polint("budget", "--format", view, env={"PYTHONIOENCODING": "utf-8"})[1]


def test_a_terminal_without_unicode(folder: Path) -> None:
    assert polint("budget", env={"PYTHONIOENCODING": "ascii"})[1].isascii()


def test_usage(folder: Path) -> None:
    assert polint("budget", "--format", "svgg")[2].startswith("polint: --format cannot be svgg; did you mean svg?")
    assert polint("budget", "--compare", "x", "--format", "svg")[0] == 2
