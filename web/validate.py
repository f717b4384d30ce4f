"""From raw JSON and query strings to the request models, and from pydantic's complaints to useful messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.datastructures import MultiDict

from services.errors import MalformedJson
from web.errors import FieldProblem, RequestInvalid
from web.json_guard import escape_pointer

M = TypeVar("M", bound=BaseModel)

MAX_PROBLEMS = 20
_JSON_NAMES: Mapping[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}
_TYPE_ERRORS = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "list_type": "an array",
}


def validate(model: type[M], value: Any, *, pointer: str = "") -> M:
    """The request model for a parsed JSON value.

    Raises:
        MalformedJson: the value is no object at all.
        RequestInvalid: members are missing, unknown, of a wrong type or out of range; all of them are listed.
    """
    if not isinstance(value, dict):
        raise MalformedJson(
            f"{'the body' if not pointer else 'the item at ' + pointer} is {json_name(value)}; "
            f"send a JSON object with {_members(model)}",
            pointer=pointer,
            code="not-an-object",
        )
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise RequestInvalid(field_problems(error, model, pointer)) from None


def validate_all(model: type[M], values: list[Any]) -> list[M]:
    """The request models for the items of an array; pointers begin with the item's number.

    Raises:
        MalformedJson, RequestInvalid: see ``validate``; the problems of all items are listed together.
    """
    found: list[M] = []
    problems: list[FieldProblem] = []
    for number, value in enumerate(values):
        try:
            found.append(validate(model, value, pointer=f"/{number}"))
        except RequestInvalid as error:
            problems.extend(error.problems)
            if len(problems) >= MAX_PROBLEMS:
                break
    if problems:
        raise RequestInvalid(problems[:MAX_PROBLEMS])
    return found


def validate_args(model: type[M], args: MultiDict[str, str], *, passed_over: str = "") -> M:
    """The request model for a query string; a parameter may stand there once.

    Args:
        model: what the route declares.
        args: the parameters as they came.
        passed_over: parameters that begin with this are not the model's concern ("" for none).
    """
    values: dict[str, str] = {}
    for name, given in args.lists():
        if passed_over and name.startswith(passed_over):
            continue
        if len(given) > 1:
            detail = f"the parameter {name[:80]!r} stands there {len(given)} times; send it once"
            raise RequestInvalid([FieldProblem("repeated-parameter", detail, f"/{escape_pointer(name)}")])
        values[name] = given[0]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise RequestInvalid(field_problems(error, model, "")) from None


def json_name(value: object) -> str:
    """What JSON calls a parsed value: "an object", "a string" and so on."""
    return _JSON_NAMES.get(type(value), "something else")


def field_problems(error: ValidationError, model: type[BaseModel], pointer: str) -> list[FieldProblem]:
    """Every complaint of pydantic as code, words and place; at most 20."""
    details = error.errors(include_url=False, include_context=True, include_input=True)
    return [_problem(detail, model, pointer) for detail in details[:MAX_PROBLEMS]]


def _problem(detail: ErrorDetails, model: type[BaseModel], pointer: str) -> FieldProblem:
    location = [part for part in detail["loc"] if part != "[key]"]
    place = pointer + "".join(f"/{escape_pointer(str(part))}" for part in location)
    name = str(location[-1])[:80] if location else "the body"
    kind = detail["type"]
    context = detail.get("ctx", {})
    if kind == "missing":
        return FieldProblem("missing-member", f"{name!r} is missing; it is required", place)
    if kind == "extra_forbidden":
        owner = _owner(model, location[:-1])
        return FieldProblem("unknown-member", f"{name!r} is unknown here; known are {_members(owner)}", place)
    given = _given(detail["input"])
    if kind in _TYPE_ERRORS:
        return FieldProblem("wrong-type", f"{name!r} must be {_TYPE_ERRORS[kind]}; given is {given}", place)
    if kind == "literal_error":
        return FieldProblem("not-allowed", f"{name!r} is {given}; allowed are {context.get('expected', '')}", place)
    if kind in ("greater_than_equal", "less_than_equal"):
        return FieldProblem("out-of-range", f"{name!r} is {given}; allowed are {_range(model, location)}", place)
    if kind in ("string_too_long", "string_too_short"):
        limit = context.get("max_length", context.get("min_length"))
        word = "at most" if kind == "string_too_long" else "at least"
        return FieldProblem("out-of-range", f"{name!r} must have {word} {limit} characters", place)
    return FieldProblem("invalid-input", f"{name!r}: {detail['msg']}; given is {given}", place)


def _given(value: object) -> str:
    if isinstance(value, bool | int | float | str):
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return json_name(value)


def _owner(model: type[BaseModel], location: list[int | str]) -> type[BaseModel]:
    """The model that stands at a place inside another."""
    for part in location:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return model
        model = inner
    return model


def _members(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields) or "no members"


def _range(model: type[BaseModel], location: list[int | str]) -> str:
    field = _owner(model, location[:-1]).model_fields.get(str(location[-1]))
    bounds = field.metadata if field is not None else []
    low = next((bound.ge for bound in bounds if hasattr(bound, "ge")), None)
    high = next((bound.le for bound in bounds if hasattr(bound, "le")), None)
    return f"{low} to {high}"
