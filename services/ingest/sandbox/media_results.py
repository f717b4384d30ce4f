"""Pictures and sounds that come out of a child: held against the shape they claim before anybody uses them."""

from __future__ import annotations

from services.ingest.sandbox.checks import Reader
from services.ingest.sandbox.frames import UnusableResult
from services.ingest.values import (
    MAX_PICTURE_SIDE,
    MAX_SOUND_SAMPLES,
    SHORT_PICTURE_SIDE,
    SOUND_RATES,
    MediaPart,
)


def media_part(fields: Reader, data: bytes) -> MediaPart:
    """A decoded picture or sound as a child wrote it.

    Raises:
        UnusableResult: it is larger than a reader makes them, or has another shape than it says.
    """
    kind = fields.text("kind", 20)
    if kind == "image":
        width, height = fields.whole("width"), fields.whole("height")
        sides = min(width, height), max(width, height)
        if not 1 <= sides[0] <= SHORT_PICTURE_SIDE or sides[1] > MAX_PICTURE_SIDE or len(data) != 3 * width * height:
            raise UnusableResult("its picture is of another size than it says")
        return MediaPart(kind, data, width=width, height=height)
    if kind == "audio":
        rate = fields.whole("rate")
        if rate not in range(*SOUND_RATES) or len(data) % 2 or not 0 < len(data) <= 2 * MAX_SOUND_SAMPLES:
            raise UnusableResult("its sound is of another length than it says")
        return MediaPart(kind, data, rate=rate)
    raise UnusableResult("it has a part of no known kind")
