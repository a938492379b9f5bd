"""What a shell offers for a word of the command line; click knows commands and options itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from click import Context, Parameter
    from click.shell_completion import CompletionItem


def files(context: Context, parameter: Parameter, begun: str) -> list[CompletionItem]:
    """Files and folders, as the shell itself completes them."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(begun, type="file")]


def folders(context: Context, parameter: Parameter, begun: str) -> list[CompletionItem]:
    """Folders, as the shell itself completes them."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(begun, type="dir")]


def rules(context: Context, parameter: Parameter, begun: str) -> list[CompletionItem]:
    """Codes once something of one is written, else names: both at once are too many to read."""
    from click.shell_completion import CompletionItem

    from .rule import load_builtin

    by_code = begun[:1].isupper()
    words = {(rule.code if by_code else rule.name): rule.summary for rule in load_builtin().rules}
    return [CompletionItem(word, help=words[word]) for word in sorted(words) if word.startswith(begun)]
