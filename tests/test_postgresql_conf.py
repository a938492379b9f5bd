"""postgresql.conf: what is read, what PostgreSQL refuses, where, and the cure."""

from __future__ import annotations

import time

import pytest

from polint.formats import Entry, Parsed
from polint.formats.postgresql_conf import parse, parse_arguments
from polint.pgunits import read_boolean, read_enum, read_integer, read_memory, read_real, read_time
from polint.source import Source, Span
from polint.templating import REASON
from polint.value import Literal, Opaque


def read(text: str, path: str = "postgresql.conf") -> Parsed:
    return parse(Source(path, text))


def literals(parsed: Parsed) -> list[tuple[str, object]]:
    return [(entry.key, entry.value.value if isinstance(entry.value, Literal) else Opaque) for entry in parsed.entries]


def cured(parsed: Parsed) -> str:
    text = parsed.source.text
    edits = [edit for fault in parsed.faults if fault.fix for edit in fault.fix.edits]
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("a = 8MB", "a", "8MB"),
        ("a 8MB", "a", "8MB"),
        ("a '8MB'", "a", "8MB"),
        ("a'8 MB'", "a", "8 MB"),
        ("\tMAX_Connections\t=\t20\r", "max_connections", "20"),
        ("a = 100#x", "a", "100"),
        ("a = '#x' # y", "a", "#x"),
        ("a = -.5", "a", "-.5"),
        ("a = 1.5", "a", "1.5"),
        ("a = .", "a", "."),
        ("a = 0x1FkB", "a", "0x1FkB"),
        ("a = a-b.c:/d", "a", "a-b.c:/d"),
        ("a = on--x", "a", "on--x"),
        ("a = café", "a", "café"),
        ("x.Y = 1", "x.y", "1"),
        ("a = 'it''s'", "a", "it's"),
        (r"a = 'it\'s\t\101\q\\'", "a", "it's\tAq\\"),
        (r"a = '\303\251'", "a", "é"),
        ("a = ''", "a", ""),
        ("include_dir 'conf.d'", "include_dir", "conf.d"),
        ("max_connections = MAX_CONNECTIONS", "max_connections", "MAX_CONNECTIONS"),
    ],
)
def test_accepted(line: str, key: str, value: str) -> None:
    parsed = read("# first\n" + line)
    assert parsed.faults == ()
    assert literals(parsed) == [(key, value)]


