"""Numbers, times and states in plain words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.ledger.values import CollectionCounts, DocumentKind, DocumentRecord, DocumentState, Job, JobCounts
from web.pages import words

RECORD = DocumentRecord(
    collection_id="c",
    id="id-1",
    doc_hash="h",
    kind=DocumentKind.FILE,
    state=DocumentState.READY,
    wanted_generation=2,
    visible_generation=2,
    attempts=1,
    title="",
    url="",
    source="",
    media_type="text/plain",
    body_bytes=1,
    chunks=1,
    job_id="j",
    error_code="",
    error="",
    warnings=(),
    accepted_at=0,
    updated_at=0,
    envelope="",
    visible_envelope="",
    parent="",
    children=0,
)


def job(finished: bool, **counts: int) -> Job:
    return Job("j", "c", "upload", "running", JobCounts(**counts), 0, 1 if finished else None, 0.0, None)


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (999, "999"), (1240, "1,240"), (8_000_000, "8,000,000"), (2.5, "2.5"), (3.0, "3")]
)
def test_number(value: float, shown: str) -> None:
    assert words.number(value) == shown


def test_plural() -> None:
    assert [words.plural(n, "passage") for n in (0, 1, 1240)] == ["0 passages", "1 passage", "1,240 passages"]
    assert words.plural(2, "entry", "entries") == "2 entries"


@pytest.mark.parametrize(
    ("count", "shown"), [(1, "1 byte"), (640, "640 bytes"), (12_400, "12 kB"), (3_420_000, "3.4 MB")]
)
def test_size(count: int, shown: str) -> None:
    assert words.size(count) == shown


def test_times_are_utc() -> None:
    assert words.iso_time(1_795_209_743_123) == "2026-11-20T21:22:23Z"
    assert words.day_time(1_795_209_743_123) == "20 Nov 2026, 21:22 UTC"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "a few seconds"), (38, "about 40 seconds"), (100, "about 2 minutes"), (7300, "about 2 hours")],
)
def test_duration(seconds: float, shown: str) -> None:
    assert words.duration(seconds) == shown


@pytest.mark.parametrize("good", ["https://example.org/a?b#c", "http://localhost:8080/"])
def test_web_link_keeps_web_addresses(good: str) -> None:
    assert words.web_link(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)//https://x",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>",
        "//evil.example",
        "file:///etc/passwd",
        "http:",
        "https:evil",
        "http://[broken",
        "vbscript:x",
    ],
)
def test_web_link_drops_everything_else(bad: str) -> None:
    assert words.web_link(bad) == ""


def test_a_document_is_called_by_the_best_name_it_has() -> None:
    assert words.document_name(RECORD) == "id-1"
    assert words.document_name(replace(RECORD, source="a/b.md")) == "a/b.md"
    assert words.document_name(replace(RECORD, source="a/b.md", title="B")) == "B"


def test_states_say_what_is_still_searchable() -> None:
    waiting = replace(RECORD, state=DocumentState.PENDING, visible_generation=0)
    assert words.document_state(waiting) == "Waiting"
    assert words.document_state(replace(waiting, visible_generation=1)) == "Waiting; the earlier version is searchable"
    failed = replace(RECORD, state=DocumentState.FAILED)
    assert words.document_state(failed) == "Update failed; the earlier version is searchable"
    assert words.document_state(replace(failed, visible_generation=0)) == "Failed"
    assert words.document_state(replace(waiting, kind=DocumentKind.DELETE)) == "Being deleted"


@pytest.mark.parametrize("state", list(DocumentState))
def test_every_state_has_words(state: DocumentState) -> None:
    assert words.document_state(replace(RECORD, state=state, visible_generation=0))


def test_live_documents_leave_out_what_is_gone() -> None:
    counts = CollectionCounts({"ready": 5, "failed": 1, "pending": 2, "deleted": 9, "cancelled": 1}, 5, 7, 2)
    assert words.live_documents(counts) == 8


def test_job_progress_counts_what_can_be_found() -> None:
    assert words.job_progress(job(False, total=8000, ready=1238, unchanged=2, pending=6760)) == (
        "1,238 of 8,000 searchable so far, 2 unchanged"
    )
    assert words.job_progress(job(False, total=3, pending=3)) == "0 of 3 searchable so far"
    assert words.job_progress(job(True, total=4, ready=1, unchanged=3)) == "1 searchable, 3 unchanged"
    assert words.job_progress(job(True, total=4, ready=1, failed=2, deleted=1)) == "1 searchable, 1 deleted, 2 failed"
    assert words.job_progress(job(True)) == "Nothing to do"
    assert words.job_settled(job(False, total=10, pending=4, processing=1, ready=3, failed=2)) == 5
