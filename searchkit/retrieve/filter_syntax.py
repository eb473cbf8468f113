"""Text of a filter -> its tree.

    filter     = conjunct { "or" conjunct }
    conjunct   = term { "and" term }
    term       = { "not" } ( "(" filter ")" | test )
    test       = column comparison value
               | column [ "not" ] "in" "(" value { "," value } ")"
               | column [ "not" ] "contains" string
               | column "is" [ "not" ] "null"
    comparison = "=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">="

Strings stand in single or double quotes, names with spaces in backquotes; a quote is doubled
inside its own kind. The words of the grammar may be written in capitals.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from searchkit.errors import QueryError

MAX_DEPTH = 50  # parentheses inside parentheses
EXAMPLE = "year >= 2015 and venue in ('ACL', 'ApJ')"


class Column(NamedTuple):
    name: str
    position: int  # of its first character in the text, from 1


Value: TypeAlias = str | int | float | bool


class Compare(NamedTuple):
    column: Column
    sign: str  # = != < <= > >=
    value: Value


class Among(NamedTuple):
    column: Column
    values: tuple[Value, ...]


class Contains(NamedTuple):
    column: Column
    text: str


class IsNull(NamedTuple):
    column: Column


class Not(NamedTuple):
    part: Node


class Every(NamedTuple):
    parts: tuple[Node, ...]


class Some(NamedTuple):
    parts: tuple[Node, ...]


Test: TypeAlias = Compare | Among | Contains | IsNull
Node: TypeAlias = Test | Not | Every | Some


def parse_tree(text: str) -> Node:
    """The tree of a filter, or QueryError with the position of what is wrong."""
    parser = _Parser(list(_tokens(text)))
    tree = parser.filter(depth=0)
    parser.take("end", expected="'and', 'or' or the end")
    return tree


def refuse(position: int, why: str) -> QueryError:
    end = "" if why.endswith("?") else "."
    return QueryError(f"filter, position {position}: {why}{end} Write it like: {EXAMPLE}")


class _Token(NamedTuple):
    kind: str  # string, name, number, compare, end; keywords and marks are their own kind
    text: str
    position: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text[:40])


_KEYWORDS = {"and", "or", "not", "in", "is", "null", "contains", "true", "false"}
_SIGNS = {"==": "=", "<>": "!="}
_TOKEN = re.compile(
    r"""
      (?P<string>  '[^']*(?:''[^']*)*' | "[^"]*(?:""[^"]*)*" )
    | (?P<quoted>  `[^`]*(?:``[^`]*)*` )
    | (?P<number>  [+-]? (?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+) (?:[eE][+-]?[0-9]+)? (?![\w.]) )
    | (?P<word>    [^\W\d] (?:[\w.-]*\w)? )
    | (?P<compare> <=|>=|<>|!=|==|=|<|> )
    | (?P<mark>    [(),] )
    """,
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*")


def _tokens(text: str) -> Iterator[_Token]:
    place = _SPACE.match(text).end()  # type: ignore[union-attr]
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise refuse(place + 1, _why_no_token(text[place:]))
        yield _token(found)
        place = _SPACE.match(text, found.end()).end()  # type: ignore[union-attr]
    yield _Token("end", "", len(text) + 1)


def _token(found: re.Match[str]) -> _Token:
    text, position = found.group(), found.start() + 1
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise refuse(position, "there is a character that Unicode does not allow")
    match found.lastgroup:
        case "string":
            return _Token("string", text[1:-1].replace(text[0] * 2, text[0]), position)
        case "quoted":
            return _Token("name", text[1:-1].replace("``", "`"), position)
        case "word":
            keyword = text.lower()
            return _Token(keyword if keyword in _KEYWORDS else "name", text, position)
        case "compare":
            return _Token("compare", _SIGNS.get(text, text), position)
        case "mark":
            return _Token(text, text, position)
    return _Token("number", text, position)


def _why_no_token(rest: str) -> str:
    if rest[0] in "'\"`":
        return f"the quote {rest[0]} is not closed"
    return f"{rest[:12].split(maxsplit=1)[0]!r} is not understood"


class _Parser:
    """Recursive descent over the tokens; a method reads what its grammar line says."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def take(self, *kinds: str, expected: str) -> _Token:
        token = self._next
        if token.kind not in kinds:
            raise refuse(token.position, f"expected {expected}, found {token}")
        self._at += token.kind != "end"
        return token

    def _took(self, kind: str) -> bool:
        found = self._next.kind == kind
        self._at += found
        return found

    def filter(self, *, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise refuse(self._next.position, f"more than {MAX_DEPTH} parentheses are open")
        return Some(self._chain("or", lambda: self._conjunct(depth)))

    def _conjunct(self, depth: int) -> Node:
        return Every(self._chain("and", lambda: self._term(depth)))

    def _chain(self, link: str, part: Callable[[], Node]) -> tuple[Node, ...]:
        parts = [part()]
        while self._took(link):
            parts.append(part())
        return tuple(parts)

    def _term(self, depth: int) -> Node:
        negated = False
        while self._took("not"):
            negated = not negated
        if self._took("("):
            part = self.filter(depth=depth + 1)
            self.take(")", expected="')', 'and' or 'or'")
        else:
            part = self._test()
        return Not(part) if negated else part

    def _test(self) -> Node:
        name = self.take("name", expected="the name of a column")
        column = Column(name.text, name.position)
        if self._took("is"):
            negated = self._took("not")
            self.take("null", expected="'null' or 'not null'")
            return _not_if(negated, IsNull(column))
        if self._next.kind == "compare":
            return Compare(column, self.take("compare", expected="a sign").text, self._value())
        negated = self._took("not")
        if self._took("contains"):
            return _not_if(negated, Contains(column, self._string()))
        self.take("in", expected=f"=, <, in, contains or is after {name}")
        return _not_if(negated, Among(column, self._values()))

    def _values(self) -> tuple[Value, ...]:
        self.take("(", expected="'(' and the values")
        values = [self._value()]
        while self._took(","):
            values.append(self._value())
        self.take(")", expected="',' or ')'")
        return tuple(values)

    def _value(self) -> Value:
        token = self.take(
            "string", "number", "true", "false", expected="a number, true, false or a quoted text"
        )
        if token.kind == "string":
            return token.text
        return _number(token) if token.kind == "number" else token.kind == "true"

    def _string(self) -> str:
        return self.take("string", expected="a quoted text").text


def _not_if(negated: bool, node: Node) -> Node:
    return Not(node) if negated else node


def _number(token: _Token) -> int | float:
    number = float(token.text)
    if not math.isfinite(number):
        raise refuse(token.position, "the number is too large")
    return int(token.text) if token.text.lstrip("+-").isdigit() else number
