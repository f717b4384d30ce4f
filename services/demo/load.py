"""Loads the demo through the product's front door, slice by slice, so that it can be cut short and gone on with."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from services.demo.corpus import DemoDocument, corpus_name, demo_documents, is_early
from services.demo.marker import DemoMarker, DemoState, read_marker, write_marker
from services.errors import Conflict, NearfieldError

COLLECTION = "python"
FIELDS = {"module": "tag", "kind": "tag"}
DESCRIPTION = "The docstrings of Python's standard library: modules, classes and functions."
EARLY_SLICE = 32  # a request of up to 32 documents overtakes bulk work
LATER_SLICE = 1000


class DemoTarget(Protocol):
    """What is needed of a running instance: the calls of the same names of its HTTP API."""

    def collection(self, name: str) -> Mapping[str, Any] | None:
        """The collection, None when there is none."""

    def create_collection(self, fields: Mapping[str, object]) -> Mapping[str, Any]:
        """Makes a collection."""

    def add_documents(self, name: str, documents: Sequence[Mapping[str, object]], request_id: str) -> Mapping[str, Any]:
        """Adds documents; the answer names the job and each document's outcome."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did. ``state`` is where the demo is now; ``jobs`` are those that still work on it."""

    state: DemoState
    accepted: int
    unchanged: int
    jobs: tuple[str, ...]


def load_demo(target: DemoTarget, name: str, told: Callable[[int], None]) -> LoadReport:
    """Loads the whole demo on request; what is there already is recognised and not embedded again.

    Args:
        told: called after each slice with the number of documents sent so far.

    Raises:
        Conflict: the name is taken by a collection that is not the demo's.
    """
    found = target.collection(name)
    if found is not None and not is_demo(found):
        raise Conflict(
            f"collection {name!r} exists and is not the demo's (it does not declare {' and '.join(FIELDS)}). "
            "Load the demo under another name with --collection NAME",
            code="name-taken",
        )
    if found is None:
        target.create_collection(_collection(name))
    return _send(target, name, 0, lambda _sent: None, told)


def go_on_with_demo(target: DemoTarget, marker_path: Path, told: Callable[[int], None]) -> LoadReport:
    """What a start of the product does: begins the demo, or goes on where it was cut short, or leaves it be.

    Raises:
        NearfieldError: the product refused a slice; a later call goes on from there.
    """
    marker = read_marker(marker_path)
    if not marker.settled:
        marker = _begin(target, marker)
        write_marker(marker_path, marker)
    if marker.settled:
        return LoadReport(marker.state, 0, 0, ())

    def remember(sent: int) -> None:
        write_marker(marker_path, replace(marker, accepted=sent))

    try:
        report = _send(target, COLLECTION, marker.accepted, remember, told)
    except NearfieldError:
        found = target.collection(COLLECTION)
        if found is not None and found["id"] == marker.collection_id:
            raise
        report = LoadReport(DemoState.DELETED, 0, 0, ())  # somebody deleted it while it was loading: so be it
    write_marker(marker_path, replace(read_marker(marker_path), state=report.state))
    return report


def is_demo(collection: Mapping[str, Any]) -> bool:
    """Whether a collection has the demo's fields."""
    fields = collection.get("fields") or {}
    return all(fields.get(name) == kind for name, kind in FIELDS.items())


def _begin(target: DemoTarget, marker: DemoMarker) -> DemoMarker:
    """The marker to go on with: the demo's collection is there, or the demo is settled."""
    found = target.collection(COLLECTION)
    if marker.state is DemoState.LOADING:
        if found is None or found["id"] != marker.collection_id:
            return replace(marker, state=DemoState.DELETED)
        return marker if marker.corpus == corpus_name() else replace(marker, corpus=corpus_name(), accepted=0)
    if found is not None and not is_demo(found):
        return DemoMarker(DemoState.SKIPPED)
    made = found if found is not None else target.create_collection(_collection(COLLECTION))
    return DemoMarker(DemoState.LOADING, str(made["id"]), corpus_name(), 0)


def _send(
    target: DemoTarget, name: str, begin: int, remember: Callable[[int], None], told: Callable[[int], None]
) -> LoadReport:
    # not derived from the content: a document that was deleted since an earlier load must come back by a new one
    run = secrets.token_hex(8)
    sent, unchanged, jobs = begin, 0, list[str]()
    for documents in slices(islice(demo_documents(), begin, None)):
        body = [document.as_json() for document in documents]
        answer = target.add_documents(name, body, f"demo-{run}-{sent}")
        outcomes = [document["outcome"] for document in answer["documents"]]
        unchanged += outcomes.count("unchanged")
        jobs.append(str(answer["job_id"]))
        sent += len(documents)
        remember(sent)
        told(sent)
    return LoadReport(DemoState.DONE, sent - begin, unchanged, tuple(jobs))


def slices(documents: Iterator[DemoDocument]) -> Iterator[list[DemoDocument]]:
    """Cuts the stream: small slices while the modules of the example questions last, large ones after."""
    taken: list[DemoDocument] = []
    for document in documents:
        taken.append(document)
        if len(taken) >= (EARLY_SLICE if is_early(document) else LATER_SLICE):
            yield taken
            taken = []
    if taken:
        yield taken


def _collection(name: str) -> dict[str, object]:
    return {"name": name, "description": DESCRIPTION, "fields": FIELDS}
