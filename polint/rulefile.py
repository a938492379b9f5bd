"""Rule files as people write them: read, checked whole, compiled; every mistake with its place, all at once."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType
from typing import Any

from . import yamltext
from .diagnostic import APPLICABILITIES, SEVERITIES
from .expr import Scope
from .exprtext import ExprError, UnjudgedError, nearest
from .guidance import GUIDE
from .ruleform import GROUPS, PARAM_TYPES, FixForm, Loaded, Param, Rule, RuleError, parse_param
from .ruletypes import attributes_of
from .source import Source, Span
from .yamltext import Node, YamlFault

MAX_SIZE = 1_000_000

RULE_KEYS = {
    "code": "text",
    "name": "text",
    "since": "text",
    "severity": "text",
    "summary": "text",
    "why": "text",
    "help": "text",
    "refs": "a list of texts",
    "preview": "true or false",
    "params": "a mapping",
    "for": "text",
    "when": "text",
    "require": "text",
    "at": "text",
    "message": "text",
    "note": "a list of texts",
    "subject_key": "text",
    "measure": "text",
    "fix": "a mapping",
    "guide": "a list of texts",
}
"""The keys of a rule, and what each holds."""

_REQUIRED = ("code", "name", "since", "severity", "summary", "why", "for", "require", "message")
_KINDS: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str) and bool(value.strip()),
    "true or false": lambda value: isinstance(value, bool),
    "a mapping": lambda value: isinstance(value, dict),
    "a list of texts": lambda value: isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value),
    "a mapping of texts": lambda value: isinstance(value, dict) and all(isinstance(item, str) for item in value.values()),
}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PARAM_NAME = re.compile(r"[a-z][a-z0-9_]*")
_BUILTIN_CODE = re.compile(r"PO[0-9]{3}")
_USER_CODE = re.compile(r"(?!PO[0-9])[A-Z]{1,16}[0-9]{1,6}")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")


class Checker:
    """One document of one file and the mistakes found in it; keys are given as paths into the document."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.data: Any = yamltext.to_plain(node)
        self.errors: list[RuleError] = []

    def wrong(self, path: tuple[str | int, ...], message: str, *, key: bool = False) -> None:
        """Note a mistake at a key's value (or at the ``key`` itself), named before the message."""
        named = ".".join(map(str, path)) + ": " if path else ""
        self._add(yamltext.span_at(self.node, path, key=key), named + message)

    def wrong_within(self, path: tuple[str | int, ...], error: ExprError) -> None:
        """Note a mistake inside a text, at its own place there."""
        node = self.node
        for step in path:
            node = node.items[step] if isinstance(step, int) else node.entries[step][1]
        span = yamltext.place_in(node)(error.offset, error.offset + 1)
        self._add(span, error.message)

    def _add(self, span: Span, message: str) -> None:
        line = span.source.text.find("\n", span.start, span.end)  # of a whole mapping its first line says enough
        span = Span(span.source, span.start, line) if line >= 0 else span
        self.errors.append(RuleError(span.path, *span.place, message, span))

    def keys(self, kinds: Mapping[str, str], required: Iterable[str], path: tuple[str | int, ...] = ()) -> dict[str, Any]:
        """The keys of the mapping at ``path`` that are known and hold what they should."""
        found = self.data
        for step in path:
            found = found[step]
        if not isinstance(found, dict):
            self.wrong(path, "should be a mapping")
            return {}
        good: dict[str, Any] = {}
        for name, value in found.items():
            if name not in kinds:
                self.wrong((*path, name), f"no such key{nearest(name, kinds)}", key=True)
            elif kinds[name] != "anything" and not _KINDS[kinds[name]](value):
                quoted = " (quote it)" if kinds[name] == "text" and type(value) in (int, float) else ""
                self.wrong((*path, name), f"should be {kinds[name]}{quoted}")
            else:
                good[name] = value
        for name in required:
            if name not in found:
                self.wrong((*path, name), "is missing")
        return good


def load(folders: list[str], builtin: bool, known: tuple[Rule, ...], subjects: Mapping[str, type] | None) -> Loaded:
    """See ``rule.load_rules``."""
    if subjects is None:
        from .model import SUBJECTS, subject_class

        subjects = {name: subject_class(name) for name in SUBJECTS}
    rules: list[Rule] = []
    errors: list[RuleError] = []
    taken = {word: rule for rule in known for word in (rule.code, rule.name)}
    for folder in folders:
        for path, group in _rule_files(folder, errors):
            checker = first_document(path, errors)
            if checker is None:
                continue
            rule = _check(checker, path, group, builtin, subjects, taken)
            errors += checker.errors
            if rule is not None:
                rules.append(rule)
                taken[rule.code] = taken[rule.name] = rule
    return Loaded(tuple(sorted(rules, key=lambda rule: rule.code)), tuple(sorted(errors, key=lambda error: error[:4])))


