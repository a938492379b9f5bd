"""Rules as Markdown, from the rule files alone: one rule's page, and the list of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import unified_diff

from .engine import check
from .examples import Example, Loader, Place, load_examples, unmark
from .exprtext import split_template
from .fact import show
from .guidance import GUIDE
from .rule import Rule

_LANGUAGES = {".yaml": "yaml", ".yml": "yaml", ".rs": "rust", ".php": "php", ".toml": "toml", ".sql": "sql", ".conf": "ini", ".ini": "ini"}
_APPLYING = {
    "safe": "`polint fix` applies it: the running system behaves as before.",
    "unsafe": "`polint fix --unsafe` applies it, as it changes what holds.",
    "display": "Shown only: it needs a decision.",
    "": "`polint fix` applies it where the place tells what was meant.",
}
_GROUP_TITLES = {
    "polint": "polint itself",
    "budget": "Pool sizing and budget",
    "timeouts": "Timeouts",
    "lifecycle": "Health and lifecycle",
    "postgresql": "PostgreSQL server",
    "php": "php-fpm, PDO and Laravel",
    "pgbouncer": "PgBouncer",
    "environment": "Compose and environment",
    "code": "Code and SQL",
    "operations": "Monitoring and connection security",
}


def rule_page(rule: Rule, load: Loader) -> str:
    """The page of one rule: what it says, why, its params, what it reports with the span underlined, what it leaves alone.

    ``load`` makes subjects of the example's files, for a help that speaks of one.
    """
    lines = [f"# {rule.code} {rule.name}", "", rule.summary, ""]
    status = ", preview" if rule.preview else ""
    lines += [f"{rule.severity} · group {rule.group} · since {rule.since}{status}", "", "## Why", "", rule.why, ""]
    if rule.params:
        lines += ["## Parameters", "", "| name | type | default | meaning |", "|---|---|---|---|"]
        lines += [f"| `{param.name}` | {param.kind} | `{show(param.default)}` | {_cell(param.help)} |" for param in rule.params]
        lines.append("")
    examples, _ = load_examples(rule.path)
    bad = next((example for example in examples if example.is_marked), None)
    good = next((example for example in examples if not example.is_marked and not example.unknown), None)
    if bad is not None:
        lines += ["## Reported", "", *_example(bad)]
    if good is not None:
        lines += ["## Not reported", "", *_example(good)]
    if rule.help:
        lines += ["## What to do", "", _help(rule, bad, load), ""]
    if rule.fix is not None:
        lines += ["## Fix", "", *_fix(rule, examples)]
    if rule.guide:
        lines += ["## Advice it checks", "", *(f"- {GUIDE[piece].part}: {GUIDE[piece].advice}" for piece in rule.guide), ""]
    if rule.refs:
        lines += ["## References", "", *(f"- {ref}" for ref in rule.refs), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _fix(rule: Rule, examples: Iterable[Example]) -> Iterator[str]:
    """How the rule's fix is applied, and what it makes of the first example that shows it."""
    assert rule.fix is not None
    how = rule.fix.applicability
    yield from (_APPLYING[how], "")
    shown = next((example for example in examples if example.fixed), None)
    if shown is None or shown.fixed is None:
        return
    for path, text in shown.fixed.items():
        before = unmark(path, shown.files[path])[0] if path in shown.files else ""
        yield from (f"`{path}` of the example “{shown.title}”:", "", "```diff")
        changes = unified_diff(before.splitlines(), text.splitlines(), lineterm="", n=2)
        yield from (line for line in changes if not line.startswith(("---", "+++", "@@")))
        yield from ("```", "")


