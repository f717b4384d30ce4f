"""Sounds: decoded to one channel, cut where they are long, and handed on as plain samples. Runs in the sandbox.

The text of a sound is what its file says of it, its length and its rate, so that a hit has something to show in words.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import soundfile
from numpy.typing import NDArray

from services.errors import InvalidInput
from services.ingest.cleaning import clean_text
from services.ingest.extract.types import Tick
from services.ingest.values import MAX_SOUND_S, MAX_SOUND_SAMPLES, SOUND_RATES, Extracted, MediaPart

_MAX_CHANNELS = 64
_BLOCK_VALUES = 1_000_000
_MAX_TITLE_CHARS = 300
_NAMES = {"WAV": "WAV", "WAVEX": "WAV", "RF64": "WAV", "FLAC": "FLAC", "OGG": "Ogg", "MP3": "MP3", "MPEG": "MP3"}


def extract_sound(body: bytes, tick: Tick) -> Extracted:
    """Reads a WAV, FLAC, Ogg or MP3.

    Raises:
        InvalidInput: it is damaged or holds nothing to hear (``damaged-file``).
    """
    tick()
    try:
        with soundfile.SoundFile(io.BytesIO(body)) as file:
            _require_usual(file)
            samples = _read(file, tick)
            claimed, rate, title = int(file.frames), int(file.samplerate), _said(file, "title")
            artist, kind, channels = _said(file, "artist"), _NAMES[file.format], int(file.channels)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError, OSError) as error:
        raise InvalidInput(
            f"the sound cannot be read ({type(error).__name__}): it is cut off, damaged, or in a coding that is not "
            "read; save it again as WAV, FLAC, Ogg or MP3 and add that",
            code="damaged-file",
        ) from None
    if not len(samples):
        raise InvalidInput("the sound has no samples; there is nothing to hear in it", code="damaged-file")
    heard_s = len(samples) / rate
    warnings = []
    if _most(rate) <= len(samples) < claimed:
        warnings.append(f"only its first {heard_s:,.0f} seconds were listened to")
    elif len(samples) < claimed:
        warnings.append(f"it ends after {heard_s:,.1f} seconds, its header says {claimed / rate:,.1f}")
    told = f"{kind} sound, {heard_s:,.1f} s, {rate:,} Hz, {_in_words(channels)}"
    data = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
    return Extracted(
        f"{title}\n\n{told}" if title else told,
        title=title,
        author=artist,
        warnings=tuple(warnings),
        media=MediaPart("audio", data, rate=rate),
    )


def _require_usual(file: soundfile.SoundFile) -> None:
    """Raises ValueError for what no recording is: it would only cost memory."""
    if file.format not in _NAMES:
        raise ValueError(file.format)
    if file.samplerate not in range(*SOUND_RATES) or not 1 <= file.channels <= _MAX_CHANNELS:
        raise ValueError("rate or channels")


def _read(file: soundfile.SoundFile, tick: Tick) -> NDArray[np.float32]:
    blocks = list(_blocks(file, _most(file.samplerate), tick))
    return np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)


def _blocks(file: soundfile.SoundFile, left: int, tick: Tick) -> Iterator[NDArray[np.float32]]:
    """The mean of all channels, block by block, until the file or the limit ends; what is no number is silence."""
    while left > 0:
        tick()
        block = file.read(min(left, _BLOCK_VALUES // file.channels), dtype="float32", always_2d=True)
        if not len(block):
            return
        left -= len(block)
        yield np.nan_to_num(block.mean(axis=1), nan=0.0, posinf=1.0, neginf=-1.0)


def _most(rate: int) -> int:
    return min(MAX_SOUND_S * rate, MAX_SOUND_SAMPLES)


def _said(file: soundfile.SoundFile, name: str) -> str:
    said = getattr(file, name, "")
    text = said if isinstance(said, str) else ""
    return " ".join(clean_text(text.encode("utf-8", "replace").decode()).split())[:_MAX_TITLE_CHARS]


def _in_words(channels: int) -> str:
    return {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
