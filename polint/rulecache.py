"""The checked rules in one file beside the bytecode, so that a plain run reads no YAML and compiles nothing.

It is bytecode like any other: it holds code objects, lies in the same folder, and
is rebuilt whenever anything it was made from is not as it was.  Losing it costs
time only.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
from binascii import crc32  # a YAML reader brings it in, which spares zlib
from typing import Any

from . import __version__

_MAGIC = b"polint rules 1\n"

Key = tuple[Any, ...]


def stamp(folder: str) -> Key:
    """Everything the checked rules of ``folder`` depend on: their files, polint's own (types, checker), both versions."""
    package = os.path.dirname(os.path.abspath(__file__))
    return (
        __version__,
        sys.version,
        folder,
        tuple(_files(folder, (".yaml", ".yml"), "")),
        tuple(_files(package, (".py",), "")),
    )


def read(key: Key) -> Any:
    """What was written under ``key``; None when there is nothing, or something else, or something broken."""
    path = _path()
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    start = len(_MAGIC) + 4
    if data[:start] != _MAGIC + crc32(data[start:]).to_bytes(4, "little"):
        return None
    try:
        found, payload = marshal.loads(memoryview(data)[start:])
    except (EOFError, TypeError, ValueError):
        return None
    return payload if found == key else None


def write(key: Key, payload: Any) -> None:
    """Keep ``payload`` (plain types and code) under ``key``, in place of whatever was there; silent when that cannot be done."""
    path = _path()
    if path is None:
        return
    folder = os.path.dirname(path)
    body = marshal.dumps((key, payload))
    beside = f"{path}.{os.getpid()}"
    try:
        if not os.path.isdir(folder):
            if sys.dont_write_bytecode:
                return  # no new folder where none is wanted; one that an installer made is used
            os.makedirs(folder)
        with open(beside, "xb") as file:
            file.write(_MAGIC + crc32(body).to_bytes(4, "little") + body)
        os.replace(beside, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(beside)


def _path() -> str | None:
    """Where Python keeps this module's own bytecode (sys.pycache_prefix included), under another ending; None without such a place."""
    cached = __spec__.cached if __spec__ is not None else None
    return cached.removesuffix(".pyc") + ".rules" if cached else None


def _files(folder: str, endings: tuple[str, ...], prefix: str) -> list[tuple[str, int, int]]:
    """(path below the folder, size, time of change) of every such file, sorted."""
    found: list[tuple[str, int, int]] = []
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return found
    for entry in entries:
        if entry.name.endswith(endings):
            with contextlib.suppress(OSError):  # a broken link: the loader says so
                state = entry.stat()
                found.append((prefix + entry.name, state.st_size, state.st_mtime_ns))
        elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
            found += _files(entry.path, endings, f"{prefix}{entry.name}/")
    return sorted(found)
