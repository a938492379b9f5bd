"""YAML text as nodes that know their exact place: compose files, rule files, anything written in YAML.

Syntax is libyaml's (through PyYAML's C part), read event by event, so neither nesting nor
aliases can exhaust the stack or the memory: an aliased node is the same object wherever it is used.
What an untagged scalar means (``yes`` a string, ``017`` fifteen, ``~`` null) follows Go's yaml package,
which reads compose files [run: go.yaml.in/yaml v4].
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from math import inf, nan
from typing import TYPE_CHECKING, Any

from .patterns import deferred
from .source import Source, Span
from .tuples import NamedTuple

if TYPE_CHECKING:
    from datetime import date

MAX_DEPTH = 200  # levels as written (through aliases a tree can be deeper)
MAX_SIZE = 4_000_000  # values after aliases are followed; more is an alias bomb, which Go's yaml refuses too
MAX_MERGED = 1_000_000  # entries that merge keys copy in one file


class YamlFault(NamedTuple):
    """A place that is not valid YAML, or that YAML readers refuse; ``message`` is lower case, a clause.

    With ``own_limit`` the YAML may well be valid: it only goes further than polint does.
    """

    message: str
    span: Span
    own_limit: bool = False


_NO_ENTRIES: dict[str, tuple[Node, Node]] = {}


class Node:
    """A scalar, map or seq.

    ``start`` and ``end`` are character offsets: quotes included, tag and anchor not; a block
    collection ends with its last value.  A map's ``entries`` are by key text, with the key's own node,
    merge keys (``<<``) already resolved: what a merge brings stands after the map's own entries, with
    its nodes where they are really written.  Nodes are shared by aliases and must never be changed.
    """

    __slots__ = ("aliased", "anchor", "base", "end", "entries", "items", "kind", "size", "source", "start", "style", "tag", "text")

    def __init__(
        self,
        kind: str,  # scalar, map or seq
        source: Source,
        start: int,
        end: int,
        tag: str = "",  # as written, e.g. !reset; "" when there is none
        style: str = "",  # scalars: "" plain, ' " | >; collections: [ or { when written in flow style
        text: str = "",  # a scalar's content, unescaped and unfolded
        items: Sequence[Node] = (),
        entries: dict[str, tuple[Node, Node]] = _NO_ENTRIES,  # a map's
    ) -> None:
        self.kind = kind
        self.source = source
        self.start = start
        self.end = end
        self.tag = tag
        self.style = style
        self.text = text
        self.items = items
        self.entries = entries
        self.anchor = ""
        self.aliased = False  # some alias refers to it: an edit here changes other places too
        self.size = 1  # values in it, aliases followed
        self.base: str | None = None  # for the reader's use: the folder that paths in it are relative to

    @property
    def span(self) -> Span:
        """Where it is written."""
        return Span(self.source, self.start, self.end)

    def get(self, key: str) -> Node | None:
        """The value under ``key``; None when this is no map or has no such key."""
        pair = self.entries.get(key)
        return pair[1] if pair else None

    def replaced(self, **changes: Any) -> Node:
        """A copy with other values of some attributes."""
        made = Node.__new__(Node)
        for name in Node.__slots__:
            setattr(made, name, changes[name] if name in changes else getattr(self, name))
        return made

    def __repr__(self) -> str:
        return f"<{self.kind} {self.span!r}>"


class Documents(NamedTuple):
    """The documents of a stream, in order, and everything wrong in it.  A document cut short by a syntax error is left out."""

    nodes: tuple[Node, ...]
    faults: tuple[YamlFault, ...]


def documents(source: Source, limit: int | None = None) -> Documents:
    """Every document of ``source``, or only the first ``limit`` (the rest is then not even scanned)."""
    nodes: list[Node] = []
    faults: list[YamlFault] = []
    try:
        source.text.encode()
    except UnicodeEncodeError as error:
        return Documents((), (YamlFault("not UTF-8 text", Span(source, error.start, error.start + 1)),))
    try:
        _compose(source, limit, nodes, faults)
    except _libyaml()["error"] as error:
        faults.append(_syntax_fault(source, error))
    return Documents(tuple(nodes), tuple(faults))


@lru_cache(maxsize=8)
def kept(source: Source) -> Documents:
    """As ``documents``, and the same ones when asked again soon: for edits, which look into one file many times.  Not to be changed."""
    return documents(source)


@cache
def _libyaml() -> dict[str, Any]:
    """The C parser and its event types; imported late, as not every run reads YAML.

    PyYAML's, as it carries libyaml 0.2.5, of which Go's yaml is a port.  ruamel.yaml's C part still has libyaml 0.1.7,
    which refuses what Compose accepts, such as ``[DATABASE_URL=postgres://db/app]``.
    """
    with deferred():  # PyYAML's own parser, which this does without, has the most expensive pattern of all
        from yaml import cyaml, error, events

    return {
        "parser": cyaml.CParser,  # type: ignore[attr-defined]
        "error": error.YAMLError,
        **{name: getattr(events, name + "Event") for name in ("Scalar", "Alias", "MappingStart", "MappingEnd", "SequenceStart")},
        **{name: getattr(events, name + "Event") for name in ("SequenceEnd", "DocumentStart", "DocumentEnd")},
    }


def _compose(source: Source, limit: int | None, nodes: list[Node], faults: list[YamlFault]) -> None:
    names = _libyaml()
    scalar, alias, map_start, map_end = names["Scalar"], names["Alias"], names["MappingStart"], names["MappingEnd"]
    seq_start, seq_end, doc_start, doc_end = names["SequenceStart"], names["SequenceEnd"], names["DocumentStart"], names["DocumentEnd"]
    text = source.text
    parser = names["parser"](text)
    take = parser.get_event
    anchors: dict[str, Node | None] = {}
    stack: list[tuple[Node | None, Node | None, list[Node]]] = []
    current: Node | None = None  # the collection being filled
    key: Node | None = None  # its pending key, in a map
    merges: list[Node] = []  # values of its merge keys
    root: Node | None = None
    last = 0  # where the last thing written ends
    budget = MAX_MERGED
    while (event := take()) is not None:
        kind = type(event)
        if kind is scalar:
            start, end, style = event.start_mark.index, event.end_mark.index, event.style or ""
            tag, anchor = event.tag or "", event.anchor
            if tag or anchor or (end > start and text[start] in "&!"):
                start = _content(text, start, end)
            if style in ("|", ">"):
                end = _rstrip(text, start, end)
            node = Node("scalar", source, start, end, tag, style, event.value)
            if anchor:
                node.anchor = anchor
                anchors[anchor] = node
            last = end
        elif kind is map_start or kind is seq_start:
            if len(stack) >= MAX_DEPTH:
                deep = event.start_mark.index
                faults.append(YamlFault(f"nested deeper than {MAX_DEPTH} levels", Span(source, deep, deep + 1), True))
                return
            start, anchor = event.start_mark.index, event.anchor
            if anchor or event.tag:
                start = _content(text, start, len(text))
            flow = event.flow_style
            if kind is map_start:
                opened = Node("map", source, start, start, event.tag or "", "{" if flow else "", entries={})
            else:
                opened = Node("seq", source, start, start, event.tag or "", "[" if flow else "", items=[])
            if anchor:
                opened.anchor = anchor
                anchors[anchor] = None  # not to be used before it is complete
            stack.append((current, key, merges))
            current, key, merges = opened, None, []
            continue
        elif kind is map_end or kind is seq_end:
            assert current is not None
            node = current
            if node.style:
                last = event.end_mark.index
            node.end = max(last, node.start)
            if merges:
                budget = _merge(node, merges, budget, faults)
            if node.anchor:
                anchors[node.anchor] = node
            current, key, merges = stack.pop()
        elif kind is alias:
            start, last = event.start_mark.index, event.end_mark.index
            found = anchors.get(event.anchor)
            if found is None:
                inside = event.anchor in anchors
                what = "refers to what it stands in" if inside else "has no anchor above it"
                faults.append(YamlFault(f'alias "{event.anchor}" {what}', Span(source, start, last)))
                found = Node("scalar", source, start, last)
            found.aliased = True
            node = found
        elif kind is doc_start:
            root, current, key = None, None, None
            anchors = {}
            stack = []
            continue
        elif kind is doc_end:
            if root is not None:
                if root.size > MAX_SIZE:
                    faults.append(YamlFault(f"its aliases stand for {root.size:,} values", Span(source, root.start, root.start)))
                else:
                    nodes.append(root)
            if limit is not None and len(nodes) >= limit:
                return
            continue
        else:
            continue
        if current is None:
            root = node
        elif current.kind == "seq":
            current.items.append(node)  # type: ignore[attr-defined]
            current.size += node.size
        elif key is None:
            key = node
        else:
            if key.kind != "scalar":
                faults.append(YamlFault(f"a {'list' if key.kind == 'seq' else 'map'} is used as a key", key.span))
            elif key.text == "<<" and not key.style and not key.tag:
                if merges:
                    faults.append(YamlFault('merge key "<<" is written twice', key.span))
                merges.append(node)
                current.size -= node.size  # copied entries have a limit of their own
            else:
                if key.text in current.entries:
                    faults.append(YamlFault(f'key "{_short(key.text)}" is written twice', key.span))
                current.entries[key.text] = (key, node)
            current.size += 1 + node.size
            key = None


def _merge(node: Node, values: list[Node], budget: int, faults: list[YamlFault]) -> int:
    """Give ``node`` the entries its merge keys bring: its own win, then the earlier ones."""
    if budget < 0:
        return budget
    for value in values:
        if value.tag == "!reset":
            continue  # Compose takes the key away before merging
        for given in value.items if value.kind == "seq" else (value,):
            if given.kind != "map":
                faults.append(YamlFault('merge key "<<" takes a map or a list of maps', given.span))
                continue
            budget -= len(given.entries)
            if budget < 0:
                faults.append(YamlFault(f"merge keys copy more than {MAX_MERGED:,} entries", given.span, True))
                return budget
            for name, pair in given.entries.items():
                node.entries.setdefault(name, pair)
    return budget


def _content(text: str, at: int, end: int) -> int:
    """Past the tag and the anchor that stand before a node's own text."""
    while at < end:
        character = text[at]
        if character == "!" or character == "&":
            stop = text.find(">", at, end) + 1 if text.startswith("!<", at) else 0
            at = max(stop, at + 1)
            while at < end and text[at] not in " \t\r\n\u0085\u2028\u2029,[]{}":
                at += 1
        elif character == "#":
            newline = text.find("\n", at, end)
            at = end if newline < 0 else newline + 1
        elif character in " \t\r\n\u0085\u2028\u2029":
            at += 1
        else:
            break
    return at


def _rstrip(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1] in " \t\r\n":
        end -= 1
    return end


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


# what libyaml says -> what a person can act on
_HINTS = {
    "mapping values are not allowed in this context": 'a second ": " on this line, or a wrong indent: quote the value if it holds one',
    "did not find expected key": "this does not fit the map above it: check the indent, and quotes around the value before",
    "did not find expected '-' indicator": 'a list is open here, but this is no "- " item: check the indent',
    "could not find expected ':'": 'a key here has no ":" after it',
    "found unexpected end of stream": "what is opened here is never closed",
    "found unknown escape character": "no such escape in a double-quoted value",
    "found unexpected document indicator": "the document ends inside a quoted value",
    "did not find expected <document start>": "text after the end of the document",
    "did not find expected alphabetic or numeric character": "a value that starts with * or & must be quoted",
    "did not find expected ',' or ']'": 'a list opened with "[" is not closed before this',
    "did not find expected ',' or '}'": 'a map opened with "{" is not closed before this',
    "found undefined tag handle": "this tag's handle is not declared",
}


def _syntax_fault(source: Source, error: Any) -> YamlFault:
    text = source.text
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # a character YAML does not allow; its position counts bytes
        at = len(text.encode()[: getattr(error, "position", 0)].decode("utf-8", "ignore"))
        code = f"U+{ord(text[at]):04X}" if at < len(text) else "one"
        return YamlFault(f"not YAML: control character {code} is not allowed", Span(source, at, min(at + 1, len(text))))
    problem = (error.problem or "").strip()
    at = min(mark.index, len(text))
    message = _HINTS.get(problem, problem)
    if problem == "found unexpected end of stream" and error.context_mark is not None:
        at = error.context_mark.index
    elif problem == "found character that cannot start any token":
        character = text[at : at + 1]
        message = "a tab cannot indent" if character == "\t" else f"a value cannot start with {character}; quote it"
    return YamlFault(f"not YAML: {message}", Span(source, at, min(at + 1, len(text))))


# --- what a scalar means ---------------------------------------------------------------------

_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -inf),
    **dict.fromkeys(("-0", "-0.0"), -0.0),
}
_HINT = frozenset("+-0123456789.tTfFnN~")
_CORE = "tag:yaml.org,2002:"


