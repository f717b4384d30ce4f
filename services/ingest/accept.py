"""Taking documents in: the one way by which web, offline commands and the expansion of sources reach the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

from services.collections.values import Collection
from services.doorbell import Doorbell
from services.errors import InvalidInput, TooLarge
from services.ids import new_token
from services.ingest.cleaning import check_document_id, clean_file_name, require_encodable
from services.ingest.hashing import request_hash as hash_request
from services.ingest.prepare import prepare_file, prepare_text
from services.ingest.values import FileInput, TextInput
from services.ledger.values import AcceptAnswer, AcceptRequest, DocumentKind, NewDocument

MAX_REQUEST_ID_CHARS = 200
MAX_LABEL_CHARS = 200


class AcceptingLedger(Protocol):
    """What is needed of the ledger."""

    def accept(self, request: AcceptRequest) -> AcceptAnswer:
        """Takes a request in; when it returns, nothing of it can be lost."""
        ...


def admit_all() -> None:
    """The admission of an acceptor that nothing holds back."""


def take_all(collection: Collection, media_type: str, pointer: str | None) -> None:
    """The check of an acceptor that leaves it to the pipeline what a collection's model embeds."""


class Acceptor:
    """Checks, hashes and hands over; rings the doorbell when nobody has.

    Args:
        ledger: where requests are stored and remembered.
        doorbell: wakes the workers.
        max_document_bytes: the largest text of one document.
        max_file_bytes: the largest file of one document, for formats that are longer than their text; 0: the same.
        admit: asked before anything new is taken; raises StorageFull or Overloaded while there is no room. Removals
            are always taken, because they make room.
        require_side: refuses a media type that the collection's model does not embed (code "unsupported-modality").
    """

    def __init__(
        self,
        ledger: AcceptingLedger,
        doorbell: Doorbell,
        *,
        max_document_bytes: int,
        max_file_bytes: int = 0,
        admit: Callable[[], None] = admit_all,
        require_side: Callable[[Collection, str, str | None], None] = take_all,
    ) -> None:
        self._ledger = ledger
        self._doorbell = doorbell
        self._max_bytes = max_document_bytes
        self._max_file_bytes = max_file_bytes or max_document_bytes
        self._admit = admit
        self._require_side = require_side

    def over(self, ledger: AcceptingLedger) -> Acceptor:
        """The same acceptor handing over to another ledger."""
        return Acceptor(
            ledger,
            self._doorbell,
            max_document_bytes=self._max_bytes,
            max_file_bytes=self._max_file_bytes,
            admit=self._admit,
            require_side=self._require_side,
        )

    def add_texts(
        self,
        collection: Collection,
        documents: Sequence[TextInput],
        *,
        request_id: str = "",
        request_hash: str = "",
        label: str = "",
    ) -> AcceptAnswer:
        """Takes documents given as text, all or none.

        Args:
            documents: 1 to 1,000. One without an id gets one, the same when ``request_id`` comes again.
            request_id: the client's idempotency key.
            request_hash: covers the request as it was sent; made from the documents when it is "".
            label: what the job is called.

        Raises:
            InvalidInput: with a pointer that begins with the document's position, such as "/0/metadata/year".
            Conflict, NotFound, StorageFull, Unavailable: as ``Ledger.accept``; StorageFull and Overloaded also when
                there is no room for more.
        """
        self._admit()
        prepared = []
        for position, given in enumerate(documents):
            document_id = given.id if given.id is not None else _made_id(collection, request_id, position)
            pointer = f"/{position}"
            self._require_side(collection, given.media_type, pointer)
            prepared.append(prepare_text(collection, given, document_id, max_bytes=self._max_bytes, pointer=pointer))
        given_ids = [given.id or "" for given in documents]
        label = label or ("1 document" if len(prepared) == 1 else f"{len(prepared):,} documents")
        return self._accept(collection, prepared, given_ids, request_id, request_hash, label)

    def add_files(
        self,
        collection: Collection,
        files: Sequence[FileInput],
        *,
        request_id: str = "",
        request_hash: str = "",
        label: str = "",
    ) -> AcceptAnswer:
        """Takes files, all or none; ``problems`` tells beforehand which ones would be refused.

        Raises:
            InvalidInput: what is wrong with the first bad file; the message begins with its name.
            Conflict, NotFound, StorageFull, Overloaded, Unavailable: as ``add_texts``.
        """
        self._admit()
        prepared = [self._prepare(collection, given, position) for position, given in enumerate(files)]
        _require_distinct(prepared)
        if not label:
            label = clean_file_name(files[0].name) if len(files) == 1 else f"{len(files):,} files"
        return self._accept(collection, prepared, [given.id or "" for given in files], request_id, request_hash, label)

    def problems(self, collection: Collection, files: Sequence[FileInput]) -> list[InvalidInput | None]:
        """What is wrong with each file, None for those that would be taken; nothing is stored."""
        found: list[InvalidInput | None] = []
        for position, given in enumerate(files):
            try:
                self._prepare(collection, given, position)
            except InvalidInput as error:
                found.append(error)
            else:
                found.append(None)
        return found

    def delete(
        self,
        collection: Collection,
        document_ids: Sequence[str],
        *,
        request_id: str = "",
        request_hash: str = "",
        label: str = "",
        not_after: int = 0,
    ) -> AcceptAnswer:
        """Takes removals; a document that is not there is answered "unchanged". Raises as ``add_texts``.

        Args:
            not_after: a document that has a version newer than this generation is left alone ("stale"); 0: none is.
        """
        prepared = []
        for position, document_id in enumerate(document_ids):
            check_document_id(document_id, pointer=f"/{position}")
            prepared.append(NewDocument(id=document_id, kind=DocumentKind.DELETE))
        label = label or ("delete 1 document" if len(prepared) == 1 else f"delete {len(prepared):,} documents")
        return self._accept(
            collection, prepared, list(document_ids), request_id, request_hash, label, not_after=not_after
        )

    def add_children(
        self, collection: Collection, documents: Sequence[NewDocument], *, job_id: str, generation: int
    ) -> AcceptAnswer:
        """Takes prepared rows of a source, or their removals, into the source's own job and generation.

        Raises:
            StorageFull, Overloaded: there is no room for more documents now; the source can go on later.
        """
        if any(document.kind is not DocumentKind.DELETE for document in documents):
            self._admit()
        return self._hand_over(
            AcceptRequest(collection.id, tuple(documents), job_id=job_id, generation=generation), collection
        )

    def _prepare(self, collection: Collection, given: FileInput, position: int) -> NewDocument:
        document = prepare_file(
            collection,
            given,
            max_bytes=self._max_bytes,
            max_file_bytes=self._max_file_bytes,
            pointer=f"/{position}",
        )
        try:
            self._require_side(collection, document.media_type, f"/{position}")
        except InvalidInput as error:
            error.message = f"{document.source[-120:]}: {error.message}"
            raise
        return document

    def _accept(
        self,
        collection: Collection,
        documents: Sequence[NewDocument],
        given_ids: Sequence[str],
        request_id: str,
        request_hash: str,
        label: str,
        *,
        not_after: int = 0,
    ) -> AcceptAnswer:
        _check_request_id(request_id)
        if request_id and not request_hash:
            request_hash = hash_request(
                [(given, document.full_hash) for given, document in zip(given_ids, documents, strict=True)]
            )
        request = AcceptRequest(
            collection_id=collection.id,
            documents=tuple(documents),
            request_id=request_id,
            request_hash=request_hash,
            label=label[:MAX_LABEL_CHARS],
            not_after=not_after,
        )
        return self._hand_over(request, collection)

    def _hand_over(self, request: AcceptRequest, collection: Collection) -> AcceptAnswer:
        answer = self._ledger.accept(request)
        if answer.ring:
            self._doorbell.ring(collection.id)
        return answer


def _made_id(collection: Collection, request_id: str, position: int) -> str:
    """An id for a document without one; with an idempotency key it is the same on every try."""
    seed = f"{collection.id}\0{request_id}\0{position}" if request_id else new_token()
    return "doc-" + hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest()[:24]


def _require_distinct(documents: Sequence[NewDocument]) -> None:
    seen: dict[str, str] = {}
    for position, document in enumerate(documents):
        if document.id in seen:
            raise InvalidInput(
                f"{document.source}: another file of this upload ({seen[document.id]}) stands for the same document; "
                "send one of them",
                code="doubled-id",
                pointer=f"/{position}",
            )
        seen[document.id] = document.source


def _check_request_id(request_id: str) -> None:
    require_encodable(request_id, what="the idempotency key", pointer=None)
    if len(request_id) > MAX_REQUEST_ID_CHARS:
        raise TooLarge(
            f"the idempotency key has {len(request_id):,} characters; at most {MAX_REQUEST_ID_CHARS} are taken",
            code="idempotency-key-too-long",
        )
