"""Secrets never leave polint: every shown text passes through here first.

What is hidden becomes asterisks, one for each character, so columns and carets
stay where they were.  It hides too much rather than too little: names decide,
not values, and only references (``${NAME}``) and file names stay readable.
"""

from __future__ import annotations

import re

from .patterns import lazy

_WORD = lazy(r"pass(?:word|wd|phrase|code)?|pwd|secret|token|key|credential|salt|\bpw\b", re.IGNORECASE)
# last parts of names that speak about a secret without holding one
_ABOUT = frozenset(
    "file path dir ttl lifetime timeout expiry expires expiration length type method encryption algorithm policy max min required "
    "id_claim hint hash_cost rounds".split()
)
_KEY_OWNERS = frozenset("api app access secret private auth encryption master license signing jwt service aws account sentry".split())
_WHOLE = frozenset(("pass", "pwd", "pw", "salt"))
_BEGINNINGS = ("secret", "token", "credential", "passwd", "passphrase", "passcode")
_ENDINGS = ("secret", "token", "apikey", "passwd")
_REFERENCE = lazy(r"\$\{\w+:?\?[^{}]*\}|\$\{?\w+\}?|\{\{[^{}]*\}\}|\{[\w.]*\}|%\w?|<[\w .-]+>|\*+|\$\(\w+\)")
_WITH_DEFAULT = lazy(r"(\$\{\w+:?[-=+])(.*)(\})", re.DOTALL)
_DATABASES = ("postgres", "pgsql", "mysql", "mariadb", "mongodb", "redis", "rediss", "amqp", "amqps", "sqlserver", "cockroach")
_TOKEN = lazy(r"[^\s\"'`<>]*+")
_TYPE = lazy(r"[\w<>&:' ]{0,40}=")
_NAME_LIMIT = 80
_PREFIX_LIMIT = 120
_REACH = 160  # how far behind a name in code its quoted value may stand
_STARTS = ("", "-", "export", "env", "arg", "set", "-e", "const", "static")


def mask(text: str) -> str:
    """``text`` with every secret in it hidden; as long as before."""
    if "\n" in text:
        return "\n".join(map(mask, text.split("\n")))
    ranges = _urls(text) + _named(text)
    if "PDO" in text:
        ranges += _pdo(text)
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


def _is_secret_name(name: str) -> bool:
    """Whether a variable or key of this name holds a secret."""
    spaced = re.sub(r"([a-z\d])([A-Z])", r"\1_\2", name).lower()
    parts = [part for part in re.split(r"[_.\-]+", spaced) if part]
    if not parts or parts[-1] in _ABOUT:
        return False
    for number, part in enumerate(parts):
        if part in ("key", "keys"):
            if number and (parts[number - 1] in _KEY_OWNERS or name.isupper()):
                return True
        elif part in _WHOLE or part.startswith(_BEGINNINGS) or part.endswith(_ENDINGS) or "password" in part:
            return True
    return False


def _named(text: str) -> list[tuple[int, int]]:
    """Values behind names that tell a secret: ``DB_PASSWORD=x``, ``password: 'x'``, ``env('DB_PASSWORD', 'x')``."""
    ranges: list[tuple[int, int]] = []
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
            value, at = _value(text, start, end)
            ranges += value


def _value(text: str, start: int, end: int) -> tuple[list[tuple[int, int]], int]:
    """What to hide of the value that belongs to the name at ``start`` to ``end``, and where to go on."""
    quoted = end < len(text) and text[end] in "\"'"
    before = text[max(0, start - _PREFIX_LIMIT) : start]
    if before.endswith("${"):  # ${NAME:-x}
        at = end + (text[end : end + 1] == ":")
        if text[at : at + 1] not in ("-", "=", "+"):
            return [], end
        close = text.find("}", at)
        return _veil(text, at + 1, close if close >= 0 else len(text)), close if close >= 0 else len(text)
    at = _past(text, end + quoted, "] \t") if quoted or text.startswith("]", end) else _past(text, end, " \t")
    leading = before.strip().rstrip("\"'{").strip().lower() if start < _PREFIX_LIMIT else "?"
    for sign in ("=>", ":=", "=", ":", ",", "("):
        if text.startswith(sign, at):
            break
    else:
        if quoted and text.startswith(")", at):  # env::var("DB_PASSWORD").unwrap_or("x")
            return _quoted(text, at, at + _REACH, False)
        if not quoted and end < at < len(text) and text[at] in "\"'":  # PASSWORD 'x', as in SQL
            return _quoted(text, at, at + _REACH, False)
        if leading in ("env", "arg") and end < at:  # ENV DB_PASSWORD x, as in a Dockerfile
            return _veil(text, at, len(text)), len(text)
        return [], at
    begin = _past(text, at + len(sign), " \t")
    if begin >= len(text):
        return [], begin
    if text[begin] in "\"'`":
        return _quoted(text, begin, len(text), False)
    if sign in (",", "(", "=>"):
        return _quoted(text, begin, begin + _REACH, sign != ",")
    if leading in _STARTS and not text[-_PREFIX_LIMIT:].rstrip().endswith((";", "{", "(", ")")):
        stop = text.find(before[-1], begin) if before[-1:] in ("'", '"') else -1
        stop = stop if stop >= 0 else _comment(text, begin)
        return _veil(text, begin, stop), stop
    if not (text[start:end].isupper() or at == end + quoted):
        return _quoted(text, begin, begin + _REACH, True)
    stop = begin
    while stop < len(text) and text[stop] not in " \t,;&\"'`)}":
        stop = text.find("}", stop) + 1 or len(text) if text.startswith("${", stop) else stop + 1
    hidden = _veil(text, begin, stop)
    typed = _TYPE.match(text, begin) if sign == ":" else None
    if typed:  # const DB_PASSWORD: &str = "x"
        more, stop = _quoted(text, max(stop, typed.end()), typed.end() + _REACH, True)
        hidden += more
    return hidden, stop


def _quoted(text: str, at: int, limit: int, to_comma: bool) -> tuple[list[tuple[int, int]], int]:
    """The first quoted text from ``at`` on; one that is the name given to an env call is left to its own turn."""
    limit = min(limit, len(text))
    while at < limit and text[at] not in "\"'`":
        if to_comma and text[at] == ",":
            return [], at
        at += 1
    if at >= limit:
        return [], limit
    if text[max(0, at - 40) : at].rstrip().endswith(("env(", "var(", "getenv(", "var_os(", "config(", "ENV[", "env!(", "ENV.fetch(")):
        return [], at
    end = at + 1
    while end < len(text) and text[end] != text[at]:
        end += 2 if text[end] == "\\" else 1
    end = min(end, len(text))
    return _veil(text, at + 1, end), end


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


def _pdo(text: str) -> list[tuple[int, int]]:
    """The third argument of ``new PDO(dsn, user, password)``."""
    at = text.find("PDO(")
    if at < 0:
        return []
    at += 4
    commas = depth = 0
    while at < len(text):
        char = text[at]
        if char in "\"'":
            end = at + 1
            while end < len(text) and text[end] != char:
                end += 2 if text[end] == "\\" else 1
            if commas == 2:
                return _veil(text, at + 1, min(end, len(text)))
            at = end
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
            if depth < 0:
                break
        elif char == "," and not depth:
            commas += 1
            if commas > 2:
                break
        at += 1
    return []
