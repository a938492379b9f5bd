"""What a checked rule is: a light record that marshal can keep, with its params and its code."""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType

from .source import Span
from .tuples import NamedTuple
from .units import Bytes, Seconds, parse_bytes, parse_seconds

GROUPS = {
    "polint": "PO0",
    "budget": "PO1",
    "timeouts": "PO2",
    "lifecycle": "PO3",
    "postgresql": "PO4",
    "php": "PO5",
    "pgbouncer": "PO6",
    "environment": "PO7",
    "code": "PO8",
    "operations": "PO9",
}
"""The folders under rules/, and what the codes in them begin with."""

PARAM_TYPES: dict[str, type] = {"seconds": Seconds, "bytes": Bytes, "number": float, "integer": int, "text": str}
"""The types a param may have, and what its values are in expressions."""


class Param(NamedTuple):
    """A tunable of a rule; ``plain`` is its default without the unit's type."""

    name: str
    kind: str
    plain: float | int | str
    help: str

    @property
    def default(self) -> object:
        """The default as expressions see it."""
        return PARAM_TYPES[self.kind](self.plain)

    def parse(self, value: object) -> object:
        """A value as polint.toml writes it (``3s``, ``64MB``, 0.9), or already typed; ValueError says what is wrong."""
        return parse_param(self.kind, value)


class FixForm(NamedTuple):
    """What a rule's ``fix:`` asks for.  ``to_kind`` is the type of ``to``, by its name; the code runs like the rule's own."""

    applicability: str
    title: CodeType | None
    set: CodeType | None
    to: CodeType | None
    to_kind: str
    remove: CodeType | None
    rename: CodeType | None
    name: CodeType | None
    use: CodeType | None


class Rule(NamedTuple):
    """A checked rule.  ``subject`` is the name after ``for:``; the code fields run through ``engine.functions``."""

    code: str
    name: str
    group: str
    since: str
    severity: str
    summary: str
    why: str
    help: str
    refs: tuple[str, ...]
    preview: bool
    guide: tuple[str, ...]  # the pieces of advice it stands for, by their names in guidance.GUIDE
    subject: str
    path: str  # the file it was read from
    when: CodeType | None
    require: CodeType
    at: CodeType | None
    message: CodeType
    help_code: CodeType
    subject_key: CodeType | None
    measure: CodeType | None
    notes: tuple[CodeType, ...]
    fix: FixForm | None
    params: tuple[Param, ...]

    def bind(self, values: Mapping[str, object]) -> dict[str, object]:
        """Every param's value: its default unless ``values`` has another; ValueError says what is wrong with one."""
        bound = {param.name: param.default for param in self.params}
        kinds = {param.name: param.kind for param in self.params}
        for name, value in values.items():
            if name not in kinds:
                from .exprtext import nearest

                raise ValueError(f"{self.name} has no param {name!r}{nearest(name, kinds)}")
            try:
                bound[name] = parse_param(kinds[name], value)
            except ValueError as error:
                raise ValueError(f"{self.name}: {name}: {error}") from None
        return bound


class RuleError(NamedTuple):
    """What is wrong with a rule file, at a 1-based place; ``span`` is the text it is about, where there is one."""

    path: str
    line: int
    column: int
    message: str
    span: Span | None = None

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


class Loaded(NamedTuple):
    """Rules by code, and everything that is wrong with the files of the others."""

    rules: tuple[Rule, ...]
    errors: tuple[RuleError, ...]


def parse_param(kind: str, value: object) -> object:
    """A param's value of one of PARAM_TYPES; ValueError says what is wrong."""
    wanted = PARAM_TYPES[kind]
    if wanted in (Seconds, Bytes):
        if isinstance(value, wanted):
            return value
        if not isinstance(value, str):
            raise ValueError(f"{_plain(value)} needs a unit, as in {'3s' if wanted is Seconds else '64MB'}")
        try:
            return parse_seconds(value) if wanted is Seconds else parse_bytes(value)
        except (ValueError, OverflowError) as error:
            said = str(error)
            raise ValueError(said if "needs a unit" in said else f"{value!r} is not a number with a unit") from None
    if wanted is str:
        if not isinstance(value, str):
            raise ValueError(f"{_plain(value)} is not text")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise ValueError(f"{_plain(value)} is not a number")
    if wanted is int and not isinstance(value, int):
        raise ValueError(f"{_plain(value)} is not a whole number")
    return wanted(value)


def _plain(value: object) -> str:
    """A value in an error: scalars as they are, the rest by what it is (an alias may make it endless)."""
    if isinstance(value, (list, tuple, set)):
        return "a list"
    return "a mapping" if isinstance(value, dict) else repr(value)[:80]
