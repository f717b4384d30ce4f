"""A collection as NDJSON: every searchable document with its text, in the form in which it can be posted again."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import flask

from services.collections.values import Collection
from services.errors import NearfieldError
from services.index.values import DocumentHead
from services.ledger.values import DocumentKind, DocumentRecord
from web.body import to_json
from web.shapes import ExportLineShape
from web.state import WebState

log = logging.getLogger(__name__)

PAGE_DOCUMENTS = 200


def export_response(state: WebState, collection: Collection) -> flask.Response:
    """The stream as a download; one page of documents is in memory at a time."""
    response = flask.Response(export_lines(state, collection), content_type="application/x-ndjson")
    response.headers["Content-Disposition"] = f'attachment; filename="{collection.name}.ndjson"'
    return response


def export_lines(state: WebState, collection: Collection) -> Iterator[bytes]:
    """One line per document that can be found now.

    A source (an uploaded table) is left out: its rows are documents of their own. A document that was given as text is
    exported as it was given; of a file the extracted text. Should a text be missing, the stream breaks off with an
    error in the log rather than pass the document over.
    """
    cursor = ""
    while True:
        page = state.services.ledger.documents(collection.id, cursor=cursor, limit=PAGE_DOCUMENTS)
        heads = state.services.index.heads(collection, [record.doc_hash for record in page.items])
        for record, head in zip(page.items, heads, strict=True):
            if head is not None and head.live and record.visible_generation and record.kind is not DocumentKind.SOURCE:
                yield to_json(_line(state, record, head)) + b"\n"
        cursor = page.next_cursor
        if not cursor:
            return


def _line(state: WebState, record: DocumentRecord, head: DocumentHead) -> ExportLineShape:
    as_given = record.kind is DocumentKind.TEXT and record.wanted_generation == head.generation
    try:
        if as_given:
            text = state.services.documents.original(record).read().decode("utf-8")
        else:
            text = state.services.documents.text(record)
    except NearfieldError as error:
        log.error("export stopped at a document of collection %s: %s", record.collection_id, error.message)
        raise
    return {
        "id": record.id,
        "text": text,
        "title": head.title,
        "url": head.url,
        "media_type": record.media_type if as_given else "text/plain",
        "metadata": dict(head.metadata),
    }
