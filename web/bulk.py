"""Bulk documents, one per line: taken in slices, answered with a line for each line, never held in memory as a whole.

A slice is one envelope and one accept, so what has been answered is stored. A line that cannot be taken is answered
with its error and the others of its slice go on. When the store fails half way, the last line says where to continue.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import flask

from services.collections.values import Collection
from services.errors import InvalidInput, MalformedJson, NearfieldError, TooLarge
from services.ingest.accept import AcceptingLedger
from services.ingest.values import TextInput
from services.ledger.values import AcceptAnswer, AcceptRequest
from web.body import NDJSON_TYPES, require_size, to_json
from web.errors import problem_of
from web.idempotency import RequestKey, request_key
from web.json_guard import parse_json
from web.lines import READ_BYTES, Line, LineReader, cut, read_lines
from web.schemas import DocumentIn
from web.shapes import BulkEndShape, BulkLineShape
from web.state import WebState
from web.validate import validate

log = logging.getLogger(__name__)

ESCAPE_FACTOR = (
    3  # a document of n bytes may take this many times as many as escaped JSON, and some for its other members
)
LINE_ALLOWANCE_BYTES = 256 * 1024
_ITEM = re.compile(r"/(\d+)(.*)", re.DOTALL)


@dataclass(slots=True)
class JoiningLedger:
    """Puts all slices of one long request into the job of its first, so that people see one job."""

    ledger: AcceptingLedger
    job_id: str = ""

    def accept(self, request: AcceptRequest) -> AcceptAnswer:
        """Takes a slice in. Raises as ``Ledger.accept``; Conflict also when the job was cancelled meanwhile."""
        answer = self.ledger.accept(replace(request, job_id=self.job_id))
        self.job_id = answer.job_id
        return answer


AddTexts = Callable[[Sequence[TextInput], RequestKey], AcceptAnswer]


@dataclass(slots=True)
class BulkRun:
    """One bulk request.

    Args:
        add: takes the documents of a slice as a whole or raises InvalidInput pointing at the one that is wrong.
        line_limit_bytes: longest line.
        key: the request's idempotency key; slices derive theirs from it.
        request_id: for the problem that ends a broken-off answer.
    """

    add: AddTexts
    line_limit_bytes: int
    key: RequestKey = RequestKey()  # noqa: RUF009 - frozen
    request_id: str = ""
    sums: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("accepted", "unchanged", "stale", "rejected"), 0)
    )
    job_ids: dict[str, None] = field(default_factory=dict)

    def answer(self, stream: LineReader) -> Iterator[bytes]:
        """The answer's lines as bytes, some per slice.

        Raises:
            NearfieldError: the first slice could not be stored; nothing was taken, the request can be refused as such.
        """
        started = False
        for piece in cut(read_lines(stream, self.line_limit_bytes)):
            try:
                results = self._take(piece)
            except NearfieldError as error:
                if not started:
                    raise
                yield to_json(self._end(error, piece[0].number)) + b"\n"
                return
            started = True
            yield b"".join(to_json(result) + b"\n" for result in results)
        if not started:
            raise MalformedJson("the body has no lines; send one JSON object per line", pointer="", code="no-documents")
        yield to_json(self._end()) + b"\n"

    def _take(self, piece: list[Line]) -> list[BulkLineShape]:
        results: dict[int, BulkLineShape] = {}
        documents: list[tuple[Line, TextInput]] = []
        for line in piece:
            try:
                documents.append((line, self._parse(line)))
            except InvalidInput as error:
                results[line.number] = _rejected(line.number, error)
        for batch in _distinct(documents):
            self._store(batch, results)
        for result in results.values():
            self.sums[result["outcome"]] += 1
        return [results[line.number] for line in piece]

    def _parse(self, line: Line) -> TextInput:
        if line.body is None:
            raise TooLarge(f"the line is longer than {self.line_limit_bytes:,} bytes; split the document", pointer="")
        document = validate(DocumentIn, parse_json(line.body, limit_bytes=self.line_limit_bytes))
        return document.as_input(document.id)

    def _store(self, batch: list[tuple[Line, TextInput]], results: dict[int, BulkLineShape]) -> None:
        """Stores what can be stored: a document that is refused is taken out, and the others are tried again."""
        batch = list(batch)
        while batch:
            first = batch[0][0].number
            key = self.key.part(first, b"".join(line.body or b"" for line, _ in batch))
            try:
                answer = self.add([document for _, document in batch], key)
            except InvalidInput as error:
                found = _ITEM.fullmatch(error.pointer or "")
                if found is None or int(found[1]) >= len(batch):
                    raise
                line, _ = batch.pop(int(found[1]))
                error.pointer = found[2]
                results[line.number] = _rejected(line.number, error)
                continue
            self.job_ids[answer.job_id] = None
            for (line, _), taken in zip(batch, answer.documents, strict=True):
                results[line.number] = {
                    "line": line.number,
                    "outcome": taken.outcome,
                    "id": taken.id,
                    "generation": taken.generation,
                    "job_id": answer.job_id,
                }
            return

    def _end(self, error: NearfieldError | None = None, next_line: int = 0) -> BulkEndShape:
        end: BulkEndShape = {
            "done": error is None,
            "accepted": self.sums["accepted"],
            "unchanged": self.sums["unchanged"],
            "stale": self.sums["stale"],
            "rejected": self.sums["rejected"],
            "job_ids": list(self.job_ids),
        }
        if error is not None:
            log.warning("bulk request %s broke off at line %d: %s", self.request_id, next_line, error.message)
            end["error"] = problem_of(error, request_id=self.request_id).as_shape()
            end["next_line"] = next_line
        return end


def bulk_response(state: WebState, collection: Collection, request: flask.Request) -> flask.Response:
    """The streamed answer to a bulk request. The first slice is taken before the status is sent.

    The body lies on the disk and is read line by line; it holds a slot until the last line has been answered.

    Raises:
        TooLarge: it is declared longer than allowed. Overloaded: no slot is free.
    """
    require_size(request, state.settings.max_bulk_bytes)
    request.max_content_length = state.settings.max_bulk_bytes + 1  # werkzeug refuses one of exactly the limit
    acceptor = state.services.acceptor.over(JoiningLedger(state.services.ledger))

    def add(documents: Sequence[TextInput], key: RequestKey) -> AcceptAnswer:
        return acceptor.add_texts(collection, documents, request_id=key.id, request_hash=key.hash, label="bulk upload")

    run = BulkRun(
        add=add,
        line_limit_bytes=state.settings.max_document_bytes * ESCAPE_FACTOR + LINE_ALLOWANCE_BYTES,
        key=request_key(request, []),
        request_id=flask.g.request_id,
    )
    # the server's own stream reads lines byte by byte: 4 MB took 1.9 s, buffered 7 ms
    lines = run.answer(io.BufferedReader(cast(io.RawIOBase, request.stream), READ_BYTES))
    give_back = state.uploads.take()
    try:
        first = next(lines)
    except BaseException:
        give_back()
        raise

    def stream() -> Iterator[bytes]:
        yield first
        yield from lines

    response = flask.Response(stream(), content_type=NDJSON_TYPES[0])
    response.call_on_close(give_back)
    return response


def _distinct(documents: list[tuple[Line, TextInput]]) -> Iterator[list[tuple[Line, TextInput]]]:
    """Batches in which no id stands twice; a later line with the same id replaces the earlier one."""
    batch: list[tuple[Line, TextInput]] = []
    seen: set[str] = set()
    for line, document in documents:
        if document.id is not None and document.id in seen:
            yield batch
            batch, seen = [], set()
        if document.id is not None:
            seen.add(document.id)
        batch.append((line, document))
    if batch:
        yield batch


def _rejected(number: int, error: InvalidInput) -> BulkLineShape:
    return {
        "line": number,
        "outcome": "rejected",
        "error": {"code": error.code, "detail": error.message, "pointer": error.pointer or ""},
    }
