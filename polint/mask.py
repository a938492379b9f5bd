"""Secrets never leave polint: every shown text passes through here first.

What is hidden becomes asterisks, one for each character, so columns and carets
stay where they were.  It hides too much rather than too little: names decide,
not values, and only references (``${NAME}``) and file names stay readable.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .maskcode import literals, psql_variable, secrets, sql_text
from .patterns import lazy

_WORD = lazy(r"pass(?:word|wd|phrase|code)?|masterauth|pwd|secret|token|key|credential|salt|\bpw\b", re.IGNORECASE)
# last parts of names that speak about a secret without holding one
_ABOUT = frozenset(
    "file path dir ttl lifetime timeout expiry expires expiration length type method encryption algorithm policy max min required "
    "id_claim hint hash_cost rounds".split()
)
_KEY_OWNERS = frozenset("api app access secret private auth encryption master license signing jwt service aws account sentry".split())
_WHOLE = frozenset(("pass", "pwd", "pw", "salt"))
_BEGINNINGS = ("secret", "token", "credential", "passwd", "passphrase", "passcode")
_ENDINGS = ("secret", "token", "apikey", "passwd", "pass", "masterauth")
_NO_SECRETS = frozenset(("bypass", "compass", "encompass"))
_REFERENCE = lazy(r"\$\{\w+:?\?[^{}]*\}|\$\{?\w+\}?|\{\{[^{}]*\}\}|\{[\w.]*\}|%\w?|<[\w .-]+>|\*+|\$\(\w+\)")
_WITH_DEFAULT = lazy(r"(\$\{\w+:?[-=+])(.*)(\})", re.DOTALL)
_DATABASES = ("postgres", "pgsql", "mysql", "mariadb", "mongodb", "redis", "rediss", "amqp", "amqps", "sqlserver", "cockroach")
_TOKEN = lazy(r"[^\s\"'`<>]*+")
# curl -u user:x, wget --user=user:x
_USER = lazy(r"(?<![\w-])(?:-u[ \t]?|--(?:proxy-)?user[ \t=]+)[\"']?([^\s:\"']{1,200}):([^\s\"']++)")
_PASSED = lazy(
    r"(?<![\w-])--?[\w-]{0,40}(?:pass(?:word|wd|phrase)?|secret|token|requirepass|masterauth)[ \t]++[\"']?([^\s\"'-][^\s\"']*+)"
    r"|authorization[\"']?[ \t]*[:=][ \t]*[\"']?([^\"'\n]++)",
    re.IGNORECASE,
)
_STORED = lazy(r"(?<![0-9A-Za-z])md5[0-9a-fA-F]{32}(?![0-9A-Za-z])|SCRAM-SHA-256\$[^\s\"']{20,}")
_DIRECTIVES = ("env[", "php_value[", "php_admin_value[")
_NAMES_OF_SECRETS = lazy(r"[ \t]*secrets:[ \t]*\[[ \t]*(?:[\w.-]+(?:[ \t]*,[ \t]*[\w.-]+)*)?[ \t]*\](?:[ \t]+#.*)?\s*")  # Compose's key
_NAME_LIMIT = 80
_PREFIX_LIMIT = 120
_HUMP = lazy(r"([a-z\d])([A-Z])")
_SEPARATORS = lazy(r"[_.\-]+")
_STARTS = ("", "-", "export", "env", "arg", "set", "-e", "const", "static")


def mask(text: str, before: str = "") -> str:
    """``text`` with every secret in it hidden; as long as before.

    ``before`` are the lines above it in its file: a password may stand alone on its line.
    """
    ranges: list[tuple[int, int]] = []
    at = 0
    whole = before + text
    has_name = _WORD.search(whole) is not None
    for line in text.split("\n") if "\n" in text else (text,):
        found = _urls(line) + _options(line) + _stored(line)
        if has_name and not _NAMES_OF_SECRETS.fullmatch(line):
            found += _named(line)
        ranges += [(at + start, at + end) for start, end in found] if at else found
        at += len(line) + 1
    if has_name and before:
        ranges += _carried(text, before)
    if '"' in whole or "'" in whole or "`" in whole or "$" in whole:
        cut = len(before)
        for start, end in secrets(whole, _is_secret_name, has_name):
            if end > cut:
                ranges += [(low - cut, high - cut) for low, high in _veil(whole, max(start, cut), end)]
    if not ranges:
        return text
    out: list[str] = []
    at = 0
    for start, end in sorted(ranges):
        start = max(start, at)
        if end > start:
            out.append(text[at:start])
            out.append("*" * (end - start))
            at = end
    out.append(text[at:])
    return "".join(out)


def _stored(text: str) -> list[tuple[int, int]]:
    """Secrets as PostgreSQL and PgBouncer keep them: an MD5 one is all a client needs to log in."""
    if "md5" not in text and "SCRAM-SHA-256$" not in text:
        return []
    return [found.span() for found in _STORED.finditer(text)]


def _veil(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """What to hide of the value at ``start`` to ``end``."""
    if start >= end or (end - start < 200 and _REFERENCE.fullmatch(text, start, end)):
        return []
    found = _WITH_DEFAULT.fullmatch(text, start, end) if text[start] == "$" else None
    return [found.span(2)] if found else [(start, end)]


def _urls(text: str) -> list[tuple[int, int]]:
    """Passwords in ``scheme://user:password@host``."""
    ranges: list[tuple[int, int]] = []
    at = text.find("://")
    while at >= 0:
        scheme = at
        while scheme > max(0, at - 32) and (text[scheme - 1].isalnum() or text[scheme - 1] in "+.-"):
            scheme -= 1
        start = at + 3
        following = text.find("://", start)
        token = _TOKEN.match(text, start, following if following >= 0 else len(text))
        end = token.end() if token else start
        # the password of a database may hold a bare slash; other addresses may hold an @ behind theirs
        colon, sign = _credentials(text, start, end, text[scheme:at].lower().startswith(_DATABASES))
        if 0 <= colon < sign:
            ranges += _veil(text, colon + 1, sign)
        at = following
    return ranges


