"""Who else reads a variable, and what is made of it: whether its value can change, or a URL get longer, without anybody noticing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence

from ..patterns import lazy
from ..source import Span
from .project import Service, Tree
from .variables import names_word

_NAME = lazy(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b")
# the last thing that gets a value there: a variable, or a field
_BOUND = lazy(r"\blet\s+(?:mut\s+)?([a-z_]\w*)[^=;]*=(?!=)[^;]*$|([a-z_]\w*)\s*(?::(?!:)|=(?![=>]))[^;=]*$")
_SCRIPTS = ("", ".sh", ".bash", ".zsh", ".mk", ".yml", ".yaml")
_OTHERS = (".toml", ".json", ".j2", ".sql", ".xml", ".ini", ".conf", ".html")  # name variables, but read none


def is_taken_whole(source: Span, service: Service | None, folders: Sequence[str], tree: Tree) -> bool:
    """Whether no program or script that is seen takes the URL at ``source`` apart, or puts something behind it."""
    text = source.source.text
    line = text[text.rfind("\n", 0, source.start) + 1 : source.start]
    names = set(_NAME.findall(line))
    if not names:
        return True  # it stands in the code itself
    words = [word for word, _ in service.command] if service is not None else []
    if any(_is_cut(word, name) for word in words for name in names):
        return False
    at = posixpath.dirname(source.path)
    scripts = [path for path in tree.paths("shell") if not at or path.startswith(f"{at}/")]
    placed = list(service.mounts.values()) if service is not None else []
    within = [path for folder in (*folders, *(service.folders if service is not None else ())) for path in tree.programs(folder)]
    return not any(_takes_apart(path, names, tree) for path in dict.fromkeys((*scripts, *placed, *within)) if path != source.path)


def is_read_once(place: Span, code: Span) -> bool:
    """Whether a file of code, as far as it reads the variable whose value stands at ``place``, uses it in one place only."""
    text, written = code.source.text, place.source.text
    line = written[written.rfind("\n", 0, place.start) + 1 : place.start]
    for name in _NAME.findall(line) if place.source is not code.source else ():
        reads = list(re.finditer(rf"[\"']{name}[\"']", text))
        bound = [_BOUND.search(re.split(r"[;{}]", text[max(one.start() - 200, 0) : one.start()])[-1]) for one in reads]
        if len(reads) > 1 or any(one is not None and len(re.findall(rf"\b{one[1] or one[2]}\b", text)) > 2 for one in bound):
            return False
    return True


def _takes_apart(path: str, names: Iterable[str], tree: Tree) -> bool:
    data = tree.data(path)
    if not any(name.encode() in data for name in names):
        return False
    text = data.decode("utf-8", "replace")
    named = [name for name in names if names_word(text, name)]
    ending = posixpath.splitext(path)[1]
    if not named or ending in _OTHERS:
        return False
    if ending in (".rs", ".php"):
        return any(_is_worked_on(text, name) for name in named)
    return any(_is_cut(text, name) for name in named) if ending in _SCRIPTS else True


def _is_cut(text: str, name: str) -> bool:
    """Whether a shell would take a part of the variable, or put something behind it."""
    return re.search(rf"\$\{{{name}(?!:?[-?]|\}})|\$(?:{name}\b|\{{{name}[^}}]*\}})[\w/?&.:@-]", text) is not None


def _is_worked_on(text: str, name: str) -> bool:
    """Whether Rust or PHP makes another text of the variable, as far as the file that reads it shows."""
    for found in re.finditer(rf"[\"']{name}[\"']", text):
        before, after = text[max(found.start() - 200, 0) : found.start()], text[found.end() : found.end() + 300]
        statement = re.split(r"[;{}]", before)[-1]
        rest = re.split(r"[;}]", after)[0]
        if re.search(r"\bformat!|\bconcat!|\bsprintf\b|\bstr_replace\b|\bpreg_replace\b|\bparse_url\b", statement) or _WORK.search(rest):
            return True
        bound = _BOUND.search(statement)
        if bound is not None and _is_used(text, bound[1] or bound[2]):
            return True
    return False


_WORK = lazy(r"\+\s*&?[\"'\w]|\"\s*\.\s*\$|\.\s*[\"']|\.(?:r?split|rfind|strip_|trim_end|replace|push_str|find)\w*\(")


def _is_used(text: str, word: str) -> bool:
    """Whether another text is made of what is called ``word``."""
    same = rf"\b{word}\b(?:\.(?:clone|to_string|as_str|to_owned)\(\))*"
    cut = r"\.(?:r?split|rfind|strip_|trim_end|replace|push_str|find)\w*\("
    patterns = (
        rf"{same}\s*(?:\+\s*&?[\"'\w]|\.\s*[\"']|{cut})",
        rf"\b(?:format!|concat!|sprintf|str_replace|preg_replace|parse_url)\s*\([^;]*\b{word}\b",
        rf"\bformat!\s*\([^;]*\{{{word}\}}",
    )
    return any(re.search(pattern, text) for pattern in patterns)
