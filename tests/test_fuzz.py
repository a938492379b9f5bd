"""Broken input never raises anything but polint's own errors: a short, repeatable part of what ``python -m bench.fuzz`` does for longer."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.fuzz import assemble, failure, minimise, mutate
from bench.seeds import SEEDS, TARGETS, TOKENS
from polint.formats import FORMATS

FAST = sorted(name for name in TARGETS if " in a stack" not in name)
WHOLE = sorted(name for name in TARGETS if " in a stack" in name)
ROUNDS = {"rule": 15, "polint.toml": 20, "mask": 30, "expression": 40}


def nested(tokens: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Tokens, lists of them on one line or on many, and blocks of those, indented."""
    token = st.sampled_from(tokens)
    line = st.lists(token, max_size=6).map("".join)
    return st.recursive(
        line,
        lambda inner: st.one_of(
            st.lists(inner, max_size=5).map("\n".join),
            st.tuples(token, inner).map(lambda pair: pair[0] + "\n" + "\n".join("  " + row for row in pair[1].split("\n"))),
            st.tuples(token, inner, token).map("".join),
        ),
        max_leaves=12,
    )


def test_every_format_is_tried() -> None:
    assert {one.name for one in FORMATS} <= set(TARGETS)
    assert set(TARGETS) == set(SEEDS) == set(TOKENS)


@pytest.mark.parametrize("name", FAST)
def test_structure(name: str) -> None:
    @settings(max_examples=ROUNDS.get(name, 40), derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(nested(TOKENS[name]))
    def run(text: str) -> None:
        TARGETS[name](text.encode("utf-8", "surrogatepass"))

    run()


@pytest.mark.parametrize("name", FAST)
def test_bytes(name: str) -> None:
    rng = random.Random(name)
    seeds = [text.encode() for text in SEEDS[name]]
    others = [text.encode() for texts in SEEDS.values() for text in texts]
    for number in range(2 * ROUNDS.get(name, 40)):
        TARGETS[name](mutate(rng.choice(seeds), others, rng) if number % 4 else assemble(name, rng))


@pytest.mark.parametrize("name", WHOLE)
def test_in_a_stack(name: str) -> None:
    rng = random.Random(name)
    seeds = [text.encode() for text in SEEDS[name]]
    for _ in range(4):
        TARGETS[name](mutate(rng.choice(seeds), seeds, rng))


# what was once found
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cargo", b"[dependencies]\nsqlx = " + b"9" * 5000),
        ("polint.toml", b"[services.api]\nreplicas = " + b"9" * 5000),
        ("cargo", b"workspace=true"),
        ("php in a stack", b"<?'connections'>[['driver'=>'pgsql'],'\xaa'=>[],"),
        ("compose in a stack", b"\0"),
        (
            "dotenv in a stack",
            b"A=x\n"
            + b"".join(
                b"A%d=${A%s}${A%s}\n" % (n, str(n - 1).encode() if n else b"", str(n - 1).encode() if n else b"") for n in range(60)
            ),
        ),
    ],
)
def test_once_found(name: str, data: bytes) -> None:
    TARGETS[name](data)


def test_a_compose_file_that_cannot_be_read_beside_one_that_can(tmp_path: Path) -> None:
    from polint import config, lint

    (tmp_path / "docker-compose.yml").write_bytes(b"a\0")
    (tmp_path / "docker-compose.prod.yml").write_text("services: {db: {image: postgres}}\n")
    report = lint.run(str(tmp_path), config.Config())
    assert [one.code for one in report.diagnostics if one.span.path == "docker-compose.yml"] == ["PO001"]


def raises_on(needle: bytes) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        if needle in data:
            raise KeyError(len(data))

    return run


def test_what_fails_is_made_small() -> None:
    run = raises_on(b"x y")
    data = b"a" * 500 + b"x y" + b"b" * 700
    assert failure(run, data).startswith("KeyError")
    assert not failure(run, b"x")
    assert minimise(run, data) == b"x y"
