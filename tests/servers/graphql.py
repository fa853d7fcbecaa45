"""Reads GraphQL request documents into plain values: the parser of the Stash test server.

Owns the grammar of executable documents (operations, fragments, variables, values, directives). Must not know
Stash or any schema.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(
    r"""[\s,\ufeff]*(?:\#[^\n]*[\s,]*)*(?:
    (?P<block>\"\"\"(?:\\\"\"\"|.)*?\"\"\")|(?P<string>"(?:\\.|[^"\\\n])*")
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[_A-Za-z]\w*)|(?P<punct>\.\.\.|[!$()\[\]{}:=@|&]))""",
    re.VERBOSE | re.DOTALL,
)


class GraphQLSyntaxError(ValueError):
    """The document is not GraphQL; the message says where."""


@dataclass(frozen=True, slots=True)
class TypeRef:
    """A type as written: ``[ID!]!`` is ``TypeRef("", of=TypeRef("ID", required=True), required=True)``."""

    name: str
    of: TypeRef | None = None
    required: bool = False

    @property
    def base(self) -> str:
        """The name inside all brackets."""
        return self.of.base if self.of else self.name

    def __str__(self) -> str:
        return (f"[{self.of}]" if self.of else self.name) + ("!" if self.required else "")


@dataclass(frozen=True, slots=True)
class Variable:
    """``$name`` where a value stands."""

    name: str


class EnumLiteral(str):
    """A bare word where a value stands."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a selection; ``key`` is its alias or name."""

    key: str
    name: str
    arguments: dict[str, Any]
    directives: dict[str, dict[str, Any]]
    selections: list[Selection]


@dataclass(frozen=True, slots=True)
class Spread:
    """``...Name``, or with ``selections`` an inline fragment on ``on`` ("" for none)."""

    name: str
    on: str
    directives: dict[str, dict[str, Any]]
    selections: list[Selection]


Selection = Field | Spread


@dataclass(frozen=True, slots=True)
class VariableDefinition:
    """A declared variable; ``has_default`` tells a default of null from none."""

    type: TypeRef
    default: Any = None
    has_default: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One query or mutation."""

    kind: str
    name: str
    variables: dict[str, VariableDefinition]
    selections: list[Selection]


@dataclass(slots=True)
class Document:
    """All that one request text holds."""

    operations: list[Operation] = field(default_factory=list)
    fragments: dict[str, tuple[str, list[Selection]]] = field(default_factory=dict)


def parse(text: str) -> Document:
    """The document of ``text``; ``GraphQLSyntaxError`` if it is none."""
    return _Parser(text).document()


def parse_type(text: str) -> TypeRef:
    """A type reference such as ``[Scene!]!``."""
    return _Parser(text).type_ref()


class _Parser:
    """Recursive descent over a list of tokens (kind, text)."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                rest = re.sub(r"#[^\n]*", "", text[at:]).strip(" \t\r\n,\ufeff")
                if rest:
                    raise GraphQLSyntaxError(f"Unexpected {rest[:20]!r}")
                break
            self.tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
            at = match.end()
        self.tokens.append(("end", "<EOF>"))
        self.at = 0

    @property
    def text(self) -> str:
        return self.tokens[self.at][1] if self.tokens[self.at][0] in ("name", "punct") else ""

    def take(self, kind: str = "") -> str:
        found, text = self.tokens[self.at]
        if kind and found != kind:
            raise GraphQLSyntaxError(f"Expected {kind}, found {text}")
        self.at += 1
        return text

    def expect(self, text: str) -> None:
        if self.text != text:
            raise GraphQLSyntaxError(f"Expected {text}, found {self.tokens[self.at][1]}")
        self.at += 1

    def accept(self, text: str) -> bool:
        if self.text != text:
            return False
        self.at += 1
        return True

    def document(self) -> Document:
        result = Document()
        while self.tokens[self.at][0] != "end":
            if self.text == "fragment":
                self.take()
                name = self.take("name")
                self.expect("on")
                condition = self.take("name")
                self.directives()
                result.fragments[name] = (condition, self.selections())
            else:
                result.operations.append(self.operation())
        if not result.operations:
            raise GraphQLSyntaxError("no operation provided")
        return result

    def operation(self) -> Operation:
        if self.text == "{":
            return Operation("query", "", {}, self.selections())
        kind = self.take("name")
        if kind not in ("query", "mutation"):
            raise GraphQLSyntaxError(f"Unexpected Name {kind!r}")
        name = self.take() if self.tokens[self.at][0] == "name" else ""
        variables: dict[str, VariableDefinition] = {}
        if self.accept("("):
            while not self.accept(")"):
                self.expect("$")
                variable = self.take("name")
                self.expect(":")
                ref = self.type_ref()
                given = self.accept("=")
                variables[variable] = VariableDefinition(ref, self.value() if given else None, given)
        self.directives()
        return Operation(kind, name, variables, self.selections())

    def type_ref(self) -> TypeRef:
        if self.accept("["):
            inner = self.type_ref()
            self.expect("]")
            return TypeRef("", inner, self.accept("!"))
        name = self.take("name")
        return TypeRef(name, None, self.accept("!"))

    def selections(self) -> list[Selection]:
        self.expect("{")
        found: list[Selection] = []
        while not self.accept("}"):
            found.append(self.selection())
        if not found:
            raise GraphQLSyntaxError("Expected Name, found }")
        return found

    def selection(self) -> Selection:
        if self.accept("..."):
            if self.tokens[self.at][0] == "name" and self.text != "on":
                return Spread(self.take(), "", self.directives(), [])
            condition = self.take("name") if self.accept("on") else ""
            directives = self.directives()
            return Spread("", condition, directives, self.selections())
        name = key = self.take("name")
        if self.accept(":"):
            name = self.take("name")
        arguments = self.arguments()
        directives = self.directives()
        return Field(key, name, arguments, directives, self.selections() if self.text == "{" else [])

    def arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.accept("("):
            while not self.accept(")"):
                name = self.take("name")
                self.expect(":")
                found[name] = self.value()
        return found

    def directives(self) -> dict[str, dict[str, Any]]:
        found = {}
        while self.accept("@"):
            name = self.take("name")
            found[name] = self.arguments()
        return found

    def value(self) -> Any:
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "string":
            return json.loads(text, strict=False)
        if kind == "block":
            return text[3:-3].replace('\\"""', '"""').strip("\n")
        if kind == "number":
            return float(text) if re.search(r"[.eE]", text) else int(text)
        if kind == "name":
            return {"true": True, "false": False, "null": None}.get(text, EnumLiteral(text))
        if text == "$":
            return Variable(self.take("name"))
        return self._composite(text)

    def _composite(self, opening: str) -> Any:
        if opening == "[":
            items = []
            while not self.accept("]"):
                items.append(self.value())
            return items
        if opening == "{":
            entries: dict[str, Any] = {}
            while not self.accept("}"):
                name = self.take("name")
                self.expect(":")
                entries[name] = self.value()
            return entries
        raise GraphQLSyntaxError(f"Unexpected {opening}")
