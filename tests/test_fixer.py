"""Fixes go together or wait, rounds end, and nothing is written that would break more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from conftest import polint

from polint import fixer, mend, patch
from polint.diagnostic import Diagnostic, Edit, Fix
from polint.fixer import BREAKS, DECISION, ENDLESS, IDLE, OVERLAPS, UNDONE, UNSAFE, Change
from polint.source import Source


def source(data: bytes = b"abcdef\n", path: str = "f") -> Source:
    return Source.from_bytes(path, data)


def wants(text: Source, *edits: tuple[int, int, str], code: str = "PO100", how: str = "safe", severity: str = "warning") -> Diagnostic:
    """A diagnostic that wants these edits of (start, end, replacement)."""
    made = tuple(Edit(text.span(start, end), replacement) for start, end, replacement in edits)
    start = edits[0][0] if edits else 0
    fix = Fix("do it", how, made) if edits else None
    return Diagnostic(code, code.lower(), severity, "m", text.span(start, start + 1), mend=lambda: fix, subject=f"{code} at {start}")


def once(*diagnostics: Diagnostic) -> fixer.Lint:
    """Reports these until something has been changed."""
    return lambda overlay: () if overlay else diagnostics


def reasons(outcome: fixer.Outcome) -> list[str]:
    return [one.reason for one in outcome.left]


def test_edits_of_several_fixes_are_made_together() -> None:
    text = source()
    outcome = fixer.run(once(wants(text, (0, 1, "A")), wants(text, (5, 6, "FF")), wants(text, (3, 3, "-"))))
    assert outcome.changes == {"f": Change(b"abcdef\n", b"Abc-deFF\n")}
    assert (len(outcome.fixed), outcome.rounds) == (3, 1)


def test_a_fix_is_applied_whole_or_not_at_all() -> None:
    text, other = source(), source(b"xyz", "g")
    both = wants(text, (0, 2, "AB"))
    pair = Diagnostic("PO200", "r", "warning", "m", other.span(0, 1), mend=lambda: Fix(
        "t", "safe", (Edit(other.span(0, 1), "X"), Edit(text.span(1, 3), "BC"))), subject="pair")  # fmt: skip
    chosen, left = fixer.choose([both, pair], unsafe=False)
    assert chosen == [both]
    assert [(one.diagnostic, one.reason) for one in left] == [(pair, OVERLAPS)]


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ((0, 2, "x"), (2, 4, "y"), True),  # side by side
        ((0, 2, "x"), (1, 3, "y"), False),
        ((0, 4, "x"), (1, 2, "y"), False),
        ((1, 2, "x"), (0, 4, "y"), False),
        ((0, 2, "x"), (0, 2, "x"), True),  # the very same
        ((0, 2, "x"), (0, 2, "y"), False),
        ((2, 2, "x"), (2, 2, "y"), False),  # two insertions at one place: which goes first?
        ((2, 2, "x"), (2, 2, "x"), False),  # twice the same line would be wrong
        ((0, 2, "x"), (2, 2, "y"), False),
        ((2, 2, "x"), (2, 4, "y"), False),
    ],
)
def test_which_edits_go_together(first: tuple[int, int, str], second: tuple[int, int, str], together: bool) -> None:
    text = source()
    chosen, _ = fixer.choose([wants(text, first, code="PO100"), wants(text, second, code="PO200")], unsafe=False)
    assert len(chosen) == 1 + together


def test_what_overlaps_is_done_in_the_next_round() -> None:
    def lint(overlay: Mapping[str, bytes]) -> Sequence[Diagnostic]:
        text = source(overlay.get("f", b"abcdef\n"))
        found = []
        if text.text.startswith("ab"):
            found.append(wants(text, (0, 2, "AB"), code="PO100"))
        if "c" in text.text:
            at = text.text.index("c")
            found.append(wants(text, (at - 1, at + 1, text.text[at - 1] + "C"), code="PO200"))
        return found

    outcome = fixer.run(lint)
    assert outcome.changes["f"].after == b"ABCdef\n"
    assert (outcome.rounds, outcome.left) == (2, [])


def test_unsafe_fixes_and_decisions_are_left_and_told() -> None:
    text = source()
    found = [wants(text, (0, 1, "A"), how="unsafe"), wants(text, (2, 3, "C"), how="display"), wants(text)]
    outcome = fixer.run(lambda overlay: found)
    assert (outcome.changes, reasons(outcome), outcome.rounds) == ({}, [UNSAFE, DECISION], 0)
    assert fixer.run(once(*found[:1]), unsafe=True).changes["f"].after == b"Abcdef\n"


def test_what_never_gets_quiet_ends_after_ten_rounds() -> None:
    def lint(overlay: Mapping[str, bytes]) -> Sequence[Diagnostic]:
        text = source(overlay.get("f", b"abcdef\n"))
        return [wants(text, (0, 1, "xa"))]

    outcome = fixer.run(lint)
    assert outcome.rounds == fixer.MOST_ROUNDS
    assert reasons(outcome) == [ENDLESS]


def test_a_fix_that_brings_a_new_error_is_left_out_and_the_others_stay() -> None:
    def lint(overlay: Mapping[str, bytes]) -> Sequence[Diagnostic]:
        text = source(overlay.get("f", b"abcdef\n"))
        found = [wants(text, (0, 1, "A"), code="PO100")] if text.text[0] == "a" else []
        if "f" in text.text:
            found.append(wants(text, (5, 6, "!"), code="PO200"))
        else:
            found.append(wants(text, code="PO300", severity="error"))
        return found

    outcome = fixer.run(lint)
    assert outcome.changes["f"].after == b"Abcdef\n"
    assert [one.code for one in outcome.fixed] == ["PO100"]
    assert [(one.diagnostic.code, one.reason) for one in outcome.left] == [("PO200", BREAKS)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a = 1\r\nb = 2\r\n", b"a = 1\r\nnew\r\nb = 2\r\n"),
        (b"a = 1\nb = 2", b"a = 1\nnew\nb = 2"),
        (b"\xef\xbb\xbfa = 1\nb = 2\n", b"\xef\xbb\xbfa = 1\nnew\nb = 2\n"),
        (b"a = 1\nb = caf\xe9\n", b"a = 1\nnew\nb = caf\xe9\n"),
        (b"a = 1\r\nb = 2\nc\n", b"a = 1\r\nnew\nb = 2\nc\n"),  # mixed ends stay as they are
    ],
)
def test_every_other_byte_stays(before: bytes, after: bytes) -> None:
    text = source(before)
    at = text.text.index("b = ")
    assert fixer.run(once(wants(text, (at, at, "new\n")))).changes == {"f": Change(before, after)}


CONF = "max_connections = 100 -- all\nwork_mem = 4MB\n"
STACK = """\
services:
  db:
    image: postgres:16
    volumes: ["./postgresql.conf:/var/lib/postgresql/data/postgresql.conf"]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compose.yaml").write_text(STACK)
    (tmp_path / "postgresql.conf").write_text(CONF)
    return tmp_path


