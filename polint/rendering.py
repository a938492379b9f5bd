"""Templates under ``templates/`` and a team's own that win over them; what is wrong in one is told with its file and line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from os.path import exists, join, realpath, relpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


class BadTemplate(Exception):
    """A template cannot be used; ``str()`` begins with its path, and its line where that is known."""


def rendered(name: str, folders: Sequence[str], values: Mapping[str, object], *, blocks: bool = False) -> str:
    """The text of the template ``name``, which may stand in one of ``folders``; raises BadTemplate.

    With ``blocks`` lines that hold nothing but a tag leave no trace, and a last line end stays.
    """
    try:
        return _environment(tuple(folders), blocks).get_template(name).render(values)
    except Exception as error:  # whatever a team writes into its templates
        raise BadTemplate(_told(error, name, folders)) from error


@cache
def _environment(folders: tuple[str, ...], blocks: bool) -> Environment:
    from jinja2 import FileSystemLoader, StrictUndefined, TemplateNotFound
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # a team's templates may come with a stranger's change

    from .rule import data_dir

    class Inside(FileSystemLoader):
        """Templates of the folders alone: none that a link there leads to."""

        def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
            for folder in self.searchpath:
                path, top = realpath(join(folder, template)), realpath(folder)
                if exists(path):
                    if not path.startswith(join(top, "")):
                        break
                    return super().get_source(environment, template)
            raise TemplateNotFound(template)

    return ImmutableSandboxedEnvironment(
        loader=Inside([*folders, str(data_dir("templates"))]),
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
