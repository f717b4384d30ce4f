"""Failed documents over HTTP: reasons, search among them, an export, trying some again; and resuming a job."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiapp import Api, make_api, problem
from tests.conftest import RedisPair

CODES = {"=cmd.txt": "no-text", "b.txt": "no-text", "c.txt": "encrypted"}


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path) as made:
        made.collection("docs")
        made.add("docs", [{"id": id, "text": f"text of {id}", "title": id} for id in CODES])
        collection = made.services.collections.get("docs")
        claim = made.services.ledger.claim(collection.id, "t" * 32, max_documents=9, max_bytes=1 << 20, lease_ms=60_000)
        for document in claim.documents:
            made.services.ledger.begin(document, claim.token)
            made.services.ledger.fail(
                document, claim.token, code=CODES[document.id], reason=f"No good, {document.id}.", retry=False
            )
        made.add("docs", {"id": "good", "text": "a good text"})
        made.drain()
        yield made


def test_reasons_are_counted(api: Api) -> None:
    answer = api.call("GET", "/collections/docs/failures").get_json()
    assert answer == {"failed": 3, "codes": [{"code": "no-text", "count": 2}, {"code": "encrypted", "count": 1}]}
    problem(api.call("GET", "/collections/none/failures"), 404, "unknown-collection")


def test_documents_are_listed_by_reason_and_name(api: Api) -> None:
    def ids(query: str) -> list[str]:
        return [item["id"] for item in api.call("GET", f"/collections/docs/documents?{query}").get_json()["items"]]

    assert ids("state=failed&code=no-text") == ["b.txt", "=cmd.txt"]
    assert ids("q=C.TXT") == ["c.txt"]
    assert ids("q=.txt&limit=1") == ["c.txt"]
    assert ids("code=nothing") == []


def test_the_export_is_complete_and_harmless_to_a_spreadsheet(api: Api) -> None:
    answer = api.call("GET", "/collections/docs/failures/export?format=csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="docs-failed.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["id"], row["code"], row["attempts"]) for row in rows] == [
        ("c.txt", "encrypted", "1"), ("b.txt", "no-text", "1"), ("'=cmd.txt", "no-text", "1"),
    ]  # fmt: skip
    lines = api.call("GET", "/collections/docs/failures/export?code=no-text&q=cmd").text.splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["No good, =cmd.txt."]
    problem(api.call("GET", "/collections/docs/failures/export?format=xml"), 422, "not-allowed")


def test_only_what_is_meant_is_tried_again(api: Api) -> None:
    answer = api.call("POST", "/collections/docs/retry?code=no-text")
    assert answer.status_code == 202
    assert answer.get_json()["count"] == 2
    api.drain()
    assert api.call("GET", "/collections/docs/failures").get_json()["codes"] == [{"code": "encrypted", "count": 1}]
    assert api.call("POST", "/collections/docs/retry?q=nowhere").get_json() == {"job_id": "", "count": 0}
    assert api.call("POST", "/collections/docs/retry").get_json()["count"] == 1


def test_timings_are_shown(api: Api) -> None:
    good = api.call("GET", "/collections/docs/documents/good").get_json()
    assert good["queue_ms"] >= 0
    bad = api.call("GET", "/collections/docs/documents/c.txt").get_json()
    assert bad["timings"] is None


def test_a_cancelled_job_is_resumed(api: Api) -> None:
    job_id = api.add("docs", [{"id": f"n{number}", "text": "x"} for number in range(3)])["job_id"]
    assert api.call("POST", f"/jobs/{job_id}/cancel").get_json()["cancelled"] == 3
    answer = api.call("POST", f"/jobs/{job_id}/resume")
    assert (answer.status_code, answer.get_json()["waiting"]) == (200, 3)
    api.drain()
    assert api.call("GET", f"/jobs/{job_id}").get_json()["counts"]["ready"] == 3
    problem(api.call("POST", "/jobs/nosuchjob/resume"), 404, "unknown-job")
