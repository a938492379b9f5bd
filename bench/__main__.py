"""Time whole commands in turn with a bare interpreter: ``python -m bench [--pairs N] [--tree DIR]... [ROW]...``.

Beside polint stand yamllint and ast-grep, where they are installed (``pip install yamllint ast-grep-cli``).  Every figure is the median
of the ratios of rounds (``python -c pass``, polint, yamllint, ast-grep, ``python -c pass``, …) of one run: absolute times of a shared
machine say little.  Peak memory is the largest of a command's rounds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .inputs import BIG, write_big, write_example, write_small, write_tree, write_without_sql

# A process starts out with its parent's peak, so the one that starts the commands is as small as a process of Python can be.
_STARTER = """
import posix, sys, time
quiet = [(posix.POSIX_SPAWN_OPEN, 1, "/dev/null", posix.O_WRONLY, 0), (posix.POSIX_SPAWN_OPEN, 2, "/dev/null", posix.O_WRONLY, 0)]
start = time.perf_counter()
child = posix.posix_spawn(sys.argv[1], sys.argv[1:], posix.environ, file_actions=quiet)
_, status, used = posix.wait4(child, 0)
taken = time.perf_counter() - start
print(taken, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024), posix.waitstatus_to_exitcode(status))
"""
_LONG = 20.0  # seconds of a row's rounds after which no further one starts
_RULES = """\
id: rust-pool
language: Rust
rule: {pattern: "PgPoolOptions::new()"}
---
id: php-connection
language: Php
rule: {pattern: "new PDO($$$)"}
---
id: compose-server
language: Yaml
rule: {kind: block_mapping_pair, regex: "^image: postgres"}
"""
COMMANDS: Mapping[str, Sequence[str]] = {  # what each is told before the path
    "polint": ("lint",),
    "yamllint": ("-f", "parsable"),
    "ast-grep": ("scan", "--inline-rules", _RULES, "--json=stream"),
}


class Run(NamedTuple):
    """One process: wall time in seconds and peak memory in bytes."""

    seconds: float
    peak: int


def run(command: Sequence[str]) -> Run:
    """Run a command whose first word is a path; raises SystemExit when it fails other than by finding something."""
    starter = [sys.executable, "-I", "-S", "-c", _STARTER, *command]
    seconds, peak, code = subprocess.run(starter, capture_output=True, text=True, check=True).stdout.split()
    if int(code) not in (0, 1):
        raise SystemExit(f"{' '.join(command)} failed with exit code {code}")
    return Run(float(seconds), int(peak))


def installed() -> dict[str, list[str]]:
    """The first words of each program there is, polint first."""
    found = {"polint": [sys.executable, "-m", "polint"]}
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    for name in COMMANDS:
        program = shutil.which(name, path=path)
        if name not in found and program is not None:
            found[name] = [program]
    return found


def rounds(commands: Mapping[str, Sequence[str]], pairs: int) -> dict[str, list[Run]]:
    """At most ``pairs`` rounds of all commands in turn, after one that does not count unless it was long."""
    taken: dict[str, list[Run]] = {name: [] for name in commands}
    start = time.perf_counter()
    for _ in range(pairs + 1):
        for name, command in commands.items():
            taken[name].append(run(command))
        if time.perf_counter() - start > _LONG:
            break
    return {name: runs[1:] or runs for name, runs in taken.items()}


def row(label: str, taken: Mapping[str, Sequence[Run]]) -> str:
    """One line of the table: each program's ratio to the bare interpreter and its peak, and polint's ratio to each other."""

    def times(name: str, other: str) -> float:
        return statistics.median(a.seconds / b.seconds for a, b in zip(taken[name], taken[other], strict=True))

    def peak(name: str) -> float:
        return max(one.peak for one in taken[name]) / 2**20

    seconds = statistics.median(one.seconds for one in taken["polint"])
    text = f"{label:32}{times('polint', 'python'):9.1f}{seconds:9.2f}{peak('polint'):7.0f}"
    for name in list(COMMANDS)[1:]:
        if name in taken:
            text += f"{times(name, 'python'):11.1f}{peak(name):7.0f}{times('polint', name):9.2f}"
        else:
            text += f"{'-':>11}{'-':>7}{'-':>9}"
    return text


def inputs(folder: Path, trees: Sequence[Path]) -> dict[str, tuple[Callable[[], list[str]], tuple[str, ...]]]:
    """By the name of a row: what makes its input and gives the arguments, and the peers that read such files."""
    every = tuple(COMMANDS)

    def written(name: str, write: Callable[[Path], None]) -> Callable[[], list[str]]:
        def make() -> list[str]:
            write(folder / name)
            return [str(folder / name)]

        return make

    rows: dict[str, tuple[Callable[[], list[str]], tuple[str, ...]]] = {
        "--version": (lambda: ["--version"], every),
        "--help": (lambda: ["--help"], every),
        ".env, compose, postgresql.conf": (written("three", write_small), every),
        "examples/iss-tracker without SQL": (written("no-sql", write_without_sql), every),
        "examples/iss-tracker": (written("example", write_example), every),
    }
    for name, big in BIG.items():
        rows[f"2 MB of {name}"] = (written(f"big-{name}", lambda root, name=name: write_big(root, name)), big.peers)  # type: ignore[misc]
    if trees:
        return rows | {tree.name: (lambda tree=tree: [str(tree)], every) for tree in trees}
    for stacks, files in ((100, 5_000), (500, 50_000)):
        write = written(f"tree-{files}", lambda root, stacks=stacks, files=files: write_tree(root, stacks, files))  # type: ignore[misc]
        rows[f"{stacks} stacks in {files:,} files"] = (write, every)
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Time polint beside a bare interpreter, yamllint and ast-grep.")
    parser.add_argument("--pairs", type=int, default=9, help="rounds of each figure, fewer when they are long [9]")
    parser.add_argument("--tree", type=Path, action="append", default=[], help="lint this tree instead of those written for the purpose")
    parser.add_argument("row", nargs="*", help="only the rows whose name holds one of these words")
    arguments = parser.parse_args()
    programs = installed()
    for name in COMMANDS:
        if name not in programs:
            print(f"{name} is not installed: its columns stay empty")
    head = f"{'':32}{'x python':>9}{'seconds':>9}{'MiB':>7}"
    print(head + "".join(f"{name:>11}{'MiB':>7}{'polint/':>9}" for name in list(COMMANDS)[1:]))
    with tempfile.TemporaryDirectory() as folder:
        for label, (make, readers) in inputs(Path(folder), arguments.tree).items():
            if arguments.row and not any(word in label for word in arguments.row):
                continue
            told = make()
            commands = {"python": [sys.executable, "-c", "pass"]}
            for name, words in programs.items():
                if name == "polint" or name in readers:
                    commands[name] = [*words, *(() if told[0].startswith("-") else COMMANDS[name]), *told]
            print(row(label, rounds(commands, arguments.pairs)), flush=True)


if __name__ == "__main__":
    main()
