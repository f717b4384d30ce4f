"""Accepting documents: one durable envelope, then one atomic script. When ``accept`` returns nothing can lose them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.errors import Conflict, InvalidInput, NotFound, TooLarge, Unavailable
from services.ids import hash_document_id, new_job_id, new_token
from services.ledger import keys
from services.ledger.bodies import body_size
from services.ledger.envelope_format import EnvelopeHeader
from services.ledger.part import LedgerPart
from services.ledger.records import accept_answer
from services.ledger.values import AcceptAnswer, AcceptRequest, DocumentKind, NewDocument

MAX_DOCUMENTS = 1000
SMALL_DOCUMENTS = 32
SMALL_BYTES = 1024 * 1024
REMEMBER_S = 86_400
REMEMBER_OWN_S = 600
TRIES = 8
TITLE_CHARS = 300
SOURCE_CHARS = 1000
URL_CHARS = 2000


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What the ledger said before the envelope was written."""

    now_us: int
    highest: int
    unchanged: tuple[bool, ...]


class Accepting(LedgerPart):
    """The part of the ledger that takes documents in."""

    def accept(self, request: AcceptRequest) -> AcceptAnswer:
        """Takes a request in: when this returns, its documents survive any crash.

        Raises:
            InvalidInput: no documents, doubled ids, children without parent. TooLarge: more than 1,000 documents.
            Conflict: the request id came before with other content, or the job was cancelled.
            NotFound: the collection was deleted, or the job to join is not there.
            StorageFull, Unavailable: nothing was accepted, or (Unavailable) it is not known; the same request id
                tells on the next try.
        """
        _check(request)
        if not request.job_id:
            request = replace(request, job_id=new_job_id())
            mode = "new"
        else:
            mode = "children" if request.generation else "join"
        memo = _memo_name(request) if request.request_id else f"own-{new_token()}"
        hashes = [hash_document_id(document.id) for document in request.documents]
        for _ in range(TRIES):
            prepared, answered = self._prepare(request, memo, hashes)
            if answered is not None:
                return answered
            answer = self._try(request, mode, memo, hashes, prepared)
            if answer is not None:
                return answer
        raise Unavailable(
            "other requests keep changing the same documents; try again in a moment", code="contended", retry_after_s=1
        )

    def remembered(self, collection_id: str, request_id: str, request_hash: str) -> AcceptAnswer | None:
        """The answer that this request id got earlier, within a day; None when it is new.

        Raises:
            Conflict: it came with other content (code "idempotency-key-reused").
        """
        name = _memo_name(AcceptRequest(collection_id, (), request_id=request_id))
        (text,) = self.link.read(lambda pipe: pipe.get(keys.answer(name)))
        return None if text is None else _replay(text, request_id, request_hash)

    def remember(self, scope: str, request_id: str, request_hash: str, answer: str) -> str:
        """Remembers the answer to a request that is no accept, for a day; returns the one that was there first.

        Raises:
            Conflict: the request id came with other content.
        """
        key = keys.answer(_digest(f"{scope}\0{request_id}"))
        memo = json.dumps({"request": request_hash, "answer": answer})

        def call() -> bytes | None:
            self.link.client.set(key, memo, ex=REMEMBER_S, nx=True)
            return self.link.client.get(key)

        stored = json.loads(self.link.attempt(call) or memo)
        if stored["request"] != request_hash:
            raise _reused(request_id)
        return str(stored["answer"])

    def recall(self, scope: str, request_id: str, request_hash: str) -> str | None:
        """What ``remember`` holds for a request id; None when it is new. Raises as ``remember``."""
        (text,) = self.link.read(lambda pipe: pipe.get(keys.answer(_digest(f"{scope}\0{request_id}"))))
        if text is None:
            return None
        stored = json.loads(text)
        if stored["request"] != request_hash:
            raise _reused(request_id)
        return str(stored["answer"])

    def _prepare(
        self, request: AcceptRequest, memo: str, hashes: Sequence[str]
    ) -> tuple[_Prepared, AcceptAnswer | None]:
        documents = zip(hashes, request.documents, strict=True)
        triples = [text for dh, document in documents for text in (dh, document.kind.value, document.full_hash)]
        now_us, answered, highest, same = self.link.run("prepare", request.collection_id, memo, *triples)
        prepared = _Prepared(int(now_us), int(highest), tuple(bool(flag) for flag in same))
        answer = _replay(answered, request.request_id, request.request_hash) if answered else None
        return prepared, answer

    def _try(
        self, request: AcceptRequest, mode: str, memo: str, hashes: Sequence[str], prepared: _Prepared
    ) -> AcceptAnswer | None:
        """One envelope and one script; None when the ledger moved meanwhile and another envelope is needed."""
        generation = request.generation or max(prepared.now_us, prepared.highest + 1)
        places = self._store(request, mode, generation, prepared)
        name = next((place.partition(":")[0] for place in places if place), "")
        small = sum(body_size(document.body) for document in request.documents) <= SMALL_BYTES
        arguments: list[str | int] = [request.collection_id, generation, name, request.job_id, mode, memo]
        arguments += [request.request_hash, REMEMBER_S if request.request_id else REMEMBER_OWN_S, request.label]
        arguments += ["fast" if small else "", SMALL_DOCUMENTS, request.not_after]
        for doc_hash, document, place in zip(hashes, request.documents, places, strict=True):
            arguments += _fields(doc_hash, document, place)
        status, answer, bell = self.link.run("accept", *arguments)
        if status == b"ok":
            return accept_answer(answer, replayed=False, ring=bool(bell))
        if name:
            self._envelopes.discard(name)
        if status in (b"replay", b"mismatch"):
            return _replay(answer, request.request_id, request.request_hash)
        if status == b"retry":
            return None
        raise _refusal(status, request)

    def _store(self, request: AcceptRequest, mode: str, generation: int, prepared: _Prepared) -> list[str]:
        """Writes the envelope; a document that changes nothing is not written and has the place ""."""
        changed = [
            (document, generation)
            for document, same in zip(request.documents, prepared.unchanged, strict=True)
            if not same
        ]
        if not changed:
            return [""] * len(request.documents)
        header = EnvelopeHeader(
            collection_id=request.collection_id,
            created_us=prepared.now_us,
            job_id=request.job_id,
            generation=generation,
            mode=mode,
            label=request.label,
            request_id=request.request_id,
            request_hash=request.request_hash,
        )
        written = iter(self._envelopes.write(header, changed))
        return ["" if same else next(written) for same in prepared.unchanged]


