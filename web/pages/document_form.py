"""The form that takes pasted text, and the fields that any new text may be given."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from services.collections.values import Collection, FieldSpec, FieldType
from services.errors import InvalidInput

META_PREFIX = "meta."
EXACT_WHOLE = 2**53
_TOKEN = re.compile(r"[0-9a-f]{32}")
MEDIA_TYPES: Mapping[str, str] = {
    "text/plain": "plain text",
    "text/markdown": "Markdown",
    "text/html": "HTML",
    "text/x-rst": "reStructuredText",
}


@dataclass(frozen=True, slots=True)
class TextForm:
    """The form's fields as typed, so that a refused form comes back as it was."""

    text: str = ""
    title: str = ""
    url: str = ""
    media_type: str = "text/plain"
    meta: Mapping[str, str] | None = None

    def given(self, field: FieldSpec) -> str:
        """What was typed for a declared field."""
        return (self.meta or {}).get(field.name, "")


def read_text_form(form: MultiDict[str, str], collection: Collection) -> TextForm:
    """Reads the posted form; line ends become plain newlines, as a browser sends CRLF for each."""
    return TextForm(
        text=form.get("text", "").replace("\r\n", "\n"),
        title=form.get("title", "").strip(),
        url=form.get("url", "").strip(),
        media_type=form.get("media_type", "text/plain"),
        meta={field.name: form.get(META_PREFIX + field.name, "").strip() for field in collection.fields},
    )


def read_metadata(form: MultiDict[str, str], collection: Collection) -> dict[str, Any]:
    """The declared fields that were filled in, as values of their types.

    Raises:
        InvalidInput: a number that is none; other types are checked where all metadata is.
    """
    found: dict[str, Any] = {}
    for field in collection.fields:
        given = form.get(META_PREFIX + field.name, "").strip()
        if given:
            found[field.name] = _value(field, given)
    return found


def _value(field: FieldSpec, given: str) -> object:
    if field.type is FieldType.BOOLEAN:
        return given == "true"
    if field.type is not FieldType.NUMBER:
        return given
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInput(
            f"{given[:40]!r} is not a number; the field {field.name!r} takes numbers such as 2026 or 1.5",
            pointer=f"/metadata/{field.name}",
        )
    return int(number) if number.is_integer() and abs(number) < EXACT_WHOLE else number


def request_id(token: str, *contents: bytes) -> tuple[str, str]:
    """An idempotency key and content hash for one showing of a form: sent twice by accident, it counts once.

    Args:
        token: a random value that the form carried; anything else (a hand-made request) means no protection.
        contents: what was sent. It is part of the key, so a form that is changed and sent again is a new request.
    """
    digest = hashlib.sha256()
    for content in contents:
        digest.update(len(content).to_bytes(8, "big") + content)
    content_hash = digest.hexdigest()
    return (f"form-{token}-{content_hash[:32]}" if _TOKEN.fullmatch(token) else "", content_hash)