def _rule_files(folder: str, errors: list[RuleError]) -> Iterator[tuple[str, str]]:
    """(path, group) of the rule files in a folder and the folders below it, sorted; the group is the last folder's name."""
    if os.path.isfile(folder):
        yield folder, os.path.basename(os.path.dirname(os.path.abspath(folder)))
        return
    if not os.path.isdir(folder):
        errors.append(RuleError(folder, 1, 1, "no such folder"))
        return
    for at, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if name.endswith((".yaml", ".yml")) and not name.startswith("."):
                yield os.path.join(at, name), os.path.basename(os.path.abspath(at))


def read_documents(path: str, limit: int | None = None) -> tuple[tuple[Node, ...], list[RuleError]]:
    """The YAML documents of a rule file, or what is wrong with the file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would wait for ever
            return (), [RuleError(path, 1, 1, "not a regular file")]
        with open(path, "rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        return (), [RuleError(path, 1, 1, f"cannot be read: {error.strerror}")]
    if len(data) > MAX_SIZE:
        return (), [RuleError(path, 1, 1, f"larger than {MAX_SIZE:,} bytes")]
    nodes, faults = yamltext.documents(Source.from_bytes(path, data), limit)
    return nodes, [_fault(path, fault) for fault in faults]


def _fault(path: str, fault: YamlFault) -> RuleError:
    return RuleError(path, *fault.span.place, fault.message, fault.span)


def first_document(path: str, errors: list[RuleError]) -> Checker | None:
    """The rule's own document, unless the file cannot be read as YAML."""
    nodes, faults = read_documents(path, 1)
    errors += faults
    if faults:
        return None
    if not nodes or nodes[0].kind != "map":
        errors.append(RuleError(path, 1, 1, "should be a mapping: a rule begins with code, name, since"))
        return None
    return Checker(nodes[0])


def _check(checker: Checker, path: str, group: str, builtin: bool, subjects: Mapping[str, type], taken: Mapping[str, Rule]) -> Rule | None:
    required = (*_REQUIRED, "refs") if builtin else _REQUIRED
    data = checker.keys(RULE_KEYS, required)
    _check_names(checker, data, path, group, builtin, taken)
    params = _params(checker, data)
    subject = data.get("for", "")
    if subject and subject not in subjects:
        known = ", ".join(sorted(subjects))
        checker.wrong(("for",), f"no subject {subject!r}{nearest(subject, subjects) or f': there are {known}'}")
    if subject not in subjects:
        return None  # without a subject no expression can be judged
    declared: dict[str, type | None] = dict.fromkeys(data.get("params", ()))
    scope = Scope(subject, subjects[subject], declared | {param.name: PARAM_TYPES[param.kind] for param in params})

    def compiled(compile_text: Callable[[str], CodeType], text: str | None, *path: str | int) -> CodeType | None:
        if text is None:
            return None
        try:
            return compile_text(text)
        except UnjudgedError:
            return None
        except ExprError as error:
            checker.wrong_within(path, error)
            return None

    when = compiled(scope.condition, data.get("when"), "when")
    require = compiled(scope.condition, data.get("require"), "require")
    at = compiled(scope.place, data.get("at"), "at")
    message = compiled(scope.template, data.get("message"), "message")
    help_code = compiled(scope.template, data.get("help", ""), "help")
    subject_key = compiled(scope.template, data.get("subject_key"), "subject_key")
    measure = compiled(scope.number, data.get("measure"), "measure")
    notes = [compiled(scope.note, text, "note", index) for index, text in enumerate(data.get("note", ()))]
    fix = _fix(checker, data, scope, compiled)
    if not checker.errors:  # a param may be used where the mistake is
        for param in params:
            if param.name not in scope.used:
                checker.wrong(("params", param.name), "no expression uses it", key=True)
    for index, piece in enumerate(data.get("guide", ())):
        if piece not in GUIDE:
            checker.wrong(("guide", index), f"no advice {piece!r}{nearest(piece, GUIDE)}")
    if "at" not in data and "span" not in attributes_of(subjects[subject]):
        checker.wrong(("for",), f"a {subject} has no place of its own: say 'at'")
    if checker.errors or require is None or message is None or help_code is None:
        return None
    return Rule(
        code=data["code"],
        name=data["name"],
        group=group,
        since=data["since"],
        severity=data["severity"],
        summary=" ".join(data["summary"].split()),
        why=data["why"].strip(),
        help=data.get("help", "").strip(),
        refs=tuple(data.get("refs", ())),
        preview=data.get("preview", False),
        guide=tuple(data.get("guide", ())),
        subject=subject,
        path=path,
        when=when,
        require=require,
        at=at,
        message=message,
        help_code=help_code,
        subject_key=subject_key,
        measure=measure,
        notes=tuple(note for note in notes if note is not None),
        fix=fix,
        params=params,
    )


FIX_KEYS = {
    "applicability": "text",
    "title": "text",
    "set": "text",
    "to": "text",
    "remove": "text",
    "rename": "text",
    "name": "text",
    "use": "text",
}
"""The keys of a rule's ``fix:``, and what each holds."""

