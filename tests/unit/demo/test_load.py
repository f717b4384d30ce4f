"""Loading the demo into a target that behaves as the API does and keeps everything in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from services.demo import load
from services.demo.corpus import DemoDocument
from services.demo.load import COLLECTION, FIELDS, go_on_with_demo, load_demo
from services.demo.marker import DemoMarker, DemoState, read_marker, write_marker
from services.errors import Conflict, NotFound, Unavailable

COUNT = 75


class Memory:
    """Collections by name; documents by id. ``fail_at`` lets the nth request fail."""

    def __init__(self) -> None:
        self.collections: dict[str, dict[str, Any]] = {}
        self.documents: dict[str, dict[str, Mapping[str, object]]] = {}
        self.requests: list[tuple[str, ...]] = []
        self.keys: set[str] = set()
        self.fail_at = 0
        self.made = 0

    def collection(self, name: str) -> Mapping[str, Any] | None:
        return self.collections.get(name)

    def create_collection(self, fields: Mapping[str, object]) -> Mapping[str, Any]:
        self.made += 1
        name = str(fields["name"])
        self.collections[name] = {**fields, "id": f"c{self.made}"}
        self.documents[name] = {}
        return self.collections[name]

    def delete(self, name: str) -> None:
        del self.collections[name], self.documents[name]

    def add_documents(self, name: str, documents: Sequence[Mapping[str, object]], request_id: str) -> Mapping[str, Any]:
        if name not in self.collections:
            raise NotFound(f"no collection {name}")
        if len(self.requests) + 1 == self.fail_at:
            self.fail_at = 0
            raise Unavailable("not now")
        assert request_id not in self.keys
        self.keys.add(request_id)
        self.requests.append(tuple(str(document["id"]) for document in documents))
        there = self.documents[name]
        outcomes = [
            {"id": document["id"], "outcome": "unchanged" if there.get(str(document["id"])) == document else "accepted"}
            for document in documents
        ]
        there.update({str(document["id"]): document for document in documents})
        return {"job_id": f"j{len(self.requests)}", "documents": outcomes}


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Memory:
    def few() -> Iterator[DemoDocument]:
        for number in range(COUNT):
            yield DemoDocument(f"function:gzip.f{number}", f"f{number}", "text", "", "gzip", "function")

    monkeypatch.setattr(load, "demo_documents", few)
    return Memory()


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "demo.json"


def nothing(_sent: int) -> None:
    return


def test_the_first_start_loads_everything_and_is_settled(target: Memory, marker: Path) -> None:
    sent: list[int] = []
    report = go_on_with_demo(target, marker, sent.append)
    assert (report.state, report.accepted, report.unchanged) == (DemoState.DONE, COUNT, 0)
    assert sent == [32, 64, 75]
    assert target.collections[COLLECTION]["fields"] == FIELDS
    assert len(target.documents[COLLECTION]) == COUNT
    assert read_marker(marker).settled
    again = go_on_with_demo(target, marker, nothing)
    assert (again.state, again.accepted) == (DemoState.DONE, 0)
    assert len(target.requests) == 3


def test_an_interrupted_load_goes_on_where_it_was(target: Memory, marker: Path) -> None:
    target.fail_at = 2
    with pytest.raises(Unavailable):
        go_on_with_demo(target, marker, nothing)
    assert read_marker(marker) == DemoMarker(DemoState.LOADING, "c1", load.corpus_name(), 32)
    report = go_on_with_demo(target, marker, nothing)
    assert (report.state, report.accepted) == (DemoState.DONE, COUNT - 32)
    assert [len(request) for request in target.requests] == [32, 32, 11]
    assert len(target.documents[COLLECTION]) == COUNT


def test_another_python_begins_again_and_doubles_nothing(
    target: Memory, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.fail_at = 2
    with pytest.raises(Unavailable):
        go_on_with_demo(target, marker, nothing)
    monkeypatch.setattr(load, "corpus_name", lambda: "another python")
    report = go_on_with_demo(target, marker, nothing)
    assert (report.accepted, report.unchanged) == (COUNT, 32)
    assert len(target.documents[COLLECTION]) == COUNT


def test_a_deleted_demo_does_not_come_back(target: Memory, marker: Path) -> None:
    go_on_with_demo(target, marker, nothing)
    target.delete(COLLECTION)
    assert go_on_with_demo(target, marker, nothing).state is DemoState.DONE
    assert target.collections == {}


def test_a_demo_deleted_between_two_starts_does_not_go_on(target: Memory, marker: Path) -> None:
    target.fail_at = 2
    with pytest.raises(Unavailable):
        go_on_with_demo(target, marker, nothing)
    target.delete(COLLECTION)
    target.create_collection({"name": COLLECTION, "fields": FIELDS})  # somebody's own of the same name
    assert go_on_with_demo(target, marker, nothing).state is DemoState.DELETED
    assert read_marker(marker).settled
    assert target.documents[COLLECTION] == {}


def test_a_demo_deleted_while_it_loads_stays_deleted(target: Memory, marker: Path) -> None:
    def delete(sent: int) -> None:
        if sent == 64:
            target.delete(COLLECTION)

    report = go_on_with_demo(target, marker, delete)
    assert report.state is DemoState.DELETED
    assert read_marker(marker).state is DemoState.DELETED
    assert go_on_with_demo(target, marker, nothing).state is DemoState.DELETED
    assert target.collections == {}


def test_somebody_elses_collection_of_that_name_is_left_alone(target: Memory, marker: Path) -> None:
    target.create_collection({"name": COLLECTION, "fields": {"year": "number"}})
    assert go_on_with_demo(target, marker, nothing).state is DemoState.SKIPPED
    assert target.documents[COLLECTION] == {}
    with pytest.raises(Conflict) as caught:
        load_demo(target, COLLECTION, nothing)
    assert "--collection" in caught.value.message


def test_loading_by_hand_fills_what_is_missing_and_doubles_nothing(target: Memory) -> None:
    first = load_demo(target, "mine", nothing)
    assert (first.accepted, first.unchanged) == (COUNT, 0)
    del target.documents["mine"]["function:gzip.f3"]
    second = load_demo(target, "mine", nothing)
    assert (second.accepted, second.unchanged) == (COUNT, COUNT - 1)
    assert len(target.documents["mine"]) == COUNT
    assert len(target.keys) == 6


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "new"}', '{"state": "done"}', "\x00"])
def test_a_damaged_marker_means_not_begun(marker: Path, content: str) -> None:
    marker.write_text(content)
    assert read_marker(marker) == DemoMarker()


def test_the_marker_comes_back_as_written(marker: Path) -> None:
    written = DemoMarker(DemoState.LOADING, "abc", "python-3", 12)
    write_marker(marker, written)
    assert read_marker(marker) == written
    assert [entry.name for entry in marker.parent.iterdir()] == ["demo.json"]
