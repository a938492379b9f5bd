"""Dockerfile: the few instructions that say what an image is and which configuration it carries."""

from __future__ import annotations

import json
import posixpath
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping

from .. import templating
from ..patterns import lazy
from ..source import Source, Span
from ..tuples import NamedTuple
from ..value import Alternative, Computed, EnvRead, Fallback, Literal, Opaque, Value, text_of

_DIRECTIVE = lazy(r"#[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(\S*)")
_KEYWORD = lazy(r"[ \t]*([A-Za-z]+)(?=[ \t]|$)[ \t]*")
_FLAG = lazy(r"--([a-z]+)(?:=(\S*))?[ \t]+")
_HEREDOC = lazy(r"""(?:^|(?<=[\s;|&(]))\d*<<-?(["']?)([A-Za-z_][\w.]*)\1(?=[\s;|&)>]|$)""")
_JSON_STRING = lazy(r'[ \t]*("(?:[^"\\]|\\.)*+")[ \t]*')
_NAME = lazy(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACE = lazy(r"\$\{|\}")
_WANTED = frozenset(("FROM", "ARG", "ENV", "COPY", "ADD", "CMD", "ENTRYPOINT", "RUN", "WORKDIR", "STOPSIGNAL"))
_HEREDOCS = frozenset(("RUN", "COPY", "ADD"))
_DEEPEST = 10  # of defaults inside defaults
_LONGEST_PATH = 4096

Word = tuple[str, Span]


class Copy(NamedTuple):
    """``COPY src… dst`` or ``ADD`` from the build context (copies from other stages and heredocs are left out).

    ``workdir`` is what a relative target is relative to, as far as the stage itself says.
    """

    sources: tuple[Value, ...]
    target: Value
    span: Span
    workdir: str = ""


class Stage(NamedTuple):
    """One build stage.  ``base`` is the image or the name of an earlier stage; words are (text, span) pairs.

    ``command`` and ``entrypoint`` are None when the stage has none (the base's holds);
    ``is_shell`` names those of the two in shell form, whose words are split as a shell would.
    ``args`` are its own ARGs; one without a default anywhere is Opaque.  ``workdir`` is ""
    when the stage sets none or an unknown one.  ``span`` is the FROM instruction.
    """

    name: str
    base: Value
    env: dict[str, Value]
    copies: tuple[Copy, ...]
    command: tuple[Word, ...] | None
    entrypoint: tuple[Word, ...] | None
    runs: tuple[Word, ...]  # text of RUN instructions, heredocs included
    workdir: str
    stop_signal: str
    span: Span
    args: Mapping[str, Value] = {}
    is_shell: frozenset[str] = frozenset()
    stop_span: Span | None = None  # where stop_signal is written


class Dockerfile(NamedTuple):
    """Stages in file order; global ARG defaults before the first FROM."""

    source: Source
    args: dict[str, Value]
    stages: tuple[Stage, ...]


class _Draft:
    """A stage while it is being read."""

    def __init__(self, name: str, base: Value, span: Span) -> None:
        self.name = name
        self.base = base
        self.span = span
        self.env: dict[str, Value] = {}
        self.args: dict[str, Value] = {}
        self.copies: list[Copy] = []
        self.words: dict[str, tuple[Word, ...]] = {}
        self.is_shell: set[str] = set()
        self.runs: list[Word] = []
        self.workdir = ""
        self.stop_signal = ""
        self.stop_span: Span | None = None

    def finished(self) -> Stage:
        """The stage as callers see it."""
        command, entrypoint = self.words.get("CMD"), self.words.get("ENTRYPOINT")
        return Stage(
            self.name,
            self.base,
            self.env,
            tuple(self.copies),
            command,
            entrypoint,
            tuple(self.runs),
            self.workdir,
            self.stop_signal,
            self.span,
            self.args,
            frozenset(self.is_shell),
            self.stop_span,
        )


class _Instruction:
    """One instruction with its continuation lines joined; offsets of ``text`` lead back to the source."""

    __slots__ = ("_closings", "_joined", "_written", "bodies", "end", "escape", "keyword", "source", "start", "text")

    def __init__(self, source: Source, pieces: list[tuple[int, int]], escape: str) -> None:
        self.source = source
        self.escape = escape
        self.text = "".join(source.text[start:end] for start, end in pieces)
        self._written = [start for start, _ in pieces]
        self._joined = [0]
        for start, end in pieces[:-1]:
            self._joined.append(self._joined[-1] + end - start)
        found = _KEYWORD.match(self.text)
        self.keyword = found[1].upper() if found else ""
        self.start = found.end() if found else 0
        self.end = pieces[-1][1]
        self.bodies = ""
        self._closings: dict[int, int] | None = None

    def span(self, start: int, end: int) -> Span:
        """The place of ``text[start:end]``."""
        first = self._place(start)
        return self.source.span(first, self._place(end - 1) + 1 if end > start else first)

    def _place(self, offset: int) -> int:
        index = bisect_right(self._joined, offset) - 1
        return self._written[index] + offset - self._joined[index]

    def closing(self, at: int) -> int:
        """Where the ``${`` at ``at`` is closed, or -1."""
        if self._closings is None:
            self._closings = {}
            opened: list[int] = []
            for found in _BRACE.finditer(self.text):
                if found[0] == "${":
                    opened.append(found.start())
                elif opened:
                    self._closings[opened.pop()] = found.start()
        return self._closings.get(at, -1)

    def words(self, at: int) -> Iterator[tuple[int, int]]:
        """(start, end) of the words from ``at``: split at blanks outside quotes."""
        text, length = self.text, len(self.text)
        while at < length:
            if text[at] in " \t\r":
                at += 1
                continue
            start, quote = at, ""
            while at < length and (quote or text[at] not in " \t\r"):
                character = text[at]
                if character == self.escape and quote != "'":
                    at += 1
                elif quote:
                    quote = "" if character == quote else quote
                elif character in "\"'":
                    quote = character
                at += 1
            yield start, min(at, length)
            at = min(at, length)


def parse(source: Source) -> Dockerfile:
    """Read a Dockerfile; what is no instruction of interest is passed over."""
    args: dict[str, Value] = {}
    drafts: list[_Draft] = []
    for instruction in _instructions(source):
        if instruction.keyword == "FROM":
            drafts.append(_from(instruction))
        elif instruction.keyword == "ARG" and not drafts:
            args.update(_arguments(instruction, {}))
        elif drafts:
            _apply(drafts[-1], instruction, args)
    return Dockerfile(source, args, tuple(draft.finished() for draft in drafts))


def _instructions(source: Source) -> Iterator[_Instruction]:
    """Every instruction of interest, comments, continuations and heredocs taken care of."""
    text = source.text
    length = len(text)
    escape, directives = "\\", True
    ends: dict[str, list[int]] | None = None
    at = 0
    pieces: list[tuple[int, int]] = []
    while at < length:
        end = text.find("\n", at)
        end = length if end < 0 else end
        start, stop = at, end - 1 if end > at and text[end - 1] == "\r" else end
        at = end + 1
        body = text[start:stop].lstrip(" \t")
        if not body:
            continue
        if body[0] == "#":
            directive = _DIRECTIVE.match(body) if directives else None
            directives = directive is not None
            if directive and directive[1].lower() == "escape" and directive[2] == "`":
                escape = "`"
            continue
        directives = False
        content = text[start:stop].rstrip(" \t")
        continued = content.endswith(escape)
        pieces.append((start, start + len(content) - 1) if continued else (start, stop))
        if continued and at < length:
            continue
        instruction = _Instruction(source, pieces, escape)
        pieces = []
        if instruction.keyword in _HEREDOCS and "<<" in instruction.text:
            if ends is None:
                ends = _line_table(text)
            at = _heredocs(instruction, at, ends)
        if instruction.keyword in _WANTED:
            yield instruction
    if pieces:
        yield _Instruction(source, pieces, escape)


def _line_table(text: str) -> dict[str, list[int]]:
    """Where every line that could end a heredoc stands."""
    table: dict[str, list[int]] = {}
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if end - at < 80:
            table.setdefault(text[at:end].strip("\t\r"), []).append(at)
        at = end + 1
    return table


def _heredocs(instruction: _Instruction, at: int, ends: dict[str, list[int]]) -> int:
    """Skip the bodies of the heredocs an instruction opens; gives where reading goes on."""
    text = instruction.source.text
    begin = at
    for found in _HEREDOC.finditer(instruction.text):
        places = ends.get(found[2], [])
        index = bisect_left(places, at)
        if index == len(places):
            continue  # never closed: then it is no heredoc
        end = text.find("\n", places[index])
        at = len(text) if end < 0 else end + 1
        instruction.end = places[index] + len(text[places[index] : at].rstrip())
    instruction.bodies = text[begin:at]
    return at


def _apply(draft: _Draft, instruction: _Instruction, args: dict[str, Value]) -> None:
    keyword, at = instruction.keyword, instruction.start
    rest = instruction.text[at:].rstrip()
    if keyword == "ENV":
        draft.env.update(_variables(instruction))
    elif keyword == "ARG":
        draft.args.update(_arguments(instruction, args))
    elif keyword in ("COPY", "ADD"):
        _copy(draft, instruction)
    elif keyword in ("CMD", "ENTRYPOINT"):
        listed = _listed(instruction, at)
        draft.words[keyword] = tuple(_split(instruction, at) if listed is None else listed)
        draft.is_shell.discard(keyword)
        if listed is None:
            draft.is_shell.add(keyword)
    elif keyword == "RUN" and rest:
        body = "\n" + instruction.bodies if instruction.bodies else ""
        span = instruction.span(at, at + len(rest))
        draft.runs.append((rest + body, Span(span.source, span.start, max(span.end, instruction.end) if body else span.end)))
    elif keyword in ("WORKDIR", "STOPSIGNAL") and rest:
        value = _known(_value(instruction, at, at + len(rest)), draft)
        if keyword == "STOPSIGNAL":
            draft.stop_signal = value
            draft.stop_span = instruction.span(at, at + len(rest))
        else:
            joined = posixpath.join(draft.workdir, value) if value else ""
            draft.workdir = posixpath.normpath(joined) if 0 < len(joined) <= _LONGEST_PATH else ""


def _known(value: Value, draft: _Draft) -> str:
    """The text of ``value`` as far as the stage's own ENV and ARG decide it, else ""."""
    match value:
        case Literal():
            return str(value.value)
        case EnvRead(name=name):
            found = draft.env.get(name) or draft.args.get(name)
            return str(found.value) if isinstance(found, Literal) else ""
        case Fallback(first, second):
            return _known(first, draft) or _known(second, draft)
        case Computed(args=args):
            texts = [_known(arg, draft) for arg in args]
            return "".join(texts) if all(texts) else ""
    return ""


def _from(instruction: _Instruction) -> _Draft:
    at = _flags(instruction)[1]
    words = list(instruction.words(at))
    whole = instruction.span(0, len(instruction.text.rstrip()))
    whole = whole.source.span(whole.start + len(whole.text) - len(whole.text.lstrip()), whole.end)
    if not words:
        return _Draft("", Opaque("FROM names no image", whole), whole)
    name = ""
    if len(words) >= 3 and instruction.text[slice(*words[1])].lower() == "as":
        name = instruction.text[slice(*words[2])]
    return _Draft(name, _value(instruction, *words[0]), whole)


def _flags(instruction: _Instruction) -> tuple[dict[str, str], int]:
    """``--name=value`` words before the arguments, and where those start."""
    flags: dict[str, str] = {}
    at = instruction.start
    while found := _FLAG.match(instruction.text, at):
        flags[found[1]] = found[2] or ""
        at = found.end()
    return flags, at


def _arguments(instruction: _Instruction, inherited: dict[str, Value]) -> dict[str, Value]:
    """ARG: names with their defaults; one without takes the global default of that name."""
    found: dict[str, Value] = {}
    for start, end in instruction.words(instruction.start):
        name, equals, _ = instruction.text[start:end].partition("=")
        if equals:
            found[name] = _value(instruction, start + len(name) + 1, end)
        else:
            found[name] = inherited.get(name, Opaque("a build argument without a default", instruction.span(start, end)))
    return found


def _variables(instruction: _Instruction) -> dict[str, Value]:
    """ENV: ``name=value…``, or ``name value`` with all the rest as the value."""
    words = list(instruction.words(instruction.start))
    if not words:
        return {}
    first = instruction.text[slice(*words[0])]
    if "=" not in first:
        if len(words) < 2:
            return {}
        return {first: _value(instruction, words[1][0], words[-1][1])}
    found: dict[str, Value] = {}
    for start, end in words:
        name, equals, _ = instruction.text[start:end].partition("=")
        if equals:
            found[name] = _value(instruction, start + len(name) + 1, end)
    return found


def _copy(draft: _Draft, instruction: _Instruction) -> None:
    flags, at = _flags(instruction)
    if "from" in flags:
        return
    values: list[Value]
    listed = _listed(instruction, at)
    if listed is not None:
        values = [_reference(instruction, text, span) for text, span in listed]
    else:
        places = [place for place in instruction.words(at) if not instruction.text.startswith("<<", place[0])]
        values = [_value(instruction, *place) for place in places]
    if len(values) >= 2:
        stop = len(instruction.text.rstrip())
        start = len(instruction.text) - len(instruction.text.lstrip())
        draft.copies.append(Copy(tuple(values[:-1]), values[-1], instruction.span(start, stop), draft.workdir))


def _reference(instruction: _Instruction, text: str, span: Span) -> Value:
    """A string of a JSON list: written as it is unless it has references."""
    if "$" not in text:
        return Literal(text, span)
    name = re.fullmatch(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", text)
    return EnvRead(name[1] or name[2], span) if name else Opaque("put together while the image is built", span)


def _listed(instruction: _Instruction, at: int) -> list[Word] | None:
    """The strings of a JSON list with their places; None when it is none, and so a shell's line."""
    text = instruction.text
    stop = len(text.rstrip())
    if not text.startswith("[", at, stop) or text[stop - 1] != "]":
        return None
    words: list[Word] = []
    at += 1
    stop -= 1
    if not text[at:stop].strip():
        return words
    while True:
        found = _JSON_STRING.match(text, at, stop)
        if not found:
            return None
        try:
            words.append((str(json.loads(found[1])), instruction.span(*found.span(1))))
        except ValueError:
            return None
        at = found.end()
        if at == stop:
            return words
        if text[at] != ",":
            return None
        at += 1


def _split(instruction: _Instruction, at: int) -> Iterator[Word]:
    """The words of a shell line, quotes and escapes undone."""
    for start, end in instruction.words(at):
        raw = instruction.text[start:end]
        if any(character in raw for character in "\"'\\"):
            raw = _unquoted(raw, "\\")
        yield raw, instruction.span(start, end)


def _unquoted(raw: str, escape: str) -> str:
    written: list[str] = []
    quote = ""
    at = 0
    while at < len(raw):
        character = raw[at]
        at += 1
        if character == quote:
            quote = ""
        elif character == escape and quote != "'":
            if at < len(raw):
                if quote and raw[at] not in f'"${escape}':
                    written.append(character)
                written.append(raw[at])
                at += 1
            else:
                written.append(character)
        elif character in "\"'" and not quote:
            quote = character
        else:
            written.append(character)
    return "".join(written)


def _value(instruction: _Instruction, start: int, end: int) -> Value:
    """A word as Docker sees it: quotes undone, ``$NAME`` and ``${NAME…}`` read from ARG and ENV."""
    text = instruction.text
    raw = text[start:end]
    whole = instruction.span(start, end)
    if any(mark in raw for mark in ("{{", "{%", "<%")):  # a word may hold only the start of a mark
        return Opaque(templating.REASON, whole)
    if "$" not in raw:
        if any(character in raw for character in "\"'" + instruction.escape):
            raw = _unquoted(raw, instruction.escape)
        return Literal(raw, whole)
    return _expand(instruction, start, end, 0)


def _expand(instruction: _Instruction, start: int, end: int, depth: int) -> Value:
    text, escape = instruction.text, instruction.escape
    whole = instruction.span(start, end)
    if depth > _DEEPEST:
        return Opaque("nested too deeply to follow", whole)
    parts: list[Value] = []
    plain: list[str] = []
    quote = ""
    at = plain_at = start
    while at < end:
        character = text[at]
        if character == quote:
            quote = ""
        elif quote == "'":
            plain.append(character)
        elif character == escape and at + 1 < end:
            at += 1
            if quote and text[at] not in f'"${escape}':
                plain.append(character)
            plain.append(text[at])
        elif character in "\"'" and not quote:
            quote = character
        elif character == "$" and (found := _dollar(instruction, at, end, depth)):
            if plain:
                parts.append(Literal("".join(plain), instruction.span(plain_at, at)))
                plain.clear()
            value, at = found
            parts.append(value)
            plain_at = at
            continue
        else:
            plain.append(character)
        at += 1
    if plain or not parts:
        parts.append(Literal("".join(plain), instruction.span(plain_at, end) if parts else whole))
    return text_of(parts, whole)


def _dollar(instruction: _Instruction, at: int, end: int, depth: int) -> tuple[Value, int] | None:
    """The reference at ``at`` and what follows it; None for a plain dollar sign."""
    text = instruction.text
    braced = text.startswith("{", at + 1, end)
    name = _NAME.match(text, at + 1 + braced, end)
    if not name:
        return None
    if not braced:
        return EnvRead(name[0], instruction.span(at, name.end())), name.end()
    closing = instruction.closing(at)
    if not 0 <= closing < end:
        return None
    span = instruction.span(at, closing + 1)
    operator = text[name.end() : min(name.end() + 2, closing)]
    empty = operator.startswith(":")
    operator = operator[:2] if empty else operator[:1]
    if not operator:
        return EnvRead(name[0], span), closing + 1
    if operator[-1] not in "-+?" or operator == ":":
        return Opaque("put together while the image is built", span), closing + 1
    inner = name.end() + len(operator)
    if operator[-1] == "?":
        return EnvRead(name[0], span, empty, text[inner:closing]), closing + 1
    other = _expand(instruction, inner, closing, depth + 1)
    if operator[-1] == "+":
        return Alternative(EnvRead(name[0], span, empty), other, span), closing + 1
    return Fallback(EnvRead(name[0], span, empty), other, span), closing + 1
