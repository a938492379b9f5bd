"""Dockerfile: stages, what they set, copy and run, and where it stands."""

from __future__ import annotations

import time

import pytest

from polint.formats.dockerfile import Dockerfile, Stage, parse
from polint.source import Source
from polint.templating import REASON
from polint.value import Alternative, Computed, EnvRead, Fallback, Literal, Opaque, Value


def read(text: str) -> Dockerfile:
    return parse(Source("Dockerfile", text))


def stage(text: str) -> Stage:
    (only,) = read("FROM x\n" + text).stages
    return only


def shown(value: Value) -> object:
    """A value in a form that is easy to compare."""
    match value:
        case Literal(value=known):
            return known
        case EnvRead(name=name, required=required):
            return f"${name}" if required is None else f"${name}?{required}"
        case Fallback(first, second):
            return (shown(first), "or", shown(second))
        case Alternative(test, then):
            return (shown(test), "then", shown(then))
        case Computed(args=args):
            return [shown(arg) for arg in args]
        case Opaque():
            return Opaque


def test_stages() -> None:
    text = """# syntax=docker/dockerfile:1
ARG PHP=8.3
ARG NODE
ARG A=1 B="two words"

FROM --platform=$BUILDPLATFORM php:${PHP}-fpm AS base
from base as Final
FROM scratch
"""
    parsed = read(text)
    assert {name: shown(value) for name, value in parsed.args.items()} == {"PHP": "8.3", "NODE": Opaque, "A": "1", "B": "two words"}
    assert [(found.name, shown(found.base), str(found.span), found.span.text) for found in parsed.stages] == [
        ("base", ["php:", "$PHP", "-fpm"], "Dockerfile:6:1", "FROM --platform=$BUILDPLATFORM php:${PHP}-fpm AS base"),
        ("Final", "base", "Dockerfile:7:1", "from base as Final"),
        ("", "scratch", "Dockerfile:8:1", "FROM scratch"),
    ]
    assert parsed.stages[0].base.span.text == "php:${PHP}-fpm"


def test_arguments_of_a_stage_take_the_global_default() -> None:
    parsed = read("ARG PHP=8.3\nFROM x\nARG PHP\nARG OTHER\nARG OWN=1\n")
    assert {name: shown(value) for name, value in parsed.stages[0].args.items()} == {"PHP": "8.3", "OTHER": Opaque, "OWN": "1"}


@pytest.mark.parametrize(
    ("line", "name", "value", "written"),
    [
        ("ENV A=1", "A", "1", "1"),
        ("env A=1", "A", "1", "1"),
        ("ENV A=1 B=2", "B", "2", "2"),
        ('ENV A="x y" B=2', "A", "x y", '"x y"'),
        (r"ENV A=x\ y", "A", "x y", r"x\ y"),
        ("ENV A x  y", "A", "x  y", "x  y"),
        ("ENV A=", "A", "", ""),
        ("ENV A=$B", "A", "$B", "$B"),
        ("ENV A='$B'", "A", "$B", "'$B'"),
        (r"ENV A=\$B", "A", "$B", r"\$B"),
        ('ENV A="p$B.q"', "A", ["p", "$B", ".q"], '"p$B.q"'),
        ("ENV A=${B:-8}", "A", ("$B", "or", "8"), "${B:-8}"),
        ("ENV A=${B-${C:-8}}", "A", ("$B", "or", ("$C", "or", "8")), "${B-${C:-8}}"),
        ("ENV A=${B:+8}", "A", ("$B", "then", "8"), "${B:+8}"),
        ("ENV A=${B:?why}", "A", "$B?why", "${B:?why}"),
        ("ENV A=${B%.*}", "A", Opaque, "${B%.*}"),
        ("ENV A=5$", "A", "5$", "5$"),
        ("ENV A={{a}}", "A", Opaque, "{{a}}"),
        ("ENV A=1 \\\n  # c\n\n  B=2", "B", "2", "2"),
        ("ENV A=1\\\n2", "A", "12", "1\\\n2"),
        ("ENV A=1 \\  \r\n B=2\r\n", "B", "2", "2"),
    ],
)
def test_env(line: str, name: str, value: object, written: str) -> None:
    found = stage(line).env[name]
    if value == "$B" and ("'" in line or "\\" in line):
        assert isinstance(found, Literal)
    assert shown(found) == value
    assert found.span.text == written


def test_an_env_reference_knows_its_place() -> None:
    found = stage('ENV A=1 \\\n    B="x${C}"\n').env["B"]
    assert isinstance(found, Computed)
    assert [(str(arg.span), arg.span.text) for arg in found.args] == [("Dockerfile:3:7", '"x'), ("Dockerfile:3:9", "${C}")]


def test_copies_from_the_context() -> None:
    found = stage(
        """WORKDIR /srv
COPY --chown=a:b --chmod=644 www.conf pool.conf $D/
WORKDIR app
ADD ["a b.conf", "/etc/x"]
COPY --from=build /a /b
COPY <<EOF /inline
COPY not /this
EOF
COPY one
"""
    )
    assert [([shown(value) for value in copy.sources], shown(copy.target), copy.workdir) for copy in found.copies] == [
        (["www.conf", "pool.conf"], ["$D", "/"], "/srv"),
        (["a b.conf"], "/etc/x", "/srv/app"),
    ]
    assert found.copies[0].span.text == "COPY --chown=a:b --chmod=644 www.conf pool.conf $D/"
    assert found.copies[1].sources[0].span.text == '"a b.conf"'


