"""polint's work grows no faster than a project: each bomb of ``bench.bombs`` at one size and at twice that, work counted, not timed.

Counted are calls and returns, of Python and of C functions alike, and the lines that run (a loop calls nothing).
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from bench.bombs import BOMBS, explode, written
from polint import discover
from polint.mask import mask

MOST = 2.6  # times the work for twice the size: a little over 2, as some lists are sorted; 4 would be quadratic

BOUNDED = {
    "compose-merge-chain": "every map holds what those before it hold; merge keys copy a million entries and no more",
    "rust-ifs": "names are looked for 400 levels up and no further",
}


def work(run: Callable[[], object]) -> int:
    """How many lines and calls ``run`` takes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    gc.disable()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(None)
        gc.enable()
    return count


def test_quadratic_work_is_seen() -> None:
    def pairs(size: int) -> int:
        return work(lambda: sum(1 for a in range(size) for b in range(size)))

    def once(size: int) -> int:
        return work(lambda: sum(1 for a in range(size)))

    assert pairs(200) / pairs(100) > 3.5
    assert once(2000) / once(1000) < 2.1


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_growth(name: str) -> None:
    bomb = BOMBS[name]
    counts = []
    for size in (bomb.small, 2 * bomb.small, 4 * bomb.small):
        with written(bomb.build(size)) as folder:
            if not counts:
                explode(folder)  # what is done once: imports, caches
            counts.append(work(lambda folder=folder: explode(folder)))
    most = 4.5 if name in BOUNDED else MOST
    # the second step: what every run does, however small, weighs least there
    assert counts[2] - counts[1] <= most * max(counts[1] - counts[0], counts[0] // 3), counts


@pytest.mark.parametrize(
    "line",
    ["password ", "password='", "://", "a://b:", "{", "{}@", "'", "$$ ", "PASSWORD E'", "-u a:", "x=", "secret: [", "\\", "a", " "],
)
def test_masking_a_long_line(line: str) -> None:
    mask(line * 200)
    counts = [work(lambda size=size: mask(line * size)) for size in (200, 400, 800)]
    assert counts[2] - counts[1] <= MOST * max(counts[1] - counts[0], 300), counts


def test_files_over_the_limit_are_left_out() -> None:
    with written({".env": "A=b\n" * (discover.MAX_BYTES // 4 + 1)}) as folder:
        files = discover.Files(folder, discover.walk(folder))
        assert files.read(".env") is None
        assert files.reason(".env") == "over 5 MB"
