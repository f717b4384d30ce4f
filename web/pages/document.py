"""A document's page: its text with the passage marked and in view, what is known of it, its original, its end."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import flask
from werkzeug.wrappers import Response

from services.collections.values import Collection
from services.errors import NearfieldError, NotFound
from services.ledger.values import DocumentKind, DocumentRecord, DocumentState
from services.wiring import Services
from web.download import attachment, thumbnail_response
from web.errors import Problem
from web.pages.document_form import request_id
from web.pages.errors import current_problem
from web.pages.links import document_address, manage_address
from web.pages.notices import notice
from web.pages.passage import TextWindow, text_window
from web.state import web_state


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Everything the page shows. ``window`` is None when there is no text to show, then ``problem`` may say why."""

    collection: Collection
    record: DocumentRecord
    metadata: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    query: str
    window: TextWindow | None
    problem: Problem | None
    mark: tuple[int, int] | None
    moved: bool
    token: str

    @property
    def has_original(self) -> bool:
        """Whether there is something to download."""
        return self.record.kind is not DocumentKind.DELETE


class DocumentPages:
    """Views of a document's page and the forms on it."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def register(self, blueprint: flask.Blueprint) -> None:
        """Adds the routes. A document's id is a parameter, because a path cannot carry every id."""
        add = blueprint.add_url_rule
        add("/c/<collection>/document", "document", self.document)
        add("/c/<collection>/document/original", "original", self.original)
        add("/c/<collection>/document/thumbnail", "thumbnail", self.thumbnail)
        add("/c/<collection>/document/delete", "delete_document", self.delete, methods=["POST"])
        add("/c/<collection>/document/retry", "retry_document", self.retry, methods=["POST"])

    def document(self, collection: str) -> str:
        """The document, with the passage of ``start`` and ``end`` marked."""
        found = web_state().collection(collection)
        args = flask.request.args
        record = self._record(found, args.get("id", ""))
        mark = _offsets(args.get("start", ""), args.get("end", ""))
        window, problem = self._window(record, mark, _offset(args.get("at", "")))
        page = DocumentPage(
            collection=found,
            record=record,
            metadata=self._metadata(found, record),
            names=tuple(known.name for known in self._services.collections.list()),
            query=args.get("q", "").strip(),
            window=window,
            problem=problem,
            mark=mark,
            moved=bool(mark) and args.get("v", "") not in ("", str(record.visible_generation)),
            token=secrets.token_hex(16),
        )
        return flask.render_template("document.html", page=page, notice=notice(args))

    def original(self, collection: str) -> Response:
        """What was given, byte for byte, always as a download: it is never shown as a page of this server."""
        found = web_state().collection(collection)
        record = self._record(found, flask.request.args.get("id", ""))
        return attachment(self._services.documents.original(record))

    def thumbnail(self, collection: str) -> Response:
        """A small JPEG of a picture."""
        found = web_state().collection(collection)
        record = self._record(found, flask.request.args.get("id", ""))
        return thumbnail_response(self._services.documents.thumbnail(record))

    def delete(self, collection: str) -> Response:
        """Deletes the document."""
        found = web_state().collection(collection)
        document_id = flask.request.form.get("id", "")
        self._record(found, document_id)
        key, content = request_id(flask.request.form.get("token", ""), document_id.encode())
        self._services.acceptor.delete(found, [document_id], request_id=key, request_hash=content)
        return flask.redirect(manage_address(found.name, done="deleting"), HTTPStatus.SEE_OTHER)

    def retry(self, collection: str) -> Response:
        """Tries a failed document again."""
        found = web_state().collection(collection)
        document_id = flask.request.form.get("id", "")
        job_id, count = self._services.ledger.retry(found.id, document_ids=[document_id])
        self._services.doorbell.ring(found.id)
        if not count:
            return flask.redirect(document_address(found.name, document_id), HTTPStatus.SEE_OTHER)
        where = manage_address(found.name, done="retrying", n=count, job=job_id)
        return flask.redirect(where, HTTPStatus.SEE_OTHER)

    def _record(self, collection: Collection, document_id: str) -> DocumentRecord:
        record = self._services.ledger.document(collection.id, document_id) if document_id else None
        if record is None or record.state is DocumentState.DELETED:
            raise NotFound(
                f"there is no document with this id in {collection.name}; it may have been deleted",
                code="unknown-document",
            )
        return record

    def _window(
        self, record: DocumentRecord, mark: tuple[int, int] | None, at: int | None
    ) -> tuple[TextWindow | None, Problem | None]:
        try:
            return text_window(self._services.documents.text(record), mark=mark, at=at), None
        except NearfieldError as error:  # not read yet, failed, or its file is gone: the rest of the page still stands
            return None, current_problem(error)

    def _metadata(self, collection: Collection, record: DocumentRecord) -> tuple[tuple[str, str], ...]:
        head = self._services.index.head(collection, record.doc_hash)
        return readable_metadata(head.metadata) if head is not None and head.live else ()


def readable_metadata(metadata: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Metadata as names and texts, in the order given; lists are joined, deeper values are shown as JSON."""
    return tuple((name, _readable(value)) for name, value in metadata.items())


def _readable(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, (list, tuple)) and all(isinstance(item, (str, int, float)) for item in value):
        return ", ".join(_readable(item) for item in value)
    return flask.json.dumps(value, ensure_ascii=False)


def _offset(given: str) -> int | None:
    return int(given) if given.isascii() and given.isdigit() and len(given) < 12 else None


def _offsets(start: str, end: str) -> tuple[int, int] | None:
    first, last = _offset(start), _offset(end)
    return (first, last) if first is not None and last is not None and first < last else None