Compile = Callable[..., CodeType | None]


def _fix(checker: Checker, data: Mapping[str, Any], scope: Scope, compiled: Compile) -> FixForm | None:
    """The rule's ``fix:``: ``set`` a fact ``to`` a value, ``remove`` or ``rename`` what stands somewhere, ``use`` a ready one."""
    if "fix" not in data:
        return None
    found = checker.keys(FIX_KEYS, (), ("fix",))
    verbs = [verb for verb in ("set", "remove", "rename", "use") if verb in found]
    if not verbs:
        checker.wrong(("fix",), "says nothing: set, remove, rename or use", key=True)
    for verb, other in (("set", "to"), ("rename", "name")):
        if (verb in found) != (other in found):
            checker.wrong(("fix", verb if verb in found else other), f"{verb!r} and {other!r} go together", key=True)
    applicability = found.get("applicability", "")
    if "use" not in found or applicability:
        if not applicability:
            checker.wrong(("fix", "applicability"), "is missing")
        elif applicability not in APPLICABILITIES:
            near = nearest(applicability, APPLICABILITIES)
            checker.wrong(("fix", "applicability"), f"should be 'safe', 'unsafe' or 'display'{near}")
        if "title" not in found:
            checker.wrong(("fix", "title"), "is missing")
    to_kind = ""

    def typed(text: str) -> CodeType:
        nonlocal to_kind
        code, to_kind = scope.value(text)
        return code

    return FixForm(
        applicability,
        compiled(scope.template, found.get("title"), "fix", "title"),
        compiled(scope.place, found.get("set"), "fix", "set"),
        compiled(typed, found.get("to"), "fix", "to"),
        to_kind,
        compiled(scope.note, found.get("remove"), "fix", "remove"),
        compiled(scope.place, found.get("rename"), "fix", "rename"),
        compiled(scope.template, found.get("name"), "fix", "name"),
        compiled(scope.thing, found.get("use"), "fix", "use"),
    )


def _check_names(checker: Checker, data: Mapping[str, Any], path: str, group: str, builtin: bool, taken: Mapping[str, Rule]) -> None:
    """Name = file name, group = folder, code prefix = group; nothing twice."""
    stem = os.path.splitext(os.path.basename(path))[0]
    name, code, severity, since = (data.get(key) for key in ("name", "code", "severity", "since"))
    if name is not None:
        if not _NAME.fullmatch(name):
            checker.wrong(("name",), "should be lower-case words joined by '-'")
        elif name != stem:
            checker.wrong(("name",), f"should be the file's own name, {stem!r}")
    if code is not None:
        if not builtin:
            if not _USER_CODE.fullmatch(code):
                checker.wrong(("code",), "should be capital letters, then digits, with any prefix but PO")
        elif not _BUILTIN_CODE.fullmatch(code):
            checker.wrong(("code",), "should be PO and three digits")
        elif group not in GROUPS:
            checker.wrong(("code",), f"no group {group!r}{nearest(group, GROUPS)}")
        elif not code.startswith(GROUPS[group]):
            checker.wrong(("code",), f"should begin with {GROUPS[group]}, as all of {group}/")
    for key, word in (("code", code), ("name", name)):
        other = taken.get(word or "")
        if other is not None:
            checker.wrong((key,), f"{word} is taken by {os.path.basename(other.path)}")
    if severity is not None and severity not in SEVERITIES:
        known = "'error', 'warning' or 'info'"
        checker.wrong(("severity",), f"should be {known}{nearest(severity, SEVERITIES)}")
    if since is not None and not _VERSION.fullmatch(since):
        checker.wrong(("since",), "should be a version, as in 0.1.0")


def _params(checker: Checker, data: Mapping[str, Any]) -> tuple[Param, ...]:
    """The well-formed params; the others are noted."""
    params: list[Param] = []
    for name in data.get("params", ()):
        path = ("params", name)
        if not _PARAM_NAME.fullmatch(name):
            checker.wrong(path, "should be lower-case words joined by '_'", key=True)
        found = checker.keys({"type": "text", "default": "anything", "help": "text"}, ("type", "default", "help"), path)
        kind = found.get("type")
        if kind is None:
            continue
        if kind not in PARAM_TYPES:
            checker.wrong((*path, "type"), f"should be {_one_of(PARAM_TYPES)}{nearest(kind, PARAM_TYPES)}")
            continue
        plain: Any = 0 if kind != "text" else ""
        if "default" in found:
            try:
                value = parse_param(kind, found["default"])
            except ValueError as error:
                checker.wrong((*path, "default"), str(error))
            else:
                plain = _plain(value)
        params.append(Param(name, kind, plain, " ".join(found.get("help", "").split())))
    return tuple(params)


def _plain(value: object) -> float | int | str:
    """Without the unit's type, which marshal would not take."""
    return float(value) if isinstance(value, float) else int(value) if isinstance(value, int) else str(value)


def _one_of(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}"
