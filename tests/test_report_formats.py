"""The formats that other programs read: all hold what the text report holds, and their consumers take them."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import polint

from polint.diagnostic import Diagnostic, Edit, Fix, Note
from polint.reporters import FORMATS, FileStatus, Report, Style, fingerprints, github, gitlab, junit, markdown, sarif
from polint.source import Source, Span

EXAMPLE = Path(__file__).parent.parent / "examples" / "iss-tracker"


def span(path: str, marked: str) -> Span:
    start, end = marked.index("[|"), marked.index("|]") - 2
    return Source(path, marked.replace("[|", "").replace("|]", "")).span(start, end)


PLACE = span("a b/ü.conf", "x = [|1|]\n")
FULL = Diagnostic(
    "PO101",
    "over-budget",
    "error",
    "too many: 100%, x_y <b>|*",
    PLACE,
    help="Do `x_y = 2`,\nor not.",
    notes=(Note("replicas = 3", span("b.yml", "\n a: [|3|]")), Note("reserve = 3 (default)", None)),
    mend=lambda: Fix("set it", "safe", (Edit(PLACE, "2"),)),
    subject="server a",
)


def results(document: str) -> list[dict[str, Any]]:
    (run,) = json.loads(document)["runs"]
    return list(run["results"])


@pytest.fixture(scope="module")
def reports() -> dict[str, str]:
    """The example in every format, from one command for each."""
    return {name: polint("lint", "--root", str(EXAMPLE), str(EXAMPLE), "--format", name)[1] for name in FORMATS}


def test_every_format_holds_the_same_findings(reports: dict[str, str]) -> None:
    found = {
        "text": Counter(
            (code, path, int(line))
            for code, path, line in re.findall(r"^\w+\[(PO\d+)\].*\n(?: {4}.*\n)* *--> (.+):(\d+):\d+$", reports["text"], re.MULTILINE)
        ),
        "concise": Counter(
            (code, path, int(line)) for path, line, code in re.findall(r"^(.+?):(\d+):\d+: (PO\d+) ", reports["concise"], re.MULTILINE)
        ),
        "json": Counter(
            (one["code"], one["path"], one["range"]["start"]["line"])
            for one in json.loads(reports["json"])["diagnostics"]
            if not one["suppressed"]
        ),
        "sarif": Counter(
            (one["ruleId"], place["artifactLocation"]["uri"], place["region"]["startLine"])
            for one in results(reports["sarif"])
            for place in [one["locations"][0]["physicalLocation"]]
        ),
        "github": Counter(
            (code, path, int(line))
            for path, line, code in re.findall(r"^::\w+ file=(.+?),line=(\d+),.*?title=(PO\d+) ", reports["github"], re.MULTILINE)
        ),
        "gitlab": Counter(
            (one["check_name"], one["location"]["path"], one["location"]["lines"]["begin"]) for one in json.loads(reports["gitlab"])
        ),
        "junit": Counter(
            (code, case.get("classname"), int(line))
            for case in ElementTree.fromstring(reports["junit"]).iter("testcase")
            for code, line in re.findall(r"^(PO\d+) .* at (\d+):", case.get("name") or "")
        ),
        "markdown": Counter(
            (code, path, int(line))
            for path, line, code in re.findall(r"^\| \w+ \| `(.+):(\d+)` \| .* \| (PO\d+) \S+ \|$", reports["markdown"], re.MULTILINE)
        ),
    }
    assert found.keys() == set(FORMATS)
    assert len(found["json"]) > 10
    assert all(one == found["json"] for one in found.values()), {name: one - found["json"] for name, one in found.items()}


def schema() -> dict[str, Any] | None:
    """The OASIS schema of SARIF 2.1.0, as the crate serde-sarif carries it; fetched by cargo into its registry."""
    for path in Path(os.environ.get("CARGO_HOME", "~/.cargo")).expanduser().glob("registry/src/*/serde-sarif-*/src/schema.json"):
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found
    return None


@pytest.mark.parametrize("clean", [False, True])
def test_sarif_is_valid(reports: dict[str, str], clean: bool) -> None:
    official = schema()
    if official is None:
        pytest.skip("the schema of SARIF is not here: cargo fetch serde-sarif")
    jsonschema = pytest.importorskip("jsonschema")
    document = json.loads(sarif.report(Report("/r", (), ()), Style()) if clean else reports["sarif"])
    jsonschema.Draft7Validator(official).validate(document)
    if clean:
        assert document["runs"][0]["results"] == []
    else:
        full = json.loads(sarif.report(Report("/r", (FULL, FULL._replace(suppressed="in the baseline")), ()), Style()))
        jsonschema.Draft7Validator(official).validate(full)


def test_sarif_says_where_why_and_how_to_mend() -> None:
    first, second, third = results(
        sarif.report(Report("/r", (FULL, FULL._replace(suppressed="in the baseline"), FULL._replace(suppressed="batch job")), ()), Style())
    )
    assert first["level"] == "error"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b/%C3%BC.conf", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 1, "startColumn": 5, "endLine": 1, "endColumn": 6},
    }
    assert [one["message"]["text"] for one in first["relatedLocations"]] == ["replicas = 3"]
    assert first["properties"]["defaults"] == ["reserve = 3 (default)"]
    (change,) = first["fixes"][0]["artifactChanges"]
    assert change["replacements"][0]["insertedContent"] == {"text": "2"}
    assert "suppressions" not in first
    assert second["suppressions"] == [{"kind": "external", "justification": "in the baseline"}]
    assert third["suppressions"] == [{"kind": "inSource", "justification": "batch job"}]


def test_a_fingerprint_stays_while_lines_move_and_is_nobody_elses() -> None:
    moved = FULL._replace(span=span("a b/ü.conf", "# new\n\nx = [|1|]\n"))
    assert fingerprints([FULL]) == fingerprints([moved])
    other = FULL._replace(subject="server b")
    names = fingerprints([FULL, FULL, other, FULL._replace(code="PO102")])
    assert len(set(names)) == 4
    assert names[0] == fingerprints([FULL])[0]


def test_a_fix_that_would_write_a_secret_is_not_in_it() -> None:
    secret = FULL._replace(mend=lambda: Fix("set it", "safe", (Edit(PLACE, "postgres://app:hunter22@db/x"),)))
    document = sarif.report(Report("/r", (secret,), ()), Style())
    assert "hunter22" not in document
    assert "fixes" not in results(document)[0]


def test_github_escapes_what_ends_a_property_or_a_message() -> None:
    several = FULL._replace(span=span("a,b:c.conf", "[|x\ny|]"), severity="info", message="100%\rsure")
    shown = github.report(Report("/r", (FULL, several), ()), Style())
    assert shown == (
        "::error file=a b/ü.conf,line=1,endLine=1,col=5,endColumn=6,title=PO101 over-budget::too many: 100%25, x_y <b>|*"
        "%0A- replicas = 3 (b.yml:2:5)%0A- reserve = 3 (default)%0ADo `x_y = 2`,%0Aor not.\n"
        "::notice file=a%2Cb%3Ac.conf,line=1,endLine=2,title=PO101 over-budget::100%25\ufffdsure"
        "%0A- replicas = 3 (b.yml:2:5)%0A- reserve = 3 (default)%0ADo `x_y = 2`,%0Aor not.\n"
    )


def test_junit_counts_what_it_holds() -> None:
    info = FULL._replace(severity="info")
    files = (FileStatus("clean.env", "dotenv", "read"), FileStatus("other", None, "skipped", "binary"))
    top = ElementTree.fromstring(junit.report(Report("/r", (FULL, info), files), Style()))
    assert top.attrib == {"name": "polint", "tests": "3", "failures": "1"}
    first, second = top
    assert (first.get("name"), first.get("tests"), first.get("failures"), first.get("skipped")) == ("a b/ü.conf", "2", "1", "1")
    assert (second.get("name"), second.get("tests"), second.get("failures")) == ("clean.env", "1", "0")
    failure = first[0][0]
    assert failure.get("type") == "error"
    assert failure.text is not None
    assert "help: or not." in failure.text
    assert len(list(top.iter("failure"))) == 1


def test_xml_holds_any_byte() -> None:
    odd = FULL._replace(message="a\x00b\x1b[31m\udcff\uffff")
    (case,) = ElementTree.fromstring(junit.report(Report("/r", (odd,), ()), Style())).iter("testcase")
    assert case[0].get("message") == "a\ufffdb\ufffd[31m\ufffd\ufffd"


def test_markdown() -> None:
    shown = markdown.report(Report("/r", (FULL,), (), ("db: 50 of 97 connections (52 %)",)), Style())
    assert shown == (
        "**polint: 1 error**\n"
        "\n"
        "- db: 50 of 97 connections (52 %)\n"
        "\n"
        "| | Place | What | Rule |\n"
        "|---|---|---|---|\n"
        "| error | `a b/ü.conf:1` | too many: 100%, x\\_y \\<b\\>\\|\\* | PO101 over-budget |\n"
        "\n"
        "<details><summary>Why, and what to do</summary>\n"
        "\n"
        "- `a b/ü.conf:1` PO101\n"
        "  - replicas = 3 (`b.yml:2:5`)\n"
        "  - reserve = 3 (default)\n"
        "  - Do `x_y = 2`, or not.\n"
        "\n"
        "</details>\n"
    )
    assert markdown.report(Report("/r", (), ()), Style()) == "**polint: no problems found**\n"


def test_gitlab_takes_a_list() -> None:
    assert json.loads(gitlab.report(Report("/r", (), ()), Style())) == []
    (issue,) = json.loads(gitlab.report(Report("/r", (FULL,), ()), Style()))
    assert issue.keys() == {"description", "check_name", "fingerprint", "severity", "location"}  # those GitLab demands
    assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")


def test_several_formats_in_one_run(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "p")
    command = ["lint", "--format", "concise", "--output", "-", "--format", "sarif", "--output", str(tmp_path / "o.sarif")]
    code, out, _ = polint(*command, "--root", str(tmp_path / "p"), str(tmp_path / "p"))
    assert code == 1
    assert out.count("\n") == len(results((tmp_path / "o.sarif").read_text("utf-8")))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--format", "text", "--format", "json"), "each --format takes an --output of its own"),
        (("--format", "text", "--format", "json", "--output", "x"), "each --format takes an --output of its own"),
        (("--output", "x", "--output", "y"), "each --format takes an --output of its own"),
        (("--format", "text", "--output", "x", "--format", "json", "--output", "x"), "one is named twice"),
        (("--format", "sarf"), "did you mean sarif?"),
    ],
)
def test_formats_and_outputs_go_together(options: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = polint("lint", *options)
    assert code == 2
    assert said in err
    assert not list(tmp_path.iterdir())
