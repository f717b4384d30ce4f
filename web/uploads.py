"""Multipart uploads, for the API and for the pages' forms: files with their relative paths, and little else.

The files lie on the disk: none is in memory as a whole, however long it is.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import flask

from services.errors import InvalidInput, MalformedJson
from services.ingest.values import FileInput
from services.ledger.bodies import body_sha256
from web.body import MULTIPART_TYPE, require_size, require_type
from web.json_guard import escape_pointer, parse_json
from web.spool import SpoolingRequest

FILE_PART = "file"
_TEXT_PARTS = ("metadata", "id")
MAX_FILES = 1000
MAX_PARTS = MAX_FILES + len(_TEXT_PARTS)
MAX_FIELD_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """What a multipart request holds."""

    files: tuple[FileInput, ...]

    def content(self) -> Iterator[bytes]:
        """What makes two uploads the same: names, bodies, ids, metadata; not the boundary."""
        for file in self.files:
            yield file.name.encode("utf-8", "replace")
            yield body_sha256(file.body)
            yield repr((file.id, sorted(file.metadata.items(), key=str))).encode("utf-8", "replace")


def configure(app: flask.Flask, max_body_bytes: int) -> None:
    """Sets Werkzeug's limits, whose defaults allow a form of 500 MB of small fields, and where the parts go."""
    app.request_class = SpoolingRequest
    app.config.update(MAX_CONTENT_LENGTH=max_body_bytes, MAX_FORM_PARTS=MAX_PARTS, MAX_FORM_MEMORY_SIZE=MAX_FIELD_BYTES)


def allow_upload(request: flask.Request, limit_bytes: int) -> None:
    """Lets the request's form be as long as an upload; to be called before anything of the form is looked at.

    Raises:
        UnsupportedMedia: the body is no multipart/form-data. TooLarge: it is declared longer than allowed.
    """
    require_type(request, (MULTIPART_TYPE,))
    request.max_content_length = limit_bytes + 1  # werkzeug refuses at the end of a body of exactly the limit
    require_size(request, limit_bytes)


def read_upload(request: flask.Request) -> Upload:
    """The files of a multipart request. Other parts than "file", "id" and "metadata" are not looked at.

    The bodies are open files, which end with the request. Call ``allow_upload`` first.

    Raises:
        StorageFull: no room for the files on the disk.
        InvalidInput: no file, "id" with several files, bad metadata.
    """
    storages = [storage for storage in request.files.getlist(FILE_PART) if storage.filename]
    if not storages:
        raise InvalidInput(
            f"the upload holds no file; send at least one part named {FILE_PART!r} with a file name",
            code="no-file",
            pointer=f"/{FILE_PART}",
        )
    metadata = _metadata(request.form.get("metadata", ""))
    document_id = request.form.get("id") or None
    if document_id is not None and len(storages) > 1:
        raise InvalidInput(
            f"an id was given for {len(storages)} files; send one file, or no id (each file then gets a stable one)",
            code="id-for-several-files",
            pointer="/id",
        )
    return Upload(
        tuple(
            FileInput(storage.filename or "", opened(storage.stream), document_id, metadata, storage.mimetype)
            for storage in storages
        )
    )


def refuse_unknown_parts(request: flask.Request) -> None:
    """Refuses a multipart request with parts that the API does not know.

    Raises:
        InvalidInput: naming the part.
    """
    known = {FILE_PART, *_TEXT_PARTS}
    for name in [*request.form, *request.files]:
        if name not in known:
            raise InvalidInput(
                f"the part {name[:80]!r} is unknown; known are {', '.join(sorted(known))}",
                code="unknown-member",
                pointer=f"/{escape_pointer(name)}",
            )


def opened(part: object) -> io.BufferedReader:
    """A part with a buffer: whoever looks into it reads some bytes here and some there."""
    return io.BufferedReader(cast(io.RawIOBase, part))


def _metadata(text: str) -> dict[str, Any]:
    if not text:
        return {}
    value = parse_json(text.encode("utf-8", "replace"), limit_bytes=MAX_FIELD_BYTES, pointer="/metadata")
    if not isinstance(value, dict):
        raise MalformedJson(
            'the part "metadata" is no JSON object; send one such as {"year": 2026}',
            pointer="/metadata",
            code="not-an-object",
        )
    return value
