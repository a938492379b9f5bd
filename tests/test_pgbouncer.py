"""pgbouncer.ini: what is read, what PgBouncer refuses, where, and the cure; and its settings."""

from __future__ import annotations

import math
import time

import pytest

from polint.formats import Entry, Fault, Parsed
from polint.formats.pgbouncer import connect_string, inline_comment, parse
from polint.pgbouncer_settings import (
    DATABASE_SETTINGS,
    SECTIONS,
    SETTINGS,
    USER_SETTINGS,
    Unclear,
    read,
    read_count,
    read_flag,
    read_leading,
    read_list,
    read_pair,
    read_seconds,
)
from polint.source import Source
from polint.value import Literal, Opaque


def load(text: str, version: tuple[int, ...] | None = None) -> Parsed:
    return parse(Source("pgbouncer.ini", text), version)


def literals(parsed: Parsed) -> list[tuple[str, str, object]]:
    return [(entry.section, entry.key, entry.value.value if isinstance(entry.value, Literal) else Opaque) for entry in parsed.entries]


def cured(faults: list[Fault]) -> str:
    text = faults[0].span.source.text
    edits = [edit for fault in faults if fault.fix for edit in fault.fix.edits]
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


def only(text: str) -> Entry:
    (entry,) = load(text).entries
    return entry


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("default_pool_size=20", "default_pool_size", "20"),
        ("\t Default_Pool_Size \t=\t 20 \r", "Default_Pool_Size", "20"),
        ("server_check_query = select 1; -- x # y", "server_check_query", "select 1; -- x # y"),
        ("job_name = 'a b'", "job_name", "'a b'"),
        ("job_name =", "job_name", ""),
        ("job_name = \t ", "job_name", ""),
        ("job_name = caf\u00e9", "job_name", "caf\u00e9"),
        ("a.b-c_* = =x", "a.b-c_*", "=x"),
        ("%include /etc/pgbouncer/more.ini \r", "%include", "/etc/pgbouncer/more.ini"),
        ("'with space' = host=x", "with space", "host=x"),
        ("[pgbouncer] job_name = x", "job_name", "x"),
    ],
)
def test_accepted(line: str, key: str, value: str) -> None:
    parsed = load("[pgbouncer]\n  # c\n;c\n" + line)
    (entry,) = parsed.entries
    assert not parsed.faults
    assert (entry.section, entry.key) == ("pgbouncer", key)
    assert entry.value == Literal(value, entry.value_span)
    assert entry.value_span.text == value
    assert entry.key_span.text.strip("'") == key
    assert entry.key_span.place[0] == 4
    assert entry.span.start == entry.key_span.start
    assert entry.span.end >= entry.value_span.end


@pytest.mark.parametrize(
    ("line", "place", "where", "says"),
    [
        ("listen_port", "2:1", "listen_port", "without ="),
        ("  listen_port \r", "2:3", "listen_port", "without ="),
        ("my db = host=x", "2:1", "my db ", "letters"),
        ("caf\u00e9 = host=x", "2:1", "caf\u00e9 ", "letters"),
        ("[users", "2:1", "[users", "no ]"),
        ("%include", "2:1", "%include", "file name"),
        ("[bogus]", "2:1", "[bogus]", "refuses this section"),
        ("'' = x", "2:1", "'' = x", "no name between quotes"),
        ("'open = x", "2:1", "'open = x", "no name between quotes"),
    ],
)
def test_refused(line: str, place: str, where: str, says: str) -> None:
    (fault,) = load("[pgbouncer]\n" + line + "\n").faults
    assert (str(fault.span), fault.span.text, fault.fatal) == (f"pgbouncer.ini:{place}", where.rstrip(), True)
    assert says in fault.message


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        ("-- a", "; a"),
        ("// a", "; a"),
        ('"a" = host=x', "a = host=x"),
        ("a: host=x", "a = host=x"),
        ("a : host=x", "a = host=x"),
        ("a:host=x", "a = host=x"),
        ("[PgBouncer ]", "[pgbouncer]"),
    ],
)
def test_cures(line: str, mended: str) -> None:
    parsed = load("[databases]\n" + line)
    assert [fault.fatal for fault in parsed.faults] == [True]
    assert cured(list(parsed.faults)) == "[databases]\n" + mended
    assert not load("[databases]\n" + mended).faults


