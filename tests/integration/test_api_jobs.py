"""Jobs over HTTP: list, follow, cancel, try again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.errors import NotFound
from tests.apiapp import Api, make_api, problem
from tests.conftest import RedisPair
from web.app import state_of
from web.shapes import JobShape
from web.state import MAX_STREAMS
from web.streams import job_events


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path) as made:
        made.collection("docs")
        yield made


def events_of(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in data.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_a_job_counts_its_documents(api: Api) -> None:
    job_id = api.add("docs", [{"id": "a", "text": "one"}, {"id": "b", "text": "two"}])["job_id"]
    job = api.call("GET", f"/jobs/{job_id}").get_json()
    assert (job["id"], job["collection"], job["label"]) == (job_id, "docs", "2 documents")
    assert (job["counts"]["total"], job["counts"]["pending"], job["done"], job["finished_at"]) == (2, 2, 0, None)
    api.drain()
    job = api.call("GET", f"/jobs/{job_id}").get_json()
    assert (job["counts"]["ready"], job["counts"]["pending"], job["done"]) == (2, 0, 2)
    assert job["finished_at"] >= job["created_at"]


def test_jobs_are_listed_newest_first_and_by_collection(api: Api) -> None:
    api.collection("other")
    jobs = [api.add(name, {"text": f"x{number}"})["job_id"] for number, name in enumerate(["docs", "other", "docs"])]
    listed = api.call("GET", "/jobs").get_json()
    assert [item["id"] for item in listed["items"]] == jobs[::-1]
    assert [item["collection"] for item in listed["items"]] == ["docs", "other", "docs"]
    only = api.call("GET", "/jobs?collection=other").get_json()["items"]
    assert [item["id"] for item in only] == [jobs[1]]
    first = api.call("GET", "/jobs?limit=2").get_json()
    rest = api.call("GET", f"/jobs?limit=2&cursor={first['next_cursor']}").get_json()
    assert [item["id"] for item in first["items"] + rest["items"]] == jobs[::-1]
    assert rest["next_cursor"] is None
    problem(api.call("GET", "/jobs?collection=none"), 404, "unknown-collection")


def test_cancelling_stops_what_is_not_done(api: Api) -> None:
    job_id = api.add("docs", [{"text": "one"}, {"text": "two"}])["job_id"]
    answer = api.call("POST", f"/jobs/{job_id}/cancel").get_json()
    assert answer["cancelled"] == 2
    assert answer["job"]["counts"]["cancelled"] == 2
    assert api.call("POST", f"/jobs/{job_id}/cancel").get_json()["cancelled"] == 0  # nothing was left
    api.drain()
    assert api.call("GET", "/collections/docs").get_json()["searchable"] == 0
    assert api.call("POST", f"/jobs/{job_id}/retry").get_json()["count"] == 0  # nothing of it has failed
    assert api.call("POST", f"/jobs/{job_id}/resume").get_json()["waiting"] == 2
    api.drain()
    assert api.call("GET", "/collections/docs").get_json()["searchable"] == 2


@pytest.mark.parametrize("job_id", ["none", "*", "%7Bx%7D", "a:b", "%E6%96%87", "a" * 5000])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("POST", "/resume"), ("GET", "/events")]
)
def test_an_unknown_job_is_a_404(api: Api, method: str, path: str, job_id: str) -> None:
    found = problem(api.call(method, f"/jobs/{job_id}{path}"), 404, "unknown-job")
    assert found["pointer"] == "/job_id"


def test_a_finished_job_is_one_event(api: Api) -> None:
    job_id = api.add("docs", {"text": "one"})["job_id"]
    api.drain()
    answer = api.call("GET", f"/jobs/{job_id}/events")
    assert answer.content_type == "text/event-stream; charset=utf-8"
    assert answer.data.startswith(b"retry: ")
    job = api.call("GET", f"/jobs/{job_id}").get_json()
    assert events_of(answer.data) == [("done", job)]


def test_a_running_job_is_followed_to_its_end(api: Api) -> None:
    job_id = api.add("docs", {"text": "one"})["job_id"]
    answer = api.call("GET", f"/jobs/{job_id}/events", buffered=False)
    stream = answer.iter_encoded()
    seen = b""
    while b"event: progress" not in seen:
        seen += next(stream)
    api.drain()
    seen += b"".join(stream)
    answer.close()
    names = [name for name, _ in events_of(seen)]
    assert names[0] == "progress"
    assert names[-1] == "done"


def test_streams_are_few_and_their_places_come_back(api: Api) -> None:
    job_id = api.add("docs", {"text": "one"})["job_id"]
    open_answers = [api.call("GET", f"/jobs/{job_id}/events", buffered=False) for _ in range(MAX_STREAMS)]
    refused = api.call("GET", f"/jobs/{job_id}/events")
    problem(refused, 503, "too-many-streams")
    assert int(refused.headers["Retry-After"]) > 0
    for answer in open_answers:
        answer.close()  # some were never read from
    again = api.call("GET", f"/jobs/{job_id}/events", buffered=False)
    assert again.status_code == 200
    again.close()


def test_asking_for_the_head_of_a_stream_takes_no_place(api: Api) -> None:
    job_id = api.add("docs", {"text": "one"})["job_id"]
    for _ in range(MAX_STREAMS + 1):
        answer = api.call("HEAD", f"/jobs/{job_id}/events")
        assert answer.status_code == 200
        answer.close()  # as every WSGI server does


def test_streams_end_when_the_process_stops(api: Api) -> None:
    job_id = api.add("docs", {"text": "one"})["job_id"]
    answer = api.call("GET", f"/jobs/{job_id}/events", buffered=False)
    state_of(api.app).stopping.set()
    assert [name for name, _ in events_of(b"".join(answer.iter_encoded()))] == ["progress"]
    answer.close()


def job(done: int, finished: bool = False) -> JobShape:
    counts = dict.fromkeys(
        ("total", "pending", "processing", "ready", "failed", "unchanged", "deleted", "superseded", "cancelled"), 0
    )
    return {  # type: ignore[typeddict-item]
        "id": "j",
        "collection": "docs",
        "collection_id": "c",
        "label": "",
        "state": "running",
        "counts": {**counts, "ready": done},
        "done": done,
        "created_at": "",
        "finished_at": "t" if finished else None,
        "rate": 0.0,
        "eta_s": None,
    }


def follow(jobs: list[JobShape | Exception], last: str = "", seconds: float = 60.0) -> bytes:
    left = iter(jobs)

    def read() -> JobShape:
        found = next(left)
        if isinstance(found, Exception):
            raise found
        return found

    return b"".join(
        job_events(
            read,
            last_event_id=last,
            stopping=threading.Event(),
            request_id="r",
            stream_s=seconds,
            poll_s=0.0,
        )
    )


def test_only_changes_are_sent() -> None:
    data = follow([job(0), job(0), job(1), job(1), job(2, finished=True)])
    assert [(name, found["done"]) for name, found in events_of(data)] == [("progress", 0), ("progress", 1), ("done", 2)]


def test_a_reader_that_comes_back_is_not_told_again() -> None:
    first = follow([job(1)], seconds=0.0)
    last = next(line for line in first.decode().splitlines() if line.startswith("id: ")).removeprefix("id: ")
    assert events_of(follow([job(1)], last=last, seconds=0.0)) == []
    assert [name for name, _ in events_of(follow([job(2)], last=last, seconds=0.0))] == ["progress"]


def test_a_job_that_vanishes_ends_the_stream_with_an_error() -> None:
    name, found = events_of(follow([job(0), NotFound("the job is gone; list the jobs", code="unknown-job")]))[-1]
    assert (name, found["code"], found["request_id"]) == ("error", "unknown-job", "r")


def test_a_job_of_unchanged_documents_is_finished_at_once(api: Api) -> None:
    api.add("docs", {"id": "a", "text": "one"})
    api.drain()
    again = api.add("docs", {"id": "a", "text": "one"})
    found = api.call("GET", f"/jobs/{again['job_id']}").get_json()
    assert (found["state"], found["counts"]["unchanged"], found["done"]) == ("done", 1, 1)
    assert found["finished_at"] is not None
    assert [name for name, _ in events_of(api.call("GET", f"/jobs/{again['job_id']}/events").data)] == ["done"]
