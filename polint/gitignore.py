"""Patterns as git reads them in ``.gitignore``: for ignored files, ``exclude`` and ``per-file-ignores``.

pathspec does the matching; it is imported only once there is a pattern to match.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

    Patterns = GitIgnoreSpec | None
    """Compiled patterns; None when there are none."""

# Every star in a segment multiplies the places its regular expression tries: no real pattern needs more, a hostile one does.
_MOST_STARS = 3


def compile_paths(patterns: Iterable[str]) -> Patterns:
    """The patterns of a configuration: as in a pattern file, and ``./legacy`` is ``/legacy``, where git would match nothing."""
    return compile_lines(pattern[1:] if pattern.startswith("./") else pattern for pattern in patterns)


def compile_lines(lines: Iterable[str]) -> Patterns:
    """The patterns of a pattern file; blank lines, comments, malformed and overgrown patterns match nothing."""
    kept = [line for line in (line.rstrip("\r\n") for line in lines) if line.strip() and not line.startswith("#") and _sane(line)]
    if not kept:
        return None
    import warnings

    from pathspec import GitIgnoreSpec

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a strange pattern is its author's business, not the user's of this run
        try:
            return GitIgnoreSpec.from_lines(kept)
        except ValueError:
            return GitIgnoreSpec.from_lines([line for line in kept if _compiles(line)])


def _compiles(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _sane(line: str) -> bool:
    return line.count("**") <= _MOST_STARS and all(segment.count("*") <= _MOST_STARS for segment in line.split("/"))


def verdict(patterns: Patterns, path: str, folder: bool) -> bool | None:
    """Whether ``path`` (relative to the pattern file) is matched; None when no pattern speaks of it."""
    if patterns is None:
        return None
    return patterns.check_file(path + "/" if folder else path).include


def matches(patterns: Patterns, path: str) -> bool:
    """Whether file ``path`` or a folder above it is matched."""
    return bool(verdict(patterns, path, False))