def rules_index(rules: Iterable[Rule]) -> str:
    """rules/README.md: every rule by group, in the order of the codes."""
    ordered = sorted(rules, key=lambda rule: rule.code)
    lines = [
        "# Rules",
        "",
        "Made from the rule files by `polint rules --markdown`; `polint rule CODE` shows one rule's page.",
        "",
    ]
    groups: dict[str, list[Rule]] = {}
    for rule in ordered:
        groups.setdefault(rule.group, []).append(rule)
    for group, members in groups.items():
        lines += [f"## {_GROUP_TITLES.get(group, group)}", "", "| code | name | severity | reports | fix |", "|---|---|---|---|---|"]
        for rule in members:
            severity = rule.severity + (" (preview)" if rule.preview else "")
            fix = (rule.fix.applicability or "safe") if rule.fix is not None else ""
            lines.append(f"| {rule.code} | [{rule.name}]({group}/{rule.name}.yaml) | {severity} | {_cell(rule.summary)} | {fix} |")
        lines.append("")
    if any(rule.guide for rule in ordered):
        lines += _guide(ordered)
    return "\n".join(lines).rstrip("\n") + "\n"


def _guide(rules: Iterable[Rule]) -> Iterator[str]:
    """Each piece of the guide's advice with the rules that stand for it."""
    by_piece: dict[str, list[str]] = {piece: [] for piece in GUIDE}
    for rule in rules:
        for piece in rule.guide:
            by_piece[piece].append(f"[{rule.name}]({rule.group}/{rule.name}.yaml)")
    yield from ("## The pooling guide, and the rules that check it", "")
    yield from ("Where the guide was wrong, the advice says what is true, and the rule's page tells why.", "")
    part = ""
    for piece, advice in GUIDE.items():
        if advice.part != part:
            part = advice.part
            yield from (*([""] if piece != next(iter(GUIDE)) else []), f"### {part}", "", "| advice | rules |", "|---|---|")
        yield f"| {_cell(advice.advice)} | {', '.join(by_piece[piece])} |"


def _help(rule: Rule, example: Example | None, load: Loader) -> str:
    """The rule's help; what it says of a subject, and how a param is set, it says of the example."""
    parts = list(split_template(rule.help))
    holes = [hole.strip() for _, hole, _, _ in parts if hole is not None]
    if holes and example is not None:
        files = {path: unmark(path, text)[0] for path, text in example.files.items()}
        for subjects in load(files, example.config):
            for found in check([rule], subjects).diagnostics:
                lead = "" if all(hole.startswith("params.") for hole in holes) else "For the example above:\n\n"
                return lead + found.help
    return "".join(before + ("…" if hole is not None else "") for before, hole, _, _ in parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _example(example: Example) -> Iterator[str]:
    yield from (f"{example.title[:1].upper()}{example.title[1:].rstrip('.:')}:", "")
    files = dict(example.files)
    if example.config is not None:
        files.setdefault("polint.toml", example.config)
    for path, marked in files.items():
        text, places = unmark(path, marked)
        fence = "```"
        while fence in text:
            fence += "`"
        language = next((name for ending, name in _LANGUAGES.items() if path.endswith(ending)), "")
        yield from (f"`{path}`", "", f"{fence}{'' if places else language}", *_underlined(text, places), fence, "")


def _underlined(text: str, places: Iterable[Place]) -> Iterator[str]:
    """The lines of a text, each followed by ``^^^`` under what is marked in it."""
    ranges = [(place.start, max(place.end, place.start + 1)) for place in places]
    start = 0
    for line in text.rstrip("\n").split("\n"):
        yield line.expandtabs(4)
        under = ""
        for first, end in ranges:
            left, right = max(first - start, 0), min(end - start, len(line))
            # blanks before the code are not part of it, on a line that a span only passes through
            left += len(line[left:right]) - len(line[left:right].lstrip())
            if left < right or (left == len(line) and start <= first <= start + len(line)):
                column, stop = len(line[:left].expandtabs(4)), len(line[: max(right, left + 1)].expandtabs(4))
                under = under.ljust(column) + "^" * max(stop - column, 1)
        if under:
            yield under
        start += len(line) + 1
