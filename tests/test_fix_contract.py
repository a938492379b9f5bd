"""What a fix promises, on files of every format: they still parse, the mended rules are silent, a second run changes
nothing, no byte outside the reported edits moves, and no new error appears."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from faulty import FORMATS, Files
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from polint import fixer, lint
from polint.config import Config
from polint.diagnostic import Diagnostic
from polint.formats import format_of
from polint.reporters import Report
from polint.source import Source

EXAMPLES = settings(max_examples=20, derandomize=True, deadline=None, database=None, phases=[Phase.generate], report_multiple_bugs=False)


# --- the promise ------------------------------------------------------------------------------


def check(files: Files, planted: set[str], unsafe: bool) -> Files:
    """What fixing makes of ``files``, every promise held against it; with ``unsafe`` the ``planted`` rules must be silent."""
    with TemporaryDirectory(prefix="polint-") as root:
        for path, data in files.items():
            place = Path(root, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        return held(root, files, planted, unsafe)


def held(root: str, files: Files, planted: set[str], unsafe: bool) -> Files:
    def report(overlay: Mapping[str, bytes]) -> Report:
        return lint.run(root, Config(), overlay=overlay)

    outcome = fixer.run(lambda overlay: report(overlay).active, unsafe=unsafe)
    made = {path: change.after for path, change in outcome.changes.items()}
    mended = files | made
    before, after = report({}), report(made)

    spans(files, outcome)
    for path in made:
        kept_idiom(files[path], made[path])
        assert parses(path, made[path]) or not parses(path, files[path]), made[path]
    unreadable = {one.path for one in after.files if one.status == "unreadable"}
    assert unreadable <= {one.path for one in before.files if one.status == "unreadable"}

    assert not errors(after.active) - errors(before.active), texts(mended)
    still, had = (Counter(map(key, one.active)) for one in (after, before))
    for one in outcome.fixed:
        assert still[key(one)] < max(had[key(one)], 1), (one, texts(mended))
    if unsafe:
        missing = planted - {one.name for one in outcome.fixed}
        assert not missing, (missing, outcome.left, texts(files))
        assert not planted & {one.name for one in after.active}, ([one for one in after.active if one.name in planted], texts(mended))
    else:
        assert all(one.fix is not None and one.fix.applicability == "safe" for one in outcome.fixed)

    again = fixer.run(lambda overlay: report({**made, **overlay}).active, unsafe=unsafe)
    assert not again.changes, (texts(mended), again.changes)
    return mended


def key(one: Diagnostic) -> tuple[str, str, str, str]:
    return one.code, one.subject, one.span.path, one.message


def errors(found: Sequence[Diagnostic]) -> Counter[tuple[str, str]]:
    return Counter((one.code, one.subject) for one in found if one.severity == "error")


def texts(files: Mapping[str, bytes]) -> str:
    return "\n".join(f"{path}: {data!r}" for path, data in files.items())


def spans(files: Files, outcome: fixer.Outcome) -> None:
    """Every change follows, byte for byte, from the edits that were reported, round by round."""
    state = dict(files)
    rounds: dict[int, tuple[Source, set[tuple[int, int, str]]]] = {}
    for one in outcome.fixed:
        assert one.fix is not None
        for edit in one.fix.edits:
            source = edit.span.source
            rounds.setdefault(id(source), (source, set()))[1].add((edit.span.start, edit.span.end, edit.replacement))
    for source, edits in rounds.values():
        data = state[source.path]
        assert data == source.encode()
        head = 3 if source.bom else 0
        crlf = b"\r\n" in data and data.count(b"\r\n") == data.count(b"\n")
        at, out = 0, b""
        for start, end, replacement in sorted(edits):
            first, last = (head + len(source.text[:offset].encode("utf-8", "surrogateescape")) for offset in (start, end))
            new = replacement.encode("utf-8", "surrogateescape")
            assert first >= at, "edits overlap"
            out += data[at:first] + (new.replace(b"\n", b"\r\n") if crlf and b"\r\n" not in new else new)
            at = last
        state[source.path] = out + data[at:]
    made = {path: change.after for path, change in outcome.changes.items()}
    assert {path: data for path, data in state.items() if data != files.get(path)} == made


def kept_idiom(before: bytes, after: bytes) -> None:
    """Line ends, the mark at the start and what the last line ends with stay."""
    assert before.startswith(b"\xef\xbb\xbf") == after.startswith(b"\xef\xbb\xbf")
    if b"\r\n" in before and before.count(b"\n") == before.count(b"\r\n"):
        assert after.count(b"\n") == after.count(b"\r\n"), after
    elif b"\r" not in before:
        assert b"\r" not in after
    last = before.rsplit(b"\n", 1)[-1]
    if after and (last == b"" or last in after):  # unless the last line went as a whole
        assert before.endswith(b"\n") == after.endswith(b"\n"), after


def parses(path: str, data: bytes) -> bool:
    """Whether the text is one of its language, as far as a parser of ours that knows nothing of rules can tell."""
    source = Source.from_bytes(path, data)
    match format_of(path):
        case "rust" | "php" as language:
            from polint.treesitter import parse

            return not parse(language, source).tree.root_node.has_error
        case "compose" | "prometheus":
            import yaml

            try:
                yaml.safe_load(source.text)
            except yaml.YAMLError:
                return False
    return True


@pytest.mark.parametrize("unsafe", [False, True], ids=["safe", "unsafe"])
@pytest.mark.parametrize("name", FORMATS)
def test_fixes_keep_their_promise(name: str, unsafe: bool) -> None:
    @EXAMPLES
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        check(*FORMATS[name](data.draw), unsafe)

    holds()
