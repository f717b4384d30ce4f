"""Reads a whole envelope from its beginning to its end frame: what a ledger can be made from again."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass

from services.ledger import envelope_format as form
from services.ledger.envelope_format import EnvelopeHeader, FrameHead, StoredDocument

BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ScannedDocument:
    """A document of an envelope, verified, without its body. ``offset`` is that of its frame: what references name."""

    offset: int
    body_bytes: int
    stored: StoredDocument


def read_header(file: io.BufferedReader, name: str) -> EnvelopeHeader:
    """What the request was. Raises NearfieldError(code="envelope-damaged")."""
    head, data = _begin(file, name)
    return EnvelopeHeader(**form.decode_meta(data[: head.meta_bytes]))


def read_documents(file: io.BufferedReader, name: str) -> Iterator[StoredDocument]:
    """The documents in order. The envelope is whole only if this ends without an error.

    Raises:
        NearfieldError: code "envelope-damaged".
    """
    header, _ = _begin(file, name)
    checksums, count = hashlib.blake2b(header.checksum, digest_size=form.END_BYTES), 0
    while (kind := file.peek(1)[:1]) == form.DOCUMENT:
        head, data = _next_frame(file, form.DOCUMENT, name)
        checksums.update(head.checksum)
        count += 1
        yield form.stored_document(data[: head.meta_bytes], data[head.meta_bytes :])
    if kind != form.END:
        raise form.damaged("its end is missing", name)
    head, data = _next_frame(file, form.END, name)
    closed_with = form.decode_meta(data[: head.meta_bytes]).get("documents"), data[head.meta_bytes :]
    if closed_with != (count, checksums.digest()):
        raise form.damaged("its documents are not the ones it was closed with", name)


def scan_documents(file: io.BufferedReader, name: str) -> Iterator[ScannedDocument]:
    """As ``read_documents``, but bodies are verified block by block and not kept.

    Raises:
        NearfieldError: code "envelope-damaged"; the documents given out before that are whole.
    """
    header, _ = _begin(file, name)
    checksums, count = hashlib.blake2b(header.checksum, digest_size=form.END_BYTES), 0
    while (kind := file.peek(1)[:1]) == form.DOCUMENT:
        offset = file.tell()
        head = form.read_head(file, form.DOCUMENT, name)
        meta = _checked_meta(file, head, name)
        checksums.update(head.checksum)
        count += 1
        yield ScannedDocument(offset, head.body_bytes, form.stored_document(meta, b""))
    if kind != form.END:
        raise form.damaged("its end is missing", name)
    head, data = _next_frame(file, form.END, name)
    closed_with = form.decode_meta(data[: head.meta_bytes]).get("documents"), data[head.meta_bytes :]
    if closed_with != (count, checksums.digest()):
        raise form.damaged("its documents are not the ones it was closed with", name)


def _checked_meta(file: io.BufferedReader, head: FrameHead, name: str) -> bytes:
    """Reads a frame through, keeps its JSON, and compares its checksum."""
    checksum = form.frame_checksum(head.kind, head.meta_bytes, head.body_bytes)
    meta = file.read(head.meta_bytes)
    checksum.update(meta)
    left = head.body_bytes
    while left and (block := file.read(min(left, BLOCK_BYTES))):
        checksum.update(block)
        left -= len(block)
    if left or checksum.digest() != head.checksum:
        raise form.damaged("a frame does not match its checksum", name)
    return meta


def _begin(file: io.BufferedReader, name: str) -> tuple[FrameHead, bytes]:
    if file.read(len(form.MAGIC)) != form.MAGIC:
        raise form.damaged("it does not begin as an envelope does", name)
    return _next_frame(file, form.HEADER, name)


def _next_frame(file: io.BufferedReader, kind: bytes, name: str) -> tuple[FrameHead, bytes]:
    head = form.read_head(file, kind, name)
    data = file.read(head.meta_bytes + head.body_bytes)
    checksum = form.frame_checksum(kind, head.meta_bytes, head.body_bytes)
    checksum.update(data)
    if checksum.digest() != head.checksum:
        raise form.damaged("a frame does not match its checksum", name)
    return head, data