def test_the_command_fixes_in_place(project: Path) -> None:
    assert polint("fix") == (
        0,
        "fixed postgresql.conf\n  start the comment with #\n1 diagnostic fixed in 1 file\n",
        "",
    )
    assert (project / "postgresql.conf").read_text() == CONF.replace("--", "#")
    assert polint("fix") == (0, "nothing to fix\n", "")


def test_check_and_diff_write_nothing(project: Path) -> None:
    code, out, err = polint("fix", "--check")
    assert (code, err) == (1, "")
    assert out == "would fix postgresql.conf\n  start the comment with #\n1 diagnostic to fix in 1 file\n"
    code, out, err = polint("fix", "--diff")
    assert (code, err) == (0, "")
    assert out == (
        "--- a/postgresql.conf\n+++ b/postgresql.conf\n@@ -1,2 +1,2 @@\n"
        "-max_connections = 100 -- all\n+max_connections = 100 # all\n work_mem = 4MB\n"
    )
    assert (project / "postgresql.conf").read_text() == CONF
    assert polint("fix", "--diff", "--check")[0] == 1


@pytest.mark.parametrize("data", [b"a\nb", b"a\r\nb\r\n", b"a\rb\nc\n", b"caf\xe9\nb\n", b"\xef\xbb\xbfa\nb\n"])
def test_git_applies_the_patch(data: bytes, tmp_path: Path) -> None:
    import subprocess

    (tmp_path / "f").write_bytes(data)
    after = data.replace(b"b", b"B")
    done = subprocess.run(["git", "apply", "-"], input=patch.of("f", data, after).data, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "f").read_bytes() == after


