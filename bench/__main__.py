"""Time whole commands in turn with a bare interpreter: ``python -m bench [--pairs N] [--tree DIR]``.

Every figure is the median of the ratios of pairs (command, ``python -c pass``, command, …) of one run: absolute times of a
shared machine say little.  Without ``--tree`` a tree of 100 small stacks and 5,000 other files is written to a temporary folder.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "iss-tracker"
NOISE = {
    "rs": "/// Adds one row.\npub fn row_{n}(items: &[u64]) -> u64 {{\n    items.iter().filter(|x| **x > {n}).sum()\n}}\n" * 12,
    "php": "<?php\nfinal class Row{n}\n{{\n    public function sum(array $rows): int {{ return array_sum($rows) + {n}; }}\n}}\n",
    "md": "# Notes {n}\n\nA row of the report waits for its lock.\n" * 20,
    "yaml": "kind: ConfigMap\nmetadata:\n  name: row-{n}\ndata:\n  limit: '{n}'\n" * 6,
    "js": "export const row{n} = (rows) => rows.filter((row) => row.id > {n});\n" * 30,
}


def write_tree(root: Path, stacks: int, noise: int) -> None:
    """The example ``stacks`` times over, among ``noise`` files that hold no pool."""
    for number in range(stacks):
        shutil.copytree(EXAMPLE, root / "stacks" / f"stack-{number:04}")
    kinds = list(NOISE)
    for number in range(noise):
        kind = kinds[number % len(kinds)]
        folder = root / "code" / f"part-{number // 50:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"row_{number}.{kind}").write_text(NOISE[kind].format(n=number), encoding="utf-8")


def seconds(command: list[str]) -> float:
    """Wall time of one run; what it prints and its exit code are not looked at."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - start


def ratio(command: list[str], pairs: int) -> tuple[float, float]:
    """(median ratio to ``python -c pass``, median seconds) over ``pairs`` alternating pairs after one warm-up."""
    bare = [sys.executable, "-c", "pass"]
    seconds(command), seconds(bare)
    taken = [(seconds(command), seconds(bare)) for _ in range(pairs)]
    return statistics.median(a / b for a, b in taken), statistics.median(a for a, _ in taken)


def peak() -> float:
    """Largest resident size of any finished child, in MiB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Time polint against a bare interpreter.")
    parser.add_argument("--pairs", type=int, default=9, help="alternating pairs of each figure [9]")
    parser.add_argument("--tree", type=Path, help="lint this tree instead of one written for the purpose")
    arguments = parser.parse_args()
    polint = [sys.executable, "-m", "polint"]
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "example"
        shutil.copytree(EXAMPLE, alone)
        small = Path(folder) / "small"
        small.mkdir()
        for name in (".env", "docker-compose.yml"):
            shutil.copy(EXAMPLE / name, small / name)
        (small / "postgres").mkdir()
        shutil.copy(EXAMPLE / "postgres/postgresql.conf", small / "postgres")
        tree = arguments.tree
        if tree is None:
            tree = Path(folder) / "tree"
            write_tree(tree, 100, 5000)
        rows = [
            ("polint --version", [*polint, "--version"], arguments.pairs),
            ("polint --help", [*polint, "--help"], arguments.pairs),
            (".env, compose, postgresql.conf", [*polint, "lint", str(small)], arguments.pairs),
            ("examples/iss-tracker", [*polint, "lint", str(alone)], arguments.pairs),
            ("100 stacks in 5,000 files" if arguments.tree is None else str(arguments.tree.name),
             [*polint, "lint", "--format", "concise", str(tree)], max(3, arguments.pairs // 3)),
        ]  # fmt: skip
        print(f"{'':34}{'x python':>9}{'seconds':>9}{'MiB so far':>12}")
        for label, command, pairs in rows:
            times, wall = ratio(command, pairs)
            print(f"{label:34}{times:9.1f}{wall:9.2f}{peak():12.0f}", flush=True)


if __name__ == "__main__":
    main()