@pytest.mark.parametrize(
    ("line", "place", "value", "fixed"),
    [
        ("-- Total", "-- Total", None, "# Total"),
        ("-------- Pool", "-------- Pool", None, "# Pool"),
        ("// c", "// c", None, "# c"),
        ("/* c */", "/* c */", None, "# c */"),
        ("/* c", "/* c", None, "/* c"),
        ("; c", "; c", None, "# c"),
        ("a = 100   -- Total allowed ", "-- Total allowed", "100", "a = 100   # Total allowed "),
        ("a = 100--x", "--x", "100", "a = 100 #x"),
        ("a = 100 // c", "// c", "100", "a = 100 # c"),
        ("a = 100;", ";", "100", "a = 100"),
        ("a = 100 ; c", "; c", "100", "a = 100 # c"),
        ("a = 100; # c", ";", "100", "a = 100 # c"),
        ("a = on,", ",", "on", "a = on"),
        ("a == 5", "==", "5", "a = 5"),
        ("a => 5", "=>", "5", "a = 5"),
        ("a := 5", ":=", "5", "a = 5"),
        ("a : 5", ":", "5", "a = 5"),
        ("a: 5", ":", "5", "a = 5"),
        ("a:5", ":", "5", "a = 5"),
        ('a = "8MB"', '"8MB"', "8MB", "a = '8MB'"),
        ('a = "it\'s" # c', '"it\'s"', "it's", "a = 'it''s' # c"),
        ("a = 1.5MB", "1.5MB", "1.5MB", "a = '1.5MB'"),
        ("a = 1e2", "1e2", "1e2", "a = '1e2'"),
        ("a = 0.0.0.0", "0.0.0.0", "0.0.0.0", "a = '0.0.0.0'"),
        ("a = *", "*", "*", "a = '*'"),
        ("a = *;", "*", "*", "a = '*';"),
        ("a = a,b", "a,b", "a,b", "a = 'a,b'"),
        ("a = a, b # c", "a, b", "a, b", "a = 'a, b' # c"),
        ("a = 'a', 'b'", "'a', 'b'", "a, b", "a = 'a, b'"),
        ('a = "$user", public', '"$user", public', '"$user", public', "a = '\"$user\", public'"),
        ("a = /tmp", "/tmp", "/tmp", "a = '/tmp'"),
        ("a = foo.bar", "foo.bar", "foo.bar", "a = 'foo.bar'"),
        ("a = 64 MB", "64 MB", "64 MB", "a = '64 MB'"),
        ("a = 1\u00a0", "\u00a0", "1", "a = 1"),
        ("max-connections = 5", "max-connections", "5", "max_connections = 5"),
        ("a = 1 2", "2", None, "a = 1 2"),
        ("a = b c = d", "c = d", None, "a = b c = d"),
        ("a =", "a =", None, "a ="),
        ("a", "a", None, "a"),
        ("a = -- none", "a =", None, "a = -- none"),
        ("a = 'open", "'open", None, "a = 'open"),
        ("a = <value>", "<value>", "<value>", "a = <value>"),
        ("[mysqld]", "[mysqld]", None, "# [mysqld]"),
        ('"a" = 5', '"a"', None, "a = 5"),
        ("ALTER SYSTEM SET a = 5;", "ALTER SYSTEM SET a = 5;", None, "ALTER SYSTEM SET a = 5;"),
        ("= 5", "= 5", None, "= 5"),
    ],
)
def test_refused(line: str, place: str, value: str | None, fixed: str) -> None:
    parsed = read(f"x = 1\n{line}\ny = 2\n")
    assert [fault.span.text for fault in parsed.faults] == [place]
    (fault,) = parsed.faults
    assert fault.fatal
    assert fault.span.place == (2, line.index(place) + 1)
    assert len(fault.message) < 100
    between = [found for key, found in literals(parsed) if key not in "xy"]
    assert between == ([] if value is None else [value])
    assert cured(parsed) == f"x = 1\n{fixed}\ny = 2\n"
    assert (fault.fix is None) == (fixed == line)
    assert fault.fix is None or fault.fix.applicability == "safe"


def test_message_of_a_foreign_comment() -> None:
    (fault,) = read("max_connections = 100   -- Total\n").faults
    assert fault.message == "PostgreSQL reads -- as a syntax error: comments start with #, not --"
    assert str(fault.span) == "postgresql.conf:1:25"


def test_no_value_is_repeated_in_a_message() -> None:
    for line in ("primary_conninfo = password=hunter2", 'a = "hunter2"', "a = hunter2 hunter2", "a = 'hunter2"):
        assert not any("hunter2" in fault.message for fault in read(line).faults)


def test_spans() -> None:
    text = "  Work_Mem = '8 MB'  # c\r\n"
    (entry,) = read(text).entries
    assert entry.span.text == "Work_Mem = '8 MB'"
    assert (entry.key_span.text, entry.value_span.text) == ("Work_Mem", "'8 MB'")
    assert entry.value_span.place == (1, 14)


def test_duplicates_keep_their_order() -> None:
    assert literals(read("a = 1\nb = 2\nA = 3")) == [("a", "1"), ("b", "2"), ("a", "3")]


@pytest.mark.parametrize(
    ("data", "place"),
    [(b"\xef\xbb\xbfport = 1\n", "port"), (b"\xef\xbb\xbf# c\nport = 1\n", "# c"), (b"\xef\xbb\xbf\nport = 1\n", "")],
)
def test_byte_order_mark(data: bytes, place: str) -> None:
    parsed = parse(Source.from_bytes("postgresql.conf", data))
    assert [fault.span.text for fault in parsed.faults] == [place]
    assert literals(parsed) == [("port", "1")]


