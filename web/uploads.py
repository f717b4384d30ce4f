"""Multipart uploads, for the API and for the pages' forms: files with their relative paths, and little else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import flask

from services.errors import InvalidInput, MalformedJson
from services.ingest.values import FileInput
from web.body import MULTIPART_TYPE, require_size, require_type
from web.json_guard import escape_pointer, parse_json

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
            yield hashlib.sha256(file.body).digest()
            yield repr((file.id, sorted(file.metadata.items(), key=str))).encode("utf-8", "replace")


def configure(app: flask.Flask, max_body_bytes: int) -> None:
    """Sets Werkzeug's limits: its defaults allow a form of 500 MB of small fields."""
    app.config.update(MAX_CONTENT_LENGTH=max_body_bytes, MAX_FORM_PARTS=MAX_PARTS, MAX_FORM_MEMORY_SIZE=MAX_FIELD_BYTES)


def read_upload(request: flask.Request) -> Upload:
    """The files of a multipart request. Other parts than "file", "id" and "metadata" are not looked at.

    Raises:
        UnsupportedMedia: the body is no multipart/form-data.
        TooLarge: the body is longer than allowed (Werkzeug's own limits on parts answer 413 as well).
        InvalidInput: no file, "id" with several files, bad metadata.
    """
    require_type(request, (MULTIPART_TYPE,))
    if request.max_content_length is not None:
        require_size(request, request.max_content_length)
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
            FileInput(storage.filename or "", storage.read(), document_id, metadata, storage.mimetype)
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