def scalar(node: Node) -> str | int | float | bool | date | None:
    """The value of a scalar: what its text means when plain and untagged, its text when quoted.

    Timestamps are only recognised, as a ``date`` without time, since no setting is one.
    """
    tag = node.tag
    if tag.startswith(_CORE):
        tag = "!!" + tag[len(_CORE) :]
    text = node.text
    if tag in ("!!int", "!!float", "!!bool", "!!null"):
        value = plain(text)
        return float(value) if tag == "!!float" and type(value) is int else value
    if node.style or (tag and tag not in ("!reset", "!override", "!!timestamp")):
        return text
    return plain(text)


def plain(text: str) -> str | int | float | bool | date | None:
    """What an unquoted scalar means."""
    if text and text[0] not in _HINT:
        return text
    if text in _WORDS:
        return _WORDS[text]  # type: ignore[return-value]
    first = text[0]
    if first == ".":
        return _float(text) if "_" not in text else text
    if first not in "+-0123456789":
        return text
    if len(text) >= 8 and text[4] == "-":
        day = _day(text)
        if day is not None:
            return day
    bare = text.replace("_", "")
    number = _integer(bare)
    return number if number is not None else _float(bare, text)


def _day(text: str) -> date | None:
    from datetime import date

    year, _, rest = text.partition("-")
    month, _, rest = rest.partition("-")
    day = rest[:2] if rest[1:2].isdigit() else rest[:1]
    after = rest[len(day) :]
    if not (year + month + day).isascii() or not (year.isdigit() and month.isdigit() and day.isdigit()) or len(month) > 2:
        return None
    if after and not (after[0] in "Tt " and after[1:2].isdigit() and ":" in after):
        return None
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


