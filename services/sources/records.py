"""Sources, their status and their items as they lie in the ledger Redis: compact JSON, empty members left out."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from services.sources.values import Hold, Item, Source, SourceKind, SourceState, SourceStatus, Tally

_ITEM_KEYS = {
    "d": "document_id",
    "m": "mark",
    "h": "digest",
    "e": "etag",
    "l": "last_modified",
    "n": "misses",
    "t": "seen_ms",
    "x": "error",
    "o": "hold",
}
_STATUS_FIELDS = frozenset(field.name for field in fields(SourceStatus))


def source_text(source: Source) -> str:
    """A source as JSON."""
    return json.dumps(asdict(source))


def read_source(text: bytes) -> Source:
    """The source that ``source_text`` wrote."""
    members: dict[str, Any] = json.loads(text)
    members["kind"] = SourceKind(members["kind"])
    members["include"], members["exclude"] = tuple(members["include"]), tuple(members["exclude"])
    return Source(**members)


def status_text(status: SourceStatus) -> str:
    """A status as JSON."""
    return json.dumps(asdict(status))


def read_status(text: bytes | None) -> SourceStatus:
    """The status that ``status_text`` wrote; the first one when there is none. Unknown members are dropped."""
    if not text:
        return SourceStatus()
    members: dict[str, Any] = {name: value for name, value in json.loads(text).items() if name in _STATUS_FIELDS}
    members["state"] = SourceState(members["state"])
    members["tally"] = Tally(**members["tally"])
    return SourceStatus(**members)


def item_text(item: Item) -> str:
    """An item as JSON."""
    members = {key: getattr(item, name) for key, name in _ITEM_KEYS.items()}
    return json.dumps({key: value for key, value in members.items() if value}, separators=(",", ":"))


def read_item(text: bytes) -> Item:
    """The item that ``item_text`` wrote."""
    members: dict[str, Any] = {_ITEM_KEYS[key]: value for key, value in json.loads(text).items() if key in _ITEM_KEYS}
    return Item(**{**members, "hold": Hold(members.get("hold", ""))})
