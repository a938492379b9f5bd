"""Regular expressions that are compiled when first used.

Compiling every expression of every format at import took longer than checking a small project.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, AnyStr, cast

_compile = re.compile


class _Lazy:
    """Stands in for a compiled pattern until a method of it is asked for."""

    def __init__(self, pattern: str | bytes, flags: int = 0) -> None:
        self._pattern = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(_compile(self._pattern, self._flags), name)
        setattr(self, name, found)  # the next look-up no longer comes here
        return found


def lazy(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """``re.compile(pattern, flags)``, done at the first use."""
    return cast("re.Pattern[AnyStr]", _Lazy(pattern, flags))


@contextmanager
def deferred() -> Iterator[None]:
    """Within it, ``re.compile`` is lazy for everyone: for the import of a library that compiles what nobody here uses."""
    re.compile = _Lazy  # type: ignore[assignment]
    try:
        yield
    finally:
        re.compile = _compile