def _check(request: AcceptRequest) -> None:
    count = len(request.documents)
    if count == 0:
        raise InvalidInput("the request holds no documents; send at least one", code="no-documents")
    if count > MAX_DOCUMENTS:
        raise TooLarge(f"the request holds {count} documents; at most {MAX_DOCUMENTS} go into one slice")
    seen: set[str] = set()
    for position, document in enumerate(request.documents):
        if document.id in seen:
            raise InvalidInput(
                f"document id {document.id[:80]!r} comes twice in one request; keep the one that counts",
                code="doubled-id",
                pointer=f"/documents/{position}/id",
            )
        seen.add(document.id)
    if request.generation and (
        not request.job_id or len({document.parent for document in request.documents}) != 1 or not _parent(request)
    ):
        raise InvalidInput("documents with a given generation need their source's job and one common parent")


def _parent(request: AcceptRequest) -> str:
    return request.documents[0].parent


def _fields(doc_hash: str, document: NewDocument, place: str) -> list[str | int]:
    full = "" if document.kind is DocumentKind.DELETE else document.full_hash
    return [
        doc_hash,
        document.id,
        document.kind.value,
        place,
        body_size(document.body),
        document.media_type,
        document.title[:TITLE_CHARS],
        document.url if len(document.url) <= URL_CHARS else "",
        document.source[:SOURCE_CHARS],
        full,
        document.parent,
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:40]


def _memo_name(request: AcceptRequest) -> str:
    return _digest(f"{request.collection_id}\0{request.request_id}")


def _replay(text: bytes, request_id: str, request_hash: str) -> AcceptAnswer:
    if json.loads(text)["request"] != request_hash:
        raise _reused(request_id)
    return accept_answer(text, replayed=True, ring=False)


def _reused(request_id: str) -> Conflict:
    return Conflict(
        f"the idempotency key {request_id[:80]!r} came with another request within the last day; "
        "use a new key for a new request",
        code="idempotency-key-reused",
    )


def _refusal(status: bytes, request: AcceptRequest) -> Exception:
    if status == b"gone":
        return NotFound("the collection was deleted; create it again first", code="unknown-collection")
    if status == b"stopped":
        return Conflict(f"job {request.job_id} was cancelled and takes nothing in any more", code="job-cancelled")
    return NotFound(
        f"there is no job {request.job_id} to join; send the documents as a new request", code="unknown-job"
    )