def words(found: tuple[tuple[str, object], ...] | None) -> list[str] | None:
    return None if found is None else [word for word, _ in found]


@pytest.mark.parametrize(
    ("text", "command", "entrypoint", "is_shell"),
    [
        ("", None, None, frozenset()),
        ('CMD ["php-fpm", "-F"]', ["php-fpm", "-F"], None, frozenset()),
        ('CMD [ "a" , "b\\"c\\u0041" ]  ', ["a", 'b"cA'], None, frozenset()),
        ("CMD []", [], None, frozenset()),
        ("CMD php-fpm -d \"a b\" 'c'd $X", ["php-fpm", "-d", "a b", "cd", "$X"], None, frozenset({"CMD"})),
        ('CMD ["a", b]', ["[a,", "b]"], None, frozenset({"CMD"})),
        ("CMD ['a']", ["[a]"], None, frozenset({"CMD"})),
        ('ENTRYPOINT ["e"]\nCMD c', ["c"], ["e"], frozenset({"CMD"})),
        ('CMD a\nCMD ["b"]', ["b"], None, frozenset()),
        ("HEALTHCHECK CMD x\nONBUILD CMD y", None, None, frozenset()),
        ("CMD postgres \\\n  # c\n  -c max_connections=200", ["postgres", "-c", "max_connections=200"], None, frozenset({"CMD"})),
    ],
)
def test_commands(text: str, command: list[str] | None, entrypoint: list[str] | None, is_shell: frozenset[str]) -> None:
    found = stage(text)
    assert (words(found.command), words(found.entrypoint), found.is_shell) == (command, entrypoint, is_shell)


def test_places_of_words() -> None:
    found = stage('CMD ["postgres", \\\n  "-c", "max_connections=200"]\n')
    assert found.command is not None
    assert [(str(span), span.text) for _, span in found.command] == [
        ("Dockerfile:2:6", '"postgres"'),
        ("Dockerfile:3:3", '"-c"'),
        ("Dockerfile:3:9", '"max_connections=200"'),
    ]


def test_runs_keep_their_heredocs() -> None:
    found = stage(
        """RUN echo 'pm = static' >> /etc/x && \\
    # c
    true
RUN <<-'E1' cat > y <<E2
FROM nowhere
	E1
ENV A=1
E2
RUN echo $((1<<2)) <<NEVER
RUN cat <<< x
ENV B=2
"""
    )
    assert [text for text, _ in found.runs] == [
        "echo 'pm = static' >> /etc/x &&     true",
        "<<-'E1' cat > y <<E2\nFROM nowhere\n\tE1\nENV A=1\nE2\n",
        "echo $((1<<2)) <<NEVER",
        "cat <<< x",
    ]
    assert list(found.env) == ["B"]
    assert found.runs[1][1].text.endswith("ENV A=1\nE2")
    assert str(found.runs[1][1]) == "Dockerfile:5:5"


@pytest.mark.parametrize(
    ("text", "workdir"),
    [
        ("", ""),
        ("WORKDIR /a", "/a"),
        ("WORKDIR /a\nWORKDIR b/../c", "/a/c"),
        ("WORKDIR /a\nWORKDIR /b", "/b"),
        ("ENV R=/r\nWORKDIR $R/x", "/r/x"),
        ("ARG R=/r\nWORKDIR ${R}", "/r"),
        ("WORKDIR ${R:-/d}", "/d"),
        ("WORKDIR /a\nWORKDIR $UNKNOWN", ""),
    ],
)
def test_workdir(text: str, workdir: str) -> None:
    assert stage(text).workdir == workdir


def test_stop_signal_and_escape_directive() -> None:
    (found,) = read("# escape=`\nFROM x\nSTOPSIGNAL SIGQUIT\nENV A=c:\\x `\n  B=2\n").stages
    assert found.stop_signal == "SIGQUIT"
    assert {name: shown(value) for name, value in found.env.items()} == {"A": "c:\\x", "B": "2"}


def test_a_late_escape_directive_is_a_comment() -> None:
    (found,) = read("# c\n# escape=`\nFROM x\nENV A=1 \\\n  B=2\n").stages
    assert list(found.env) == ["A", "B"]


def test_templates_are_open() -> None:
    (found,) = read("FROM php:{{ version }}\nENV A={{x}}\n").stages
    assert shown(found.base) == Opaque
    assert found.env["A"] == Opaque(REASON, found.env["A"].span)


@pytest.mark.parametrize(
    "text", ["", "\n", "FROM", "FROM \\", "CMD x", "FROM x\nCMD", "FROM x\nENV", "FROM x\nCOPY", "ARG", "FROM x\nRUN <<", "\\\n\\\n"]
)
def test_odd_files_are_read(text: str) -> None:
    assert len(read(text).stages) <= 1


def test_time_is_linear_and_depth_harmless() -> None:
    started = time.perf_counter()
    for body in (
        "ENV A=" + "${B:-" * 20_000 + "}" * 20_000,
        "ENV A=" + "${B:-" * 20_000,
        "RUN " + "<<E " * 20_000,
        "RUN " + "x \\\n" * 20_000,
        'CMD ["' + 'a","' * 20_000 + '"]',
        "CMD " + "'" * 50_001,
        "WORKDIR b\n" * 20_000,
    ):
        stage(body)
    assert time.perf_counter() - started < 4
