"""Pictures and sounds on their way into the index: one piece each, found by what is seen or heard."""

from __future__ import annotations

import io
from typing import cast

import numpy as np
from numpy.typing import NDArray

from services.embedding.media import MediaEmbedder, Picture, Sound
from services.embedding.protocol import Embedder
from services.ingest.chunks.chunking import Piece
from services.ingest.modalities import require_side
from services.ingest.values import Extracted, MediaPart

THUMBNAIL_SIDE = 320
_JPEG_QUALITY = 80


def media_piece(extracted: Extracted) -> Piece:
    """All that can be said of a picture or a sound in words, as the one piece that it is."""
    return Piece(0, 0, len(extracted.text), extracted.text, "", extracted.text)


def embed_media(embedder: Embedder, part: MediaPart) -> NDArray[np.float32]:
    """The vector of a decoded picture or sound: shape (dim,).

    Raises:
        InvalidInput: code "unsupported-modality", the model does not embed such.
    """
    spec = embedder.spec
    require_side(spec.name, spec.modalities, "image/png" if part.kind == "image" else "audio/wav")
    able = cast(MediaEmbedder, embedder)
    rows = able.embed_pictures([picture_of(part)]) if part.kind == "image" else able.embed_sounds([sound_of(part)])
    vector: NDArray[np.float32] = rows[0]
    return vector


def picture_of(part: MediaPart) -> Picture:
    """The points of a decoded picture."""
    return Picture(np.frombuffer(part.data, dtype=np.uint8).reshape(part.height, part.width, 3))


def sound_of(part: MediaPart) -> Sound:
    """The samples of a decoded sound, between -1 and 1."""
    return Sound(np.frombuffer(part.data, dtype="<i2").astype(np.float32) / np.float32(32767.0), part.rate)


def thumbnail_of(part: MediaPart) -> bytes:
    """A small JPEG of a decoded picture, made of its points alone: nothing of the file it came in is left."""
    from PIL import Image

    small = Image.frombytes("RGB", (part.width, part.height), part.data)
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()