@pytest.mark.parametrize("value", ["{{ pg.max }}", "<%= @max %>", "@MAX_CONNECTIONS@", "'{{ pg.max }}'", "%max_connections%"])
def test_a_template_leaves_its_values_open_and_is_not_faulted(value: str) -> None:
    parsed = read(f"a = 1\nmax_connections = {value} # c\nbroken;;\n")
    assert parsed.faults == ()
    assert parsed.entries[1].value == Opaque(REASON, parsed.entries[1].value_span)
    assert parsed.entries[1].value_span.text == value
    assert literals(parsed)[0] == ("a", "1")


def test_what_a_template_switches_is_open() -> None:
    text = "a = 1\n{% if big %}\na = 2\n{% else %}\na = 3\n{% endif %}\nb = 4\n"
    assert literals(read(text)) == [("a", "1"), ("a", Opaque), ("a", Opaque), ("b", "4")]


def test_a_name_made_by_a_template_may_beat_what_is_above() -> None:
    assert literals(read("a = 1\n{{ name }} = {{ value }}\nb = 2\n")) == [("a", Opaque), ("b", "2")]


def test_variables_are_no_syntax_but_may_be_a_template() -> None:
    parsed = read("max_connections = ${MAX}\n")
    assert [fault.span.text for fault in parsed.faults] == ["${MAX}"]
    assert literals(parsed) == [("max_connections", Opaque)]
    parsed = read("max_connections = ${MAX}\n", "postgresql.conf.template")
    assert parsed.faults == ()
    assert literals(parsed) == [("max_connections", Opaque)]


def test_the_stock_comments_that_look_like_erb() -> None:
    assert literals(read("#log_line_prefix = ''\t# e.g. '<%u%%%d> '\n#   %% = '%'\na = 1\n")) == [("a", "1")]


def arguments(line: str) -> Parsed:
    source = Source("command", line)
    words, at = [], 0
    for word in line.split(" "):
        words.append((word, source.span(at, at + len(word))))
        at += len(word) + 1
    return parse_arguments([word for word in words if word[0]])


@pytest.mark.parametrize(
    ("line", "entries"),
    [
        ("postgres -c max_connections=200", [("max_connections", "200")]),
        ("-cmax_connections=200", [("max_connections", "200")]),
        ("--max-connections=12 --Work-Mem=4MB", [("max_connections", "12"), ("work_mem", "4MB")]),
        ("-N 9 -B 64MB -p5433", [("max_connections", "9"), ("shared_buffers", "64MB"), ("port", "5433")]),
        ("-c a=1 -c a=2", [("a", "1"), ("a", "2")]),
        ("-c config_file=/x -D /data", [("config_file", "/x"), ("data_directory", "/data")]),
        ("-iF -lN9", [("listen_addresses", "*"), ("fsync", "false"), ("ssl", "true"), ("max_connections", "9")]),
        ("-d 3 -r out -c a=b=c", [("a", "b=c")]),
        ("-c a=", [("a", "")]),
        ("--single -c a=1 -- -c a=2", [("a", "1")]),
    ],
)
def test_arguments(line: str, entries: list[tuple[str, str]]) -> None:
    parsed = arguments(line)
    assert literals(parsed) == entries
    assert parsed.faults == ()