_BASES = {"0x": 16, "0X": 16, "0o": 8, "0O": 8, "0b": 2, "0B": 2}


def _integer(text: str) -> int | None:
    body = text[1:] if text[:1] in ("+", "-") else text
    base = _BASES.get(body[:2], 10)
    digits = body[2:] if base != 10 else body
    if base == 10 and len(body) > 1 and body[0] == "0":
        base, digits = 8, body[1:]
    if not digits or len(digits) > 70 or not digits.isascii() or not digits.isalnum():
        return None
    try:
        number = int(digits, base)
    except ValueError:
        return None
    number = -number if text[0] == "-" else number
    return number if -(1 << 63) <= number < 1 << 64 else None


def _float(text: str, otherwise: str | None = None) -> float | str:
    body = text[1:] if text[:1] in ("+", "-") else text
    mantissa, exponent_mark, exponent = body.partition("e" if "e" in body else "E")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    exponent = exponent[1:] if exponent[:1] in ("+", "-") else exponent
    if digits.isascii() and digits.isdigit() and (not exponent_mark or (exponent.isascii() and exponent.isdigit())):
        number = float(text)
        if number not in (inf, -inf):
            return number
    return text if otherwise is None else otherwise


def to_plain(node: Node) -> object:
    """The node as dicts, lists, str, int, float, bool and None.  What an alias shares stays shared; dates stay text."""
    from datetime import date

    made: dict[int, object] = {}
    todo: list[Node] = []

    def shell(node: Node) -> object:
        if node.kind == "scalar":
            value = scalar(node)
            return node.text if isinstance(value, date) else value
        known = made.get(id(node))
        if known is None:
            known = made[id(node)] = {} if node.kind == "map" else []
            todo.append(node)
        return known

    result = shell(node)
    while todo:
        at = todo.pop()
        container = made[id(at)]
        if isinstance(container, dict):
            container.update((name, shell(value)) for name, (_, value) in at.entries.items())
        elif isinstance(container, list):
            container.extend(shell(item) for item in at.items)
    return result


