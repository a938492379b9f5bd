"""PromQL expressions, as far as the names of metrics in them go.

The lexical grammar is that of Prometheus (promql/parser/lex.go, generated_parser.y); its own ``promtool`` agrees on what
is a metric.  Grafana's variables (``$job``, ``${job:regex}``, ``[[job]]``) may stand anywhere and are passed over: a name
that touches one is not known.
"""

from __future__ import annotations

from .patterns import lazy
from .tuples import NamedTuple

_OPERATORS = frozenset("and or unless atan2 bool offset inf nan start end step range smoothed anchored".split())
_GROUPING = frozenset("by without on ignoring group_left group_right fill fill_left fill_right".split())
_AGGREGATIONS = frozenset("sum avg count min max group stddev stdvar topk bottomk count_values quantile limitk limit_ratio".split())
_TOKEN = lazy(
    r"""(?P<blank>\s+|\#[^\n]*)|(?P<text>"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|`[^`]*`?)"""
    r"""|(?P<hole>\$\{[^}]*\}?|\$\w+|\[\[[^\]]*\]?\]?|\{\{[^{}]*\}\})|(?P<word>[A-Za-z_:][\w:]*)"""
    r"""|(?P<number>[0-9.][\w.]*)|(?P<other>.)""",
    16 | 256,  # re.DOTALL | re.ASCII
)


class Metric(NamedTuple):
    """The name of a metric that ``text[start:end]`` of an expression reads."""

    name: str
    start: int
    end: int


class Expression(NamedTuple):
    """What an expression reads: its metrics in order, repeats kept, and whether ``or`` joins alternatives."""

    metrics: tuple[Metric, ...]
    has_or: bool


def read(text: str) -> Expression:
    """The metrics of an expression; text that is no PromQL gives what looks like names, and never raises."""
    found: list[Metric] = []
    has_or = False
    braces = brackets = 0
    labels = False  # the next parenthesis holds labels
    skipped = 0  # parentheses open since one that holds labels
    key = ""  # the label named last inside braces
    touching = False  # what stands right before is a variable
    tokens = [(match.lastgroup, match[0], match.start()) for match in _TOKEN.finditer(text)]
    for index, (kind, word, at) in enumerate(tokens):
        if kind == "blank":
            touching = False
            continue
        follows = next(((k, w) for k, w, _ in tokens[index + 1 : index + 4] if k != "blank"), ("", ""))
        glued = touching or (index + 1 < len(tokens) and tokens[index + 1][0] == "hole")
        touching = kind == "hole"
        if word == "{" and kind == "other":
            braces += 1
            key = ""
        elif word == "}" and kind == "other":
            braces = max(braces - 1, 0)
        elif braces:
            if kind == "word":
                key = word
            elif kind == "other" and word in ",!~":
                key = "" if word == "," else "!"
            elif kind == "text" and "$" not in word and "[[" not in word and "\\" not in word and len(word) > 2:
                alone = not key and follows[1] in (",", "}")
                if (alone or key == "__name__") and word[-1] == word[0]:
                    found.append(Metric(word[1:-1], at + 1, at + len(word) - 1))
        elif word == "[" and kind == "other":
            brackets += 1
        elif word == "]" and kind == "other":
            brackets = max(brackets - 1, 0)
        elif brackets:
            continue
        elif kind == "other" and word == "(":
            if labels or skipped:
                skipped += 1
            labels = False
        elif kind == "other" and word == ")":
            skipped = max(skipped - 1, 0)
        elif kind == "word" and not skipped:
            low = word.lower()
            if low in _GROUPING and follows[1] == "(":
                labels = True
            elif low in _GROUPING and low.startswith("group_"):
                continue
            elif low in _OPERATORS:
                has_or = has_or or low == "or"
            elif follows[1] == "(" or (low in _AGGREGATIONS and follows[1].lower() in ("by", "without")):
                continue
            elif not glued:
                found.append(Metric(word, at, at + len(word)))
    return Expression(tuple(found), has_or)
