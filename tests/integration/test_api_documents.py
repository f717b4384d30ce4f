"""Documents over HTTP: add, read, replace, delete, try again."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.errors import StorageFull
from tests.apiapp import V1, Api, make_api, problem
from tests.conftest import RedisPair

NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path) as made:
        made.collection("docs", fields={"year": "number"})
        yield made


def upload(api: Api, files: list[tuple[bytes, str]], headers: dict[str, str] | None = None, **fields: str) -> Any:
    data: dict[str, Any] = {"file": [(io.BytesIO(body), name) for body, name in files], **fields}
    return api.client.post(f"{V1}/collections/docs/files", data=data, headers=headers or {})


def state_of(api: Api, document_id: str) -> str:
    return str(api.call("GET", f"/collections/docs/documents/{document_id}").get_json()["state"])


def test_one_document_is_accepted_and_then_found(api: Api) -> None:
    body = {"id": "a", "text": "Green tea", "title": "T", "url": "https://x.example", "metadata": {"year": 5, "x": "y"}}
    answer = api.call("POST", "/collections/docs/documents", body)
    assert answer.status_code == 202
    accepted = answer.get_json()
    assert answer.headers["Location"] == f"{V1}/jobs/{accepted['job_id']}"
    assert accepted["replayed"] is False
    assert [(d["id"], d["outcome"]) for d in accepted["documents"]] == [("a", "accepted")]
    found = api.call("GET", "/collections/docs/documents/a").get_json()
    assert (found["state"], found["searchable"]) == ("pending", False)
    api.drain()
    found = api.call("GET", "/collections/docs/documents/a").get_json()
    assert (found["state"], found["searchable"], found["chunks"], found["error"]) == ("ready", True, 1, None)
    assert found["metadata"] == {"year": 5, "x": "y"}
    assert found["generation"] == found["visible_generation"] == accepted["documents"][0]["generation"]
    assert (found["collection"], found["kind"], found["title"], found["url"]) == ("docs", "text", "T", body["url"])
    text = api.call("GET", "/collections/docs/documents/a/text")
    assert (text.text, text.content_type) == ("Green tea", "text/plain; charset=utf-8")


def test_an_array_is_taken_as_a_whole_or_not_at_all(api: Api) -> None:
    accepted = api.add("docs", [{"text": "one"}, {"id": "b", "text": "two"}])
    assert len({document["id"] for document in accepted["documents"]}) == 2
    bad = [{"id": "c", "text": "three"}, {"id": "d", "text": "four", "metadata": {"year": "many"}}]
    found = problem(api.call("POST", "/collections/docs/documents", bad), 422, "bad-number")
    assert found["pointer"] == "/1/metadata/year"
    assert api.call("GET", "/collections/docs").get_json()["documents"]["total"] == 2


def test_the_same_text_again_is_unchanged(api: Api) -> None:
    first = api.add("docs", {"id": "a", "text": "x"})
    second = api.add("docs", {"id": "a", "text": "x"})
    assert [d["outcome"] for d in second["documents"]] == ["unchanged"]
    assert second["documents"][0]["generation"] == first["documents"][0]["generation"]


def test_bulk_lines_are_answered_one_by_one(api: Api) -> None:
    lines = [json.dumps({"id": f"d{n}", "text": f"text {n}"}) for n in range(600)]
    lines[5] = "{"
    lines[300] = json.dumps({"id": "d300", "text": "x", "metadata": {"year": "no"}})
    answer = api.call("POST", "/collections/docs/documents", "\n".join(lines).encode(), headers=NDJSON)
    assert answer.status_code == 200
    assert answer.content_type == "application/x-ndjson"
    results = [json.loads(line) for line in answer.data.splitlines()]
    assert [result["line"] for result in results[:-1]] == list(range(1, 601))
    assert [r["line"] for r in results[:-1] if r["outcome"] == "rejected"] == [6, 301]
    assert results[300]["error"]["pointer"] == "/metadata/year"
    end = results[-1]
    assert (end["done"], end["accepted"], end["rejected"]) == (True, 598, 2)
    assert len(end["job_ids"]) == 1
    job = api.call("GET", f"/jobs/{end['job_ids'][0]}").get_json()
    assert (job["counts"]["total"], job["label"]) == (598, "bulk upload")
    assert api.call("GET", "/collections/docs").get_json()["documents"]["pending"] == 598


def test_a_bulk_request_whose_job_is_cancelled_stops_and_says_so(api: Api) -> None:
    body = b"\n".join(b'{"text": "text %d"}' % n for n in range(600))
    answer = api.call("POST", "/collections/docs/documents", body, headers=NDJSON, buffered=False)
    parts = answer.iter_encoded()
    first = json.loads(next(parts).splitlines()[0])
    api.call("POST", f"/jobs/{first['job_id']}/cancel")
    end = json.loads(b"".join(parts).splitlines()[-1])
    answer.close()
    assert (end["done"], end["error"]["status"], end["next_line"]) == (False, 409, 257)


def test_a_repeated_bulk_request_with_its_key_adds_nothing(api: Api) -> None:
    body = b"\n".join(b'{"text": "text %d"}' % n for n in range(300))
    headers = {**NDJSON, "Idempotency-Key": "bulk-1"}
    first = api.call("POST", "/collections/docs/documents", body, headers=headers).data
    second = api.call("POST", "/collections/docs/documents", body, headers=headers).data
    assert first == second
    assert api.call("GET", "/collections/docs").get_json()["documents"]["total"] == 300


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_repeated_request_with_its_key_gets_its_first_answer(api: Api, method: str) -> None:
    path = "/collections/docs/documents" + ("/a" if method == "PUT" else "")
    headers = {"Idempotency-Key": "k"}
    first = api.call(method, path, {"text": "one"}, headers=headers).get_json()
    second = api.call(method, path, {"text": "one"}, headers=headers).get_json()
    assert second == {**first, "replayed": True}
    problem(api.call(method, path, {"text": "two"}, headers=headers), 409, "idempotency-key-reused")
    assert api.call("GET", "/collections/docs").get_json()["documents"]["total"] == 1


def test_a_repeated_delete_with_its_key_gets_its_first_answer(api: Api) -> None:
    api.add("docs", {"id": "a", "text": "x"})
    api.drain()
    headers = {"Idempotency-Key": "k"}
    first = api.call("DELETE", "/collections/docs/documents/a", headers=headers)
    assert first.status_code == 202
    api.drain()
    second = api.call("DELETE", "/collections/docs/documents/a", headers=headers)
    assert second.get_json() == {**first.get_json(), "replayed": True}
    problem(api.call("DELETE", "/collections/docs/documents/a"), 404, "unknown-document")


def test_replacing_keeps_the_old_version_until_the_new_one_is_there(api: Api) -> None:
    api.add("docs", {"id": "a", "text": "old words"})
    api.drain()
    answer = api.call("PUT", "/collections/docs/documents/a", {"text": "new words", "title": "New"})
    assert answer.status_code == 202
    hit = api.call("GET", "/collections/docs/search?q=words").get_json()["hits"][0]
    assert hit["passage"]["text"] == "old words"
    api.drain()
    hit = api.call("GET", "/collections/docs/search?q=words").get_json()["hits"][0]
    assert "new words" in hit["passage"]["text"]


def test_deleting_ends_in_404(api: Api) -> None:
    api.add("docs", {"id": "a", "text": "x"})
    api.drain()
    assert api.call("DELETE", "/collections/docs/documents/a").status_code == 202
    api.drain()
    found = problem(api.call("GET", "/collections/docs/documents/a"), 404, "unknown-document")
    assert found["pointer"] == "/document_id"
    for path in ("/text", "/original"):
        problem(api.call("GET", f"/collections/docs/documents/a{path}"), 404, "unknown-document")
    assert api.call("GET", "/collections/docs/search?q=x").get_json()["hits"] == []


@pytest.mark.parametrize(
    "document_id",
    ["a/b", "a/text", "/text", "100%", "%2F", "a b", "文档", "../../x", "a?b#c", "celery", "*", "{x}", "a:b"],
)
def test_any_id_can_be_addressed(api: Api, document_id: str) -> None:
    from urllib.parse import quote

    path = f"/collections/docs/documents/{quote(document_id, safe='')}"
    assert api.call("PUT", path, {"text": "words"}).status_code == 202
    api.drain()
    assert api.call("GET", path).get_json()["id"] == document_id
    assert api.call("GET", f"{path}/text").text == "words"
    assert api.call("GET", "/collections/docs/search?q=words").get_json()["hits"][0]["id"] == document_id
    assert api.call("DELETE", path).status_code == 202


def test_pages_of_documents_have_no_gap_and_no_repeat(api: Api) -> None:
    api.add("docs", [{"id": f"d{n}", "text": "x"} for n in range(7)])
    seen: list[str] = []
    path = "/collections/docs/documents?limit=3"
    cursor = ""
    while True:
        page = api.call("GET", path + cursor).get_json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [f"d{n}" for n in reversed(range(7))]
    assert api.call("GET", "/collections/docs/documents?state=failed").get_json()["items"] == []
    assert len(api.call("GET", "/collections/docs/documents?state=pending").get_json()["items"]) == 7


def test_files_are_uploaded_with_their_paths(api: Api) -> None:
    answer = upload(api, [(b"# Tea\n\ngreen", "guide/tea.md"), (b"coffee", "guide/coffee.txt")], metadata='{"year": 3}')
    assert answer.status_code == 202
    documents = answer.get_json()["documents"]
    assert [document["source"] for document in documents] == ["guide/tea.md", "guide/coffee.txt"]
    api.drain()
    found = api.call("GET", f"/collections/docs/documents/{documents[0]['id']}").get_json()
    assert (found["state"], found["kind"], found["source"]) == ("ready", "file", "guide/tea.md")
    assert found["metadata"] == {"year": 3}
    again = upload(api, [(b"# Tea\n\ngreen", "guide/tea.md")], metadata='{"year": 3}').get_json()
    assert [(d["id"], d["outcome"]) for d in again["documents"]] == [(documents[0]["id"], "unchanged")]
    assert api.call("GET", "/collections/docs").get_json()["documents"]["total"] == 2


def test_one_file_may_be_given_an_id(api: Api) -> None:
    assert [d["id"] for d in upload(api, [(b"x", "a.txt")], id="mine").get_json()["documents"]] == ["mine"]


def test_the_boundary_of_an_upload_is_not_part_of_its_content(api: Api) -> None:
    headers = {"Idempotency-Key": "u"}
    first = upload(api, [(b"x", "a.txt")], headers=headers)
    second = upload(api, [(b"x", "a.txt")], headers=headers)
    assert first.request.headers["Content-Type"] != second.request.headers["Content-Type"]
    assert second.get_json()["replayed"] is True
    problem(upload(api, [(b"y", "a.txt")], headers=headers), 409, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("page.html", "filename=page.html"),
        ("größe.html", "filename*=UTF-8''gr%C3%B6%C3%9Fe.html"),
        ("folder/page.html", "filename=page.html"),
    ],
)
def test_an_original_is_only_ever_an_attachment(api: Api, name: str, shown: str) -> None:
    body = b"<html><body><p>Tea</p><script>alert(1)</script></body></html>"
    accepted = upload(api, [(body, name)]).get_json()
    api.drain()
    answer = api.call("GET", f"/collections/docs/documents/{accepted['documents'][0]['id']}/original")
    assert answer.data == body
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert shown in answer.headers["Content-Disposition"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_an_uploaded_table_becomes_a_document_per_row(api: Api) -> None:
    rows = b'{"id": "r1", "text": "tea"}\n{"id": "r2", "text": "coffee"}\n'
    accepted = upload(api, [(rows, "drinks.ndjson")]).get_json()
    api.drain()
    source = api.call("GET", f"/collections/docs/documents/{accepted['documents'][0]['id']}").get_json()
    assert (source["kind"], source["state"], source["children"]) == ("source", "ready", 2)
    exported = api.call("GET", "/collections/docs/export").data.splitlines()
    assert len(exported) == 2


def test_an_export_passes_over_a_file_that_is_becoming_a_table(api: Api) -> None:
    upload(api, [(b"plain words", "a.txt")], id="mine")
    api.drain()
    assert len(api.call("GET", "/collections/docs/export").data.splitlines()) == 1
    upload(api, [(b'{"text": "tea"}\n{"text": "coffee"}\n', "a.ndjson")], id="mine")
    assert api.call("GET", "/collections/docs/export").data == b""


def test_a_document_that_failed_is_tried_again(api: Api) -> None:
    accepted = upload(api, [(b"<html><body><script>x</script></body></html>", "empty.html"), (b"tea", "tea.txt")])
    document_id = accepted.get_json()["documents"][0]["id"]
    api.drain()
    found = api.call("GET", f"/collections/docs/documents/{document_id}").get_json()
    assert found["state"] == "failed"
    assert len(found["error"]["message"]) > 15
    answer = api.call("POST", f"/collections/docs/documents/{document_id}/retry")
    assert (answer.status_code, answer.get_json()["count"]) == (202, 1)
    assert answer.headers["Location"] == f"{V1}/jobs/{answer.get_json()['job_id']}"
    api.drain()
    assert api.call("POST", "/collections/docs/retry").get_json()["count"] == 1
    problem(api.call("POST", "/collections/docs/documents/none/retry"), 404, "unknown-document")


def test_retrying_when_nothing_failed_is_no_error(api: Api) -> None:
    answer = api.call("POST", "/collections/docs/retry")
    assert answer.get_json() == {"job_id": "", "count": 0}
    assert "Location" not in answer.headers


def test_a_full_disk_is_507_and_nothing_was_taken(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageFull("the disk has no room; make some and send this again")

    monkeypatch.setattr(type(api.services.envelopes), "write", full)
    problem(api.call("POST", "/collections/docs/documents", {"text": "x"}), 507, "storage-full")
    problem(api.call("POST", "/collections/docs/documents", b'{"text": "x"}', headers=NDJSON), 507, "storage-full")
    assert api.call("GET", "/collections/docs").get_json()["documents"]["total"] == 0
