"""polint.toml, or ``[tool.polint]`` in pyproject.toml: read, checked, and every value with its place.

pydantic checks it and is imported only when there is a file to check; the rest
of polint sees the records below.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .fact import Fact, written
from .source import Source, Span
from .tuples import NamedTuple

if TYPE_CHECKING:
    from .tomltext import Place

NAME = "polint.toml"
BASELINE = "polint-baseline.json"


class Problem(NamedTuple):
    """One mistake: ``key`` is the dotted key it is about, or "" for a text that is not TOML at all."""

    span: Span
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.span}: {self.key}: {self.message}" if self.key else f"{self.span}: {self.message}"


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` are all its mistakes in file order, ``str()`` one line for each.

    ``rest`` is the configuration without what is wrong in it, so that the rest can be looked at too.
    """

    def __init__(self, problems: Iterable[Problem], rest: Config | None = None) -> None:
        self.rest = rest
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.span.start, problem.key)))
        super().__init__("\n".join(map(str, self.problems)))


class Stated(NamedTuple):
    """What the configuration states about one service, one server or the host.

    ``facts`` maps a key as it is written there (``max-connections``) to its value and the value's place.
    """

    name: str
    span: Span
    facts: Mapping[str, tuple[Any, Span]]

    @property
    def known(self) -> dict[str, Fact[Any]]:
        """The values as written facts."""
        return {key: written(key, value, span) for key, (value, span) in self.facts.items()}


