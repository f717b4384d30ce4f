"""The bytes of an envelope: frames, each with its own checksum. Where the files lie is the store's business.

    envelope = magic, header frame, one frame per document, end frame
    frame    = kind (1 byte), length of the JSON (4), length of the body (8), checksum (16), JSON, body

Numbers are big-endian. A checksum is BLAKE2b over everything else in its frame. The end frame's body is the BLAKE2b of
all checksums before it, so one document is read and verified by a seek, and a whole envelope by reading it through.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
from dataclasses import dataclass, fields
from typing import Any, BinaryIO

from services.errors import NearfieldError
from services.ledger.bodies import Body, body_blocks, body_size
from services.ledger.values import DocumentKind, NewDocument

MAGIC = b"NFENV1\r\n"
HEAD = struct.Struct(">cIQ16s")
CHECKSUM_BYTES = 16
END_BYTES = 32
HEADER, DOCUMENT, END = b"H", b"D", b"E"


@dataclass(frozen=True, slots=True)
class EnvelopeHeader:
    """What a request was, apart from its documents. ``created_us`` is Redis TIME.

    ``mode``: "new" job, "join" (another slice of the same request) or "children" of a source.
    """

    collection_id: str
    created_us: int
    job_id: str
    generation: int
    mode: str = "new"
    label: str = ""
    request_id: str = ""
    request_hash: str = ""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as it was accepted."""

    collection_id: str
    generation: int
    document: NewDocument


@dataclass(frozen=True, slots=True)
class FrameHead:
    """The fixed part of a frame, as read."""

    kind: bytes
    meta_bytes: int
    body_bytes: int
    checksum: bytes


def write_frame(file: BinaryIO, kind: bytes, meta: dict[str, Any], body: Body) -> bytes:
    """Writes a frame at the file's position and returns its checksum.

    A body that is a file is read once: its checksum goes into the head after it, by a step back. Until then the head
    says none, so a frame that was cut short can never be taken for a whole one.

    Raises:
        OSError: also when the body does not have the length it had a moment ago.
    """
    text = json.dumps(meta, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    size = body_size(body)
    checksum = frame_checksum(kind, len(text), size)
    checksum.update(text)
    if isinstance(body, bytes):
        checksum.update(body)
        file.write(HEAD.pack(kind, len(text), size, checksum.digest()) + text)
        file.write(body)
        return checksum.digest()
    start = file.tell()
    file.write(HEAD.pack(kind, len(text), size, b"\0" * CHECKSUM_BYTES) + text)
    written = 0
    for block in body_blocks(body):
        checksum.update(block)
        written += file.write(block)
    if written != size:
        raise OSError(f"a body of {size} bytes gave {written}")
    end = file.tell()
    file.seek(start)
    file.write(HEAD.pack(kind, len(text), size, checksum.digest()))
    file.seek(end)
    return checksum.digest()


def frame_checksum(kind: bytes, meta_bytes: int, body_bytes: int) -> hashlib.blake2b:
    """A checksum begun with a frame's kind and lengths."""
    return hashlib.blake2b(HEAD.pack(kind, meta_bytes, body_bytes, b"\0" * CHECKSUM_BYTES), digest_size=CHECKSUM_BYTES)


def read_head(file: io.BufferedReader, kind: bytes, name: str) -> FrameHead:
    """Reads the fixed part of a frame that must be of ``kind``, and believes no length that the file has no room for.

    Raises:
        NearfieldError: code "envelope-damaged".
    """
    data = file.read(HEAD.size)
    if len(data) < HEAD.size:
        raise damaged("it ends in the middle of a frame", name)
    found, meta_bytes, body_bytes, checksum = HEAD.unpack(data)
    if found != kind:
        raise damaged("there is no such frame", name)
    if meta_bytes + body_bytes > os.fstat(file.fileno()).st_size - file.tell():
        raise damaged("a frame is longer than the file", name)
    return FrameHead(found, meta_bytes, body_bytes, checksum)


def decode_meta(data: bytes) -> dict[str, Any]:
    """A frame's JSON, whose checksum has been verified."""
    meta = json.loads(data)
    if not isinstance(meta, dict):
        raise damaged("a frame holds no JSON object")
    return meta


def document_meta(collection_id: str, document: NewDocument, generation: int) -> dict[str, Any]:
    """What a document's frame says beside its body."""
    meta = {field.name: getattr(document, field.name) for field in fields(document) if field.name != "body"}
    meta |= {"kind": document.kind.value, "metadata": dict(document.metadata)}
    return {"collection_id": collection_id, "generation": generation, "document": meta}


def stored_document(meta: bytes, body: Body) -> StoredDocument:
    """The document of a frame, whose checksum has been verified."""
    frame = decode_meta(meta)
    members = dict(frame["document"])
    members["kind"] = DocumentKind(members["kind"])
    return StoredDocument(frame["collection_id"], frame["generation"], NewDocument(**members, body=body))


def damaged(why: str, name: str = "") -> NearfieldError:
    """The error of an envelope whose bytes are not what was written."""
    where = f" {name}" if name else ""
    return NearfieldError(
        f"the stored envelope{where} is damaged: {why}. Send the document again, or restore the data folder from "
        "a backup",
        code="envelope-damaged",
    )
