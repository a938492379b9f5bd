"""Rebuild docs/subjects.md: what rules may look at, with the type and the meaning of each attribute.

It comes from the classes of the model.  A setting and a property say their meaning themselves, an attribute in the comment behind
it or in the text about its class.  ``python tools/build_subjects.py`` writes the page; a test compares it.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import sys
import textwrap
import tokenize
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from polint.diagnostic import Fix  # noqa: E402
from polint.model import SUBJECTS, subject_class  # noqa: E402
from polint.model.pooler import Database  # noqa: E402
from polint.model.remedies import Remedy  # noqa: E402
from polint.model.server import Consumer  # noqa: E402
from polint.model.setting import Setting  # noqa: E402
from polint.ruletypes import ANYTHING, FactOf, ListOf, Maybe, Type, attributes_of  # noqa: E402
from polint.source import Span  # noqa: E402
from polint.units import Bytes, Seconds  # noqa: E402

PAGE = ROOT / "docs" / "subjects.md"

PARTS: dict[str, type] = {"consumer": Consumer, "database": Database}
"""Things that subjects hold, and that no rule is about."""

_EVERYWHERE = {
    "fix": "a fix that is ready, for `use:`",
    "notes": "places that belong to it",
}
_HIDDEN = ("raw",)  # of the model's own use
_ABOUT_HIDDEN = re.compile(r"[;:]\s*``raw`` holds.*?(?=\.(?:\s|$))|(?<!\S)``raw`` holds.*?(?:;\s+|\.(?:\s+|$))", re.DOTALL)
_SCALARS: dict[object, str] = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    Seconds: "seconds",
    Bytes: "bytes",
    Span: "place",
    Fix: "fix",
    Remedy: "fix",
    ANYTHING: "any",
}

HEAD = """# Subjects

What `for:` may name in a rule, and what expressions may read there; [writing-rules.md](writing-rules.md) tells how. Made from the model
by `python tools/build_subjects.py`.

- **fact**: the value has an origin. It may be written in a file, a default of its program, or unknown; an unknown value stops the rule.
  A fact has a place, so `at:` and `note:` may name it, and `is_written`, `is_default` and `is_known` may be asked of it.
- **optional**: there may be none. A rule that reads it then stops, unless `is None` or a condition has asked before.
- Seconds and bytes have a unit: they compare with their own kind, and `0`. A limit that is off is infinite.
- `label` (what messages and baselines call it), `span` (where it stands) and `kind` (what it is, in a word) are left out below where they
  say nothing more than that.
"""


def page() -> str:
    """The page."""
    lines = [HEAD, "| subject | what it is |", "|---|---|"]
    lines += [f"| [`{name}`](#{name}) | {_cell(_about(subject_class(name))[0])} |" for name in sorted(SUBJECTS)]
    lines.append("")
    for name in sorted(SUBJECTS):
        lines += _section(name, subject_class(name))
    lines += ["# Parts of subjects", "", "No rule is about these, but subjects hold them.", ""]
    for name, cls in PARTS.items():
        lines += _section(name, cls)
    return "\n".join(lines).rstrip("\n") + "\n"


def missing() -> list[str]:
    """The attributes that nothing tells the meaning of."""
    classes = [*(subject_class(name) for name in SUBJECTS), *PARTS.values()]
    return [f"{cls.__module__}.{cls.__name__}.{name}" for cls in classes for name, _ in shown(cls) if not meaning(cls, name)]


def shown(cls: type) -> list[tuple[str, Type]]:
    """The attributes of a class that expressions can do something with, by name."""
    found = attributes_of(cls).items()
    return sorted((name, kind) for name, kind in found if name not in _HIDDEN and _type(kind) and not _is_plain(cls, name))


def meaning(cls: type, name: str) -> str:
    """What an attribute means, from where the model says it; "" where it does not."""
    for klass in cls.__mro__[:-1]:
        member = vars(klass).get(name)
        if isinstance(member, Setting):
            return member.doc
        if isinstance(member, property | cached_property):
            getter = member.fget if isinstance(member, property) else member.func
            return inspect.getdoc(getter) or ""
    for klass in cls.__mro__[:-1]:
        if name in _comments(klass):
            return _comments(klass)[name]
    if re.search(rf"``{name}``", inspect.getdoc(cls) or ""):
        return "see above"
    return _EVERYWHERE.get(name, "")


def _is_plain(cls: type, name: str) -> bool:
    return name in ("label", "span", "kind") and name not in _comments(cls) and not isinstance(vars(cls).get(name), property)


def _section(name: str, cls: type) -> list[str]:
    lines = [f"## {name}", "", *(f"{paragraph}\n" for paragraph in _about(cls))]
    lines += ["| attribute | type | meaning |", "|---|---|---|"]
    for attribute, kind in shown(cls):
        said = meaning(cls, attribute)
        said = said[:1].upper() + said[1:] if said.split(" ")[0].isalpha() else said  # a name begins as it is written
        lines.append(f"| `{attribute}` | {_type(kind)} | {_cell(said)} |")
    return [*lines, ""]


def _type(kind: Type) -> str:
    """A type as the page calls it; "" for what expressions can make nothing of."""
    match kind:
        case FactOf(Maybe(of)) | Maybe(FactOf(of)):
            return f"{inner}, fact, optional" if (inner := _type(of)) else ""
        case FactOf(of):
            return f"{inner}, fact" if (inner := _type(of)) else ""
        case Maybe(of):
            return f"{inner}, optional" if (inner := _type(of)) else ""
        case ListOf(item):
            return f"list of {inner}" if (inner := _type(item)) else ""
    if kind in _SCALARS:
        return _SCALARS[kind]
    return next((f"[{name}](#{name})" for name, cls in _named().items() if cls is kind), "")


@cache
def _named() -> dict[str, type]:
    return {name: subject_class(name) for name in SUBJECTS} | PARTS


def _about(cls: type) -> list[str]:
    text = _ABOUT_HIDDEN.sub("", inspect.getdoc(cls) or "")
    return [_prose(paragraph) for paragraph in text.split("\n\n") if paragraph.strip(". \n")]


def _prose(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _cell(text: str) -> str:
    text = re.sub(r"[;:] see [\w.`]+$", "", text.rstrip("."))  # where the code goes on
    return _prose(text).rstrip(".").replace("|", "\\|")


@cache
def _comments(cls: type) -> dict[str, str]:
    """The comment behind each attribute, in the class's own body or in its ``__init__``."""
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        return {}
    at_line: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith(("# noqa", "# type:", "# fmt:")):
            at_line[token.start[0]] = token.string.lstrip("# ")
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.end_lineno not in at_line:
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            match target:
                case ast.Attribute(value=ast.Name(id="self"), attr=name) | ast.Name(id=name):
                    found.setdefault(name, at_line[node.end_lineno])
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
