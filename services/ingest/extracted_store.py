"""The folder of extracted texts: what chunk offsets point into, kept so that a reader's new version moves nothing.

A text is named by the hash of what it was read from, the reader's version included. Losing a file costs reading the
original again; so files are written without fsync and removed without asking who else has the same text.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import zlib
from pathlib import Path

_LEVEL = 1


class ExtractedStore:
    """Texts by collection and hash.

    Args:
        folder: made when the first text is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, collection_id: str, text_hash: str, text: str) -> None:
        """Stores a text. A full disk is no error here: the text can be read again."""
        path = self._path(collection_id, text_hash)
        temporary = path.with_suffix(f".{secrets.token_hex(4)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.write_bytes(zlib.compress(text.encode("utf-8"), _LEVEL))
            os.replace(temporary, path)  # noqa: PTH105 - the same, and it says what matters
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def get(self, collection_id: str, text_hash: str) -> str | None:
        """A text, or None when it is not here or is damaged."""
        try:
            return zlib.decompress(self._path(collection_id, text_hash).read_bytes()).decode("utf-8")
        except (OSError, zlib.error, UnicodeDecodeError):
            return None

    def forget(self, collection_id: str, text_hash: str) -> None:
        """Removes a text."""
        with contextlib.suppress(OSError):
            self._path(collection_id, text_hash).unlink()

    def forget_collection(self, collection_id: str) -> None:
        """Removes all texts of a collection."""
        shutil.rmtree(self._folder / collection_id, ignore_errors=True)

    def _path(self, collection_id: str, text_hash: str) -> Path:
        return self._folder / collection_id / text_hash[:2] / f"{text_hash}.z"
