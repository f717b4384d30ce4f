"""Documents that failed: why, which ones, written down, and all of them or some tried again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import flask

from services.collections.values import Collection
from services.ledger.finding import Wanted
from services.ledger.values import DocumentRecord, DocumentState
from web.api.jobs import retried
from web.body import json_response, to_json
from web.endpoint import Answer, Router
from web.present import rfc3339
from web.schemas import FailuresExportQuery, FailuresQuery
from web.shapes import FailureLineShape, FailuresShape, RetriedShape
from web.state import WebState, web_state

routes = Router("documents", name="failures")

COLUMNS = tuple(FailureLineShape.__annotations__)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\0")


@routes.route(
    "GET",
    "/collections/<name>/failures",
    "See why documents failed",
    answers=Answer(200, "Reasons with the number of documents", FailuresShape),
    errors=(404,),
)
def list_failures(name: str) -> flask.Response:
    """The documents themselves: GET the collection's documents with ``state=failed`` and a ``code``."""
    state = web_state()
    collection = state.collection(name)
    codes = state.services.ledger.failure_codes(collection.id)
    answer: FailuresShape = {
        "failed": state.services.ledger.counts(collection.id).documents.get("failed", 0),
        "codes": [{"code": code, "count": count} for code, count in codes.items()],
    }
    return json_response(answer)


@routes.route(
    "GET",
    "/collections/<name>/failures/export",
    "Write failed documents down",
    answers=(
        Answer(200, "Failed documents, last accepted first", FailureLineShape, "application/x-ndjson"),
        Answer(200, "The same as a table", None, "text/csv"),
    ),
    errors=(404,),
    query=FailuresExportQuery,
)
def export_failures(name: str, query: FailuresExportQuery) -> flask.Response:
    """As a download. Cells of the table that a spreadsheet would run as a formula begin with an apostrophe."""
    state = web_state()
    collection = state.collection(name)
    records = state.services.ledger.all_of(collection.id, wanted_failures(query.code, query.q))
    return failures_download(collection, records, query.format)


@routes.route(
    "POST",
    "/collections/<name>/retry",
    "Try failed documents again",
    answers=Answer(202, "The job that tries them", RetriedShape),
    errors=(404,),
    query=FailuresQuery,
)
def retry_collection(name: str, query: FailuresQuery) -> flask.Response:
    """All failed documents of the collection become due, or those that failed for one reason or bear a name."""
    state = web_state()
    collection = state.collection(name)
    answer = retry_failures(state, collection, wanted_failures(query.code, query.q))
    return retried(*answer)


def wanted_failures(code: str, text: str) -> Wanted:
    """Failed documents of one reason or name."""
    return Wanted(DocumentState.FAILED, code.strip(), text.strip())


def retry_failures(state: WebState, collection: Collection, wanted: Wanted) -> tuple[str, int]:
    """Queues failed documents again and rings; the new job ("" for none) and how many documents it holds."""
    ledger = state.services.ledger
    if wanted.everything:
        answer = ledger.retry(collection.id)
    else:
        answer = ledger.retry(
            collection.id, document_ids=[record.id for record in ledger.all_of(collection.id, wanted)]
        )
    state.services.doorbell.ring(collection.id)
    return answer


def failures_download(collection: Collection, records: Iterator[DocumentRecord], form: str) -> flask.Response:
    """The stream as a download; ``form`` is "csv" or "ndjson"."""
    if form == "csv":
        response = flask.Response(_csv(records), content_type="text/csv; charset=utf-8")
    else:
        response = flask.Response(
            (to_json(_line(record)) + b"\n" for record in records), content_type="application/x-ndjson"
        )
    response.headers["Content-Disposition"] = f'attachment; filename="{collection.name}-failed.{form}"'
    return response


def _csv(records: Iterator[DocumentRecord]) -> Iterator[bytes]:
    yield _csv_row(COLUMNS)
    for record in records:
        yield _csv_row([_harmless(str(cell)) for cell in _line(record).values()])


def _csv_row(cells: list[str] | tuple[str, ...]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode("utf-8", "replace")


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def _line(record: DocumentRecord) -> FailureLineShape:
    return {
        "id": record.id,
        "title": record.title,
        "source": record.source,
        "url": record.url,
        "code": record.error_code,
        "message": record.error,
        "attempts": record.attempts,
        "accepted_at": rfc3339(record.accepted_at),
        "updated_at": rfc3339(record.updated_at),
    }
