"""Throw broken input at polint: ``python -m bench.fuzz [CORPUS] --minutes 10 --seed 1``.

Two kinds take turns: ``bytes`` mutates files (those of CORPUS, else small ones from ``bench.seeds``), ``structure`` puts
tokens of a format together anew.  Whatever a parser raises besides polint's own errors is a find: it is made
small, printed and, with ``--keep``, written to a folder.  ``--engine atheris`` lets coverage lead instead, where it is installed.
"""

# ruff: noqa: E501
from __future__ import annotations

import argparse
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from .seeds import SEEDS, TARGETS, TOKENS

LARGEST = 20_000  # bytes of a file taken from a corpus
SLOW = 2.0  # seconds after which an input is a find, too


def mutate(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """``data`` with a few places changed: bytes flipped, stretches cut, doubled, swapped or taken from another file."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((0, 1, 1, 2, 4, 8, 30, 200)))
        match rng.randrange(9):
            case 0:
                data = data[:start] + bytes((rng.randrange(256),)) + data[start + 1 :]
            case 1:
                data = data[:start] + data[end:]
            case 2:
                data = data[:end] + data[start:end] * rng.choice((1, 1, 2, 20)) + data[end:]
            case 3:
                other = rng.choice(others) or b"x"
                at = rng.randrange(len(other))
                data = data[:start] + other[at : at + rng.choice((1, 5, 40, 300))] + data[end:]
            case 4:
                data = data[:start] + rng.choice(_NASTY) + data[end:]
            case 5:
                lines = data.split(b"\n")
                rng.shuffle(lines)
                data = b"\n".join(lines)
            case 6:
                data = data[:start]
            case 7:
                data = data[:start] + rng.choice(_NASTY) * rng.choice((1, 3, 100, 1500)) + data[start:]
            case 8:
                lines = data.split(b"\n")
                line = rng.randrange(len(lines))
                lines[line] = rng.choice(lines) if rng.random() < 0.5 else lines[line].replace(b" ", b"", 1)
                data = b"\n".join(lines)
        if len(data) > 3 * LARGEST:
            data = data[: 3 * LARGEST]
    return data


_NASTY = (
    b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\t", b"\x0c", b"\x85", "\u2028".encode(), "\u0663".encode(), "\xb2".encode(),
    "\u0130".encode(), b"\xed\xa0\x80", b"'", b'"', b"`", b"\\", b"${", b"}", b"$", b"$$", b"(", b")", b"[", b"]", b"{", b"<<", b"<<EOF\n", b"/*", b"*/", b"--",
    b"#", b";", b":", b": ", b"- ", b"&a ", b"*a", b"<<: *a", b"!reset ", b"!!int ", b"|\n", b">\n", b"? ", b"%", b"%include ", b"=", b"==", b",", b"9" * 400,
    b"9" * 5000, b"1e999", b"-1", b"0x", b"nan", b"inf", b"1_000", b"\n[", b"\n---\n", b"\n...\n", b"env(", b"::", b"..", b"/../", b"polint: ignore[", b"until=",
    b"{{ x }}", b"{% if x %}", b"<?php ", b"$a$", b"u&'", b"e'\\", b"=>", b"|", b"||", b"~", b"^",
)  # fmt: skip


def assemble(name: str, rng: random.Random) -> bytes:
    """Tokens of a format put together at random, some of them nested."""
    tokens = TOKENS[name]
    parts: list[str] = []
    depth = 0
    for _ in range(rng.choice((2, 5, 10, 20, 60, 200))):
        token = rng.choice(tokens)
        parts.append(token)
        if rng.random() < 0.02:
            parts.append(token * rng.choice((2, 10, 300)))
        elif rng.random() < 0.3:
            depth = max(0, depth + rng.choice((-1, 0, 1)))
            parts.append(("\n" + "  " * depth) if rng.random() < 0.7 else " ")
    return "".join(parts).encode("utf-8", "surrogatepass")


def failure(run: Callable[[bytes], object], data: bytes) -> str:
    """What is wrong with ``run(data)``, the same text for the same mistake; "" when nothing is."""
    start = time.process_time()
    try:
        run(data)
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}polint{os.sep}" in frame.filename]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        return f"{type(error).__name__} at {where}: {str(error)[:80]}"
    return "slow" if time.process_time() - start > SLOW else ""


def same(one: str, other: str) -> bool:
    """Whether two failures are the same mistake."""
    return one.split(": ")[0] == other.split(": ")[0] != ""


def minimise(run: Callable[[bytes], object], data: bytes, seconds: float = 20.0) -> bytes:
    """A shorter input that fails the same way."""
    wanted = failure(run, data)
    stop = time.monotonic() + seconds
    size = max(1, len(data) // 2)
    while size and time.monotonic() < stop:
        at = 0
        while at < len(data) and time.monotonic() < stop:
            shorter = data[:at] + data[at + size :]
            if same(failure(run, shorter), wanted):
                data = shorter
            else:
                at += size
        size //= 2
    return data


def corpus(folder: str) -> dict[str, list[bytes]]:
    """The files below ``folder`` by the target that reads them."""
    from polint.formats import format_of

    found: dict[str, list[bytes]] = {}
    for at, _, names in os.walk(folder):
        for name in names:
            target = format_of(name)
            path = os.path.join(at, name)
            if target is not None and target in TARGETS and os.path.isfile(path) and os.path.getsize(path) <= LARGEST:
                found.setdefault(target, []).append(Path(path).read_bytes())
    return found


def inputs(kind: str, seeds: dict[str, list[bytes]], names: list[str], rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """One input after another, each with its target."""
    mixed = [data for some in seeds.values() for data in some]
    while True:
        name = rng.choice(names)
        if kind == "structure":
            yield name, assemble(name, rng)
        else:
            near = seeds.get(name) or [b""]
            yield name, mutate(rng.choice(near), near if rng.random() < 0.8 else mixed, rng)


def with_atheris(names: list[str], seeds: dict[str, list[bytes]], seconds: float) -> None:
    """Let libFuzzer choose the inputs; it stops at the first find."""
    import tempfile

    try:
        import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        sys.exit("atheris is not installed: pip install atheris, or leave --engine out")
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(names):
            for at, data in enumerate(seeds.get(name, [])[:200]):
                Path(folder, f"{number}-{at}").write_bytes(bytes((number,)) + data)

        def one(data: bytes) -> None:
            name = names[data[0] % len(names)] if data else names[0]
            TARGETS[name](data[1:])

        with atheris.instrument_imports(include=["polint"]):
            for name in names:  # modules are imported by whoever needs them first
                TARGETS[name](SEEDS[name][0].encode())
        atheris.Setup(
            [sys.argv[0], f"-max_total_time={int(seconds)}", "-max_len=4000", "-timeout=30", f"-seed={ARGUMENTS.seed}", folder], one
        )
        atheris.Fuzz()


ARGUMENTS = argparse.Namespace(seed=1)


def main() -> int:
    """Fuzz, and say what was done; 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description="Throw broken input at polint.")
    parser.add_argument("corpus", nargs="?", help="a folder whose files are mutated, besides the small ones of bench.seeds")
    parser.add_argument("--minutes", type=float, default=10, help="how long [10]")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers [1]")
    parser.add_argument("--kind", choices=("bytes", "structure", "both"), default="both", help="what is made [both, in turns]")
    parser.add_argument("--only", action="append", choices=sorted(TARGETS), help="these targets [all]")
    parser.add_argument("--engine", choices=("own", "atheris"), default="own", help="who chooses the inputs [own]")
    parser.add_argument("--keep", metavar="DIR", help="write what fails to this folder")
    parser.parse_args(namespace=ARGUMENTS)
    names = sorted(ARGUMENTS.only or TARGETS)
    seeds = {name: [data.encode() for data in SEEDS[name]] for name in names}
    for name, more in (corpus(ARGUMENTS.corpus) if ARGUMENTS.corpus else {}).items():
        if name in seeds:
            seeds[name] += more
    print(f"seeds: {sum(map(len, seeds.values()))} files of {len(names)} targets, random seed {ARGUMENTS.seed}", flush=True)
    if ARGUMENTS.engine == "atheris":
        with_atheris(names, seeds, ARGUMENTS.minutes * 60)
        return 0
    rng = random.Random(ARGUMENTS.seed)
    kinds = {kind: inputs(kind, seeds, names, rng) for kind in ("bytes", "structure") if ARGUMENTS.kind in (kind, "both")}
    done: Counter[str] = Counter()
    found: dict[str, str] = {}
    stop = time.monotonic() + ARGUMENTS.minutes * 60
    while time.monotonic() < stop:
        for made in kinds.values():
            name, data = next(made)
            done[name] += 1
            failed = failure(TARGETS[name], data)
            key = f"{name}: {failed.split(': ')[0]}"
            if failed and key not in found:
                small = minimise(TARGETS[name], data)
                found[key] = failed
                print(f"{name}: {failed}\n    {small[:400]!r}{'…' if len(small) > 400 else ''}", flush=True)
                if ARGUMENTS.keep:
                    os.makedirs(ARGUMENTS.keep, exist_ok=True)
                    Path(ARGUMENTS.keep, f"{name.replace('.', '-')}-{len(found)}").write_bytes(small)
    print(f"{sum(done.values())} inputs, {len(found)} finds; " + ", ".join(f"{name} {done[name]}" for name in sorted(done)))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
