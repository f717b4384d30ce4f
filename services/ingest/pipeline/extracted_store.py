"""The folder of extracted texts: what chunk offsets point into, kept so that a reader's new version moves nothing.

A text is named by the hash of what it was read from, the reader's version included. Beside it lies what the document
says of itself. Losing a file costs reading the original again; so files are written without fsync and removed without
asking who else has the same text.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import zlib
from pathlib import Path

from services.ingest.pipeline.properties import Properties

_LEVEL = 1
_TEXT, _PROPERTIES, _THUMBNAIL = ".z", ".json", ".jpg"


class ExtractedStore:
    """Texts by collection and hash.

    Args:
        folder: made when the first text is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, collection_id: str, text_hash: str, text: str, properties: Properties) -> None:
        """Stores a text and what belongs to it. A full disk is no error here: the text can be read again."""
        self.keep_properties(collection_id, text_hash, properties)
        data = zlib.compress(text.encode("utf-8"), _LEVEL)
        _write(self._path(collection_id, text_hash, _TEXT), data)

    def keep_properties(self, collection_id: str, text_hash: str, properties: Properties) -> None:
        """Stores what is known of a document that has no text of its own."""
        data = json.dumps(properties.as_json(), ensure_ascii=False).encode("utf-8", "replace")
        _write(self._path(collection_id, text_hash, _PROPERTIES), data)

    def keep_thumbnail(self, collection_id: str, text_hash: str, data: bytes) -> None:
        """Stores a small JPEG of a picture, to be shown beside a hit."""
        _write(self._path(collection_id, text_hash, _THUMBNAIL), data)

    def thumbnail(self, collection_id: str, text_hash: str) -> bytes | None:
        """A picture's thumbnail, or None when it is not here."""
        try:
            return self._path(collection_id, text_hash, _THUMBNAIL).read_bytes() or None
        except OSError:
            return None

    def has_thumbnail(self, collection_id: str, text_hash: str) -> bool:
        """Whether ``thumbnail`` has something to give."""
        return self._path(collection_id, text_hash, _THUMBNAIL).exists()

    def get(self, collection_id: str, text_hash: str) -> str | None:
        """A text, or None when it is not here or is damaged."""
        try:
            return zlib.decompress(self._path(collection_id, text_hash, _TEXT).read_bytes()).decode("utf-8")
        except (OSError, zlib.error, UnicodeDecodeError):
            return None

    def properties(self, collection_id: str, text_hash: str) -> Properties | None:
        """What is known of a document; None when nothing is kept of it.

        Of a text that was kept before there were properties they are empty, as they were for its reader.
        """
        try:
            return Properties.from_json(json.loads(self._path(collection_id, text_hash, _PROPERTIES).read_bytes()))
        except (OSError, ValueError):
            return Properties() if self._path(collection_id, text_hash, _TEXT).exists() else None

    def forget(self, collection_id: str, text_hash: str) -> None:
        """Removes a text and what belongs to it."""
        for suffix in (_TEXT, _PROPERTIES, _THUMBNAIL):
            with contextlib.suppress(OSError):
                self._path(collection_id, text_hash, suffix).unlink()

    def forget_collection(self, collection_id: str) -> None:
        """Removes all texts of a collection."""
        shutil.rmtree(self._folder / collection_id, ignore_errors=True)

    def _path(self, collection_id: str, text_hash: str, suffix: str) -> Path:
        return self._folder / collection_id / text_hash[:2] / f"{text_hash}{suffix}"


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(f".{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.write_bytes(data)
        os.replace(temporary, path)  # noqa: PTH105 - the same, and it says what matters
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
