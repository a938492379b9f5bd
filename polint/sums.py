"""``polint budget``: the project's budget, as it is or as it would be, in the form that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from importlib import import_module
from typing import TYPE_CHECKING

from . import command, start
from . import config as configuration
from . import lint as linter
from .budget import paths, servers
from .budgets import Budget, budgets
from .config import Config
from .model.project import Project
from .start import CannotRun

if TYPE_CHECKING:
    from .gittree import Tree
    from .reporters import Style

_MACHINE = ("json", "markdown", "mermaid", "svg")  # UTF-8 wherever they go


def budget(
    path: str,
    *,
    config_file: str | None = None,
    root: str | None = None,
    format_name: str = "text",
    output: str | None = None,
    assumed: Sequence[str] = (),
    compare: str | None = None,
    color: str = "auto",
    verbosity: int = 0,
) -> None:
    """Compute and write the budget; the options are those of ``polint budget --help``.  Raises CannotRun."""
    top, config = start.settle([path], root, config_file)
    prefixes = start.scope([path], top)
    start.settled(top, config)
    project = linter.project_of(linter.files_of(top, config), config, assumed)
    for line in linter.unknown_services(project, config):
        command.say(line, True)
    found = _within(project, prefixes)
    if compare is not None:
        from .budgets.compare import report

        with closing(_tree(top, compare)) as tree:
            before = _within(_at(tree, compare, top, config, config_file), prefixes)
            text = report(before, found, compare)
        command.write(text, output, utf8=True)
        return
    view: Callable[[Sequence[Budget], Style], str] = import_module(f".budgets.{format_name}", __package__).report
    text = view(found, command.style(color, verbosity, output not in (None, "-")))
    command.write(text, output, utf8=format_name in _MACHINE)


def _within(project: Project, prefixes: Sequence[str]) -> list[Budget]:
    return budgets([server for server in servers(project) if any(start.within(file, prefixes) for file in paths(server))])


def _tree(root: str, ref: str) -> Tree:
    from . import gittree

    try:
        return gittree.read(root, ref)
    except gittree.CannotRead as error:
        raise CannotRun(f"--compare {ref}: {error}") from None


def _at(tree: Tree, ref: str, root: str, config: Config, config_file: str | None) -> Project:
    """The project as a commit has it, with its own configuration; files that version control ignores are as they are now."""
    from . import discover, gittree

    then = config if config_file else _configuration(tree, ref)
    here = {file.path for file in discover.walk(root, config.exclude) if file.ignored and not file.skip_reason}
    return linter.project_of(gittree.files_of(tree, root, then.exclude, here), then)


def _configuration(tree: Tree, ref: str) -> Config:
    from .source import Source

    for name in (configuration.NAME, "pyproject.toml"):
        if name in tree and (name == configuration.NAME or b"polint" in tree[name]):
            try:
                return configuration.parse(Source.from_bytes(name, tree[name]))
            except configuration.ConfigError as error:
                raise CannotRun(f"--compare {ref}: its configuration cannot be used: {str(error).splitlines()[0]}") from None
    return Config()
