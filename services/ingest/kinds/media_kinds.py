"""Pictures and sounds by their signatures."""

from __future__ import annotations

import re

PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
SOUNDS = frozenset({"audio/wav", "audio/flac", "audio/ogg", "audio/mpeg"})

_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"(?:RIFF|RF64).{4}WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"fLaC"), "audio/flac"),
    (re.compile(rb"OggS\x00"), "audio/ogg"),
    (re.compile(rb"ID3[\x02-\x04]"), "audio/mpeg"),
)
# A frame of layer III, without a mark before it: three bytes that other formats begin with too.
_BARE_MP3 = re.compile(rb"\xff[\xf2\xf3\xfa\xfb][\x10-\xef]")


def media_kind(head: bytes, *, is_mp3: bool) -> str:
    """The media type of a picture or a sound, "" for anything else.

    Args:
        is_mp3: whether its name or sender says that it is an MP3.
    """
    if is_mp3 and _BARE_MP3.match(head):
        return "audio/mpeg"
    return next((kind for signature, kind in _SIGNATURES if signature.match(head)), "")


def modality_of(media_type: str) -> str:
    """What of a model embeds it: "image", "audio" or "text"."""
    if media_type in PICTURES:
        return "image"
    return "audio" if media_type in SOUNDS else "text"
