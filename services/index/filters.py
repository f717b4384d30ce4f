"""Filters on declared fields: from raw JSON to a small tree, checked against the collection's fields.

The JSON grammar::

    filter    = condition | {"and": [filter, ...]} | {"or": [filter, ...]} | {"not": filter}
    condition = {"field": name, operator: value, ...}

    tag       eq, in               {"field": "kind", "in": ["function", "class"]}
    boolean   eq                   {"field": "draft", "eq": false}
    number    eq, in, gt gte lt lte    {"field": "year", "gte": 2000, "lt": 2010}
    date      eq, in, gt gte lt lte    {"field": "day", "gte": "2026-11-01"}

A document without the field meets no condition on it (and so meets its ``not``). Of a tag field with several values one
has to match. A date that names a day stands for the whole day: ``lte`` includes it, ``gt`` begins after it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from services.collections.values import Collection, FieldSpec, FieldType
from services.errors import InvalidInput
from services.index.dates import DAY_S, parse_moment
from services.index.tags import check_tag
from services.index.wording import shown

MAX_DEPTH = 5
MAX_CONDITIONS = 64
MAX_VALUES = 256
MAX_EXACT_INTEGER = 2**53
TRUE_TAG, FALSE_TAG = "t", "f"

_GROUPS = ("and", "or", "not")
_RANGE_OPERATORS = ("gt", "gte", "lt", "lte")
_OPERATORS: Mapping[FieldType, tuple[str, ...]] = {
    FieldType.TAG: ("eq", "in"),
    FieldType.BOOLEAN: ("eq",),
    FieldType.NUMBER: ("eq", "in", *_RANGE_OPERATORS),
    FieldType.DATE: ("eq", "in", *_RANGE_OPERATORS),
}


@dataclass(frozen=True, slots=True)
class TagIn:
    """The field holds at least one of ``values`` (as the client writes them; ``t`` and ``f`` for a boolean)."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InRange:
    """The field's number lies in ``low``..``high``, both included; infinities are open ends. Dates are in epoch s."""

    field: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part is met; there is at least one."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part is met; there is at least one."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part is not met."""

    part: Filter


Filter: TypeAlias = TagIn | InRange | AllOf | AnyOf | Not


def parse_filter(value: object, collection: Collection, pointer: str = "/filter") -> Filter:
    """Checks a raw JSON filter.

    Args:
        value: parsed JSON.
        collection: whose declared fields may be named.
        pointer: where the filter stands in the request; errors point below it.

    Raises:
        InvalidInput: unknown field or operator, a value of the wrong type, an empty range, or more than 5 levels, 64
            conditions or 256 values.
    """
    return _Parser(collection).parse(value, pointer, depth=1)


class _Parser:
    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._conditions = 0
        self._values = 0

    def parse(self, value: object, pointer: str, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise _bad(f"the filter is nested deeper than {MAX_DEPTH} levels; flatten it", pointer)
        if not isinstance(value, Mapping):
            raise _bad(f"a filter is an object; given is {shown(value)}: {_grammar()}", pointer)
        groups = [name for name in _GROUPS if name in value]
        if not groups:
            return self._condition(value, pointer)
        name = groups[0]
        if len(value) != 1:
            raise _bad(f"{name!r} stands alone in its object; put what is beside it inside it", pointer)
        below = f"{pointer}/{name}"
        if name == "not":
            return Not(self.parse(value["not"], below, depth + 1))
        parts = value[name]
        if not _is_list(parts) or not parts:
            raise _bad(f"{name!r} needs a list of at least one filter; given is {shown(parts)}", below)
        parsed = tuple(self.parse(part, f"{below}/{number}", depth + 1) for number, part in enumerate(parts))
        return AllOf(parsed) if name == "and" else AnyOf(parsed)

    def _condition(self, value: Mapping[str, object], pointer: str) -> Filter:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise _bad(f"the filter has more than {MAX_CONDITIONS} conditions; use 'in' for lists of values", pointer)
        field = self._field(value, pointer)
        given = [name for name in value if name != "field"]
        allowed = _OPERATORS[field.type]
        for name in given:
            if name not in allowed:
                raise _bad(
                    f"{name[:40]!r} is no operator for {field.name!r}, a {field.type} field; use {', '.join(allowed)}",
                    f"{pointer}/{_escape(name)}",
                    code="unknown-operator",
                )
        if not given:
            raise _bad(f"no operator for {field.name!r}; use one of {', '.join(allowed)}", pointer)
        if len(given) > 1 and not all(name in _RANGE_OPERATORS for name in given):
            raise _bad(f"{', '.join(map(repr, given))} cannot be combined; 'eq' and 'in' stand alone", pointer)
        if given == ["in"]:
            return self._any_of(field, value["in"], f"{pointer}/in")
        if field.type in (FieldType.TAG, FieldType.BOOLEAN):
            return TagIn(field.name, (self._tag(field, value["eq"], f"{pointer}/eq"),))
        return self._range(field, {name: value[name] for name in given}, pointer)

    def _field(self, value: Mapping[str, object], pointer: str) -> FieldSpec:
        if "field" not in value:
            raise _bad(f"the filter names no field: {_grammar()}", pointer)
        name = value["field"]
        field = self._collection.field(name) if isinstance(name, str) else None
        if field is None:
            known = ", ".join(repr(field.name) for field in self._collection.fields)
            raise _bad(
                f"{shown(name)} is no field of collection {self._collection.name!r}; "
                + (f"it has {known}" if known else "it declares none; name them when creating a collection"),
                f"{pointer}/field",
                code="unknown-field",
            )
        return field

    def _any_of(self, field: FieldSpec, values: object, pointer: str) -> Filter:
        if not _is_list(values) or not values:
            raise _bad(f"'in' needs a list of at least one value; given is {shown(values)}", pointer)
        if self._values + len(values) > MAX_VALUES:
            raise _bad(f"the filter has more than {MAX_VALUES} values in its lists; ask in several searches", pointer)
        self._values += len(values)
        if field.type is FieldType.TAG:
            tags = (self._tag(field, item, f"{pointer}/{number}") for number, item in enumerate(values))
            return TagIn(field.name, tuple(dict.fromkeys(tags)))
        return AnyOf(tuple(_interval(field, "eq", item, f"{pointer}/{number}") for number, item in enumerate(values)))

    def _tag(self, field: FieldSpec, value: object, pointer: str) -> str:
        if field.type is FieldType.BOOLEAN:
            if not isinstance(value, bool):
                raise _bad(f"{field.name!r} is a boolean field; given is {shown(value)}: use true or false", pointer)
            return TRUE_TAG if value else FALSE_TAG
        if type(value) is not str or not value:
            raise _bad(f"{field.name!r} is a tag field; given is {shown(value)}: use a text that is not empty", pointer)
        return check_tag(value, pointer)

    def _range(self, field: FieldSpec, bounds: Mapping[str, object], pointer: str) -> InRange:
        low, high = -math.inf, math.inf
        for name, value in bounds.items():
            interval = _interval(field, name, value, f"{pointer}/{name}")
            low, high = max(low, interval.low), min(high, interval.high)
        if low > high:
            raise _bad(f"the bounds of {field.name!r} leave nothing between them; exchange them", pointer)
        return InRange(field.name, low, high)


def _interval(field: FieldSpec, operator: str, value: object, pointer: str) -> InRange:
    """The values that ``operator`` leaves, as a closed interval: an open bound is the next number beside it."""
    if field.type is FieldType.DATE:
        moment = parse_moment(value, pointer)
        first = moment.seconds
        after = first + DAY_S if moment.whole_day else math.nextafter(first, math.inf)
    else:
        first = check_number(value, field.name, pointer)
        after = math.nextafter(first, math.inf)
    last = math.nextafter(after, -math.inf)
    low = {"eq": first, "gte": first, "gt": after}.get(operator, -math.inf)
    high = {"eq": last, "lte": last, "lt": math.nextafter(first, -math.inf)}.get(operator, math.inf)
    if low == math.inf or high == -math.inf:
        raise _bad(f"no number lies beyond {shown(value)}; use a bound inside the range", pointer)
    return InRange(field.name, low, high)


def check_number(value: object, name: str, pointer: str) -> float:
    """A finite number as the index holds it.

    Raises:
        InvalidInput: no number, NaN or infinite, or an integer beyond 2**53, which would not be exact.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_EXACT_INTEGER:
        return float(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value) + 0.0  # minus zero becomes zero
    raise _bad(
        f"{name!r} is a number field; given is {shown(value)}: use a finite number, whole ones up to "
        f"{MAX_EXACT_INTEGER:,}",
        pointer,
        code="bad-number",
    )


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _bad(message: str, pointer: str, code: str = "bad-filter") -> InvalidInput:
    return InvalidInput(message, pointer=pointer, code=code)


def _grammar() -> str:
    return 'write {"field": name, "eq": value}, or combine filters with "and", "or", "not"'


def _escape(part: str) -> str:
    return part[:80].replace("~", "~0").replace("/", "~1")
