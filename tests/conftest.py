"""Options of the test run, and polint run in this process."""

from __future__ import annotations

import gc
import io
import os
import sys
from typing import cast
from unittest import mock

import pytest

from polint import cli


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the expected reports; look at the difference before committing")


def polint(*arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one run, in this process."""
    streams = [io.TextIOWrapper(io.BytesIO(data), encoding="utf-8") for data in (stdin, b"", b"")]
    if env and "PYTHONIOENCODING" in env:
        streams[1] = io.TextIOWrapper(io.BytesIO(), encoding=env["PYTHONIOENCODING"])
    kept = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = streams
    try:
        with mock.patch.dict(os.environ, env or {}), pytest.raises(SystemExit) as left:
            cli.run(list(arguments))
    finally:
        sys.stdin, sys.stdout, sys.stderr = kept
        gc.enable()
    texts = []
    for stream in streams[1:]:
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8"))
    return cast(int, left.value.code), texts[0], texts[1]