def test_pasted_text_is_one_fault() -> None:
    parsed = load("[pgbouncer]\ndocker run \\\n -e A=b \\\n -p 1\n\nx\n")
    assert [(fault.span.place, fault.span.text) for fault in parsed.faults] == [((2, 1), "docker run \\"), ((6, 1), "x")]


def test_versions() -> None:
    text = "[databases]\n'a b' = host=x\n[peers]\n1 = host=y"
    assert not load(text).faults
    assert [(fault.span.text, fault.span.place) for fault in load(text, (1, 18)).faults] == [("'a b'", (2, 1)), ("[peers]", (3, 1))]
    assert [fault.span.text for fault in load(text, (1, 24)).faults] == ["'a b'"]
    assert not load(text, (1, 25)).faults
    quoted = '[databases]\n"a b" = host=x'
    assert cured(list(load(quoted, (1, 25)).faults)) == text.partition("\n[peers]")[0]
    assert load(quoted, (1, 24)).faults[0].fix is None


def test_byte_order_mark_and_nul() -> None:
    (fault,) = parse(Source.from_bytes("pgbouncer.ini", b"\xef\xbb\xbf[pgbouncer]\r\n")).faults
    assert (fault.span.text, fault.fatal) == ("[pgbouncer]", True)
    parsed = load("[pgbouncer]\njob_name = a\0b\nzz\n")
    assert literals(parsed) == [("pgbouncer", "job_name", "a")]
    assert [(fault.span.place, fault.fatal) for fault in parsed.faults] == [((2, 13), False)]


def test_second_section_resets() -> None:
    text = "[pgbouncer]\nmax_client_conn = 1\nauth_user = u\n[databases]\na = host=x\n[pgbouncer]\nmax_client_conn = 2\n[pgbouncer]\n"
    parsed = load(text + "default_pool_size = 3\n")
    assert literals(parsed) == [
        ("pgbouncer#1", "max_client_conn", "1"),
        ("pgbouncer", "auth_user", "u"),
        ("databases", "a", "host=x"),
        ("pgbouncer#2", "max_client_conn", "2"),
        ("pgbouncer", "default_pool_size", "3"),
    ]
    assert [(fault.span.text, fault.span.place, fault.fatal) for fault in parsed.faults] == [
        ("[pgbouncer]", (6, 1), False),
        ("[pgbouncer]", (8, 1), False),
    ]
    assert [entry.section for entry in load(text).entries] == ["pgbouncer#1", "pgbouncer", "databases", "pgbouncer#2"]
    assert not load("[pgbouncer]\n[databases]\n[pgbouncer]\nmax_client_conn = 1\n").faults
    assert not load("[databases]\na =\n[databases]\nb =\n").faults


def test_settings_before_a_section() -> None:
    (fault,) = load("listen_port = 5\n[pgbouncer]\n").faults
    assert (fault.span.text, fault.span.place, fault.fatal) == ("listen_port", (1, 1), True)
    fragment = load("a = host=x\nb = host=y\n")
    assert not fragment.faults
    assert [entry.section for entry in fragment.entries] == ["", ""]
    assert not load("%include head.ini\nlisten_port = 5\n[users]\n").faults


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        ("host=a port=5432", [("host", "a", "a"), ("port", "5432", "5432")]),
        (" dbname = 'with '' space'  user =u ", [("dbname", "with ' space", "'with '' space'"), ("user", "u", "u")]),
        ("host=a\tport=1", [("host", "a\tport=1", "a\tport=1")]),
        ("password=a'b=c", [("password", "a'b=c", "a'b=c")]),
        ("", []),
    ],
)
def test_connect_string(line: str, pairs: list[tuple[str, str, str]]) -> None:
    entry = only(f"[databases]\napp = {line}")
    parsed = connect_string(entry)
    assert not parsed.faults
    found = [(pair.key, pair.value.value, pair.value_span.text) for pair in parsed.entries if isinstance(pair.value, Literal)]
    assert found == pairs
    assert [pair.key_span.text for pair in parsed.entries] == [key for key, _, _ in pairs]
    for pair in parsed.entries:
        assert pair.section == "app"
        assert (pair.span.start, pair.span.end) == (pair.key_span.start, pair.value_span.end)