def _credentials(text: str, start: int, end: int, to_the_end: bool) -> tuple[int, int]:
    """The colon before a password and the @ behind it, or -1; signs inside ``${...}`` are part of a name."""
    colon = sign = -1
    depth = 0
    for at in range(start, end):
        char = text[at]
        if char == "{":
            depth += 1
        elif char == "}":
            depth = max(0, depth - 1)
        elif char == "@":
            sign = at
        elif depth == 0 and char == ":" and colon < 0:
            colon = at
        elif depth == 0 and char in "/?#" and not to_the_end:
            break
    return (text.find(":", start, sign) if colon < 0 < sign else colon), sign


@lru_cache(maxsize=1024)
def _is_secret_name(name: str) -> bool:
    """Whether a variable or key of this name holds a secret."""
    parts = [part for part in _SEPARATORS.split(_HUMP.sub(r"\1_\2", name).lower()) if part]
    if not parts or parts[-1] in _ABOUT:
        return False
    for number, part in enumerate(parts):
        if part in ("key", "keys"):
            if number and (parts[number - 1] in _KEY_OWNERS or name.isupper()):
                return True
        elif part in _NO_SECRETS or (part.startswith("token") and part != "token" and not name.isupper()):
            continue  # tokens, tokenizer: words of a text
        elif part in _WHOLE or part.startswith(_BEGINNINGS) or part.endswith(_ENDINGS) or "password" in part:
            return True
    return False


