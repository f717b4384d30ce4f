"""Bulk lines: sliced, answered one by one, bounded in memory, and honest about where a failure left off."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.errors import InvalidInput, MalformedJson, StorageFull
from services.ingest.values import TextInput
from services.ledger.values import AcceptAnswer, AcceptedDocument
from web.bulk import BulkRun
from web.idempotency import RequestKey
from web.lines import SLICE_DOCUMENTS, Line, read_lines


@dataclass
class Store:
    """Takes documents as the product does: all of a call or none, ids distinct, metadata checked."""

    fail_at_call: int = 0
    calls: list[list[str]] = field(default_factory=list)
    keys: list[RequestKey] = field(default_factory=list)
    documents: dict[str, TextInput] = field(default_factory=dict)

    def add(self, documents: Sequence[TextInput], key: RequestKey) -> AcceptAnswer:
        if self.fail_at_call and len(self.calls) + 1 >= self.fail_at_call:
            raise StorageFull("the disk is full; make room")
        ids = [document.id or f"generated-{number}" for number, document in enumerate(documents)]
        assert len(set(ids)) == len(ids)
        for number, document in enumerate(documents):
            if document.metadata.get("bad"):
                raise InvalidInput("a bad member; drop it", code="bad-metadata", pointer=f"/{number}/metadata/bad")
        self.calls.append(ids)
        self.keys.append(key)
        self.documents.update(zip(ids, documents, strict=True))
        return AcceptAnswer(f"job{len(self.calls)}", tuple(AcceptedDocument(name, "accepted", 1) for name in ids))


def run(store: Store, body: bytes, limit: int = 10_000, key: RequestKey | None = None) -> list[dict[str, Any]]:
    answer = BulkRun(store.add, limit, key or RequestKey()).answer(io.BytesIO(body))
    return [json.loads(line) for line in b"".join(answer).splitlines()]


def line(number: int, **members: Any) -> bytes:
    return json.dumps({"id": f"d{number}", "text": f"text {number}", **members}).encode() + b"\n"


def test_each_line_gets_its_answer_in_order() -> None:
    body = b"\n".join([b'{"id": "a", "text": "x"}', b"", b"{", b'{"text": 5}', b"[1]", b'{"id": "b", "text": "y"}'])
    store = Store()
    results = run(store, body)
    assert [(result.get("line"), result.get("outcome")) for result in results[:-1]] == [
        (1, "accepted"),
        (3, "rejected"),
        (4, "rejected"),
        (5, "rejected"),
        (6, "accepted"),
    ]
    assert [result["error"]["code"] for result in results if "error" in result] == [
        "malformed-json",
        "wrong-type",
        "not-an-object",
    ]
    assert results[2]["error"]["pointer"] == "/text"
    assert results[-1] == {
        "done": True,
        "accepted": 2,
        "unchanged": 0,
        "stale": 0,
        "rejected": 3,
        "job_ids": ["job1"],
    }


def test_documents_that_the_store_refuses_do_not_drag_their_slice_along() -> None:
    body = b"".join(line(number, metadata={"bad": number % 3 == 0}) for number in range(9))
    results = run(Store(), body)
    assert [result["outcome"] for result in results[:-1]] == ["rejected", "accepted", "accepted"] * 3
    assert results[0]["error"] == {
        "code": "bad-metadata",
        "detail": "a bad member; drop it",
        "pointer": "/metadata/bad",
    }


def test_slices_are_bounded_and_a_repeated_id_starts_a_new_one() -> None:
    store = Store()
    run(store, b"".join(line(number) for number in range(SLICE_DOCUMENTS + 10)))
    assert [len(call) for call in store.calls] == [SLICE_DOCUMENTS, 10]
    store = Store()
    run(store, b"".join(line(number, text="x" * 1_000_000) for number in range(9)), limit=2_000_000)
    assert [len(call) for call in store.calls] == [5, 4]
    store = Store()
    run(store, line(1, title="first") + line(2) + line(1, title="second"))
    assert store.calls == [["d1", "d2"], ["d1"]]
    assert store.documents["d1"].title == "second"


def test_a_failure_before_anything_was_stored_is_an_error_of_the_request() -> None:
    with pytest.raises(StorageFull):
        run(Store(fail_at_call=1), line(1))


def test_a_failure_half_way_says_where_to_continue() -> None:
    total = 3 * SLICE_DOCUMENTS
    results = run(Store(fail_at_call=2), b"".join(line(number) for number in range(total)))
    end = results[-1]
    assert len(results) == SLICE_DOCUMENTS + 1
    assert (end["done"], end["accepted"], end["next_line"]) == (False, SLICE_DOCUMENTS, SLICE_DOCUMENTS + 1)
    assert end["error"]["code"] == "storage-full"


@pytest.mark.parametrize("body", [b"", b"\n\n  \n"])
def test_no_lines_at_all_are_an_error(body: bytes) -> None:
    with pytest.raises(MalformedJson, match="no lines"):
        run(Store(), body)


def test_an_endless_line_is_refused_without_being_kept() -> None:
    body = b'{"text": "' + b"a" * 20_000_000 + b'"}\n' + line(1)
    source = io.BytesIO(body)
    tracemalloc.start()
    lines = list(read_lines(source, 1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert lines == [Line(1, None), Line(2, line(1))]
    assert peak < 1_000_000
    results = run(Store(), body, limit=1000)
    assert (results[0]["error"]["code"], results[1]["outcome"]) == ("too-large", "accepted")


class Lazy:
    """A body of many documents that is never in memory as a whole."""

    def __init__(self, lines: int, size: int) -> None:
        self._lines = iter(range(lines))
        self._text = "x" * size

    def readline(self, size: int = -1, /) -> bytes:
        number = next(self._lines, None)
        return b"" if number is None else line(number, text=self._text)


def test_a_long_body_is_never_in_memory_as_a_whole() -> None:
    def add(documents: Sequence[TextInput], key: RequestKey) -> AcceptAnswer:
        return AcceptAnswer("j", tuple(AcceptedDocument(document.id or "", "accepted", 1) for document in documents))

    tracemalloc.start()
    last = b""
    for part in BulkRun(add, 10_000).answer(Lazy(6000, 4000)):  # 24 MB in slices of about 1 MB
        last = part
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert json.loads(last)["accepted"] == 6000
    assert peak < 8_000_000


def test_a_line_of_exactly_the_limit_is_taken() -> None:
    assert list(read_lines(io.BytesIO(b"12345\n123456\n12345"), 5)) == [
        Line(1, b"12345\n"),
        Line(2, None),
        Line(3, b"12345"),
    ]


def test_the_same_body_gives_the_same_keys_and_another_body_other_ones() -> None:
    body = b"".join(line(number, metadata={"bad": number == 0}) for number in range(SLICE_DOCUMENTS + 5))
    stores = [Store(), Store(), Store()]
    for store, sent in zip(stores, [body, body, body + line(999)], strict=True):
        run(store, sent, key=RequestKey("k", "h"))
    assert stores[0].keys == stores[1].keys
    assert len({key.id for key in stores[0].keys}) == len(stores[0].keys) == 2
    assert stores[2].keys[-1].id == stores[0].keys[-1].id
    assert stores[2].keys[-1].hash != stores[0].keys[-1].hash
    store = Store()
    run(store, body)
    assert set(store.keys) == {RequestKey()}
