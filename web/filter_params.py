"""Filters in a query string: ``filter`` holds JSON, ``f.<field>[.<operator>]`` is the short form for links and forms.

``f.kind=class&f.kind=module`` means any of the two, ``f.year.gte=2000&f.year.lt=2010`` a range; different fields must
all be met. An empty value is no condition, because an HTML form sends the fields that nobody filled in.
"""

from __future__ import annotations

import re

from werkzeug.datastructures import MultiDict

from services.collections.values import Collection, FieldType
from services.errors import InvalidInput
from services.index.filters import parse_filter
from web.json_guard import escape_pointer, parse_json

PREFIX = "f."
MAX_FILTER_BYTES = 32_768
_OPERATORS = ("eq", "gt", "gte", "lt", "lte")
_WHOLE = re.compile(r"-?\d{1,19}", re.ASCII)
_DECIMAL = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)


def filter_from_args(args: MultiDict[str, str], collection: Collection) -> object | None:
    """The raw filter that a query string asks for, None for none; already checked against the collection's fields.

    Raises:
        InvalidInput: bad JSON aside, an unknown field or operator or a value of the wrong type; the pointer is
            "/filter..." or "/" + the parameter's name.
        MalformedJson: ``filter`` is not JSON.
    """
    parts: list[object] = []
    given = args.get("filter", "")
    if given:
        raw = parse_json(given.encode("utf-8", "surrogatepass"), limit_bytes=MAX_FILTER_BYTES, pointer="/filter")
        parse_filter(raw, collection)
        parts.append(raw)
    parts.extend(_short_forms(args, collection))
    if len(parts) > 1:
        return {"and": parts}
    return parts[0] if parts else None


def _short_forms(args: MultiDict[str, str], collection: Collection) -> list[object]:
    conditions: dict[str, dict[str, object]] = {}
    for name, texts in args.lists():
        values = [text for text in texts if text != ""]
        if not name.startswith(PREFIX) or not values:
            continue
        pointer = f"/{escape_pointer(name)}"
        field_name, _, operator = name.removeprefix(PREFIX).partition(".")
        if operator not in ("", *_OPERATORS):
            raise InvalidInput(
                f"{operator[:40]!r} is no operator; write f.<field>=value or f.<field>.gte=value with one of "
                f"{', '.join(_OPERATORS)}",
                pointer=pointer,
                code="unknown-operator",
            )
        parsed = [_value(field_name, text, collection) for text in values]
        one = _condition(field_name, operator or "eq", parsed, pointer)
        parse_filter(one, collection, pointer)
        conditions.setdefault(field_name, {"field": field_name}).update(one)
    for field_name, condition in conditions.items():
        parse_filter(condition, collection, f"/{PREFIX}{field_name}")
    return list(conditions.values())


def _condition(field_name: str, operator: str, values: list[object], pointer: str) -> dict[str, object]:
    if len(values) == 1:
        return {"field": field_name, operator: values[0]}
    if operator == "eq":
        return {"field": field_name, "in": values}
    raise InvalidInput(
        f"{operator!r} for {field_name!r} stands there {len(values)} times; send one bound",
        pointer=pointer,
        code="repeated-parameter",
    )


def _value(field_name: str, text: str, collection: Collection) -> object:
    """The text as the field's type; what cannot be read stays text, and ``parse_filter`` says what is wrong with it."""
    field = collection.field(field_name)
    if field is None or field.type in (FieldType.TAG, FieldType.DATE):
        return text
    if field.type is FieldType.BOOLEAN:
        return {"true": True, "false": False}.get(text.lower(), text)
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) and len(text) <= 400 else text