def _named(text: str) -> list[tuple[int, int]]:
    """Values behind names that tell a secret: ``DB_PASSWORD=x``, ``password: 'x'``, ``env('DB_PASSWORD', 'x')``."""
    ranges: list[tuple[int, int]] = []
    strings = _Strings(text)
    at = 0
    while True:
        found = _WORD.search(text, at)
        if found is None:
            return ranges
        start, end = found.span()
        low, high = max(at, start - _NAME_LIMIT), min(len(text), end + _NAME_LIMIT)
        while start > low and (text[start - 1].isalnum() or text[start - 1] in "_-."):
            start -= 1
        while end < high and (text[end].isalnum() or text[end] in "_-."):
            end += 1
        at = end
        start += len(text[start:end]) - len(text[start:end].lstrip("-."))
        if _is_secret_name(text[start:end]):
            value, at = _value(text, start, end, strings)
            ranges += value


def _value(text: str, start: int, end: int, strings: _Strings) -> tuple[list[tuple[int, int]], int]:
    """What to hide of the value that belongs to the name at ``start`` to ``end``, and where to go on."""
    quoted = end < len(text) and text[end] in "\"'"
    escaped = text[end : end + 2] in ('\\"', "\\'")
    before = text[max(0, start - _PREFIX_LIMIT) : start]
    if before.endswith("${"):  # ${NAME:-x}
        at = end + (text[end : end + 1] == ":")
        if text[at : at + 1] not in ("-", "=", "+"):
            return [], end
        close = text.find("}", at)
        return _veil(text, at + 1, close if close >= 0 else len(text)), close if close >= 0 else len(text)
    if start < _PREFIX_LIMIT and before.lstrip().lower() in _DIRECTIVES:  # env[DB_PASSWORD] = x, and what is close to it
        begin = _past(text, end, "] \t=")
        return _veil(text, begin, len(text.rstrip())), len(text)
    at = _past(text, end + quoted, "] \t") if quoted or text.startswith("]", end) else _past(text, end + 2 * escaped, " \t")
    if text[start:end].lower() == "password":
        if (stop := psql_variable(text, start, end)) >= 0:
            return [], stop
        bare = not quoted or (text[start - 1 : start] != text[end] and not strings.closes(end))  # PASSWORD'x'
        literal = sql_text(text, end) if bare else None
        if literal is not None and (text[literal[0] - 1] == "$" or not strings.closes(literal[0] - 1)):
            return _veil(text, *literal), literal[1]
    leading = before.strip().rstrip("\"'{").strip().lower() if start < _PREFIX_LIMIT else "?"
    for sign in ("=>", ":=", "=", ":", ",", "("):
        if text.startswith(sign, at):
            break
    else:
        if not quoted and end < at < len(text) and text[at] in "\"'":  # PASSWORD 'x', as in SQL
            return _quoted(text, at, strings)
        if leading in ("env", "arg") and end < at:  # ENV DB_PASSWORD x, as in a Dockerfile
            return _veil(text, at, len(text)), len(text)
        return [], at
    if text.startswith("::", at):
        return [], at
    begin = _past(text, at + len(sign), " \t")
    if begin >= len(text):
        return [], begin
    if text.startswith(("\\'", '\\"'), begin):  # "{\"password\": \"x\"}"
        close = text.find(text[begin : begin + 2], begin + 2)
        close = close if close >= 0 else len(text)
        return _veil(text, begin + 2, close), close
    is_line = leading in _STARTS and not text[-_PREFIX_LIMIT:].rstrip().endswith((";", "{", "(", ")", ",", "]", "}"))
    if text[begin] in "\"'`":
        hidden, stop = _quoted(text, begin, strings)
        rest = text[stop + 1 :].strip()
        if is_line and rest and not rest.startswith(("#", ";", "//")):  # A="x"y, or quotes that nobody closes
            return [*hidden, (stop + 1, len(text))], len(text)
        return hidden, stop
    if sign in (",", "(", "=>"):
        return [], at  # an expression: its literals are looked at elsewhere
    if is_line:
        stop = text.find(before[-1], begin) if before[-1:] in ("'", '"') else -1
        stop = stop if stop >= 0 else _comment(text, begin)
        return _veil(text, begin, stop), stop
    if not (text[start:end].isupper() or at == end + quoted):
        return [], begin
    stop = begin
    while stop < len(text) and text[stop] not in " \t,;&\"'`)}":
        stop = text.find("}", stop) + 1 or len(text) if text.startswith("${", stop) else stop + 1
    return _veil(text, begin, stop), stop


