"""Checks a parsed GraphQL request against a schema table and carries it out.

Owns the schema's shape, validation, variables, fragments and the plan of getters that answers a request. Must not
know Stash: resolvers come from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.servers.graphql import Document, EnumLiteral, Field, Operation, Selection, Spread, TypeRef, Variable, parse

Resolver = Callable[[Any, dict[str, Any]], Any]
Plan = list[tuple[str, Callable[[Any], Any]]]
_MISSING: Any = object()
_SCALARS: dict[str, tuple[type, ...]] = {
    "Int": (int,), "Int64": (int,), "Float": (int, float), "String": (str,), "Boolean": (bool,), "ID": (str, int),
    "Time": (str,), "Timestamp": (str,), "Map": (dict,), "Any": (object,), "PluginConfigMap": (dict,),
}  # fmt: skip


class ValidationError(Exception):
    """The request does not fit the schema: Stash answers 422."""


class ResolverError(Exception):
    """A resolver refuses: 200 with ``errors``."""


@dataclass(frozen=True, slots=True)
class FieldDef:
    """A field of a type, or of an input object (then without arguments)."""

    type: TypeRef
    arguments: dict[str, TypeRef] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TypeDef:
    """One named type; ``kind`` is introspection's word, ``values`` are an enum's."""

    name: str
    kind: str
    fields: dict[str, FieldDef] = field(default_factory=dict)
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """All types by name, with the resolvers of the fields that are not plain attributes."""

    types: dict[str, TypeDef]
    resolvers: dict[tuple[str, str], Resolver]


@dataclass(frozen=True, slots=True)
class Request:
    """A validated request: root fields in order, as (key, may not be null, getter)."""

    roots: list[tuple[str, bool, Callable[[Any], Any]]]

    def run(self, context: Any) -> dict[str, Any]:
        """The response body; a refusing root field gives ``errors`` and null, for all data if it may not be null."""
        data: dict[str, Any] | None = {}
        errors = []
        for key, required, getter in self.roots:
            try:
                value = getter(context)
            except ResolverError as error:
                errors.append({"message": str(error), "path": [key]})
                value = None
                if required:
                    data = None
            if data is not None:
                data[key] = value
        return {"errors": errors, "data": data} if errors else {"data": data}


def prepare(
    schema: Schema, text: str, variables: dict[str, Any], name: str | None = None, *, enforce: bool = True
) -> Request:
    """Parse, check and plan one request, or raise what is wrong. Without ``enforce`` unknown fields are null."""
    document = parse(text)
    wanted = [one for one in document.operations if not name or one.name == name]
    if not wanted:
        raise ValidationError(f"operation {name} not found")
    return _Planner(schema, document, wanted[0], variables, enforce).request()


class _Planner:
    """Turns the selections of one operation into getters, checking every name on the way."""

    def __init__(
        self, schema: Schema, document: Document, operation: Operation, variables: dict[str, Any], enforce: bool
    ) -> None:
        self.schema, self.document, self.operation, self.enforce = schema, document, operation, enforce
        self.used_variables: set[str] = set()
        self.used_fragments: set[str] = set()
        self.variables = self._variables(variables)

    def _variables(self, given: dict[str, Any]) -> dict[str, Any]:
        values = {}
        for name, declared in self.operation.variables.items():
            if self.enforce and declared.type.base not in self.schema.types and declared.type.base not in _SCALARS:
                raise ValidationError(f"Unknown type {declared.type.base!r}.")
            if name in given:
                values[name] = self.coerce(given[name], declared.type, f"variable.{name}", literal=False)
            elif declared.has_default:
                values[name] = self.coerce(declared.default, declared.type, f"variable.{name}", literal=True)
            elif declared.type.required:
                raise ValidationError(f"variable.{name} must be defined")
        return values

    def request(self) -> Request:
        root = self.schema.types["Mutation" if self.operation.kind == "mutation" else "Query"]
        roots = []
        for key, fields in self.collect(self.operation.selections, root).items():
            definition = root.fields.get(fields[0].name)
            required = definition is not None and definition.type.required
            roots.append((key, required, self.getter(root, fields)))
        if self.enforce:
            self._unused()
        return Request(roots)

    def _unused(self) -> None:
        for name in self.operation.variables:
            if name not in self.used_variables:
                raise ValidationError(f'Variable "${name}" is never used.')
        for name in self.document.fragments:
            if name not in self.used_fragments:
                raise ValidationError(f'Fragment "{name}" is never used.')

    def collect(self, selections: list[Selection], parent: TypeDef) -> dict[str, list[Field]]:
        """Fields by response key, fragments opened, ``@skip`` and ``@include`` obeyed."""
        found: dict[str, list[Field]] = {}
        for one in self._flat(selections, parent):
            same = found.setdefault(one.key, [])
            if same and same[0].name != one.name:
                raise ValidationError(
                    f'Fields "{one.key}" conflict because {same[0].name} and {one.name} are different fields.'
                )
            same.append(one)
        return found

    def _flat(self, selections: list[Selection], parent: TypeDef) -> Iterator[Field]:
        for one in selections:
            if not self._included(one.directives):
                continue
            if isinstance(one, Field):
                yield one
                continue
            condition, inner = self._fragment(one)
            if condition and condition not in self.schema.types and self.enforce:
                raise ValidationError(f'Unknown type "{condition}".')
            if condition in ("", parent.name):
                yield from self._flat(inner, parent)

    def _fragment(self, spread: Spread) -> tuple[str, list[Selection]]:
        if not spread.name:
            return spread.on, spread.selections
        if spread.name not in self.document.fragments:
            raise ValidationError(f'Unknown fragment "{spread.name}".')
        self.used_fragments.add(spread.name)
        return self.document.fragments[spread.name]

    def _included(self, directives: dict[str, dict[str, Any]]) -> bool:
        boolean = TypeRef("Boolean", required=True)
        for name, arguments in directives.items():
            if name not in ("include", "skip"):
                raise ValidationError(f'Unknown directive "@{name}".')
            if self.coerce(arguments.get("if"), boolean, f"@{name}", literal=True) is (name == "skip"):
                return False
        return True

    def getter(self, parent: TypeDef, fields: list[Field]) -> Callable[[Any], Any]:
        """The function that takes an object of ``parent`` to the value of one response key."""
        first = fields[0]
        if first.name == "__typename":
            return lambda _: parent.name
        definition = parent.fields.get(first.name)
        if definition is None:
            if self.enforce:
                raise ValidationError(f'Cannot query field "{first.name}" on type "{parent.name}".')
            return lambda _: None
        arguments = self.arguments(parent, first, definition)
        sub = self._sub(definition, fields)
        complete = _completer(definition.type, sub)
        resolver = self.schema.resolvers.get((parent.name, first.name))
        if resolver is not None:
            call = resolver
            return lambda value: complete(call(value, arguments))
        name = first.name
        return lambda value: complete(value.get(name) if isinstance(value, dict) else getattr(value, name, None))

    def _sub(self, definition: FieldDef, fields: list[Field]) -> Plan | None:
        target = self.schema.types.get(definition.type.base)
        inner = [selection for one in fields for selection in one.selections]
        if target is None or target.kind not in ("OBJECT", "INTERFACE"):
            if inner and self.enforce:
                raise ValidationError(
                    f'Field "{fields[0].name}" must not have a selection since type "{definition.type}" '
                    "has no subfields."
                )
            return None
        if not inner:
            raise ValidationError(
                f'Field "{fields[0].name}" of type "{definition.type}" must have a selection of subfields.'
            )
        return [(key, self.getter(target, same)) for key, same in self.collect(inner, target).items()]

    def arguments(self, parent: TypeDef, one: Field, definition: FieldDef) -> dict[str, Any]:
        values = {}
        for name, value in one.arguments.items():
            if name not in definition.arguments:
                if self.enforce:
                    raise ValidationError(f'Unknown argument "{name}" on field "{parent.name}.{one.name}".')
                continue
            coerced = self.coerce(value, definition.arguments[name], name, literal=True)
            if coerced is not _MISSING:
                values[name] = coerced
        for name, ref in definition.arguments.items():
            if ref.required and name not in values:
                raise ValidationError(
                    f'Field "{one.name}" argument "{name}" of type "{ref}" is required, but it was not provided.'
                )
        return values

    def coerce(self, value: Any, ref: TypeRef, path: str, *, literal: bool) -> Any:
        """``value`` as the schema wants it, variables filled in; ``_MISSING`` for an optional variable not sent."""
        if isinstance(value, Variable):
            return self._variable(value, ref)
        if value is None:
            if ref.required:
                raise ValidationError(f"{path} cannot be null")
            return None
        if ref.of is not None:
            items = value if isinstance(value, list) else [value]
            return [self.coerce(item, ref.of, path, literal=literal) for item in items]
        target = self.schema.types.get(ref.name)
        if target is not None and target.kind == "ENUM":
            if value not in target.values or literal != isinstance(value, EnumLiteral):
                raise ValidationError(f"{path}: {value} is not a valid {ref.name}")
            return str(value)
        if target is not None and target.kind == "INPUT_OBJECT":
            return self._input_object(value, target, path, literal=literal)
        return self._scalar(value, ref, path, literal=literal)

    def _scalar(self, value: Any, ref: TypeRef, path: str, *, literal: bool) -> Any:
        accepted = _SCALARS.get(ref.name, (object,))
        wrong = not isinstance(value, accepted) or (
            isinstance(value, bool) and bool not in accepted and object not in accepted
        )
        if wrong or (isinstance(value, EnumLiteral) and ref.name != "Any"):
            raise ValidationError(f"{path}: cannot use {type(value).__name__} as {ref.name}")
        if ref.name == "ID":
            return str(value)
        return self._filled(value) if literal else value

    def _filled(self, value: Any) -> Any:
        """A literal map or list with its variables replaced."""
        if isinstance(value, Variable):
            return self._variable(value, TypeRef("Any"))
        if isinstance(value, dict):
            return {key: self._filled(item) for key, item in value.items()}
        return [self._filled(item) for item in value] if isinstance(value, list) else value

    def _variable(self, value: Variable, ref: TypeRef) -> Any:
        declared = self.operation.variables.get(value.name)
        if declared is None:
            raise ValidationError(f'Variable "${value.name}" is not defined.')
        self.used_variables.add(value.name)
        if self.enforce and ref.base != "Any" and not _fits(declared.type, ref, declared.has_default):
            raise ValidationError(
                f'Variable "${value.name}" of type "{declared.type}" used in position expecting type "{ref}".'
            )
        return self.variables.get(value.name, _MISSING)

    def _input_object(self, value: Any, target: TypeDef, path: str, *, literal: bool) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError(f"{path} must be a {target.name}")
        result = {}
        for name, item in value.items():
            if name not in target.fields:
                if self.enforce:
                    raise ValidationError(f"{path}.{name} unknown field")
                continue
            coerced = self.coerce(item, target.fields[name].type, f"{path}.{name}", literal=literal)
            if coerced is not _MISSING:
                result[name] = coerced
        for name, definition in target.fields.items():
            if definition.type.required and name not in result:
                raise ValidationError(f"{path}.{name} must be defined")
        return result


def _fits(declared: TypeRef, wanted: TypeRef, has_default: bool) -> bool:
    """Whether a variable may stand there (a default makes a nullable one fit)."""
    if wanted.required and not declared.required and not has_default:
        return False
    if wanted.of is not None:
        return declared.of is not None and _fits(declared.of, wanted.of, False)
    return declared.of is None and declared.name == wanted.name


def _completer(ref: TypeRef, sub: Plan | None) -> Callable[[Any], Any]:
    """Lists are walked, objects follow their plan, ids become text."""
    if ref.of is not None:
        inner = _completer(ref.of, sub)
        return lambda value: None if value is None else [inner(item) for item in value]
    if sub is not None:
        plan = sub
        return lambda value: None if value is None else {key: get(value) for key, get in plan}
    if ref.name == "ID":
        return lambda value: None if value is None else str(value)
    return lambda value: value