ENV = b"A=1\nPOSTGRES_PASSWORD=hunter2\nB=1\nC=1\nD=1\nE=1\nDB_PASSWORD=hunter2\nF=1\n"


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (b"C=1", b"C=2", b"@@ -3,4 +3,4 @@\n B=1\n-C=1\n+C=2\n D=1\n E=1\n"),
        (b"B=1\n", b"", b"@@ -3,4 +3,3 @@\n-B=1\n C=1\n D=1\n E=1\n"),
        (b"F=1", b"F=2", b"@@ -8 +8 @@\n-F=1\n+F=2\n"),
    ],
)
def test_a_patch_ends_before_secrets_and_still_applies(old: bytes, new: bytes, shown: bytes, tmp_path: Path) -> None:
    import subprocess

    (tmp_path / "f").write_bytes(ENV)
    data, hides = patch.of("f", ENV, ENV.replace(old, new))
    assert data == b"--- a/f\n+++ b/f\n" + shown
    assert not hides
    done = subprocess.run(["git", "apply", "-"], input=data, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "f").read_bytes() == ENV.replace(old, new)


def test_a_secret_that_stands_too_near_is_masked() -> None:
    data, hides = patch.of("f", ENV, ENV.replace(b"E=1", b"E=2"))
    assert hides
    assert b"hunter2" not in data
    assert b" DB_PASSWORD=*******\n" in data


@pytest.mark.parametrize(
    ("path", "line", "old", "new", "said"),
    [
        ("src/main.rs", "        .max_connections(10) // at most 10 connections", "10", "9", "10"),
        ("src/main.rs", "        .acquire_timeout(Duration::from_secs(30)) /* 30, not more */", "Duration::from_secs(30)", "secs(5)", "30"),
        ("src/main.rs", '        .max_connections(10).named("// 10")', "10", "9", ""),
        ("postgresql.conf", "shared_buffers = 2GB  # 2GB of 16GB", "2GB", "4GB", "2GB"),
        ("postgresql.conf", "shared_buffers = 2GB  # 25% of 16GB", "2GB", "4GB", ""),
        ("postgresql.conf", "max_connections = 25  # 25 % more than before", "25", "50", ""),
        ("postgresql.conf", "max_connections = 25  # 25 clients, 25 at once", "25", "50", ""),
        ("postgresql.conf", "statement_timeout = 30  # 30 seconds", "30", "30s", ""),  # it says the same as before
        ("compose.yaml", '    command: "postgres -c max_connections=50"  # 50 of 150, not 50.5', "max_connections=50", "=60", "50"),
        ("zz.conf", "pm = static\npm.max_children = 20 ; 20 MB each", "20", "15", "20"),
        ("pgbouncer.ini", "default_pool_size = 20 ; 20", "20", "15", ""),  # no comment there
    ],
)
def test_a_comment_that_repeats_the_old_number_is_told(path: str, line: str, old: str, new: str, said: str) -> None:
    text = source(f"{line}\nlast".encode(), path)
    start = line.index(old)
    first = wants(text, (0, 0, "new\n"), (start, start + len(old), new))
    outcome = fixer.run(once(first))
    told = [line for line in mend.summary(outcome, written=True) if "comment" in line]
    assert told == ([f"  {path}:{line.count(chr(10)) + 2}: its comment still says {said}"] if said else [])


def test_paths_and_rules_choose_what_is_fixed(project: Path) -> None:
    assert polint("fix", "compose.yaml") == (0, "nothing to fix\n", "")
    assert polint("fix", "--ignore", "PO401") == (0, "nothing to fix\n", "")
    assert polint("fix", "--select", "conf-syntax", "postgresql.conf")[1].startswith("fixed postgresql.conf")


def test_what_is_suppressed_or_accepted_is_left(project: Path) -> None:
    (project / "compose.yaml").write_text(STACK)
    assert polint("baseline")[0] == 0
    assert polint("fix") == (0, "nothing to fix\n", "")
    assert (project / "postgresql.conf").read_text() == CONF