@pytest.mark.parametrize(
    ("line", "where", "column", "fatal", "known"),
    [
        ("host=a x", "x", 12, True, ["host"]),
        ("host=a =b", "=", 12, True, ["host"]),
        ("host=a user=", "user=", 12, True, ["host"]),
        ("host=a dbname=''", "dbname=''", 12, True, ["host"]),
        ("host=a dbname='x", "'x", 19, True, ["host"]),
        ("dbname='x'; host=a", ";", 15, False, ["dbname", "host"]),
        ("dbname='x'host=a", "h", 15, False, ["dbname", "ost"]),
        ("host= port=1", "port=1", 11, False, ["host"]),
        ("host=a ; c d", "; c d", 12, True, ["host"]),
        ("host=a # c", "# c", 12, True, ["host"]),
        ("# c", "# c", 5, True, []),
    ],
)
def test_connect_string_faults(line: str, where: str, column: int, fatal: bool, known: list[str]) -> None:
    parsed = connect_string(only(f"[databases]\na = {line}"))
    (fault,) = parsed.faults
    assert (fault.span.text, fault.span.place, fault.fatal) == (where, (2, column), fatal)
    assert [pair.key for pair in parsed.entries] == known
    assert not any(fault.fatal for fault in connect_string(only(f"[databases]\n* = {line}")).faults)


def test_star_is_a_plain_name_among_users() -> None:
    assert [fault.fatal for fault in connect_string(only("[users]\n* = x")).faults] == [True]


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("[databases]\n  a = host=x ; c\n", "[databases]\n  ; c\n  a = host=x\n"),
        ("[databases]\r\na = host=x\t# c\r\n", "[databases]\r\n# c\r\na = host=x\r\n"),
    ],
)
def test_comment_in_connect_string_is_moved(text: str, mended: str) -> None:
    assert cured(list(connect_string(only(text)).faults)) == mended


@pytest.mark.parametrize(
    ("value", "comment"),
    [("20 ; twenty", "; twenty"), ("20;x", None), ("; c", "; c"), ("'a ; b'", None), ("'a ; b' # c", "# c"), ("DISCARD ALL;", None)],
)
def test_inline_comment(value: str, comment: str | None) -> None:
    fault = inline_comment(only(f"[pgbouncer]\nserver_reset_query = {value}"))
    assert (fault and fault.span.text) == comment
    if fault:
        mended = load(cured([fault]))
        assert inline_comment(mended.entries[0]) is None
        assert mended.source.text.startswith(f"[pgbouncer]\n{comment}\nserver_reset_query =")


def test_templates() -> None:
    text = "[databases]\na = host={{ db host }} port=5432 dbname='${DB}' user=$U pool_size=5\nb = {{ all }} pool_size=5\n[pgbouncer]\n"
    parsed = load(text + "listen_port = ${PORT}\nauth_query = select $1\n")
    assert literals(parsed)[2:] == [("pgbouncer", "listen_port", Opaque), ("pgbouncer", "auth_query", "select $1")]
    first, second = (connect_string(entry) for entry in parsed.entries[:2])
    assert [(key, value) for _, key, value in literals(first)] == [
        ("host", Opaque),
        ("port", "5432"),
        ("dbname", Opaque),
        ("user", Opaque),
        ("pool_size", "5"),
    ]
    assert [pair.value_span.text for pair in first.entries][:3] == ["{{ db host }}", "5432", "'${DB}'"]
    assert all(isinstance(pair.value, Opaque) for pair in second.entries)
    assert not first.faults
    assert not second.faults
    switched = load("[databases]\n{% if x %}\na = host=b\n{% endif %}\n")
    assert literals(switched) == [("databases", "a", Opaque)]
    assert [literals(connect_string(entry)) for entry in switched.entries] == [[("a", "host", Opaque)]]
    assert not load("[pgbouncer]\n{{ settings }}\nnonsense\n").faults


@pytest.mark.parametrize("text", ["[databases]\na = " + "k=v " * 300_000, "a='" * 300_000, "[pgbouncer]\n" * 100_000, "x\n" * 200_000])
def test_long_input_takes_linear_time(text: str) -> None:
    started = time.perf_counter()
    for entry in load(text).entries:
        connect_string(entry)
        inline_comment(entry)
    assert time.perf_counter() - started < 8


