"""Pictures and sounds that are searched by: bounded, and decoded in the sandbox, never in this process."""

from __future__ import annotations

import base64
import binascii
import threading
from typing import BinaryIO

from services.collections.values import Collection
from services.embedding.media import Picture, Sound
from services.errors import ExtractionFailed, InvalidInput, Overloaded, TooLarge, UnsupportedMedia
from services.ingest.kinds.media_kinds import modality_of
from services.ingest.kinds.sniff import sniff
from services.ingest.pipeline.media import picture_of, sound_of
from services.ledger.bodies import body_size
from web.state import WebState

MAX_MEDIA_BYTES = 16 * 1024 * 1024
"""Of an uploaded picture or sound to search by: photographs have up to 15 MB, and five minutes of MP3 as much."""
_MAX_WAITING = 4
_WORDS = {"image": "picture", "audio": "sound"}
_FORMATS = {"image": "PNG, JPEG, WebP or GIF", "audio": "WAV, FLAC, Ogg or MP3"}
_turns = threading.BoundedSemaphore(_MAX_WAITING)


def decoded_base64(text: str, kind: str) -> bytes:
    """The bytes of a JSON member.

    Raises:
        InvalidInput: it is no base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(
            f"{kind!r} is no base64; send the {_WORDS[kind]}'s file encoded as in RFC 4648, without line breaks",
            code="bad-base64",
            pointer=f"/{kind}",
        ) from None


def media_of(state: WebState, collection: Collection, body: bytes | BinaryIO, name: str, kind: str) -> Picture | Sound:
    """The picture or sound in a file.

    Args:
        body: the file.
        name: its name, which its content must not contradict.
        kind: "image" or "audio"; also how the part or member is called.

    Raises:
        InvalidInput: the collection's model cannot search by such, or the file cannot be read.
        UnsupportedMedia: it is something else. Overloaded: too many are being read.
    """
    pointer = f"/{kind}"
    _require_side(state, collection, kind)
    if body_size(body) > MAX_MEDIA_BYTES:
        raise TooLarge(
            f"the {_WORDS[kind]} has {body_size(body):,} bytes; at most {MAX_MEDIA_BYTES:,} are taken to search by",
            pointer=pointer,
        )
    try:
        media_type = sniff(body, name, media=True).media_type
        if modality_of(media_type) != kind:
            raise UnsupportedMedia(f"this is no {_WORDS[kind]} that is read here; send {_FORMATS[kind]}")
        return _read(state, media_type, body if isinstance(body, bytes) else body.read(), name)
    except ExtractionFailed as error:
        raise InvalidInput(error.message, code=error.code, pointer=pointer) from None
    except InvalidInput as error:
        error.pointer = error.pointer or pointer
        raise


def _read(state: WebState, media_type: str, body: bytes, name: str) -> Picture | Sound:
    if not _turns.acquire(blocking=False):
        raise Overloaded(
            f"{_MAX_WAITING} pictures or sounds to search by are being read, and no more at once; try again",
            retry_after_s=1,
        )
    try:
        limit = state.settings.max_document_bytes
        found = state.services.sandbox.extract(media_type, body, name=name, max_text_bytes=limit, tick=_nothing)
    finally:
        _turns.release()
    if found.media is None:
        raise UnsupportedMedia("this is neither a picture nor a sound")
    return picture_of(found.media) if found.media.kind == "image" else sound_of(found.media)


def _require_side(state: WebState, collection: Collection, kind: str) -> None:
    """Before anything is decoded for nothing."""
    modalities = state.services.models.spec(collection.model).modalities
    if kind not in modalities:
        able = " and ".join(
            {"text": "words", "image": "pictures", "audio": "sounds"}.get(each, each) for each in modalities
        )
        raise InvalidInput(
            f"collection {collection.name!r} cannot be searched by a {_WORDS[kind]}: its model {collection.model!r} "
            f"takes {able}; search by those, or in a collection of another model",
            code="unsupported-modality",
            pointer=f"/{kind}",
        )


def _nothing() -> None:
    """Nobody waits for signs of progress here: the sandbox's own limits end what takes too long."""