def test_subjects_of_one_name_are_told_apart() -> None:
    def lint(overlay: Mapping[str, bytes]) -> Sequence[Diagnostic]:
        text = source(overlay.get("f", b"a bad\nb good\nc good\n"))
        found = []
        for at in (at for at in (text.text.find(" bad"), text.text.find(" good"), text.text.rfind(" good")) if at >= 0):
            end = text.text.index("\n", at)
            one = wants(text, (at, end, "" if text.text[at + 1] == "b" else " fine"))
            found.append(one._replace(subject="problem f"))
        if " bad" not in text.text:
            found.append(wants(text, code="PO300", severity="error"))
        return found

    outcome = fixer.run(lint)
    assert outcome.changes["f"].after == b"a bad\nb fine\nc fine\n"
    assert reasons(outcome) == [BREAKS]


def test_a_fix_that_helps_nobody_is_left_out() -> None:
    def lint(overlay: Mapping[str, bytes]) -> Sequence[Diagnostic]:
        text = source(overlay.get("f", b"abcdef\n"))
        end = len(text.text)
        found = [wants(text, (end, end, "; more\n"), code="PO100")._replace(subject="f")]
        return [*found, wants(text, (0, 1, "A"), code="PO200")] if text.text[0] == "a" else found

    outcome = fixer.run(lint)
    assert outcome.changes["f"].after == b"Abcdef\n"
    assert reasons(outcome) == [IDLE]


def test_two_fixes_that_undo_each_other_end_at_once() -> None:
    def lint(overlay: Mapping[str, bytes]) -> Sequence[Diagnostic]:
        text = source(overlay.get("f", b"abcdef\n"))
        return [wants(text, (0, 1, "A"), code="PO100") if text.text[0] == "a" else wants(text, (0, 1, "a"), code="PO200")]

    outcome = fixer.run(lint)
    assert (outcome.changes, outcome.rounds, reasons(outcome)) == ({}, 2, [UNDONE])


def test_a_teams_own_template_wins(project: Path) -> None:
    (project / "compose.yaml").write_text(BARE)
    (project / "polint.toml").write_text('templates = "ours"\n')
    (project / "ours/fix").mkdir(parents=True)
    (project / "ours/fix/compose-command.j2").write_text("command: [postgres, -c, {{ key }}={{ value }}]  # by the book\n")
    assert polint("fix", "--unsafe", "--select", "PO701")[0] == 0
    assert (project / "compose.yaml").read_text() == BARE.replace(
        "    environment: {POSTGRES_PASSWORD: x, POSTGRES_MAX_CONNECTIONS: 200}\n",
        "    environment: {POSTGRES_PASSWORD: x}\n    command: [postgres, -c, max_connections=200]  # by the book\n",
    )


BARE = "services:\n  db:\n    image: postgres:16\n    environment: {POSTGRES_PASSWORD: x, POSTGRES_MAX_CONNECTIONS: 200}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n{{ nothing }}", "2: 'nothing' is undefined"),
        ("{{ key", "1: unexpected end of template, expected 'end of print statement'."),
        ("{{ key | shout }}", "1: No filter named 'shout'."),
        ("\n\n{{ 1 // 0 }}", "3: integer division or modulo by zero"),
        ("{{ key.__class__.__mro__ }}", "1: access to attribute '__class__' of 'str' object is unsafe."),
    ],
)
@pytest.mark.parametrize("command", [("fix", "--unsafe"), ("lint", "--format", "json")])
def test_a_teams_broken_template_is_told(project: Path, text: str, said: str, command: tuple[str, ...]) -> None:
    (project / "compose.yaml").write_text(BARE)
    (project / "polint.toml").write_text('templates = "ours"\n')
    (project / "ours/fix").mkdir(parents=True)
    (project / "ours/fix/compose-command.j2").write_text(text)
    assert polint(*command) == (2, "", f"ours/fix/compose-command.j2:{said}\n")
    assert (project / "compose.yaml").read_text() == BARE


def test_a_folder_of_templates_that_is_not_there_is_told(project: Path) -> None:
    (project / "polint.toml").write_text('templates = "ours"\n')
    code, _, err = polint("lint")
    assert (code, err.splitlines()[0]) == (2, "polint.toml:1:13: templates: no such folder: ours")