@pytest.mark.parametrize(
    ("text", "value"),
    [("20", 20), ("020", 16), ("0x1F", 31), ("-1", -1), ("+5", 5), ("0", 0), ("2147483648", -2147483648), ("9" * 5000, -1)],
)
def test_counts(text: str, value: int) -> None:
    assert read_count(text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10s", "no units"),
        ("'20'", "without quotes"),
        ("20 ; twenty", "own line"),
        ("", "empty value"),
        ("1.5", "whole number"),
        ("08", "whole number"),
        ("0x", "whole number"),
    ],
)
def test_counts_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_count(text)


@pytest.mark.parametrize(
    ("text", "value"), [("30", 30), ("0.5", 0.5), (".5", 0.5), ("1e2", 100), ("0x10", 16), ("-0", 0), ("1.0000019", 1.000001)]
)
def test_seconds(text: str, value: float) -> None:
    assert math.isclose(read_seconds(text), value, abs_tol=1e-12)


@pytest.mark.parametrize("text", ["10s", "1 min", "-1", "", "1e400", "1e-400", "'5'", "5,0", "0x"])
def test_seconds_refused(text: str) -> None:
    with pytest.raises(ValueError, match="PgBouncer") as refused:
        read_seconds(text)
    assert not isinstance(refused.value, Unclear)


@pytest.mark.parametrize("text", ["inf", "NAN", "1e20"])
def test_seconds_unclear(text: str) -> None:
    with pytest.raises(Unclear, match="processor"):
        read_seconds(text)


def test_flags_lists_and_choices() -> None:
    assert [read_flag(text) for text in ("1", "0", "2")] == [True, False, True]
    with pytest.raises(ValueError, match="write 1"):
        read_flag("true")
    with pytest.raises(ValueError, match="write 0"):
        read_flag("off")
    assert read_list("a, b c ,") == ("a", "b c")
    assert read(SETTINGS["admin_users"], "a b,c") == ("a", "b", "c")
    assert read(SETTINGS["listen_addr"], "*") == ("*",)
    assert read(SETTINGS["pool_mode"], "Transaction") == "transaction"
    assert read(SETTINGS["auth_type"], "ldap", (1, 25)) == "ldap"
    with pytest.raises(ValueError, match="ldap"):
        read(SETTINGS["auth_type"], "ldap", (1, 24))
    assert read(SETTINGS["max_packet_size"], "-1") == 0xFFFFFFFF
    assert read(SETTINGS["auth_dbname"], "pgbouncer", (1, 19)) == "pgbouncer"
    with pytest.raises(ValueError, match="reserves"):
        read(SETTINGS["auth_dbname"], "pgbouncer")


def test_pairs() -> None:
    assert [read_leading(text) for text in ("10s", "x", " -3", "", "020")] == [10, 0, -3, 0, 20]
    assert read_pair(DATABASE_SETTINGS["pool_size"], "25;") == 25
    assert read_pair(DATABASE_SETTINGS["host"], "a,b") == ("a", "b")
    assert read_pair(USER_SETTINGS["pool_mode"], "SESSION") == "session"
    with pytest.raises(ValueError, match="port"):
        read_pair(DATABASE_SETTINGS["port"], "x")


@pytest.mark.parametrize(
    ("name", "version", "default"),
    [
        ("max_prepared_statements", (1, 23), "0"),
        ("max_prepared_statements", (1, 24), "200"),
        ("server_tls_sslmode", (1, 19), "disable"),
        ("server_tls_sslmode", (1, 20), "prefer"),
        ("server_check_query", (1, 24, 1), "select 1"),
        ("default_pool_size", (1, 18), "20"),
    ],
)
def test_defaults(name: str, version: tuple[int, ...], default: str) -> None:
    assert SETTINGS[name].default_in(version) == default


def test_tables_are_sound() -> None:
    for table in SECTIONS.values():
        for name, setting in table.items():
            assert setting.name == name
            assert setting.kind in ("count", "seconds", "flag", "text", "list", "enum")
            assert bool(setting.choices) == (setting.kind == "enum")
            if table is SETTINGS and setting.default is not None:
                read(setting, setting.default)
    assert not SETTINGS["max_prepared_statements"].known_in((1, 20))
    assert SETTINGS["max_prepared_statements"].known_in((1, 21))