@pytest.mark.parametrize(
    ("line", "place", "entries", "fixed"),
    [
        ("-c n = v", "n = v", [("n", "v")], "-c n=v"),
        ("-c n =v -c m=1", "n =v", [("n", "v"), ("m", "1")], "-c n=v -c m=1"),
        ("-c n= v", "n= v", [("n", "v")], "-c n=v"),
        ("-c n -c m=1", "n", [("m", "1")], None),
        ("--max-connections -c m=1", "--max-connections", [("m", "1")], None),
        ("-c m=1 n=2", "n=2", [("m", "1")], None),
        ("-c", "-c", [], None),
    ],
)
def test_arguments_refused(line: str, place: str, entries: list[tuple[str, str]], fixed: str | None) -> None:
    parsed = arguments(line)
    assert [fault.span.text for fault in parsed.faults] == [place]
    assert literals(parsed) == entries
    assert cured(parsed) == (fixed or line)


def test_argument_spans() -> None:
    source = Source("docker-compose.yml", 'command: ["-c", "max_connections=200"]')
    flag, setting = source.span(10, 14), source.span(16, 37)
    (entry,) = parse_arguments([("-c", flag), ("max_connections=200", setting)]).entries
    assert (entry.key_span.text, entry.value_span.text) == ("max_connections", "200")
    assert entry.span == Span(source, 10, 36)
    assert isinstance(entry, Entry)


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("020", 16), ("0x1F", 31), ("99.6", 100), ("99.5", 100), ("98.5", 98), (" 7 ", 7), ("1e2", 100)]
)
def test_integers(text: str, value: int) -> None:
    assert read_integer(text) == value


@pytest.mark.parametrize("text", ["", "x", "08", "1kB", "1_0", "inf", "nan", "2147483648", "٣", "9" * 5000, "0x", "1e"])
def test_no_integers(text: str) -> None:
    with pytest.raises(ValueError, match=r"PostgreSQL"):
        read_integer(text)


@pytest.mark.parametrize(
    ("text", "unit", "seconds"),
    [
        ("30", "ms", 0.03),
        ("500us", "ms", 0),
        ("1.5s", "ms", 1.5),
        ("5 min", "s", 300),
        ("60", "s", 60),
        ("1d", "min", 86400),
        ("0", "ms", 0),
    ],
)
def test_times(text: str, unit: str, seconds: float) -> None:
    assert read_time(text, unit) == seconds


@pytest.mark.parametrize(
    ("text", "unit", "size"),
    [
        ("4MB", "kB", 4 << 20),
        ("16384", "8kB", 128 << 20),
        ("'", "kB", None),
        ("0.1GB", "kB", 102 << 20),
        ("1", "MB", 1 << 20),
        ("100B", "kB", 0),
    ],
)
def test_memory(text: str, unit: str, size: int | None) -> None:
    if size is None:
        with pytest.raises(ValueError, match="no number"):
            read_memory(text, unit)
    else:
        assert read_memory(text, unit) == size


@pytest.mark.parametrize("text", ["8mb", "8M", "8192KB", "5m", "8 MB x"])
def test_units_are_exact(text: str) -> None:
    with pytest.raises(ValueError, match="units are"):
        read_memory(text, "kB")


@pytest.mark.parametrize(
    ("text", "value"), [("on", True), ("T", True), ("ye", True), ("1", True), ("OF", False), ("n", False), ("fal", False), ("0", False)]
)
def test_booleans(text: str, value: bool) -> None:
    assert read_boolean(text) is value


@pytest.mark.parametrize("text", ["o", "", "2", "enabled", "on "])
def test_no_booleans(text: str) -> None:
    with pytest.raises(ValueError, match="boolean"):
        read_boolean(text)


def test_reals_and_enums() -> None:
    assert read_real(" 1.5e0 ") == 1.5
    assert read_enum("Replica", ["minimal", "replica"]) == "replica"
    with pytest.raises(ValueError, match="minimal, replica"):
        read_enum("rep", ["minimal", "replica"])


def test_time_is_linear() -> None:
    started = time.perf_counter()
    for line in ("a = '" + "'" * 400_000, "a = " + "1," * 200_000, "-" * 400_000, "a = " + '"#' * 200_000, "{{" * 200_000, "a " * 200_000):
        read(line)
    assert time.perf_counter() - started < 3
