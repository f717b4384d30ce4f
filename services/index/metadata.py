"""A document's metadata: checked as a whole, and its declared fields turned into what the index can compare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from services.collections.values import Collection, FieldSpec, FieldType
from services.errors import InvalidInput, TooLarge
from services.index.dates import parse_moment
from services.index.filters import FALSE_TAG, TRUE_TAG, check_number
from services.index.tags import check_tag
from services.index.wording import shown

MAX_METADATA_BYTES = 65_536
MAX_TAGS_PER_FIELD = 64
MAX_NAME_CHARS = 128

IndexedValue: TypeAlias = tuple[str, ...] | float


def validate_metadata(
    metadata: Mapping[str, Any], collection: Collection, pointer: str = "/metadata"
) -> dict[str, IndexedValue]:
    """Checks a document's metadata and returns what is indexed of it.

    Members that the collection does not declare are kept with the document and not indexed. A declared field that is
    missing, null, or an empty text or list has no value.

    Args:
        metadata: parsed JSON.
        collection: whose declared fields set the types.
        pointer: where the metadata stands in the request; errors point below it.

    Returns:
        By field name: a tuple of tags as the client writes them (``t`` or ``f`` for a boolean), or a float (dates in
        seconds since the epoch).

    Raises:
        InvalidInput: a declared field of another type, or something that JSON cannot carry.
        TooLarge: more than 65,536 bytes as JSON.
    """
    metadata_json(metadata, pointer)
    for name in metadata:
        if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
            raise InvalidInput(
                f"metadata has a member named {shown(name)}; names have 1 to {MAX_NAME_CHARS} printable characters",
                pointer=pointer,
                code="bad-metadata",
            )
    indexed: dict[str, IndexedValue] = {}
    for field in collection.fields:
        value = metadata.get(field.name)
        if value is None or value in ("", []):
            continue
        indexed[field.name] = _indexed(value, field, f"{pointer}/{field.name}")
    return indexed


def metadata_json(metadata: Mapping[str, Any], pointer: str = "/metadata") -> bytes:
    """Metadata as compact JSON in UTF-8, the form in which it is kept.

    Raises:
        InvalidInput: no object, or NaN, infinity, a lone surrogate or a type that JSON has not.
        TooLarge: more than 65,536 bytes.
    """
    if not isinstance(metadata, Mapping) or not all(isinstance(name, str) for name in metadata):
        raise InvalidInput(f"metadata is {shown(metadata)}; send an object", pointer=pointer, code="bad-metadata")
    try:
        data = json.dumps(
            dict(metadata), ensure_ascii=False, allow_nan=False, check_circular=True, separators=(",", ":")
        ).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"the metadata cannot be written as JSON ({str(error)[:120]}); use texts, finite numbers, true, false, "
            "null, lists and objects",
            pointer=pointer,
            code="bad-metadata",
        ) from None
    if len(data) > MAX_METADATA_BYTES:
        raise TooLarge(
            f"the metadata has {len(data):,} bytes as JSON; allowed are {MAX_METADATA_BYTES:,}: move long parts into "
            "the text",
            pointer=pointer,
            code="metadata-too-large",
        )
    return data


def _indexed(value: object, field: FieldSpec, pointer: str) -> IndexedValue:
    if field.type is FieldType.NUMBER:
        return check_number(value, field.name, pointer)
    if field.type is FieldType.DATE:
        return parse_moment(value, pointer).seconds
    if field.type is FieldType.BOOLEAN:
        if not isinstance(value, bool):
            raise _wrong(field, value, "true or false", pointer)
        return (TRUE_TAG if value else FALSE_TAG,)
    values = value if isinstance(value, list | tuple) else [value]
    if len(values) > MAX_TAGS_PER_FIELD:
        raise _wrong(field, value, f"at most {MAX_TAGS_PER_FIELD} texts", pointer)
    for item in values:
        if type(item) is not str or not item:
            raise _wrong(field, item, "a text that is not empty, or a list of them", pointer)
        check_tag(item, pointer)
    return tuple(dict.fromkeys(values))


def _wrong(field: FieldSpec, value: object, allowed: str, pointer: str) -> InvalidInput:
    return InvalidInput(
        f"{field.name!r} is a {field.type} field; given is {shown(value)}: use {allowed}",
        pointer=pointer,
        code="wrong-type",
    )