def span_at(node: Node, path: Sequence[str | int], *, key: bool = False) -> Span:
    """Where the value at ``path`` stands, or with ``key`` the key it stands under; what is nearest above it when it is absent."""
    span = node.span
    for index, step in enumerate(path):
        if node.kind == "map" and str(step) in node.entries:
            name, node = node.entries[str(step)]
            span = name.span if (key and index == len(path) - 1) or node.start == node.end else node.span
        elif node.kind == "seq" and isinstance(step, int) and 0 <= step < len(node.items):
            node = node.items[step]
            span = node.span
        else:
            break
    return span


# --- places inside a scalar ------------------------------------------------------------------

Place = Callable[[int, int], Span]


def place_in(node: Node) -> Place:
    """A function from a range of a scalar's text to where that range is written.

    Exact for plain and quoted scalars on one line, and word for word where lines are folded or
    indented; the whole scalar's span where folded text also holds escapes.
    """
    source, start, whole = node.source, node.start, node.span
    inner = start + 1 if node.style in ("'", '"') else start
    if source.text.startswith(node.text, inner) and node.end - inner - len(node.text) == inner - start:
        return lambda first, end: Span(source, inner + first, inner + end)
    places = _escaped(node) if node.style in ("'", '"') else None
    if places is not None:
        return lambda first, end: Span(source, places[first], places[end])
    words = _aligned(node)
    if words is None:
        return lambda first, end: whole
    starts = [word[0] for word in words]

    def place(first: int, end: int) -> Span:
        left = max(bisect_right(starts, first) - 1, 0)
        right = max(bisect_right(starts, max(end - 1, first)) - 1, 0)
        (at, written, _), (at_end, written_end, length) = words[left], words[right]
        return Span(source, min(written + first - at, whole.end), min(written_end + min(end - at_end, length), whole.end))

    return place