def _quoted(text: str, at: int, strings: _Strings) -> tuple[list[tuple[int, int]], int]:
    """The text in quotes that opens at ``at``; nothing when the quote there closes the text that holds the name."""
    if strings.closes(at):
        return [], at
    end = at + 1
    while end < len(text) and text[end] != text[at]:
        end += 2 if text[end] == "\\" else 1
    end = min(end, len(text))
    return _veil(text, at + 1, end), end


class _Strings:
    """The ends of the quoted texts of a line, looked for when first asked."""

    __slots__ = ("_ends", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends: frozenset[int] | None = None

    def closes(self, at: int) -> bool:
        """Whether the quote at ``at`` ends a quoted text that began before it."""
        if self._ends is None:
            self._ends = frozenset(end for _, end in literals(self._text))
        return at in self._ends


def _comment(text: str, start: int) -> int:
    """Where an unquoted value that starts at ``start`` ends: at a comment or the end of the line."""
    end = text.find(" #", start)
    end = end if end >= 0 else len(text)
    while end > start and text[end - 1].isspace():
        end -= 1
    return end


def _past(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


def _options(text: str) -> list[tuple[int, int]]:
    """What a program is given on its command line or in a header: ``-u user:x``, ``--password x``, ``Authorization: x``."""
    ranges: list[tuple[int, int]] = []
    if "-u" in text:
        for found in _USER.finditer(text):
            if not (found[1].isdigit() and found[2].isdigit()):  # -u 1000:1000 is no secret
                ranges += _veil(text, *found.span(2))
    for found in _PASSED.finditer(text) if "-" in text or "uthorization" in text.lower() else ():
        ranges += _veil(text, *found.span(1 if found[1] is not None else 2))
    return ranges


def _carried(text: str, before: str) -> list[tuple[int, int]]:
    """The whole of a line whose value belongs to a name above it: a YAML block, a list item, a text in quotes that goes on."""
    lines = before.rstrip("\r\n").split("\n")
    body = text.strip()
    start = text.find(body)
    if not body:
        return []
    hidden = [(start, start + len(body))]
    if body.startswith("- "):
        option = lines[-1].strip().lstrip("- \t").strip("\"' ,")
        if lines[-1].lstrip(" -\t\"'") != lines[-1] and "--" in lines[-1] and _is_secret_name(option):
            begin = start + len(body) - len(body[1:].lstrip(" \"'"))
            return [(begin, len(text.rstrip("\r\n\"' ")))]
    for line in reversed(lines):  # the nearest line further left
        if body.startswith("- ") and line.strip().startswith("- "):
            continue
        if line.strip() and len(line) - len(line.lstrip()) < start:
            key, colon, rest = line.strip().lstrip("- ").partition(":")
            value = rest.strip()[:1]
            listed = body.startswith("- ") and key.strip("\"' ") != "secrets"  # Compose's list of names
            plain = not value and (listed or not body.startswith(("- ", "#", "{", "["))) and ": " not in body and not body.endswith(":")
            if colon and (plain or value in ("|", ">")) and _is_secret_name(key.strip("\"' ")):
                return hidden
            break
    for line in reversed(lines):
        name, equals, value = line.partition("=")
        quote = value[:1]
        if equals and quote in ("'", '"') and name.replace("export ", "").strip().isidentifier():
            is_open = value.count(quote) == 1 and not any(quote in later for later in lines[lines.index(line) + 1 :])
            return hidden if is_open and _is_secret_name(name.replace("export ", "").strip()) else []
    return []
