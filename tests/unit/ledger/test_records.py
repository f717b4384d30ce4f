"""From hashes to values, and what a job's figures mean."""

from __future__ import annotations

import pytest

from services.ledger.job_model import JobDescription
from services.ledger.jobs import to_job
from services.ledger.records import claimed_document, document_record, hash_of
from services.ledger.values import DocumentKind, DocumentState

SECOND = 1_000_000


def description() -> JobDescription:
    return JobDescription(pk="job", collection_id="c", label="x", number=1, created_at=1000)


def test_a_record_of_few_fields() -> None:
    record = document_record(
        "c", "h", hash_of({b"id": "ünï".encode(), b"kind": b"text", b"state": b"pending", b"gen": b"7"})
    )
    assert (record.id, record.kind, record.state) == ("ünï", DocumentKind.TEXT, DocumentState.PENDING)
    assert (record.wanted_generation, record.visible_generation, record.warnings, record.url) == (7, 0, (), "")


def test_a_claimed_row() -> None:
    row = [b"h", b"id", b"1795000000000000", 2, b"file", b"e:9", b"12", b"job", b"5", b"3", 4]
    document = claimed_document("c", row)
    assert (document.generation, document.attempts, document.kind) == (1795000000000000, 2, DocumentKind.FILE)
    assert (document.body_bytes, document.visible_generation, document.cursor, document.children) == (12, 5, 3, 4)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"total": 2, "pending": 2}, "pending"),
        ({"total": 2, "pending": 1, "ready": 1, "started": SECOND}, "running"),
        ({"total": 2, "processing": 1, "ready": 1, "started": SECOND, "stopped": 1}, "running"),
        ({"total": 2, "ready": 1, "failed": 1}, "done"),
        ({"total": 2, "unchanged": 2}, "done"),
        ({"total": 2, "superseded": 1, "failed": 1}, "done"),
        ({"total": 2, "failed": 2}, "failed"),
        ({"total": 2, "ready": 1, "cancelled": 1, "stopped": 1}, "cancelled"),
        ({"total": 1, "ready": 1, "stopped": 1}, "done"),
        ({"total": 0}, "done"),
    ],
)
def test_states_of_jobs(fields: dict[str, int], state: str) -> None:
    assert to_job(description(), {name: str(value) for name, value in fields.items()}, 9 * SECOND).state == state


def test_rate_and_eta() -> None:
    fields = {"total": "10", "pending": "6", "ready": "3", "deleted": "1", "started": str(SECOND)}
    job = to_job(description(), fields, 3 * SECOND)
    assert (job.rate, job.eta_s) == (2.0, 3.0)
    assert to_job(description(), fields | {"sources": "1"}, 3 * SECOND).eta_s is None
    finished = to_job(
        description(), {"total": "4", "ready": "4", "started": "1", "finished": str(2 * SECOND)}, 99 * SECOND
    )
    assert finished.rate == pytest.approx(2.0, rel=1e-5)
    assert (finished.eta_s, finished.finished_at) == (0.0, 2000)
    assert to_job(description(), {"total": "4", "pending": "4"}, SECOND).eta_s is None