def _escaped(node: Node) -> list[int] | None:
    """Where each character of a quoted scalar on one line is written, and where the last one ends; None when that is not plain."""
    raw = node.source.text[node.start + 1 : node.end - 1]
    if "\n" in raw or "\r" in raw:
        return None
    places: list[int] = []
    at = 0
    while at < len(raw):
        places.append(node.start + 1 + at)
        if raw[at] == "'" and node.style == "'":
            at += 2
        elif raw[at] == "\\" and node.style == '"':
            at += {"x": 4, "u": 6, "U": 10}.get(raw[at + 1 : at + 2], 2)
        else:
            at += 1
    return [*places, node.end - 1] if len(places) == len(node.text) else None


def _aligned(node: Node) -> list[tuple[int, int, int]] | None:
    """(offset in the text, offset in the source, length) of every word: folding changes only the blanks between them."""
    raw = node.source.text[node.start : node.end]
    at = raw.find("\n") + 1 if node.style in ("|", ">") else 1 if node.style else 0
    words: list[tuple[int, int, int]] = []
    seen = 0
    for word in node.text.split():
        begin = node.text.index(word, seen)
        while at < len(raw) and raw[at].isspace():
            at += 1
        if not raw.startswith(word, at):
            return None
        words.append((begin, node.start + at, len(word)))
        seen = begin + len(word)
        at += len(word)
    return words or None
