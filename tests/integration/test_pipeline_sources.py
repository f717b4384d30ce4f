"""Uploads that hold many documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.collections.values import FieldSpec, FieldType
from services.errors import Unavailable
from services.ingest.values import FileInput, TextInput
from services.ledger.values import AcceptAnswer, ClaimedDocument, DocumentState
from tests.conftest import RedisPair
from tests.integration.pipeline_tools import Jumps, Workshop, make_workshop

FIELDS = (FieldSpec("year", FieldType.NUMBER), FieldSpec("open", FieldType.BOOLEAN), FieldSpec("kind", FieldType.TAG))


@pytest.fixture
def shop(redis_pair: RedisPair, tmp_path: Path) -> Workshop:
    return make_workshop(redis_pair, tmp_path, *FIELDS)


def upload(shop: Workshop, name: str, body: str, **more: object) -> AcceptAnswer:
    return shop.services.acceptor.add_files(shop.collection, [FileInput(name, body.encode(), **more)])  # type: ignore[arg-type]


def lines(*rows: object) -> str:
    return "\n".join(json.dumps(row) for row in rows)


def test_each_kind_of_source_becomes_documents(shop: Workshop) -> None:
    csv = "id,title,text,year,open,kind\na,Alpha,about apples,1999,yes,fruit\nb,Beta,about bears,2005,no,animal\n"
    for name, body in {
        "rows.csv": csv,
        "rows.ndjson": lines({"id": "c", "text": "about cars", "year": 2010}, {"id": "d", "text": "about dams"}),
        "rows.json": json.dumps([{"id": "e", "text": "about eels"}, "about foxes"]),
    }.items():
        answer = upload(shop, name, body, metadata={"kind": "uploaded"})
        shop.drain()
        counts = shop.counts(answer)
        assert (counts.total, counts.ready) == (2, 2), name
        assert shop.record(answer.documents[0].id).children == 2
    source = answer.documents[0].id
    ready = {id for id, state in shop.states().items() if state == "ready"}
    assert ready >= {"a", "b", "c", "d", "e", f"{source}#2"}
    assert {hit.id for hit in shop.search("about", filter={"field": "year", "gte": 2000})} == {"b", "c"}
    assert {hit.id for hit in shop.search("about", filter={"field": "open", "eq": True})} == {"a"}
    assert {hit.id for hit in shop.search("about", filter={"field": "kind", "eq": "uploaded"})} == {
        "c", "d", "e", f"{source}#2",
    }  # fmt: skip


def test_a_bad_row_is_a_failed_document_with_its_number(shop: Workshop) -> None:
    body = lines({"id": "a", "text": "fine"}, {"id": "b"}, 5, {"id": "c", "text": "x", "year": "soon"}) + "\n{\n"
    answer = upload(shop, "rows.ndjson", body + lines({"id": "a", "text": "twice"}, {"id": "z", "text": "fine"}))
    shop.drain()
    source = answer.documents[0].id
    states = shop.states()
    assert states.pop(source) == "ready"
    assert {id for id, state in states.items() if state == "ready"} == {"a", "z"}
    reasons = {id.removeprefix(source): shop.record(id).error for id, state in states.items() if state == "failed"}
    assert sorted(reasons) == ["#2", "#3", "#4", "#5", "#6"]
    assert reasons["#3"] == 'row 3: it is a number; an object such as {"title": ..., "text": ...} is expected'
    assert reasons["#4"].startswith("row 4: 'year' is a number field")
    assert reasons["#6"] == "row 6: its id 'a' stands already in row 1"
    counts = shop.counts(answer)
    assert (counts.total, counts.ready, counts.failed) == (7, 2, 5)


def test_an_edited_source_touches_only_what_changed(shop: Workshop) -> None:
    upload(shop, "rows.ndjson", lines(*({"id": f"r{n}", "text": f"row {n}"} for n in range(10))))
    shop.drain()
    before = shop.texts_embedded()
    rows = [{"id": f"r{n}", "text": f"row {n}"} for n in range(10) if n not in (3, 4)]
    rows[0]["text"] = "edited"
    answer = upload(shop, "rows.ndjson", lines(*rows, {"id": "new", "text": "a new row"}))
    shop.drain()
    assert shop.texts_embedded() - before == 2
    states = shop.states()
    assert {"r3", "r4"}.isdisjoint(states)
    assert len(states) == 10
    counts = shop.counts(answer)
    assert (counts.ready, counts.unchanged, counts.deleted) == (2, 7, 2)
    assert shop.search("edited")[0].id == "r0"


def test_a_source_is_expanded_in_slices_by_any_worker(redis_pair: RedisPair, tmp_path: Path) -> None:
    shop = make_workshop(redis_pair, tmp_path, claim_documents=1000)
    answer = upload(shop, "rows.csv", "text\n" + "".join(f"row number {n}\n" for n in range(950)))
    slices = 0
    while shop.record(answer.documents[0].id).state is not DocumentState.READY:
        assert shop.pipeline(clock=Jumps(0.9)).drain(shop.collection.id).more  # a worker that ends after one slice
        slices += 1
    assert slices > 2
    shop.drain()
    assert shop.counts(answer).ready == 950
    assert shop.texts_embedded() == 950


def test_an_interrupted_slice_doubles_nothing(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = upload(shop, "rows.csv", "id,text\n" + "".join(f"r{n},row number {n}\n" for n in range(500)))
    ledger = shop.services.ledger
    save, calls = ledger.save_cursor, []

    def save_cursor(document: ClaimedDocument, token: str, cursor: int, children: int) -> None:
        calls.append(cursor)
        if len(calls) == 2:
            raise Unavailable("the ledger went away", code="ledger-unavailable")
        save(document, token, cursor, children)

    monkeypatch.setattr(ledger, "save_cursor", save_cursor)
    shop.drain()
    assert calls == [200, 400, 400, 500]
    counts = shop.counts(answer)
    assert (counts.total, counts.ready) == (500, 500)
    assert shop.texts_embedded() == 500


def test_a_source_that_breaks_off_keeps_what_was_before(shop: Workshop) -> None:
    answer = upload(shop, "rows.json", '[{"id": "a", "text": "fine"}, {"id": "b", ')
    shop.drain()
    record = shop.record(answer.documents[0].id)
    assert (record.state, record.error_code) == (DocumentState.FAILED, "malformed-json")
    assert "item 2" in record.error
    empty = upload(shop, "empty.csv", "id,text\n")
    shop.drain()
    assert shop.record(empty.documents[0].id).error_code == "empty-source"


def test_deleting_a_source_deletes_its_documents(shop: Workshop) -> None:
    answer = upload(shop, "rows.csv", "id,text\n" + "".join(f"r{n},row number {n}\n" for n in range(450)))
    shop.services.acceptor.add_texts(shop.collection, [TextInput("other", "stays")])
    shop.drain()
    shop.services.acceptor.delete(shop.collection, [answer.documents[0].id])
    shop.drain()
    assert shop.states() == {"other": "ready"}
    assert {hit.id for hit in shop.search("row number 7", limit=50)} == {"other"}


def test_a_source_may_become_a_document_and_back(shop: Workshop) -> None:
    rows = '[{"id": "a", "text": "first"}, {"id": "b", "text": "second"}]'
    upload(shop, "thing.json", rows, id="thing")
    shop.drain()
    upload(shop, "thing.json", '{"text": "only one"}', id="thing")
    shop.drain()
    assert shop.states() == {"thing": "ready"}
    assert shop.search("only one")[0].id == "thing"
    upload(shop, "thing.json", rows, id="thing")
    shop.drain()
    assert shop.states() == {"thing": "ready", "a": "ready", "b": "ready"}
    assert {hit.id for hit in shop.search("only one first second")} == {"a", "b"}


def test_rows_of_two_files_with_the_same_ids_do_not_overwrite_each_other(shop: Workshop) -> None:
    upload(shop, "fruit.csv", "id,text\n1,apples\n2,pears\n")
    shop.drain()
    answer = upload(shop, "city.csv", "id,text\n1,Oslo\n3,Rome\n")
    shop.drain()
    assert shop.record("1").source == "fruit.csv, row 1"
    assert {hit.id for hit in shop.search("apples pears Rome")} == {"1", "2", "3"}
    failed = shop.record(f"{answer.documents[0].id}#1")
    assert failed.state is DocumentState.FAILED
    assert "fruit.csv, row 1" in failed.error
    assert failed.source == "city.csv, row 1"


def test_a_quote_that_is_never_closed_is_told(shop: Workshop) -> None:
    answer = upload(shop, "q.csv", 'id,text\n0,fine\n1,"unclosed\n2,second\n')
    shop.drain()
    assert shop.states()["0"] == "ready"
    failed = shop.record(f"{answer.documents[0].id}#2")
    assert failed.state is DocumentState.FAILED
    assert "never closed" in failed.error


def test_a_file_that_comes_again_keeps_its_rows(shop: Workshop) -> None:
    upload(shop, "fruit.csv", "id,text\n1,apples\n2,pears\n")
    shop.drain()
    upload(shop, "fruit.csv", "id,text\n1,apples and more\n2,pears\n")
    shop.drain()
    assert shop.states()["1"] == "ready"
    assert shop.states()["2"] == "ready"
    assert not [id for id in shop.states() if id.endswith("#1")]


def test_a_row_never_takes_the_place_of_anothers_document_not_even_by_its_number(shop: Workshop) -> None:
    """Its number makes the id "S#2", which somebody uses: the row fails beside it, and later leaves it alone too."""
    shop.services.acceptor.add_texts(shop.collection, [TextInput("S#2", "precious words")])
    shop.drain()
    body = b'{"text": "one"}\n{"text": "two"}\n'
    shop.services.acceptor.add_files(shop.collection, [FileInput("s.ndjson", body, id="S")])
    shop.drain()
    states = shop.states()
    assert states["S#2"] == "ready"
    (failed,) = [id for id, state in states.items() if state == "failed"]
    assert failed.startswith("problem-")
    assert "belongs already to another document" in shop.record(failed).error
    shop.services.acceptor.add_files(shop.collection, [FileInput("s.ndjson", b'{"text": "one"}\n', id="S")])
    shop.drain()
    assert shop.states() == {"S#2": "ready", "S#1": "ready"} | {id: s for id, s in shop.states().items() if id == "S"}
    assert shop.services.ledger.document(shop.collection.id, "S#2").visible_generation > 0  # type: ignore[union-attr]


def test_a_bad_row_whose_number_is_anothers_id_costs_no_other_row(shop: Workshop) -> None:
    body = b'{"id": "good1", "text": "a"}\n{"id": "P#3", "text": "b"}\nnot json\n{"id": "good4", "text": "d"}\n'
    shop.services.acceptor.add_files(shop.collection, [FileInput("p.ndjson", body, id="P")])
    shop.drain()
    states = {id: state for id, state in shop.states().items() if id != "P"}
    assert {id for id, state in states.items() if state == "ready"} == {"good1", "P#3", "good4"}
    assert len(states) == 4
