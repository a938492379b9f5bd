"""Templates under ``templates/`` and a team's own that win over them; what is wrong in one is told with its file and line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from os.path import exists, join, realpath, relpath
from typing import TYPE_CHECKING

from .patterns import lazy
from .rule import data_folder

if TYPE_CHECKING:
    from jinja2 import Environment

_NAME = lazy(r"\{\{ ([a-z]+) \}\}")  # all that most templates of fixes hold besides text


class BadTemplate(Exception):
    """A template cannot be used; ``str()`` begins with its path, and its line where that is known."""


def rendered(name: str, folders: Sequence[str], values: Mapping[str, object], *, blocks: bool = False) -> str:
    """The text of the template ``name``, which may stand in one of ``folders``; raises BadTemplate.

    With ``blocks`` lines that hold nothing but a tag leave no trace, and a last line end stays.
    """
    if not blocks:
        text = _filled(_text(name, tuple(folders)), values)
        if text is not None:
            return text
    try:
        return _environment(tuple(folders), blocks).get_template(name).render(values)
    except Exception as error:  # whatever a team writes into its templates
        raise BadTemplate(_told(error, name, folders)) from error


def _filled(text: str, values: Mapping[str, object]) -> str | None:
    """The template ``text`` as jinja renders it, None when that takes jinja, whose import takes longer than a small lint."""
    pieces: list[str] = _NAME.split(text)
    if not text or any(mark in piece for piece in pieces[::2] for mark in ("{{", "{%", "{#", "\r")):
        return None
    if any(name not in values for name in pieces[1::2]):
        return None
    pieces[1::2] = [str(values[name]) for name in pieces[1::2]]
    return "".join(pieces)


def _text(name: str, folders: tuple[str, ...]) -> str:
    """The template ``name``, without the line end that jinja leaves out; "" when there is none that can be read."""
    path = _path(name, (*folders, data_folder("templates")))
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read().removesuffix("\n")
    except (OSError, ValueError):
        return ""


def _path(name: str, folders: Sequence[str]) -> str:
    """The file of the template ``name`` in the first folder that has it; "" when it leads out of its folder, or is nowhere."""
    for folder in folders:
        path, top = realpath(join(folder, name)), realpath(folder)
        if exists(path):
            return path if path.startswith(join(top, "")) else ""
    return ""


@cache
def _environment(folders: tuple[str, ...], blocks: bool) -> Environment:
    from jinja2 import FileSystemLoader, StrictUndefined, TemplateNotFound
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # a team's templates may come with a stranger's change

    class Inside(FileSystemLoader):
        """Templates of the folders alone: none that a link there leads to."""

        def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
            if not _path(template, self.searchpath):
                raise TemplateNotFound(template)
            return super().get_source(environment, template)

    return ImmutableSandboxedEnvironment(
        loader=Inside([*folders, data_folder("templates")]),
        undefined=StrictUndefined,
        trim_blocks=blocks,
        lstrip_blocks=blocks,
        keep_trailing_newline=blocks,
    )


def origin(name: str, folders: Sequence[str]) -> str:
    """The path of a template, as people see it from where they are; its bare name when it is polint's own."""
    path = next((path for folder in folders if exists(path := join(folder, name))), name)
    beside = relpath(path)
    return path if beside.startswith("..") else beside


def _told(error: Exception, name: str, folders: Sequence[str]) -> str:
    """What is wrong in a template, and where: jinja lets its lines stand in tracebacks."""
    shown, line = origin(name, folders), 0
    at = error.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename.endswith(".j2"):
            shown, line = origin(at.tb_frame.f_code.co_filename, ()), at.tb_lineno
        at = at.tb_next
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{shown}:{line}: {text}" if line else f"{shown}: {text}"
