"""The text of rule expressions: parsed with Python's own grammar, its holes found, its mistakes placed."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Iterable

MAX_LENGTH = 1000
ELSEWHERE = "put it in a model property"


class ExprError(Exception):
    """What is wrong with an expression; ``offset`` is the character in its text where it is wrong."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class UnjudgedError(ExprError):
    """An expression rests on a param whose declaration is wrong: that is to be mended first."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the closest of ``known``, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def parse(text: str) -> ast.expr:
    """The tree of one expression, whose own offsets go through ``offset_of``; ExprError when it is none."""
    if not text.strip():
        raise ExprError("an expression is missing")
    if len(text) > MAX_LENGTH:  # so that no tree is deep enough to hurt
        raise ExprError(f"longer than {MAX_LENGTH} characters: {ELSEWHERE}")
    line = text.replace("\n", " ").replace("\r", " ").lstrip()
    blank = len(text) - len(line)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a doubtful literal is a mistake here
            tree = ast.parse(line, mode="eval")
    except SyntaxError as error:
        column = error.offset - 1 if error.offset else len(line)  # 0: the text ends too early
        raise ExprError("not an expression", min(blank + column, len(text.rstrip()))) from None
    except (ValueError, RecursionError, MemoryError):
        raise ExprError("not an expression") from None
    if "#" in line:  # in a folded text it would swallow what follows
        for token in tokenize.generate_tokens(io.StringIO(line).readline):
            if token.type == tokenize.COMMENT:
                raise ExprError("a comment does not belong in an expression", blank + token.start[1])
    return tree.body


def offset_of(text: str, node: ast.AST) -> int:
    """Character offset of a node in the text it was parsed from; the node's own counts bytes of the stripped text."""
    line = text.lstrip()
    return len(text) - len(line) + len(line.encode()[: getattr(node, "col_offset", 0)].decode(errors="ignore"))


def split_template(text: str) -> Iterable[tuple[str, str | None, str, int]]:
    """The parts of a text with holes: (text before, expression or None at the end, format, offset of the expression)."""
    literal: list[str] = []
    at = 0
    while at < len(text):
        character = text[at]
        if character in "{}" and text[at : at + 2] == character * 2:
            literal.append(character)
            at += 2
        elif character == "}":
            raise ExprError("a lone '}': write '}}'", at)
        elif character == "{":
            hole, spec, end = _hole_at(text, at + 1)
            yield "".join(literal), hole, spec, at + 1
            literal, at = [], end
        else:
            literal.append(character)
            at += 1
    if literal:
        yield "".join(literal), None, "", at


def _hole_at(text: str, start: int) -> tuple[str, str, int]:
    """The expression and the format of the hole that opens before ``start``, and where it ends."""
    quote, colon, depth = "", -1, 0
    for at in range(start, len(text)):
        character = text[at]
        if quote:
            quote = "" if character == quote else quote
        elif colon >= 0:
            if character == "}":
                return text[start:colon], text[colon + 1 : at], at + 1
        elif character in "'\"":
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == ":" and depth <= 0:
            colon = at
        elif character == "}":
            return text[start:at], "", at + 1
    raise ExprError("a hole without its '}': write '{{' for a brace", start - 1)
