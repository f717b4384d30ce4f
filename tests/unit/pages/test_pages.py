"""The pages as answers: forms, redirects, statuses and errors, on real Redis with the hash model."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.apiapp import Api, make_api
from tests.conftest import RedisPair

TOKEN = "0123456789abcdef" * 2


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path) as made:
        yield made


def get(api: Api, path: str, **more: Any) -> TestResponse:
    return api.client.get(path, **more)


def post(api: Api, path: str, **form: Any) -> TestResponse:
    return api.client.post(path, data=form)


def test_a_new_instance_says_how_to_begin(api: Api) -> None:
    answer = get(api, "/")
    assert answer.status_code == 200
    assert "Nothing is here yet" in answer.text
    assert "nearfield add" in answer.text
    assert "There are no collections yet" in get(api, "/collections").text
    assert "No jobs yet" in get(api, "/jobs").text


def test_pages_are_not_kept_by_caches_and_have_the_strict_policy(api: Api) -> None:
    answer = get(api, "/")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_start_page_leads_to_all_collections_where_it_shows_some(api: Api) -> None:
    for number in range(9):
        assert "collections</a>" not in get(api, "/").text
        api.collection(f"docs-{number}")
    assert '<a href="/collections">All 9 collections</a>' in get(api, "/").text


def test_making_a_collection_by_form(api: Api) -> None:
    fields: dict[str, object] = {"field_name": ["year", "kind"], "field_type": ["number", "tag"]}
    fields["near_duplicates"] = "replace"
    answer = post(api, "/collections", name="notes", description="mine", model="hash", **fields)
    assert (answer.status_code, answer.location) == (303, "/c/notes/manage?done=created")
    made = api.services.collections.get("notes")
    assert [(field.name, field.type.value) for field in made.fields] == [("year", "number"), ("kind", "tag")]
    assert made.near_duplicates == "replace"
    assert "the older one is replaced" in get(api, "/c/notes/manage").text
    assert api.services.index.exists(made)
    again = post(api, "/collections", name="notes", description="kept words", model="hash")
    assert again.status_code == 409
    assert "kept words" in again.text
    assert 'aria-invalid="true"' in again.text


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"name": "No Spaces"}, 422),
        ({"name": "n", "model": "/etc"}, 422),
        ({"name": "n", "size_tokens": "3"}, 422),
        ({"name": "n", "field_name": "Bad Name", "field_type": "tag"}, 422),
        ({"name": "n", "language": "english"}, 422),
        ({}, 422),
    ],
)
def test_a_refused_collection_form_says_why_and_makes_nothing(api: Api, form: dict[str, str], status: int) -> None:
    answer = post(api, "/collections", **{"model": "hash", **form})
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert api.services.collections.list() == []


def test_the_start_page_goes_to_the_chosen_collection(api: Api) -> None:
    api.collection("docs")
    answer = get(api, "/search?collection=docs&q=+a+b+")
    assert (answer.status_code, answer.location) == (302, "/c/docs?q=a+b")
    assert get(api, "/search").location == "/"


def test_addresses_of_plain_forms_become_short(api: Api) -> None:
    api.collection("docs", fields={"year": "number", "kind": "tag"})
    answer = get(api, "/c/docs?q=a&collection=docs&f.kind=&f.kind=x&f.year.gte=&f.year.lte=")
    assert (answer.status_code, answer.location) == (302, "/c/docs?q=a&f.kind=x")
    assert get(api, "/c/docs?q=a&collection=other&f.kind=x").location == "/c/other?q=a"


def test_a_search_shows_hits_and_their_facts(api: Api) -> None:
    api.collection("docs", fields={"kind": "tag"})
    api.add("docs", [{"id": "a", "title": "Herons", "text": "a heron by the water", "metadata": {"kind": "bird"}}])
    api.drain("docs")
    answer = get(api, "/c/docs?q=heron")
    assert answer.status_code == 200
    assert "Herons" in answer.text
    assert "1 document, the nearest first" in answer.text
    assert 'href="/c/docs?q=heron&amp;f.kind=bird"' in answer.text
    part = get(api, "/c/docs/results?q=heron")
    assert part.text.lstrip().startswith("<div")
    assert "<html" not in part.text
    assert "Herons" in part.text


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("q=heron&f.nope=1", 422, "nope"),
        ("q=heron&f.year.gte=many", 422, "number"),
        ("q=%3F%21", 422, "no word"),
        ("q=" + "a" * 5000, 413, "4,000"),
    ],
)
def test_a_search_that_cannot_be_done_keeps_the_box_and_says_why(api: Api, query: str, status: int, said: str) -> None:
    api.collection("docs", fields={"year": "number"})
    for path in ("/c/docs", "/c/docs/results"):
        answer = get(api, f"{path}?{query}")
        assert answer.status_code == status
        assert "data-problem" in answer.text
        assert said in answer.text
    assert 'id="q"' in get(api, f"/c/docs?{query}").text


def test_an_index_that_is_gone_is_said_and_not_shown_as_empty(api: Api) -> None:
    api.collection("docs")
    api.services.index.drop(api.services.collections.get("docs"))
    answer = get(api, "/c/docs?q=heron")
    assert answer.status_code == 503
    assert "The index is being rebuilt" in answer.text
    assert "Try again" in answer.text


def test_what_is_not_indexed_yet_is_said(api: Api) -> None:
    api.collection("docs")
    api.add("docs", [{"id": str(n), "text": f"heron {n}"} for n in range(3)])
    assert "Nothing can be found yet" in get(api, "/c/docs?q=heron").text
    assert "0 of 3 searchable so far" in get(api, "/c/docs").text
    assert "data-moving" in get(api, "/c/docs/results?q=heron").text
    api.drain("docs")
    assert "data-moving" not in get(api, "/c/docs/results?q=heron").text


def test_adding_files_by_form(api: Api) -> None:
    api.collection("docs", fields={"year": "number"})
    files = [(io.BytesIO(b"first text"), "folder/a.txt"), (io.BytesIO(b"# Second\n\ntext"), "b.md")]
    answer = post(api, "/c/docs/files", token=TOKEN, file=files, **{"meta.year": "2026"})
    assert answer.status_code == 303, answer.text
    assert re.fullmatch(r"/c/docs/manage\?done=accepted&n=2&job=\w+", answer.location or "")
    api.drain("docs")
    page = get(api, "/c/docs/manage").text
    assert "folder/a.txt" in page
    assert "Second" in page
    assert "2 documents" in page
    assert "a.txt" in get(api, "/c/docs?q=first&f.year.gte=2026").text


def test_adding_no_file_says_so(api: Api) -> None:
    api.collection("docs")
    answer = post(api, "/c/docs/files", token=TOKEN, file=(io.BytesIO(b""), ""))
    assert answer.status_code == 422
    assert "No file was chosen" in answer.text


def test_a_bad_file_is_named_and_nothing_is_taken_in(api: Api) -> None:
    api.collection("docs")
    files = [(io.BytesIO(b"good"), "good.txt"), (io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(64)), "bad.txt")]
    answer = post(api, "/c/docs/files", token=TOKEN, file=files)
    assert 400 <= answer.status_code < 500
    assert "bad.txt" in answer.text
    assert api.services.ledger.counts(api.services.collections.get("docs").id).waiting == 0


def test_pasted_text_sent_twice_is_one_document(api: Api) -> None:
    api.collection("docs")
    jobs = {post(api, "/c/docs/texts", token=TOKEN, text="the same", title="T").location for _ in range(2)}
    assert len(jobs) == 1
    api.drain("docs")
    counts = api.services.ledger.counts(api.services.collections.get("docs").id)
    assert counts.searchable == 1


def test_a_text_as_long_as_a_document_may_be_fits_into_the_form(api: Api) -> None:
    api.collection("docs")
    answer = post(api, "/c/docs/texts", token=TOKEN, text="word " * 400_000)
    assert answer.status_code == 303, answer.text[:500]


def test_a_refused_text_comes_back_in_its_form(api: Api) -> None:
    api.collection("docs", fields={"year": "number"})
    answer = post(api, "/c/docs/texts", token=TOKEN, text="keep <me>", title="T", **{"meta.year": "soon"})
    assert answer.status_code == 422
    assert "keep &lt;me&gt;</textarea>" in answer.text
    assert "&#39;soon&#39; is not a number" in answer.text


def test_a_document_page_and_its_end(api: Api) -> None:
    api.collection("docs")
    api.add("docs", [{"id": "a/../b", "title": "T", "text": "one two three", "metadata": {"who": "me"}}])
    assert "There is no text to show" in get(api, "/c/docs/document?id=a/../b").text
    api.drain("docs")
    page = get(api, "/c/docs/document?id=a/../b&start=4&end=7&v=1")
    assert '<mark id="passage" tabindex="-1">two</mark>' in page.text
    assert "has changed since" in page.text
    assert "who" in page.text
    original = get(api, "/c/docs/document/original?id=a/../b")
    assert original.data == b"one two three"
    assert original.headers["Content-Disposition"].startswith("attachment")
    answer = post(api, "/c/docs/document/delete", id="a/../b", token=TOKEN)
    assert answer.location == "/c/docs/manage?done=deleting"
    api.drain("docs")
    assert get(api, "/c/docs/document?id=a/../b").status_code == 404
    assert "one two" not in get(api, "/c/docs?q=two").text


@pytest.mark.parametrize("query", ["", "id=", "id=nope", "id=%00", "id=" + "x" * 3000])
def test_a_document_that_is_not_there(api: Api, query: str) -> None:
    api.collection("docs")
    answer = get(api, f"/c/docs/document?{query}")
    assert answer.status_code == 404
    assert post(api, "/c/docs/document/delete", id="nope", token=TOKEN).status_code == 404
    assert post(api, "/c/docs/document/retry", id="nope").status_code in (303, 404)


def test_jobs_can_be_seen_and_cancelled(api: Api) -> None:
    api.collection("docs")
    job = api.add("docs", [{"id": str(n), "text": f"t {n}"} for n in range(3)])["job_id"]
    assert "0 of 3 searchable so far" in get(api, "/jobs").text
    assert "0 of 3 searchable so far" in get(api, f"/jobs/{job}").text
    answer = post(api, f"/jobs/{job}/cancel")
    assert answer.location == f"/jobs/{job}?done=cancelled&n=3"
    assert "Cancelled what was still waiting: 3 documents." in get(api, answer.location).text
    assert post(api, f"/jobs/{job}/cancel").location == f"/jobs/{job}?done=nothing-to-cancel"
    assert '<p class="reason mild"><bdi>Cancelled on request.</bdi></p>' in get(api, f"/jobs/{job}").text
    assert "done=nothing-to-retry" in (post(api, f"/jobs/{job}/retry").location or "")
    assert ">Resume<" in get(api, f"/jobs/{job}").text
    assert post(api, f"/jobs/{job}/resume").location == f"/jobs/{job}?done=resumed&n=3"
    assert "Taken up again: 3 documents." in get(api, f"/jobs/{job}?done=resumed&n=3").text
    api.drain("docs")
    assert "3 searchable" in get(api, f"/jobs/{job}").text
    assert post(api, f"/jobs/{job}/resume").location == f"/jobs/{job}?done=nothing-to-resume"
    assert "done=nothing-to-resume" in (post(api, f"/jobs/{job}/resume").location or "")
    assert get(api, "/jobs/nope").status_code == 404
    assert post(api, "/jobs/nope/cancel").status_code == 404


def test_the_list_of_documents_goes_on_by_cursor_and_state(api: Api) -> None:
    api.collection("docs")
    api.add("docs", [{"id": f"id-{n}", "title": f"Title {n}", "text": f"t {n}"} for n in range(60)])
    seen: list[str] = []
    path: str | None = "/c/docs/manage"
    while path:
        page = get(api, path).text
        seen += re.findall(r"<bdi>(Title \d+)</bdi></a></h3>", page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following.group(1).replace("&amp;", "&") if following else None
    assert len(seen) == len(set(seen)) == 60
    assert "No document is in this state" in get(api, "/c/docs/manage?state=failed").text
    assert get(api, "/c/docs/manage?cursor=nonsense").status_code == 422


def test_a_collection_is_deleted_only_after_its_name_was_typed(api: Api) -> None:
    api.collection("docs")
    assert post(api, "/c/docs/delete", confirm="dosc").status_code == 422
    assert api.services.collections.get("docs")
    assert post(api, "/c/docs/delete", confirm="docs").location == "/collections?done=deleted-collection"
    assert get(api, "/c/docs").status_code == 404
    assert post(api, "/c/docs/texts", text="x").status_code == 404


def test_renaming_keeps_the_documents(api: Api) -> None:
    api.collection("docs")
    api.add("docs", [{"id": "a", "text": "heron"}])
    api.drain("docs")
    assert post(api, "/c/docs/settings", name="birds", description="x").location == "/c/birds/manage?done=saved"
    assert "heron" in get(api, "/c/birds?q=heron").text
    assert get(api, "/c/docs?q=heron").status_code == 404
    assert post(api, "/c/birds/settings", name="Bad Name", description="x").status_code == 422


def test_errors_are_pages_with_a_way_on(api: Api) -> None:
    missing = get(api, "/nope")
    assert (missing.status_code, missing.mimetype) == (404, "text/html")
    assert "There is no such page" in missing.text
    assert "Go to the search" in missing.text
    wrong = get(api, "/c/docs/files")
    assert (wrong.status_code, set(wrong.headers["Allow"].split(", "))) == (405, {"POST", "OPTIONS"})
    unknown = get(api, "/c/dosc")
    assert "There is no such collection" in unknown.text


def test_a_body_over_the_limit_is_a_page_too(redis_pair: RedisPair, tmp_path: Path) -> None:
    with make_api(redis_pair, tmp_path, max_upload_bytes=20_000) as api:
        api.collection("docs")
        answer = post(api, "/c/docs/files", file=(io.BytesIO(b"x" * 30_000), "big.txt"))
        assert answer.status_code == 413
        assert answer.mimetype == "text/html"


def test_another_site_cannot_post_a_form(api: Api) -> None:
    api.collection("docs")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        answer = api.client.post("/c/docs/delete", data={"confirm": "docs"}, headers=headers)
        assert answer.status_code == 403
        assert "That came from another site" in answer.text
    assert api.services.collections.get("docs")


def test_a_store_that_is_away_is_a_page_that_says_so(private_redis_pair: RedisPair, tmp_path: Path) -> None:
    with make_api(private_redis_pair, tmp_path) as api:
        api.collection("docs")
        private_redis_pair.ledger.kill()
        answer = get(api, "/")
        assert answer.status_code == 503
        assert "The store does not answer" in answer.text
        assert answer.headers["Retry-After"]


def test_a_search_works_while_the_ledger_is_away(private_redis_pair: RedisPair, tmp_path: Path) -> None:
    with make_api(private_redis_pair, tmp_path) as api:
        api.collection("docs")
        api.add("docs", [{"id": "a", "title": "Herons", "text": "heron"}])
        api.drain("docs")
        assert "Herons" in get(api, "/c/docs/results?q=heron").text
        private_redis_pair.ledger.kill()
        assert "Herons" in get(api, "/c/docs/results?q=heron").text


def test_the_values_to_tick_are_those_near_and_stay_when_one_is_ticked(api: Api) -> None:
    api.collection("docs", fields={"kind": "tag"})
    kinds = ("bird", "fish", "stone")
    api.add("docs", [{"id": kind, "text": f"a heron and a {kind}", "metadata": {"kind": kind}} for kind in kinds])
    api.drain("docs")
    for query in ("q=heron", "q=heron&f.kind=fish", "q=heron&f.kind=fish&f.kind=gone"):
        page = get(api, f"/c/docs?{query}").text
        offered = re.findall(r'type="checkbox"[^>]*value="([^"]+)"', page)
        assert offered == sorted({*kinds, *re.findall(r"f\.kind=(\w+)", query)})
        ticked = re.findall(r'type="checkbox"[^>]*value="([^"]+)"[^>]*checked', page)
        assert ticked == re.findall(r"f\.kind=(\w+)", query)


def test_values_to_tick_are_offered_before_anything_was_asked(api: Api) -> None:
    api.collection("docs", fields={"kind": "tag"})
    api.add("docs", [{"id": "a", "text": "x", "metadata": {"kind": ["bird", "fish"]}}])
    api.drain("docs")
    assert re.findall(r'type="checkbox"[^>]*value="([^"]+)"', get(api, "/c/docs").text) == ["bird", "fish"]


def test_of_many_values_only_those_near_the_question_are_offered(api: Api) -> None:
    api.collection("docs", fields={"place": "tag"})
    far = [{"id": str(n), "text": f"stone {n}", "metadata": {"place": f"far-{n:02}"}} for n in range(20)]
    near = [{"id": f"n{n}", "text": f"heron {n} heron", "metadata": {"place": "lake"}} for n in range(10)]
    api.add("docs", [*far, *near])
    api.drain("docs")
    assert re.findall(r'type="checkbox"[^>]*value="([^"]+)"', get(api, "/c/docs?q=heron").text) == ["lake"]
    assert len(re.findall(r'type="checkbox"', get(api, "/c/docs").text)) == 8


def test_failed_documents_are_found_by_reason_tried_again_and_taken_away(api: Api) -> None:
    api.collection("docs")
    pages = {"empty.html": b"<html><script>x</script></html>", "none.html": b"<!doctype html><br>", "tea.txt": b"tea"}
    files = [(io.BytesIO(body), name) for name, body in pages.items()]
    api.client.post("/c/docs/files", data={"file": files, "token": TOKEN}, content_type="multipart/form-data")
    api.drain("docs")
    page = get(api, "/c/docs/manage?state=failed").text
    assert page.count('<p class="reason">') == 2
    assert "Try all failed ones again" in page
    assert "by reason" not in page  # there is only one
    page = get(api, "/c/docs/manage?state=failed&q=NONE.html").text
    assert ("none.html" in page, "empty.html" in page, "Try these again" in page) == (True, False, True)
    assert "No such document here." in get(api, "/c/docs/manage?q=nowhere&state=failed").text
    table = get(api, "/c/docs/failed.csv?q=none")
    assert table.headers["Content-Disposition"] == 'attachment; filename="docs-failed.csv"'
    assert len(table.text.splitlines()) == 2
    assert "n=1" in (post(api, "/c/docs/retry", q="none.html").location or "")
    assert "n=2" not in (post(api, "/c/docs/retry").location or "")
