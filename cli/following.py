"""Sources as the commands use them: calls to a running instance, and words about what they answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.client import ApiClient, segment
from cli.output import clean, columns

POLL_S = 0.3
URL_STARTS = ("http://", "https://")


def is_url(text: str) -> bool:
    """Whether it names a page rather than a path."""
    return text.lower().startswith(URL_STARTS)


def as_location(text: str) -> str:
    """A URL as it is; a path as the absolute one, which a server on the same machine sees too."""
    return text if is_url(text) else str(Path(text).expanduser().absolute())


def sources_path(collection: str, name: str = "", action: str = "") -> str:
    """The address of a collection's sources, of one, or of an action on it."""
    steps = ["", "collections", segment(collection), "sources"]
    return "/".join([*steps, *(segment(step) for step in (name, action) if step)])


def list_sources(client: ApiClient, collection: str) -> list[dict[str, Any]]:
    """A collection's sources."""
    return list(client.call("GET", sources_path(collection))["items"])


def add_source(client: ApiClient, collection: str, fields: Mapping[str, object]) -> tuple[dict[str, Any], bool]:
    """Adds a source; when the same location is followed already, that one is looked at again.

    Returns:
        The source, and whether it is new.
    """
    kept = {name: value for name, value in fields.items() if value not in (None, "", ())}
    for known in list_sources(client, collection):
        same_kind = kept.get("kind") in (None, known["kind"])
        if same_kind and _same_place(known["location"], str(kept["location"])) and known["state"] != "removing":
            client.call("POST", sources_path(collection, known["name"], "sync"))
            return known, False
    made: dict[str, Any] = client.call("POST", sources_path(collection), body=kept)
    return made, True


def _same_place(known: str, wanted: str) -> bool:
    return known.rstrip("/") == wanted.rstrip("/")


def wait_for_sync(client: ApiClient, collection: str, name: str, before: str | None, limit_s: float) -> dict[str, Any]:
    """Waits until a source was looked at after ``before``; returns it as it is then, or when the time is up."""
    deadline = time.monotonic() + limit_s
    while True:
        source: dict[str, Any] = client.call("GET", sources_path(collection, name))
        looked_at = source["last_sync_at"] is not None and source["last_sync_at"] != before
        if (looked_at and source["state"] not in ("syncing", "waiting")) or time.monotonic() > deadline:
            return source
        time.sleep(POLL_S)


def table(sources: Sequence[Mapping[str, Any]]) -> str:
    """Sources as columns."""
    rows = [("SOURCE", "STATE", "DOCUMENTS", "FAILED", "LAST LOOK", "WHERE")]
    rows += [
        (
            str(source["name"]),
            str(source["state"]),
            f"{source['documents']:,}",
            f"{source['counts']['failed']:,}",
            (source["last_sync_at"] or "-")[:19],
            clean(str(source["location"])),
        )
        for source in sources
    ]
    return columns(rows)


def summary(source: Mapping[str, Any]) -> str:
    """One line about how a look went."""
    counts = source["counts"]
    done = ", ".join(f"{counts[name]:,} {name}" for name in ("added", "changed", "removed", "unchanged", "failed"))
    trouble = f"; {clean(source['error']['message'])}" if source["error"] else ""
    return f"{source['name']}: {source['state']}, {done}{trouble}"