class Config(NamedTuple):
    """The whole configuration; without a file every field has its default and ``source`` is None.

    ``select``, ``ignore``, the keys of ``severity`` and the values of
    ``per_file_ignores`` name rules as the user wrote them: nobody has looked yet
    whether such rules exist.  ``rules``, ``templates`` and ``exclude`` are relative to the root.
    ``templates``, ``fail_on`` and ``baseline`` are "" when not stated.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    templates: str = ""
    exclude: tuple[str, ...] = ()
    baseline: str = ""
    fail_on: str = ""
    severity: Mapping[str, str] = {}
    per_file_ignores: Mapping[str, tuple[str, ...]] = {}
    params: Mapping[str, Mapping[str, Any]] = {}
    services: Mapping[str, Stated] = {}
    servers: Mapping[str, Stated] = {}
    host: Stated | None = None
    source: Source | None = None
    prefix: tuple[str, ...] = ()
    places: Mapping[tuple[str | int, ...], Place] = {}  # of every key path in the source

    def span(self, *path: str | int) -> Span | None:
        """Where the value at a key path stands, e.g. ``span("select", 0)``; None when it is not written."""
        found = self.places.get((*self.prefix, *path))
        return None if found is None else found.value

    def key_span(self, *path: str | int) -> Span | None:
        """Where the last key of a key path stands."""
        found = self.places.get((*self.prefix, *path))
        return None if found is None else found.key


def find(folder: str) -> str | None:
    """The configuration file in ``folder``, or None: polint.toml comes before pyproject.toml."""
    path = os.path.join(folder, NAME)
    if os.path.isfile(path):
        return path
    path = os.path.join(folder, "pyproject.toml")
    try:
        with open(path, "rb") as handle:
            data = handle.read()
    except OSError:
        return None
    # most pyproject.toml files never speak of polint: do not parse those
    if b"polint" not in data:
        return None
    import tomllib

    try:
        content = tomllib.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return path if b"[tool.polint" in data else None
    tool = content.get("tool")
    return path if isinstance(tool, dict) and "polint" in tool else None


def load(root: str, file: str | None = None) -> Config:
    """The configuration of the project at ``root``, from ``file`` if given; raises ConfigError or OSError."""
    path = file or find(root)
    if path is None:
        return Config()
    with open(path, "rb") as handle:
        data = handle.read()
    shown = os.path.relpath(path, root)
    shown = path if shown.startswith("..") else shown
    return parse(Source.from_bytes(shown.replace(os.sep, "/"), data))


def parse(source: Source) -> Config:
    """The configuration that ``source`` states; raises ConfigError with every mistake in it."""
    import tomllib

    from . import tomltext
    from .config_schema import check

    try:
        source.text.encode()
    except UnicodeEncodeError as error:
        raise ConfigError([Problem(source.span(error.start, error.start + 1), "", "not UTF-8 text")]) from None
    try:
        content: Any = tomllib.loads(source.text)
        places = tomltext.places(source)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(source, str(error))]) from None
    except RecursionError:
        raise ConfigError([Problem(source.span(0, 0), "", "nested too deeply")]) from None
    except ValueError:  # Python reads no number of more digits than a few thousand
        raise ConfigError([Problem(source.span(0, 0), "", "a number has too many digits")]) from None
    prefix: tuple[str, ...] = ("tool", "polint") if os.path.basename(source.path) == "pyproject.toml" else ()
    for key in prefix:
        content = content.get(key, {}) if isinstance(content, dict) else content

    def place(path: tuple[str | int, ...], of_key: bool) -> Span:
        full = (*prefix, *path)
        while full and full not in places:
            full, of_key = full[:-1], False
        if full not in places:
            return source.span(0, 0)
        return places[full].key if of_key else places[full].value

    mistakes, checked = check(content)
    problems = [Problem(place(path, of_key), dotted(path), message) for path, of_key, message in mistakes]
    if checked is None:
        for path, _, _ in mistakes:
            drop(content, path)
        checked = check(content)[1]
    if checked is None:
        raise ConfigError(problems)

    def stated(*path: str) -> Stated:
        at: Any = checked
        for key in path:
            at = at[key]
        facts = {key: (value, place((*path, key), False)) for key, value in at.items()}
        return Stated(path[-1], place(path, True), facts)

    found = Config(
        select=tuple(checked.get("select", ())),
        ignore=tuple(checked.get("ignore", ())),
        rules=tuple(checked.get("rules", ())),
        templates=checked.get("templates", ""),
        exclude=tuple(checked.get("exclude", ())),
        baseline=checked.get("baseline", ""),
        fail_on=checked.get("fail-on", ""),
        severity=checked.get("severity", {}),
        per_file_ignores={pattern: tuple(names) for pattern, names in checked.get("per-file-ignores", {}).items()},
        params=checked.get("params", {}),
        services={name: stated("services", name) for name in checked.get("services", {})},
        servers={name: stated("servers", name) for name in checked.get("servers", {})},
        host=stated("host") if "host" in checked else None,
        source=source,
        prefix=prefix,
        places=places,
    )
    if problems:
        raise ConfigError(problems, found)
    return found


def drop(content: Any, path: tuple[str | int, ...]) -> None:
    """Take the value at ``path`` out of parsed TOML; of a list the whole list, whose numbers would shift."""
    for key in path[:-1]:
        inner = content.get(key) if isinstance(content, dict) else None
        if not isinstance(inner, dict):
            path = path[: path.index(key) + 1]
            break
        content = inner
    if isinstance(content, dict):
        content.pop(path[-1], None)


def dotted(path: tuple[str | int, ...]) -> str:
    """A key path as messages name it: ``services."my search".pool``, ``select[1]``."""
    out = ""
    for key in path:
        if isinstance(key, int):
            out += f"[{key}]"
            continue
        bare = key.replace("-", "").replace("_", "").isalnum() and key.isascii()
        out += ("." if out else "") + (key if bare else f'"{key}"')
    return out


def _syntax(source: Source, message: str) -> Problem:
    """tomllib puts the place at the end of its message, up to Python 3.13 nowhere else."""
    text, _, where = message.rpartition(" (at ")
    offset = len(source.text)
    if text and where.startswith("line "):
        line, _, column = where.removeprefix("line ").rstrip(")").partition(", column ")
        if line.isdigit() and column.isdigit() and int(line) <= len(source.starts):
            offset = min(len(source.text), source.starts[int(line) - 1] + int(column) - 1)
    if "overwrite" in message or "twice" in message:  # it is noticed behind the value
        start = source.starts[source.place(offset)[0] - 1]
        offset = start + len(source.text[start:offset]) - len(source.text[start:offset].lstrip())
    body = (text or message).strip()
    return Problem(source.span(offset, min(len(source.text), offset + 1)), "", f"not valid TOML: {body[:1].lower()}{body[1:]}")
